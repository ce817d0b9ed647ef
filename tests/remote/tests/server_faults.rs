//! A database server that is killed, restarted, silent, restored, cut off in the middle of a commit, or not there at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test reports by panicking"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chatcore::{
    Chat, Code, Principal, RateLimits,
    chat::{CreateSession, SendMessage},
    model::{ClientId, Event, EventKind, Message, MessageEvent, SessionId, UserId},
    store::{ChatStore, FactsQuery, Freshness, LogRange},
};
use chatcore_surreal::{ConnectError, Credentials, SurrealOptions, SurrealStore};
use chatcore_tests::{Surreal, races};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

const SURREAL: &str = env!("CARGO_BIN_EXE_surreal");

/// How long anything may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A chat without limits on how often it is used.
fn uncounted(store: impl ChatStore) -> Chat {
    Chat::builder(store).rates(RateLimits::off()).build()
}

fn ana() -> Principal {
    Principal::new(UserId::new("ana").unwrap())
}

async fn session(chat: &Chat) -> SessionId {
    chat.create_session(&ana(), CreateSession::titled("A session")).await.unwrap().summary.session.id
}

async fn log(store: &dyn ChatStore, session_id: SessionId) -> Vec<Arc<Event>> {
    // A server that was just started may be slow enough to be taken for one that is away.
    let mut found = again(async || Ok(store.log(&[LogRange { session_id, from: 1, to: 100_000 }]).await?)).await;
    found.remove(0)
}

fn named(text: &str, client_id: &str) -> SendMessage {
    SendMessage::text(text).with_client_id(ClientId::new(client_id).unwrap())
}

/// Tries until the server is there again.
async fn again<T>(what: impl AsyncFn() -> Result<T, chatcore::Error>) -> T {
    again_after(&[Code::ServiceUnavailable], what).await
}

/// Says something until the server is there again, what may have happened already, too: its client id makes that safe.
async fn say_again(chat: &Chat, id: SessionId, text: &str, client_id: &str) -> Message {
    let after = [Code::ServiceUnavailable, Code::OutcomeUnknown];
    again_after(&after, async || chat.send(&ana(), id, named(text, client_id)).await).await
}

