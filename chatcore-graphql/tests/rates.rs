//! How often callers may ask, over the network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report by panicking"
)]
#![cfg(feature = "poem")]

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use chatcore::{
    Authenticator, Chat, Error, Limits, MemoryStore, Principal, Rate, RateLimits, TestClock, model::UserId,
};
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, WireOptions, schema};
use chatcore_http::{Options, ServeOptions, Sockets, serve, tungstenite::Message};
use chrono::TimeDelta;
use futures_util::{SinkExt as _, StreamExt as _};
use poem::Route;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::client::IntoClientRequest as _};

/// Every name but `nobody` is its own token.
struct Names;

#[async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, token: &str) -> chatcore::Result<Principal> {
        match token {
            "nobody" => Err(Error::TokenInvalid),
            name => Ok(Principal::new(UserId::new(name).map_err(|_| Error::TokenInvalid)?)),
        }
    }
}

/// A rate of so many, of which one comes back after each ten seconds of the test's clock, which stands still.
fn slow(number: u32) -> Option<Rate> {
    Some(Rate::new(number, Duration::from_secs(10)))
}

struct Server {
    chat: Chat,
    clock: TestClock,
    address: SocketAddr,
}

impl Server {
    async fn start(rates: RateLimits) -> Self {
        let limits = Limits { rates, ..Limits::default() };
        let clock = TestClock::default();
        let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(limits).build();
        let (sockets, schema) = (
            Sockets::new(Options { heartbeat: Duration::from_millis(50), frame_bytes: 4_000, ..Options::default() }),
            schema(chat.clone(), SchemaOptions::default()),
        );
        let frontend = GraphqlFrontend::new(schema, Names, sockets, WireOptions::default());
        let app = frontend.mount(Route::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));
        Self { chat, clock, address }
    }

    async fn post(&self, token: Option<&str>, accept: &str, query: &str) -> Response {
        let request = reqwest::Client::new().post(format!("http://{}/graphql", self.address));
        let request = request.header("Accept", accept).json(&json!({ "query": query }));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.unwrap()
    }

    /// The status, the requests left with their limit, and the codes of the errors.
    async fn ask(&self, token: Option<&str>, query: &str) -> (u16, (u64, u64), Vec<String>) {
        let response = self.post(token, "application/json", query).await;
        let (status, left) = (response.status().as_u16(), left(&response));
        let body: Value = response.json().await.unwrap();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        (status, left, errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap().to_owned()).collect())
    }

    async fn socket(&self, token: &str) -> Client {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request().unwrap();
        request.headers_mut().append("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
        let mut client = Client(connect_async(request).await.unwrap().0);
        client.send(json!({ "type": "connection_init", "payload": { "token": token } })).await;
        client
    }
}

fn left(response: &Response) -> (u64, u64) {
    let number = |name: &str| response.headers()[name].to_str().unwrap().parse().unwrap();
    assert!(number("x-ratelimit-reset") > 1_767_225_599, "a time of the test's clock");
    (number("x-ratelimit-limit"), number("x-ratelimit-remaining"))
}

