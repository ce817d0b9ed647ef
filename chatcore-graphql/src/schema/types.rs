//! What the engine does not check of a document, and what takes the types of the schema to see.
//!
//! Values that its validation lets pass, since a variable beside them is not given, or since it takes anything for an input
//! object and any number for one of 32 bits: it notices them when it executes the field, and fails that field alone, after the
//! mutations before it; the specification fails the request before anything is executed (sections 5.6.1, "Values of Correct
//! Type", and 6.1.2, "Coercing Variable Values").
//!
//! And lists in what a subscription asks for: it would read them again for each event and each subscriber.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
};

use async_graphql::{
    Name, ScalarType as _, ServerError, Value, Variables,
    parser::{
        parse_schema,
        types::{
            BaseType, ExecutableDocument, FieldDefinition, InputValueDefinition, OperationDefinition, OperationType,
            Selection, SelectionSet, Type, TypeKind, TypeSystemDefinition,
        },
    },
};
use chatcore::Code;

use super::scalar::{DateTime, Long};
use crate::error::coded;

/// The types of a schema.
#[derive(Debug)]
pub(super) struct Types(HashMap<Name, TypeKind>);

impl Types {
    /// Those that the schema definition language tells of.
    pub(super) fn of(sdl: &str) -> Self {
        let definitions = parse_schema(sdl).map(|document| document.definitions).unwrap_or_default();
        let types = definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(of) => Some((of.node.name.node, of.node.kind)),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
        Self(types.collect())
    }

    /// Looks at every field that the operation selects, and at its arguments.
    ///
    /// # Errors
    /// The first argument that cannot be what it must be, or field that is not for subscriptions.
    pub(super) fn check(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Result<(), ServerError> {
        let root = match operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        let mut look = Look { types: &self.0, document, operation, variables, seen: HashSet::new() };
        look.at_fields(&operation.selection_set.node, root)
    }
}

struct Look<'d> {
    types: &'d HashMap<Name, TypeKind>,
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    variables: &'d Variables,
    /// The fragments that were looked at.
    seen: HashSet<&'d str>,
}

impl<'d> Look<'d> {
    fn at_fields(&mut self, set: &'d SelectionSet, of: &str) -> Result<(), ServerError> {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    // What is not there is for validation to say.
                    let Some(definition) = self.field(of, &field.node.name.node) else { continue };
                    for (name, value) in &field.node.arguments {
                        let argument = definition.arguments.iter().find(|it| it.node.name.node == name.node);
                        let Some(argument) = argument else { continue };
                        let variable = |name| Ok::<_, Infallible>(self.variable(&name));
                        let Ok(given) = value.node.clone().into_const_with(variable);
                        if let Some((path, expected)) = self.misfit(&given, &argument.node.ty.node, &name.node) {
                            let text = format!("Invalid value for argument \"{path}\", expected type \"{expected}\"");
                            let error = coded(text, Code::ValidationInvalidValue);
                            return Err(ServerError { locations: vec![value.pos], ..error });
                        }
                    }
                    let gives = named(&definition.ty.node);
                    if self.operation.ty == OperationType::Subscription && gives.ends_with("Connection") {
                        let text = "a subscription brings events; ask for lists in a query";
                        let error = coded(text, Code::ValidationInvalidValue);
                        return Err(ServerError { locations: vec![item.pos], ..error });
                    }
                    self.at_fields(&field.node.selection_set.node, gives)?;
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map_or(of, |on| on.node.on.node.as_str());
                    self.at_fields(&fragment.node.selection_set.node, on)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if self.seen.insert(name)
                        && let Some(fragment) = self.document.fragments.get(name)
                    {
                        let fragment = &fragment.node;
                        self.at_fields(&fragment.selection_set.node, &fragment.type_condition.node.on.node)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&self, of: &str, name: &Name) -> Option<&'d FieldDefinition> {
        let fields = match self.types.get(of)? {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => return None,
        };
        fields.iter().map(|field| &field.node).find(|field| field.name.node == *name)
    }

    /// The name of the type that it is not, with the way to it.
    fn misfit(&self, value: &Value, of: &Type, path: &str) -> Option<(String, Name)> {
        let misfit = |name: &Name| Some((path.to_owned(), name.clone()));
        match (value, &of.base) {
            (Value::Null, _) => {
                if of.nullable {
                    None
                } else {
                    misfit(named(of))
                }
            }
            (Value::List(items), BaseType::List(of)) => items.iter().find_map(|item| self.misfit(item, of, path)),
            // One stands for a list of one.
            (_, BaseType::List(of)) => self.misfit(value, of, path),
            (_, BaseType::Named(name)) => match (self.types.get(name), value) {
                (Some(TypeKind::InputObject(object)), Value::Object(values)) => {
                    let known = |name: &Name| object.fields.iter().any(|field| field.node.name.node == *name);
                    if !values.keys().all(known) {
                        return misfit(name);
                    }
                    object.fields.iter().find_map(|field| {
                        let InputValueDefinition { name, ty, default_value, .. } = &field.node;
                        match values.get(&name.node) {
                            None if default_value.is_some() => None,
                            given => {
                                let path = format!("{path}.{}", name.node);
                                self.misfit(given.unwrap_or(&Value::Null), &ty.node, &path)
                            }
                        }
                    })
                }
                (Some(TypeKind::Enum(of)), Value::Enum(given))
                    if of.values.iter().any(|it| it.node.value.node == *given) =>
                {
                    None
                }
                // As JSON has it.
                (Some(TypeKind::Enum(of)), Value::String(given))
                    if of.values.iter().any(|it| it.node.value.node == *given) =>
                {
                    None
                }
                (Some(TypeKind::Scalar) | None, _) if is_scalar(name, value) => None,
                _ => misfit(name),
            },
        }
    }

    fn variable(&self, name: &Name) -> Value {
        let default = || {
            let definitions = self.operation.variable_definitions.iter();
            let definition = definitions.map(|definition| &definition.node).find(|it| it.name.node == *name)?;
            Some(&definition.default_value.as_ref()?.node)
        };
        self.variables.get(name).or_else(default).cloned().unwrap_or_default()
    }
}

/// Whether a value can be of a scalar type (section 3.5).
fn is_scalar(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("Int", Value::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("ID", Value::Number(number)) => number.is_i64() || number.is_u64(),
        ("Float", Value::Number(_)) | ("ID" | "String", Value::String(_)) | ("Boolean", Value::Boolean(_)) => true,
        ("Long", _) => Long::is_valid(value),
        ("DateTime", _) => DateTime::is_valid(value),
        _ => false,
    }
}

fn named(of: &Type) -> &Name {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => named(of),
    }
}
