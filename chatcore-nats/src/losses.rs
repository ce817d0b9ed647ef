//! Says that hints are lost, and not once for each of them.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The shortest time between two lines of the log that say the same.
pub(crate) const QUIET: Duration = Duration::from_secs(10);

/// Hints that could not be sent.
#[derive(Debug, Default)]
pub(crate) struct Losses(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    total: u64,
    unsaid: u64,
    said_at: Option<Instant>,
}

impl Losses {
    /// Counts one, and logs it unless something was logged a moment ago.
    pub(crate) fn note(&self, reason: &dyn std::fmt::Display) {
        if let Some(lost) = self.count(Instant::now()) {
            tracing::warn!(lost, %reason, "hints did not go out; other processes find what was committed by polling");
        }
    }

    /// All of them so far.
    pub(crate) fn total(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// How many to speak of now, if at all.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.total += 1;
        counted.unsaid += 1;
        if counted.said_at.is_some_and(|at| now.saturating_duration_since(at) < QUIET) {
            return None;
        }
        counted.said_at = Some(now);
        Some(std::mem::take(&mut counted.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_losses_is_a_few_lines_that_count_them_all() {
        let (losses, began) = (Losses::default(), Instant::now());
        let said: Vec<_> = (0..25_000_u64).filter_map(|n| losses.count(began + Duration::from_millis(n))).collect();
        assert_eq!(said, [1, 10_000, 10_000]);
        assert_eq!(losses.total(), 25_000);
    }
}
