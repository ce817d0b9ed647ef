//! Those who write while the server is killed, and what they know afterwards.

use std::{path::Path, sync::atomic::AtomicU64, sync::atomic::Ordering, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinHandle};

use super::{Arc, Client, PATIENCE, Room, token};

const SENDERS: usize = 6;
const WALKERS: usize = 2;

/// Who takes part. Each is a client of the server that runs now.
pub(crate) struct People {
    pub(crate) owner: Client,
    pub(crate) senders: Vec<Client>,
    /// Who come and go, by name.
    pub(crate) walkers: Vec<(String, Client)>,
    /// Who is removed again and again.
    pub(crate) victim: Client,
}

impl People {
    pub(crate) fn of(data: &Path, address: &str) -> Self {
        let names = (0..SENDERS).map(|n| format!("s{n}")).chain((0..WALKERS).map(|n| format!("w{n}")));
        let names = ["owner".to_owned(), "victim".to_owned()].into_iter().chain(names);
        let client = Client::new(address, None);
        let mut clients = names.map(|name| client.with_token(token(data, &name)));
        let (owner, victim) = (clients.next().unwrap(), clients.next().unwrap());
        let senders = clients.by_ref().take(SENDERS).collect();
        let walkers = clients.enumerate().map(|(n, client)| (format!("w{n}"), client)).collect();
        Self { owner, senders, walkers, victim }
    }

    pub(crate) fn move_to(&mut self, address: &str) {
        let Self { owner, senders, walkers, victim } = self;
        let walkers = walkers.iter_mut().map(|(_, client)| client);
        for client in [owner, victim].into_iter().chain(senders).chain(walkers) {
            *client = client.at(address);
        }
    }

    /// The senders join a room, and stay.
    pub(crate) async fn settle_in(&self, room: &str) {
        for sender in &self.senders {
            sender.post(&format!("{room}/join"), json!({})).await.expect(200);
        }
    }
}

/// A message that somebody sent.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) room: usize,
    pub(crate) sender: usize,
    pub(crate) content: String,
    pub(crate) client_id: Option<String>,
    /// None where the server was gone before it answered.
    pub(crate) answer: Option<Value>,
}

impl Said {
    pub(crate) fn body(&self) -> Value {
        match &self.client_id {
            Some(client_id) => json!({ "content": self.content, "client_id": client_id }),
            None => json!({ "content": self.content }),
        }
    }
}

/// What else somebody did to a room.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Join(String),
    Leave(String),
    Remove(String),
    Rename,
}

#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) room: usize,
    pub(crate) deed: Deed,
    pub(crate) is_acknowledged: bool,
}

/// Counts what was acknowledged.
#[derive(Default)]
struct Tally {
    count: AtomicU64,
    changed: Notify,
}

impl Tally {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }
}

/// Everybody at work.
pub(crate) struct Load {
    senders: Vec<JoinHandle<Vec<Said>>>,
    others: Vec<JoinHandle<Vec<Done>>>,
    tally: Arc<Tally>,
}

impl Load {
    pub(crate) async fn start(round: u64, people: &People, rooms: &[Room], random: &mut StdRng) -> Self {
        let tally = Arc::<Tally>::default();
        let paths: Arc<[String]> = rooms.iter().map(|room| room.path.clone()).collect();
        let mut one = |client: &Client| Actor {
            client: client.clone(),
            paths: Arc::clone(&paths),
            random: StdRng::seed_from_u64(random.random()),
            tally: Arc::clone(&tally),
            done: Vec::new(),
        };
        let senders = people.senders.iter().enumerate();
        let senders = senders.map(|(n, client)| tokio::spawn(one(client).send(round, n))).collect();
        let mut others = Vec::new();
        for (n, (name, client)) in people.walkers.iter().enumerate() {
            let room = n % rooms.len();
            others.push(tokio::spawn(one(client).come_and_go(room, name.clone(), rooms[room].is_in(name))));
        }
        let is_in = rooms[0].is_in("victim");
        others.push(tokio::spawn(one(&people.owner).govern(people.victim.clone(), is_in)));
        others.push(tokio::spawn(one(&people.victim).talk_until_removed(round)));
        Self { senders, others, tally }
    }

