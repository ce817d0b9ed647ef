//! The export of an account that has written much: complete, and in bounded memory however slowly it is read.
//!
//! `CHATCORE_EXPORT_MESSAGES=100000 cargo test --workspace --test process export -- --nocapture` exports as many, and prints the figures.

use std::{collections::HashSet, fs, path::Path, sync::Arc, time::Duration};

use chatcore::{
    Accounts, Authenticator as _, Chat, JwtAuthenticator, JwtIssuer, Limits, Principal, RateLimits,
    accounts::{self, AccountSettings, Argon2Cost, Register},
    chat::{CreateSession, EditMessage, SendMessage},
    model::{SessionId, SessionType},
};
use chatcore_surreal::{SurrealOptions, SurrealStore};
use chatcore_tests::{Client, SECRET};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::{
    Signal,
    accounts::PASSWORD,
    kit::{Server, computed, folder, token},
};

/// Most memory that an export may take, in KiB. The texts of the larger export together are more than twice of it.
const MOST_KIB: u64 = 10 * 1024;

/// Sends that wait for the disk together.
const AT_ONCE: usize = 64;

/// Every so many messages there is one that was edited.
const EDITED: usize = 100;

/// The text of a message, which no other message has.
fn text(number: usize, count: usize) -> String {
    let length = if count > 10_000 { 200 } else { 7_000 };
    format!("{number:08} {}", "x".repeat(length))
}

/// Has a user write so many messages, in two sessions in which others write, too. Gives the user's id, and the sessions.
async fn written(data: &Path, count: usize) -> (String, [SessionId; 2]) {
    let database = data.join("data/db");
    fs::create_dir_all(&database).unwrap();
    let store = Arc::new(SurrealStore::open(&database, SurrealOptions::default()).await.unwrap());
    let limits = Limits { rates: RateLimits::off(), ..Limits::default() };
    let chat = Chat::builder(Arc::clone(&store)).limits(limits).build();
    let argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
    let settings = AccountSettings { argon2, ..AccountSettings::default() };
    let issuer = JwtIssuer::hs256(SECRET).unwrap();
    let accounts = Accounts::builder(chat.clone(), issuer).settings(settings).build().unwrap();
    let caller = async |name: &str| {
        let new = Register::new(name, format!("{name}@example.org"), PASSWORD);
        let user = accounts.register(&accounts::Client::default(), new).await.unwrap();
        let principal = JwtAuthenticator::hs256(SECRET).unwrap().authenticate(&user.tokens.access_token).await.unwrap();
        Principal::new(principal.user_id)
    };
    let (ada, other) = (caller("ada").await, caller("brockhurst").await);
    let mut rooms = Vec::new();
    for _ in 0..2 {
        let new = CreateSession::titled("A room").of_type(SessionType::Public);
        let id = chat.create_session(&other, new).await.unwrap().summary.session.id;
        chat.join(&ada, id).await.unwrap();
        rooms.push(id);
    }
    let rooms: [SessionId; 2] = rooms.try_into().unwrap();
    let say = |number: usize| {
        let (chat, ada, other, room) = (&chat, &ada, &other, rooms[number * 2 / count]);
        async move {
            let message = chat.send(ada, room, SendMessage::text(text(number, count))).await.unwrap();
            if number.is_multiple_of(EDITED) {
                let text = format!("{} again", text(number, count));
                chat.edit_message(ada, message.id, EditMessage::text(text)).await.unwrap();
                chat.send(other, room, SendMessage::text("by another")).await.unwrap();
            }
        }
    };
    stream::iter(0..count).map(say).buffer_unordered(AT_ONCE).collect::<()>().await;
    let user = ada.user_id.as_str().to_owned();
    drop((accounts, chat));
    store.close().await;
    (user, rooms)
}

/// Memory of a process, in KiB (proc(5)): `VmRSS`, what it has now, or `VmHWM`, the most that it had.
fn memory(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

/// Waits until a process computes next to nothing, but not for ever.
async fn idle(process: u32) {
    let mut before = computed(process);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = computed(process);
        if now - before <= 1 {
            return;
        }
        before = now;
    }
}

/// What an export took.
#[derive(Debug)]
#[allow(dead_code, reason = "the figures are printed")]
struct Taken {
    messages: usize,
    bytes: usize,
    progress: usize,
    before_kib: u64,
    peak_kib: u64,
}

