//! SECURITY.md names tests that exist.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

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
            assert!(text.contains(&format!("fn {name}(")), "SECURITY.md names a test that does not exist: {test}");
        }
    }
}
