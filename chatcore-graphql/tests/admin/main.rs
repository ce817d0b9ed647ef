//! The administration over GraphQL, through the endpoint for poem.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

#[path = "../../../chatcore-poem/tests/admin/cases.rs"]
mod cases;

use async_graphql::{
    Executor as _,
    parser::{
        parse_schema,
        types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
    },
};
use cases::{Answer, Face, Names, World, paged, plain};
use chatcore::{Authenticator as _, admin::AuditOrigin};
use chatcore_graphql::{Caller, GraphqlFrontend, SchemaOptions, Services, WireOptions, schema, schema_with};
use chatcore_http::{Options, Sockets};
use futures_util::StreamExt as _;
use poem::{Endpoint, Request, Route, http::Method};
use serde_json::{Map, Value, json};

struct Graph<E>(E);

const USER: &str = "id username name email status role ban { reason bannedBy bannedAt until } deletedAt isBot";
const SESSION: &str = "id title description sessionType maxParticipants userId isActive createdAt updatedAt lastEventAt \
    messageCount participantCount";
const ENTRY: &str =
    "id actor action target sessionId before { ...state } after { ...state } reason address requestId createdAt";
const STATE: &str = "fragment state on AuditState { isBanned banReason bannedUntil systemRole isActive reportState }";
const REPORT: &str = "id sessionId reason text state revision createdAt handledAt note";
const STATISTICS: &str = "users sessions messages connections days { date users sessions messages }";

fn services(world: &World) -> Services {
    Services { admin: Some(world.admin.clone()), ..Services::default() }
}

fn graph(world: &World) -> Graph<impl Endpoint> {
    let schema = schema_with(world.chat.clone(), services(world), SchemaOptions::default());
    let sockets = Sockets::new(Options::default());
    Graph(GraphqlFrontend::new(schema, Names, sockets, WireOptions::default()).mount(Route::new()))
}

fn snake(name: &str) -> String {
    name.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_lowercase())).collect()
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

/// Names with their case changed, at every depth.
fn renamed(value: Value, rename: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (rename(&name), renamed(value, rename)));
            fields.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(|item| renamed(item, rename)).collect(),
        value => value,
    }
}

impl<E: Endpoint> Graph<E> {
    async fn ask(&self, user: &str, query: &str, variables: Value) -> Value {
        let request = Request::builder().method(Method::POST).uri("/graphql".parse().unwrap());
        let request = request.header("authorization", format!("Bearer {user}"));
        let body = json!({ "query": query, "variables": variables }).to_string();
        let response = self.0.get_response(request.header("content-type", "application/json").body(body)).await;
        serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap()
    }
}

