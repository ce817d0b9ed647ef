//! Webhooks while the server is killed, and while the receiver fails and is away.
//!
//! A normal run has 600 events. For more:
//!
//! ```sh
//! WEBHOOK_EVENTS=10000 cargo test --workspace --test process webhooks_killed
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use chatcore_tests::Client;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    kit::{Server, folder},
    webhooks::receiver::{Got, Receiver},
};

const SESSIONS: u64 = 4;

/// How long the deliveries of a normal run may take in all. Says nothing about how fast they are.
const PATIENCE: Duration = Duration::from_secs(300);

/// The deliveries of a process that was killed are free after four times the timeout.
const FLAGS: [&str; 10] = [
    "--webhooks",
    "on",
    "--webhook-http",
    "true",
    "--webhook-networks",
    "127.0.0.1",
    "--webhook-timeout",
    "1s",
    "--webhook-retry-delays",
    "5ms,10ms,20ms,50ms,100ms,200ms,500ms,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s",
];

/// A session with a webhook.
struct Hooked {
    id: String,
    webhook: String,
    secret: String,
    /// The position of the first event that is delivered.
    first: u64,
}

impl Hooked {
    async fn new(client: &Client, url: &str) -> Self {
        let id = client.session("PRIVATE").await;
        let created = client.post(&format!("/sessions/{id}/webhooks"), json!({ "url": url })).await.expect(201);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (webhook, secret) = (text(&created["webhook"]["id"]), text(&created["secret"]));
        let first = created["webhook"]["queue"]["delivered_upto"].as_u64().unwrap() + 1;
        Self { id, webhook, secret, first }
    }

    async fn queue(&self, client: &Client) -> Value {
        let path = format!("/sessions/{}/webhooks/{}", self.id, self.webhook);
        client.get(&path).await.expect(200)["queue"].take()
    }

    /// Each event up to this position was accepted, in order and under an id of its own, and each request is signed.
    fn assert_complete(&self, got: &[Got], upto: u64, repeated: usize) {
        let (mut ids, mut accepted) = (BTreeMap::new(), Vec::new());
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for one in got.iter().filter(|one| one.json()["data"]["session_id"] == *self.id) {
            assert!(one.is_signed_by(&self.secret), "the signature of {} is wrong", one.id);
            let seq = one.seq();
            assert_eq!(*ids.entry(seq).or_insert(&one.id), &one.id, "the id of {seq} has changed");
            count += usize::from(one.is_accepted());
            if one.is_accepted() && seen.insert(seq) {
                accepted.push(seq);
            }
        }
        assert_eq!(accepted, (self.first..=upto).collect::<Vec<_>>(), "each event, and in the order of the log");
        assert_eq!(ids.values().collect::<BTreeSet<_>>().len(), accepted.len(), "each event has an id of its own");
        assert!(count <= accepted.len() + repeated, "{count} deliveries of {} events", accepted.len());
    }
}

/// Sends messages to a session, each until it is acknowledged, whatever happens to the server.
fn sender(client: Client, at: watch::Receiver<String>, session: String, count: u64) -> JoinHandle<()> {
    tokio::spawn(async move {
        let path = format!("/sessions/{session}/messages");
        for number in 0..count {
            let body = json!({ "content": format!("message {number}"), "client_id": format!("c{number}") });
            loop {
                let client = client.at(&at.borrow());
                let sent = client.request(Method::POST, &path).json(&body).send().await;
                if sent.is_ok_and(|answer| matches!(answer.status().as_u16(), 200 | 201)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    })
}

/// Waits until so many deliveries were accepted.
async fn accepted(receiver: &Receiver, count: u64, patience: Duration) {
    let end = Instant::now() + patience;
    while (receiver.accepted().len() as u64) < count {
        assert!(Instant::now() < end, "{} of {count} deliveries", receiver.accepted().len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn restarted(server: Server, data: &Path, address: &watch::Sender<String>) -> Server {
    server.kill();
    let server = Server::start_with(data, &FLAGS);
    address.send_replace(server.address.clone());
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_reaches_a_receiver_that_fails_and_restarts_although_the_server_is_killed() {
    let events: u64 = std::env::var("WEBHOOK_EVENTS").map_or(600, |text| text.parse().expect("WEBHOOK_EVENTS"));
    let patience = PATIENCE.mul_f64((events as f64 / 600.0).max(1.0));
    let (folder, mut count) = (folder(), 0_u64);
    let data = folder.path();
    let mut receiver = Receiver::answering(move |_| {
        count += 1;
        (if count.is_multiple_of(3) { 500 } else { 204 }, String::new())
    })
    .await;
    let mut server = Server::start_with(data, &FLAGS);
    let alice = server.client(data, "alice");
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(Hooked::new(&alice, &receiver.url()).await);
    }
    // The creation of each webhook is an event as well.
    let messages = (events / SESSIONS).max(2) - 1;
    let (address, at) = watch::channel(server.address.clone());
    let send = |hooked: &Hooked| sender(alice.clone(), at.clone(), hooked.id.clone(), messages);
    let senders: Vec<_> = sessions.iter().map(send).collect();

    accepted(&receiver, events / 6, patience).await;
    server = restarted(server, data, &address);
    accepted(&receiver, events * 2 / 6, patience).await;
    receiver.restart(Duration::from_millis(500)).await;
    accepted(&receiver, events * 3 / 6, patience).await;
    server = restarted(server, data, &address);
    accepted(&receiver, events * 4 / 6, patience).await;
    // The server that is killed has attempts that failed for want of a receiver.
    let (_, restarted) = tokio::join!(receiver.restart(Duration::from_millis(700)), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        tokio::task::block_in_place(|| restarted(server, data, &address))
    });
    server = restarted;
    for sender in senders {
        sender.await.unwrap();
    }

    let alice = alice.at(&server.address);
    let end = Instant::now() + patience;
    for hooked in &sessions {
        let queue = loop {
            let queue = hooked.queue(&alice).await;
            if queue["lag"] == 0 {
                break queue;
            }
            assert!(Instant::now() < end, "events are left: {queue:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!((&queue["dead_letters"], &queue["skipped"]), (&json!(0), &json!(0)), "{queue:#}");
    }
    let got = receiver.got();
    for hooked in &sessions {
        let upto = alice.get(&format!("/sessions/{}", hooked.id)).await.expect(200)["seq"].as_u64().unwrap();
        assert_eq!(upto, hooked.first + messages, "a message was sent once, whatever was killed");
        // What was not noted when the server was killed: 20 deliveries each time, and the one on its way. An answer that the restart of the
        // receiver cuts off is missed as well, and so is one that comes late on a slow machine.
        hooked.assert_complete(&got, upto, 3 * 21 + 20);
    }
    assert!(got.iter().filter(|one| !one.is_accepted()).count() as u64 >= events / 3, "the receiver did not fail");
}
