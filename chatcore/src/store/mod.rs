//! The trait of all durable storage, and the in-memory implementation.

mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod ext;
mod key;
mod memory;
mod query;
mod table;

use std::sync::Arc;

use async_trait::async_trait;

pub use change::{Append, Change, Committed, Expect, Malformed, Rewrite, Write, WriteKind};
pub use error::{Conflicting, StoreError};
pub use ext::ChatStoreExt;
pub(crate) use ext::typed;
pub use key::{Key, KeyPart, Newest, Part};
pub use memory::MemoryStore;
pub use query::{FactsQuery, Freshness, Head, LogRange, Prefix, Scan, SessionFacts};
pub use table::{Decode, Found, Json, Owner, Record, StoredValue, Table, TypedKey, Value, Version};
#[doc(hidden)]
pub use table::{decode_as, encode_as};
// What the chat keeps in a store.
pub use crate::stored::*;

use crate::model::Event;

/// The storage of logs and records. A store knows no feature of the chat.
///
/// # Contract
/// **The log is the lock.** A session's log holds its events at positions 1, 2, 3… without a hole. [`commit`] appends and writes in one
/// transaction or not at all, also with concurrent changes in this process or in another process. Two changes of one session can only
/// succeed one after the other.
///
/// **Records** are values under ordered keys in named [tables](Table). A record of a table that a session owns is written only by changes
/// of that session. Expectations of shared records are checked in the same transaction as the writes. Of two changes that write one record,
/// or of a change that holds a record and a change that writes the record, the later change sees the effects of the earlier change.
///
/// **Durability.** When `commit` returns `Ok`, the change survives the end of the process, unless the documentation of the store excludes
/// durability. When `commit` returns an error other than [`StoreError::OutcomeUnknown`], nothing was changed.
///
/// **Cancellation.** A caller may drop the future of any method at any time. A dropped `commit` is executed completely or not at all.
///
/// **Reads** return the committed state at the time of the call, or a later state. Facts of one session are from one state; the states of
/// two sessions, scans or keys need not be from the same time. Reads hold no locks that block writers. A read with several queries gives
/// one answer for each query, in the same order, also for repeated queries. The number of calls to the backend of the store does not grow
/// with the number of queries.
///
/// **Order.** Keys sort part by part: numbers by value, texts and UUIDs by their bytes. A key sorts before longer keys with the same
/// beginning.
///
/// [`conformance`](crate::store) (feature `conformance`) is a test suite of this contract.
///
/// [`commit`]: Self::commit
#[async_trait]
pub trait ChatStore: Send + Sync + 'static {
    /// Commits a change: appends the events at the next positions of the session's log, rewrites rows of that log, and writes records.
    ///
    /// The store numbers the events: `seq` continues from the log's end, `number` grows by one with each event for which
    /// [`crate::model::EventKind::is_message`] holds, `created_at` is raised to the time of the previous event where `created_at` is
    /// earlier, and `governs` is as [`Change::governs_at`] says. Changes of one session that one task commits one after the other keep
    /// their order.
    ///
    /// A rewritten row keeps its position, number, time, actor, and governance flag. Its revision grows by one, and `revised` is the
    /// position of the change's first event.
    ///
    /// # Errors
    /// - [`StoreError::Stale`] when the log has a governance event after `decided_at`. Other events do not make a change stale.
    /// - [`StoreError::Conflict`] when an expectation does not hold. Staleness is checked first, then the revisions of rewritten rows, then the
    ///   writes in their order.
    /// - [`StoreError::Backend`] with a [`Malformed`] for what [`Change::check`] refuses.
    /// - [`StoreError::Unavailable`] when the store could not try the commit, for instance because of a full queue.
    async fn commit(&self, change: Change) -> Result<Committed, StoreError>;

    /// The facts for decisions about sessions: for each session the log's end, the last position of a governance event, and governed
    /// records of the session by their keys. `None` for a missing record; an unknown session has head 0.
    ///
    /// All facts of a session are from one state, with the log's end at the returned head. With [`Freshness::Cached`] the state may be
    /// outdated; with [`Freshness::Fresh`] the state includes all commits before the call, by any process.
    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError>;

    /// Parts of logs, each ascending and without a hole. A range beyond the end gives only its existing part. The cost is proportional to
    /// the result, at any depth.
    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError>;

    /// Single records by their keys; `None` for a missing record.
    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError>;

    /// Records under prefixes of keys, in the order of the keys. The cost of a scan is proportional to [`Scan::skip`] and to the result,
    /// for any [`Scan::after`]. A result has fewer entries than [`Scan::limit`] only at the end of the records under the prefix. An
    /// unreadable record is left out and logged, except with [`Scan::shows_unreadable`].
    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError>;

    /// The number of records under prefixes of keys. The cost is proportional to the count.
    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError>;
}

/// A shared store is a store, so that its maker can keep a handle, for instance to close it.
#[async_trait]
impl<S: ChatStore + ?Sized> ChatStore for Arc<S> {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        (**self).commit(change).await
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        (**self).facts(queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        (**self).log(ranges).await
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        (**self).records(keys).await
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        (**self).scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        (**self).count(prefixes).await
    }
}
