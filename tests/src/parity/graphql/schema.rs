//! The GraphQL schema of the harness's servers, which have no accounts: what a document must say to call an operation, and to ask for all that it gives.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use chatcore::Chat;
use chatcore_graphql::{
    SchemaOptions,
    async_graphql::{
        Name,
        parser::{
            parse_schema,
            types::{BaseType, FieldDefinition, InputObjectType, Type, TypeKind, TypeSystemDefinition},
        },
    },
};

/// The types of the schema.
pub static TYPES: LazyLock<HashMap<Name, TypeKind>> = LazyLock::new(|| {
    let sdl = chatcore_graphql::schema(Chat::in_memory(), SchemaOptions::default()).sdl();
    let schema = parse_schema(sdl).unwrap();
    let types = schema.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(of) => Some((of.node.name.node, of.node.kind)),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    types.collect()
});

/// Fields that lead on to what is asked for by operations of its own.
const LEADS_ON: [(&str, &str); 4] =
    [("Message", "session"), ("Message", "revisions"), ("Session", "participants"), ("Session", "messages")];

/// What a session holds where it is asked for by itself.
const CONTENTS: [(&str, &str); 2] = [("participants", "first: 50"), ("messages", "last: 50")];

/// The fields of an object or an interface.
#[must_use]
pub fn fields(of: &str) -> Vec<&'static FieldDefinition> {
    match &TYPES[of] {
        TypeKind::Object(object) => object.fields.iter().map(|field| &field.node).collect(),
        TypeKind::Interface(interface) => interface.fields.iter().map(|field| &field.node).collect(),
        TypeKind::Union(_) | TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => Vec::new(),
    }
}

/// A field of an object, where there is one of that name.
#[must_use]
pub fn field(owner: &str, name: &str) -> Option<&'static FieldDefinition> {
    fields(owner).into_iter().find(|field| field.name.node == name)
}

/// The input object of that name.
#[must_use]
pub fn input(name: &str) -> Option<&'static InputObjectType> {
    match TYPES.get(name)? {
        TypeKind::InputObject(object) => Some(object),
        _ => None,
    }
}

/// The name of a type without what says how many there are.
#[must_use]
pub fn named(of: &Type) -> &Name {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => named(of),
    }
}

/// Whether fragments on `on` are about an `owner`.
#[must_use]
pub fn is(owner: &str, on: &str) -> bool {
    let TypeKind::Object(object) = &TYPES[owner] else { return false };
    owner == on || object.implements.iter().any(|interface| interface.node == on)
}

/// The objects that an interface or a union stands for.
fn kinds(of: &str) -> BTreeSet<&'static str> {
    match &TYPES[of] {
        TypeKind::Union(union) => union.members.iter().map(|member| member.node.as_str()).collect(),
        _ => TYPES.keys().map(Name::as_str).filter(|owner| is(owner, of)).collect(),
    }
}

/// The name under which an event's field is asked for. Where two kinds have fields of the same name and different types, they
/// go by different names.
#[must_use]
pub fn response_name(kind: &str, field: &FieldDefinition) -> String {
    static FIRST: LazyLock<BTreeMap<String, (&str, String)>> = LazyLock::new(|| {
        let mut first = BTreeMap::new();
        for kind in kinds("Delivery") {
            for field in fields(kind) {
                let ty = field.ty.node.to_string();
                first.entry(field.name.node.to_string()).or_insert((kind, ty));
            }
        }
        first
    });
    let name = field.name.node.as_str();
    match FIRST.get(name) {
        Some((_, ty)) if *ty != field.ty.node.to_string() => format!("{kind}_{name}"),
        _ => name.to_owned(),
    }
}

/// Everything that can be asked of a type, with the braces around it; nothing for what has no fields.
#[must_use]
pub fn selection(of: &str) -> String {
    match TYPES.get(of) {
        Some(TypeKind::Interface(_) | TypeKind::Union(_)) => format!("{{ {} }}", each_kind(of)),
        Some(TypeKind::Object(_)) if of.ends_with("Connection") => connection(of),
        Some(TypeKind::Object(_)) => format!("{{ {} }}", plain(of, &[])),
        // The schema does not name the scalars that every schema has.
        Some(TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_)) | None => String::new(),
    }
}

