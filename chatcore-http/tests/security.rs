//! SECURITY.md names tests that exist.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path};

#[test]
fn each_defence_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    // Rows of a heading have no other cell.
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.contains("| | |"));
    let rows: Vec<_> = rows.skip(1).map(|row| (row, row.rsplit('|').nth(1).unwrap())).collect();
    assert!(rows.len() >= 40, "defences have lost their rows");
    for (row, tests) in rows {
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "a defence without a test: {row}");
        for test in tests {
            let (path, name) = test.split_once("::").unwrap();
            let text = fs::read_to_string(root.join(path)).unwrap_or_default();
            assert!(is_test(&text, name), "SECURITY.md names a test that does not exist: {test}");
        }
    }
}

/// Whether a file has a test of this name that runs: a function with an attribute of a test, or one within `on_every_store!`.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let starts = [format!("async fn {name}("), format!("fn {name}(")];
    lines.iter().enumerate().any(|(number, line)| {
        let code = line.trim_start();
        let attributes = lines[..number].iter().rev().take_while(|line| line.trim_start().starts_with("#["));
        let attributes: Vec<&&str> = attributes.collect();
        let runs = attributes.iter().any(|line| line.contains("test"))
            && !attributes.iter().any(|line| line.contains("ignore"));
        let is_on_every_store = line.starts_with("    ") && text.contains("on_every_store! {");
        starts.iter().any(|start| code.starts_with(start)) && (runs || is_on_every_store)
    })
}

#[test]
fn what_is_no_test_or_does_not_run_is_no_test() {
    for (text, expected) in [
        ("#[test]\nfn a() {}", true),
        ("#[tokio::test(flavor = \"multi_thread\")]\nasync fn a() {}", true),
        ("on_every_store! {\n    async fn a(server) {}\n}", true),
        ("fn a() {}", false),
        ("#[test]\n#[ignore = \"slow\"]\nfn a() {}", false),
        ("#[test]\n// fn a() {}", false),
        ("#[test]\nfn ab() {}", false),
        ("    async fn a(server) {}", false),
    ] {
        assert_eq!(is_test(text, "a"), expected, "{text}");
    }
}
