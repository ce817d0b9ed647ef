//! Incoming webhooks over REST: who has a token posts.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use chatcore::{
    Authenticator, Chat, MemoryStore, Principal, Rate, RateLimits, TestClock, async_trait,
    chat::{CreateIncomingWebhook, CreateSession},
    model::{MessageWindow, SessionId, SessionType, UserId},
};
use chatcore_poem::ChatFrontend;
use poem::{
    Body, Endpoint, EndpointExt as _, Request, RequestParts, Response, Route,
    http::{HeaderMap, Method, request, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use serde_json::{Value, json};

const API: &str = "/api/v1/chat";

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

/// A session of ann with an incoming webhook.
struct World<E> {
    chat: Chat,
    app: E,
    session: SessionId,
    token: String,
}

async fn world_with(rates: RateLimits) -> World<impl Endpoint<Output = Response>> {
    let chat = Chat::builder(MemoryStore::new()).clock(TestClock::default()).rates(rates).build();
    let frontend = ChatFrontend::new(chat.clone(), Names);
    let app = frontend.mount(Route::new()).with(frontend.problems());
    let new = CreateSession::titled("Builds").of_type(SessionType::Public);
    let session = chat.create_session(&user("ann"), new).await.unwrap().summary.session.id;
    let token = token(&chat, session).await;
    World { chat, app, session, token }
}

async fn world() -> World<impl Endpoint<Output = Response>> {
    world_with(RateLimits::off()).await
}

async fn token(chat: &Chat, session: SessionId) -> String {
    let new = CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None };
    let created = chat.create_incoming_webhook(&user("ann"), session, new).await.unwrap();
    created.token.as_str().to_owned()
}

impl<E: Endpoint<Output = Response>> World<E> {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) -> (u16, HeaderMap, String) {
        let request = request::Builder::new().method(method).uri(format!("{API}{path}"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.header("content-type", "application/json").header("host", "chat.example");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        // As a server makes it: with the address of the peer, and with the path that is logged.
        let peer: std::net::SocketAddr = "192.0.2.1:1".parse().unwrap();
        let parts = (parts, LocalAddr::default(), RemoteAddr(peer.into()), Scheme::HTTP);
        let request = Request::from_parts(RequestParts::from(parts), Body::from(body.into()));
        let response = self.app.get_response(request).await;
        let (status, mut headers) = (response.status().as_u16(), response.headers().clone());
        headers.remove("x-request-id");
        (status, headers, response.into_body().into_string().await.unwrap())
    }

    /// Posts with the token in the path.
    async fn post(&self, body: &Value) -> (u16, Value) {
        let (status, _, text) = self.ask(Method::POST, &format!("/hooks/{}", self.token), &[], body.to_string()).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn messages(&self) -> usize {
        let page = self.chat.messages(&user("ann"), self.session, MessageWindow::Newest, Some(100)).await.unwrap();
        page.messages.len()
    }
}

fn head<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

#[tokio::test]
async fn a_token_posts_as_bearer_token_and_in_the_path() {
    let world = world().await;
    let bearer = format!("Bearer {}", world.token);
    let body = json!({ "content": "done", "role": "assistant" }).to_string();
    let (status, headers, text) = world.ask(Method::POST, "/hooks", &[("authorization", &bearer)], body).await;
    let message: Value = serde_json::from_str(&text).unwrap();
    let told = (status, head(&headers, "etag"), head(&headers, "cache-control"));
    assert_eq!(told, (201, "\"1\"", "no-store"), "{text}");
    assert_eq!((&message["username"], &message["name"]), (&json!("Builds"), &json!("Builds")), "{text}");
    assert_eq!((&message["content"], &message["role"]), (&json!("done"), &json!("assistant")), "{text}");
    assert!(message["user_id"].as_str().unwrap().starts_with("webhook:"), "{text}");
    // As programs post to Slack.
    let (status, message) = world.post(&json!({ "text": "done" })).await;
    assert_eq!((status, &message["content"], &message["role"]), (201, &json!("done"), &json!("user")));
    let encrypted = json!({ "encrypted_data": "b3BhcXVl", "iv": "aXY=", "key_version": 1 });
    let (status, message) = world.post(&json!({ "content": encrypted })).await;
    assert_eq!((status, &message["content"]), (201, &encrypted));
    // The other base, and a token of a user beside the one in the path.
    let request =
        Request::builder().method(Method::POST).header("authorization", "Bearer bob").header("host", "chat.example");
    let request = request.uri(format!("/api/chat/hooks/{}", world.token).parse().unwrap());
    let request = request.header("content-type", "application/json").body("{\"content\":\"x\"}");
    assert_eq!(world.app.get_response(request).await.status(), 201);
    assert_eq!(world.messages().await, 4);
}

#[tokio::test]
async fn a_retry_with_a_key_is_one_message() {
    let world = world().await;
    let path = format!("/hooks/{}", world.token);
    let post = async |key: &str, body: Value| {
        let (status, _, text) = world.ask(Method::POST, &path, &[("idempotency-key", key)], body.to_string()).await;
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (status, first) = post("a", json!({ "text": "done" })).await;
    assert_eq!(status, 201);
    for body in [json!({ "content": "done" }), json!({ "content": "done", "client_id": "a" })] {
        let (status, again) = post("a", body).await;
        assert_eq!((status, &again["id"]), (201, &first["id"]));
    }
    let (status, other) = post("a", json!({ "content": "failed" })).await;
    assert_eq!((status, &other["code"]), (409, &json!("CLIENT_ID_REUSED")));
    let (status, two) = post("a", json!({ "content": "done", "client_id": "b" })).await;
    assert_eq!((status, &two["details"]["fields"][0]["field"]), (422, &json!("client_id")));
    assert_eq!(world.messages().await, 1);
}

#[tokio::test]
async fn a_body_that_is_not_acceptable_posts_nothing() {
    let world = world().await;
    for (body, field) in [
        (json!({}), "content"),
        (json!({ "content": null }), "content"),
        (json!({ "content": "" }), "content"),
        (json!({ "content": 5 }), "content"),
        (json!({ "content": { "iv": "x" } }), "content.encrypted_data"),
        (json!({ "content": "x".repeat(8_001) }), "content"),
        (json!({ "text": 5 }), "text"),
        (json!({ "text": "" }), "content"),
        (json!({ "text": "x", "content": "x" }), "text"),
        (json!({ "content": "x", "role": "OWNER" }), "role"),
        (json!({ "content": "x", "client_id": "" }), "client_id"),
        (json!({ "content": "x", "message_type": "system" }), "message_type"),
        (json!({ "content": "x", "user_id": "ann" }), "user_id"),
        (json!({ "text": "x", "username": "ann" }), "username"),
        (json!({ "text": "x", "blocks": [] }), "blocks"),
        (json!({ "content": "x", "mentions_everybody": true }), "mentions_everybody"),
        (json!({ "content": "x", "reply_to": "x" }), "reply_to"),
    ] {
        let (status, problem) = world.post(&body).await;
        let told = problem["details"]["fields"][0]["field"].as_str().unwrap_or_default().to_owned();
        let is_told = told == field || (field.starts_with("content.") && told.starts_with("content"));
        assert!(status == 422 && is_told, "{body}: {status} {problem}");
    }
    let path = format!("/hooks/{}", world.token);
    for (body, status) in [("{", 400), ("", 400), ("[]", 422), ("\"x\"", 422)] {
        let (got, _, text) = world.ask(Method::POST, &path, &[], body).await;
        assert!(got == status || (400..=422).contains(&got), "{body}: {got} {text}");
    }
    let (status, _, text) = world.ask(Method::POST, &path, &[], "x".repeat(2_000_000)).await;
    assert_eq!(status, 413, "{text}");
    let (status, _, text) = world.ask(Method::POST, &format!("{path}?x=1"), &[], "{\"content\":\"x\"}").await;
    assert_eq!(status, 422, "{text}");
    let (status, headers, _) = world.ask(Method::GET, &path, &[], "").await;
    assert_eq!((status, head(&headers, "allow")), (405, "OPTIONS, POST"));
    assert_eq!(world.messages().await, 0);
}

#[tokio::test]
async fn tokens_that_do_not_post_look_the_same_whatever_the_body() {
    let world = world().await;
    let deleted = token(&world.chat, world.session).await;
    let webhook = world.chat.incoming_webhooks(&user("ann"), world.session).await.unwrap()[1].id;
    world.chat.delete_incoming_webhook(&user("ann"), world.session, webhook).await.unwrap();
    let new = CreateSession::titled("Over").of_type(SessionType::Public);
    let over = world.chat.create_session(&user("ann"), new).await.unwrap().summary.session.id;
    let of_deleted_session = token(&world.chat, over).await;
    world.chat.delete_session(&user("ann"), over).await.unwrap();
    let ask = async |token: &str, body: String| {
        let (status, headers, text) = world.ask(Method::POST, &format!("/hooks/{token}"), &[], body.clone()).await;
        let bearer = format!("Bearer {token}");
        let by_header = world.ask(Method::POST, "/hooks", &[("authorization", &bearer)], body).await;
        let same = |text: &str| {
            let mut problem: Value = serde_json::from_str(text).unwrap();
            problem.as_object_mut().unwrap().retain(|name, _| name != "request_id" && name != "timestamp");
            problem
        };
        assert_eq!((status, same(&text)), (by_header.0, same(&by_header.2)));
        assert!(!text.contains(token), "{text}");
        (status, headers, same(&text))
    };
    let never = ask(&format!("chook_{}", "A".repeat(43)), "{\"content\":\"x\"}".to_owned()).await;
    assert_eq!((never.0, &never.2["code"]), (404, &json!("WEBHOOK_NOT_FOUND")));
    for token in [deleted.as_str(), &of_deleted_session, "chook_", "x", "ann", &world.token.to_uppercase()] {
        for body in ["{\"content\":\"x\"}", "{", "{\"a\":1}", &"x".repeat(2_000_000)] {
            assert_eq!(ask(token, body.to_owned()).await, never, "{token}");
        }
    }
    // Without a token, and with two.
    let (status, headers, text) = world.ask(Method::POST, "/hooks", &[], "{\"content\":\"x\"}").await;
    assert_eq!((status, headers.contains_key("www-authenticate")), (401, true), "{text}");
    let bearer = format!("Bearer {}", world.token);
    let two = [("authorization", &*bearer), ("authorization", "Bearer ann")];
    assert_eq!(world.ask(Method::POST, "/hooks", &two, "{\"content\":\"x\"}").await.0, 401);
    // A webhook's token is no token of a user.
    let path = format!("/sessions/{}/incoming-webhooks", world.session);
    let bearer = "Bearer webhook:01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(world.ask(Method::GET, &path, &[("authorization", bearer)], "").await.0, 401);
    assert_eq!(world.messages().await, 0);
}

#[tokio::test]
async fn an_archived_session_says_so_and_an_author_is_not_added() {
    let world = world().await;
    let webhook = world.chat.incoming_webhooks(&user("ann"), world.session).await.unwrap()[0].id;
    let path = format!("/sessions/{}/participants", world.session);
    let body = json!({ "user_id": webhook.author() }).to_string();
    let (status, _, text) = world.ask(Method::POST, &path, &[("authorization", "Bearer ann")], body).await;
    assert_eq!(status, 422, "{text}");
    world.chat.archive_session(&user("ann"), world.session).await.unwrap();
    let (status, problem) = world.post(&json!({ "content": "x" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("SESSION_ARCHIVED")));
}

#[tokio::test]
async fn the_rate_is_of_the_webhook_and_wrong_tokens_use_up_the_address() {
    let only = |number| Some(Rate::new(number, Duration::from_secs(60)));
    let world = world_with(RateLimits { hooks: only(3), unknown: only(4), ..RateLimits::off() }).await;
    let right = format!("/hooks/{}", world.token);
    for left in ["2", "1", "0"] {
        let (status, headers, _) = world.ask(Method::POST, &right, &[], "{\"content\":\"x\"}").await;
        let told = (status, head(&headers, "x-ratelimit-limit"), head(&headers, "x-ratelimit-remaining"));
        assert_eq!(told, (201, "3", left));
    }
    let (status, headers, text) = world.ask(Method::POST, &right, &[], "{\"content\":\"x\"}").await;
    assert_eq!((status, head(&headers, "retry-after")), (429, "60"), "{text}");
    let another = format!("/hooks/{}", token(&world.chat, world.session).await);
    let wrong = format!("/hooks/chook_{}", "A".repeat(43));
    for left in ["3", "2", "1", "0"] {
        let (status, headers, _) = world.ask(Method::POST, &wrong, &[], "{}").await;
        let told = (status, head(&headers, "x-ratelimit-limit"), head(&headers, "x-ratelimit-remaining"));
        assert_eq!(told, (404, "4", left));
    }
    assert_eq!(world.ask(Method::POST, &wrong, &[], "{}").await.0, 429);
    // The address has nothing left, and the webhook has.
    assert_eq!(world.ask(Method::POST, &another, &[], "{\"content\":\"x\"}").await.0, 201);
    assert_eq!(world.messages().await, 4);
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_line_of_the_log_has_a_token() {
    let log = Log::default();
    let to = log.clone();
    // Of all threads: while other threads log without a subscriber, one of a single thread can miss events.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || to.clone())
        .init();
    let world = world().await;
    let secret = world.token.strip_prefix("chook_").unwrap().to_owned();
    let bearer = format!("Bearer {}", world.token);
    for (method, path) in [
        (Method::POST, format!("/hooks/{}", world.token)),
        (Method::POST, format!("/hooks/{}/", world.token)),
        (Method::GET, format!("/hooks/{}", world.token)),
        (Method::POST, format!("/hooks/%63hook_{secret}")),
        (Method::POST, format!("/hook/{}", world.token)),
        (Method::POST, "/hooks".to_owned()),
        (Method::OPTIONS, format!("/hooks/{}", world.token)),
    ] {
        for body in ["{\"content\":\"x\"}", "{"] {
            let (_, _, text) = world.ask(method.clone(), &path, &[("authorization", &bearer)], body).await;
            assert!(!text.contains(&secret), "{text}");
        }
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("a request came") && text.contains("/hooks/…"), "the log is written: {text}");
    assert!(!text.contains(&secret), "{text}");
}
