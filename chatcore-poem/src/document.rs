//! The OpenAPI document in the form that generators of clients take.

use serde_json::{Map, Value, json};

/// Leaves out of every `allOf` the parts that only repeat what stands beside it. Where a field refers to a schema and has
/// a description, poem-openapi gives the description twice, the second time as a part, and openapi-python-client takes
/// that part for a type that cannot be combined: it leaves the schema out, and every operation that needs it.
pub(crate) fn simplify(mut document: Value) -> Value {
    visit(&mut document);
    document
}

/// What an operation makes, by the names of the path parameters that lead to it: runtime expressions on the request and the answer
/// (OpenAPI 3.0, "Link Object").
const MADE: [(&str, &[(&str, &str)]); 3] = [
    ("createSession", &[("session_id", "$response.body#/id")]),
    ("sendMessage", &[("session_id", "$request.path.session_id"), ("message_id", "$response.body#/id")]),
    ("addParticipant", &[("session_id", "$request.path.session_id"), ("user_id", "$response.body#/user_id")]),
];

/// Links each operation that makes something with the operations on it, so that a client finds them and a tester can call them one after
/// another. poem-openapi declares no links.
pub(crate) fn link(mut document: Value) -> Value {
    let operations: Vec<(String, Vec<String>)> = operations(&document)
        .filter_map(|(path, operation)| {
            let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            Some((operation.get("operationId")?.as_str()?.to_owned(), names.map(str::to_owned).collect()))
        })
        .collect();
    for (id, made) in MADE {
        let made_name = made.last().map(|(name, _)| *name);
        let is_of = |names: &[String]| names.iter().any(|name| Some(name.as_str()) == made_name);
        let known = |names: &[String]| names.iter().all(|name| made.iter().any(|(known, _)| name == known));
        let links: Map<String, Value> = operations
            .iter()
            .filter(|(_, names)| is_of(names) && known(names))
            .map(|(target, names)| {
                let parameters: Map<String, Value> = made
                    .iter()
                    .filter(|(name, _)| names.iter().any(|wanted| wanted == name))
                    .map(|(name, expression)| ((*name).to_owned(), (*expression).into()))
                    .collect();
                (target.clone(), json!({ "operationId": target, "parameters": parameters }))
            })
            .collect();
        let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
        let all = paths.filter_map(|(_, methods)| methods.as_object_mut()).flatten().map(|(_, operation)| operation);
        for operation in all.filter(|operation| operation.get("operationId").is_some_and(|found| found == id)) {
            if let Some(Value::Object(response)) = operation.pointer_mut("/responses/201") {
                response.insert("links".to_owned(), Value::Object(links.clone()));
            }
        }
    }
    document
}

/// Each operation of a document, with its path.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(_, operation)| (path.as_str(), operation))
    })
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
    fn what_an_operation_makes_is_linked_with_the_operations_on_it() {
        let authenticator = JwtAuthenticator::hs256(&[7; 32]).unwrap();
        let frontend = ChatFrontend::new(Chat::in_memory(), authenticator);
        let links = |path: &str| &frontend.openapi()["paths"][path]["post"]["responses"]["201"]["links"];
        let made = &links("/sessions")["getSession"];
        assert_eq!(made["parameters"], serde_json::json!({ "session_id": "$response.body#/id" }), "{made}");
        assert!(links("/sessions")["editMessage"].is_null());
        let messages = links("/sessions/{session_id}/messages");
        assert_eq!(messages["editMessage"]["parameters"]["message_id"], "$response.body#/id");
        assert!(messages["getSession"].is_null());
        assert!(links("/sessions/{session_id}/participants")["changeRole"].is_object());
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
