//! Forms of the wire in the OpenAPI document: a JSON Schema becomes a schema of poem-openapi.

use std::{
    collections::HashSet,
    marker::PhantomData,
    sync::{LazyLock, Mutex, PoisonError},
};

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

/// Where a JSON Schema refers to the schemas with names.
const DEFINITIONS: &str = "#/$defs/";

/// A form of the wire as poem-openapi describes it. Schemas with a name get this name in the document.
///
/// A field that is an `Option` may be absent. A field may be null where its schema has `nullable: true`.
pub(crate) struct Shape<T>(PhantomData<fn() -> T>);

impl<T: JsonSchema> Shape<T> {
    /// The schema, or a reference to it where it has a name.
    pub(crate) fn reference() -> MetaSchemaRef {
        let schema = SchemaGenerator::default().subschema_for::<T>();
        schema_ref(schema.as_value())
    }

    /// Adds the schemas with names that the form needs to the document.
    pub(crate) fn register(registry: &mut Registry) {
        let mut generator = SchemaGenerator::default();
        generator.subschema_for::<T>();
        for (name, schema) in generator.take_definitions(false) {
            let Value::Object(schema) = schema else { continue };
            // All have one type, since the registry takes two types under one name for a mistake.
            registry.create_schema::<Named, _>(name.clone(), |_| {
                let meta = meta(&schema);
                // Only objects have titles.
                let title = (meta.ty == "object").then_some(name);
                MetaSchema { title, ..meta }
            });
        }
    }
}

struct Named;

/// A text for as long as the program runs, which poem-openapi needs. There are as many as the schemas have.
fn interned(text: &str) -> &'static str {
    static TEXTS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text) {
        return known;
    }
    let text: &'static str = Box::leak(text.into());
    texts.insert(text);
    text
}

fn text_of(schema: &Map<String, Value>, key: &str) -> Option<&'static str> {
    schema.get(key)?.as_str().map(interned)
}

fn list_of<'a>(schema: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    schema.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_nullable(schema: &Map<String, Value>) -> bool {
    schema.get("nullable") == Some(&Value::Bool(true))
}

fn schema_ref(schema: &Value) -> MetaSchemaRef {
    let Value::Object(schema) = schema else { return MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)) };
    let (description, nullable) = (text_of(schema, "description"), is_nullable(schema));
    match target(schema) {
        Some(name) if description.is_none() && !nullable => MetaSchemaRef::Reference(name),
        // OpenAPI 3.0 ignores what stands beside a reference.
        Some(name) => MetaSchemaRef::Inline(Box::new(MetaSchema {
            description,
            nullable,
            all_of: vec![MetaSchemaRef::Reference(name)],
            ..MetaSchema::ANY
        })),
        None => MetaSchemaRef::Inline(Box::new(meta(schema))),
    }
}

/// The name of the schema to which this one refers, also where null is the alternative.
fn target(schema: &Map<String, Value>) -> Option<String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return name.strip_prefix(DEFINITIONS).map(str::to_owned);
    }
    match list_of(schema, "anyOf") {
        [Value::Object(one), null] if is_null(null) => target(one),
        _ => None,
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// A schema without a name.
fn meta(schema: &Map<String, Value>) -> MetaSchema {
    let ty = match schema.get("type") {
        Some(Value::String(ty)) => interned(ty),
        Some(Value::Array(types)) => {
            types.iter().filter_map(Value::as_str).find(|ty| *ty != "null").map(interned).unwrap_or_default()
        }
        _ => "",
    };
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let required = list_of(schema, "required").iter().filter_map(Value::as_str);
    let enum_items = enum_items(schema);
    MetaSchema {
        ty: if enum_items.is_empty() { ty } else { "string" },
        format: text_of(schema, "format"),
        description: text_of(schema, "description"),
        required: required.map(interned).collect(),
        properties: properties.map(|(name, schema)| (interned(name), schema_ref(schema))).collect(),
        items: schema.get("items").map(|items| Box::new(schema_ref(items))),
        any_of: list_of(schema, "anyOf").iter().filter(|schema| !is_null(schema)).map(schema_ref).collect(),
        enum_items,
        nullable: is_nullable(schema),
        ..MetaSchema::ANY
    }
}

/// The values of an enum. Where values have descriptions, each is a schema of its own.
fn enum_items(schema: &Map<String, Value>) -> Vec<Value> {
    let plain = list_of(schema, "enum").iter();
    let described = list_of(schema, "oneOf").iter();
    let described = described.flat_map(|one| match (one.get("const"), one.get("enum")) {
        (Some(value), _) => std::slice::from_ref(value),
        (None, Some(Value::Array(values))) => values.as_slice(),
        (None, _) => &[],
    });
    plain.chain(described).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test reports by panicking")]

    use chatcore::{Chat, JwtAuthenticator};
    use serde_json::{Value, json};

    use crate::ChatFrontend;

    fn schemas() -> Value {
        let frontend = ChatFrontend::new(Chat::in_memory(), JwtAuthenticator::hs256(&[7; 32]).unwrap());
        frontend.openapi()["components"]["schemas"].clone()
    }

    #[test]
    fn a_form_has_its_fields_with_types_formats_and_descriptions() {
        let schemas = schemas();
        let message = &schemas["Message"];
        assert_eq!((&message["type"], &message["title"]), (&json!("object"), &json!("Message")));
        let required = "id session_id user_id username name is_bot role message_type content mentions links attachments seq number created_at \
            revision";
        assert_eq!(message["required"], json!(required.split(' ').collect::<Vec<_>>()));
        let fields = &message["properties"];
        assert_eq!(fields["id"], json!({ "type": "string" }));
        assert_eq!(fields["role"], json!({ "$ref": "#/components/schemas/SpeakerRole" }));
        assert_eq!(fields["created_at"], json!({ "type": "string", "format": "date-time" }));
        assert_eq!((&fields["seq"]["type"], &fields["seq"]["format"]), (&json!("integer"), &json!("uint64")));
        assert!(fields["seq"]["description"].is_string());
        assert_eq!(
            (&fields["edited_at"]["format"], &fields["edited_at"]["nullable"]),
            (&json!("date-time"), &json!(true))
        );
        let content = &fields["content"];
        assert_eq!(content["allOf"], json!([{ "$ref": "#/components/schemas/Content" }]));
        assert_eq!(content["nullable"], json!(true));
    }

    #[test]
    fn an_enum_has_its_values() {
        let schemas = schemas();
        assert_eq!(schemas["SpeakerRole"]["enum"], json!(["user", "assistant", "system"]));
        assert_eq!(schemas["SpeakerRole"]["type"], json!("string"));
    }

    #[test]
    fn a_field_that_may_be_absent_is_not_null_unless_it_says_so() {
        let schemas = schemas();
        assert_eq!(schemas["SendMessage"]["required"], json!(["content"]));
        assert_eq!(schemas["SendMessage"]["properties"]["client_id"]["nullable"], Value::Null);
        assert_eq!(schemas["UpdateSession"]["required"], Value::Null);
        assert_eq!(schemas["UpdateSession"]["properties"]["description"]["nullable"], json!(true));
    }
}
