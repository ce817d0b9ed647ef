//! A store in whose calls a test takes part.

use std::{
    collections::{HashMap, VecDeque},
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use chatcore::{
    ChatStore, MemoryStore, StoreError,
    model::{Event, EventKind, Seq, SessionId},
    store::{Change, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts},
};
use futures_util::future::BoxFuture;

/// What happens at a place, one thing each time.
#[derive(Clone, Default)]
pub(crate) struct Hook(Arc<Mutex<VecDeque<BoxFuture<'static, ()>>>>);

impl Hook {
    /// Lets this happen the next time.
    pub(crate) fn once(&self, happens: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap().push_back(Box::pin(happens));
    }

    /// Whether everything has happened.
    pub(crate) fn is_done(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    async fn run(&self) {
        let happens = self.0.lock().unwrap().pop_front();
        if let Some(happens) = happens {
            happens.await;
        }
    }
}

type Remembered = HashMap<(SessionId, Vec<Key>), SessionFacts>;

/// The in-memory store with hooks.
#[derive(Clone, Default)]
pub(crate) struct Hooked {
    store: MemoryStore,
    /// Before anything is read.
    pub(crate) before_read: Hook,
    /// Where a table stands here, only reads of its records let the hook above happen.
    pub(crate) reads_of: Arc<Mutex<Option<&'static str>>>,
    /// Before a log is read.
    pub(crate) before_log: Hook,
    /// After a log was read, before the caller has it.
    pub(crate) after_log: Hook,
    /// After records were read, before the caller has them.
    pub(crate) after_records: Hook,
    /// Before something is committed.
    pub(crate) before_commit: Hook,
    /// Where a table stands here, only commits that write to it let the hook above happen. Work in the background commits at any time.
    pub(crate) commits_of: Arc<Mutex<Option<&'static str>>>,
    /// Events at these positions are of a kind that only a newer version knows.
    pub(crate) newer: Arc<Mutex<Vec<Seq>>>,
    /// Events at these positions cannot be read.
    pub(crate) unreadable: Arc<Mutex<Vec<Seq>>>,
    /// The most entries that one scan has skipped.
    pub(crate) skipped: Arc<AtomicU64>,
    /// Every read fails.
    pub(crate) reads_fail: Arc<AtomicBool>,
    /// Others go on before something is committed.
    pub(crate) yields: Arc<AtomicBool>,
    /// Cached facts stay as they were when they were asked for the first time.
    pub(crate) remembers: Arc<AtomicBool>,
    remembered: Arc<Mutex<Remembered>>,
}

impl Hooked {
    /// The same data without hooks.
    pub(crate) fn intact(&self) -> MemoryStore {
        self.store.clone()
    }

    fn read(&self) -> Result<&MemoryStore, StoreError> {
        if self.reads_fail.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("as the test wants it".to_owned()));
        }
        Ok(&self.store)
    }

    /// Whether a read of records of these tables lets something happen. There are none where something else is read.
    fn is_hooked(&self, mut tables: impl Iterator<Item = &'static str>) -> bool {
        let of = *self.reads_of.lock().unwrap();
        of.is_none_or(|table| tables.any(|read| read == table))
    }
}

#[async_trait]
impl ChatStore for Hooked {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        let of = *self.commits_of.lock().unwrap();
        if of.is_none_or(|table| change.writes.iter().any(|write| write.key.table.name == table)) {
            self.before_commit.run().await;
        }
        if self.yields.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        self.store.commit(change).await
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        if self.is_hooked(iter::empty()) {
            self.before_read.run().await;
        }
        let facts = self.read()?.facts(queries, freshness).await?;
        if freshness == Freshness::Fresh || !self.remembers.load(Ordering::SeqCst) {
            return Ok(facts);
        }
        let mut remembered = self.remembered.lock().unwrap();
        let first = |(query, facts): (&FactsQuery<'_>, SessionFacts)| {
            remembered.entry((query.session_id, query.records.to_vec())).or_insert(facts).clone()
        };
        Ok(queries.iter().zip(facts).map(first).collect())
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        if self.is_hooked(iter::empty()) {
            self.before_read.run().await;
        }
        self.before_log.run().await;
        let mut found = self.read()?.log(ranges).await?;
        self.after_log.run().await;
        let unreadable = self.unreadable.lock().unwrap().clone();
        found.iter_mut().for_each(|events| events.retain(|event| !unreadable.contains(&event.seq)));
        let newer = self.newer.lock().unwrap().clone();
        for event in found.iter_mut().flatten().filter(|event| newer.contains(&event.seq)) {
            *event = Arc::new(Event { kind: EventKind::Unknown, ..Event::clone(event) });
        }
        Ok(found)
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        if self.is_hooked(keys.iter().map(|key| key.table.name)) {
            self.before_read.run().await;
        }
        let found = self.read()?.records(keys).await;
        self.after_records.run().await;
        found
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        if self.is_hooked(scans.iter().map(|scan| scan.table.name)) {
            self.before_read.run().await;
        }
        self.skipped.fetch_max(scans.iter().map(|scan| scan.skip).max().unwrap_or(0), Ordering::SeqCst);
        self.read()?.scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.read()?.count(prefixes).await
    }
}
