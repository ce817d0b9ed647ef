//! Drafts and scheduled messages of a server that is killed.

use std::time::{Duration, Instant};

use chatcore_tests::Client;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::kit::{PATIENCE, Server, folder};

/// The texts of a list.
async fn texts(client: &Client, path: &str) -> Vec<Value> {
    let list = client.get(path).await.expect(200);
    list.as_array().unwrap().iter().map(|one| one["content"].clone()).collect()
}

/// Waits until a list is so. Says nothing about how fast it is.
async fn until(client: &Client, path: &str, wanted: &[Value]) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = texts(client, path).await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < end, "{path} has {found:?} instead of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn schedule(client: &Client, session: &str, text: &str, at: DateTime<Utc>) {
    let body = json!({ "content": text, "send_at": at.to_rfc3339() });
    client.post(&format!("/sessions/{session}/scheduled"), body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_and_scheduled_messages_outlive_kills_and_each_message_is_sent_once() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let a = server.client(data, "a");
    let id = a.session("PRIVATE").await;
    let (messages, draft) = (format!("/sessions/{id}/messages"), format!("/sessions/{id}/draft"));
    let kept = a.put(&draft, json!({ "content": "not yet" })).await.expect(200);
    let now = Utc::now();
    let (soon, later) = (now + TimeDelta::seconds(3), now + TimeDelta::seconds(6));
    schedule(&a, &id, "in an hour", now + TimeDelta::hours(1)).await;
    schedule(&a, &id, "later", later).await;
    schedule(&a, &id, "soon", soon).await;
    server.kill();
    // The time of one of them comes while there is no server.
    while Utc::now() < soon {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let server = Server::start(data);
    let a = a.at(&server.address);
    let sent = ["soon", "later"].map(Value::from);
    until(&a, &messages, &sent).await;
    assert_eq!(a.get(&draft).await.expect(200), kept);
    // At once, so that it may not have noted what it sent.
    server.kill();

    let server = Server::start(data);
    let a = a.at(&server.address);
    until(&a, "/scheduled", &[json!("in an hour")]).await;
    assert_eq!(texts(&a, &messages).await, sent, "each message is sent once");
    assert_eq!(a.get(&draft).await.expect(200), kept);
    assert_eq!(texts(&a, "/drafts").await, [json!("not yet")]);
    server.kill();
}
