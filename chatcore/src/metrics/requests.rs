//! Requests by operation and class of status.

use std::{collections::HashMap, sync::Arc};

use super::{Counter, REQUESTS};

/// The operation of a request for what is no operation.
const OTHER: &str = "other";

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts the requests of one transport. A cheap clone counts at the same place.
#[derive(Debug, Clone)]
pub struct Requests(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    operations: HashMap<String, Classes>,
    other: Classes,
}

#[derive(Debug)]
struct Classes([Counter; CLASSES.len()]);

impl Classes {
    fn new(transport: &'static str, operation: &str) -> Self {
        Self(CLASSES.map(|class| REQUESTS.with([transport.to_owned(), operation.to_owned(), class.to_owned()])))
    }

    fn count(&self, status: u16) {
        // What is no status is a fault of the server's.
        let class = usize::from(status / 100).wrapping_sub(1).min(CLASSES.len() - 1);
        if let Some(counter) = self.0.get(class) {
            counter.increment(1);
        }
    }
}

impl Requests {
    /// The counters of a transport with these operations.
    pub fn new(transport: &'static str, operations: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let classes = |operation: String| {
            let classes = Classes::new(transport, &operation);
            (operation, classes)
        };
        let operations = operations.into_iter().map(|operation| classes(operation.into())).collect();
        Self(Arc::new(Handles { operations, other: Classes::new(transport, OTHER) }))
    }

    /// Counts a request by the status of its answer. An operation that was not named before counts as `other`, so a name that a client
    /// chooses makes no new series.
    pub fn count(&self, operation: Option<&str>, status: u16) {
        let Handles { operations, other } = &*self.0;
        operation.and_then(|operation| operations.get(operation)).unwrap_or(other).count(status);
    }
}
