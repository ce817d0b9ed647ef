//! Times to wait for.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The time after so long; `None` where that is further than can be counted.
pub(crate) fn in_time(left: Duration) -> Option<Instant> {
    Instant::now().checked_add(left)
}

/// Done at a time, or never.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
