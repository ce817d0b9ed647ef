//! Several processes on one store, and what a webhook costs.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    ChatStore, MemoryStore, StoreError, Webhooks,
    chat::SendMessage,
    model::{Event, SessionType},
    store::{Change, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts},
};

use super::{
    World,
    kit::{say, session, uncounted, user},
    options,
    receiver::{Got, Receiver},
    start,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_delivers_at_a_time_and_each_hears_of_the_others() {
    let store = MemoryStore::new();
    let chats = [0; 3].map(|_| uncounted(store.clone()));
    let owner = user("owner");
    let id = session(&chats[0], &owner, SessionType::Public).await;
    let hooks = chats.clone().map(|chat| Webhooks::new(chat, options()));
    let receiver = Receiver::with(&[200]).await;
    let world = World { chat: chats[0].clone(), webhooks: hooks[0].clone(), owner: owner.clone(), session: id };
    let webhook = world.hook(&receiver).await.webhook;
    // The third one has no worker.
    let workers = [start(&hooks[0]), start(&hooks[1])];
    let mut last = 0;
    for number in 0..300 {
        last = say(&chats[number % 3], &owner, id, &format!("message {number}")).await.seq;
    }
    world.drained(webhook.id).await;
    let seqs: Vec<u64> = receiver.got().iter().map(Got::seq).collect();
    assert_eq!(seqs, (last - 300..=last).collect::<Vec<_>>(), "each event once and in order");
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_worker_that_stops_lets_the_next_one_go_on_at_once() {
    let world = World::with(chatcore::webhooks::WebhookOptions { timeout: Duration::from_secs(15), ..options() }).await;
    let receiver = Receiver::with(&[200]).await;
    let webhook = world.hook(&receiver).await.webhook;
    for _ in 0..5 {
        let worker = start(&world.webhooks);
        let seq = world.say("Hello").await;
        // A lease of a minute would be seen here.
        let begin = std::time::Instant::now();
        world.drained(webhook.id).await;
        assert!(begin.elapsed() < Duration::from_secs(20));
        worker.stop().await;
        assert_eq!(receiver.got().last().unwrap().seq(), seq);
    }
    assert_eq!(receiver.got().len(), 6, "nothing was repeated");
}

/// The in-memory store, which notes what is committed to logs.
#[derive(Clone, Default)]
pub(super) struct Noting {
    store: MemoryStore,
    pub(super) changes: Arc<Mutex<Vec<Change>>>,
}

#[async_trait]
impl ChatStore for Noting {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        if change.append.is_some() {
            self.changes.lock().unwrap().push(change.clone());
        }
        self.store.commit(change).await
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        self.store.facts(queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        self.store.log(ranges).await
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.store.records(keys).await
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        self.store.scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.store.count(prefixes).await
    }
}

#[tokio::test]
async fn a_send_is_one_row_with_a_webhook_too() {
    let store = Noting::default();
    let chat = uncounted(store.clone());
    let owner = user("owner");
    let id = session(&chat, &owner, SessionType::Public).await;
    let world = World { webhooks: Webhooks::new(chat.clone(), options()), chat, owner, session: id };
    let receiver = Receiver::with(&[200]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let worker = start(&world.webhooks);
    store.changes.lock().unwrap().clear();
    for _ in 0..10 {
        world.chat.send(&world.owner, id, SendMessage::text("Hello")).await.unwrap();
    }
    world.drained(webhook.id).await;
    worker.stop().await;
    let changes = store.changes.lock().unwrap().clone();
    assert_eq!(changes.len(), 10, "a delivery is no event");
    for change in changes {
        assert!(change.writes.is_empty() && change.append.unwrap().events.len() == 1);
    }
}
