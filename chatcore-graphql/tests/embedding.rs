//! The endpoint in a program that knows its users itself and has rules of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report by panicking"
)]
#![cfg(feature = "poem")]

use std::{net::SocketAddr, time::Duration};

use chatcore::{
    Chat, MemoryStore, Policy, Principal, Refusal,
    chat::{Attempt, Operation},
    identity::NoTokens,
    model::UserId,
};
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, WireOptions, schema};
use chatcore_http::{Options, ServeOptions, Sockets, serve, tungstenite::Message};
use futures_util::{SinkExt as _, StreamExt as _};
use poem::{EndpointExt as _, Request, Route};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest as _};

/// What the host recognises its users by.
const OWN: &str = "x-signed-in-as";

/// Takes no new sessions.
struct Closed;

#[chatcore::async_trait]
impl Policy for Closed {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        match attempt.operation {
            Operation::CreateSession(_) => Err(Refusal::new("OFFICE_CLOSED", "come back at nine")),
            _ => Ok(()),
        }
    }
}

/// A server whose middleware says who calls.
async fn server() -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let chat = Chat::builder(MemoryStore::new()).policy(Closed).build();
    let sockets = Sockets::new(Options::default());
    let schema = schema(chat, SchemaOptions::default());
    let frontend = GraphqlFrontend::new(schema, NoTokens, sockets, WireOptions::default());
    let app = frontend.mount(Route::new()).before(|mut request: Request| async move {
        if let Some(name) = request.header(OWN).map(str::to_owned) {
            request.extensions_mut().insert(Principal::new(UserId::new(name).unwrap()));
        }
        Ok(request)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending())))
}

async fn ask(address: SocketAddr, user: Option<&str>, accept: &str, query: &str) -> (u16, String) {
    let mut request = reqwest::Client::new().post(format!("http://{address}/graphql")).bearer_auth("bad");
    if let Some(user) = user {
        request = request.header(OWN, user);
    }
    let response = request.header("accept", accept).json(&json!({ "query": query })).send().await.unwrap();
    (response.status().as_u16(), timeout(Duration::from_secs(20), response.text()).await.unwrap().unwrap())
}

#[tokio::test]
async fn the_principal_in_a_request_is_its_caller_and_no_token_is_looked_for() {
    let (address, _server) = server().await;
    for (accept, begins) in [("application/json", "{\"data\""), ("text/event-stream", "event: next")] {
        let (status, answer) = ask(address, Some("alice"), accept, "{ me { id } }").await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.starts_with(begins) && answer.contains("\"alice\""), "{answer}");
        let (_, answer) = ask(address, None, accept, "{ me { id } }").await;
        assert!(answer.contains("AUTH_TOKEN_INVALID") && !answer.contains("alice"), "{answer}");
    }
}

#[tokio::test]
async fn the_principal_in_a_handshake_is_the_caller_of_the_socket() {
    let (address, _server) = server().await;
    let open = |user: Option<&'static str>| {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        request.headers_mut().insert("authorization", "Bearer bad".parse().unwrap());
        if let Some(user) = user {
            request.headers_mut().insert(OWN, user.parse().unwrap());
        }
        connect_async(request)
    };
    let (mut socket, _) = open(Some("alice")).await.unwrap();
    for message in [
        // The caller is known, so a token of the first message says nothing.
        json!({ "type": "connection_init", "payload": { "token": "bad" } }),
        json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ me { id } }" } }),
    ] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    let mut told = Vec::new();
    while told.len() < 2 {
        match timeout(Duration::from_secs(20), socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => told.push(serde_json::from_str::<Value>(&text).unwrap()),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told[0]["type"], "connection_ack");
    assert_eq!(told[1]["payload"]["data"]["me"]["id"], "alice");
    assert!(open(None).await.is_err(), "the token is not good");
}

#[tokio::test]
async fn a_refusal_of_the_host_has_its_own_code() {
    let (address, _server) = server().await;
    let create = "mutation { createSession(input: { title: \"Lobby\" }) { session { id } } }";
    let (_, answer) = ask(address, Some("alice"), "application/json", create).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "OFFICE_CLOSED", "{answer}");
    assert_eq!(error["message"], "come back at nine");
}
