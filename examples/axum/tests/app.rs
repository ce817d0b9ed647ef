//! The example as its users see it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::{process::Stdio, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

async fn start() -> (Child, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_axum-graphql"))
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    (server, line.trim().strip_prefix("listening on ").unwrap().to_owned())
}

async fn ask(url: &str, query: &str, variables: Value) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({ "query": query, "variables": variables });
    let answer = client.post(url).bearer_auth("alice").json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn it_answers_and_streams() {
    let (_server, url) = start().await;
    let made = ask(&url, "mutation { createSession(input: {title: \"Lobby\"}) { session { id } } }", json!({})).await.1;
    let id = made["data"]["createSession"]["session"]["id"].clone();

    let mut request = url.replace("http", "ws").into_client_request().unwrap();
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await.unwrap();
    let mut say = async |message: Value| socket.send(Message::text(message.to_string())).await.unwrap();
    say(json!({ "type": "connection_init", "payload": { "Authorization": "Bearer alice" } })).await;
    let query = "subscription($id: ID!) { sessionEvents(sessionId: $id) {
        __typename ... on MessageSent { message { content } } } }";
    let payload = json!({ "query": query, "variables": { "id": id } });
    say(json!({ "type": "subscribe", "id": "1", "payload": payload })).await;
    let mut next = async || {
        let message = timeout(Duration::from_secs(20), socket.next()).await.expect("nothing came").unwrap().unwrap();
        serde_json::from_str::<Value>(message.to_text().unwrap()).unwrap()
    };
    assert_eq!(next().await["type"], "connection_ack");
    assert_eq!(next().await["payload"]["data"]["sessionEvents"]["__typename"], "Subscribed");
    let send = "mutation($id: ID!) { sendMessage(input: {sessionId: $id, content: \"hello\"}) { message { seq } } }";
    assert_eq!(ask(&url, send, json!({ "id": id })).await.1["data"]["sendMessage"]["message"]["seq"], 2);
    assert_eq!(next().await["payload"]["data"]["sessionEvents"]["message"]["content"], "hello");

    let (status, refused) = ask(&url, "{ nothing }", json!({})).await;
    assert_eq!((status, refused["errors"][0]["extensions"]["code"].as_str()), (400, Some("VALIDATION_INVALID_VALUE")));
    let page = reqwest::Client::builder().no_proxy().build().unwrap().get(&url).header("accept", "text/html");
    assert!(page.send().await.unwrap().text().await.unwrap().contains("graphiql"));
    let methods = reqwest::Client::builder().no_proxy().build().unwrap().request(reqwest::Method::OPTIONS, &url);
    let methods = methods.send().await.unwrap();
    assert_eq!(
        (methods.status().as_u16(), &methods.headers()["allow"]),
        (204, &"GET, HEAD, POST, OPTIONS".parse().unwrap())
    );
}
