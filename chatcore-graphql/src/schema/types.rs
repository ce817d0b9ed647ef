//! The types of the schema, as a document's reader needs them.

use std::collections::HashMap;

use async_graphql::{
    Name,
    parser::{
        parse_schema,
        types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
    },
};

/// The type of the fields that no type defines.
const ROOT: &str = "__Root";

/// The types of a schema.
#[derive(Debug)]
pub(super) struct Types {
    kinds: HashMap<Name, TypeKind>,
    /// The objects that each interface and union stands for.
    possible: HashMap<Name, Vec<Name>>,
}

impl Types {
    /// Those that the schema definition language tells of, and those of introspection.
    pub(super) fn of(sdl: &str) -> Self {
        let mut kinds = HashMap::new();
        for text in [sdl, include_str!("introspection.graphql")] {
            let definitions = parse_schema(text).map(|document| document.definitions).unwrap_or_default();
            kinds.extend(definitions.into_iter().filter_map(|definition| match definition {
                TypeSystemDefinition::Type(of) => Some((of.node.name.node, of.node.kind)),
                TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
            }));
        }
        let mut possible: HashMap<Name, Vec<Name>> = HashMap::new();
        for (name, kind) in &kinds {
            match kind {
                TypeKind::Object(object) => {
                    for interface in &object.implements {
                        possible.entry(interface.node.clone()).or_default().push(name.clone());
                    }
                }
                TypeKind::Union(union) => {
                    let members = union.members.iter().map(|member| member.node.clone());
                    possible.insert(name.clone(), members.collect());
                }
                TypeKind::Scalar | TypeKind::Interface(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => {}
            }
        }
        possible.values_mut().for_each(|objects| objects.sort());
        Self { kinds, possible }
    }

    /// The names of the fields of the root types.
    #[cfg(feature = "metrics")]
    pub(super) fn root_fields(&self) -> impl Iterator<Item = String> {
        ["Query", "Mutation", "Subscription"]
            .into_iter()
            .flat_map(|root| match self.kinds.get(root) {
                Some(TypeKind::Object(object)) => object.fields.as_slice(),
                _ => &[],
            })
            .map(|field| field.node.name.node.to_string())
    }

    /// What a type is; `None` for a scalar that every schema has.
    pub(super) fn kind(&self, name: &str) -> Option<&TypeKind> {
        self.kinds.get(name)
    }

    /// The definition of a field of an object.
    pub(super) fn field(&self, of: &str, name: &str) -> Option<&FieldDefinition> {
        let of = if name.starts_with("__") { ROOT } else { of };
        let Some(TypeKind::Object(object)) = self.kinds.get(of) else { return None };
        object.fields.iter().map(|field| &field.node).find(|field| field.name.node == *name)
    }

    /// The objects that an interface or a union stands for.
    pub(super) fn possible(&self, of: &str) -> &[Name] {
        self.possible.get(of).map_or(&[], Vec::as_slice)
    }

    /// Whether a fragment on a type applies to an object.
    pub(super) fn applies(&self, on: &Name, object: &Name) -> bool {
        on == object || self.possible(on).contains(object)
    }
}

/// The name of the type within lists.
pub(super) fn named(of: &Type) -> &Name {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => named(of),
    }
}
