//! The values of arguments and variables, coerced (GraphQL, sections 3 and 6).
//!
//! The engine does this for each argument when it executes the field. Then it is too late for an error that concerns the whole
//! request (sections 5.6.1, "Values of Correct Type", and 6.1.2, "Coercing Variable Values"): earlier mutations have been carried
//! out. The engine also takes a variable that is not given for null, where the specification takes it for absent (sections 3.10
//! and 6.4.1), and its conditions know no defaults of variables.

use std::collections::HashMap;

use async_graphql::{
    Name, Number, Pos, Positioned, ScalarType as _, ServerError, Value as Const, Variables,
    indexmap::IndexMap,
    parser::types::{BaseType, Directive, InputObjectType, InputValueDefinition, OperationDefinition, Type, TypeKind},
};
use async_graphql_value::Value as Literal;
use chatcore::Code;

use super::{
    scalar::{DateTime, JsonObject, Long},
    types::{Types, named},
};
use crate::error::coded;

/// Where a value was written. JSON has no names, so that strings stand for those of enums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Document,
    Json,
}

/// A value that is not of its type.
#[derive(Debug)]
pub(super) struct Misfit {
    /// The fields that lead to it, the innermost one first.
    path: Vec<Name>,
    expected: Name,
}

impl Misfit {
    fn of(expected: &Type) -> Self {
        Self { path: Vec::new(), expected: named(expected).clone() }
    }

    fn within(mut self, field: &Name) -> Self {
        self.path.push(field.clone());
        self
    }

    /// The error of a request with this value in an argument or in a variable.
    pub(super) fn error(&self, what: &str, name: &str, at: Pos) -> ServerError {
        let path: String = self.path.iter().rev().map(|field| format!(".{field}")).collect();
        let text = format!("Invalid value for {what} \"{name}{path}\", expected type \"{}\"", self.expected);
        ServerError { locations: vec![at], ..coded(text, Code::ValidationInvalidValue) }
    }
}

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
struct Position<'t> {
    of: &'t Type,
    default: bool,
}

impl<'t> Position<'t> {
    fn of(definition: &'t InputValueDefinition) -> Self {
        Self { of: &definition.ty.node, default: definition.default_value.is_some() }
    }

    fn may_be_absent(self) -> bool {
        self.of.nullable || self.default
    }
}

/// The variables of a request, as values of their types. One that is not given and has no default is not there.
#[derive(Debug)]
pub(super) struct Values<'d> {
    types: &'d Types,
    variables: HashMap<&'d Name, Variable>,
}

#[derive(Debug)]
struct Variable {
    /// Whether it may be absent or null by its definition.
    nullable: bool,
    value: Option<Const>,
}

impl<'d> Values<'d> {
    /// Coerces the variables that an operation defines.
    ///
    /// # Errors
    /// The first one that is not of its type, or that is missing.
    pub(super) fn of(
        types: &'d Types,
        operation: &'d OperationDefinition,
        given: &Variables,
    ) -> Result<Self, ServerError> {
        let mut values = Self { types, variables: HashMap::new() };
        for definition in &operation.variable_definitions {
            let (name, of) = (&definition.node.name.node, &definition.node.var_type.node);
            let default = definition.node.default_value.as_ref();
            let written = match (given.get(name), default) {
                (Some(given), _) => Some((given.clone(), Written::Json)),
                (None, Some(default)) => Some((default.node.clone(), Written::Document)),
                (None, None) if of.nullable => None,
                (None, None) => Some((Const::Null, Written::Json)),
            };
            let coerced = written.map_or(Ok(None), |(value, written)| {
                values.coerce(&value.into_value(), Position { of, default: false }, written)
            });
            let value = coerced.map_err(|misfit| misfit.error("variable", &format!("${name}"), definition.pos))?;
            let nullable = of.nullable && default.is_none_or(|default| default.node == Const::Null);
            values.variables.insert(name, Variable { nullable, value });
        }
        Ok(values)
    }

    /// Those that are there.
    pub(super) fn variables(&self) -> Variables {
        let there =
            self.variables.iter().filter_map(|(name, variable)| Some(((*name).clone(), variable.value.clone()?)));
        Variables::from_value(Const::Object(there.collect()))
    }

    /// The value of an argument; `None` for a variable that is not there.
    ///
    /// # Errors
    /// Where it is not of the argument's type.
    pub(super) fn argument(&self, value: &Literal, argument: &InputValueDefinition) -> Result<Option<Const>, Misfit> {
        self.coerce(value, Position::of(argument), Written::Document)
    }

