//! Times to wait for.

use std::time::Duration;

use tokio::time::{Instant, Interval, interval_at, sleep_until};

/// The time after so long; `None` where that is further than can be counted.
pub(crate) fn in_time(left: Duration) -> Option<Instant> {
    Instant::now().checked_add(left)
}

/// Again and again, the first time after one period. An interval is neither empty nor endless.
pub(crate) fn every(period: Duration) -> Interval {
    let period = period.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
    interval_at(Instant::now() + period, period)
}

/// Done at a time, or never.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Done at the next tick, or never.
pub(crate) async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
