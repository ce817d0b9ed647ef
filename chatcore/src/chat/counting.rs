//! Counts for the statistics of the administration. A process adds up in memory and writes its sums every few seconds, so that a send still
//! writes one row.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use tokio::{runtime::Handle, time::sleep};

use super::{
    Chat,
    stream::task::{Kind, Task},
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    model::{Event, EventKind, SessionEvent},
    store::{Change, ChatStore, ChatStoreExt as _, Counters, Expect, StoreError, TypedKey as _, Write, WriteKind},
};

/// How often sums are written. A process that is killed loses the sums since the last time.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// The day of a total.
const TOTAL: u64 = 0;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    /// Users who were seen for the first time.
    Users,
    /// Sessions that were made.
    Sessions,
    /// Sessions that were deleted.
    SessionsDeleted,
    /// Messages that were sent.
    Messages,
}

impl Counted {
    /// The name in the store.
    const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Sessions => "sessions",
            Self::SessionsDeleted => "sessions_deleted",
            Self::Messages => "messages",
        }
    }

    fn on(self, day: u64) -> Counters {
        Counters { name: self.name().to_owned(), day }
    }

    /// What an event counts as, and how often: a session that is restored is one deletion less.
    const fn of(kind: &EventKind) -> Option<(Self, i64)> {
        match kind {
            EventKind::Session(SessionEvent::Created { .. }) => Some((Self::Sessions, 1)),
            EventKind::Session(SessionEvent::Deleted) => Some((Self::SessionsDeleted, 1)),
            EventKind::Session(SessionEvent::Restored) => Some((Self::SessionsDeleted, -1)),
            kind if kind.is_message() => Some((Self::Messages, 1)),
            EventKind::Session(_) | EventKind::Participant(_) | EventKind::Message(_) | EventKind::Unknown => None,
        }
    }
}

/// The days since the Unix epoch, in UTC.
fn day(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp().div_euclid(86_400)).unwrap_or_default().max(1)
}

type Sums = BTreeMap<(Counted, u64), i64>;

/// Sums that are not written yet.
#[derive(Clone)]
pub(in crate::chat) struct Counts(Arc<Shared>);

struct Shared {
    store: Arc<dyn ChatStore>,
    clock: Arc<dyn Clock>,
    /// Nothing is counted where nobody looks.
    is_on: AtomicBool,
    sums: Mutex<Sums>,
    /// One write at a time, so that a reader who flushes waits for the sums that are on their way.
    writing: tokio::sync::Mutex<()>,
    kind: Kind,
    writer: Mutex<Option<Task>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counts {
    pub(in crate::chat) fn new(store: Arc<dyn ChatStore>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            store,
            clock,
            is_on: AtomicBool::new(false),
            sums: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            kind: Kind::new("writer of counts"),
            writer: Mutex::default(),
        }))
    }

    pub(in crate::chat) fn add(&self, counted: Counted, number: i64) {
        if number == 0 || !self.0.is_on.load(Ordering::Relaxed) {
            return;
        }
        *locked(&self.0.sums).entry((counted, day(self.0.clock.now()))).or_default() += number;
        self.keep_writing();
    }

    /// Starts the writer where none runs.
    fn keep_writing(&self) {
        if Handle::try_current().is_err() {
            return;
        }
        let mut writer = locked(&self.0.writer);
        if !writer.as_ref().is_some_and(Task::runs) {
            let shared = Arc::downgrade(&self.0);
            *writer = Some(Task::spawn(&self.0.kind, FLUSH_EVERY, move || write(Weak::clone(&shared))));
        }
    }
}

impl Shared {
    /// Writes the sums. Those of an attempt that changed nothing are kept for the next one.
    async fn flush(&self) -> Result<()> {
        let _writing = self.writing.lock().await;
        let sums = std::mem::take(&mut *locked(&self.sums));
        if sums.is_empty() {
            return Ok(());
        }
        let mut adds: BTreeMap<(Counted, u64), i64> = sums.clone();
        for ((counted, _), sum) in &sums {
            *adds.entry((*counted, TOTAL)).or_default() += sum;
        }
        let add = |((counted, day), sum): ((Counted, u64), i64)| Write {
            key: counted.on(day).key(),
            expect: Expect::Anything,
            kind: WriteKind::Add(sum),
        };
        match self.store.commit(Change::of_records(adds.into_iter().map(add).collect())).await {
            Ok(_) => Ok(()),
            // Written again, they could count twice.
            Err(error @ StoreError::OutcomeUnknown) => Err(error.into()),
            Err(error) => {
                let mut kept = locked(&self.sums);
                for (key, sum) in sums {
                    *kept.entry(key).or_default() += sum;
                }
                Err(error.into())
            }
        }
    }
}

/// Writes sums from time to time.
async fn write(shared: Weak<Shared>) {
    loop {
        sleep(FLUSH_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        if let Err(error) = shared.flush().await {
            tracing::warn!(%error, "the counts of the statistics are not written; trying again");
        }
    }
}

impl Chat {
    /// Counts from now on.
    pub(crate) fn begin_counting(&self) {
        self.inner.counts.0.is_on.store(true, Ordering::Relaxed);
    }

    /// Counts what was committed.
    pub(in crate::chat) fn count(&self, events: &[Arc<Event>]) {
        for (counted, number) in events.iter().filter_map(|event| Counted::of(&event.kind)) {
            self.inner.counts.add(counted, number);
        }
    }

    /// Counts a user whose profile was made.
    #[cfg(feature = "accounts")]
    pub(crate) fn count_user(&self) {
        self.inner.counts.add(Counted::Users, 1);
    }

    /// Writes the counts that this process has added up.
    pub(crate) async fn flush_counts(&self) -> Result<()> {
        // Not within the call: sums that are taken out must come back, or be written, also where the caller drops the future.
        let shared = Arc::clone(&self.inner.counts.0);
        let flushed = tokio::spawn(async move { shared.flush().await });
        flushed.await.map_err(|_| Error::Internal)?
    }

    /// The totals, and then the counts of each day, the last day first.
    pub(crate) async fn counts(&self, days: u64) -> Result<Vec<(Option<NaiveDate>, BTreeMap<Counted, u64>)>> {
        const ALL: [Counted; 4] = [Counted::Users, Counted::Sessions, Counted::SessionsDeleted, Counted::Messages];
        let today = day(self.inner.clock.now());
        let places: Vec<u64> = std::iter::once(TOTAL).chain((0..days).map(|ago| today.saturating_sub(ago))).collect();
        let keys: Vec<Counters> = places.iter().flat_map(|day| ALL.map(|counted| counted.on(*day))).collect();
        let mut found = self.inner.store.get_all(&keys).await?.into_iter();
        let of_day = |day: u64| {
            let count = |counted: Counted| {
                let count = found.next().flatten().map_or(0, |found| found.value.0);
                (counted, u64::try_from(count).unwrap_or_default())
            };
            let counts = ALL.map(count).into();
            let date = i64::try_from(day).ok().filter(|_| day != TOTAL);
            let date = date.and_then(|day| DateTime::from_timestamp(day.checked_mul(86_400)?, 0));
            (date.map(|date| date.date_naive()), counts)
        };
        Ok(places.into_iter().map(of_day).collect())
    }
}
