//! GraphQL: queries and mutations over HTTP, subscriptions over graphql-transport-ws. The documents are built from the schema.

pub mod forms;
pub mod schema;
mod socket;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use async_trait::async_trait;
use chatcore_graphql::async_graphql::parser::types::TypeKind;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use self::{forms::fault, schema::named};
use super::{
    PATIENCE,
    action::camel,
    canon::{Fault, Outcome, tidy},
    coverage::Coverage,
    room::Cast,
    stage::Actor,
    transport::{Call, Subscribed, Transport},
};
use crate::http::pooled;

pub use self::{forms::delivery, socket::GraphQlSocket};

/// Questions that are a field of what another question gives: the name of the operation, the question, and the field.
const WITHIN: [(&str, &str, &str); 1] = [("listMessageRevisions", "message", "revisions")];

/// Enums whose values are small letters in JSON.
const SMALL: [&str; 6] =
    ["MessageType", "SessionOrder", "PublicSessionOrder", "MentionOrder", "SpeakerRole", "Availability"];

/// Arguments, each with its name, its type and its value.
type Arguments = Vec<(String, String, Value)>;

/// Asks a GraphQL endpoint.
pub struct GraphQl {
    http: reqwest::Client,
    address: String,
    coverage: Arc<Coverage>,
    name: String,
}

impl GraphQl {
    /// Of the server at this address.
    #[must_use]
    pub fn new(address: &str, coverage: Arc<Coverage>) -> Self {
        Self { http: pooled(), address: address.to_owned(), coverage, name: String::new() }
    }

