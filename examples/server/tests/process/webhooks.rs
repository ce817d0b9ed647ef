//! Webhooks of the server as a process of its own.

use chatcore_tests::Graphql;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    kit::{Server, folder, token},
    settings::refuses,
};
use receiver::{Got, Receiver};

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../../../../chatcore/tests/webhooks/receiver.rs"]
pub(crate) mod receiver;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_a_receiver_where_the_settings_say_so_and_go_on_after_a_restart() {
    let (folder, receiver) = (folder(), Receiver::with(&[200]).await);
    let data = folder.path();
    let args = ["--webhooks", "on", "--webhook-http", "true", "--webhook-networks", "127.0.0.1"];
    let server = Server::start_with(data, &args);
    let alice = server.client(data, "alice");
    let id = alice.session("PUBLIC").await;
    let hooks = format!("/sessions/{id}/webhooks");
    let created = alice.post(&hooks, json!({ "url": receiver.url() })).await.expect(201);
    let secret = created["secret"].as_str().unwrap();
    let messages = format!("/sessions/{id}/messages");
    alice.post(&messages, json!({ "content": "before" })).await.expect(201);
    receiver.has(2).await;
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    let server = Server::start_with(data, &args);
    let alice = server.client(data, "alice");
    let sent = alice.post(&messages, json!({ "content": "after" })).await.expect(201);
    let got = receiver.has(3).await;
    let seqs: Vec<u64> = got.iter().map(Got::seq).collect();
    let last = sent["seq"].as_u64().unwrap();
    assert_eq!(seqs, [last - 2, last - 1, last], "each once: the server that stopped had noted what it had delivered");
    assert!(got.iter().all(|one| one.is_signed_by(secret)));
    let query = format!("{{ webhooks(sessionId: \"{id}\") {{ state queue {{ lag }} }} }}");
    let asked = Graphql::new(&server.address, Some(token(data, "alice"))).ask(&query, json!({})).await;
    assert_eq!(asked.body["data"]["webhooks"][0]["state"], "ACTIVE", "{}", asked.text);
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    // The default: no such paths, and nothing is sent.
    let server = Server::start(data);
    let alice = server.client(data, "alice");
    assert_eq!(alice.get(&hooks).await.status, 404);
    alice.post(&messages, json!({ "content": "nobody hears this" })).await.expect(201);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    assert_eq!(receiver.got().len(), 3);
}

#[test]
fn settings_of_webhooks_that_have_no_use_are_refused() {
    let folder = folder();
    let data = folder.path();
    refuses(data, &[], &["--webhook-http", "true"], &["--webhooks on"]);
    refuses(data, &[], &["--webhook-networks", "10.0.0.0/8"], &["--webhooks on"]);
    refuses(data, &[], &["--webhook-timeout", "1s"], &["--webhooks on"]);
    refuses(data, &[], &["--webhook-retry-delays", "1s"], &["--webhooks on"]);
    refuses(data, &[], &["--webhooks", "on", "--webhook-networks", "ten"], &["--webhook-networks", "ten"]);
    refuses(data, &[], &["--webhooks", "on", "--webhook-timeout", "0s"], &["--webhook-timeout", "100ms"]);
    refuses(data, &[], &["--webhooks", "on", "--webhook-timeout", "6m"], &["--webhook-timeout", "5m"]);
    refuses(data, &[], &["--webhooks", "on", "--webhook-retry-delays", "1s,0s"], &["--webhook-retry-delays", "1ms"]);
    refuses(data, &[], &["--webhooks", "on", "--webhook-retry-delays", "8days"], &["--webhook-retry-delays", "7days"]);
    refuses(data, &[], &["--webhooks", "on", "--webhook-retry-delays", "1s,soon"], &["--webhook-retry-delays", "soon"]);
    let many = vec!["1s"; 101].join(",");
    refuses(data, &[], &["--webhooks", "on", "--webhook-retry-delays", &many], &["--webhook-retry-delays", "100"]);
}
