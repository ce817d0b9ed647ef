//! The trait behind which everything durable lives, and the in-memory implementation.

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

/// The place where logs and records live. It knows no feature of the chat.
///
/// # Contract
/// **The log is the lock.** A session's log holds its events at positions 1, 2, 3… without a hole. [`commit`]
/// appends and writes in one transaction or not at all, whatever else happens at the same time in this process or
/// in another one. Two changes of one session can only succeed one after the other.
///
/// **Records** are values under ordered keys in named [tables](Table). A record of a table that a session owns is written only by changes of
/// that session. Expectations of shared records are checked in the same transaction as the writes. Of two changes that write one record, or
/// of which one holds it and the other one writes it, the later one sees what the earlier one did.
///
/// **Durability.** When `commit` returns `Ok`, the change survives the end of the process, unless the store says in
/// its documentation that it keeps nothing. When it returns an error other than [`StoreError::OutcomeUnknown`],
/// nothing was changed.
///
/// **Cancellation.** A caller may drop the future of any method at any time. A dropped `commit` has then happened
/// as a whole or not at all.
///
/// **Reads** return what was committed when they were called, or later. Facts of one session are from one state; the states of two
/// sessions, scans or keys need not be from the same time. They hold no locks that writers wait for. A read that takes several queries
/// gives one answer for each, in the same order, whether or not a query stands there more than once. It asks whatever is behind the store
/// a number of times that does not grow with the number of queries.
///
/// **Order.** Keys sort part by part: numbers by value, texts and UUIDs by their bytes. A key sorts before those that it begins.
///
/// [`conformance`](crate::store) (feature `conformance`) is a test suite of all of this.
///
/// [`commit`]: Self::commit
#[async_trait]
pub trait ChatStore: Send + Sync + 'static {
    /// Does what a change says: appends its events at the next positions of its session's log, rewrites rows of that log, and writes
    /// records.
    ///
    /// The store numbers the events: `seq` goes on from the log's end, `number` grows by one with each event for
    /// which [`crate::model::EventKind::is_message`] holds, `created_at` is raised to the previous event's where
    /// it is lower, and `governs` is as [`Change::governs_at`] says. Changes of one session that one task commits one after the other keep
    /// their order.
    ///
    /// A rewritten row keeps its position, number, time, actor, and whether it governs. Its revision grows by one, and `revised` is the position
    /// of the change's first event.
    ///
    /// # Errors
    /// - [`StoreError::Stale`] when an event that governs stands in the log after `decided_at`. Other events do not make a change stale.
    /// - [`StoreError::Conflict`] when an expectation does not hold. Staleness is checked first, then the revisions of rewritten rows, then the
    ///   writes in their order.
    /// - [`StoreError::Backend`] with a [`Malformed`] for what [`Change::check`] refuses.
    /// - [`StoreError::Unavailable`] when it could not be tried, for instance because too much is waiting.
    async fn commit(&self, change: Change) -> Result<Committed, StoreError>;

    /// What decisions about sessions need, of each: its log's end, the last position that governs, and governed records of the session by their
    /// keys. `None` where there is no record; an unknown session has head 0.
    ///
    /// All that is said of a session held at once, when its log ended at the returned head. With [`Freshness::Cached`]
    /// that may be a while ago; with [`Freshness::Fresh`] it includes everything committed before the call, by any process.
    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError>;

    /// Parts of logs, each ascending and without a hole. A range beyond the end gives what there is of it. Costs what it
    /// returns, at any depth.
    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError>;

    /// Single records by their keys; `None` where there is none.
    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError>;

    /// Records under prefixes of keys, in the order of the keys. A scan costs what it leaves out by [`Scan::skip`] and what it
    /// returns, wherever [`Scan::after`] lies. It has fewer entries than [`Scan::limit`] only where the records under the prefix end. A
    /// record that cannot be read is left out and logged, unless [`Scan::shows_unreadable`] asks for it.
    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError>;

    /// The number of records under prefixes of keys. Costs what it counts.
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
