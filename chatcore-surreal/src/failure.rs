//! What the database fails with, as far as it makes a difference.

use chatcore::StoreError;
use surrealdb::types::{Error, ErrorDetails, NotAllowedError, QueryError};

/// Why a statement was not executed, or may not have been.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody else wrote one of the records first. Nothing was changed.
    Lost,
    /// The store was closed before. Nothing was tried.
    Closed,
    /// The database cannot be reached at present. Nothing was tried.
    Away,
    /// No answer came in time; it may still happen.
    Silent,
    /// The connection broke; it may have happened, or still happen.
    Broken(Error),
    /// It broke off at a point at which it may have happened.
    Unclear(Error),
    /// It was refused, or failed. Nothing should have changed.
    Failed(Error),
}

impl Failure {
    /// What an error means, from a database in this process or from a server.
    pub(crate) fn of(error: Error, is_remote: bool) -> Self {
        match error.details() {
            ErrorDetails::AlreadyExists(_) | ErrorDetails::Query(Some(QueryError::TransactionConflict)) => {
                return Self::Lost;
            }
            ErrorDetails::Connection(_) => return Self::Broken(error),
            // The sign-in does not hold any more; who connects again signs in again.
            ErrorDetails::NotAllowed(Some(NotAllowedError::Auth(_))) if is_remote => return Self::Away,
            _ => {}
        }
        // Not every engine types these.
        let text = error.message();
        if text.contains("commit outcome is unknown") {
            // A server that cannot tell can be asked again; a disk that failed cannot.
            if is_remote { Self::Broken(error) } else { Self::Unclear(error) }
        } else if text.contains("can be retried") || text.contains("Transaction retry required") {
            Self::Lost
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
            Failure::Closed => Self::Unavailable("the store is closed".to_owned()),
            Failure::Away => Self::Unavailable("the database cannot be reached at present".to_owned()),
            Failure::Broken(error) => Self::Unavailable(format!("the connection to the database broke: {error}")),
            Failure::Unclear(error) | Failure::Failed(error) => Self::Backend(Box::new(error)),
        }
    }
}
