//! Incoming webhooks over GraphQL, through the endpoint for poem.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]
#![cfg(feature = "poem")]

use std::time::Duration;

use chatcore::{
    Authenticator, Chat, MemoryStore, Principal, Rate, RateLimits, TestClock, async_trait,
    chat::{AddParticipant, CreateSession},
    model::{MessageWindow, SessionId, SessionType, UserId},
};
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, WireOptions, schema};
use chatcore_http::{Options, Sockets};
use poem::{Endpoint, EndpointExt as _, Request, Response, Route, http::Method};
use serde_json::{Value, json};

/// Tokens are user ids.
struct Names;

fn user(name: &str) -> Principal {
    Principal::new(UserId::new(name).unwrap())
}

#[async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, token: &str) -> chatcore::Result<Principal> {
        UserId::new(token).map(Principal::new).map_err(|_| chatcore::Error::TokenInvalid)
    }
}

struct World<E> {
    chat: Chat,
    app: E,
    session: SessionId,
}

async fn world(rates: RateLimits) -> World<impl Endpoint<Output = Response>> {
    let chat = Chat::builder(MemoryStore::new()).clock(TestClock::default()).rates(rates).build();
    let schema = schema(chat.clone(), SchemaOptions::default());
    let frontend = GraphqlFrontend::new(schema, Names, Sockets::new(Options::default()), WireOptions::default());
    let new = CreateSession::titled("Builds").of_type(SessionType::Public);
    let session = chat.create_session(&user("ann"), new).await.unwrap().summary.session.id;
    chat.me(&user("bob")).await.unwrap();
    let bob = AddParticipant { user_id: user("bob").user_id, role: None };
    chat.add_participant(&user("ann"), session, bob).await.unwrap();
    World { chat, app: frontend.mount(Route::new()).map_to_response(), session }
}

const CREATE: &str =
    "mutation ($id: ID!, $name: String!) { createIncomingWebhook(input: { sessionId: $id, name: $name }) {
    createdIncomingWebhook { token path webhook { id name authorId createdBy { id } lastUsedAt } } } }";
const LIST: &str = "query ($id: ID!) { incomingWebhooks(sessionId: $id) { id name lastUsedAt } }";
const POST: &str = "mutation ($token: String!, $content: String, $encrypted: EncryptedContentInput, $once: String) {
    postToIncomingWebhook(input: { token: $token, content: $content, encryptedContent: $encrypted, clientId: $once }) {
        sessionId messageId seq createdAt } }";

