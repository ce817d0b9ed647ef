//! Senders and readers whose servers come and go: as clients do, they go to another one, and try again what was not acknowledged.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use chatcore_tests::{Client, Socket, token};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::kit::PATIENCE;

/// After this time a client whose server is gone tries the next one.
const PAUSE: Duration = Duration::from_millis(20);

/// Where servers are now; `None` for one that is gone.
#[derive(Clone)]
pub(crate) struct Places(Arc<Mutex<Vec<Option<String>>>>);

impl Places {
    fn new(addresses: &[&str]) -> Self {
        Self(Arc::new(Mutex::new(addresses.iter().map(|address| Some((*address).to_owned())).collect())))
    }

    /// A server is at this place, or none is.
    pub(crate) fn set(&self, place: usize, address: Option<&str>) {
        self.0.lock().unwrap()[place] = address.map(str::to_owned);
    }

    /// The server at a place, or the next one that is there.
    fn at(&self, place: usize) -> Option<String> {
        let places = self.0.lock().unwrap();
        (0..places.len()).find_map(|n| places[(place + n) % places.len()].clone())
    }
}

/// What a reader has seen.
struct Seen {
    /// Each message's text, and where it stands.
    messages: Vec<(String, u64)>,
    /// How often it had to connect.
    connections: usize,
}

/// Everything that goes on in one session.
pub(crate) struct Traffic {
    pub(crate) session: String,
    pub(crate) places: Places,
    acknowledged: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    head: watch::Sender<Option<u64>>,
    senders: JoinSet<Vec<(String, u64)>>,
    readers: JoinSet<(usize, Seen)>,
}

impl Traffic {
    /// Lets senders and readers begin, so many of each at each of the servers.
    pub(crate) async fn start(addresses: &[&str], each: usize) -> Self {
        let owner = Client::new(addresses[0], Some(token("owner")));
        let session = owner.session("PUBLIC").await;
        let (count, acknowledged) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let (head, last) = watch::channel(None);
        let places = Places::new(addresses);
        let (mut senders, mut readers) = (JoinSet::new(), JoinSet::new());
        for n in 0..each * addresses.len() {
            let (place, user) = (n % addresses.len(), format!("user-{n}"));
            let client = Client::new(addresses[0], Some(token(&user)));
            client.post(&format!("/sessions/{session}/join"), json!({})).await.expect(200);
            senders.spawn(send(client, n, place, places.clone(), session.clone(), count.clone(), stopped.clone()));
            let reading = read(token(&user), place, places.clone(), session.clone(), last.clone());
            readers.spawn(async move { (place, reading.await) });
        }
        Self { session, places, acknowledged, stop, head, senders, readers }
    }

    /// Waits until so many more messages were acknowledged.
    pub(crate) async fn go_on(&mut self, more: usize) {
        let goal = *self.acknowledged.borrow() + more;
        let reached = timeout(PATIENCE, self.acknowledged.wait_for(|count| *count >= goal)).await;
        reached.expect("nothing is acknowledged any more").expect("the senders are gone");
    }

    /// Ends it. Each reader has seen each acknowledged message, once and at its place, in a log without a gap; those whose servers stayed
    /// did so over one connection. Gives the number of the messages.
    pub(crate) async fn end(mut self, stayed: &[usize]) -> usize {
        self.stop.send_replace(true);
        let mut acknowledged = HashMap::new();
        while let Some(sent) = self.senders.join_next().await {
            acknowledged.extend(sent.unwrap());
        }
        let head = acknowledged.values().copied().max();
        self.head.send_replace(head);
        while let Some(read) = timeout(PATIENCE, self.readers.join_next()).await.expect("a reader misses something") {
            let (place, Seen { messages, connections }) = read.unwrap();
            assert_eq!(messages.len(), acknowledged.len(), "a message that nobody sent, or one twice");
            for (text, seq) in messages {
                assert_eq!(acknowledged.get(&text), Some(&seq), "{text}");
            }
            if stayed.contains(&place) {
                assert_eq!(connections, 1, "the server of this reader was there all the time");
            }
        }
        acknowledged.len()
    }
}

/// Sends one message after the other, each until it is acknowledged.
async fn send(
    client: Client,
    name: usize,
    home: usize,
    places: Places,
    session: String,
    count: watch::Sender<usize>,
    stopped: watch::Receiver<bool>,
) -> Vec<(String, u64)> {
    let path = format!("/sessions/{session}/messages");
    let mut sent = Vec::new();
    for n in 0.. {
        if *stopped.borrow() {
            break;
        }
        let text = format!("{name}/{n}");
        let body = json!({ "content": text, "client_id": text });
        let sending = async {
            loop {
                if let Some(address) = places.at(home)
                    && let Some((status, answer)) = post(&client.at(&address), &path, &body).await
                {
                    match status {
                        201 => return answer["seq"].as_u64().unwrap(),
                        503 => {}
                        _ => panic!("{status}: {answer}"),
                    }
                }
                sleep(PAUSE).await;
            }
        };
        let seq = timeout(PATIENCE, sending).await.expect("no server takes a message");
        sent.push((text, seq));
        count.send_modify(|count| *count += 1);
    }
    sent
}

/// Status and body; none where the server went away before it had answered in full.
async fn post(client: &Client, path: &str, body: &Value) -> Option<(u16, Value)> {
    let response = client.request(reqwest::Method::POST, path).json(body).send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, serde_json::from_str(&response.text().await.ok()?).ok()?))
}

/// Reads the log from its beginning to its last position, whatever happens to the servers.
async fn read(
    token: String,
    home: usize,
    places: Places,
    session: String,
    mut last: watch::Receiver<Option<u64>>,
) -> Seen {
    let (mut seen, mut head) = (Seen { messages: Vec::new(), connections: 0 }, 0);
    loop {
        let query = format!("?session_id={session}&after={head}");
        let socket = match places.at(home) {
            Some(address) => Socket::reach(&address, &query, &token).await,
            None => None,
        };
        let Some(mut socket) = socket else {
            sleep(PAUSE).await;
            continue;
        };
        seen.connections += 1;
        loop {
            if last.borrow_and_update().is_some_and(|last| head >= last) {
                return seen;
            }
            let frame = tokio::select! {
                frame = socket.received() => frame,
                _ = last.changed() => continue,
            };
            let Some(frame) = frame else { break };
            match frame["event"].as_str().unwrap() {
                "ack" | "typing_indicator" => {}
                // The database or the server is about to go away.
                "error" if frame["data"]["code"] == "SERVICE_UNAVAILABLE" => break,
                "error" => panic!("{frame}"),
                event => {
                    head += 1;
                    assert_eq!(frame["seq"], head, "{frame}");
                    if event == "message_received" {
                        seen.messages.push((frame["data"]["message"]["content"].as_str().unwrap().to_owned(), head));
                    }
                }
            }
        }
    }
}