    /// Waits for the moment: after so much was acknowledged, or after some time, whatever that was enough for.
    pub(crate) async fn until(&self, random: &mut StdRng) {
        if random.random_bool(0.3) {
            return tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
        }
        let enough = random.random_range(1..150);
        let reached = async {
            while self.tally.count.load(Ordering::SeqCst) < enough && !self.senders.iter().any(JoinHandle::is_finished)
            {
                self.tally.changed.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("too little was acknowledged");
    }

    /// What everybody knows, once they have noticed that the server is gone.
    pub(crate) async fn end(self) -> (Vec<Said>, Vec<Done>) {
        let (mut said, mut done) = (Vec::new(), Vec::new());
        for task in self.senders {
            said.extend(task.await.unwrap());
        }
        for task in self.others {
            done.extend(task.await.unwrap());
        }
        (said, done)
    }
}

/// One who acts until the server is gone.
struct Actor {
    client: Client,
    paths: Arc<[String]>,
    random: StdRng,
    tally: Arc<Tally>,
    done: Vec<Done>,
}

impl Actor {
    async fn send(mut self, round: u64, sender: usize) -> Vec<Said> {
        let mut all = Vec::new();
        for n in 0.. {
            let room = self.random.random_range(0..self.paths.len());
            // Long ones make commits that the system writes in several pieces.
            let long = if self.random.random_bool(0.15) { self.random.random_range(1_000..7_900) } else { 20 };
            let content = content(&format!("{round}/{sender}/{n}"), long);
            let client_id = self.random.random_bool(0.5).then(|| format!("{round}/{n}"));
            let mut said = Said { room, sender, content, client_id, answer: None };
            let asked = ask(&self.client, Method::POST, &format!("{}/messages", self.paths[room]), said.body()).await;
            let is_gone = asked.is_none();
            said.answer = asked.map(|(status, message)| {
                assert_eq!(status, 201, "{message}");
                self.tally.add();
                as_told(message)
            });
            all.push(said);
            if is_gone {
                break;
            }
        }
        all
    }

    async fn come_and_go(mut self, room: usize, name: String, mut is_in: bool) -> Vec<Done> {
        let client = self.client.clone();
        loop {
            let (verb, deed) =
                if is_in { ("leave", Deed::Leave(name.clone())) } else { ("join", Deed::Join(name.clone())) };
            if !self.act(&client, Method::POST, room, verb, json!({}), deed).await {
                return self.done;
            }
            is_in = !is_in;
        }
    }

    /// Lets the victim in and throws them out, and renames the room in between.
    async fn govern(mut self, victim: Client, mut is_in: bool) -> Vec<Done> {
        let owner = self.client.clone();
        for n in 0.. {
            let title = json!({ "title": format!("Title {n} {}", self.random.random::<u32>()) });
            let name = "victim".to_owned();
            let goes_on = match n % 3 {
                0 if is_in => true,
                0 => self.act(&victim, Method::POST, 0, "join", json!({}), Deed::Join(name)).await,
                1 => self.act(&owner, Method::PUT, 0, "", title, Deed::Rename).await,
                _ => self.act(&owner, Method::DELETE, 0, "participants/victim", json!({}), Deed::Remove(name)).await,
            };
            is_in = n % 3 != 2;
            if !goes_on {
                break;
            }
        }
        self.done
    }

    /// The victim speaks wherever they may: what is in the log shows whether they were let in when they did.
    async fn talk_until_removed(self, round: u64) -> Vec<Done> {
        for n in 0.. {
            let body = json!({ "content": content(&format!("{round}/victim/{n}"), 20) });
            let path = format!("{}/messages", self.paths[0]);
            let Some((status, body)) = ask(&self.client, Method::POST, &path, body).await else { break };
            assert!(status == 201 || status == 403, "{status}: {body}");
        }
        self.done
    }

    /// Does something that must succeed; false once the server is gone.
    async fn act(&mut self, client: &Client, method: Method, room: usize, path: &str, body: Value, deed: Deed) -> bool {
        let path = format!("{}/{path}", self.paths[room]);
        let asked = ask(client, method, path.trim_end_matches('/'), body).await;
        self.done.push(Done { room, deed, is_acknowledged: asked.is_some() });
        let Some((status, body)) = asked else { return false };
        assert_eq!(status, 200, "{path}: {body}");
        self.tally.add();
        true
    }
}

/// A text that tells its own length, so that a part of it is known for one.
fn content(name: &str, length: usize) -> String {
    format!("{name} {length} {}", "x".repeat(length))
}

/// A message as an event tells it: without what belongs to its reader.
pub(crate) fn as_told(mut message: Value) -> Value {
    for of_reader in ["reactions", "thread", "sender_blocked"] {
        message.as_object_mut().unwrap().remove(of_reader);
    }
    message
}

/// Asks, and gives status and body; none where the server went away before it had answered in full.
async fn ask(client: &Client, method: Method, path: &str, body: Value) -> Option<(u16, Value)> {
    let mut request = client.request(method.clone(), path);
    if method != Method::DELETE {
        request = request.json(&body);
    }
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let text = response.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap()))
}
