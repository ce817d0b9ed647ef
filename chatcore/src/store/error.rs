//! What a store can fail with.

use crate::model::Seq;

/// Why a store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A governance event stands after the position at which the change was decided: decide again.
    #[error("the change was decided on facts that are no longer the latest")]
    Stale,
    /// A precondition does not hold.
    #[error("a precondition does not hold: {which}")]
    Conflict {
        /// Which one.
        which: Conflicting,
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

/// A precondition that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflicting {
    /// The client id was used before by this user in this session.
    #[error("the client id was used by the change at position {seq}")]
    ClientId {
        /// The position of the first event of the change that claimed it. A send is a change of one event, so for a send
        /// this is the position of the message.
        seq: Seq,
        /// The fingerprint that it was claimed with.
        fingerprint: String,
    },
}