    /// The data of an answer without errors.
    async fn post(&self, token: Option<&str>, query: &str, variables: Value) -> Result<Value, Fault> {
        let mut request = self.http.post(format!("http://{}/graphql", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let request = request.json(&json!({ "query": query, "variables": variables }));
        let response = timeout(PATIENCE, request.send()).await.expect("no answer").unwrap();
        let body: Value = response.json().await.unwrap();
        match body["errors"].as_array().and_then(|errors| errors.first()) {
            Some(error) => Err(fault(error)),
            None => {
                self.coverage.answered(query, &variables, &body["data"], &self.name);
                Ok(tidy(body["data"].clone()))
            }
        }
    }

    /// The one root field of a document.
    async fn root(
        &self,
        token: Option<&str>,
        kind: &str,
        field: &str,
        arguments: &[(String, String, Value)],
        selection: &str,
    ) -> Result<Value, Fault> {
        let (query, variables) = document(kind, field, arguments, selection);
        let data = self.post(token, &query, variables).await?;
        Ok(data[field].clone())
    }

    async fn act(&self, call: &Call<'_>) -> Option<Outcome> {
        let operation = call.action.operation;
        if let Some(known) = schema::field("Mutation", operation) {
            let payload = named(&known.ty.node);
            let argument = &known.arguments[0].node;
            let given = object(named(&argument.ty.node), call);
            let arguments = [(argument.name.node.to_string(), argument.ty.node.to_string(), given.clone())];
            // To read a document that asks for everything takes the server longer than to refuse it.
            let asked: Arc<str> =
                if call.is_refused { "{ __typename }".into() } else { asked(operation, || schema::payload(payload)) };
            let done = self.root(call.token(), "mutation", operation, &arguments, &asked).await;
            return Some(done.map(|done| {
                assert!(!call.is_refused, "the core refuses what is allowed here");
                // What a payload repeats of its input.
                let fields = done.as_object().unwrap().iter();
                for (name, value) in fields.filter(|(name, value)| !value.is_object() && given.get(name).is_some()) {
                    assert_eq!(*value, given[name], "{operation}");
                }
                forms::payload(operation, payload, &done)
            }));
        }
        let within = WITHIN.iter().find(|(name, ..)| *name == operation);
        let field = within.map_or_else(|| question(operation), |(_, field, _)| (*field).to_owned());
        let known = schema::field("Query", &field)?;
        let gives = named(&known.ty.node);
        if let Some((.., inner)) = within {
            let gives = named(&schema::field(gives, inner).unwrap().ty.node);
            let asked = asked(operation, || format!("{{ {inner} {} }}", schema::selection(gives)));
            let found = self.root(call.token(), "query", &field, &arguments(&field, call)?, &asked).await;
            return Some(found.map(|found| list(gives, &found[inner])));
        }
        if gives.ends_with("Connection") {
            return self.connection(call, &field, gives).await;
        }
        let asked = asked(operation, || {
            if gives == "Session" { schema::session_with_contents() } else { schema::selection(gives) }
        });
        let found = match self.root(call.token(), "query", &field, &arguments(&field, call)?, &asked).await {
            Ok(found) => found,
            Err(fault) => return Some(Err(fault)),
        };
        if schema::is(gives, "Node") {
            self.as_node(call, found["id"].as_str().unwrap(), gives).await;
        }
        Some(Ok(if found.is_array() { list(gives, &found) } else { forms::of(gives, &found) }))
    }

    /// A page, where places around it can be asked for or the log has a head; otherwise all pages, in one.
    async fn connection(&self, call: &Call<'_>, field: &str, gives: &str) -> Option<Outcome> {
        let node = named(&schema::field(gives, "nodes").unwrap().ty.node);
        let asked = asked(call.action.operation, || schema::selection(gives));
        let mut arguments = arguments(field, call)?;
        let is_window = schema::field("Query", field).unwrap().arguments.iter().any(|it| it.node.name.node == "before");
        let has_head = schema::field(gives, "head").is_some();
        let (mut found, mut is_first) = (Vec::new(), true);
        loop {
            let page = match self.root(call.token(), "query", field, &arguments, &asked).await {
                Ok(page) => page,
                Err(fault) => return Some(Err(fault)),
            };
            if schema::field("Session", field).is_some() {
                self.within_session(call, field, &arguments, &asked, &page).await;
            }
            let info = &page["pageInfo"];
            found.extend(forms::nodes(&page).iter().map(|entry| forms::of(node, entry)));
            if has_head {
                return Some(Ok(json!({ "events": found, "head": page["head"] })));
            }
            if is_window {
                let place = |has: &str, cursor: &str| (info[has] == true).then(|| info[cursor].clone());
                return Some(Ok(json!({
                    "messages": found, "previous": place("hasPreviousPage", "startCursor"),
                    "next": place("hasNextPage", "endCursor"), "?total": page["totalCount"],
                })));
            }
            assert_eq!(info["hasPreviousPage"], !is_first, "{page}");
            if info["hasNextPage"] == false {
                return Some(Ok(match page.get("totalCount") {
                    Some(total) => json!({ "sessions": found, "total": total }),
                    None => Value::Array(found),
                }));
            }
            assert!(info["endCursor"].is_string(), "{page}");
            arguments.retain(|(name, ..)| name != "after");
            arguments.push(("after".to_owned(), "String".to_owned(), info["endCursor"].clone()));
            is_first = false;
        }
    }

    /// What can also be found by its id alone.
    async fn as_node(&self, call: &Call<'_>, id: &str, kind: &str) {
        let fields = "{ __typename id ... on Message { session { id } } }";
        let mut expected = json!({ "__typename": kind, "id": id });
        if kind == "Message" {
            expected["session"] = json!({ "id": call.session() });
        }
        let id_of = |name: &str, ty: &str, value| [(name.to_owned(), ty.to_owned(), value)];
        let one = self.root(call.token(), "query", "node", &id_of("id", "ID!", json!(id)), fields).await;
        assert_eq!(one, Ok(expected.clone()));
        let ids = id_of("ids", "[ID!]!", json!([id, id]));
        let many = self.root(call.token(), "query", "nodes", &ids, fields).await;
        assert_eq!(many, Ok(json!([expected, expected])));
    }

    /// What a connection of a session gives must be the same where it is asked for within the session.
    async fn within_session(
        &self,
        call: &Call<'_>,
        field: &str,
        arguments: &[(String, String, Value)],
        selection: &str,
        page: &Value,
    ) {
        let arguments = arguments.iter().filter(|(name, ..)| name != "sessionId").cloned();
        let id = ("id".to_owned(), "ID!".to_owned(), json!(call.session()));
        let arguments: Vec<_> = arguments.chain([id]).collect();
        let (declared, passed, variables) = given(&arguments);
        let passed: Vec<_> = passed.into_iter().filter(|passed| !passed.starts_with("id:")).collect();
        let query = format!(
            "query{} {{ session(id: $id) {{ {field}{} {selection} }} }}",
            brackets(&declared),
            brackets(&passed)
        );
        let data = self.post(call.token(), &query, variables).await.unwrap();
        assert_eq!(data["session"][field], *page, "{query}");
    }
}

/// The field of `Query` for an operation: `listPins` is `pins`, and `getSession` is `session`.
fn question(operation: &str) -> String {
    let name = operation.strip_prefix("list").or_else(|| operation.strip_prefix("get")).unwrap_or(operation);
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}

/// What is asked for an operation. To work it out takes longer than to ask.
fn asked(operation: &'static str, selection: impl FnOnce() -> String) -> Arc<str> {
    static ASKED: LazyLock<Mutex<HashMap<&'static str, Arc<str>>>> = LazyLock::new(Mutex::default);
    Arc::clone(ASKED.lock().unwrap().entry(operation).or_insert_with(|| selection().into()))
}

/// The arguments of a question; `None` where it has none for something in the input.
fn arguments(field: &str, call: &Call<'_>) -> Option<Arguments> {
    let known = &schema::field("Query", field)?.arguments;
    let named_ids = call.ids().into_iter().map(|(name, id)| (camel(name), json!(id)));
    let has = |name: &str| known.iter().any(|argument| argument.node.name.node == name);
    // What is asked for by its id alone has it under that name.
    let ids = named_ids.map(|(name, id)| if has(&name) { (name, id) } else { ("id".to_owned(), id) });
    let mut input = call.input();
    let is_last = input.remove("newest").is_some() || input.contains_key("before");
    let limit = if is_last { "last" } else { "first" };
    let input =
        input.into_iter().map(|(name, value)| (if name == "limit" { limit.to_owned() } else { camel(&name) }, value));
    let typed = |(name, value): (String, Value)| {
        let argument = known.iter().find(|argument| argument.node.name.node == name)?;
        let ty = argument.node.ty.node.to_string();
        let is_text = ty.starts_with("String") && value.is_number();
        let value = match value {
            Value::String(text) if SMALL.contains(&ty.as_str()) => json!(text.to_uppercase()),
            value if is_text => json!(value.to_string()),
            value => value,
        };
        Some((name, ty, value))
    };
    ids.chain(input).map(typed).collect()
}

/// A mutation's input: the ids that it has fields for, and what JSON says, in the words of GraphQL.
fn object(ty: &str, call: &Call<'_>) -> Value {
    let known = schema::input(ty).unwrap();
    let mut given = Map::new();
    for (name, value) in call.input() {
        let name = if name == "content" && value.is_object() { "encryptedContent".to_owned() } else { camel(&name) };
        let field = known.fields.iter().find(|field| field.node.name.node == name);
        let kind = field.map(|field| named(&field.node.ty.node).as_str());
        let is_enum = kind.is_some_and(|kind| matches!(schema::TYPES.get(kind), Some(TypeKind::Enum(_))));
        let value = match value {
            Value::String(text) if is_enum && SMALL.contains(&kind.unwrap()) => json!(text.to_uppercase()),
            // The names in it are the client's own.
            Value::Object(fields) if name == "metadata" => Value::Object(fields),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (camel(&name), value)).collect(),
            Value::Array(items) if name == "attachments" => items.into_iter().map(camel_fields).collect(),
            other => other,
        };
        given.insert(name, value);
    }
    given.extend(call.ids().into_iter().map(|(name, id)| (camel(name), json!(id))));
    Value::Object(given)
}

/// An object with the names of its fields in the words of GraphQL.
fn camel_fields(object: Value) -> Value {
    match object {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (camel(&name), value)).collect(),
        other => other,
    }
}

