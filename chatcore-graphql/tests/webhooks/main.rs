//! Webhooks over GraphQL, through the endpoint for poem.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

#[path = "../../../chatcore-poem/tests/webhooks/cases.rs"]
mod cases;

use std::collections::BTreeSet;

use async_graphql::{Executor as _, Request as Query};
use cases::{Answer, Face, Names, World, paged, plain, principal};
use chatcore_graphql::{Caller, GraphqlFrontend, SchemaOptions, Services, WireOptions, schema, schema_with};
use chatcore_http::{Options, Sockets};
use poem::{Endpoint, Request, Route, http::Method};
use serde_json::{Map, Value, json};

struct Graph<E>(E);

const FAILURE: &str = "reason status at";
const WEBHOOK: &str = "id sessionId url events state createdBy createdAt updatedAt queue { deliveredUpto lag attempts nextAttemptAt \
    lastFailure { reason status at } lastDeliveryAt deadLetters skipped }";
const LETTER: &str = "webhookId sessionId seq deliveryId attempts isRequested";

fn services(world: &World) -> Services {
    Services { webhooks: Some(world.webhooks.clone()), ..Services::default() }
}

fn graph(world: &World) -> Graph<impl Endpoint> {
    let services = Services { admin: Some(world.admin.clone()), ..services(world) };
    let schema = schema_with(world.chat.clone(), services, SchemaOptions::default());
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

/// The document of an operation, and where its answer stands.
fn document(operation: &str) -> (String, &'static [&'static str]) {
    let letter = format!("{LETTER} failure {{ {FAILURE} }}");
    let created = format!("createdWebhook {{ secret webhook {{ {WEBHOOK} }} }}");
    match operation {
        "createWebhook" => (mutation("CreateWebhookInput", operation, &created), &["createdWebhook"]),
        "rotateWebhookSecret" => (mutation("WebhookInput", operation, &created), &["createdWebhook"]),
        "updateWebhook" => {
            (mutation("UpdateWebhookInput", operation, &format!("webhook {{ {WEBHOOK} }}")), &["webhook"])
        }
        "deleteWebhook" => (mutation("WebhookInput", operation, "sessionId webhookId"), &["nothing"]),
        "retryDeadLetter" => {
            (mutation("RetryDeadLetterInput", operation, &format!("deadLetter {{ {letter} }}")), &["deadLetter"])
        }
        "listWebhooks" => {
            (format!("query ($sessionId: ID!) {{ webhooks(sessionId: $sessionId) {{ {WEBHOOK} }} }}"), &[])
        }
        "getWebhook" => {
            let head = "query ($sessionId: ID!, $webhookId: ID!)";
            (format!("{head} {{ webhook(sessionId: $sessionId, webhookId: $webhookId) {{ {WEBHOOK} }} }}"), &[])
        }
        "listDeadLetters" => {
            let head = "query ($sessionId: ID!, $webhookId: ID!, $limit: Int, $after: Long)";
            let given = "sessionId: $sessionId, webhookId: $webhookId, first: $limit, after: $after";
            (format!("{head} {{ deadLetters({given}) {{ next deadLetters {{ {letter} }} }} }}"), &[])
        }
        operation => {
            (administering(operation, &letter), if operation == "adminDeleteWebhook" { &["nothing"] } else { &[] })
        }
    }
}

/// The document of an operation of administrators.
fn administering(operation: &str, letter: &str) -> String {
    let created = format!("secret webhook {{ {WEBHOOK} }}");
    match operation {
        "adminCreateWebhook" => mutation("AdminCreateWebhookInput", operation, &created),
        "adminRotateWebhookSecret" => mutation("AdminWebhookInput", operation, &created),
        "adminUpdateWebhook" => mutation("AdminUpdateWebhookInput", operation, WEBHOOK),
        "adminDeleteWebhook" => mutation("AdminWebhookInput", operation, "webhookId"),
        "adminRetryDeadLetter" => mutation("AdminRetryDeadLetterInput", operation, letter),
        "adminListWebhooks" => format!("{{ adminListWebhooks {{ {WEBHOOK} }} }}"),
        "adminGetWebhook" => {
            format!("query ($webhookId: ID!) {{ adminGetWebhook(webhookId: $webhookId) {{ {WEBHOOK} }} }}")
        }
        "adminListDeadLetters" => {
            let head = "query ($webhookId: ID!, $limit: Int, $after: String)";
            let given = "webhookId: $webhookId, first: $limit, after: $after";
            format!("{head} {{ adminListDeadLetters({given}) {{ next deadLetters {{ {letter} }} }} }}")
        }
        operation => panic!("no document of {operation}"),
    }
}

fn mutation(input: &str, field: &str, selection: &str) -> String {
    format!("mutation ($input: {input}!) {{ {field}(input: $input) {{ {selection} }} }}")
}

