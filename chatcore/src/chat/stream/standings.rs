//! The standings of callers: kept for a moment, so that a check costs no call of the store, and watched for open streams.
//!
//! A change by this process counts at once, and so does a hint of another process about a user who has a stream. What no hint told
//! is found by one query for all users of the process that have streams, from time to time, and for other users by the age of what
//! is kept.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use moka::sync::Cache;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    login::Login,
    task::{Kind, Task},
};
use crate::chat::{decide::caller::check, read::profiles::is_younger};
use crate::{
    clock::Clock,
    error::{Error, Result},
    identity::Principal,
    limits::Limits,
    model::{UserId, UserStanding},
    notify::{Hint, Notifier, Topic},
    store::{ChatStore, ChatStoreExt as _, Found, Standings, StoreError, Version},
};

/// Standings kept in memory.
const KEPT: u64 = 100_000;

/// Counters of changes.
const COUNTERS: usize = 1_024;

/// The longest wait for a notifier's stream.
const LISTEN_WAIT: Duration = Duration::from_secs(5);

/// The query for all users takes at most one part in so many of the time.
const SHARE: u32 = 10;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the changes that this process makes or hears of, so that what was read before a change is not kept after it. Users
/// share counters: a change of another user costs a read at the most.
#[derive(Clone)]
struct Changes(Vec<u64>);

impl Changes {
    fn place(&self, user: &UserId) -> usize {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.0.len().max(1) as u64).unwrap_or_default()
    }

    fn of(&self, user: &UserId) -> u64 {
        self.0.get(self.place(user)).copied().unwrap_or_default()
    }

    fn count(&mut self, user: &UserId) -> u64 {
        let place = self.place(user);
        self.0.get_mut(place).map_or(0, |count| {
            *count += 1;
            *count
        })
    }
}

/// When a read began.
#[derive(Debug, Clone, Copy, Default)]
struct Begun {
    at: DateTime<Utc>,
    /// The place among the reads of the process, from 1. A clock can be set back, and this cannot.
    number: u64,
}

/// A standing as it was read.
#[derive(Debug, Clone, Default)]
pub(in crate::chat) struct Seen {
    pub(in crate::chat) standing: Arc<UserStanding>,
    /// `None` where there is no record yet.
    pub(in crate::chat) version: Option<Version>,
    begun: Begun,
}

impl Seen {
    fn of(found: Option<Found<UserStanding>>, begun: Begun) -> Self {
        match found {
            Some(Found { value, version, at: _ }) => Self { standing: value, version: Some(version), begun },
            None => Self { begun, ..Self::default() },
        }
    }
}

/// The standings that this process knows.
#[derive(Clone)]
pub(in crate::chat) struct KnownStandings(Arc<Shared>);

struct Shared {
    store: Arc<dyn ChatStore>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    age: TimeDelta,
    interval: Duration,
    /// How long until a notifier that gave no stream, or ended one, is asked again.
    listen_again: Duration,
    recent: Cache<UserId, Seen>,
    /// How many reads began.
    reads: AtomicU64,
    changes: Mutex<Changes>,
    watched: Mutex<HashMap<UserId, Weak<Watched>>>,
    listening: Kind,
    polling: Kind,
    poller: Mutex<Option<Task>>,
}

/// A user who has streams.
struct Watched {
    user: UserId,
    seen: watch::Sender<Seen>,
    listener: Mutex<Option<Task>>,
}

impl KnownStandings {
    pub(in crate::chat) fn new(
        store: Arc<dyn ChatStore>,
        notifier: Arc<dyn Notifier>,
        clock: Arc<dyn Clock>,
        limits: &Limits,
    ) -> Self {
        // An interval is neither empty nor endless.
        let bounded = |interval: Duration| interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        let interval = bounded(limits.standing_age);
        Self(Arc::new(Shared {
            store,
            notifier,
            clock,
            age: TimeDelta::from_std(interval).unwrap_or(TimeDelta::zero()),
            interval,
            listen_again: bounded(limits.poll_interval),
            recent: Cache::new(KEPT),
            reads: AtomicU64::new(0),
            changes: Mutex::new(Changes(vec![0; COUNTERS])),
            watched: Mutex::default(),
            listening: Kind::new("listener for standings"),
            polling: Kind::new("poll of standings"),
            poller: Mutex::default(),
        }))
    }

    /// A user's standing, as it was a moment ago.
    pub(in crate::chat) async fn get(&self, user: &UserId) -> Result<Seen> {
        let now = self.0.clock.now();
        if let Some(seen) = self.0.recent.get(user)
            && is_younger(seen.begun.at, now, self.0.age)
        {
            return Ok(seen);
        }
        self.fresh(user).await
    }

    /// A user's standing, as old as it may be, where one is kept.
    pub(in crate::chat) fn known(&self, user: &UserId) -> Option<Seen> {
        self.0.recent.get(user)
    }

    /// A user's standing now.
    pub(in crate::chat) async fn fresh(&self, user: &UserId) -> Result<Seen> {
        self.0.read(user).await
    }

