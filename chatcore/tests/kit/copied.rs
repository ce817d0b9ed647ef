//! A store that can be replaced by an older copy of itself.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chatcore::{
    ChatStore, MemoryStore, StoreError,
    model::Event,
    store::{Change, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts},
};

/// A store with an older copy: what is committed before [`freeze`](Self::freeze) is in both.
#[derive(Clone, Default)]
pub struct Copied {
    current: Arc<Mutex<MemoryStore>>,
    copy: Arc<Mutex<Option<MemoryStore>>>,
}

impl Copied {
    /// An empty store with an empty copy.
    pub fn new() -> Self {
        Self { current: Arc::default(), copy: Arc::new(Mutex::new(Some(MemoryStore::new()))) }
    }

    fn current(&self) -> MemoryStore {
        self.current.lock().unwrap().clone()
    }

    /// What the copy will not have begins here. Gives the copy.
    pub fn freeze(&self) -> MemoryStore {
        self.copy.lock().unwrap().take().unwrap()
    }

    /// Makes the store be the copy from now on.
    pub fn replace(&self, copy: MemoryStore) {
        *self.current.lock().unwrap() = copy;
    }
}

#[async_trait]
impl ChatStore for Copied {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        let copy = self.copy.lock().unwrap().clone();
        if let Some(copy) = copy {
            copy.commit(change.clone()).await?;
        }
        self.current().commit(change).await
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        self.current().facts(queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        self.current().log(ranges).await
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.current().records(keys).await
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        self.current().scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.current().count(prefixes).await
    }
}
