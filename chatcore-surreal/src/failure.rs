//! What the database fails with, as far as it makes a difference.

use chatcore::StoreError;
use surrealdb::types::{Error, ErrorDetails, QueryError};

/// Why a statement was not executed, or may not have been.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody else wrote one of the records first. Nothing was changed.
    Lost,
    /// The store was closed before. Nothing was tried.
    Closed,
    /// No answer came in time; it may still happen.
    Silent,
    /// It broke off at a point at which it may have happened.
    Unclear(Error),
    /// It was refused, or failed. Nothing should have changed.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.details() {
            ErrorDetails::AlreadyExists(_) | ErrorDetails::Query(Some(QueryError::TransactionConflict)) => {
                return Self::Lost;
            }
            ErrorDetails::Connection(_) => return Self::Unclear(error),
            _ => {}
        }
        // Not every engine types these.
        let text = error.message();
        if text.contains("commit outcome is unknown") {
            Self::Unclear(error)
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
            Failure::Unclear(error) | Failure::Failed(error) => Self::Backend(Box::new(error)),
        }
    }
}
