//! A user has one allowance, whatever transport the user comes by.
#![allow(clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::time::Duration;

use chatcore::{Chat, MemoryStore, Rate, RateLimits};
use chatcore_tests::{Server, graphql::codes};
use serde_json::json;

const REFUSED: &str = "RATE_LIMIT_EXCEEDED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_allowance_is_used_up_on_one_transport_and_refused_on_all() {
    let requests = Some(Rate::new(30, Duration::from_secs(3_600)));
    let chat = Chat::builder(MemoryStore::new()).rates(RateLimits { requests, ..RateLimits::off() }).build();
    let server = Server::over(chat).await;
    let alice = server.client("alice").await;
    let id = alice.session("PUBLIC").await;
    let (mut socket, graphql) = (server.socket("alice").await, server.graphql("alice"));
    let mut operations = server.graphql_socket("alice").await;

    // The aliases use up what is left, each of them once.
    let aliases: String = (0..40).map(|n| format!("a{n}: me {{ id }} ")).collect();
    let answer = graphql.ask(&format!("{{ {aliases} }}"), json!({})).await;
    assert_eq!(answer.status, 200);
    let refused = codes(&answer.body["errors"]);
    assert!(refused.len() > 10 && refused.len() < 40 && refused.iter().all(|code| *code == REFUSED), "{refused:?}");
    assert_eq!(
        (&answer.headers["x-ratelimit-limit"], &answer.headers["x-ratelimit-remaining"]),
        (&"30".parse().unwrap(), &"0".parse().unwrap())
    );

    let message = json!({ "session_id": id, "content": "hello" });
    alice.post(&format!("/sessions/{id}/messages"), json!({ "content": "hello" })).await.problem(429, REFUSED);
    let answer = socket.ask("send_message", message).await;
    assert_eq!((&answer["event"], &answer["data"]["code"]), (&json!("error"), &json!(REFUSED)), "{answer}");
    let mutation = "mutation($id: ID!) { sendMessage(input: {sessionId: $id, content: \"hello\"}) { message { id } } }";
    graphql.ask(mutation, json!({ "id": id })).await.refused(429, REFUSED);
    operations.subscribe("1", mutation, json!({ "id": id })).await;
    assert_eq!(operations.failed("1").await, [REFUSED]);

    // Nobody else is concerned.
    let bob = server.client("bob").await;
    bob.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
}
