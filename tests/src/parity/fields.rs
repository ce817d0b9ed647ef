//! Which parts of the GraphQL schema a document and its answer use.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, LazyLock, Mutex},
};

use chatcore_graphql::async_graphql::parser::{
    parse_query,
    types::{
        ExecutableDocument, FieldDefinition, InputValueDefinition, OperationType, Selection, SelectionSet, Type,
        TypeKind,
    },
};
use serde_json::Value;

use super::graphql::schema::{TYPES, field, is, named};

/// The harness asks the same few documents again and again.
static PARSED: LazyLock<Mutex<HashMap<String, Arc<ExecutableDocument>>>> = LazyLock::new(Mutex::default);

/// Every field of every object, every argument of those, every field of every input object.
#[must_use]
pub fn there_is() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (owner, kind) in &*TYPES {
        match kind {
            TypeKind::Object(object) => {
                for field in object.fields.iter().map(|field| &field.node) {
                    found.insert(name(owner, &field.name.node));
                    let arguments = field.arguments.iter().map(|argument| &argument.node.name.node);
                    found.extend(arguments.map(|argument| argument_name(owner, &field.name.node, argument)));
                }
            }
            TypeKind::InputObject(object) => {
                found.extend(object.fields.iter().map(|field| name(owner, &field.node.name.node)));
            }
            // What an interface has, its objects have.
            TypeKind::Interface(_) | TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) => {}
        }
    }
    found
}

fn name(owner: &str, field: &str) -> String {
    format!("GraphQL {owner}.{field}")
}

fn argument_name(owner: &str, field: &str, argument: &str) -> String {
    format!("GraphQL {owner}.{field}({argument})")
}

/// What was asked for and came with a value, and what was given to ask for it. Lists that are empty and nulls prove nothing.
pub fn used(query: &str, variables: &Value, data: &Value, saw: &mut impl FnMut(String)) {
    let document = Arc::clone(
        PARSED.lock().unwrap().entry(query.to_owned()).or_insert_with(|| Arc::new(parse_query(query).unwrap())),
    );
    for (_, operation) in document.operations.iter() {
        let root = match operation.node.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        Walk { document: &document, variables, saw }.fields(&operation.node.selection_set.node, root, data);
    }
}

struct Walk<'a, F> {
    document: &'a ExecutableDocument,
    variables: &'a Value,
    saw: &'a mut F,
}

impl<F: FnMut(String)> Walk<'_, F> {
    fn fields(&mut self, set: &SelectionSet, owner: &str, data: &Value) {
        // Of an interface or a union, the answer says what it is.
        let owner = match &TYPES[owner] {
            TypeKind::Interface(_) | TypeKind::Union(_) => data["__typename"].as_str().unwrap(),
            _ => owner,
        };
        for item in &set.items {
            match &item.node {
                Selection::Field(asked) if asked.node.name.node == "__typename" => {}
                Selection::Field(field) => {
                    let field = &field.node;
                    let value = &data[field.response_key().node.as_str()];
                    if value.is_null() {
                        continue;
                    }
                    let known = definition(owner, &field.name.node);
                    (self.saw)(name(owner, &field.name.node));
                    for (argument, given) in &field.arguments {
                        (self.saw)(argument_name(owner, &field.name.node, &argument.node));
                        let ty = known.arguments.iter().find(|it| it.node.name.node == argument.node).unwrap();
                        let given = given.node.clone().into_const_with(|variable| {
                            let value = self.variables[variable.as_str()].clone();
                            chatcore_graphql::async_graphql::Value::from_json(value)
                        });
                        self.given(&given.unwrap().into_json().unwrap(), &ty.node.ty.node);
                    }
                    for value in elements(value) {
                        if !field.selection_set.node.items.is_empty() {
                            self.fields(&field.selection_set.node, named(&known.ty.node), value);
                        }
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map_or(owner, |on| on.node.on.node.as_str());
                    if is(owner, on) {
                        self.fields(&fragment.node.selection_set.node, owner, data);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.document.fragments[&spread.node.fragment_name.node].node;
                    if is(owner, &fragment.type_condition.node.on.node) {
                        self.fields(&fragment.selection_set.node, owner, data);
                    }
                }
            }
        }
    }

    fn given(&mut self, value: &Value, ty: &Type) {
        let owner = named(ty);
        let Some(TypeKind::InputObject(object)) = TYPES.get(owner) else { return };
        for value in elements(value) {
            for field in &object.fields {
                let InputValueDefinition { name: field, ty, .. } = &field.node;
                let value = &value[field.node.as_str()];
                if !value.is_null() {
                    (self.saw)(name(owner, &field.node));
                    self.given(value, &ty.node);
                }
            }
        }
    }
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn definition(owner: &str, name: &str) -> &'static FieldDefinition {
    field(owner, name).unwrap_or_else(|| panic!("{owner} has no field `{name}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_came_with_a_value_was_used_wherever_it_is_asked_for() {
        let query = "query($n: Int) { sessions(first: $n) { nodes { ...S } } me { email } } fragment S on Session { title description }";
        let data = json!({ "sessions": { "nodes": [{ "title": "x", "description": null }] }, "me": { "email": null } });
        let mut seen = BTreeSet::new();
        used(query, &json!({ "n": 1 }), &data, &mut |what| _ = seen.insert(what));
        let expected =
            ["Query.me", "Query.sessions", "Query.sessions(first)", "Session.title", "SessionConnection.nodes"];
        assert_eq!(seen, expected.map(|name| format!("GraphQL {name}")).into());
        assert!(seen.is_subset(&there_is()));
    }
}