/// A session with what it holds.
#[must_use]
pub fn session_with_contents() -> String {
    let contents = CONTENTS.map(|(name, argument)| {
        let nodes = selection(named(&field(named(&field("Session", name).unwrap().ty.node), "nodes").unwrap().ty.node));
        format!("{name}({argument}) {{ nodes {nodes} }}")
    });
    format!("{{ {} {} }}", plain("Session", &[]), contents.join(" "))
}

/// What is asked of a mutation's payload: everything; of a session that stands beside something else, which it is.
#[must_use]
pub fn payload(of: &str) -> String {
    let fields = fields(of);
    let is_alone = fields.len() == 1;
    let each = fields.into_iter().map(|field| {
        let name = &field.name.node;
        match named(&field.ty.node).as_str() {
            "Session" if is_alone => format!("{name} {}", session_with_contents()),
            "Session" => format!("{name} {{ id }}"),
            ty => format!("{name} {}", selection(ty)),
        }
    });
    format!("{{ {} }}", each.collect::<Vec<_>>().join(" "))
}

fn plain(of: &str, without: &[&str]) -> String {
    let asked = fields(of).into_iter().filter(|field| {
        let name = field.name.node.as_str();
        !LEADS_ON.contains(&(of, name)) && !without.contains(&name)
    });
    let each = asked.map(|field| format!("{} {}", field.name.node, selection(named(&field.ty.node))));
    each.collect::<Vec<_>>().join(" ")
}

/// The fields of each kind. No event shows an address, and a page of a hundred events must stay within the limit of
/// complexity.
fn each_kind(of: &str) -> String {
    let person = format!("{{ {} }}", plain("User", &["email"]));
    let ask = |kind: &str, field: &FieldDefinition| {
        let (name, response) = (field.name.node.as_str(), response_name(kind, field));
        let ty = named(&field.ty.node).as_str();
        let fields = if ty == "User" { person.clone() } else { selection(ty) };
        if name == response { format!("{name} {fields}") } else { format!("{response}: {name} {fields}") }
    };
    let shared = "SessionEvent";
    let common = fields(shared);
    let is_common = |field: &FieldDefinition| common.iter().any(|other| other.name.node == field.name.node);
    let mut asked = vec!["__typename".to_owned()];
    let each: Vec<_> = common.iter().map(|field| ask(shared, field)).collect();
    asked.push(format!("... on {shared} {{ {} }}", each.join(" ")));
    for kind in kinds(of) {
        let own = fields(kind).into_iter().filter(|field| !is(kind, shared) || !is_common(field));
        let own: Vec<_> = own.map(|field| ask(kind, field)).collect();
        if !own.is_empty() {
            asked.push(format!("... on {kind} {{ {} }}", own.join(" ")));
        }
    }
    asked.join(" ")
}

/// A connection, its nodes both without cursors and with; nodes of several kinds there with less.
fn connection(of: &str) -> String {
    let each = fields(of).into_iter().map(|field| {
        let (name, ty) = (field.name.node.as_str(), named(&field.ty.node));
        match name {
            "edges" => {
                let node = named(&self::field(ty, "node").unwrap().ty.node);
                let is_one_kind = matches!(TYPES[node], TypeKind::Object(_));
                let fields = if is_one_kind { selection(node) } else { "{ __typename seq }".to_owned() };
                let beside = self::fields(ty).into_iter().map(|field| field.name.node.as_str());
                let beside: Vec<_> = beside.filter(|name| !["cursor", "node"].contains(name)).collect();
                format!("edges {{ cursor {} node {fields} }}", beside.join(" "))
            }
            _ => format!("{name} {}", selection(ty)),
        }
    });
    format!("{{ {} }}", each.collect::<Vec<_>>().join(" "))
}