impl<E: Endpoint> Face for Graph<E> {
    async fn call(&self, operation: &str, user: &str, input: Value) -> Answer {
        let (query, path) = document(operation);
        let fields = renamed(input, &camel);
        let variables = if query.starts_with("mutation") { json!({ "input": fields }) } else { fields };
        let request = Request::builder().method(Method::POST).uri("/graphql".parse().unwrap());
        let request = request.header("authorization", format!("Bearer {user}"));
        let body = json!({ "query": query, "variables": variables }).to_string();
        let response = self.0.get_response(request.header("content-type", "application/json").body(body)).await;
        let answer: Value = serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap();
        if let Some(code) = answer["errors"][0]["extensions"]["code"].as_str() {
            return Answer(Err(code.to_owned()));
        }
        let (_, data) = answer["data"].as_object().unwrap().iter().next().unwrap();
        let data = path.iter().fold(data.clone(), |data, name| data[name].clone());
        let data = renamed(data, &snake);
        if operation.ends_with("istDeadLetters") {
            let next = data["next"].as_u64().map(|next| next.to_string());
            let next = next.or_else(|| data["next"].as_str().map(str::to_owned));
            return Answer(Ok(paged(data["dead_letters"].clone(), next)));
        }
        Answer(Ok(plain(data)))
    }
}

#[tokio::test]
async fn the_fields_answer_as_the_core_does() {
    let world = World::new().await;
    let worked = cases::all(&graph(&world), &world).await;
    let worked: BTreeSet<String> = worked.into_iter().map(|operation| field(operation).to_owned()).collect();
    let services = Services { admin: Some(world.admin.clone()), ..services(&world) };
    let sdl = schema_with(world.chat.clone(), services, SchemaOptions::default()).sdl();
    // A field that is new gets its calls.
    assert_eq!(worked, fields_about_webhooks(&sdl));
}

/// The field of an operation.
fn field(operation: &str) -> &str {
    match operation {
        "listWebhooks" => "webhooks",
        "getWebhook" => "webhook",
        "listDeadLetters" => "deadLetters",
        other => other,
    }
}

/// The queries and mutations about webhooks. Incoming ones are no service, and have their own tests.
fn fields_about_webhooks(sdl: &str) -> BTreeSet<String> {
    let mut is_root = false;
    let mut fields = BTreeSet::new();
    for line in sdl.lines() {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            is_root = line.starts_with("type Query ") || line.starts_with("type Mutation ");
        }
        let name = line.strip_prefix('\t').and_then(|line| line.split(['(', ':']).next()).unwrap_or_default();
        let is_name = is_root && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        let is_wanted =
            ["ebhook", "eadLetter"].iter().any(|part| name.contains(part)) && !name.to_lowercase().contains("incoming");
        if is_name && is_wanted {
            fields.insert(name.to_owned());
        }
    }
    fields
}

#[tokio::test]
async fn a_schema_has_the_fields_of_the_services_that_it_is_given() {
    let world = World::new().await;
    let without = schema(world.chat.clone(), SchemaOptions::default()).sdl();
    assert!(!without.contains("createWebhook") && without.contains("WebhookChanged"));
    let one = schema_with(world.chat.clone(), services(&world), SchemaOptions::default()).sdl();
    assert!(one.contains("createWebhook(") && !one.contains("adminCreateWebhook("));
    let admin = Some(world.admin.clone());
    let one = Services { admin: admin.clone(), ..Services::default() };
    assert!(!schema_with(world.chat.clone(), one, SchemaOptions::default()).sdl().contains("adminCreateWebhook("));
    let both = Services { admin, ..services(&world) };
    let both = schema_with(world.chat.clone(), both, SchemaOptions::default()).sdl();
    for field in [
        "createWebhook(",
        "adminCreateWebhook(",
        "adminListWebhooks",
        "webhooks(",
        "adminListUsers(",
        "sendMessage(",
        "sessions(",
    ] {
        assert!(both.contains(field), "{field}");
    }
}

#[tokio::test]
async fn the_event_of_a_change_names_the_webhook() {
    let world = World::new().await;
    let schema = schema_with(world.chat.clone(), services(&world), SchemaOptions::default());
    let query = "query($id: ID!, $after: String) { events(sessionId: $id, after: $after, first: 1) { nodes { __typename seq ... on \
        WebhookChanged { webhookId } } } }";
    let variables = json!({ "id": world.session, "after": (world.first - 1).to_string() });
    let request = Query::new(query).variables(async_graphql::Variables::from_json(variables));
    let answer = schema.execute(request.data(Caller(principal("bob")))).await;
    assert!(answer.errors.is_empty(), "{:?}", answer.errors);
    let data = answer.data.into_json().unwrap();
    let node = json!({ "__typename": "WebhookChanged", "seq": world.first, "webhookId": world.webhook });
    assert_eq!(data["events"]["nodes"][0], node);
}
