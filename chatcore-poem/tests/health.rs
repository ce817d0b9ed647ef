//! Whether the process lives, and whether it can serve.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chatcore::{
    Chat, ChatStore, MemoryStore, RateLimits, StoreError, async_trait,
    identity::NoTokens,
    model::Event,
    store::{Change, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts},
};
use chatcore_poem::{ChatFrontend, Health, MountOptions};
use poem::{
    Endpoint, IntoEndpoint as _, Request, Response, Route,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// What the store does when a record is read.
#[derive(Clone, Copy)]
enum Mood {
    Answers,
    Fails,
    Hangs,
}

#[derive(Clone)]
struct Store {
    store: MemoryStore,
    mood: Arc<Mutex<Mood>>,
    reads: Arc<AtomicU64>,
}

impl Store {
    fn new(mood: Mood) -> Self {
        Self { store: MemoryStore::new(), mood: Arc::new(Mutex::new(mood)), reads: Arc::default() }
    }
}

#[async_trait]
impl ChatStore for Store {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        self.store.commit(change).await
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        self.store.facts(queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        self.store.log(ranges).await
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Answers => self.store.records(keys).await,
            Mood::Fails => Err(StoreError::Unavailable("secret cause".to_owned())),
            Mood::Hangs => std::future::pending().await,
        }
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        self.store.scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.store.count(prefixes).await
    }
}

fn frontend(store: &Store, health: Health) -> ChatFrontend {
    let chat = Chat::builder(store.clone()).rates(RateLimits::messaging_admin()).build();
    ChatFrontend::new(chat, NoTokens).with_health(health)
}

fn app(store: &Store, health: Health) -> impl Endpoint<Output = Response> + use<> {
    frontend(store, health).mount(Route::new()).into_endpoint()
}

async fn ask(app: &impl Endpoint, method: Method, path: &str) -> (StatusCode, Response, Value) {
    let request = Request::builder().method(method).uri(path.parse().unwrap()).finish();
    let answered = tokio::time::timeout(Duration::from_secs(30), app.get_response(request)).await;
    let mut response = answered.expect("no answer came in half a minute");
    let body = response.take_body().into_string().await.unwrap();
    (response.status(), response, serde_json::from_str(&body).unwrap_or_default())
}

/// The answer of a process that is not ready.
async fn refused(app: &impl Endpoint) {
    let (status, response, problem) = ask(app, Method::GET, "/ready").await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("SERVICE_UNAVAILABLE")));
    assert_eq!(response.content_type(), Some("application/problem+json"));
    assert_eq!(response.header("retry-after"), Some("1"));
    assert!(!problem.to_string().contains("secret"), "the cause got out: {problem}");
    // The process lives all the same.
    let (status, _, alive) = ask(app, Method::GET, "/health").await;
    assert_eq!((status.as_u16(), alive), (200, json!({ "status": "alive" })));
}

#[tokio::test]
async fn a_process_that_can_serve_says_so_to_anybody() {
    let store = Store::new(Mood::Answers);
    let app = app(&store, Health::default());
    // More often than anybody without a token may ask for anything else.
    for _ in 0..200 {
        let (status, response, ready) = ask(&app, Method::GET, "/ready").await;
        assert_eq!((status.as_u16(), ready), (200, json!({ "status": "ready" })));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    assert!(store.reads.load(Ordering::SeqCst) < 100, "each request reads the store");
    let reads = store.reads.load(Ordering::SeqCst);
    assert_eq!(ask(&app, Method::GET, "/health").await.0, StatusCode::OK);
    assert_eq!(store.reads.load(Ordering::SeqCst), reads, "a sign of life reads the store");
    assert_eq!(ask(&app, Method::HEAD, "/ready").await.0, StatusCode::OK);
    assert_eq!(ask(&app, Method::POST, "/ready").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_store_that_fails_is_not_ready() {
    refused(&app(&Store::new(Mood::Fails), Health::default())).await;
}

#[tokio::test]
async fn a_store_that_hangs_is_not_ready() {
    let health = Health::default().within(Duration::from_millis(1));
    let app = app(&Store::new(Mood::Hangs), health);
    // Also those who ask at once are answered.
    tokio::join!(refused(&app), refused(&app));
}

#[tokio::test]
async fn a_check_of_the_host_counts() {
    let health = Health::default().check(|| Ok(())).check(|| Err("secret: the disk is full".to_owned()));
    refused(&app(&Store::new(Mood::Answers), health)).await;
}

#[tokio::test]
async fn a_process_that_is_about_to_end_is_not_ready_at_once() {
    let ending = CancellationToken::new();
    let app = app(&Store::new(Mood::Answers), Health::default().ending(ending.clone()));
    // This answer would hold for a second.
    assert_eq!(ask(&app, Method::GET, "/ready").await.0, StatusCode::OK);
    ending.cancel();
    refused(&app).await;
}

#[tokio::test]
async fn a_note_of_the_host_is_told_and_makes_nothing_unready() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let health = Health::default().note("bus", move || format!("away {}", count.fetch_add(1, Ordering::SeqCst)));
    let frontend = frontend(&Store::new(Mood::Answers), health);
    let schema =
        &frontend.openapi()["paths"]["/ready"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema["properties"]["bus"], json!({ "type": "string" }));
    assert_eq!(schema["required"], json!(["status"]));
    let app = frontend.mount(Route::new()).into_endpoint();
    for n in 0..3 {
        // As it is now, although the store is not asked again.
        let (status, _, ready) = ask(&app, Method::GET, "/ready").await;
        assert_eq!((status.as_u16(), ready), (200, json!({ "status": "ready", "bus": format!("away {n}") })));
    }
    assert_eq!(ask(&app, Method::GET, "/health").await.2, json!({ "status": "alive" }));
}

#[tokio::test]
async fn the_paths_can_be_elsewhere_and_the_document_has_them() {
    let health = Health::default().at("/live", "/able");
    let frontend = frontend(&Store::new(Mood::Answers), health);
    assert!(frontend.openapi()["paths"]["/able"]["get"]["responses"]["503"].is_object());
    let app = frontend.mount_with(Route::new(), &MountOptions::default().below("/chat")).unwrap().into_endpoint();
    assert_eq!(ask(&app, Method::GET, "/chat/live").await.0, StatusCode::OK);
    assert_eq!(ask(&app, Method::GET, "/chat/able").await.0, StatusCode::OK);
    let (_, _, document) = ask(&app, Method::GET, "/chat/openapi.json").await;
    assert_eq!(document["paths"]["/live"]["servers"], json!([{ "url": "." }]));
    // Without it there are no such paths.
    let plain = ChatFrontend::new(Chat::in_memory(), NoTokens);
    assert!(plain.openapi()["paths"]["/health"].is_null());
    assert_eq!(ask(&plain.mount(Route::new()), Method::GET, "/health").await.0, StatusCode::NOT_FOUND);
}
