//! How often the store is asked.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use chatcore::{
    ChatStore, MemoryStore, RateLimits, StoreError, TestClock, async_trait,
    model::{Event, EventKind},
    store::{Change, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts},
};

use super::*;

/// The in-memory store, which counts its reads, and shows the event at a position as one that only a newer version knows.
#[derive(Clone, Default)]
struct Counting(Arc<(MemoryStore, AtomicUsize, AtomicU64)>);

impl Counting {
    fn store(&self) -> &MemoryStore {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        &self.0.0
    }
}

#[async_trait]
impl ChatStore for Counting {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        self.store().commit(change).await
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        self.store().facts(queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        let mut found = self.store().log(ranges).await?;
        let newer = self.0.2.load(Ordering::SeqCst);
        for event in found.iter_mut().flatten().filter(|event| event.seq == newer) {
            *event = Arc::new(Event { kind: EventKind::Unknown, ..Event::clone(event) });
        }
        Ok(found)
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.store().records(keys).await
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        // In the background, the chat looks for departures that another process has not finished.
        if scans.iter().all(|scan| scan.table.name == "departure") {
            return self.0.0.scan(scans).await;
        }
        self.store().scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.store().count(prefixes).await
    }
}

#[tokio::test]
async fn a_list_with_its_contents_asks_the_store_as_often_for_fifty_as_for_two() {
    as_often_for_fifty_as_for_two().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_on_several_threads() {
    tokio::spawn(as_often_for_fifty_as_for_two()).await.unwrap();
}

async fn as_often_for_fifty_as_for_two() {
    let store = Counting::default();
    // The time stands still, so that no standing is read again because of its age.
    let chat = Chat::builder(store.clone()).clock(TestClock::default()).rates(RateLimits::off()).build();
    let schema = schema(chat, SchemaOptions::default());
    let alice = user("alice");
    let (mut ids, mut said) = (Vec::new(), Vec::new());
    for n in 0..50 {
        let id = make(&schema, &alice, "PUBLIC").await;
        join(&schema, &user(&format!("user {n}")), &id).await;
        said.push(say(&schema, &alice, &id, "hello").await["id"].as_str().unwrap().to_owned());
        ids.push(id);
    }
    let lists = "query($n: Int) { sessions(first: $n) { nodes { title seq owner { name }
        participants(first: 5) { nodes { user { name } } } messages(last: 1) { nodes { content session { title } } } } } }";
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Session { title
        messages(first: 3) { nodes { sender { name } session { participants(first: 2) { nodes { role } } } } } } } }";
    let reads = async |query: &str, ids: &[String], n: usize| {
        let before = store.0.1.load(Ordering::SeqCst);
        let answer = data(&schema, &alice, query, json!({ "n": n, "ids": ids[..n] })).await;
        assert!(answer.to_string().matches("A room").count() >= n, "{answer:#}");
        store.0.1.load(Ordering::SeqCst) - before
    };
    let roots: String = (0..50).map(|n| format!("s{n}: session(id: \"{}\") {{ title }} ", ids[n])).collect();
    let roots = format!("{{ {roots} }}");
    // What belongs to a session that is asked for by its id is not read again, whether its length is named or not.
    let with = |contents: &str| format!("{{ session(id: \"{}\") {{ title {contents} }} }}", ids[0]);
    // The end of a log that was read once is kept.
    reads(&with(""), &ids, 1).await;
    let bare = reads(&with(""), &ids, 1).await;
    for contents in ["participants", "participants(first: 50)", "messages(last: 50)"] {
        assert_eq!(reads(&with(&format!("{contents} {{ nodes {{ id }} }}")), &ids, 1).await, bare, "{contents}");
    }
    let messages = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Message { session { title } } } }";
    let revisions =
        "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Message { revisions { content } session { title } } } }";
    let before = store.0.1.load(Ordering::SeqCst);
    data(&schema, &alice, &roots, json!({})).await;
    let reads_of_roots = store.0.1.load(Ordering::SeqCst) - before;
    assert!(reads_of_roots < 10, "{reads_of_roots} reads for fifty sessions, each asked for by itself");
    for (query, ids) in [(lists, &ids), (nodes, &ids), (messages, &said), (revisions, &said)] {
        // The first one finds the names, which are kept for a while.
        reads(query, ids, 50).await;
        for tries in 1.. {
            let (two, fifty) = (reads(query, ids, 2).await, reads(query, ids, 50).await);
            if two > 1 && fifty <= two {
                break;
            }
            // A name may have to be found again in between.
            assert!(tries < 5, "{two} reads for two, {fifty} for fifty: {query}");
        }
    }
}

#[tokio::test]
async fn an_edit_of_a_message_that_only_a_newer_version_can_show_comes_without_the_message() {
    let store = Counting::default();
    let schema = schema(Chat::new(store.clone()), SchemaOptions::default());
    let alice = user("alice");
    let id = make(&schema, &alice, "PUBLIC").await;
    let message = say(&schema, &alice, &id, "one").await["id"].clone();
    let edit = "mutation($input: EditMessageInput!) { editMessage(input: $input) { message { revision } } }";
    data(&schema, &alice, edit, json!({ "input": { "messageId": message, "content": "two" } })).await;
    let kinds = async || {
        let events = "query($id: ID!) { events(sessionId: $id) { nodes {
            seq __typename ... on MessageEdited { message { content } }
        } } }";
        data(&schema, &alice, events, json!({ "id": id })).await["events"]["nodes"].clone()
    };
    let nodes = |sent: &str, message: Value| {
        let edited = json!({ "seq": 3, "__typename": "MessageEdited", "message": message });
        json!([{ "seq": 1, "__typename": "SessionCreated" }, { "seq": 2, "__typename": sent }, edited])
    };
    assert_eq!(kinds().await, nodes("MessageSent", json!({ "content": "two" })));
    store.0.2.store(2, Ordering::SeqCst);
    assert_eq!(kinds().await, nodes("UnknownEvent", Value::Null));
}
