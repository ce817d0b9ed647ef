//! The OpenAPI document in the form that generators of clients take.

use poem_openapi::OpenApiService;
use serde_json::{Map, Value, json};

use crate::health::{self, Health};

/// Leaves out of every `allOf` the parts that only repeat what stands beside it. Where a field refers to a schema and has
/// a description, poem-openapi gives the description twice, the second time as a part, and openapi-python-client takes
/// that part for a type that cannot be combined: it leaves the schema out, and every operation that needs it.
fn simplify(mut document: Value) -> Value {
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
fn link(mut document: Value) -> Value {
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

/// A document in the form that is served.
pub(crate) fn finished(document: Value) -> Value {
    link(simplify(document))
}

/// One document of two. The operations of the second one are at this place below a server of their own.
pub(crate) fn joined(mut document: Value, mut own: Value, server: &str, place: &str) -> Value {
    let taken = |from: &mut Value, pointer: &str| from.pointer_mut(pointer).map(Value::take);
    if let (Some(Value::Object(all)), Some(Value::Object(paths))) =
        (document.pointer_mut("/paths"), taken(&mut own, "/paths"))
    {
        for (path, mut operations) in paths {
            if let Value::Object(operations) = &mut operations {
                operations.insert("servers".to_owned(), json!([{ "url": server }]));
            }
            all.insert(format!("{place}{}", path.trim_end_matches('/')), operations);
        }
    }
    for pointer in ["/components/schemas", "/components/securitySchemes"] {
        if let (Some(Value::Object(all)), Some(Value::Object(more))) =
            (document.pointer_mut(pointer), taken(&mut own, pointer))
        {
            all.extend(more);
        }
    }
    if let (Some(Value::Array(all)), Some(Value::Array(more))) =
        (document.pointer_mut("/tags"), taken(&mut own, "/tags"))
    {
        let known = |tag: &Value| all.contains(tag);
        let more: Vec<Value> = more.into_iter().filter(|tag| !known(tag)).collect();
        all.extend(more);
    }
    document
}

/// The same document with the paths of [`Health`], and with a tag for them.
pub(crate) fn with_health(mut document: Value, health: &Health) -> Value {
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        paths.extend(health::paths(health).map(|(path, operation)| (path.to_owned(), operation)));
    }
    if let Some(Value::Array(tags)) = document.get_mut("tags") {
        tags.push(json!({ "name": "Health", "description": "Whether the server lives, and whether it can serve." }));
    }
    document
}

/// The same document with another title, for this path. Its servers become relative to the document, as OpenAPI has it ("Server Object",
/// `url`): so they are right below any prefix, also below one that a proxy strips.
pub(crate) fn placed(mut document: Value, title: &str, path: &str) -> Value {
    let up = "../".repeat(path.trim_start_matches('/').matches('/').count());
    let place = |object: &mut Value| {
        for server in object.get_mut("servers").and_then(Value::as_array_mut).into_iter().flatten() {
            let url = server.get("url").and_then(Value::as_str).unwrap_or_default();
            let url = format!("{up}{}", url.trim_start_matches('/'));
            // The folder of the document itself.
            *server = json!({ "url": if url.is_empty() { "." } else { url.as_str() } });
        }
    };
    place(&mut document);
    if let Some(title_of) = document.pointer_mut("/info/title") {
        *title_of = title.into();
    }
    document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut).for_each(place);
    document
}

/// Swagger UI over a document.
pub(crate) fn page(document: &Value) -> String {
    // poem-openapi makes pages of its own documents only.
    let empty = OpenApiService::new((), "", "");
    empty.swagger_ui_html().replacen(&empty.spec(), &document.to_string(), 1)
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
