//! Time and ids, injected so that a test can be exact.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::watch;
use uuid::Uuid;

/// The longest sleep after which a clock is looked at again, because a clock may jump while the machine sleeps.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);

/// Where the time and new ids come from. The core takes every time that it stores, shows or compares from here. It measures
/// only pauses (of polls, pings and retries) by the runtime's own timer.
///
/// # Contract
/// Ids never repeat, in this process or another. Times are those of the wall clock; they may jump.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;

    /// A new id, sortable by the time at which it was made.
    fn new_id(&self) -> Uuid;

    /// Waits until this clock shows the time or a later one. Dropping the future ends the wait.
    ///
    /// This body is for a clock that goes as fast as the runtime's timer. A clock that stands still or is moved by hand has its
    /// own; [`TestClock`] is one.
    fn reaches(&self, time: DateTime<Utc>) -> BoxFuture<'_, ()> {
        async move {
            while let Some(left) = (time - self.now()).to_std().ok().filter(|left| !left.is_zero()) {
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            }
        }
        .boxed()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> DateTime<Utc> {
        (**self).now()
    }

    fn new_id(&self) -> Uuid {
        (**self).new_id()
    }

    fn reaches(&self, time: DateTime<Utc>) -> BoxFuture<'_, ()> {
        (**self).reaches(time)
    }
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

/// A clock for tests: it stands still until the test moves it. What waits for a time goes on when the clock is moved there.
///
/// Ids are UUIDv7 of the clock's time, numbered in the order in which they are made, so the same test makes the same ids.
/// Clones share time and ids. All chats on one store need clones of one clock: two separate clocks make the same ids.
#[derive(Clone)]
pub struct TestClock {
    now: Arc<watch::Sender<DateTime<Utc>>>,
    ids: Arc<AtomicU64>,
}

impl TestClock {
    /// A clock that shows this time, to the microsecond.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self { now: Arc::new(watch::Sender::new(time.trunc_subsecs(6))), ids: Arc::default() }
    }

    /// Moves the clock to a time, which may be earlier than the one that it shows.
    pub fn set(&self, time: DateTime<Utc>) {
        self.now.send_replace(time.trunc_subsecs(6));
    }

    /// Moves the clock on, or back by a negative difference. It stays where it is if no such time can be represented.
    pub fn advance(&self, by: TimeDelta) {
        self.now.send_modify(|now| *now = now.checked_add_signed(by).unwrap_or(*now));
    }
}

impl Default for TestClock {
    /// A clock that shows 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default())
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestClock").field(&self.now()).finish()
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.borrow()
    }

    fn new_id(&self) -> Uuid {
        let number = self.ids.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut rest = [0; 10];
        for (to, from) in rest.iter_mut().skip(2).zip(number) {
            *to = from;
        }
        let millis = u64::try_from(self.now().timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }

    fn reaches(&self, time: DateTime<Utc>) -> BoxFuture<'_, ()> {
        let mut moves = self.now.subscribe();
        async move {
            // It fails only once the clock is gone, and the clock is borrowed meanwhile.
            let _ = moves.wait_for(|now| *now >= time).await;
        }
        .boxed()
    }
}
