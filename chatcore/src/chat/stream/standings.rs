//! The standings of callers: kept for a moment, so that a check costs no call of the store, and watched for open streams.
//!
//! A change by this process counts at once, and so does a hint of another process. Each change also stamps one record that all processes
//! share. So a poll reads that record, and the standings of all users that have streams only where it moved. The standing of
//! another user is read again when the kept one is older than `Limits::standing_age`.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use moka::sync::Cache;
use tokio::sync::{Notify, broadcast, watch};

use super::{
    login::Login,
    task::{Kind, Task},
};
use crate::chat::{
    blocks::{BlockedAt, blocks_of},
    decide::caller::{LoginClaims, check},
    read::profiles::is_younger,
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    identity::Principal,
    limits::Limits,
    model::{Signal, UserId, UserStanding},
    notify::Notifier,
    store::{
        ChatStore, ChatStoreExt as _, Counters, Expect, Found, Standings, StoreError, TypedKey as _, Version, Write,
        WriteKind,
    },
};

/// Standings kept in memory.
const KEPT: u64 = 100_000;

/// Counters of changes.
const COUNTERS: usize = 1_024;

/// Signals that wait for a connection of their user; one that is further behind misses the oldest.
const SIGNALS: usize = 4;

/// The longest wait of a connection for the hints.
const LISTEN_WAIT: Duration = Duration::from_millis(500);

/// The record that each change of a standing stamps.
fn changes() -> Counters {
    Counters { name: "standing_changes".to_owned(), day: 0 }
}

/// The write that belongs to each change of a standing, in the same commit.
pub(in crate::chat) fn counted() -> Write {
    Write { key: changes().key(), expect: Expect::Anything, kind: WriteKind::Add(1) }
}

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

/// The users whom a user has blocked.
#[derive(Debug)]
pub(super) struct Blocked {
    /// [`UserStanding::blocks_changed`] before they were read.
    changes: u64,
    pub(super) at: BlockedAt,
}

/// A standing as it was read.
#[derive(Debug, Clone, Default)]
pub(in crate::chat) struct Seen {
    pub(in crate::chat) standing: Arc<UserStanding>,
    /// `None` where there is no record yet.
    pub(in crate::chat) version: Option<Version>,
    begun: Begun,
    /// Known of users who have streams.
    pub(super) blocked: Option<Arc<Blocked>>,
}

impl Seen {
    fn of(found: Option<Found<UserStanding>>, begun: Begun) -> Self {
        match found {
            Some(Found { value, version, at: _ }) => {
                Self { standing: value, version: Some(version), begun, blocked: None }
            }
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
    listener: Mutex<Option<Task>>,
    /// Whether the notifier has been asked for the hints.
    listens: watch::Sender<bool>,
    /// Users whose standing was not read since they have a stream, or since it changed.
    unsure: Mutex<HashSet<UserId>>,
    /// A user became unsure.
    wake: Arc<Notify>,
    /// The time as of which the standings of all other users that have streams are known.
    polled_at: Mutex<Option<DateTime<Utc>>>,
}

/// A user who has streams.
struct Watched {
    user: UserId,
    seen: watch::Sender<Seen>,
    signals: broadcast::Sender<Arc<Signal>>,
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
            listener: Mutex::default(),
            listens: watch::Sender::new(false),
            unsure: Mutex::default(),
            wake: Arc::default(),
            polled_at: Mutex::default(),
        }))
    }

    /// A user's standing, as it was a moment ago.
    pub(in crate::chat) async fn get(&self, user: &UserId) -> Result<Seen> {
        let now = self.0.clock.now();
        match self.0.recent.get(user) {
            Some(seen) if is_younger(seen.begun.at, now, self.0.age) => Ok(seen),
            _ => match self.0.confirmed(user, now) {
                Some(seen) => Ok(seen),
                None => self.fresh(user).await,
            },
        }
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
                let signals = broadcast::Sender::new(SIGNALS);
                let watched = Arc::new(Watched { user: user.clone(), seen, signals });
                users.insert(user.clone(), Arc::downgrade(&watched));
                locked(&self.0.unsure).insert(user.clone());
                self.0.wake.notify_one();
                watched
            })
        };
        let seen = watched.seen.subscribe();
        let watch = Watch {
            shared: Arc::clone(&self.0),
            seen,
            watched: Some(watched),
            login: principal.into(),
            waiting: None,
            is_checked: false,
        };
        watch.keep();
        watch
    }
}

