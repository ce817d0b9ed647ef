//! The expiry of long-lived connections.

use std::{fmt, sync::Arc};

use chatcore::Clock;
use chrono::{DateTime, Utc};

/// The time at which a connection ends in any case: the end of its user's token, by the chat's clock.
#[derive(Clone)]
pub struct Expiry {
    at: DateTime<Utc>,
    clock: Arc<dyn Clock>,
}

impl Expiry {
    /// An expiry at a time of this clock.
    #[must_use]
    pub fn new(at: DateTime<Utc>, clock: Arc<dyn Clock>) -> Self {
        Self { at, clock }
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.at <= self.clock.now()
    }
}

impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expiry").field(&self.at).finish()
    }
}
