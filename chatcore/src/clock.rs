//! Time and ids, injected so that a test can be exact.

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

/// Where the time and new ids come from.
///
/// # Contract
/// Ids never repeat, in this process or another. Times are those of the wall clock; they may jump.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;

    /// A new id, sortable by the time at which it was made.
    fn new_id(&self) -> Uuid;
}

/// The machine's clock, and UUIDv7 (RFC 9562).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        // Microseconds survive every store and every transport.
        Utc::now().trunc_subsecs(6)
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