fn list(of: &str, nodes: &Value) -> Value {
    nodes.as_array().unwrap_or_else(|| panic!("no list: {nodes}")).iter().map(|node| forms::of(of, node)).collect()
}

/// A document with one root field and its variables. Variables that are null are left out.
#[must_use]
pub fn document(kind: &str, field: &str, arguments: &[(String, String, Value)], selection: &str) -> (String, Value) {
    let (declared, passed, variables) = given(arguments);
    (format!("{kind}{} {{ {field}{} {selection} }}", brackets(&declared), brackets(&passed)), variables)
}

/// The same with everything that a subscription brings, and with arguments by name.
#[must_use]
pub fn subscription(field: &str, arguments: &[(&str, Value)]) -> (String, Value) {
    let known = schema::field("Subscription", field).unwrap();
    let typed = |(name, value): &(&str, Value)| {
        let argument = known.arguments.iter().find(|argument| argument.node.name.node == *name).unwrap();
        ((*name).to_owned(), argument.node.ty.node.to_string(), value.clone())
    };
    let arguments: Vec<_> = arguments.iter().map(typed).collect();
    let selection = asked("subscribe", || schema::selection(named(&known.ty.node)));
    document("subscription", field, &arguments, &selection)
}

/// Arguments as variables: how they are declared, how they are passed, and their values.
fn given(arguments: &[(String, String, Value)]) -> (Vec<String>, Vec<String>, Value) {
    let given: Vec<_> = arguments.iter().filter(|(_, _, value)| !value.is_null()).collect();
    let declared = given.iter().map(|(name, kind, _)| format!("${name}: {kind}")).collect();
    let passed = given.iter().map(|(name, _, _)| format!("{name}: ${name}")).collect();
    let variables: Map<_, _> = given.iter().map(|(name, _, value)| (name.clone(), value.clone())).collect();
    (declared, passed, Value::Object(variables))
}

