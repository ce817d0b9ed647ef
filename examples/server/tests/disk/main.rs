//! A disk that is full, that fails, or that cannot be written to: what the server says, and what is there afterwards.
//!
//! Each test has a small disk of its own, mounted where only the server under test sees it. Where that is not allowed, the
//! tests say so and pass, unless `CI` is set.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../kit/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod kit;
mod mount;

use std::collections::HashMap;

use chatcore_tests::{Client, Reply};
use kit::{Server, token};
use mount::{Disk, Kind};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};

/// How many send at once, and how often, before the fault must have shown.
const SENDERS: usize = 16;
const BURSTS: usize = 50;

/// What a sender knows of a message.
#[derive(Debug, Clone)]
enum Fate {
    Acknowledged(Value),
    /// The answer was that nothing was changed.
    Refused,
    /// The answer was that nobody knows, or there was none.
    Unknown,
}

/// A room on a disk, and what was sent to it.
struct Room {
    disk: Disk,
    client: Client,
    path: String,
    sent: HashMap<String, (Value, Fate)>,
}

impl Room {
    /// A room with a few messages.
    async fn on(disk: Disk) -> (Self, Server) {
        let server = disk.start();
        let client = Client::new(&server.address, Some(token(disk.folder(), "a")));
        let path = format!("/sessions/{}/messages", client.session("PUBLIC").await);
        let mut room = Self { disk, client, path, sent: HashMap::new() };
        for n in 0..5 {
            assert_eq!(room.send(&server, n, 500).await, 0, "there was room");
        }
        (room, server)
    }

    fn client(&self, server: &Server) -> Client {
        self.client.at(&server.address)
    }

    /// Sends from several senders at once, half of them with client ids, and gives how many were not acknowledged.
    async fn send(&mut self, server: &Server, burst: usize, length: usize) -> usize {
        let client = self.client(server);
        let bodies = (0..SENDERS).map(|n| {
            let content = format!("{burst}/{n} {}", "x".repeat(length));
            if n % 2 == 0 {
                json!({ "content": content })
            } else {
                json!({ "content": content, "client_id": format!("{burst}/{n}") })
            }
        });
        let tasks: Vec<_> = bodies
            .map(|body| {
                let request = client.request(Method::POST, &self.path).json(&body);
                (
                    body,
                    tokio::spawn(async move {
                        let response = request.send().await.ok()?;
                        let (status, headers) = (response.status().as_u16(), response.headers().clone());
                        let body = serde_json::from_str(&response.text().await.ok()?).unwrap();
                        Some(Reply { status, headers, body })
                    }),
                )
            })
            .collect();
        let mut failed = 0;
        for (body, task) in tasks {
            let fate = match task.await.unwrap() {
                Some(reply) if reply.status == 201 => Fate::Acknowledged(reply.body),
                Some(reply) if reply.body["code"] == "OUTCOME_UNKNOWN" => {
                    reply.problem(503, "OUTCOME_UNKNOWN");
                    Fate::Unknown
                }
                Some(reply) => {
                    reply.problem(503, "SERVICE_UNAVAILABLE");
                    Fate::Refused
                }
                None => Fate::Unknown,
            };
            failed += usize::from(!matches!(fate, Fate::Acknowledged(_)));
            self.sent.insert(body["content"].as_str().unwrap().to_owned(), (body, fate));
        }
        failed
    }

