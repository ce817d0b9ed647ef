//! A store that cannot be reached: a typed error that says to try again, nothing changed, and all is well afterwards.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chatcore::{
    Chat, ChatStore, Limits, MemoryStore, StoreError, async_trait,
    model::Event,
    store::{
        Blocks, Change, Committed, Departures, Dues, FactsQuery, Freshness, Key, LastSeenTimes, LogRange, Prefix,
        PresenceChoices, PresenceProcesses, Profiles, Record, Scan, SessionFacts, Standings, TypedKey as _,
    },
};
use chatcore_tests::{Events, Server, Socket, token};
use serde_json::json;

/// For ever.
const ALWAYS: u32 = u32::MAX;

/// Answers so many calls that touch sessions, and then none.
struct Away {
    store: MemoryStore,
    left: AtomicU32,
}

impl Away {
    fn call(&self) -> Result<&MemoryStore, StoreError> {
        let count = |left: u32| if left == ALWAYS { Some(ALWAYS) } else { left.checked_sub(1) };
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) {
            Ok(_) => Ok(&self.store),
            Err(_) => Err(StoreError::Unavailable("away, for the test".to_owned())),
        }
    }
}

#[async_trait]
impl ChatStore for Away {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        let store = if change.append.is_none() { &self.store } else { self.call()? };
        store.commit(change).await
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        self.call()?.facts(queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        self.call()?.log(ranges).await
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        // Profiles and standings are read when the last read of them is old, and presence is read by a task of its own.
        let of_a_user = |key: &Key| {
            [Profiles::TABLE, Standings::TABLE, PresenceChoices::TABLE, LastSeenTimes::TABLE, PresenceProcesses::TABLE]
                .contains(&key.table)
        };
        let store = if keys.iter().all(of_a_user) { &self.store } else { self.call()? };
        store.records(keys).await
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        // The chat looks for departures, for what is due and for presence at times of its own, and reads blocks with the standing of a reader.
        let background = [Departures::TABLE, Dues::TABLE, PresenceProcesses::TABLE, Blocks::TABLE];
        let is_background = scans.iter().all(|scan| background.contains(&scan.table));
        let store = if is_background { &self.store } else { self.call()? };
        store.scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.call()?.count(prefixes).await
    }
}

async fn server() -> (Server, Arc<Away>) {
    let store = Arc::new(Away { store: MemoryStore::new(), left: AtomicU32::new(ALWAYS) });
    // What asks the store from time to time would take the answers that are counted.
    let limits = Limits { poll_interval: Duration::from_secs(3_600), ..Limits::default() };
    (Server::over(Chat::builder(Arc::clone(&store)).limits(limits).build()).await, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_says_to_try_again_and_changes_nothing() {
    let (server, store) = server().await;
    let a = server.client("a").await;
    let path = format!("/sessions/{}", a.session("PUBLIC").await);
    let mut socket = server.socket("a").await;
    let before = a.get(&path).await.expect(200);

    store.left.store(0, Ordering::SeqCst);
    let away = |reply: chatcore_tests::Reply| {
        let problem = reply.problem(503, "SERVICE_UNAVAILABLE");
        assert!(!problem.to_string().contains("for the test"), "the cause got out: {problem}");
    };
    away(a.get(&path).await);
    away(a.get("/sessions").await);
    away(a.get("/sessions/public").await);
    away(a.get(&format!("{path}/participants")).await);
    away(a.get(&format!("{path}/messages")).await);
    away(a.post("/sessions", json!({ "title": "x" })).await);
    away(a.post(&format!("{path}/messages"), json!({ "content": "x" })).await);
    away(a.put(&path, json!({ "title": "x" })).await);
    away(a.delete(&path).await);
    let id = &before["id"];
    for (event, data) in [
        ("join_session", json!({ "session_id": id })),
        ("send_message", json!({ "session_id": id, "content": "x" })),
        ("typing_start", json!({ "session_id": id })),
    ] {
        assert_eq!(socket.ask(event, data).await["data"]["code"], "SERVICE_UNAVAILABLE");
    }

    store.left.store(ALWAYS, Ordering::SeqCst);
    assert_eq!(a.get(&path).await.expect(200), before);
    socket.join(id.as_str().unwrap(), None).await;
    a.say(id.as_str().unwrap(), "back").await;
    socket.expect("message_received").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_the_store_ends_says_which_one_it_was() {
    let (server, store) = server().await;
    let a = server.client("a").await;
    let id = a.session("PUBLIC").await;
    a.say(&id, "x").await;
    let mut socket = Socket::open(&server.address, "", Some(&token("a"))).await;
    // The facts, the first look at the log, and whether it goes on from there are answered, the replay is not.
    store.left.store(3, Ordering::SeqCst);
    socket.join(&id, Some(0)).await;
    let ended = socket.expect("error").await;
    assert_eq!((&ended["data"]["code"], &ended["data"]["session_id"]), (&json!("SERVICE_UNAVAILABLE"), &json!(id)));
    // It can be begun again where it ended.
    store.left.store(ALWAYS, Ordering::SeqCst);
    socket.join(&id, Some(0)).await;
    socket.expect("session_created").await;
    socket.expect("message_received").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_that_the_store_ends_says_so_and_can_be_begun_again() {
    let (server, store) = server().await;
    let a = server.client("a").await;
    let id = a.session("PUBLIC").await;
    store.left.store(3, Ordering::SeqCst);
    let mut stream = Events::open(a.stream_of(&id, "?after=0")).await.unwrap();
    assert_eq!(stream.expect("error").await["data"]["code"], "SERVICE_UNAVAILABLE");
    stream.ended().await;
    let path = format!("/sessions/{id}/events?wait=60");
    a.get(&path).await.problem(503, "SERVICE_UNAVAILABLE");
    store.left.store(ALWAYS, Ordering::SeqCst);
    let mut stream = Events::open(a.stream_of(&id, "?after=0")).await.unwrap();
    stream.expect("session_created").await;
}
