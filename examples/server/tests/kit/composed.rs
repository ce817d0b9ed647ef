//! The settings in the files for containers and systemd.

use std::path::Path;

/// Variables with their values.
pub(crate) type Variables = Vec<(String, String)>;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap()
}

/// The value of a variable that whoever deploys chooses.
pub(crate) fn value(name: &str) -> String {
    format!("{name}-of-a-deployment-in-a-test")
}

/// A text of `compose.yaml` with the values of its variables, `${NAME}` or `${NAME:?…}`.
fn filled(text: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap();
        filled.push_str(&value(name.split(':').next().unwrap()));
        filled.push_str(rest);
    }
    filled
}

/// What the image sets.
pub(crate) fn image() -> Variables {
    let text = read("Dockerfile").replace("\\\n", " ");
    let set = text.lines().filter_map(|line| line.strip_prefix("ENV ")).flat_map(str::split_whitespace);
    pairs(set)
}

/// What the unit of systemd sets.
pub(crate) fn unit() -> Variables {
    pairs(read("deploy/systemd/chat-server.service").lines().filter_map(|line| line.strip_prefix("Environment=")))
}

fn pairs<'a>(set: impl Iterator<Item = &'a str>) -> Variables {
    set.map(|set| set.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What `compose.yaml` sets for the chat server.
pub(crate) fn chat() -> Variables {
    let text = read("compose.yaml");
    let lines = text.lines().skip_while(|line| line.trim() != "environment:").skip(1);
    let set = lines.map(str::trim).take_while(|line| line.starts_with("CHAT_"));
    let set: Vec<_> = set.map(|line| line.split_once(": ").unwrap()).collect();
    assert!(set.len() > 5, "{set:?}");
    set.into_iter().map(|(name, value)| (name.to_owned(), filled(value))).collect()
}

/// The statements by which `compose.yaml` makes the user at the database.
pub(crate) fn user() -> String {
    let text = read("compose.yaml");
    let lines = text.lines().skip_while(|line| line.trim() != "content: |").skip(1);
    filled(&lines.take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>().join("\n"))
}
