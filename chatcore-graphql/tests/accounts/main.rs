//! Accounts over GraphQL, through the endpoint for poem.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

#[path = "../../../chatcore-poem/tests/accounts/attacks.rs"]
mod attacks;
#[path = "../../../chatcore-poem/tests/accounts/cases.rs"]
mod cases;
#[path = "../../../chatcore-poem/tests/accounts/cuts.rs"]
mod cuts;
mod ends;
mod leaks;
mod raising;
mod socket;
mod uses;
#[path = "../../../chatcore-poem/tests/accounts/yielding.rs"]
mod yielding;

use std::collections::BTreeMap;

use cases::{Answer, Face, PASSWORD, World, register, text};
use chatcore::{
    Administration, Authenticator as _, Principal, admin::AuditOrigin, identity::SystemRole, model::UserId,
};
use chatcore_graphql::{
    GraphqlFrontend, SchemaOptions, Services, WireOptions, schema, schema_with, schema_with_accounts,
};
use chatcore_http::{Options, Sockets};
use poem::{
    Body, Endpoint, Request, RequestParts, Route,
    http::{Method, request, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use serde_json::{Map, Value, json};

/// An endpoint, and the address of its caller.
struct Graph<E>(E, &'static str);

const PEER: &str = "192.0.2.1:1";

const ACCOUNT: &str = "id username email isVerified displayName bio avatarUrl publicKey createdAt updatedAt lastLogin";
const TOKENS: &str = "accessToken tokenType expiresIn refreshToken refreshExpiresAt";

fn graph(world: &World) -> Graph<impl Endpoint> {
    let options =
        SchemaOptions { aliases: 2_000, root_fields: 2_000, fields: 9_000, tokens: 50_000, ..Default::default() };
    mounted(world, schema_with_accounts(world.accounts.clone(), options))
}

fn mounted(world: &World, schema: chatcore_graphql::ChatSchema) -> Graph<impl Endpoint> {
    let sockets = Sockets::new(Options { body_bytes: 500_000, ..Options::default() });
    let frontend = GraphqlFrontend::new(schema, world.authenticator(), sockets, WireOptions::default());
    Graph(frontend.mount(Route::new()), PEER)
}

/// The schema with the administration as well.
fn managed(world: &World) -> chatcore_graphql::ChatSchema {
    let admin = Administration::new(world.chat.clone());
    let services = Services { accounts: Some(world.accounts.clone()), admin: Some(admin), ..Services::default() };
    schema_with(world.chat.clone(), services, SchemaOptions::default())
}

/// Makes the holder of a token an administrator.
async fn promote(world: &World, token: &str) {
    let holder = world.authenticator().authenticate(token).await.unwrap().user_id;
    let root = Principal { system_role: SystemRole::Admin, ..Principal::new(UserId::new("root").unwrap()) };
    let admin = Administration::new(world.chat.clone());
    admin.set_role(&root, &AuditOrigin::default(), &holder, SystemRole::Admin, None).await.unwrap();
}

/// Names with their case changed, at every depth.
fn renamed(value: Value, rename: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (rename(&name), renamed(value, rename)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(|item| renamed(item, rename)).collect(),
        value => value,
    }
}

fn snake(name: &str) -> String {
    name.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_lowercase())).collect()
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

impl<E: Endpoint> Graph<E> {
    async fn ask(&self, token: Option<&str>, query: &str, variables: Value) -> (u16, BTreeMap<String, String>, Value) {
        self.ask_from(self.1, token, query, variables).await
    }

    async fn ask_from(
        &self,
        peer: &str,
        token: Option<&str>,
        query: &str,
        variables: Value,
    ) -> (u16, BTreeMap<String, String>, Value) {
        let (status, headers, text) = self.text_from(peer, token, query, variables).await;
        (status, headers, serde_json::from_str(&text).unwrap())
    }

    async fn text_from(
        &self,
        peer: &str,
        token: Option<&str>,
        query: &str,
        variables: Value,
    ) -> (u16, BTreeMap<String, String>, String) {
        let mut head = request::Builder::new().method(Method::POST).uri("/graphql").header("host", "chat.example");
        if let Some(token) = token {
            head = head.header("authorization", format!("Bearer {token}"));
        }
        let (head, ()) = head.header("content-type", "application/json").body(()).unwrap().into_parts();
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let parts = RequestParts::from((head, LocalAddr::default(), RemoteAddr(peer.into()), Scheme::HTTP));
        let body = json!({ "query": query, "variables": variables }).to_string();
        let response = self.0.get_response(Request::from_parts(parts, Body::from(body))).await;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let status = response.status().as_u16();
        let body = response.into_body().into_string().await.unwrap();
        assert!(!body.contains("730411"), "{body}");
        (status, headers, body)
    }
}

/// The field that carries an operation out, and the document.
fn document(operation: &str) -> (&str, String) {
    let user = "id username displayName bio avatarUrl publicKey createdAt";
    match operation {
        "getMe" => ("account", format!("{{ account {{ {ACCOUNT} }} }}")),
        "listSessions" => ("sessions", "{ sessions { nodes { id } } }".to_owned()),
        "listEvents" => ("events", "query ($sessionId: ID!) { events(sessionId: $sessionId) { head } }".to_owned()),
        "listLogins" => ("logins", "{ logins { id device isCurrent } }".to_owned()),
        "getUser" => ("user", format!("query ($userId: ID!) {{ user(id: $userId) {{ {user} }} }}")),
        "searchUsers" => (
            "users",
            format!(
                "query ($q: String!, $limit: Int, $after: String) {{
                users(q: $q, first: $limit, after: $after) {{ users {{ {user} }} next }} }}"
            ),
        ),
        "logOut" | "logOutEverywhere" | "requestVerification" => {
            (operation, format!("mutation {{ {operation} {{ message }} }}"))
        }
        _ => {
            let selection = match operation {
                "register" | "logIn" => format!("user {{ {ACCOUNT} }} loginId {TOKENS}"),
                "refresh" => TOKENS.to_owned(),
                "changeEmail" | "updateMe" => ACCOUNT.to_owned(),
                _ => "message".to_owned(),
            };
            let of = format!("{}{}Input", operation[..1].to_uppercase(), &operation[1..]);
            (operation, format!("mutation ($input: {of}!) {{ {operation}(input: $input) {{ {selection} }} }}"))
        }
    }
}

