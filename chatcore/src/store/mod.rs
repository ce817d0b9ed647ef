//! The trait behind which everything durable lives, and the in-memory implementation.

mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod memory;
mod profile;
mod query;

use std::sync::Arc;

use async_trait::async_trait;

pub use change::{Change, ClientIdClaim, Committed, ParticipantRecord, Write};
pub use error::{Conflicting, StoreError};
pub use memory::MemoryStore;
pub use profile::{ProfilePart, ProfileRecord};
pub use query::{FactsQuery, Freshness, Head, LogRange, ParticipantsQuery, PublicSessions, SessionFacts, Slice};

use crate::model::{Event, Session, SessionId, UserId};

/// Where sessions live.
///
/// # Contract
/// **The log is the lock.** A session's log holds its events at positions 1, 2, 3… without a hole. [`commit`]
/// appends and writes in one transaction or not at all, whatever else happens at the same time in this process or
/// in another one. Two changes of one session can only succeed one after the other.
///
/// **Durability.** When `commit` returns `Ok`, the change survives the end of the process, unless the store says in
/// its documentation that it keeps nothing. When it returns an error other than [`StoreError::OutcomeUnknown`],
/// nothing was changed.
///
/// **Cancellation.** A caller may drop the future of any method at any time. A dropped `commit` has then happened
/// as a whole or not at all.
///
/// **Reads** return what was committed when they were called, or later; each answers from one consistent state
/// of a session. They hold no locks that writers wait for. A read that takes several queries gives one answer for each, in
/// the same order, whether or not a session stands there more than once; the states of two sessions need not be from the
/// same time. It asks whatever is behind the store a number of times that does not grow with the number of queries.
///
/// **Lists** are sorted by the ids of their entries. A part of a list costs what it leaves out by [`Slice::skip`] and what it
/// returns, wherever [`Slice::after`] lies. It has fewer entries than [`Slice::limit`] only where the list ends.
///
/// [`conformance`](crate::store) (feature `conformance`) is a test suite of all of this.
///
/// [`commit`]: Self::commit
#[async_trait]
pub trait ChatStore: Send + Sync + 'static {
    /// Appends a change's events at the next positions of its session's log and applies its writes.
    ///
    /// The store numbers the events: `seq` goes on from the log's end, `number` grows by one with every event for
    /// which [`crate::model::EventKind::is_message`] holds, and `created_at` is raised to the previous event's where
    /// it is lower. Changes of one session that one task commits one after the other keep their order.
    ///
    /// # Errors
    /// - [`StoreError::Stale`] when an event stands in the log after `decided_at` that governs: a governance event, or the
    ///   last event of a change that replaced records ([`Change::governs_at`]). Other events do not make a change stale.
    /// - [`StoreError::Conflict`] when a precondition does not hold. Staleness is looked for first.
    /// - [`StoreError::Unavailable`] when it could not be tried, for instance because too much is waiting.
    async fn commit(&self, change: Change) -> Result<Committed, StoreError>;

    /// What decisions about sessions need, of each: the session, its log's end, and the records of the named users, in the
    /// order in which they were named. `None` where there are none; an unknown session has head 0.
    ///
    /// All that is said of a session held at once, when its log ended at the returned head. With [`Freshness::Cached`]
    /// that may be a while ago; with [`Freshness::Fresh`] it includes everything committed before the call, by any process.
    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError>;

    /// Parts of logs, each ascending and without a hole. A range beyond the end gives what there is of it. Costs what it
    /// returns, at any depth.
    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError>;

    /// The active participants of sessions, each list by [`ParticipantRecord::id`] from the lowest to the highest, so in the order in which they came.
    async fn participants(&self, queries: &[ParticipantsQuery]) -> Result<Vec<Vec<ParticipantRecord>>, StoreError>;

    /// The sessions that are not deleted and in which the user is active, by [`Session::id`] from the highest to the lowest,
    /// so newest first, with their logs' ends.
    async fn sessions_of(&self, user: &UserId, slice: Slice<SessionId>) -> Result<Vec<(Session, Head)>, StoreError>;

    /// The sessions that the user could join: public, not deleted, not full, and without the user. Sorted as
    /// [`sessions_of`](Self::sessions_of), with their logs' ends, and how many there are in all, before and after the part.
    async fn public_sessions(&self, user: &UserId, slice: Slice<SessionId>) -> Result<PublicSessions, StoreError>;

    /// The profiles of the named users, in the same order; `None` for a user of whom none was put.
    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Option<ProfileRecord>>, StoreError>;

    /// Replaces a profile as a whole, if the stored one has the version before [`ProfileRecord::version`]; a profile of
    /// version 1 is put where there is none. Returns whether it was put; where it was not, nothing is changed. Of two
    /// callers in any processes who have read the same version, one succeeds, and the other one reads again: so neither
    /// overwrites what the other one knew.
    async fn put_profile(&self, profile: ProfileRecord) -> Result<bool, StoreError>;
}

/// A shared store is a store, so that whoever made it can keep a handle, for instance to close it.
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

    async fn participants(&self, queries: &[ParticipantsQuery]) -> Result<Vec<Vec<ParticipantRecord>>, StoreError> {
        (**self).participants(queries).await
    }

    async fn sessions_of(&self, user: &UserId, slice: Slice<SessionId>) -> Result<Vec<(Session, Head)>, StoreError> {
        (**self).sessions_of(user, slice).await
    }

    async fn public_sessions(&self, user: &UserId, slice: Slice<SessionId>) -> Result<PublicSessions, StoreError> {
        (**self).public_sessions(user, slice).await
    }

    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Option<ProfileRecord>>, StoreError> {
        (**self).profiles(users).await
    }

    async fn put_profile(&self, profile: ProfileRecord) -> Result<bool, StoreError> {
        (**self).put_profile(profile).await
    }
}
