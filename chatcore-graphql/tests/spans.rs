//! The spans of operations, and the headers of security on every answer.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests report by panicking")]
#![cfg(feature = "poem")]

#[path = "../../chatcore/tests/kit/spans.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod spans;

use chatcore::{
    Authenticator, Chat, Principal, async_trait,
    chat::CreateSession,
    model::{SessionId, UserId},
};
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, WireOptions, schema};
use chatcore_http::{Options, ServeOptions, Sockets, serve, tungstenite};
use futures_util::{SinkExt as _, StreamExt as _};
use poem::{Endpoint as _, Request, Response, Route, http::Method};
use serde_json::{Value, json};
use spans::Spans;
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tracing::level_filters::LevelFilter;
use tungstenite::{Message, client::IntoClientRequest as _};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Accepts each token as the id of its user.
struct Names;

#[async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, token: &str) -> chatcore::Result<Principal> {
        Ok(user(token))
    }
}

fn user(name: &str) -> Principal {
    Principal::new(UserId::new(name).unwrap())
}

async fn app() -> (Route, SessionId) {
    let chat = Chat::in_memory();
    let id = chat.create_session(&user("ada"), CreateSession::titled("x")).await.unwrap().summary.session.id;
    let sockets = Sockets::new(Options::default());
    let schema = schema(chat, SchemaOptions::default());
    (GraphqlFrontend::new(schema, Names, sockets, WireOptions::default()).mount(Route::new()), id)
}

fn request(method: Method, query: &str) -> poem::RequestBuilder {
    let uri = format!("/graphql{query}");
    Request::builder().method(method).uri_str(uri).header("content-type", "application/json")
}

async fn post(app: &Route, document: &str, variables: Value) -> Response {
    let body = json!({ "query": document, "variables": variables }).to_string();
    let request = request(Method::POST, "").header("authorization", "Bearer ada").header("traceparent", PARENT);
    app.get_response(request.header("x-request-id", "an-id").body(body)).await
}