/// The variables of a document.
fn variables(query: &str, input: Value) -> Value {
    let input = renamed(input, &camel);
    if query.contains("$input") { json!({ "input": input }) } else { input }
}

/// The answer of a field, from a response of which the client was told so much.
fn answer_of(operation: &str, field: &str, answer: &Value, told: String) -> Answer {
    let Some(error) = answer["errors"].get(0) else {
        let mut body = renamed(answer["data"][field].clone(), &snake);
        if operation == "searchUsers" {
            body = body["users"].take();
        }
        return Answer { code: None, body, retry_after: None, told: String::new() };
    };
    let extensions = &error["extensions"];
    Answer {
        code: extensions["code"].as_str().map(str::to_owned),
        body: json!({ "message": error["message"], "details": extensions["details"] }),
        retry_after: extensions["retryAfter"].as_u64(),
        told,
    }
}

impl<E: Endpoint> Face for Graph<E> {
    async fn call(&self, operation: &str, token: Option<&str>, input: Value) -> Answer {
        let (field, query) = document(operation);
        let (status, mut headers, text) = self.text_from(self.1, token, &query, variables(&query, input)).await;
        assert!(headers["cache-control"].starts_with("no-store"));
        headers
            .retain(|name, _| !["x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset"].contains(&name.as_str()));
        answer_of(operation, field, &serde_json::from_str(&text).unwrap(), format!("{status} {headers:?} {text}"))
    }
}

#[tokio::test]
async fn the_fields_of_accounts_answer_as_on_every_transport() {
    let world = World::new();
    cases::all(&graph(&world), &world).await;
}

