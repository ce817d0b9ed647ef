//! What the database fails with, as far as it makes a difference.

use chatcore::StoreError;
use surrealdb::types::{Error, ErrorDetails, NotAllowedError, NotFoundError, QueryError};

/// Why a statement was not executed, or may not have been.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody else wrote one of the records first. Nothing was changed.
    Lost,
    /// The logs do not end where they did: the database was replaced by an older copy of itself. Nothing was changed.
    Behind,
    /// The store was closed before. Nothing was tried.
    Closed,
    /// The database cannot be reached at present. Nothing was tried.
    Away,
    /// No answer came in time; it may still happen.
    Silent,
    /// The connection broke; it may have happened, or still happen.
    Cut(Error),
    /// It broke off at a point at which it may have happened.
    Unclear(Error),
    /// It was refused, or failed. Nothing should have changed.
    Failed(Error),
    /// The engine could not write. It may have happened; see [`Disk`](crate::disk::Disk) for why nothing can be written or
    /// read after it.
    Broke(Error),
    /// That was before. Nothing was tried.
    Unwritable,
}

/// What a write throws that finds logs that do not end where they should; a macro, to stand within a statement.
macro_rules! behind {
    () => {
        "chatcore: behind"
    };
}
pub(crate) use behind;

/// What a write throws that finds records or rows of other versions than expected.
macro_rules! taken {
    () => {
        "chatcore: taken"
    };
}
pub(crate) use taken;

/// With what the storage of an embedded engine fails, other than by a conflict.
const BREAKING: [&str; 2] = ["There was a problem with a transaction", "There was a problem with the datastore"];

impl Failure {
    /// What an error means, from a database in this process or from a server.
    pub(crate) fn of(error: Error, is_remote: bool) -> Self {
        match error.details() {
            ErrorDetails::AlreadyExists(_) | ErrorDetails::Query(Some(QueryError::TransactionConflict)) => {
                return Self::Lost;
            }
            ErrorDetails::Connection(_) => return Self::Cut(error),
            // The commit of an embedded engine fails with this, whatever the cause. Its rows may be visible already.
            ErrorDetails::Query(Some(QueryError::NotExecuted)) if !is_remote => return Self::Broke(error),
            ErrorDetails::Thrown if error.message().contains(behind!()) => return Self::Behind,
            ErrorDetails::Thrown if error.message().contains(taken!()) => return Self::Lost,
            // The sign-in does not hold any more; who connects again signs in again.
            ErrorDetails::NotAllowed(Some(NotAllowedError::Auth(_))) if is_remote => return Self::Away,
            // The database was replaced by one without the schema, and the client has reached it by itself; who connects again
            // brings the schema up to date.
            ErrorDetails::NotFound(Some(
                NotFoundError::Table { .. } | NotFoundError::Database { .. } | NotFoundError::Namespace { .. },
            )) if is_remote => return Self::Away,
            _ => {}
        }
        // Not every engine types these.
        let text = error.message();
        if text.contains("commit outcome is unknown") {
            // A server that cannot tell can be asked again; a disk that failed cannot.
            if is_remote { Self::Cut(error) } else { Self::Unclear(error) }
        } else if text.contains("can be retried") || text.contains("Transaction retry required") {
            Self::Lost
        } else if BREAKING.iter().any(|breaking| text.contains(breaking)) {
            Self::Broke(error)
        } else {
            Self::Failed(error)
        }
    }
}

impl From<Failure> for StoreError {
    /// For what does not write, or was looked after.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost => Self::Unavailable("others were faster each time".to_owned()),
            Failure::Silent => Self::Unavailable("the database did not answer in time".to_owned()),
            Failure::Behind => Self::Stale,
            Failure::Closed => Self::Unavailable("the store is closed".to_owned()),
            Failure::Away => Self::Unavailable("the database cannot be reached at present".to_owned()),
            Failure::Cut(error) => Self::Unavailable(format!("the connection to the database broke: {error}")),
            Failure::Unwritable => {
                Self::Unavailable("the database could not write, and must be opened again".to_owned())
            }
            Failure::Unclear(error) | Failure::Failed(error) | Failure::Broke(error) => Self::Backend(Box::new(error)),
        }
    }
}