impl<E: Endpoint<Output = Response>> World<E> {
    async fn ask(&self, caller: Option<&str>, query: &str, variables: Value) -> (u16, Value) {
        let mut request = Request::builder().method(Method::POST).uri("/graphql".parse().unwrap());
        if let Some(caller) = caller {
            request = request.header("authorization", format!("Bearer {caller}"));
        }
        let body = json!({ "query": query, "variables": variables }).to_string();
        let request = request.header("content-type", "application/json").body(body);
        let response = self.app.get_response(request).await;
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap())
    }

    async fn create(&self) -> (String, Value) {
        let (_, answer) = self.ask(Some("ann"), CREATE, json!({ "id": self.session, "name": "Builds" })).await;
        let created = answer["data"]["createIncomingWebhook"]["createdIncomingWebhook"].clone();
        (created["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned(), created)
    }

    /// The position of what is posted, or the code of the error.
    async fn post(&self, caller: Option<&str>, token: &str, input: Value) -> Result<u64, String> {
        let mut variables = input;
        variables["token"] = json!(token);
        let (_, answer) = self.ask(caller, POST, variables).await;
        match answer["data"]["postToIncomingWebhook"]["seq"].as_u64() {
            Some(seq) => Ok(seq),
            None => Err(code(&answer)),
        }
    }
}

fn code(answer: &Value) -> String {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_token_is_all_that_a_post_needs() {
    let world = world(RateLimits::off()).await;
    let (token, created) = world.create().await;
    assert_eq!(created["path"], json!(format!("/hooks/{token}")));
    let webhook = &created["webhook"];
    assert_eq!((&webhook["createdBy"]["id"], &webhook["lastUsedAt"]), (&json!("ann"), &Value::Null));
    let author = webhook["authorId"].as_str().unwrap().to_owned();
    for caller in [None, Some("bob"), Some("stranger")] {
        world.post(caller, &token, json!({ "content": "done" })).await.unwrap();
    }
    let encrypted = json!({ "encryptedData": "b3BhcXVl", "iv": "aXY=", "keyVersion": 1 });
    world.post(None, &token, json!({ "encrypted": encrypted })).await.unwrap();
    let once = json!({ "content": "done", "once": "a" });
    let first = world.post(None, &token, once.clone()).await.unwrap();
    assert_eq!(world.post(None, &token, once).await.unwrap(), first);
    let other = json!({ "content": "failed", "once": "a" });
    assert_eq!(world.post(None, &token, other).await, Err("CLIENT_ID_REUSED".to_owned()));
    let page = world.chat.messages(&user("bob"), world.session, MessageWindow::Newest, None).await.unwrap();
    let authors: Vec<_> = page.messages.iter().map(|message| message.sender.user_id.as_str()).collect();
    assert_eq!(authors, vec![author.as_str(); 5]);
    assert!(page.messages.iter().all(|message| message.sender.name == "Builds"));
    let (_, listed) = world.ask(Some("ann"), LIST, json!({ "id": world.session })).await;
    assert!(listed["data"]["incomingWebhooks"][0]["lastUsedAt"].is_string(), "{listed}");
    // The author is shown as each author is.
    let query = "query ($id: ID!) { messages(sessionId: $id, last: 1) { nodes { sender { id name } } } }";
    let (_, shown) = world.ask(Some("bob"), query, json!({ "id": world.session })).await;
    let sender = &shown["data"]["messages"]["nodes"][0]["sender"];
    assert_eq!(*sender, json!({ "id": author, "name": "Builds" }), "{shown}");
}

#[tokio::test]
async fn without_a_token_nothing_else_is_carried_out() {
    let world = world(RateLimits::off()).await;
    let (token, _) = world.create().await;
    let before = world.chat.session(&user("ann"), world.session).await.unwrap().summary.cursor;
    let field = format!("postToIncomingWebhook(input: {{ token: \"{token}\", content: \"x\" }}) {{ seq }}");
    for query in [
        format!("mutation {{ {field} createSession(input: {{ title: \"x\" }}) {{ session {{ id }} }} }}"),
        format!("mutation {{ ...F }} fragment F on Mutation {{ {field} }}"),
        format!("query {{ incomingWebhooks(sessionId: \"{}\") {{ id }} }}", world.session),
        format!("mutation {{ deleteSession(input: {{ sessionId: \"{}\" }}) {{ sessionId }} }}", world.session),
        "{ me { id } }".to_owned(),
        "{".to_owned(),
    ] {
        let (status, answer) = world.ask(None, &query, json!({})).await;
        assert_eq!((status, code(&answer).as_str()), (401, "AUTH_REQUIRED"), "{query}: {answer}");
    }
    assert_eq!(world.chat.session(&user("ann"), world.session).await.unwrap().summary.cursor, before);
}

#[tokio::test]
async fn bad_posts_and_tokens_have_the_codes_of_every_transport() {
    let world = world(RateLimits::off()).await;
    let (token, created) = world.create().await;
    let text = || json!({ "content": "x" });
    for (token, input, wanted) in [
        ("", text(), "WEBHOOK_NOT_FOUND"),
        ("chook_", text(), "WEBHOOK_NOT_FOUND"),
        (&*format!("chook_{}", "A".repeat(43)), json!({}), "WEBHOOK_NOT_FOUND"),
        (&*token, json!({}), "VALIDATION_REQUIRED_FIELD"),
        (&*token, json!({ "content": "" }), "VALIDATION_REQUIRED_FIELD"),
        (&*token, json!({ "content": "x".repeat(8_001) }), "MESSAGE_TOO_LONG"),
        (&*token, json!({ "content": "x", "once": "" }), "VALIDATION_INVALID_VALUE"),
    ] {
        assert_eq!(world.post(None, token, input.clone()).await, Err(wanted.to_owned()), "{token} {input}");
    }
    let (_, denied) = world.ask(Some("bob"), CREATE, json!({ "id": world.session, "name": "x" })).await;
    assert_eq!(code(&denied), "RESOURCE_ACCESS_DENIED");
    let delete =
        "mutation ($id: ID!, $hook: ID!) { deleteIncomingWebhook(input: { sessionId: $id, webhookId: $hook }) {
        webhookId } }";
    let variables = json!({ "id": world.session, "hook": created["webhook"]["id"] });
    let (_, denied) = world.ask(Some("bob"), delete, variables.clone()).await;
    assert_eq!(code(&denied), "RESOURCE_ACCESS_DENIED");
    for _ in 0..9 {
        world.create().await;
    }
    let (_, full) = world.ask(Some("ann"), CREATE, json!({ "id": world.session, "name": "x" })).await;
    assert_eq!(code(&full), "RESOURCE_LIMIT_EXCEEDED");
    world.ask(Some("ann"), delete, variables).await;
    assert_eq!(world.post(None, &token, text()).await, Err("WEBHOOK_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn each_alias_counts_against_its_webhook() {
    let rates = RateLimits { hooks: Some(Rate::new(5, Duration::from_secs(60))), ..RateLimits::off() };
    let world = world(rates).await;
    let (token, _) = world.create().await;
    let post = |number| {
        format!("a{number}: postToIncomingWebhook(input: {{ token: \"{token}\", content: \"x\" }}) {{ seq }} ")
    };
    let aliases: String = (0..20).map(post).collect();
    let (_, answer) = world.ask(None, &format!("mutation {{ {aliases} }}"), json!({})).await;
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 15, "{answer}");
    assert!(errors.iter().all(|error| error["extensions"]["code"] == "RATE_LIMIT_EXCEEDED"), "{answer}");
}
