//! What the documents say is what the code says.
#![allow(missing_docs, reason = "tests")]

use std::{fs, path::Path};

use chatcore::permission::PermissionTable;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_readme_shows_the_example_that_is_built() {
    let example = file("examples/embed/src/main.rs");
    let (_, code) = example.split_once("\n\n").unwrap();
    assert!(file("README.md").contains(code.trim()), "README.md and examples/embed differ");
    let documented: String =
        code.trim().lines().map(|line| format!("//! {line}").trim_end().to_owned() + "\n").collect();
    assert!(file("chatcore/src/lib.rs").contains(&documented), "chatcore's documentation and examples/embed differ");
    assert!(code.trim().lines().filter(|line| !line.trim().is_empty()).count() <= 25, "the example has grown");
}

#[test]
fn the_documented_matrix_is_the_table() {
    let table = PermissionTable::default().to_markdown();
    for document in ["docs/permissions.md", "chatcore/src/permission/matrix.md"] {
        assert!(file(document).contains(&table), "{document} differs from the table:\n{table}");
    }
}