/// Exports so many messages, and checks that each is there once.
async fn export(count: usize) -> Taken {
    let folder = folder();
    let data = folder.path();
    let (user, rooms) = written(data, count).await;
    let server = Server::start(data);
    let client = server.client(data, &user);
    let other = Client::new(&server.address, Some(token(data, "another")));
    let beside = other.session("PUBLIC").await;
    // The first export of a process reads code into memory, too.
    let first = other.request(reqwest::Method::GET, "//api/v1/users/me/export").send().await.unwrap();
    assert!(first.text().await.unwrap().contains("\"type\":\"end\""));
    // The database caches what is read. What an export takes is beyond that.
    for room in rooms {
        let mut after = 0;
        loop {
            let page = client.get(&format!("/sessions/{room}/messages?after={after}&limit=100")).await.expect(200);
            let Some(last) = page.as_array().unwrap().last() else { break };
            after = last["seq"].as_u64().unwrap();
        }
    }
    // From now on, the peak is that of the export (proc(5)).
    fs::write(format!("/proc/{}/clear_refs", server.id()), "5").unwrap();
    let before_kib = memory(server.id(), "VmRSS");

    let answer = client.request(reqwest::Method::GET, "//api/v1/users/me/export").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut pieces = answer.bytes_stream();
    let (mut bytes, mut lines) = (0, Lines::default());
    // Slowly at first: a piece after each message of somebody else, and then nothing until the server has no more to do.
    for _ in 0..20 {
        other.say(&beside, "served as well").await;
        let Some(piece) = pieces.next().await else { break };
        let piece = piece.unwrap();
        bytes += piece.len();
        lines.take(&piece);
    }
    idle(server.id()).await;
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap();
        bytes += piece.len();
        lines.take(&piece);
    }
    let peak_kib = memory(server.id(), "VmHWM");
    let progress = lines.check(count);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    Taken { messages: count, bytes, progress, before_kib, peak_kib }
}

/// The lines of an export.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    seen: HashSet<String>,
    messages: usize,
    edited: usize,
    progress: Vec<Value>,
    types: Vec<String>,
}

impl Lines {
    fn take(&mut self, piece: &[u8]) {
        self.begun.extend_from_slice(piece);
        let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = self.begun.split_off(end + 1);
        for line in
            std::mem::replace(&mut self.begun, rest).split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
        {
            let line: Value = serde_json::from_slice(line).unwrap();
            let kind = line["type"].as_str().unwrap();
            match kind {
                "message" => {
                    self.messages += 1;
                    let text = |content: &Value| content.as_str().unwrap().to_owned();
                    let earlier = line["earlier"].as_array().unwrap();
                    self.edited += earlier.len();
                    let texts = earlier.iter().map(|earlier| text(&earlier["content"])).chain([text(&line["content"])]);
                    for text in texts {
                        assert!(self.seen.insert(text), "a text comes twice");
                    }
                }
                "progress" => self.progress.push(line),
                kind => self.types.push(kind.to_owned()),
            }
        }
    }

    /// Checks that all is there. Gives the number of lines that tell of the progress.
    fn check(mut self, count: usize) -> usize {
        assert!(self.begun.is_empty());
        let edited = count.div_ceil(EDITED);
        assert_eq!((self.messages, self.edited), (count, edited));
        for number in 0..count {
            assert!(self.seen.remove(&text(number, count)), "{number}");
            if number.is_multiple_of(EDITED) {
                assert!(self.seen.remove(&format!("{} again", text(number, count))), "{number}, edited");
            }
        }
        assert!(self.seen.is_empty());
        assert_eq!(self.types, ["account", "profile", "login", "session", "session", "end"]);
        let told: Vec<u64> = self.progress.iter().map(|line| line["messages"].as_u64().unwrap()).collect();
        assert!(told.is_sorted() && told.first() == Some(&0) && told.last() == Some(&(count as u64)), "{told:?}");
        // One for each part of a session that is read at once.
        assert!(told.len() > count / 200, "{} lines of progress", told.len());
        told.len()
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_complete_and_takes_bounded_memory() {
    let count = std::env::var("CHATCORE_EXPORT_MESSAGES").map_or(4_000, |count| count.parse().unwrap());
    for count in [count / 100, count] {
        let taken = export(count).await;
        eprintln!("{taken:?}");
        let grown = taken.peak_kib.saturating_sub(taken.before_kib);
        assert!(grown < MOST_KIB, "an export of {} bytes took {grown} KiB", taken.bytes);
    }
}
