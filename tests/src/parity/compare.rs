//! Finding where two values differ.

use serde_json::Value;

/// Where two values first differ, with both; `None` where they do not. A field whose name begins with `?` counts only where
/// both have it: not every transport tells everything.
#[must_use]
pub fn difference(left: &Value, right: &Value) -> Option<String> {
    at("", left, right)
}

fn at(place: &str, left: &Value, right: &Value) -> Option<String> {
    match (left, right) {
        (a, b) if a == b => None,
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| match (a.get(key), b.get(key)) {
                (Some(a), Some(b)) => at(&format!("{place}.{key}"), a, b),
                _ if key.starts_with('?') => None,
                (a, b) => Some(said(&format!("{place}.{key}"), a, b)),
            })
        }
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len())).find_map(|n| {
            let place = format!("{place}[{n}]");
            match (a.get(n), b.get(n)) {
                (Some(a), Some(b)) => at(&place, a, b),
                (a, b) => Some(said(&place, a, b)),
            }
        }),
        (a, b) => Some(said(place, Some(a), Some(b))),
    }
}

fn said(place: &str, left: Option<&Value>, right: Option<&Value>) -> String {
    let text = |value: Option<&Value>| {
        let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        text.chars().take(600).collect::<String>()
    };
    format!("at `{place}`: {} | {}", text(left), text(right))
}
