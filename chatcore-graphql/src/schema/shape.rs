//! The form of an answer, as its document has it.
//!
//! The engine answers with what its resolvers gave, in the order in which they were done, without the fields that failed, and with
//! null for an object of which nothing is left. The specification wants an object for each object, a null for each field that
//! failed, and the fields in the order in which the document asks for them (section 6.4). What an answer looks like is worked out
//! once for an operation, and holds for each event of a subscription.

use async_graphql::{
    Name, PathSegment, Response, Value,
    indexmap::IndexMap,
    parser::types::{BaseType, Type},
};

/// The key under which the engine is asked for the type of an object. No document can have it: it is no name.
pub(super) const TYPE_KEY: &str = ":type";

/// The form of all of an answer.
#[derive(Debug)]
pub(super) struct Shape(pub(super) ObjectShape);

/// The form of an object: its fields, in their order.
#[derive(Debug, Default)]
pub(super) struct ObjectShape(pub(super) Vec<FieldShape>);

/// The form of a field.
#[derive(Debug)]
pub(super) struct FieldShape {
    pub(super) key: Name,
    pub(super) of_type: Type,
    pub(super) of: Of,
}

/// What is within the lists of a field.
#[derive(Debug)]
pub(super) enum Of {
    /// A scalar or a name of an enum.
    Leaf,
    /// An object of one type.
    Object(ObjectShape),
    /// An object of one of these types; of any other one, nothing is asked for. The engine is asked for the type.
    Any(Vec<(Name, ObjectShape)>),
}

impl Shape {
    /// Gives an answer of the engine its form. One without data has none, and stays as it is.
    pub(super) fn give(&self, response: &mut Response) {
        if !matches!(response.data, Value::Object(_)) {
            return;
        }
        for error in &response.errors {
            put_null(&mut response.data, &error.path);
        }
        if let Value::Object(fields) = std::mem::take(&mut response.data) {
            response.data = self.0.complete(fields).unwrap_or_default();
        }
    }
}

impl ObjectShape {
    /// The object in its form; `None` where a field is null that must not be: then the object is null, too (section 6.4.4).
    fn complete(&self, mut fields: IndexMap<Name, Value>) -> Option<Value> {
        fields.swap_remove(TYPE_KEY);
        let in_order = fields.len() == self.0.len() && fields.keys().eq(self.0.iter().map(|field| &field.key));
        if in_order {
            for (value, shape) in fields.values_mut().zip(&self.0) {
                *value = complete(std::mem::take(value), &shape.of_type, &shape.of)?;
            }
            return Some(Value::Object(fields));
        }
        let mut ordered = IndexMap::with_capacity(self.0.len());
        for FieldShape { key, of_type, of } in &self.0 {
            let value = fields.swap_remove(key).unwrap_or_default();
            ordered.insert(key.clone(), complete(value, of_type, of)?);
        }
        Some(Value::Object(ordered))
    }
}

/// A value in its form; `None` where it is null and must not be.
fn complete(value: Value, of_type: &Type, of: &Of) -> Option<Value> {
    let completed = match (value, &of_type.base, of) {
        (Value::Null, _, _) => None,
        (Value::List(items), BaseType::List(item), _) => {
            items.into_iter().map(|value| complete(value, item, of)).collect::<Option<_>>().map(Value::List)
        }
        (Value::Object(fields), _, Of::Object(shape)) => shape.complete(fields),
        (Value::Object(fields), _, Of::Any(shapes)) => {
            let is_of = |name: &Name| matches!(fields.get(TYPE_KEY), Some(Value::String(found)) if *name == **found);
            match shapes.iter().find(|(name, _)| is_of(name)) {
                Some((_, shape)) => shape.complete(fields),
                None => Some(Value::Object(IndexMap::new())),
            }
        }
        (value, _, _) => Some(value),
    };
    if of_type.nullable { Some(completed.unwrap_or_default()) } else { completed }
}

/// Puts a null where a field failed, and objects on the way to it.
fn put_null(mut data: &mut Value, path: &[PathSegment]) {
    for segment in path {
        let inner = match (data, segment) {
            (object @ Value::Null, PathSegment::Field(name)) => {
                *object = Value::Object(std::iter::once((Name::new(name), Value::Null)).collect());
                return;
            }
            (Value::Object(fields), PathSegment::Field(name)) => fields.entry(Name::new(name)).or_insert(Value::Null),
            (Value::List(items), PathSegment::Index(index)) => match items.get_mut(*index) {
                Some(item) => item,
                None => return,
            },
            _ => return,
        };
        data = inner;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(key: &str, of_type: &str, of: Of) -> FieldShape {
        FieldShape { key: Name::new(key), of_type: Type::new(of_type).unwrap(), of }
    }

    /// Null goes up from where it must not be to where it may be.
    #[test]
    fn null_goes_up_to_what_may_be_null() {
        let item = || Of::Object(ObjectShape(vec![field("b", "Int!", Of::Leaf), field("c", "Int", Of::Leaf)]));
        for (of_type, data, expected) in [
            ("T", json!({ "a": { "c": 1 } }), json!({ "a": null })),
            ("T!", json!({ "a": { "c": 1 } }), json!(null)),
            ("T!", json!({ "a": { "c": 1, "b": 2 } }), json!({ "a": { "b": 2, "c": 1 } })),
            ("T", json!({ "a": { "b": 2 } }), json!({ "a": { "b": 2, "c": null } })),
            ("[T]!", json!({ "a": [{ "b": 1 }, {}] }), json!({ "a": [{ "b": 1, "c": null }, null] })),
            ("[T!]", json!({ "a": [{ "b": 1 }, {}] }), json!({ "a": null })),
            ("[T!]!", json!({ "a": [{ "b": 1 }, {}] }), json!(null)),
            ("[[T!]]", json!({ "a": [[{}], [{ "b": 1 }]] }), json!({ "a": [null, [{ "b": 1, "c": null }]] })),
            ("T!", json!({}), json!(null)),
            ("T", json!({}), json!({ "a": null })),
        ] {
            let shape = Shape(ObjectShape(vec![field("a", of_type, item())]));
            let mut response = Response::new(Value::from_json(data.clone()).unwrap());
            shape.give(&mut response);
            assert_eq!(response.data.into_json().unwrap(), expected, "{of_type} {data}");
        }
    }
}
