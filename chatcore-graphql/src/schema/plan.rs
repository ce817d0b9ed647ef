//! What is executed of a document: the fields that the specification collects (section 6.3.2, "CollectFields"), with the values
//! of their arguments.
//!
//! The engine resolves a field as often as it is written, finds no source of a subscription in a fragment, and knows nothing of
//! absent variables. So the engine gets a document with neither fragments nor directives nor variables: for each object the
//! fields that are asked for, each once. The document is made from one that is valid, once for an operation.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned, ServerError,
    indexmap::IndexMap,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FieldDefinition, FragmentDefinition, InlineFragment,
        OperationDefinition, OperationType, Selection, SelectionSet, TypeCondition, TypeKind,
    },
};
use async_graphql_value::Value as Literal;
use chatcore::Code;

use super::{
    shape::{FieldShape, ObjectShape, Of, Shape, TYPE_KEY},
    types::{Types, named},
    values::{Misfit, Values},
};
use crate::error::coded;

/// What is executed, and the form of its answer.
pub(super) struct Plan {
    pub(super) document: ExecutableDocument,
    pub(super) shape: Shape,
}

impl Plan {
    /// The plan of an operation of a valid document.
    ///
    /// # Errors
    /// An argument that is not of its type, two fields under one key, or a field that is not for subscriptions.
    pub(super) fn of(
        types: &Types,
        document: &ExecutableDocument,
        operation: &Positioned<OperationDefinition>,
        values: &Values<'_>,
    ) -> Result<Self, ServerError> {
        let kind = operation.node.ty;
        let root = match kind {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        let planner = Planner { types, fragments: &document.fragments, values, kind };
        let set = &operation.node.selection_set;
        let (mut items, shape) = planner.object(&Name::new(root), &[&set.node])?;
        // So that the answer of an operation that selects nothing is not the answer of one that was not executed.
        if kind != OperationType::Subscription && !shape.0.is_empty() {
            items.push(type_field(set.pos));
        }
        let executed = OperationDefinition {
            ty: kind,
            variable_definitions: Vec::new(),
            directives: Vec::new(),
            selection_set: set.position_node(SelectionSet { items }),
        };
        let operations = DocumentOperations::Single(operation.position_node(executed));
        let document = ExecutableDocument { operations, fragments: HashMap::new() };
        Ok(Self { document, shape: Shape(shape) })
    }
}

/// A field that is asked for, with all that is asked for of it.
struct Collected<'d> {
    /// As it is written first.
    field: &'d Positioned<Field>,
    sets: Vec<&'d SelectionSet>,
}

type Arguments = Vec<(Positioned<Name>, Positioned<Literal>)>;

struct Planner<'d> {
    types: &'d Types,
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    values: &'d Values<'d>,
    kind: OperationType,
}

