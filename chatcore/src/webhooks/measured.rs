//! Metrics of deliveries.

use chrono::{DateTime, Utc};

use super::deliver::Tried;
use crate::metrics::{Counter, Histogram, WEBHOOK_ATTEMPTS, WEBHOOK_DEAD_LETTERS, WEBHOOK_LAG};

/// The handles, of the recorder that there was when the webhooks were made.
pub(super) struct Measured {
    delivered: Counter,
    failed: Counter,
    gone: Counter,
    dead_letters: Counter,
    lag: Histogram,
}

impl Measured {
    pub(super) fn new() -> Self {
        let result = |result| WEBHOOK_ATTEMPTS.with([result]);
        Self {
            delivered: result("delivered"),
            failed: result("failed"),
            gone: result("gone"),
            dead_letters: WEBHOOK_DEAD_LETTERS.handle(),
            lag: WEBHOOK_LAG.handle(),
        }
    }

    /// Counts an attempt to deliver an event of this time.
    pub(super) fn attempt(&self, tried: &Tried, created_at: DateTime<Utc>, now: DateTime<Utc>) {
        match tried {
            Tried::Delivered => {
                self.delivered.increment(1);
                self.lag.record((now - created_at).to_std().unwrap_or_default().as_secs_f64());
            }
            Tried::Failed(..) => self.failed.increment(1),
            Tried::Gone(_) => self.gone.increment(1),
        }
    }

    /// Counts an event that was given up.
    pub(super) fn gave_up(&self) {
        self.dead_letters.increment(1);
    }
}
