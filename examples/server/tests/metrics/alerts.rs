//! Each alert fires where its condition is caused, and no other one does.
//!
//! The scrapes of a test follow one another within seconds and stand for one scrape a minute: the conditions are real, and the time
//! between the scrapes is not.

use std::{path::Path, sync::Arc, time::Duration};

use chatcore::{
    Chat, Principal, RateLimits,
    chat::{CreateSession, SendMessage},
    metrics::ALL,
    model::{SessionType, UserId},
};
use chatcore_surreal::{Credentials, SurrealOptions, SurrealStore};
use chatcore_tests::{Client, SECRET, Socket, Surreal};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::{
    kit::{self, Server, folder, token},
    promtool::{Promtool, published},
    scrape::{Scraped, Scraper},
};

const DOWN: &[&str] = &["ChatServerDown"];
const SLOW: &[&str] = &["ChatCommitsSlow", "ChatDeliveriesLate"];
const AWAY: &[&str] = &["ChatDatabaseUnavailable", "ChatServerErrors", "ChatServerNotReady"];
const QUEUE: &[&str] = &["ChatWriterQueueGrows"];
const REFUSED: &[&str] = &["ChatLimiterRefuses"];
const GUESSED: &[&str] = &["ChatLoginsFail"];
const FULL_OF_SOCKETS: &[&str] = &["ChatConnectionsNearLimit"];
const FULL_DISK: &[&str] = &["ChatDiskNearlyFull", "ChatServerNotReady"];

/// Scrapes before and with the condition. An alert needs it for two minutes.
const BEFORE: usize = 2;
const WITH: usize = 5;

const LISTEN: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];
const MEMORY: [&str; 4] = ["--database", "mem://", "--metrics-listen", "127.0.0.1:0"];

/// Scrapes, before and while `cause` goes on.
async fn scrapes(scraper: &Scraper, mut cause: impl AsyncFnMut()) -> Vec<Option<Scraped>> {
    let mut found = Vec::new();
    for _ in 0..BEFORE {
        found.push(scraper.scrape().await);
    }
    for _ in 0..WITH {
        cause().await;
        found.push(scraper.scrape().await);
    }
    found
}

#[test]
fn each_alert_has_a_test() {
    let mut tried = [DOWN, SLOW, AWAY, QUEUE, REFUSED, GUESSED, FULL_OF_SOCKETS, FULL_DISK].concat();
    let mut published = published();
    tried.sort_unstable();
    tried.dedup();
    published.sort_unstable();
    assert_eq!(published, tried);
}