impl<E: Endpoint> Face for Graph<E> {
    async fn call(&self, operation: &str, user: &str, input: Value) -> Answer {
        let mut fields = renamed(input, &camel);
        for (rest, own) in [("statusFilter", "status"), ("roleFilter", "role"), ("limit", "first")] {
            let fields = fields.as_object_mut().unwrap();
            if let Some(value) = fields.remove(rest) {
                fields.insert(own.to_owned(), value);
            }
        }
        let paged_by = |entries: &'static str| (Some(entries), format!("next {entries}"));
        let people = "nodes { user { id email } role }".to_owned();
        let (entries, selection) = match operation {
            "adminListUsers" => (Some("users"), format!("{} {{ {USER} }}", paged_by("users").1)),
            "adminListSessions" => (Some("sessions"), format!("{} {{ {SESSION} }}", paged_by("sessions").1)),
            "adminListAudit" => (Some("entries"), format!("{} {{ {ENTRY} }}", paged_by("entries").1)),
            "adminListReports" => (Some("reports"), format!("{} {{ {REPORT} }}", paged_by("reports").1)),
            "adminResolveReport" => (None, REPORT.to_owned()),
            "adminDeleteMessagesOf" => (None, "sessionId userId deleted isDone".to_owned()),
            "adminListParticipants" => (None, people),
            "adminGetStatistics" => (None, STATISTICS.to_owned()),
            "adminGetSession" | "adminCloseSession" => (None, SESSION.to_owned()),
            "adminBroadcast" => (None, "id text createdAt".to_owned()),
            _ => (None, USER.to_owned()),
        };
        let is_mutation = [
            "adminBanUser",
            "adminUnbanUser",
            "adminSetRole",
            "adminCloseSession",
            "adminBroadcast",
            "adminResolveReport",
            "adminDeleteMessagesOf",
        ]
        .contains(&operation);
        let type_of = |name: &str| match name {
            "sessionId" if operation == "adminListReports" => "ID",
            "state" => "ReportState",
            "userId" | "sessionId" => "ID!",
            "after" | "actor" | "target" => "ID",
            "first" => "Int",
            "search" => "String",
            "status" if operation == "adminListUsers" => "UserStatus",
            "status" => "SessionStatus",
            "role" => "SystemRole",
            "sessionType" => "SessionType",
            "action" => "AuditAction",
            name => panic!("no type of {name}"),
        };
        let (head, arguments, variables) = if is_mutation {
            let name = format!("{}{}Input", operation[..1].to_uppercase(), &operation[1..]);
            (format!("mutation ($input: {name}!)"), "(input: $input)".to_owned(), json!({ "input": fields }))
        } else {
            let names: Vec<&String> = fields.as_object().unwrap().keys().collect();
            let declared: String = names.iter().map(|name| format!("${name}: {} ", type_of(name))).collect();
            let given: String = names.iter().map(|name| format!("{name}: ${name} ")).collect();
            match names.is_empty() {
                true => ("query".to_owned(), String::new(), json!({})),
                false => (format!("query ({declared})"), format!("({given})"), fields.clone()),
            }
        };
        let fragment = if operation == "adminListAudit" { STATE } else { "" };
        let query = format!("{head} {{ {operation}{arguments} {{ {selection} }} }} {fragment}");
        let answer = self.ask(user, &query, variables).await;
        if let Some(code) = answer["errors"][0]["extensions"]["code"].as_str() {
            return Answer(Err(code.to_owned()));
        }
        let data = renamed(answer["data"][operation].clone(), &snake);
        assert!(data.is_object(), "{query}: {answer}");
        Answer(Ok(match entries {
            Some(entries) => paged(data[entries].clone(), data["next"].as_str().map(str::to_owned)),
            None if operation == "adminListParticipants" => {
                let nodes = data["nodes"].as_array().unwrap().iter();
                nodes.map(|node| json!([node["user"]["id"], node["user"]["email"], node["role"]])).collect()
            }
            None => plain(data),
        }))
    }
}

#[tokio::test]
async fn the_fields_answer_as_the_core_does() {
    let world = World::new().await;
    cases::all(&graph(&world), &world).await;
}