#[tokio::test]
async fn an_operation_is_a_span_that_names_its_fields_and_no_word_of_the_client() {
    let (app, id) = app().await;
    let (spans, _guard) = Spans::collect(LevelFilter::DEBUG);
    let send = "mutation ByTheClient($id: ID!) { own: sendMessage(input: { sessionId: $id, content: \"A text\" }) { message { id } } ...More }
        fragment More on Mutation { sendMessage(input: { sessionId: $id, content: \"A text\" }) { message { id } } }";
    let answer = post(&app, send, json!({ "id": id })).await;
    assert_eq!((answer.status().as_u16(), answer.header("x-request-id")), (200, Some("an-id")));
    let span = spans.only("request");
    for (field, value) in [
        ("request_id", "an-id"),
        ("trace_id", TRACE),
        ("transport", "graphql"),
        ("operation", "sendMessage"),
        ("user", "ada"),
        ("status", "200"),
    ] {
        assert_eq!(span.field(field), Some(value), "{span:?}");
    }
    assert_eq!(span.field("code"), None);
    let sends = spans.named("send");
    assert!(sends.len() == 2 && sends.iter().all(|send| send.parent == Some(span.id)), "{:#?}", spans.all());
    let failed = "{ me { id } session(id: \"0190a000-0000-7000-8000-000000000000\") { id } }";
    post(&app, failed, json!({})).await;
    let span = spans.named("request").pop().unwrap();
    assert_eq!((span.field("operation"), span.field("code")), (Some("me,session"), Some("SESSION_NOT_FOUND")));
    post(&app, "{ nothing }", json!({})).await;
    let span = spans.named("request").pop().unwrap();
    assert!(span.field("operation").is_none() && span.field("code").is_some(), "{span:?}");
    let refused = request(Method::POST, "").body("{}");
    assert_eq!(app.get_response(refused).await.status(), 401);
    assert_eq!(spans.named("request").pop().unwrap().field("code"), Some("AUTH_REQUIRED"));
    for word in ["A text", "ByTheClient", "own", "More", "nothing"] {
        assert!(!format!("{:?}", spans.all()).contains(word), "{word}");
    }
}

#[tokio::test]
async fn each_operation_of_a_socket_is_a_span_with_the_id_and_the_trace_of_the_socket() {
    let (app, id) = app().await;
    let (spans, _guard) = Spans::collect(LevelFilter::DEBUG);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));
    let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    headers.insert("traceparent", PARENT.parse().unwrap());
    headers.insert("x-request-id", "an-id".parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let subscription = format!("subscription {{ sessionEvents(sessionId: \"{id}\", after: 0) {{ __typename }} }}");
    let init = json!({ "type": "connection_init", "payload": { "Authorization": "Bearer ada" } });
    let subscribe = |id: &str, query: &str| json!({ "id": id, "type": "subscribe", "payload": { "query": query } });
    for message in [init, subscribe("1", "{ me { id } }"), subscribe("2", &subscription)] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    let mut seen = Vec::new();
    // The acknowledgement, an answer and its end, and the two events at the beginning of the stream.
    while seen.len() < 5 {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            let message: Value = serde_json::from_str(&text).unwrap();
            seen.push(format!("{} {}", message["type"].as_str().unwrap(), message["id"].as_str().unwrap_or_default()));
        }
    }
    let (opened, operations): (Vec<_>, Vec<_>) =
        spans.named("request").into_iter().partition(|span| span.field("method").is_some());
    assert!(opened.len() == 1 && opened[0].is_closed && opened[0].field("status") == Some("101"), "{opened:?}");
    let named: Vec<_> = operations.iter().map(|span| (span.field("operation").unwrap(), span.is_closed)).collect();
    assert_eq!(named, [("me", true), ("sessionEvents", false)], "{seen:?}");
    for span in &operations {
        let of_socket = (span.field("request_id"), span.field("trace_id"), span.field("transport"));
        assert_eq!(of_socket, (Some("an-id"), Some(TRACE), Some("graphql-ws")), "{span:?}");
        assert_eq!((span.field("user"), span.parent), (Some("ada"), None));
    }
    assert_eq!(spans.only("subscribe").parent, Some(operations[1].id));
    assert_eq!(spans.only("me").parent, Some(operations[0].id));
}

#[tokio::test]
async fn every_answer_has_the_headers_of_security() {
    let (app, id) = app().await;
    let events = format!("?query=subscription%7BsessionEvents(sessionId:%22{id}%22)%7B__typename%7D%7D");
    let own = "default-src 'none'; frame-ancestors 'none'";
    for (method, query, accept, status, cache, policy) in [
        (Method::GET, "?query=%7Bme%7Bid%7D%7D", "application/json", 200, "no-store", own),
        (Method::GET, &*events, "text/event-stream", 200, "no-store", own),
        (Method::GET, "?query=%7B", "application/graphql-response+json", 400, "no-store", own),
        (Method::GET, "?query=%7Bme%7Bid%7D%7D", "image/png", 406, "no-store", own),
        (Method::PUT, "", "*/*", 405, "no-store", own),
        (Method::OPTIONS, "", "*/*", 204, "no-store", own),
        (Method::GET, "", "text/html", 200, "no-cache", "script-src 'self'"),
        (Method::GET, "?file=start.js", "*/*", 200, "no-cache", own),
        (Method::GET, "?file=react-18.3.1.min.js", "*/*", 200, "public, max-age=31536000, immutable", own),
        (Method::GET, "?file=nothing", "*/*", 404, "no-store", own),
    ] {
        let request = request(method.clone(), query).header("accept", accept).header("authorization", "Bearer ada");
        let answer = app.get_response(request.finish()).await;
        let what = format!("{method} {query} {accept}");
        assert_eq!(answer.status().as_u16(), status, "{what}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", cache),
        ] {
            assert_eq!(answer.header(name), Some(value), "{what}: {name}");
        }
        assert!(answer.header("content-security-policy").unwrap().contains(policy), "{what}");
        assert!(answer.header("x-request-id").is_some(), "{what}");
    }
}