#[tokio::test(flavor = "multi_thread")]
async fn none_fires_where_nothing_is_wrong() {
    let Some(promtool) = Promtool::find() else { return };
    promtool.check_rules();
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &LISTEN);
    let (a, stranger) = (server.client(data, "a"), Client::new(&server.address, None));
    let account = json!({ "username": "ada", "email": "ada@example.org", "password": "correct horse battery staple" });
    stranger.post("//api/v1/auth/register", account).await.expect(201);
    let session = a.session("PUBLIC").await;
    let mut socket = Socket::open(&server.address, "", Some(&token(data, "a"))).await;
    socket.join(&session, None).await;
    let scraper = Scraper::of(&server);
    let mut passwords = ["mistyped", "forgotten"].into_iter();
    let found = scrapes(&scraper, async || {
        for _ in 0..5 {
            a.say(&session, "Hello").await;
            socket.expect("message_received").await;
        }
        // A user mistypes a password, and a link.
        let wrong = passwords.next().map(|password| (password, 401));
        for (password, status) in wrong.into_iter().chain([("correct horse battery staple", 200)]) {
            let login = json!({ "username_or_email": "ada", "password": password });
            stranger.post("//api/v1/auth/login", login).await.expect(status);
        }
        a.get("/sessions/019ad5a0-0000-7000-8000-000000000000").await.expect(404);
    })
    .await;
    promtool.check_metrics(found.last().unwrap().as_ref().unwrap());
    promtool.expects(&found, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone() {
    let Some(promtool) = Promtool::find() else { return };
    let folder = folder();
    let mut server = Some(Server::start_with(folder.path(), &MEMORY));
    let scraper = Scraper::of(server.as_ref().unwrap());
    let found = scrapes(&scraper, async || {
        if let Some(server) = server.take() {
            server.kill();
        }
    })
    .await;
    promtool.expects(&found, DOWN);
}

/// A server on a database server of its own, with a session.
struct Remote {
    database: Surreal,
    server: Server,
    client: Client,
    session: String,
    _folder: tempfile::TempDir,
}

impl Remote {
    async fn start() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_chat-server")).with_file_name("surreal");
        let (database, folder) = (Surreal::start(program, "memory").await, folder());
        let SurrealOptions { namespace, database: name, credentials, .. } = database.database().await;
        let Credentials { username, password } = credentials.unwrap();
        let mut command = kit::command(folder.path());
        command.env("CHAT_SECRET", std::str::from_utf8(SECRET).unwrap()).env("CHAT_DATABASE_PASSWORD", password);
        let url = database.url();
        let of = ["--database", &url, "--database-user", &username, "--database-namespace", &namespace];
        let flags: Vec<&str> = of.into_iter().chain(["--database-name", &name]).chain(LISTEN).collect();
        let server = Server::start_by(command, folder.path(), &flags);
        let client = Client::new(&server.address, Some(chatcore_tests::token("a")));
        let session = client.session("PUBLIC").await;
        Self { database, server, client, session, _folder: folder }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database() {
    let Some(promtool) = Promtool::find() else { return };
    let remote = Remote::start().await;
    let Remote { database, server, client, session, .. } = &remote;
    let mut socket = Socket::open(&server.address, "", client.token()).await;
    socket.join(session, None).await;
    client.say(session, "Hello").await;
    socket.expect("message_received").await;
    let process = Pid::from_raw(database.pid().cast_signed());
    let found = scrapes(&Scraper::of(server), async || {
        kill(process, Signal::SIGSTOP).unwrap();
        let goes_on = async {
            // That is how slow it is.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            kill(process, Signal::SIGCONT).unwrap();
        };
        tokio::join!(client.say(session, "Hello"), goes_on);
        socket.expect("message_received").await;
    })
    .await;
    promtool.expects(&found, SLOW);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away() {
    let Some(promtool) = Promtool::find() else { return };
    let mut remote = Remote::start().await;
    let (scraper, mut is_gone) = (Scraper::of(&remote.server), false);
    let found = scrapes(&scraper, async || {
        let Remote { database, client, .. } = &mut remote;
        if !std::mem::replace(&mut is_gone, true) {
            database.kill();
        }
        // As it is for all users.
        while client.get("/sessions").await.status != 503 {}
        for _ in 0..5 {
            client.get("/sessions").await.expect(503);
        }
    })
    .await;
    promtool.expects(&found, AWAY);
}

/// In this process, since the queue of a server takes thousands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_cannot_keep_up() {
    let Some(promtool) = Promtool::find() else { return };
    let mut builder = PrometheusBuilder::new();
    for metric in ALL.iter().filter(|metric| !metric.buckets.is_empty()) {
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), metric.buckets).unwrap();
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Two hundred wait where one is committed at a time.
    let options = SurrealOptions { max_batch: 1, ..SurrealOptions::default() };
    // The global one: the store is made across awaits, and no other test of this binary records in this process.
    metrics::set_global_recorder(recorder).unwrap();
    let store = Arc::new(SurrealStore::connect_with("mem://", options).await.unwrap());
    let chat = Chat::builder(Arc::clone(&store)).rates(RateLimits::off()).build();
    let a = Principal::new(UserId::new("a").unwrap());
    let room = chat.create_session(&a, CreateSession::titled("Room").of_type(SessionType::Public)).await.unwrap();
    let id = room.summary.session.id;
    let mut found = Vec::new();
    for _ in 0..BEFORE {
        chat.send(&a, id, SendMessage::text("Hello")).await.unwrap();
        found.push(Some(Scraped::read(&handle.render())));
    }
    let senders: Vec<_> = (0..200)
        .map(|_| {
            let (chat, a) = (chat.clone(), a.clone());
            tokio::spawn(async move {
                loop {
                    chat.send(&a, id, SendMessage::text("Hello")).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..WITH {
        let waits = loop {
            let scraped = Scraped::read(&handle.render());
            if scraped.value("chatcore_writer_queue") > 150.0 {
                break scraped;
            }
            tokio::task::yield_now().await;
        };
        found.push(Some(waits));
    }
    senders.iter().for_each(|sender| sender.abort());
    promtool.expects(&found, QUEUE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_refused() {
    let Some(promtool) = Promtool::find() else { return };
    let folder = folder();
    let data = folder.path();
    let flags = [&MEMORY[..], &["--request-rate", "1/1h"]].concat();
    let server = Server::start_with(data, &flags);
    let client = server.client(data, "a");
    client.get("/sessions").await.expect(200);
    let found = scrapes(&Scraper::of(&server), async || {
        for _ in 0..150 {
            client.get("/sessions").await.expect(429);
        }
    })
    .await;
    promtool.expects(&found, REFUSED);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_that_are_guessed() {
    let Some(promtool) = Promtool::find() else { return };
    let folder = folder();
    let server = Server::start_with(folder.path(), &MEMORY);
    let stranger = Client::new(&server.address, None);
    let found = scrapes(&Scraper::of(&server), async || {
        for n in 0..30 {
            let login = json!({ "username_or_email": "ada", "password": format!("guess {n}") });
            let status = stranger.post("//api/v1/auth/login", login).await.status;
            assert!([401, 429].contains(&status), "{status}");
        }
    })
    .await;
    promtool.expects(&found, GUESSED);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_fill_the_server() {
    let Some(promtool) = Promtool::find() else { return };
    let folder = folder();
    let data = folder.path();
    let flags = [&MEMORY[..], &["--sockets", "4"]].concat();
    let server = Server::start_with(data, &flags);
    let token = token(data, "a");
    let mut open = Vec::new();
    let found = scrapes(&Scraper::of(&server), async || {
        while open.len() < 4 {
            open.push(Socket::open(&server.address, "", Some(&token)).await);
        }
    })
    .await;
    promtool.expects(&found, FULL_OF_SOCKETS);
}

/// The disk is so small that the server is never ready.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full() {
    use std::io::Write as _;

    use crate::mount::{Disk, Kind};

    let Some(promtool) = Promtool::find() else { return };
    let Some(disk) = Disk::mount(Kind::Small) else { return };
    let settings = disk.folder().join("chat-server.toml");
    let mut settings = std::fs::OpenOptions::new().append(true).open(settings).unwrap();
    settings.write_all(b"metrics_listen = \"127.0.0.1:0\"\n").unwrap();
    let server = disk.start();
    let found = scrapes(&Scraper::of(&server), async || {}).await;
    let last = found.last().unwrap().as_ref().unwrap();
    assert!(last.value("chatcore_disk_free_bytes") < last.value("chatcore_disk_least_bytes"));
    promtool.expects(&found, FULL_DISK);
}
