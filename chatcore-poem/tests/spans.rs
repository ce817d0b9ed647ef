//! The spans of requests, and their lines in the log.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

#[path = "../../chatcore/tests/kit/spans.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod spans;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use chatcore::{Chat, JwtAuthenticator, JwtIssuer, identity::Claims};
use chatcore_poem::{ChatFrontend, Health, MountOptions, ServeOptions};
use futures_util::{SinkExt as _, StreamExt as _};
use poem::{Endpoint, EndpointExt as _, Request, Response, Route, http::Method};
use serde_json::{Value, json};
use spans::Spans;
use tokio::net::TcpListener;
use tokio_tungstenite::{connect_async, tungstenite::Message};
use tracing::{Level, level_filters::LevelFilter, subscriber::DefaultGuard};

const SECRET: &[u8] = &[7; 32];
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SESSIONS: &str = "/api/v1/chat/sessions";

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

impl Log {
    /// Writes what this thread logs while the guard lives.
    fn begin(level: Level) -> (Self, DefaultGuard) {
        let log = Self::default();
        let to = log.clone();
        let subscriber =
            tracing_subscriber::fmt().json().with_max_level(level).with_writer(move || to.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines about requests that ended.
    fn requests(&self) -> Vec<Value> {
        let lines = self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        let is_end = |line: &Value| matches!(line["fields"]["message"].as_str(), Some("request" | "request failed"));
        lines.into_iter().filter(is_end).collect()
    }
}

fn token(user: &str) -> String {
    let claims = Claims { sub: user.to_owned(), email: Some("ada@example.org".to_owned()), ..Claims::default() };
    JwtIssuer::hs256(SECRET).unwrap().issue(claims, Duration::from_secs(600)).unwrap()
}

fn frontend() -> ChatFrontend {
    ChatFrontend::new(Chat::in_memory(), JwtAuthenticator::hs256(SECRET).unwrap()).with_health(Health::default())
}

fn app(frontend: &ChatFrontend) -> impl Endpoint<Output = Response> + use<> {
    frontend.mount_with(Route::new(), &MountOptions::default()).unwrap().with(frontend.problems())
}

async fn ask(
    app: &impl Endpoint<Output = Response>,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let request = Request::builder().method(method).uri_str(path).header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    app.call(request.body(body.to_owned())).await.unwrap()
}

#[tokio::test]
async fn a_request_is_one_line_with_the_id_that_the_client_gets_and_no_secret() {
    let (log, _guard) = Log::begin(Level::INFO);
    let (app, token) = (app(&frontend()), token("ada"));
    let bearer = format!("Bearer {token}");
    let made = ask(
        &app,
        Method::POST,
        SESSIONS,
        &[("authorization", &bearer), ("traceparent", PARENT)],
        "{\"title\": \"A title\"}",
    )
    .await;
    assert_eq!(made.status(), 201);
    let path = format!("{SESSIONS}/public?sought=a-word-that-is-sought");
    let refused = ask(&app, Method::GET, &path, &[("authorization", &bearer), ("traceparent", "00-no")], "").await;
    let lost = ask(&app, Method::GET, "/nowhere/ada@example.org?token=x-y-z", &[], "").await;
    let lines = log.requests();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for (line, response, operation) in [
        (&lines[0], &made, Some("createSession")),
        (&lines[1], &refused, Some("listPublicSessions")),
        (&lines[2], &lost, None),
    ] {
        let span = &line["span"];
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(span["request_id"].as_str(), response.header("x-request-id"), "{line}");
        assert_eq!(span["operation"].as_str(), operation, "{line}");
        assert_eq!(line["fields"]["status"], response.status().as_u16(), "{line}");
        assert!(line["fields"]["elapsed_us"].is_u64() && span["method"].is_string(), "{line}");
    }
    assert_eq!((&lines[0]["span"]["trace_id"], &lines[0]["span"]["user"]), (&json!(TRACE), &json!("ada")));
    // A header that is not valid is ignored.
    assert!(lines[1]["span"]["trace_id"].is_null());
    assert_eq!(
        (&lines[1]["span"]["code"], &lines[2]["span"]["code"]),
        (&json!("VALIDATION_INVALID_VALUE"), &json!("RESOURCE_NOT_FOUND"))
    );
    let signature = token.rsplit('.').next().unwrap();
    for secret in [signature, "A title", "a-word-that-is-sought", "example.org", "x-y-z", "nowhere"] {
        assert!(!log.text().contains(secret), "{secret}: {}", log.text());
    }
}

#[tokio::test]
async fn a_health_check_is_no_line_at_the_default_level() {
    let (log, guard) = Log::begin(Level::INFO);
    let app = app(&frontend());
    for path in ["/health", "/ready"] {
        assert_eq!(ask(&app, Method::GET, path, &[], "").await.status(), 200);
    }
    assert_eq!(log.text(), "");
    drop(guard);
    let (log, _guard) = Log::begin(Level::DEBUG);
    ask(&app, Method::GET, "/ready", &[], "").await;
    let lines = log.requests();
    assert_eq!(
        (lines.len(), &lines[0]["level"], &lines[0]["span"]["operation"]),
        (1, &json!("DEBUG"), &json!("getReadiness"))
    );
}

#[tokio::test]
async fn a_failure_is_told_where_the_filter_leaves_requests_out() {
    let (log, _guard) = Log::begin(Level::WARN);
    let frontend = frontend();
    let broken = poem::endpoint::make_sync(|_| -> Response { panic!("a fault of the host") });
    let app = frontend.mount_with(Route::new().at("/broken", broken), &MountOptions::default()).unwrap();
    let app = app.with(frontend.problems());
    assert_eq!(ask(&app, Method::GET, SESSIONS, &[], "").await.status(), 401);
    let failed = ask(&app, Method::GET, "/broken", &[], "").await;
    assert_eq!(failed.status(), 500);
    let lines = log.requests();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["fields"]["request_id"].as_str(), failed.header("x-request-id"));
    assert_eq!((&lines[0]["fields"]["status"], &lines[0]["fields"]["code"]), (&json!(500), &json!("INTERNAL_ERROR")));
}

#[tokio::test]
async fn the_use_cases_of_a_request_are_spans_within_its_span() {
    let (spans, _guard) = Spans::collect(LevelFilter::DEBUG);
    let bearer = format!("Bearer {}", token("ada"));
    let made =
        ask(&app(&frontend()), Method::POST, SESSIONS, &[("authorization", &bearer)], "{\"title\": \"x\"}").await;
    let (request, create) = (spans.only("request"), spans.only("create_session"));
    assert_eq!(request.field("request_id"), made.header("x-request-id"));
    assert_eq!((request.field("operation"), request.field("status")), (Some("createSession"), Some("201")));
    assert_eq!(create.parent, Some(request.id));
    assert!(spans.within(&create).contains(&"store.commit".to_owned()), "{:#?}", spans.all());
    assert!(spans.all().iter().all(|span| span.is_closed), "{:#?}", spans.all());
}

#[tokio::test]
async fn an_event_stream_is_one_span_that_lasts_as_long_as_it() {
    let (spans, _guard) = Spans::collect(LevelFilter::DEBUG);
    let (frontend, bearer) = (frontend(), format!("Bearer {}", token("ada")));
    let app = app(&frontend);
    let made = ask(&app, Method::POST, SESSIONS, &[("authorization", &bearer)], "{\"title\": \"x\"}").await;
    let made: Value = serde_json::from_str(&made.into_body().into_string().await.unwrap()).unwrap();
    let path = format!("{SESSIONS}/{}/events", made["id"].as_str().unwrap());
    let stream =
        ask(&app, Method::GET, &path, &[("authorization", &bearer), ("accept", "text/event-stream")], "").await;
    let id = stream.header("x-request-id").unwrap().to_owned();
    let request = || spans.named("request").into_iter().find(|span| span.field("request_id") == Some(&id)).unwrap();
    assert_eq!((request().field("transport"), request().field("operation")), (Some("events"), Some("listEvents")));
    assert!(!request().is_closed);
    drop(stream);
    assert!(request().is_closed);
}

#[tokio::test]
async fn each_frame_is_a_span_with_the_id_and_the_trace_of_its_socket() {
    let frontend = frontend();
    let bearer = format!("Bearer {}", token("ada"));
    let made = ask(&app(&frontend), Method::POST, SESSIONS, &[("authorization", &bearer)], "{\"title\": \"x\"}").await;
    let made: Value = serde_json::from_str(&made.into_body().into_string().await.unwrap()).unwrap();
    let (spans, _guard) = Spans::collect(LevelFilter::DEBUG);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app(&frontend);
    tokio::spawn(async move { frontend.serve(listener, app, ServeOptions::default(), std::future::pending()).await });
    let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(format!(
        "ws://{address}/ws?token={}",
        token("ada")
    ))
    .unwrap();
    request.headers_mut().insert("traceparent", PARENT.parse().unwrap());
    let (mut socket, answer) = connect_async(request).await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let sent = json!({ "event": "send_message", "data": { "session_id": made["id"], "content": "A text" }, "id": 1 });
    for frame in [sent.to_string(), json!({ "event": "leave_session", "data": {} }).to_string(), "no JSON".to_owned()] {
        socket.send(Message::text(frame)).await.unwrap();
        socket.next().await.unwrap().unwrap();
    }
    let (opened, frames): (Vec<_>, Vec<_>) =
        spans.named("request").into_iter().partition(|span| span.field("method").is_some());
    assert_eq!((opened.len(), frames.len()), (1, 3), "{:#?}", spans.all());
    assert!(opened[0].is_closed && opened[0].field("operation") == Some("webSocket"), "{opened:#?}");
    for frame in opened.iter().chain(&frames) {
        let of_socket = (frame.field("request_id"), frame.field("trace_id"), frame.field("transport"));
        assert_eq!(of_socket, (Some(id.as_str()), Some(TRACE), Some("websocket")));
        assert_eq!(frame.field("user"), Some("ada"));
        assert!(frame.is_closed && frame.field("elapsed_us").is_some() && frame.parent.is_none());
    }
    let named: Vec<_> = frames.iter().map(|frame| (frame.field("operation"), frame.field("code"))).collect();
    let malformed = Some("VALIDATION_INVALID_FORMAT");
    assert_eq!(named[0], (Some("send_message"), None));
    assert_eq!(spans.only("send").parent, Some(frames[0].id));
    assert!(named[1].0.is_none() && named[1].1.is_some());
    assert_eq!(named[2], (None, malformed));
    let all = format!("{:?}", spans.all());
    assert!(!all.contains(&token("ada")[..20]) && !all.contains("A text"));
}