async fn again_after<T>(codes: &[Code], what: impl AsyncFn() -> Result<T, chatcore::Error>) -> T {
    let trying = async {
        loop {
            match what().await {
                Ok(done) => return done,
                Err(error) => assert!(codes.contains(&error.code()), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, trying).await.expect("it stays away")
}

/// What became of one send.
#[derive(Debug)]
struct Sent {
    name: String,
    outcome: Result<u64, Code>,
}

/// Says things until told to stop, whatever happens, each under a name of its own.
async fn say(
    chat: Chat,
    id: SessionId,
    sender: usize,
    stop: Arc<AtomicBool>,
    tell: mpsc::UnboundedSender<()>,
) -> Vec<Sent> {
    let mut sent = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{sender}/{n}");
        let outcome = chat.send(&ana(), id, named(&name, &name)).await;
        let outcome = outcome.map(|message| message.seq).map_err(|error| error.code());
        if outcome.is_ok() {
            let _ = tell.send(());
        } else {
            // As a client does that was told to try again later.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        sent.push(Sent { name, outcome });
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_killed_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Surreal::start(SURREAL, &format!("surrealkv://{}", folder.path().display())).await;
    let database = server.database().await;
    let (one, other) = (Arc::new(server.store(&database).await), Arc::new(server.store(&database).await));
    let chats = [uncounted(Arc::clone(&one)), uncounted(Arc::clone(&other))];
    let id = session(&chats[0]).await;
    for round in 0..4 {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, mut told) = mpsc::unbounded_channel();
        let senders: Vec<_> = (0..6)
            .map(|n| tokio::spawn(say(chats[n % 2].clone(), id, round * 10 + n, Arc::clone(&stop), tell.clone())))
            .collect();
        for _ in 0..round * 7 + 3 {
            told.recv().await;
        }
        server.kill();
        // Everybody is told within seconds, though the database's client itself would wait for ever.
        let refused = timeout(Duration::from_secs(20), chats[round % 2].session(&ana(), id))
            .await
            .expect("it never says")
            .unwrap_err();
        assert_eq!(refused.code(), Code::ServiceUnavailable, "{refused}");
        server.restart().await;
        while told.try_recv().is_ok() {}
        for _ in 0..10 {
            timeout(PATIENCE, told.recv()).await.expect("it goes on").unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for sender in senders {
            sent.extend(sender.await.unwrap());
        }
        let before = log(&*one, id).await;
        races::check(&before);
        for Sent { name, outcome } in &sent {
            let there: Vec<u64> = before.iter().filter(|event| is_named(event, name)).map(|event| event.seq).collect();
            match outcome {
                Ok(seq) => assert_eq!(there, [*seq], "{name} was acknowledged"),
                Err(Code::OutcomeUnknown) => assert!(there.len() < 2, "{name}: {there:?}"),
                Err(Code::ServiceUnavailable) => assert!(there.is_empty(), "{name} was refused, and is there"),
                Err(code) => panic!("{name}: {}", code.as_str()),
            }
            // Whatever became of it, to try again is safe.
            let retried = say_again(&chats[0], id, name, name).await;
            assert!(there.iter().all(|seq| *seq == retried.seq), "{name}");
        }
        let after = log(&*other, id).await;
        races::check(&after);
        assert_eq!(after.iter().filter(|event| event.kind.is_message()).count(), {
            let names = after.iter().filter_map(|event| client_id(event));
            names.collect::<std::collections::BTreeSet<_>>().len()
        });
        eprintln!(
            "round {round}: {} sends, {} not acknowledged",
            sent.len(),
            sent.iter().filter(|s| s.outcome.is_err()).count()
        );
    }
}

fn client_id(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Message(MessageEvent::Sent { client_id, .. }) => client_id.as_ref().map(ClientId::as_str),
        _ => None,
    }
}

fn is_named(event: &Event, name: &str) -> bool {
    client_id(event) == Some(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Surreal::start(SURREAL, &format!("surrealkv://{}", folder.path().display())).await;
    let database = server.database().await;
    let (writes, reads) = (uncounted(server.store(&database).await), uncounted(server.store(&database).await));
    let id = session(&writes).await;
    let mut events = reads.subscribe(&ana(), id, Some(0)).await.unwrap();
    for round in 0..3_u64 {
        for n in 0..3 {
            say_again(&writes, id, "a text", &format!("{round}/{n}")).await;
        }
        server.kill();
        server.restart().await;
    }
    say_again(&writes, id, "a text", "the last").await;
    let mut after = 0;
    // Where a stream ended because the server was away, it goes on after the last event.
    while after < 11 {
        match timeout(PATIENCE, events.next_event()).await.expect("an event") {
            Some(Ok(view)) => {
                after += 1;
                assert_eq!(view.event.seq, after);
            }
            Some(Err(error)) => assert_eq!(error.code(), Code::ServiceUnavailable, "{error}"),
            None => events = again(async || reads.subscribe(&ana(), id, Some(after)).await).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_given_up_and_found_again() {
    let server = Surreal::start(SURREAL, "memory").await;
    let store = Arc::new(server.store(&server.database().await).await);
    let chat = uncounted(Arc::clone(&store));
    let id = session(&chat).await;
    let process = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    kill(process, Signal::SIGSTOP).unwrap();
    let who = ana();
    let sending = chat.send(&who, id, named("a text", "in the silence"));
    let outcome = timeout(PATIENCE, sending).await.expect("it never says").unwrap_err();
    assert_eq!(outcome.code(), Code::OutcomeUnknown, "{outcome}");
    let refused = timeout(PATIENCE, chat.session(&ana(), id)).await.expect("it never says").unwrap_err();
    assert_eq!(refused.code(), Code::ServiceUnavailable, "{refused}");
    kill(process, Signal::SIGCONT).unwrap();
    let message = say_again(&chat, id, "a text", "in the silence").await;
    assert_eq!(message.seq, 2);
    let log = log(&*store, id).await;
    races::check(&log);
    assert_eq!(log.len(), 2);
}

/// A server that was restored from an older copy of itself, here from nothing at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_built_on_what_a_restored_server_has_lost() {
    let mut server = Surreal::start(SURREAL, "memory").await;
    let options = server.database().await;
    let store = Arc::new(server.store(&options).await);
    let chat = uncounted(Arc::clone(&store));
    let id = session(&chat).await;
    for n in 0..5 {
        chat.send(&ana(), id, SendMessage::text(n.to_string())).await.unwrap();
    }
    server.kill();
    server.restart().await;
    server.define(&options).await;
    let gone = async || match chat.session(&ana(), id).await {
        Err(error) if error.code() == Code::SessionNotFound => Ok(()),
        Err(error) => Err(error),
        Ok(session) => panic!("{session:?}"),
    };
    again(gone).await;
    // As often as the server, which was just started, is too slow to be taken for one that is there.
    let nowhere = async || match chat.send(&ana(), id, SendMessage::text("into nothing")).await {
        Err(error) if error.code() == Code::SessionNotFound => Ok(()),
        Err(error) => Err(error),
        Ok(message) => panic!("{message:?}"),
    };
    again(nowhere).await;
    let new = async || chat.create_session(&ana(), CreateSession::titled("A session")).await;
    let id = again(new).await.summary.session.id;
    say_again(&chat, id, "anew", "anew").await;
    races::check(&log(&*store, id).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_connected_to_says_why() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("ws://{free}");
    match SurrealStore::connect(&url).await {
        Err(ConnectError::Unreachable { address, .. }) => assert_eq!(address, url),
        other => panic!("{other:?}"),
    }
    let server = Surreal::start(SURREAL, "memory").await;
    let options = server.database().await;
    let wrong = Credentials { username: "chat".to_owned(), password: "a guess".to_owned() };
    for credentials in [Some(wrong), Some(Credentials { username: "root".to_owned(), password: "root".to_owned() })] {
        match SurrealStore::connect_with(&server.url(), SurrealOptions { credentials, ..options.clone() }).await {
            Err(ConnectError::SignIn { address, .. }) => assert_eq!(address, server.url()),
            other => panic!("{other:?}"),
        }
    }
    // Nobody in particular may do nothing.
    let nobody =
        SurrealStore::connect_with(&server.url(), SurrealOptions { credentials: None, ..options.clone() }).await;
    assert!(nobody.is_err(), "{nobody:?}");
    server.store(&options).await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_looks_for_its_server_no_more() {
    let mut server = Surreal::start(SURREAL, "memory").await;
    let store = server.store(&server.database().await).await;
    server.kill();
    let asked = [FactsQuery { session_id: SessionId(uuid::Uuid::now_v7()), records: &[] }];
    assert!(store.facts(&asked, Freshness::Fresh).await.is_err());
    timeout(Duration::from_secs(30), store.close()).await.expect("it closes at once");
    assert!(store.facts(&asked, Freshness::Fresh).await.is_err());
}

/// A connection in the middle, that can be cut at the worst moment.
struct Proxy {
    address: String,
    /// What comes from the server from now on does not arrive, and ends the connection.
    deaf: Arc<AtomicBool>,
}

impl Proxy {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        let deaf = Arc::new(AtomicBool::new(false));
        let armed = Arc::clone(&deaf);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                tokio::spawn(pass(client, server, Arc::clone(&armed)));
            }
        });
        Self { address, deaf }
    }
}

async fn pass(client: TcpStream, server: TcpStream, deaf: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut buffer = vec![0; 65536];
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        // Once: the connection that comes after it is a good one.
        if deaf.swap(false, Ordering::Relaxed) || to_client.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    up.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_found_and_there_once() {
    let server = Surreal::start(SURREAL, "memory").await;
    let proxy = Proxy::to(server.url().replace("ws://", "")).await;
    let options = server.database().await;
    let store = Arc::new(SurrealStore::connect_with(&proxy.address, options).await.unwrap());
    let chat = uncounted(Arc::clone(&store));
    let id = session(&chat).await;
    chat.send(&ana(), id, SendMessage::text("the first")).await.unwrap();
    for n in 0..10_u64 {
        // The next thing that the server says is that the message was kept, or that it is still there.
        proxy.deaf.store(true, Ordering::Relaxed);
        // No client id: should it be written twice, nothing would stop the second one.
        let sent = again(async || chat.send(&ana(), id, SendMessage::text(n.to_string())).await).await;
        assert_eq!(sent.seq, n + 3, "each is there once");
    }
    let log = log(&*store, id).await;
    races::check(&log);
    assert_eq!(log.len(), 12);
}
