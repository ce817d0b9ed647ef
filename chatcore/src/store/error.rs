//! What a store can fail with.

use super::{Key, Record};
use crate::model::Seq;

/// Why a store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An event that governs stands after the position at which the change was decided: decide again.
    #[error("the change was decided on facts that are no longer the latest")]
    Stale,
    /// An expectation does not hold.
    #[error("an expectation does not hold: {found}")]
    Conflict {
        /// What was found instead.
        found: Conflicting,
    },
    /// It is not known whether the change was made, and the store could not find out.
    #[error("it is not known whether the change was made")]
    OutcomeUnknown,
    /// It could not be tried; nothing was changed. Trying again may help.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// What was found cannot have been written by this store.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The database failed; nothing was changed.
    #[error("the database failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What was found where a change expected something else.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Conflicting {
    /// A record that another version wrote, or none.
    #[error("the record {key:?} is another one, or there is none")]
    Record {
        /// The key, as the change names it.
        key: Key,
        /// The record that was found.
        record: Option<Record>,
    },
    /// An event of another revision.
    #[error("the event at position {seq} has revision {revision}")]
    Row {
        /// The position.
        seq: Seq,
        /// Its revision; 0 where there is no event.
        revision: u64,
    },
}
