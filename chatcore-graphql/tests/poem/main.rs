//! The endpoint for poem, over the network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report by panicking"
)]
#![cfg(feature = "poem")]

mod sockets;
#[path = "../toy/mod.rs"]
mod toy;

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    Authenticator, Chat, Error, MemoryStore, Principal, TestClock,
    chat::{BanAccount, CreateSession},
    identity::SystemRole,
    model::{SessionType, UserId},
};
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, WireOptions, async_graphql::Executor, schema};
use chatcore_http::{Options, Origins, ServeOptions, Sockets, serve, tungstenite};
use chrono::{DateTime, Utc};
use futures_util::{SinkExt, StreamExt};
use poem::{Endpoint as _, Route, endpoint::make_sync};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;
use toy::{Seen, toy};
use tungstenite::{Message, client::IntoClientRequest};

/// Takes `user-<name>`, `brief-<name>` for ten seconds, and `day-<name>` for a day.
struct Toys;

#[async_trait]
impl Authenticator for Toys {
    async fn authenticate(&self, token: &str) -> chatcore::Result<Principal> {
        let (kind, name) = token.split_once('-').ok_or(Error::TokenInvalid)?;
        let expires_at = match kind {
            "user" => None,
            "brief" => Some(Utc::now() + chrono::Duration::seconds(10)),
            "day" => Some(Utc::now() + chrono::Duration::days(1)),
            _ => return Err(Error::TokenExpired),
        };
        Ok(Principal {
            user_id: UserId::new(name).map_err(|_| Error::TokenInvalid)?,
            username: None,
            name: None,
            email: None,
            picture: None,
            system_role: SystemRole::User,
            issued_at: DateTime::UNIX_EPOCH,
            login_id: None,
            expires_at,
            scope: None,
        })
    }
}

/// One client for all: to make one reads the certificates of the system. Pools would hold connections across the runtimes of tests.
fn http() -> &'static reqwest::Client {
    static HTTP: LazyLock<reqwest::Client> =
        LazyLock::new(|| reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap());
    &HTTP
}

struct Server {
    address: SocketAddr,
    sockets: Sockets,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(options: Options) -> Self {
        Self::over(toy(&Arc::new(Seen::default())), options).await
    }