/// The types of a schema by their names.
fn types(sdl: &str) -> Vec<(String, TypeKind)> {
    let definitions = parse_schema(sdl).unwrap().definitions.into_iter();
    let named = definitions.filter_map(|definition| match definition {
        TypeSystemDefinition::Type(of) => Some((of.node.name.node.to_string(), of.node.kind)),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    named.collect()
}

fn fields(types: &[(String, TypeKind)], name: &str) -> Vec<FieldDefinition> {
    match types.iter().find(|(found, _)| found == name) {
        Some((_, TypeKind::Object(object))) => object.fields.iter().map(|field| field.node.clone()).collect(),
        _ => panic!("no object {name}"),
    }
}

fn base(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => base(of),
    }
}

/// A value that a type takes, as text.
fn sample(types: &[(String, TypeKind)], of: &Type) -> String {
    match types.iter().find(|(name, _)| name == base(of)).map(|(_, kind)| kind) {
        Some(TypeKind::InputObject(object)) => {
            let required = object.fields.iter().filter(|field| !field.node.ty.node.nullable);
            let given: Vec<String> = required
                .map(|field| format!("{}: {}", field.node.name.node, sample(types, &field.node.ty.node)))
                .collect();
            format!("{{ {} }}", given.join(", "))
        }
        Some(TypeKind::Enum(all)) => all.values[0].node.value.node.to_string(),
        _ if base(of) == "ID" => "\"0190c0de-0000-7000-8000-000000000000\"".to_owned(),
        _ if base(of) == "String" => "\"some text\"".to_owned(),
        _ => panic!("no sample of {of}"),
    }
}

#[tokio::test]
async fn every_field_of_the_administration_refuses_everybody_else() {
    let world = World::new().await;
    let graph = graph(&world);
    let with = types(&schema_with(world.chat.clone(), services(&world), SchemaOptions::default()).sdl());
    let without = types(&schema(world.chat.clone(), SchemaOptions::default()).sdl());
    let mut count = 0;
    for (root, keyword) in [("Query", "query"), ("Mutation", "mutation")] {
        let others: Vec<String> = fields(&without, root).iter().map(|field| field.name.node.to_string()).collect();
        for field in fields(&with, root) {
            let name = field.name.node.to_string();
            // What the administration adds to the schema is administrative.
            assert_eq!(name.starts_with("admin"), !others.contains(&name), "{name}");
            if others.contains(&name) {
                continue;
            }
            count += 1;
            let required = field.arguments.iter().filter(|argument| !argument.node.ty.node.nullable);
            let given: Vec<String> = required
                .map(|argument| format!("{}: {}", argument.node.name.node, sample(&with, &argument.node.ty.node)))
                .collect();
            let arguments = if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) };
            for user in ["ann", "bob", "stranger"] {
                let answer =
                    graph.ask(user, &format!("{keyword} {{ {name}{arguments} {{ __typename }} }}"), json!({})).await;
                assert_eq!(answer["errors"][0]["extensions"]["code"], "ADMIN_REQUIRED", "{name} by {user}: {answer}");
                assert!(answer["data"][&name].is_null());
            }
        }
    }
    assert!(count >= 12, "{count} fields");
}

#[tokio::test]
async fn notices_are_followed_by_everybody() {
    let world = World::new().await;
    let schema = schema_with(world.chat.clone(), services(&world), SchemaOptions::default());
    let bob = Names.authenticate("bob").await.unwrap();
    let request = async_graphql::Request::new("subscription { notices { id text createdAt } }").data(Caller(bob));
    let mut notices = schema.execute_stream(request, None);
    // The stream is opened when it is polled first.
    let next = tokio::spawn(async move { (notices.next().await, notices) });
    let root = Names.authenticate("root").await.unwrap();
    // A notice that comes before the stream listens is not shown, so notices come until one is shown.
    while !next.is_finished() {
        world.admin.broadcast(&root, &AuditOrigin::default(), "Maintenance".into(), None).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (shown, _) = next.await.unwrap();
    let shown = shown.unwrap();
    assert!(shown.errors.is_empty(), "{:?}", shown.errors);
    assert_eq!(shown.data.into_json().unwrap()["notices"]["text"], "Maintenance");
}

#[tokio::test]
async fn whoever_follows_sessions_gets_the_notices_as_well() {
    let world = World::new().await;
    let schema = schema_with(world.chat.clone(), services(&world), SchemaOptions::default());
    let (bob, root) = (Names.authenticate("bob").await.unwrap(), Names.authenticate("root").await.unwrap());
    let selection = "{ __typename ... on Notice { text } ... on MessageSent { seq } }";
    for field in [format!("sessionEvents(sessionId: \"{}\")", world.session), "allSessionEvents".to_owned()] {
        let query = format!("subscription {{ {field} {selection} }}");
        let mut events = schema.execute_stream(async_graphql::Request::new(query).data(Caller(bob.clone())), None);
        let name = field.split('(').next().unwrap();
        let mut next = async || {
            let shown = events.next().await.unwrap();
            assert!(shown.errors.is_empty(), "{:?}", shown.errors);
            shown.data.into_json().unwrap()[name].clone()
        };
        assert_eq!(next().await["__typename"], "Subscribed");
        world.admin.broadcast(&root, &AuditOrigin::default(), "Maintenance".into(), None).await.unwrap();
        assert_eq!(next().await, json!({ "__typename": "Notice", "text": "Maintenance" }));
        let say = chatcore::chat::SendMessage::text("And on");
        world.chat.send(&bob, world.session, say).await.unwrap();
        assert_eq!(next().await["__typename"], "MessageSent");
    }
}