fn brackets(list: &[String]) -> String {
    if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) }
}

#[async_trait]
impl Transport for GraphQl {
    fn name(&self) -> &'static str {
        "GraphQL"
    }

    async fn perform(&mut self, call: &Call<'_>) -> Option<Outcome> {
        call.name.clone_into(&mut self.name);
        self.act(call).await.map(|outcome| outcome.map(tidy))
    }

    async fn subscribe(&mut self, call: &Call<'_>, after: Option<u64>) -> Option<Result<Subscribed, Fault>> {
        let arguments = [("sessionId", json!(call.session())), ("after", json!(after))];
        let coverage = (Arc::clone(&self.coverage), call.name);
        let opened = GraphQlSocket::open(&self.address, call.token(), "sessionEvents", &arguments, coverage).await;
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(fault) => return Some(Err(fault)),
        };
        Some(match socket.delivery().await {
            Some(Ok(first)) => {
                assert_eq!((&first["__typename"], &first["sessionId"]), (&json!("Subscribed"), &json!(call.session())));
                Ok(Subscribed { after: first["after"].as_u64(), deliveries: Box::new(socket) })
            }
            Some(Err(fault)) => Err(fault),
            None => panic!("it ended at once"),
        })
    }

    async fn since(&mut self, cast: &Cast, reader: Actor, session: &str, span: (u64, u64)) -> Option<Vec<Value>> {
        let argument = |name: &str, ty: &str, value| (name.to_owned(), ty.to_owned(), value);
        let arguments = [
            argument("sessionId", "ID!", json!(session)),
            argument("first", "Int", json!(50)),
            argument("after", "String", json!(span.0.to_string())),
        ];
        let fields = asked("since", || format!("{{ head nodes {} }}", schema::selection("SessionEvent")));
        match self.root(cast.token(reader), "query", "events", &arguments, &fields).await {
            Ok(page) => Some(page["nodes"].as_array().unwrap().iter().map(forms::event).collect()),
            Err(fault) if fault.code == "SESSION_NOT_FOUND" => None,
            Err(fault) => panic!("{fault:?}"),
        }
    }
}
