//! The OpenAPI document in the form that generators of clients take.

use serde_json::{Value, json};

/// Leaves out of every `allOf` the parts that only repeat what stands beside it. Where a field refers to a schema and has
/// a description, poem-openapi gives the description twice, the second time as a part, and openapi-python-client takes
/// that part for a type that cannot be combined: it leaves the schema out, and every operation that needs it.
pub(crate) fn simplify(mut document: Value) -> Value {
    visit(&mut document);
    document
}

/// The same document with another title and other servers.
pub(crate) fn with_servers(mut document: Value, title: &str, urls: &[String]) -> Value {
    if let Value::Object(fields) = &mut document {
        if let Some(Value::Object(info)) = fields.get_mut("info") {
            info.insert("title".to_owned(), title.into());
        }
        fields.insert("servers".to_owned(), urls.iter().map(|url| json!({ "url": url })).collect());
    }
    document
}

fn visit(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Array(mut parts)) = object.remove("allOf") {
                let beside = |(name, value): (&String, &Value)| object.get(name) == Some(value);
                parts.retain(|part| !part.as_object().is_some_and(|part| part.iter().all(beside)));
                object.insert("allOf".to_owned(), Value::Array(parts));
            }
            object.values_mut().for_each(visit);
        }
        Value::Array(values) => values.iter_mut().for_each(visit),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use chatcore::{Chat, JwtAuthenticator};
    use serde_json::Value;

    use crate::ChatFrontend;

    fn all_of<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("allOf"));
                object.values().for_each(|value| all_of(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| all_of(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn a_described_reference_is_a_reference_alone() {
        let authenticator = JwtAuthenticator::hs256(&[7; 32]).unwrap();
        let frontend = ChatFrontend::new(Chat::in_memory(), authenticator);
        let role = &frontend.openapi()["components"]["schemas"]["AddParticipant"]["properties"]["role"];
        assert!(role["description"].as_str().is_some_and(|text| text.contains("MEMBER")), "{role}");
        let mut found = Vec::new();
        all_of(frontend.openapi(), &mut found);
        assert!(!found.is_empty());
        for parts in found {
            let parts = parts.as_array().unwrap();
            assert!(parts.len() == 1 && parts[0]["$ref"].is_string(), "{parts:?}");
        }
    }
}
