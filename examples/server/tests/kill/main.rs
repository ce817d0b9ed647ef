//! `kill -9` under load, at random moments: what was acknowledged is there, once, and the rest of the data agrees with it.
//!
//! A normal run does twenty rounds. For thousands:
//!
//! ```sh
//! CHATCORE_KILL_ROUNDS=2000 cargo test --workspace --test kill
//! ```
//!
//! A failure tells the seed; `CHATCORE_KILL_SEED=…` makes the same choices again. The moments still differ a little, since
//! the processes run as the machine lets them: a failure may need several runs to come back.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../kit/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod kit;
mod load;
mod truth;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chatcore_tests::Client;
use kit::{PATIENCE, Server, command, errors, folder, token};
use load::{Load, People, Said};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::json;
use truth::Room;

const ROOMS: usize = 3;
/// Every so many rounds the whole log is read again from its beginning.
const WHOLE: u64 = 20;
/// How many sends of earlier rounds are kept to be tried again.
const KEPT: usize = 64;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let rounds = number("CHATCORE_KILL_ROUNDS").unwrap_or(20);
    let seed = number("CHATCORE_KILL_SEED").unwrap_or_else(rand::random);
    eprintln!("CHATCORE_KILL_SEED={seed} CHATCORE_KILL_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);

    let folder = folder();
    let data = folder.path();
    let mut server = Server::start(data);
    let mut people = People::of(data, &server.address);
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        let room = Room::made_by(&people.owner).await;
        people.settle_in(&room.path).await;
        rooms.push(room);
    }
    let mut earlier: Vec<Said> = Vec::new();
    let mut messages = 0;
    for round in 0..rounds {
        let place = format!("round {round}");
        let load = Load::start(round, &people, &rooms, &mut random).await;
        load.until(&mut random).await;
        kill(server, &place);
        let (said, done) = load.end().await;
        if random.random_bool(0.2) {
            kill_at_the_start(data, random.random_range(0..300)).await;
        }

        server = Server::start(data);
        people.move_to(&server.address);
        for (index, room) in rooms.iter_mut().enumerate() {
            room.catch_up(&people.owner).await;
            room.agrees_with_its_records(&people).await;
            room.holds(said.iter().filter(|said| said.room == index), &place);
            room.counts(done.iter().filter(|done| done.room == index), &place);
            if round % WHOLE == WHOLE - 1 || round + 1 == rounds {
                room.is_the_same_from_its_beginning(&people.owner).await;
            }
            messages += said.iter().filter(|said| said.room == index && said.answer.is_some()).count();
        }
        for said in said {
            earlier.extend(again(&people, &mut rooms, said, &place).await);
        }
        for _ in 0..3 {
            let Some(said) = earlier.choose(&mut random).cloned() else { break };
            again(&people, &mut rooms, said, &place).await;
        }
        // Any of them, the old ones too.
        while earlier.len() > KEPT {
            earlier.swap_remove(random.random_range(0..earlier.len()));
        }
        for room in &mut rooms {
            room.catch_up(&people.owner).await;
        }
    }
    eprintln!("{messages} acknowledged messages over {rounds} rounds");
    kill(server, "the end");
}

/// Ends a server, which must have had nothing to complain about.
fn kill(server: Server, place: &str) {
    let log = server.log();
    server.kill();
    // A record that the kill cut short is told by the engine as an error when it is left out; nobody waits for it.
    let errors: Vec<&str> = errors(&log).into_iter().filter(|line| !line.contains(" surrealkv::wal::")).collect();
    assert!(errors.is_empty(), "{place}: {errors:#?}");
}

/// A start is as good a moment as any other.
async fn kill_at_the_start(data: &Path, millis: u64) {
    let mut child =
        command(data).args(["--listen", "127.0.0.1:0"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(millis)).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Tries a send again, where it had a client id: it is the same message. Gives it for later rounds.
async fn again(people: &People, rooms: &mut [Room], said: Said, place: &str) -> Option<Said> {
    said.client_id.as_ref()?;
    let room = &mut rooms[said.room];
    let known = said.answer.clone().or_else(|| room.fresh(&said.content).cloned());
    let path = format!("{}/messages", room.path);
    let answer = load::as_told(people.senders[said.sender].post(&path, said.body()).await.expect(201));
    if let Some(known) = known {
        assert_eq!(answer, known, "{place}: a retry is another message");
    }
    // From now on it is there exactly once, whatever it was before: the log that is read next shows it.
    room.expect(&said.content, answer["seq"].as_u64().unwrap());
    Some(Said { answer: Some(answer), ..said })
}

/// What a power cut or a full disk leaves behind, and now and then a kill: the beginning of a record. It was not
/// acknowledged, and it must not take with it what is acknowledged after the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_cut_short_takes_nothing_with_it() {
    // Less than a record's header; a header and less than it announces; a whole record that is not what was written.
    let tails: [&[u8]; 3] = [b"abc", b"\x12\x34\x56\x78\x10\x00\x01and so on", b"\x12\x34\x56\x78\x00\x05\x01other"];
    for tail in tails {
        let folder = folder();
        let data = folder.path();
        let mut server = Server::start(data);
        let token = token(data, "a");
        let a = Client::new(&server.address, Some(token.clone()));
        let id = a.session("PUBLIC").await;
        let path = format!("/sessions/{id}/messages");
        let mut acknowledged = vec![a.say(&id, "before").await];
        server.kill();
        let log = last_log(data);
        std::fs::OpenOptions::new().append(true).open(log).unwrap().write_all(tail).unwrap();
        for round in 0..3 {
            server = Server::start(data);
            let a = Client::new(&server.address, Some(token.clone()));
            let kept = a.get(&path).await.expect(200);
            assert_eq!(kept, json!(acknowledged), "after {tail:?}, start {round}");
            acknowledged.push(a.say(&id, &format!("after {round}")).await);
            server.kill();
        }
    }
}

/// The file into which the database writes what it commits.
fn last_log(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data.join("data/db/wal")).unwrap();
    files.map(|file| file.unwrap().path()).max().unwrap()
}