    async fn over(executor: impl Executor, options: Options) -> Self {
        let sockets = Sockets::new(options);
        let frontend = GraphqlFrontend::new(executor, Toys, sockets.clone(), WireOptions::default());
        let app = frontend.mount(Route::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, app, ServeOptions::default(), stop.clone().cancelled_owned()));
        Self { address, sockets, stop, task }
    }

    async fn plain() -> Self {
        Self::start(Options::default()).await
    }

    fn url(&self) -> String {
        format!("http://{}/graphql", self.address)
    }

    fn ask(&self, method: Method) -> reqwest::RequestBuilder {
        http().request(method, self.url()).bearer_auth("user-ann")
    }

    fn get(&self, method: Method, query: &str) -> reqwest::RequestBuilder {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
        http().request(method, format!("{}?{query}", self.url())).bearer_auth("user-ann")
    }

    async fn query(&self, query: &str, accept: &str) -> Response {
        let request = self.ask(Method::POST).header("Accept", accept).json(&json!({ "query": query }));
        request.send().await.unwrap()
    }

    async fn open(&self, url_query: &str, headers: &[(&'static str, &str)]) -> Result<Client, tungstenite::Error> {
        let mut request = format!("ws://{}/graphql{url_query}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        Ok(Client(connect_async(request).await?.0))
    }

    async fn admitted(&self, token: &str) -> Client {
        let mut client = self.open("", &[PROTOCOL]).await.unwrap();
        client.send(json!({ "type": "connection_init", "payload": { "token": token } })).await;
        assert_eq!(client.message().await, json!({ "type": "connection_ack" }));
        client
    }
}

const PROTOCOL: (&str, &str) = ("Sec-WebSocket-Protocol", "graphql-transport-ws");

struct Client(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Client {
    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn subscribe(&mut self, query: &str) {
        self.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
    }

    async fn raw(&mut self) -> Option<Message> {
        timeout(Duration::from_secs(20), self.0.next()).await.unwrap().map(Result::unwrap)
    }

    async fn message(&mut self) -> Value {
        match self.raw().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn closed(&mut self) -> (u16, String) {
        match self.raw().await {
            Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

async fn codes(response: Response) -> Vec<Value> {
    let body: Value = response.json().await.unwrap();
    body["errors"].as_array().unwrap().iter().map(|error| error["extensions"]["code"].clone()).collect()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn queries_by_post_and_get() {
    let server = Server::plain().await;
    let response = server.query("{ hello operation }", "*/*").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), Some("application/graphql-response+json; charset=utf-8"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "data": { "hello": "world", "operation": 3 } }));
    let request = server.get(Method::GET, "{ echo(text: \"a b\") }");
    let body: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(body, json!({ "data": { "echo": "a b" } }));
    let request = server.get(Method::HEAD, "{ hello }");
    let response = request.send().await.unwrap();
    assert_eq!((response.status(), response.text().await.unwrap()), (StatusCode::OK, String::new()));
    let response = server.get(Method::GET, "mutation { bump }").send().await.unwrap();
    assert_eq!((response.status(), header(&response, "allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("POST")));
}

#[tokio::test]
async fn methods() {
    let server = Server::plain().await;
    let allow = Some("GET, HEAD, POST, OPTIONS");
    let response = server.ask(Method::OPTIONS).send().await.unwrap();
    assert_eq!((response.status(), header(&response, "allow")), (StatusCode::NO_CONTENT, allow));
    let response = server.ask(Method::DELETE).send().await.unwrap();
    assert_eq!((response.status(), header(&response, "allow")), (StatusCode::METHOD_NOT_ALLOWED, allow));
    assert_eq!(codes(response).await, ["METHOD_NOT_ALLOWED"]);
}

#[tokio::test]
async fn a_token_is_needed() {
    let server = Server::plain().await;
    for (token, code, challenge) in [
        (None, "AUTH_REQUIRED", "Bearer"),
        (Some("Basic x"), "AUTH_REQUIRED", "Bearer"),
        (Some("Bearer nobody"), "AUTH_TOKEN_INVALID", "Bearer error=\"invalid_token\""),
        (Some("Bearer old-ann"), "AUTH_TOKEN_EXPIRED", "Bearer error=\"invalid_token\""),
    ] {
        for accept in ["application/json", "application/graphql-response+json", "text/event-stream"] {
            let mut request = http().post(server.url()).header("Accept", accept);
            if let Some(token) = token {
                request = request.header("Authorization", token);
            }
            let response = request.json(&json!({ "query": "{ hello }" })).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(header(&response, "www-authenticate"), Some(challenge));
            assert_eq!(codes(response).await, [code]);
        }
    }
}

#[tokio::test]
async fn bodies_are_counted() {
    let server = Server::start(Options { body_bytes: 1_000, ..Options::default() }).await;
    let body = |len: usize| {
        let text = json!({ "query": "{ hello }" }).to_string();
        format!("{text}{}", " ".repeat(len - text.len()))
    };
    let send =
        |body: reqwest::Body| server.ask(Method::POST).header("Content-Type", "application/json").body(body).send();
    assert_eq!(send(body(1_000).into()).await.unwrap().status(), StatusCode::OK);
    let in_pieces =
        |text: String| reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(text)]));
    assert_eq!(send(in_pieces(body(1_000))).await.unwrap().status(), StatusCode::OK);
    for body in [body(1_001).into(), in_pieces(body(1_001)), body(1_000_000).into()] {
        let response = send(body).await.unwrap();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(codes(response).await, ["PAYLOAD_TOO_LARGE"]);
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_read_every_answer() {
    let origins = Origins::listed(["https://chat.example"]).unwrap();
    let server = Server::start(Options { origins: origins.clone(), body_bytes: 1_000, ..Options::default() }).await;
    let query = |query: &str| server.ask(Method::POST).json(&json!({ "query": query }));
    let page = "https://chat.example";
    for (request, status) in [
        (query("{ hello }"), 200),
        (query("subscription { quiet }").header("Accept", "text/event-stream"), 200),
        (query("{"), 400),
        (query("{ hello }").header("Idempotency-Key", "k"), 400),
        (query("{ hello }").header("Accept", "image/png"), 406),
        (server.ask(Method::POST).body("{}"), 415),
        (query(&"x".repeat(2_000)), 413),
        (server.ask(Method::DELETE), 405),
        (server.ask(Method::OPTIONS), 204),
        (http().post(server.url()).json(&json!({ "query": "{ hello }" })), 401),
    ] {
        let of = |origin: &str| request.try_clone().unwrap().header("Origin", origin).send();
        let open = of(page).await.unwrap();
        assert_eq!(open.status().as_u16(), status);
        assert_eq!(header(&open, "access-control-allow-origin"), Some(page), "{status}");
        assert!(header(&open, "access-control-expose-headers").unwrap().contains("Retry-After"));
        assert_eq!(header(&open, "access-control-allow-credentials"), None);
        let vary: Vec<_> = open.headers().get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(vary.contains(&"Origin"), "{vary:?}");
        let closed = of("https://elsewhere.example").await.unwrap();
        assert_eq!((closed.status().as_u16(), header(&closed, "access-control-allow-origin")), (status, None));
    }
    let asked = |origin: &str| {
        let request = http().request(Method::OPTIONS, server.url()).header("Origin", origin);
        request.header("Access-Control-Request-Method", "POST").send()
    };
    let open = asked(page).await.unwrap();
    assert_eq!((open.status().as_u16(), header(&open, "access-control-allow-origin")), (204, Some(page)));
    assert!(header(&open, "access-control-allow-methods").unwrap().contains("POST"));
    for name in ["Authorization", "Content-Type", "Apollo-Require-Preflight"] {
        assert!(header(&open, "access-control-allow-headers").unwrap().contains(name));
    }
    let closed = asked("https://elsewhere.example").await.unwrap();
    assert_eq!(header(&closed, "access-control-allow-origin"), None);
    // A host that does this by itself gets none of it from here.
    let server = Server::start(Options { origins, cors: false, ..Options::default() }).await;
    let response = server.ask(Method::OPTIONS).header("Origin", page).header("Access-Control-Request-Method", "POST");
    let response = response.send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "allow")), (204, Some("GET, HEAD, POST, OPTIONS")));
    assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[tokio::test]
async fn an_app_has_the_endpoint_beside_its_own_paths_or_elsewhere() {
    let seen = Arc::new(Seen::default());
    let frontend = GraphqlFrontend::new(toy(&seen), Toys, Sockets::default(), WireOptions::default());
    let own = || Route::new().at("/", make_sync(|_| "index")).at("/graphql", make_sync(|_| "own"));
    let status = async |app: &Route, method: Method, path: &str| {
        let request = poem::Request::builder().method(method).uri(path.parse().unwrap()).finish();
        let response = app.call(request).await.unwrap();
        let allow = response.header("allow").map(str::to_owned);
        (response.status().as_u16(), allow, response.into_body().into_string().await.unwrap())
    };
    let app = frontend.mount(own());
    assert_eq!(status(&app, Method::OPTIONS, "/graphql").await.0, 204);
    assert_eq!(status(&app, Method::GET, "/").await.2, "index");
    assert!(frontend.mount_at(own(), "/graphql").is_err_and(|error| error.to_string().contains("/graphql")));
    let app = Route::new().nest("/chat", frontend.mount_at(own(), "/chat-graphql").unwrap());
    assert_eq!(status(&app, Method::GET, "/chat/graphql").await.2, "own");
    let allow = Some("GET, HEAD, POST, OPTIONS".to_owned());
    for (method, code) in [(Method::OPTIONS, 204), (Method::DELETE, 405)] {
        let (got, allowed, _) = status(&app, method, "/chat/chat-graphql").await;
        assert_eq!((got, &allowed), (code, &allow));
    }
}

#[tokio::test]
async fn a_browser_gets_the_page_without_a_token() {
    let server = Server::plain().await;
    let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    let response = http().get(server.url()).header("Accept", accept).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), Some("text/html; charset=utf-8"));
    let page = response.text().await.unwrap();
    assert!(page.contains("<title>GraphiQL</title>"), "{page}");
}

#[tokio::test]
async fn events_stream() {
    let server = Server::start(Options { sockets_per_user: 1, ..Options::default() }).await;
    let mut response = server.query("subscription { quiet }", "text/event-stream").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), Some("text/event-stream; charset=utf-8"));
    let chunk = response.chunk().await.unwrap().unwrap();
    assert_eq!(chunk, "event: next\ndata: {\"data\":{\"quiet\":1}}\n\n");
    // It counts as a socket.
    let second = server.query("subscription { quiet }", "text/event-stream").await;
    assert_eq!((second.status(), header(&second, "retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
    assert_eq!(codes(second).await, ["CONNECTION_LIMIT_EXCEEDED"]);
    assert_eq!(server.sockets.open(), 1);
    // It ends with the server, and gives its place back.
    server.sockets.close().await;
    assert_eq!(response.chunk().await.unwrap(), None);
    assert_eq!(server.sockets.open(), 0);
    let third = server.query("subscription { quiet }", "text/event-stream").await;
    assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// The bodies of the results of an operation, as they are written, by `POST`, over a WebSocket and as an event stream.
async fn everywhere(server: &Server, query: &str, variables: &Value) -> Vec<String> {
    let parameters = json!({ "query": query, "variables": variables });
    let post = server.ask(Method::POST).json(&parameters).send().await.unwrap().text().await.unwrap();
    let mut client = server.admitted("user-ann").await;
    client.send(json!({ "id": "1", "type": "subscribe", "payload": parameters })).await;
    let Some(Message::Text(message)) = client.raw().await else { panic!("no message") };
    let payload = message.as_str().split_once("\"payload\":").unwrap().1.strip_suffix('}').unwrap().to_owned();
    let events = server.ask(Method::POST).header("Accept", "text/event-stream").json(&parameters).send().await.unwrap();
    let events = events.text().await.unwrap();
    let event = events.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned();
    vec![post, payload, event]
}

#[tokio::test]
async fn documents_mean_the_same_on_every_transport() {
    let server = Server::over(schema(Chat::in_memory(), SchemaOptions::default()), Options::default()).await;
    let create =
        r#"mutation { createSession(input: {title: "\ud83d\ude00", description: """\""""""}) { session { id } } }"#;
    let parameters = json!({ "query": create });
    let made: Value = server.ask(Method::POST).json(&parameters).send().await.unwrap().json().await.unwrap();
    let id = made["data"]["createSession"]["session"]["id"].clone();
    for (query, data) in [
        (
            "mutation($id: ID!, $description: String) {
                updateSession(input: {sessionId: $id, description: $description}) { session { description title } } }",
            r#"{"updateSession":{"session":{"description":"\"\"\"","title":"\u{1f600}"}}}"#,
        ),
        ("query($id: ID!) { node(id: $id) { ... on Message { id } } }", r#"{"node":{}}"#),
        (
            "query($id: ID!, $no: Boolean = false) { session(id: $id) { messages { totalCount } title seq @skip(if: $no) } \
                __typename @include(if: $no) }",
            r#"{"session":{"messages":{"totalCount":0},"title":"\u{1f600}","seq":1}}"#,
        ),
        ("query($id: ID!) { session(id: $id) @skip(if: true) { id } }", "{}"),
    ] {
        let data = data.replace("\\u{1f600}", "\u{1f600}");
        for body in everywhere(&server, query, &json!({ "id": id })).await {
            assert_eq!(body, format!(r#"{{"data":{data}}}"#), "{query}");
        }
    }
    // A document in the URL.
    let query = format!(r#"{{ node(id: {id}) {{ ... on Message {{ id }} }} session(id: "\ud83d") {{ id }} }}"#);
    let response = server.get(Method::GET, &query).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(codes(response).await, ["VALIDATION_INVALID_FORMAT"]);
    let query = format!("{{ __typename node(id: {id}) {{ ... on Message {{ id }} }} }}");
    let response = server.get(Method::GET, &query).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), r#"{"data":{"__typename":"Query","node":{}}}"#);
    // The events of a subscription.
    let mut client = server.admitted("user-ann").await;
    let query =
        format!("subscription {{ sessionEvents(sessionId: {id}, after: 0) {{ ... on SessionEvent {{ seq }} }} }}");
    client.subscribe(&query).await;
    assert_eq!(client.message().await["payload"], json!({ "data": { "sessionEvents": {} } }));
    assert_eq!(client.message().await["payload"], json!({ "data": { "sessionEvents": { "seq": 1 } } }));
}