    /// Forgets a standing that was just written for the first time.
    pub(in crate::chat) fn forget(&self, user: &UserId) {
        self.0.forget(user);
    }

    /// Reads a standing that changed, and ends the streams that it ends.
    pub(in crate::chat) async fn changed(&self, user: &UserId) {
        self.0.read_again(user).await;
    }

    /// Watches the caller's standing.
    pub(in crate::chat) fn watch(&self, principal: &Principal) -> Watch {
        let user = &principal.user_id;
        let watched = {
            let mut users = locked(&self.0.watched);
            users.get(user).and_then(Weak::upgrade).unwrap_or_else(|| {
                let seen = watch::Sender::new(self.0.recent.get(user).unwrap_or_default());
                let watched = Arc::new(Watched { user: user.clone(), seen, listener: Mutex::default() });
                users.insert(user.clone(), Arc::downgrade(&watched));
                watched
            })
        };
        let seen = watched.seen.subscribe();
        // The parts of the caller that the check needs.
        let Principal { login_id, issued_at, .. } = *principal;
        let login = Arc::new(Principal { login_id, issued_at, ..Principal::new(user.clone()) });
        let watch = Watch { shared: Arc::clone(&self.0), seen, watched: Some(watched), login, waiting: None };
        watch.keep();
        watch
    }
}

impl Shared {
    /// Begins a read.
    fn begin(&self) -> Begun {
        Begun { at: self.clock.now(), number: self.reads.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// Keeps what was read, unless something changed since the read began, or a read that began later is kept: of two reads, the slower
    /// one may have begun before a change by another process.
    fn note(&self, since: u64, user: &UserId, seen: &Seen) {
        let changes = locked(&self.changes);
        if changes.of(user) != since {
            return;
        }
        let is_older = |than: &Seen| seen.begun.number < than.begun.number;
        if !self.recent.get(user).as_ref().is_some_and(is_older) {
            self.recent.insert(user.clone(), seen.clone());
        }
        let watched = locked(&self.watched).get(user).and_then(Weak::upgrade);
        if let Some(watched) = watched {
            watched.seen.send_if_modified(|known| {
                if is_older(known) {
                    return false;
                }
                let is_news = known.standing != seen.standing;
                *known = seen.clone();
                is_news
            });
            self.let_go(watched);
        }
    }

    fn forget(&self, user: &UserId) {
        locked(&self.changes).count(user);
        self.recent.invalidate(user);
    }

    async fn read(&self, user: &UserId) -> Result<Seen> {
        let (since, begun) = (locked(&self.changes).of(user), self.begin());
        let seen = Seen::of(self.store.get(&Standings { user: user.clone() }).await?, begun);
        self.note(since, user, &seen);
        Ok(seen)
    }

    async fn read_again(&self, user: &UserId) {
        self.forget(user);
        // What is kept is forgotten, so the next call reads it, and so does the poll.
        if let Err(error) = self.read(user).await {
            tracing::warn!(%error, "could not read a standing that changed; trying again");
        }
    }

    /// Gives a watched user back, who may have no stream any more.
    fn let_go(&self, watched: Arc<Watched>) {
        let mut users = locked(&self.watched);
        // Given back under the lock: of several that give it back at once, exactly one is the last.
        if let Some(last) = Arc::into_inner(watched) {
            // The next stream of the user makes a new entry.
            if users.get(&last.user).is_some_and(|kept| kept.strong_count() == 0) {
                users.remove(&last.user);
            }
            drop(users);
        }
    }

    /// Looks at the standings of all users that have streams.
    async fn look(&self, users: &[UserId]) {
        let (since, begun) = (locked(&self.changes).clone(), self.begin());
        let keys: Vec<Standings> = users.iter().map(|user| Standings { user: user.clone() }).collect();
        match self.store.get_all(&keys).await {
            Ok(found) => {
                for (user, found) in users.iter().zip(found) {
                    self.note(since.of(user), user, &Seen::of(found, begun));
                }
            }
            // One record that cannot be read must not hide the others.
            Err(StoreError::Corrupt(_)) if users.len() > 1 => {
                let (one, other) = users.split_at(users.len() / 2);
                Box::pin(self.look(one)).await;
                Box::pin(self.look(other)).await;
            }
            Err(error) => tracing::warn!(%error, "could not look at the standings of readers; trying again"),
        }
    }

    /// The hints about a user; none from a notifier that does not answer, which is then asked again.
    async fn hints(&self, user: &UserId) -> BoxStream<'static, Hint> {
        let topic = Topic::User(user.clone());
        let listening = AssertUnwindSafe(async { self.notifier.listen(topic).await }).catch_unwind();
        match timeout(LISTEN_WAIT, listening).await {
            Ok(Ok(hints)) => hints,
            Ok(Err(_)) => {
                tracing::error!("the notifier panicked; it is asked again");
                stream::empty().boxed()
            }
            Err(_) => stream::empty().boxed(),
        }
    }

    /// Begins to hear hints about a user, where nothing listens.
    fn keep_listening(self: &Arc<Self>, watched: &Watched) {
        let mut listener = locked(&watched.listener);
        if !listener.as_ref().is_some_and(Task::runs) {
            let (shared, user) = (Arc::downgrade(self), watched.user.clone());
            *listener = Some(Task::spawn(&self.listening, self.listen_again, move || {
                listen(Weak::clone(&shared), user.clone())
            }));
        }
    }

    fn users(&self) -> Vec<Arc<Watched>> {
        locked(&self.watched).values().filter_map(Weak::upgrade).collect()
    }

    /// Starts the poller where none runs.
    fn keep_polling(self: &Arc<Self>) {
        let mut poller = locked(&self.poller);
        if !poller.as_ref().is_some_and(Task::runs) {
            let shared = Arc::downgrade(self);
            let ended = Ended(Weak::clone(&shared));
            *poller = Some(Task::spawn(&self.polling, self.interval, move || {
                let _ = &ended;
                poll(Weak::clone(&shared))
            }));
        }
    }
}

/// Looks at the standings of all users that have streams, until there are none.
async fn poll(shared: Weak<Shared>) {
    let Some(mut pause) = shared.upgrade().map(|shared| shared.interval) else { return };
    loop {
        sleep(pause).await;
        let Some(shared) = shared.upgrade() else { return };
        let watched = {
            let mut poller = locked(&shared.poller);
            let watched = shared.users();
            if watched.is_empty() {
                // The next stream is registered first, and then finds no poller: it starts another one.
                *poller = None;
                return;
            }
            watched
        };
        let begun = Instant::now();
        let users: Vec<UserId> = watched.iter().map(|watched| watched.user.clone()).collect();
        watched.into_iter().for_each(|watched| shared.let_go(watched));
        shared.look(&users).await;
        pause = shared.interval.max(begun.elapsed() * SHARE);
    }
}

/// Wakes streams when it is dropped with the task that has it. A task can end with its runtime, and the streams start another one.
struct Ended(Weak<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            for watched in shared.users() {
                watched.seen.send_modify(|_| {});
                shared.let_go(watched);
            }
        }
    }
}