impl Shared {
    /// The standing of a user who has a stream, where the last poll found no change.
    fn confirmed(&self, user: &UserId, now: DateTime<Utc>) -> Option<Seen> {
        if !(*locked(&self.polled_at)).is_some_and(|polled_at| is_younger(polled_at, now, self.age)) {
            return None;
        }
        let watched = locked(&self.watched).get(user).and_then(Weak::upgrade)?;
        let seen = (!locked(&self.unsure).contains(user)).then(|| watched.seen.borrow().clone());
        self.let_go(watched);
        seen
    }

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
            self.recent.insert(user.clone(), Seen { blocked: None, ..seen.clone() });
        }
        let watched = locked(&self.watched).get(user).and_then(Weak::upgrade);
        if let Some(watched) = watched {
            watched.seen.send_if_modified(|known| {
                if is_older(known) {
                    return false;
                }
                let is_news = known.standing != seen.standing;
                let blocked = seen.blocked.clone().or_else(|| known.blocked.take());
                *known = Seen { blocked, ..seen.clone() };
                is_news
            });
            locked(&self.unsure).remove(user);
            self.let_go(watched);
        }
    }

    fn forget(&self, user: &UserId) {
        let mut changes = locked(&self.changes);
        changes.count(user);
        self.recent.invalidate(user);
        // Under the lock of the changes: a read that began before makes nothing sure.
        if locked(&self.watched).contains_key(user) {
            locked(&self.unsure).insert(user.clone());
        }
    }

    async fn read(&self, user: &UserId) -> Result<Seen> {
        let (since, begun) = (locked(&self.changes).of(user), self.begin());
        let seen = Seen::of(self.store.get(&Standings { user: user.clone() }).await?, begun);
        let seen = self.with_blocks(std::slice::from_ref(user), vec![seen]).await?.pop().unwrap_or_default();
        self.note(since, user, &seen);
        Ok(seen)
    }

    /// Whether the user has streams, and it is not known whom the user has blocked by this standing.
    fn lacks_blocks(&self, user: &UserId, standing: &UserStanding) -> bool {
        let Some(watched) = locked(&self.watched).get(user).and_then(Weak::upgrade) else { return false };
        let known = watched.seen.borrow().blocked.clone();
        self.let_go(watched);
        known.is_none_or(|known| known.changes != standing.blocks_changed)
    }

    /// Standings with the users' blocks where these have changed, in the same order.
    async fn with_blocks(&self, users: &[UserId], mut all: Vec<Seen>) -> Result<Vec<Seen>, StoreError> {
        let lacking = users.iter().zip(&mut all).filter(|(user, seen)| self.lacks_blocks(user, &seen.standing));
        let (names, lacking): (Vec<UserId>, Vec<&mut Seen>) = lacking.map(|(user, seen)| (user.clone(), seen)).unzip();
        for (seen, at) in lacking.into_iter().zip(blocks_of(&*self.store, &names).await?) {
            seen.blocked = Some(Arc::new(Blocked { changes: seen.standing.blocks_changed, at }));
        }
        Ok(all)
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
                locked(&self.unsure).remove(&last.user);
            }
            drop(users);
        }
    }

    /// Gives a signal to all connections of its user.
    fn tell(&self, signal: Signal) {
        let Some(watched) = locked(&self.watched).get(signal.user_id()).and_then(Weak::upgrade) else { return };
        // An error means that no connection takes signals.
        let _ = watched.signals.send(Arc::new(signal));
        self.let_go(watched);
    }

    fn users(&self) -> Vec<Arc<Watched>> {
        locked(&self.watched).values().filter_map(Weak::upgrade).collect()
    }
}

/// Tells a stream when its caller's login ends.
pub(in crate::chat) struct Watch {
    shared: Arc<Shared>,
    seen: watch::Receiver<Seen>,
    /// Held by all of the user's streams.
    watched: Option<Arc<Watched>>,
    login: LoginClaims,
    waiting: Option<BoxFuture<'static, ()>>,
    /// The login was not over by the standing that was seen last.
    is_checked: bool,
}

impl Watch {
    /// Starts what may have ended with its runtime.
    fn keep(&self) {
        // The poll ends together with the listener, so it comes first.
        self.shared.keep_polling();
        self.shared.keep_listening();
    }

    /// Why the caller's login is over, where it is. A stream asks before each delivery, so this asks for no time while there is no news.
    pub(in crate::chat) fn over(&mut self) -> Option<Error> {
        // INVARIANT: only a change of the standing ends a login.
        if self.is_checked && !self.seen.has_changed().unwrap_or(true) {
            return None;
        }
        let standing = Arc::clone(&self.seen.borrow_and_update().standing);
        let over = check(&standing, self.login, self.shared.clock.now()).err();
        self.is_checked = over.is_none();
        over
    }

    /// The signals to all connections of the user from now on, once the process listens for them, or has waited for that long enough.
    pub(super) fn signals(&self) -> impl Future<Output = Option<broadcast::Receiver<Arc<Signal>>>> + Send + use<> {
        let signals = self.watched.as_ref().map(|watched| watched.signals.subscribe());
        let mut listens = self.shared.listens.subscribe();
        async move {
            // A notifier that does not answer must not keep the caller from connecting.
            drop(tokio::time::timeout(LISTEN_WAIT, listens.wait_for(|listens| *listens)).await);
            signals
        }
    }

    /// Reads whom the user has blocked, where that is not known in this process. What follows is known by the changes of the standing. The
    /// watch has to live until then.
    pub(in crate::chat) fn know_blocks(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let unknown = self.watched.clone().filter(|watched| watched.seen.borrow().blocked.is_none());
        let store = Arc::clone(&self.shared.store);
        async move {
            let Some(watched) = unknown else { return Ok(()) };
            let changes = watched.seen.borrow().standing.blocks_changed;
            let at = blocks_of(&*store, std::slice::from_ref(&watched.user)).await?.pop().unwrap_or_default();
            watched.seen.send_if_modified(|known| {
                known.blocked.get_or_insert_with(|| Arc::new(Blocked { changes, at }));
                false
            });
            Ok(())
        }
    }

    /// The login, for the reader's place at a tail.
    pub(in crate::chat) fn login(&self) -> Login {
        Login::new(self.seen.clone(), self.login)
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
            self.is_checked = false;
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

mod poll;

#[cfg(test)]
mod tests;