    /// Sends until the disk shows, and waits for the server's end, which must tell why.
    async fn send_until_it_ends(&mut self, mut server: Server, length: usize) {
        let mut failed = 0;
        for burst in 1_000..1_000 + BURSTS {
            failed += self.send(&server, burst, length).await;
            if failed > 0 {
                break;
            }
        }
        assert!(failed > 0, "the disk took everything");
        // By itself and with a word about it: only a new start can put the database in order.
        assert_eq!(server.ended().code(), Some(1));
        let log = server.log();
        let said = |line: &str| line.starts_with("chat-server: the database could not write");
        assert!(log.lines().any(said), "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }

    /// What was acknowledged is there once, what was refused is not, and everything that had a client id can be tried again.
    async fn is_whole(&mut self, server: &Server) {
        let client = self.client(server);
        let mut kept: HashMap<String, Value> = HashMap::new();
        let mut count = 0;
        loop {
            let page = client.get(&format!("{}?limit=100&skip={count}", self.path)).await.expect(200);
            let page = page.as_array().unwrap();
            if page.is_empty() {
                break;
            }
            for message in page {
                count += 1;
                assert_eq!((&message["number"], &message["seq"]), (&json!(count), &json!(count + 1)));
                let before = kept.insert(message["content"].as_str().unwrap().to_owned(), message.clone());
                assert!(before.is_none(), "twice: {message:.60}");
            }
        }
        for (content, (body, fate)) in &mut self.sent {
            let found = kept.remove(content);
            match fate {
                Fate::Acknowledged(message) => {
                    assert_eq!(found.as_ref(), Some(&*message), "acknowledged: {content:.20}")
                }
                Fate::Refused => assert_eq!(found, None, "refused, and there all the same"),
                Fate::Unknown => {}
            }
            if body["client_id"].is_string() {
                let again = client.post(&self.path, body.clone()).await.expect(201);
                if let Some(found) = found {
                    assert_eq!(again, found, "a retry is another message");
                }
                *fate = Fate::Acknowledged(again);
            } else if let Some(found) = found {
                *fate = Fate::Acknowledged(found);
            } else {
                *fate = Fate::Refused;
            }
        }
        assert!(kept.is_empty(), "nobody sent these: {kept:?}");
    }

    /// A clean next start with everything, which stays there when that one is killed.
    async fn starts_whole_again(mut self) {
        for burst in 0..2 {
            let server = self.disk.start();
            self.is_whole(&server).await;
            assert_eq!(self.send(&server, 2_000 + burst, 500).await, 0, "there is room again");
            let log = server.log();
            let errors: Vec<&str> =
                kit::errors(&log).into_iter().filter(|line| !line.contains(" surrealkv::")).collect();
            assert!(errors.is_empty(), "{errors:#?}");
            server.kill();
        }
        let server = self.disk.start();
        self.is_whole(&server).await;
        assert_eq!(server.stop(Signal::SIGTERM), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_server_and_takes_nothing_that_was_acknowledged() {
    // Short ones and long ones leave different parts of a record behind.
    for length in [50, 500, 7_000] {
        let Some(disk) = Disk::mount(Kind::Small) else { return };
        let (mut room, server) = Room::on(disk).await;
        room.disk.fill();
        room.send_until_it_ends(server, length).await;
        let message = room.disk.refuses_to_start();
        assert!(message.contains("No space left") || message.contains("is its disk full?"), "{message}");
        room.disk.make_room();
        room.starts_whole_again().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_that_comes_back_in_between_brings_nothing_back_that_was_refused() {
    let Some(disk) = Disk::mount(Kind::Small) else { return };
    let (mut room, server) = Room::on(disk).await;
    room.disk.fill();
    let mut failed = 0;
    for burst in 100..100 + BURSTS {
        failed += room.send(&server, burst, 500).await;
        if failed > 0 {
            break;
        }
    }
    room.disk.make_room();
    // It may answer for a moment yet. What it says is true.
    for burst in 200..210 {
        room.send(&server, burst, 500).await;
    }
    let mut server = server;
    assert_eq!(server.ended().code(), Some(1));
    room.starts_whole_again().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_ends_the_server_and_takes_nothing_that_was_acknowledged() {
    let Some(disk) = Disk::mount(Kind::Real) else { return };
    let (mut room, server) = Room::on(disk).await;
    room.disk.fail();
    room.send_until_it_ends(server, 500).await;
    let message = room.disk.refuses_to_start();
    assert!(message.contains("cannot be written to") && message.contains("Read-only"), "{message}");
    room.disk.repair();
    room.starts_whole_again().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_read_only_is_refused_with_a_reason() {
    let Some(disk) = Disk::mount(Kind::Small) else { return };
    let (room, server) = Room::on(disk).await;
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    room.disk.read_only(true);
    let message = room.disk.refuses_to_start();
    assert!(message.contains("cannot be written to") && message.contains("Read-only"), "{message}");
    room.disk.read_only(false);
    room.starts_whole_again().await;

    let Some(empty) = Disk::mount(Kind::Small) else { return };
    // Here the secret is to be made in the folder as well.
    std::fs::remove_file(empty.folder().join("chat-server.toml")).unwrap();
    empty.read_only(true);
    let message = empty.refuses_to_start();
    assert!(message.contains("cannot make a secret") && message.contains("Read-only"), "{message}");
}
