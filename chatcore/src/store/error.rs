//! Errors of stores.

use super::{Key, Record};
use crate::model::Seq;

/// An error of a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The log has a governance event after the position of the decision: decide again.
    #[error("the change was decided on facts that are no longer the latest")]
    Stale,
    /// An expectation does not hold.
    #[error("an expectation does not hold: {found}")]
    Conflict {
        /// The conflicting state.
        found: Conflicting,
    },
    /// The outcome of the change is unknown.
    #[error("it is not known whether the change was made")]
    OutcomeUnknown,
    /// The store could not try the operation; nothing was changed. A retry may succeed.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The stored data cannot come from this store.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The database failed; nothing was changed.
    #[error("the database failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The state that conflicts with an expectation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Conflicting {
    /// A record of another version, or no record.
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
        /// The revision of the event; 0 without an event.
        revision: u64,
    },
}
