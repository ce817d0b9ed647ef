//! A store that lets other tasks run before it reads or writes, so that calls at once have read before one of them writes. It can fail, too.

use std::sync::{Arc, Mutex};

use chatcore::{
    ChatStore, MemoryStore, StoreError, async_trait,
    model::Event,
    store::{Change, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts, WriteKind},
};
use tokio::task::yield_now;

/// Stands in the causes of failures, and in no answer.
pub(crate) const CAUSE: &str = "SELECT 730411 FROM /var/lib/chat/data";

/// How a store fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Backend,
    Corrupt,
    Unavailable,
}

impl Fault {
    pub(crate) const ALL: [Self; 3] = [Self::Backend, Self::Corrupt, Self::Unavailable];
}

#[derive(Default)]
pub(crate) struct Yielding {
    store: MemoryStore,
    fault: Mutex<Option<Fault>>,
    /// The records that were written, as text.
    written: Mutex<String>,
}

impl Yielding {
    /// Each call fails like this from now on, or none does.
    pub(crate) fn fail(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Whether a record holds a text.
    #[allow(dead_code, reason = "not each test that shares this asks")]
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.written.lock().unwrap().contains(text)
    }

    async fn store(&self) -> Result<&MemoryStore, StoreError> {
        yield_now().await;
        match *self.fault.lock().unwrap() {
            None => Ok(&self.store),
            Some(Fault::Backend) => Err(StoreError::Backend(CAUSE.into())),
            Some(Fault::Corrupt) => Err(StoreError::Corrupt(CAUSE.to_owned())),
            Some(Fault::Unavailable) => Err(StoreError::Unavailable(CAUSE.to_owned())),
        }
    }
}

#[async_trait]
impl ChatStore for Yielding {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        let put = change.writes.iter().filter_map(|write| match &write.kind {
            WriteKind::Put(value) => Some(format!("{:?} {:?}\n", write.key, value.encode())),
            _ => None,
        });
        let put = put.collect::<String>();
        let committed = self.store().await?.commit(change).await?;
        self.written.lock().unwrap().push_str(&put);
        Ok(committed)
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        self.store().await?.facts(queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        self.store().await?.log(ranges).await
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.store().await?.records(keys).await
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        self.store().await?.scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.store().await?.count(prefixes).await
    }
}