    /// Whether a selection with these directives is part of the answer.
    pub(super) fn includes(&self, directives: &[Positioned<Directive>]) -> Result<bool, ServerError> {
        let condition = Type { base: BaseType::Named(Name::new("Boolean")), nullable: false };
        for directive in directives {
            let included_by = match directive.node.name.node.as_str() {
                "include" => true,
                "skip" => false,
                _ => continue,
            };
            let value = directive.node.get_argument("if");
            let position = Position { of: &condition, default: false };
            let coerced = value.map_or(Ok(None), |value| self.coerce(&value.node, position, Written::Document));
            match coerced {
                Ok(Some(Const::Boolean(value))) if value == included_by => {}
                Ok(Some(Const::Boolean(_))) => return Ok(false),
                Ok(_) => return Err(Misfit::of(&condition).error("argument", "if", directive.pos)),
                Err(misfit) => return Err(misfit.error("argument", "if", directive.pos)),
            }
        }
        Ok(true)
    }

    fn coerce(&self, value: &Literal, position: Position<'_>, written: Written) -> Result<Option<Const>, Misfit> {
        let of = position.of;
        let misfit = || Misfit::of(of);
        let within = |of| Position { of, default: false };
        Ok(Some(match (value, &of.base) {
            (Literal::Variable(name), _) => {
                let Some(Variable { nullable, value }) = self.variables.get(name) else { return Ok(None) };
                if *nullable && !position.may_be_absent() {
                    // Whatever it is this time (section 5.8.5).
                    return Err(misfit());
                }
                let Some(value) = value else { return Ok(None) };
                return self.coerce(&value.clone().into_value(), position, Written::Json);
            }
            (Literal::Null, _) if of.nullable => Const::Null,
            (Literal::Null, _) => return Err(misfit()),
            (Literal::List(items), BaseType::List(of)) => {
                let item = |item| match self.coerce(item, within(of), written)? {
                    Some(item) => Ok(item),
                    None if of.nullable => Ok(Const::Null),
                    None => Err(Misfit::of(of)),
                };
                Const::List(items.iter().map(item).collect::<Result<_, _>>()?)
            }
            // One stands for a list of one.
            (value, BaseType::List(of)) => Const::List(self.coerce(value, within(of), written)?.into_iter().collect()),
            (value, BaseType::Named(name)) => match (self.types.kind(name), value) {
                (Some(TypeKind::InputObject(object)), Literal::Object(fields)) => {
                    self.object(fields, object, of, written)?
                }
                (Some(TypeKind::Enum(all)), given) => {
                    let given = match given {
                        Literal::Enum(given) => given.as_str(),
                        Literal::String(given) if written == Written::Json => given.as_str(),
                        _ => return Err(misfit()),
                    };
                    let found = all.values.iter().map(|value| &value.node.value.node).find(|value| **value == *given);
                    Const::Enum(found.ok_or_else(misfit)?.clone())
                }
                (Some(TypeKind::Scalar) | None, value) => scalar(name, value, written).ok_or_else(misfit)?,
                _ => return Err(misfit()),
            },
        }))
    }

    fn object(
        &self,
        given: &IndexMap<Name, Literal>,
        object: &InputObjectType,
        of: &Type,
        written: Written,
    ) -> Result<Const, Misfit> {
        let known = |name: &Name| object.fields.iter().any(|field| field.node.name.node == *name);
        if !given.keys().all(known) {
            return Err(Misfit::of(of));
        }
        let mut fields = IndexMap::new();
        for field in &object.fields {
            let (name, of) = (&field.node.name.node, &field.node.ty.node);
            let value = match given.get(name) {
                Some(value) => {
                    let position = Position::of(&field.node);
                    self.coerce(value, position, written).map_err(|misfit| misfit.within(name))?
                }
                None => None,
            };
            // The engine puts defaults in.
            match value {
                Some(value) => fields.extend([(name.clone(), value)]),
                None if Position::of(&field.node).may_be_absent() => {}
                None => return Err(Misfit::of(of).within(name)),
            }
        }
        Ok(Const::Object(fields))
    }
}

/// A value of a scalar type (section 3.5).
fn scalar(name: &str, value: &Literal, written: Written) -> Option<Const> {
    let value = value.clone().into_const()?;
    let is_of_type = |value: &Const| match (name, value) {
        ("Int", Const::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("ID", Const::Number(number)) => number.is_i64() || number.is_u64(),
        ("Float", Const::Number(_)) | ("ID" | "String", Const::String(_)) | ("Boolean", Const::Boolean(_)) => true,
        ("Long", _) => Long::is_valid(value),
        ("JSONObject", _) => JsonObject::is_valid(value),
        ("DateTime", _) => DateTime::is_valid(value),
        _ => false,
    };
    let value = match &value {
        // JSON's `-0` comes as a number with a fraction.
        Const::Number(number)
            if written == Written::Json && number.is_f64() && number.as_f64() == Some(0.0) && name != "Float" =>
        {
            Const::Number(Number::from(0))
        }
        _ => value,
    };
    is_of_type(&value).then_some(value)
}
