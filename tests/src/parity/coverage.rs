//! What was used of each transport, and what of it there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Mutex,
};

use serde_json::Value;

use super::fields;

/// What was used, and by what.
#[derive(Debug, Default)]
pub struct Coverage(Mutex<BTreeMap<String, Uses>>);

#[derive(Debug, Default)]
struct Uses {
    count: usize,
    /// The first few scenarios.
    by: BTreeSet<String>,
}

/// Scenarios that are remembered by name for each thing.
const NAMED: usize = 5;

impl Coverage {
    /// Something was used, and it worked.
    pub fn used(&self, what: String, by: &str) {
        let mut used = self.0.lock().unwrap();
        let uses = used.entry(what).or_default();
        uses.count += 1;
        if uses.by.len() < NAMED && !uses.by.contains(by) {
            uses.by.insert(by.to_owned());
        }
    }

    /// What was used, each with the scenarios that used it.
    #[must_use]
    pub fn list(&self) -> String {
        let used = self.0.lock().unwrap();
        let line = |(what, Uses { count, by }): (&String, &Uses)| {
            let by: Vec<_> = by.iter().map(String::as_str).collect();
            format!("{what}: {count} times, as in\n    {}\n", by.join("\n    "))
        };
        used.iter().map(line).collect()
    }

    /// A GraphQL document was answered, without errors: all that it asked for and got, and gave to ask for it, was used.
    pub fn answered(&self, query: &str, variables: &Value, data: &Value, by: &str) {
        fields::used(query, variables, data, &mut |what| self.used(what, by));
    }

    /// Checks that everything there is was used, but for what the file of exceptions names; and that nothing is named there
    /// that was used or does not exist, nor more than so many.
    pub fn check(&self, there_is: &BTreeSet<String>, exceptions: &str, most: usize) {
        let used = self.0.lock().unwrap();
        let excepted: BTreeSet<&str> =
            exceptions.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(excepted.len() <= most, "{} exceptions, where {most} are allowed: {excepted:?}", excepted.len());
        let mut wrong = Vec::new();
        for what in there_is {
            match (used.contains_key(what), excepted.contains(what.as_str())) {
                (true, false) | (false, true) => {}
                (false, false) => wrong.push(format!("no scenario covers {what}")),
                (true, true) => wrong.push(format!("{what} is covered: take it off the exceptions: {:?}", used[what])),
            }
        }
        wrong.extend(
            excepted.iter().filter(|what| !there_is.contains(**what)).map(|what| format!("there is no {what}")),
        );
        let strange = used.keys().filter(|what| !there_is.contains(*what));
        wrong.extend(strange.map(|what| format!("{what} was used and is not documented")));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The operations of an OpenAPI document.
#[must_use]
pub fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(_, methods)| methods.as_object().into_iter().flatten());
    operations.filter_map(|(_, operation)| operation["operationId"].as_str()).map(rest).collect()
}

/// An operation's name here.
#[must_use]
pub fn rest(operation: &str) -> String {
    format!("REST {operation}")
}

/// The events of the WebSocket, as the document of its frames lists them: what clients send, and what the server does.
#[must_use]
pub fn frames() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chatcore-poem/src/ws/frames.md");
    let text = fs::read_to_string(path).unwrap();
    let (mut found, mut from) = (BTreeSet::from([client("authenticate"), server("ack")]), None);
    for line in text.lines() {
        if line.starts_with("A client sends") {
            from = Some(client as fn(&str) -> String);
        } else if line.starts_with("The server sends") {
            from = Some(server as fn(&str) -> String);
        } else if line.starts_with('#') {
            from = None;
        } else if let (Some(from), Some(cell)) = (from, line.strip_prefix('|').and_then(|line| line.split('|').next()))
        {
            found.extend(cell.split('`').skip(1).step_by(2).map(from));
        }
    }
    found
}

/// The name here of a frame that a client sends.
#[must_use]
pub fn client(event: &str) -> String {
    format!("WebSocket client {event}")
}

/// The name here of a frame that the server sends.
#[must_use]
pub fn server(event: &str) -> String {
    format!("WebSocket server {event}")
}