struct Client(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Client {
    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        timeout(Duration::from_secs(60), self.0.next()).await.unwrap().unwrap().unwrap()
    }

    async fn message(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The type of what an operation is answered with first, and the code of its first error.
    async fn ask(&mut self, id: &str, query: &str) -> (String, String) {
        self.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
        let answer = self.message().await;
        let kind = answer["type"].as_str().unwrap().to_owned();
        let errors = if kind == "error" { &answer["payload"] } else { &answer["payload"]["errors"] };
        let code = errors[0]["extensions"]["code"].as_str().unwrap_or_default().to_owned();
        if kind == "next" {
            assert_eq!(self.message().await["type"], "complete");
        }
        (kind, code)
    }
}

const REFUSED: &str = "RATE_LIMIT_EXCEEDED";

#[tokio::test]
async fn each_alias_is_a_use_and_every_answer_tells_what_is_left() {
    let server = Server::start(RateLimits { requests: slow(6), unknown: slow(9), ..RateLimits::off() }).await;
    let me = |count: usize| format!("{{ {} }}", (0..count).map(|n| format!("a{n}: me {{ id }} ")).collect::<String>());
    assert_eq!(server.ask(Some("alice"), &me(1)).await, (200, (6, 5), vec![]));
    // What is no use is a request all the same.
    assert_eq!(server.ask(Some("alice"), "{ nothing }").await.1, (6, 4));
    assert_eq!(server.ask(Some("alice"), &me(5)).await, (200, (6, 0), vec![REFUSED.to_owned()]));
    assert_eq!(server.ask(Some("alice"), &me(1)).await, (429, (6, 0), vec![REFUSED.to_owned()]));
    assert_eq!(server.post(Some("alice"), "application/json", &me(1)).await.headers()["retry-after"], "10");
    assert_eq!(server.ask(Some("bob"), &me(1)).await, (200, (6, 5), vec![]));
    assert_eq!(server.ask(None, &me(1)).await.1, (9, 8));
    assert_eq!(server.ask(Some("nobody"), &me(1)).await, (401, (9, 7), vec!["AUTH_TOKEN_INVALID".to_owned()]));
    // A mutation that REST and the core would refuse as well.
    let typing = "mutation { setTyping(input: {sessionId: \"x\", isTyping: true}) { sessionId } }";
    assert_eq!(server.ask(Some("alice"), typing).await.0, 429);
    let alice = Principal::new(UserId::new("alice").unwrap());
    assert_eq!(server.chat.me(&alice).await.unwrap_err(), Error::RateLimited { retry_after: 10 });
}

#[tokio::test]
async fn an_event_stream_is_one_use() {
    let server = Server::start(RateLimits { requests: slow(2), ..RateLimits::off() }).await;
    let all = "subscription { allSessionEvents { __typename } }";
    for (status, left_after) in [(200, (2, 1)), (200, (2, 0)), (429, (2, 0))] {
        let mut response = server.post(Some("alice"), "text/event-stream", all).await;
        assert_eq!((response.status().as_u16(), left(&response)), (status, left_after));
        if status == 200 {
            // It has begun once something comes: a comment where there is nothing to tell.
            let first = timeout(Duration::from_secs(60), response.chunk()).await.unwrap().unwrap().unwrap();
            assert!(!String::from_utf8_lossy(&first).contains(REFUSED), "{first:?}");
        }
    }
}

#[tokio::test]
async fn each_operation_of_a_socket_is_a_frame_and_pays_for_its_first_use() {
    let server = Server::start(RateLimits { requests: slow(7), frames: slow(4), ..RateLimits::off() }).await;
    let mut alice = server.socket("alice").await;
    assert_eq!(alice.message().await["type"], "connection_ack");
    let next = |code: &str| ("next".to_owned(), code.to_owned());
    assert_eq!(alice.ask("1", "{ me { id } }").await, next(""));
    assert_eq!(alice.ask("2", "{ a: me { id } b: me { id } c: me { id } }").await, next(""));
    assert_eq!(alice.ask("3", "{ nothing }").await.0, "error");
    assert_eq!(alice.ask("4", "{ a: me { id } b: me { id } c: me { id } }").await, next(REFUSED));
    // Neither requests nor frames are left; the socket stays, and others are not concerned.
    assert_eq!(alice.ask("5", "{ me { id } }").await, ("error".to_owned(), REFUSED.to_owned()));
    let mut bob = server.socket("bob").await;
    assert_eq!(bob.message().await["type"], "connection_ack");
    assert_eq!(bob.ask("1", "{ me { id } }").await, next(""));
}

#[tokio::test]
async fn every_message_of_a_socket_is_a_frame() {
    let server = Server::start(RateLimits { frames: slow(6), ..RateLimits::off() }).await;
    let mut alice = server.socket("alice").await;
    assert_eq!(alice.message().await["type"], "connection_ack");
    let ping = json!({ "type": "ping" });
    let large = |id: &str| json!({ "id": id, "type": "subscribe", "payload": { "query": " ".repeat(5_000) } });
    alice.send(json!({ "id": "all", "type": "subscribe", "payload": { "query": "subscription { allSessionEvents { __typename } }" } })).await;
    alice.send(json!({ "id": "unknown", "type": "complete" })).await;
    alice.send(json!({ "type": "pong" })).await;
    for _ in 0..2 {
        alice.send(ping.clone()).await;
        assert_eq!(alice.message().await, json!({ "type": "pong" }));
    }
    let refused = async |alice: &mut Client, id: &str, code: &str| {
        let error = alice.message().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!(id)), "{error}");
        assert_eq!(error["payload"][0]["extensions"]["code"], code);
    };
    alice.send(large("1")).await;
    refused(&mut alice, "1", "PAYLOAD_TOO_LARGE").await;
    // There is nothing left. A ping gets no answer, and an operation that the client ends has ended all the same.
    alice.send(ping.clone()).await;
    alice.send(json!({ "id": "all", "type": "complete" })).await;
    alice.send(large("2")).await;
    refused(&mut alice, "2", REFUSED).await;
    assert_eq!(alice.ask("all", "{ me { id } }").await, ("error".to_owned(), REFUSED.to_owned()));
}

#[tokio::test]
async fn a_socket_on_which_messages_come_too_fast_and_go_on_ends() {
    let server = Server::start(RateLimits { frames: slow(1), ..RateLimits::off() }).await;
    let mut alice = server.socket("alice").await;
    assert_eq!(alice.message().await["type"], "connection_ack");
    let ping = json!({ "type": "ping" });
    for _ in 0..2 {
        alice.send(ping.clone()).await;
        assert_eq!(alice.message().await["type"], "pong");
        for n in 0..99 {
            let complete = json!({ "id": "unknown", "type": "complete" });
            alice.send(if n % 2 == 0 { ping.clone() } else { complete }).await;
        }
        assert_eq!(alice.ask("1", "{ me { id } }").await, ("error".to_owned(), REFUSED.to_owned()));
        // One more is let in, and what was refused before counts no more.
        server.clock.advance(TimeDelta::seconds(10));
    }
    alice.send(ping.clone()).await;
    assert_eq!(alice.message().await["type"], "pong");
    for _ in 0..101 {
        alice.send(ping.clone()).await;
    }
    match alice.next().await {
        Message::Close(Some(frame)) => assert_eq!((frame.code.into(), frame.reason.as_str()), (4429, REFUSED)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn sockets_without_a_valid_token_count_against_the_address() {
    // Each handshake without a token is one of them, too.
    let server = Server::start(RateLimits { unknown: slow(3), ..RateLimits::off() }).await;
    let mut alice = server.socket("alice").await;
    assert_eq!(alice.message().await["type"], "connection_ack");
    match server.socket("nobody").await.next().await {
        Message::Close(Some(frame)) => {
            assert_eq!((frame.code.into(), frame.reason.as_str()), (4403, "AUTH_TOKEN_INVALID"))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.ask(None, "{ me { id } }").await.0, 429);
    let response = server.post(Some("alice"), "application/json", "{ me { id } }").await;
    assert_eq!((response.status().as_u16(), response.headers().get("x-ratelimit-limit")), (200, None));
}
