//! `docs/metrics.md` says what is declared.

use std::fmt::Write as _;

use chatcore::metrics::{ALL, Description, LABELS};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");

const HEAD: &str = "\
# Metrics

Made from the declaration in `chatcore/src/metrics/declared.rs`; `UPDATE_DOCUMENTS=1 cargo test -p chatcore --all-features --test metrics` writes it
again.

Each metric starts at 0, where its part of the program is in use, so a rate sees the first event. No label holds what a client chooses: its
values are of a set that is known at the start.

";

fn document() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for Description { name, kind, labels, help, .. } in ALL {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(text, "| `{name}` | {} | {} | {help} |", kind.name(), labels.join(", ")).unwrap();
    }
    text.push_str("\n## Labels\n\n| label | values |\n|---|---|\n");
    for (label, values) in LABELS {
        writeln!(text, "| `{label}` | {values} |").unwrap();
    }
    text.push_str("\n## Buckets\n\n| histogram | upper ends |\n|---|---|\n");
    for Description { name, buckets, .. } in ALL.iter().filter(|metric| !metric.buckets.is_empty()) {
        let ends: Vec<_> = buckets.iter().map(f64::to_string).collect();
        writeln!(text, "| `{name}` | {} |", ends.join(", ")).unwrap();
    }
    text
}

#[test]
fn the_document_says_what_is_declared() {
    let document = document();
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(PATH, &document).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(found == document, "docs/metrics.md is not what is declared; UPDATE_DOCUMENTS=1 writes it");
}

#[test]
fn names_tell_the_kind_and_the_unit() {
    for Description { name, kind, unit, labels, buckets, .. } in ALL {
        assert!(name.starts_with("chatcore_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind.name() == "counter", "{name}");
        assert_eq!(!buckets.is_empty(), kind.name() == "histogram", "{name}");
        assert_eq!(name.ends_with("_seconds"), unit.as_str() == "seconds", "{name}");
        assert!(buckets.is_sorted(), "{name}");
        assert!(labels.iter().all(|label| LABELS.iter().any(|(known, _)| known == label)), "{name}");
    }
    for (label, _) in LABELS {
        assert!(ALL.iter().any(|metric| metric.labels.contains(label)), "no metric has the label {label}");
    }
}
