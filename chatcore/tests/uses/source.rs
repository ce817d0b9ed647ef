//! The public functions of everything that has use cases, as the source names them.

use std::{collections::BTreeSet, fs, path::Path};

/// Each folder of the source, with the type whose methods are the use cases.
const FOLDERS: [(&str, &str); 3] = [("chat", "Chat"), ("accounts", "Accounts"), ("admin", "Administration")];

/// `Type::method` of each public async method.
pub(crate) fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (folder, of) in FOLDERS {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder), of, &mut found);
    }
    found
}

fn read(folder: &Path, of: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, of, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut within = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("impl ") {
                within = name.trim_end_matches([' ', '{']);
            }
            if let Some((name, _)) =
                line.trim().strip_prefix("pub async fn ").and_then(|rest| rest.split_once(['(', '<']))
                && within == of
            {
                found.insert(format!("{of}::{name}"));
            }
        }
    }
}