/// Hears of changes of a user's standing until the last stream of the user ends.
async fn listen(shared: Weak<Shared>, user: UserId) {
    loop {
        let Some(now) = shared.upgrade() else { return };
        let mut hints = now.hints(&user).await;
        // Listening begins before the look, so that nothing falls between.
        if let Err(error) = now.read(&user).await {
            tracing::warn!(%error, "could not look at the standing of a reader; trying again");
        }
        let pause = now.listen_again;
        drop(now);
        while let Some(hint) = hints.next().await {
            let Some(now) = shared.upgrade() else { return };
            match hint {
                // A notifier that mixes users up must not tell one of another.
                Hint::Revoked { user_id } if user_id == user => now.read_again(&user).await,
                Hint::Revoked { .. }
                | Hint::Arrived { .. }
                | Hint::Committed { .. }
                | Hint::Signal(_)
                | Hint::Notice(_)
                | Hint::Presence { .. } => {}
            }
        }
        // The notifier lost its connection. The poll stands in meanwhile.
        sleep(pause).await;
    }
}

/// Tells a stream when its caller's login ends.
pub(in crate::chat) struct Watch {
    shared: Arc<Shared>,
    seen: watch::Receiver<Seen>,
    /// Held by all of the user's streams.
    watched: Option<Arc<Watched>>,
    login: Arc<Principal>,
    waiting: Option<BoxFuture<'static, ()>>,
}

impl Watch {
    /// Starts what may have ended with its runtime.
    fn keep(&self) {
        if let Some(watched) = &self.watched {
            self.shared.keep_listening(watched);
        }
        self.shared.keep_polling();
    }

    /// Why the caller's login is over, where it is.
    pub(in crate::chat) fn over(&self) -> Option<Error> {
        let standing = Arc::clone(&self.seen.borrow().standing);
        check(&standing, &self.login, self.shared.clock.now()).err()
    }

    /// The login, for the reader's place at a tail.
    pub(in crate::chat) fn login(&self) -> Login {
        Login::new(self.seen.clone(), Arc::clone(&self.login))
    }

    /// Done when the login may be over.
    pub(in crate::chat) fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.waiting.is_none() {
                self.keep();
            }
            let Self { seen, waiting, .. } = self;
            let wait = waiting.get_or_insert_with(|| {
                let mut seen = seen.clone();
                async move { drop(seen.changed().await) }.boxed()
            });
            if wait.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
            self.waiting = None;
            self.seen.mark_unchanged();
            if self.over().is_some() {
                return Poll::Ready(());
            }
        }
    }

    /// Waits until the login is over, and says why.
    pub(in crate::chat) async fn ended(&mut self) -> Error {
        loop {
            if let Some(error) = self.over() {
                return error;
            }
            std::future::poll_fn(|context| self.poll_news(context)).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.waiting = None;
        if let Some(watched) = self.watched.take() {
            self.shared.let_go(watched);
        }
    }
}

#[cfg(test)]
mod tests;