impl<'d> Planner<'d> {
    /// What is asked for of an object: for the engine, and as it is answered.
    fn object(
        &self,
        of: &Name,
        sets: &[&'d SelectionSet],
    ) -> Result<(Vec<Positioned<Selection>>, ObjectShape), ServerError> {
        let mut collected = IndexMap::new();
        let mut spread = HashSet::new();
        for set in sets {
            self.collect(set, of, &mut spread, &mut collected)?;
        }
        let (mut items, mut shapes) = (Vec::with_capacity(collected.len()), Vec::with_capacity(collected.len()));
        for Collected { field, sets } in collected.into_values() {
            let Some(definition) = self.types.field(of, &field.node.name.node) else {
                // Validation lets none through.
                return Err(invalid("there is no such field", &[field.pos]));
            };
            let (item, shape) = self.field(field, &sets, definition)?;
            items.push(field.position_node(Selection::Field(field.position_node(item))));
            shapes.push(shape);
        }
        if items.is_empty() {
            // Without any field, the engine would answer null.
            items.push(type_field(Pos::default()));
        }
        Ok((items, ObjectShape(shapes)))
    }

    fn collect(
        &self,
        set: &'d SelectionSet,
        of: &Name,
        spread: &mut HashSet<&'d str>,
        into: &mut IndexMap<&'d str, Collected<'d>>,
    ) -> Result<(), ServerError> {
        for item in &set.items {
            if !self.values.includes(item.node.directives())? {
                continue;
            }
            match &item.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.as_str();
                    let collected = into.entry(key).or_insert_with(|| Collected { field, sets: Vec::new() });
                    if !is_same(&collected.field.node, &field.node) {
                        let message = "one name stands for different fields; give one of them an alias";
                        return Err(invalid(message, &[collected.field.pos, field.pos]));
                    }
                    collected.sets.push(&field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|on| &on.node.on.node);
                    if on.is_none_or(|on| self.types.applies(on, of)) {
                        self.collect(&fragment.node.selection_set.node, of, spread, into)?;
                    }
                }
                Selection::FragmentSpread(fragment) => {
                    let name = &fragment.node.fragment_name.node;
                    if spread.insert(name)
                        && let Some(fragment) = self.fragments.get(name)
                        && self.types.applies(&fragment.node.type_condition.node.on.node, of)
                    {
                        self.collect(&fragment.node.selection_set.node, of, spread, into)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(
        &self,
        field: &Positioned<Field>,
        sets: &[&'d SelectionSet],
        definition: &FieldDefinition,
    ) -> Result<(Field, FieldShape), ServerError> {
        let gives = named(&definition.ty.node);
        if self.kind == OperationType::Subscription && gives.ends_with("Connection") {
            // The engine would read it again for each event and each subscriber.
            return Err(invalid("a subscription brings events; ask for lists in a query", &[field.pos]));
        }
        let (items, of) = match self.types.kind(gives) {
            Some(TypeKind::Object(_)) => {
                let (items, shape) = self.object(gives, sets)?;
                (items, Of::Object(shape))
            }
            Some(TypeKind::Interface(_) | TypeKind::Union(_)) => self.one_of(gives, sets, field.pos)?,
            Some(TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_)) | None => (Vec::new(), Of::Leaf),
        };
        let asked = Field {
            alias: field.node.alias.clone(),
            name: field.node.name.clone(),
            arguments: self.arguments(&field.node, definition)?,
            directives: Vec::new(),
            selection_set: field.node.selection_set.position_node(SelectionSet { items }),
        };
        let key = field.node.response_key().node.clone();
        Ok((asked, FieldShape { key, of_type: definition.ty.node.clone(), of }))
    }

    /// What is asked for of an interface or a union: of each of its objects by itself.
    fn one_of(
        &self,
        of: &Name,
        sets: &[&'d SelectionSet],
        at: Pos,
    ) -> Result<(Vec<Positioned<Selection>>, Of), ServerError> {
        let (mut items, mut shapes) = (Vec::new(), Vec::new());
        for object in self.types.possible(of) {
            let (asked, shape) = self.object(object, sets)?;
            if !shape.0.is_empty() {
                let fragment = InlineFragment {
                    type_condition: Some(Positioned::new(
                        TypeCondition { on: Positioned::new(object.clone(), at) },
                        at,
                    )),
                    directives: Vec::new(),
                    selection_set: Positioned::new(SelectionSet { items: asked }, at),
                };
                items.push(Positioned::new(Selection::InlineFragment(Positioned::new(fragment, at)), at));
                shapes.push((object.clone(), shape));
            }
        }
        items.push(type_field(at));
        Ok((items, Of::Any(shapes)))
    }

    /// The arguments of a field. One whose variable is absent is absent (section 6.4.1).
    fn arguments(&self, field: &Field, definition: &FieldDefinition) -> Result<Arguments, ServerError> {
        let mut arguments = Vec::with_capacity(field.arguments.len());
        for argument in &definition.arguments {
            let (name, of) = (&argument.node.name.node, &argument.node.ty.node);
            let Some((written, value)) = field.arguments.iter().find(|(given, _)| given.node == *name) else {
                continue;
            };
            let misfit = |misfit: Misfit| misfit.error("argument", name, value.pos);
            match self.values.argument(&value.node, &argument.node).map_err(misfit)? {
                Some(coerced) => arguments.push((written.clone(), value.position_node(coerced.into_value()))),
                None if of.nullable || argument.node.default_value.is_some() => {}
                None => {
                    let text = format!("Invalid value for argument \"{name}\", expected type \"{of}\"");
                    return Err(invalid(text, &[value.pos]));
                }
            }
        }
        Ok(arguments)
    }
}

/// Checks that each subscription of a valid document has one root field, whatever its variables are (section 5.2.4.1): the engine
/// follows all of them, so that one operation would be many.
///
/// # Errors
/// Another number of them, a field of introspection, or a condition.
pub(super) fn check_subscriptions(document: &ExecutableDocument) -> Result<(), ServerError> {
    for (_, operation) in document.operations.iter() {
        if operation.node.ty == OperationType::Subscription {
            let mut keys = HashSet::new();
            roots(document, &operation.node.selection_set.node, &mut HashSet::new(), &mut keys)?;
            if keys.len() != 1 {
                return Err(invalid("a subscription has one root field", &[operation.pos]));
            }
        }
    }
    Ok(())
}

fn roots<'d>(
    document: &'d ExecutableDocument,
    set: &'d SelectionSet,
    spread: &mut HashSet<&'d str>,
    keys: &mut HashSet<&'d str>,
) -> Result<(), ServerError> {
    for item in &set.items {
        if !item.node.directives().is_empty() {
            let message = "the root field of a subscription has no directives, nor has a fragment around it";
            return Err(invalid(message, &[item.pos]));
        }
        match &item.node {
            Selection::Field(field) if field.node.name.node.starts_with("__") => {
                return Err(invalid("a subscription is to events, and not to introspection", &[field.pos]));
            }
            Selection::Field(field) => {
                keys.insert(field.node.response_key().node.as_str());
            }
            Selection::InlineFragment(fragment) => {
                roots(document, &fragment.node.selection_set.node, spread, keys)?;
            }
            Selection::FragmentSpread(fragment) => {
                let name = &fragment.node.fragment_name.node;
                if spread.insert(name)
                    && let Some(fragment) = document.fragments.get(name)
                {
                    roots(document, &fragment.node.selection_set.node, spread, keys)?;
                }
            }
        }
    }
    Ok(())
}

/// Whether two fields under one key are the same, with the same arguments in whatever order.
fn is_same(one: &Field, other: &Field) -> bool {
    one.name.node == other.name.node
        && one.arguments.len() == other.arguments.len()
        && one
            .arguments
            .iter()
            .all(|(name, value)| other.get_argument(&name.node).is_some_and(|other| other.node == value.node))
}

/// A field that asks the engine for the type of an object.
fn type_field(at: Pos) -> Positioned<Selection> {
    let field = Field {
        alias: Some(Positioned::new(Name::new(TYPE_KEY), at)),
        name: Positioned::new(Name::new("__typename"), at),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    };
    Positioned::new(Selection::Field(Positioned::new(field, at)), at)
}

fn invalid(message: impl Into<String>, locations: &[Pos]) -> ServerError {
    ServerError { locations: locations.to_vec(), ..coded(message, Code::ValidationInvalidValue) }
}