#[tokio::test]
async fn attacks_on_accounts_fail_as_on_every_transport() {
    let world = World::new();
    attacks::all(&graph(&world), &world).await;
}

#[tokio::test]
async fn the_login_of_an_unknown_user_takes_the_turn_of_a_hash() {
    let world = World::with(|builder| builder.settings(attacks::one_hash_at_once()));
    attacks::turns(&graph(&world), &world).await;
}

#[tokio::test]
async fn without_a_token_only_the_open_mutations_are_carried_out() {
    let world = World::new();
    let graph = graph(&world);
    register(&graph, "ada").await;
    let log_in = format!("logIn(input: {{username: \"ada\", password: \"{PASSWORD}\"}}) {{ accessToken }}");
    let (status, _, answer) = graph.ask(None, &format!("mutation {{ {log_in} }}"), json!({})).await;
    let token = text(&answer["data"]["logIn"], "accessToken");
    assert_eq!(status, 200);
    // A token that is no longer good is no hindrance.
    assert_eq!(graph.ask(Some("stale"), &format!("mutation {{ {log_in} }}"), json!({})).await.0, 200);
    let typing = "setTyping(input: {sessionId: \"x\", isTyping: true}) { isTyping }";
    for query in [
        "{ account { id } }".to_owned(),
        "{ __typename }".to_owned(),
        "{ __schema { types { name } } }".to_owned(),
        format!("mutation {{ {log_in} {typing} }}"),
        format!("mutation {{ {log_in} __typename }}"),
        format!("mutation {{ ...F }} fragment F on Mutation {{ {log_in} }}"),
        format!("mutation A {{ {log_in} }} mutation B {{ {log_in} }}"),
        "nonsense".to_owned(),
    ] {
        let (status, headers, answer) = graph.ask(None, &query, json!({})).await;
        assert_eq!((status, &answer["errors"][0]["extensions"]["code"]), (401, &json!("AUTH_REQUIRED")), "{query}");
        assert!(headers.contains_key("www-authenticate"));
        assert!(answer["data"].is_null());
    }
    let (_, _, answer) = graph.ask(Some(&token), &format!("mutation {{ {log_in} __typename }}"), json!({})).await;
    assert_eq!(answer["data"]["__typename"], "Mutation");
}

#[tokio::test]
async fn each_alias_is_one_guess() {
    let world = World::new();
    let graph = graph(&world);
    register(&graph, "ada").await;
    let guess = |number: usize| {
        format!("a{number}: logIn(input: {{username: \"ada\", password: \"guess{number}\"}}) {{ accessToken }} ")
    };
    let guesses: String = (0..1_000).map(guess).collect();
    let (_, _, answer) = graph.ask(None, &format!("mutation {{ {guesses} }}"), json!({})).await;
    let codes: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| &error["extensions"]["code"]).collect();
    assert_eq!(codes.len(), 1_000);
    assert_eq!(codes.iter().filter(|code| **code == "AUTH_INVALID_CREDENTIALS").count(), 5);
    assert_eq!(codes.iter().filter(|code| **code == "RATE_LIMIT_EXCEEDED").count(), 995);
}

#[tokio::test]
async fn a_schema_without_accounts_has_none_of_their_fields() {
    let world = World::new();
    let without = schema(world.chat.clone(), SchemaOptions::default());
    let with = schema_with_accounts(world.accounts.clone(), SchemaOptions::default());
    for name in ["logIn(", "type Account ", "users(", "RegisterInput"] {
        assert!(with.sdl().contains(name) && !without.sdl().contains(name), "{name}");
    }
    // Apart from them it is the same.
    for line in without.sdl().lines().filter(|line| !line.trim().is_empty()) {
        assert!(with.sdl().contains(line), "{line}");
    }
    let graph = mounted(&world, without);
    let (status, _, answer) = graph.ask(None, "mutation { logIn { accessToken } }", json!({})).await;
    assert_eq!((status, &answer["errors"][0]["extensions"]["code"]), (401, &json!("AUTH_REQUIRED")));
}
