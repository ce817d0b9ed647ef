//! Tells the streams of all of a user's sessions into which sessions the user came.
//!
//! A commit of this process tells at once, and so does a hint of another process. What no hint told is found by one search for
//! all users of the process that have such a stream, from time to time.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, timeout},
};

use super::task::{Kind, Task, apart};
use crate::chat::read::lists::{Slice, sessions_of};
use crate::{
    error::{Error, Result},
    limits::Limits,
    model::{Event, SessionId, UserId},
    notify::{Hint, Notifier, Topic},
    store::{ChatStore, Head, StoreError},
};

/// Arrivals that wait for a stream; a stream that is further behind lists the user's sessions anew.
const WAITING: usize = 256;

/// Sessions that are listed with one call of the store.
const PAGE: u64 = 500;

/// The longest wait for a notifier's stream.
const LISTEN_WAIT: Duration = Duration::from_secs(5);

/// The search takes at most one part in so many of the time.
const SHARE: u32 = 20;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All sessions that a user is in, newest first, with the ends of their logs.
pub(in crate::chat) async fn memberships(
    store: &dyn ChatStore,
    user: &UserId,
) -> Result<Vec<(SessionId, Head)>, StoreError> {
    let mut all: Vec<(SessionId, Head)> = Vec::new();
    loop {
        let slice = Slice { after: all.last().map(|(id, _)| *id), ..Slice::first(PAGE) };
        let page = sessions_of(store, user, slice, |session| session.is_active).await?;
        let more = page.len() as u64 == PAGE;
        all.extend(page.into_iter().map(|(session, head)| (session.id, head)));
        if !more {
            return Ok(all);
        }
    }
}

/// The users of this process who have such a stream.
#[derive(Clone)]
pub(in crate::chat) struct Inboxes(Arc<Shared>);

struct Shared {
    store: Arc<dyn ChatStore>,
    notifier: Arc<dyn Notifier>,
    interval: Duration,
    /// How long until a notifier that gave no stream, or ended one, is asked again.
    listen_again: Duration,
    users: Mutex<HashMap<UserId, Weak<Bell>>>,
    searcher: Mutex<Option<Task>>,
    listening: Kind,
    searching: Kind,
}

/// What all streams of one user share.
struct Bell {
    user: UserId,
    /// A session, and whether the user made or joined it; `None` where any session may be new.
    arrivals: broadcast::Sender<Option<(SessionId, bool)>>,
    known: Mutex<Known>,
    /// Hears of arrivals through other processes.
    listener: tokio::sync::Mutex<Option<Task>>,
}

/// The sessions that the user's streams know of.
#[derive(Default)]
struct Known {
    /// As the last search or the first stream found them.
    found: Option<HashSet<SessionId>>,
    /// Those that commits of this process told of since the last search began.
    told: HashSet<SessionId>,
    /// Those that streams said the user is out of since the last search began.
    left: HashSet<SessionId>,
}

/// Tells a stream of arrivals.
pub(in crate::chat) struct Inbox {
    shared: Arc<Shared>,
    arrivals: broadcast::Receiver<Option<(SessionId, bool)>>,
    /// Held by all of the user's streams.
    bell: Option<Arc<Bell>>,
}

/// News for a stream.
pub(in crate::chat) enum Arrival {
    /// Somebody brought the user into this session, or another process did.
    Into(SessionId),
    /// The user made or joined this session.
    Own(SessionId),
    /// The user came into sessions that are not named: there were too many.
    Unknown,
}

impl Arrival {
    fn of(told: Option<(SessionId, bool)>) -> Self {
        match told {
            Some((session_id, true)) => Self::Own(session_id),
            Some((session_id, false)) => Self::Into(session_id),
            None => Self::Unknown,
        }
    }
}

impl Inboxes {
    pub(in crate::chat) fn new(store: Arc<dyn ChatStore>, notifier: Arc<dyn Notifier>, limits: &Limits) -> Self {
        // An interval is neither empty nor endless.
        let bounded = |interval: Duration| interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        let (interval, listen_again) = (bounded(limits.membership_interval), bounded(limits.poll_interval));
        let (users, searcher) = (Mutex::default(), Mutex::default());
        let (listening, searching) = (Kind::new("listener for arrivals"), Kind::new("search for memberships"));
        Self(Arc::new(Shared { store, notifier, interval, listen_again, users, searcher, listening, searching }))
    }

    /// One more stream of the user, of which there are only so many.
    pub(in crate::chat) fn open(&self, user: &UserId, limit: usize) -> Result<Inbox> {
        let inbox = {
            let mut users = locked(&self.0.users);
            let known = users.get(user).and_then(Weak::upgrade);
            // Not the strong count: the search and commits hold a bell for a moment, too.
            if known.as_ref().map_or(0, |bell| bell.arrivals.receiver_count()) >= limit {
                return Err(Error::LimitExceeded {
                    what: "the number of streams of all sessions",
                    limit: limit as u64,
                });
            }
            let bell = known.unwrap_or_else(|| {
                let arrivals = broadcast::Sender::new(WAITING);
                let bell = Arc::new(Bell {
                    user: user.clone(),
                    arrivals,
                    known: Mutex::default(),
                    listener: tokio::sync::Mutex::default(),
                });
                users.insert(user.clone(), Arc::downgrade(&bell));
                bell
            });
            Inbox { shared: Arc::clone(&self.0), arrivals: bell.arrivals.subscribe(), bell: Some(bell) }
        };
        self.0.keep_searching();
        Ok(inbox)
    }

    /// Tells the streams of the users whom events brought into a session.
    pub(in crate::chat) fn ring(&self, events: &[Arc<Event>]) {
        let came: Vec<_> = arrivals(events).collect();
        if came.is_empty() {
            return;
        }
        let users = locked(&self.0.users);
        for (user, (session_id, is_own)) in came {
            if let Some(bell) = users.get(user).and_then(Weak::upgrade) {
                locked(&bell.known).told.insert(session_id);
                // An error means that the last stream has just ended.
                let _ = bell.arrivals.send(Some((session_id, is_own)));
            }
        }
    }
}

impl Inbox {
    /// Begins to hear of arrivals through other processes, where nothing listens.
    pub(in crate::chat) async fn listen(&self) {
        let Some(bell) = &self.bell else { return };
        if bell.listener.try_lock().is_ok_and(|listener| listener.as_ref().is_some_and(Task::runs)) {
            return;
        }
        let (shared, bell) = (Arc::clone(&self.shared), Arc::clone(bell));
        // Without a runtime that goes on there is nothing to hear.
        let _ = apart(async move { shared.listen_for(&bell).await }).await;
    }

    /// Waits for an arrival.
    pub(in crate::chat) async fn arrival(&mut self) -> Arrival {
        self.shared.keep_searching();
        self.listen().await;
        match self.arrivals.recv().await {
            Ok(arrival) => Arrival::of(arrival),
            Err(broadcast::error::RecvError::Lagged(_)) => Arrival::Unknown,
            // Its sender is held by this very inbox.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// An arrival that waits.
    pub(in crate::chat) fn waiting(&mut self) -> Option<Arrival> {
        match self.arrivals.try_recv() {
            Ok(arrival) => Some(Arrival::of(arrival)),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Arrival::Unknown),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
        }
    }

    /// Says which sessions a stream found, so that a search tells only of others.
    pub(in crate::chat) fn found(&self, sessions: impl Iterator<Item = SessionId>) {
        if let Some(bell) = &self.bell {
            locked(&bell.known).found.get_or_insert_with(|| sessions.collect());
        }
    }

    /// Says that the user is out of a session, so that a search tells when the user is in it again.
    pub(in crate::chat) fn left(&self, session_id: SessionId) {
        if let Some(bell) = &self.bell {
            let mut known = locked(&bell.known);
            known.told.remove(&session_id);
            known.left.insert(session_id);
            if let Some(found) = &mut known.found {
                found.remove(&session_id);
            }
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Some(bell) = self.bell.take() {
            self.shared.forget(bell);
        }
    }
}

impl Bell {
    /// Tells of an arrival that a hint told. What this process committed was told already.
    fn hear(&self, session_id: SessionId, is_own: bool) {
        if locked(&self.known).told.insert(session_id) {
            let _ = self.arrivals.send(Some((session_id, is_own)));
        }
    }

    /// Looks for sessions that the user came into through other processes.
    async fn search(&self, store: &dyn ChatStore) -> Result<(), StoreError> {
        {
            let mut known = locked(&self.known);
            known.told.clear();
            known.left.clear();
        }
        let present: HashSet<SessionId> =
            memberships(store, &self.user).await?.into_iter().map(|(session_id, _)| session_id).collect();
        let mut known = locked(&self.known);
        let Known { found, told, left } = &mut *known;
        if let Some(found) = found {
            for session_id in present.iter().filter(|id| !found.contains(id) && !told.contains(id)) {
                let _ = self.arrivals.send(Some((*session_id, false)));
            }
        }
        *found = Some(present.union(told).filter(|id| !left.contains(id)).copied().collect());
        Ok(())
    }
}

/// Hears of a user's arrivals until the last stream of the user ends.
async fn listen(shared: Weak<Shared>, bell: Weak<Bell>, user: UserId, mut hints: BoxStream<'static, Hint>) {
    loop {
        let hint = hints.next().await;
        let Some(shared) = shared.upgrade() else { return };
        match hint {
            // A notifier that mixes users up must not tell one of another.
            Some(Hint::Arrived { user_id, session_id, is_own }) if user_id == user => {
                let Some(bell) = bell.upgrade() else { return };
                bell.hear(session_id, is_own);
                shared.forget(bell);
            }
            Some(
                Hint::Arrived { .. }
                | Hint::Revoked { .. }
                | Hint::Committed { .. }
                | Hint::Signal(_)
                | Hint::Notice(_)
                | Hint::Presence { .. },
            ) => {}
            // The notifier lost its connection. The search stands in meanwhile.
            None => {
                sleep(shared.listen_again).await;
                hints = shared.hints(&user).await;
            }
        }
    }
}

/// Searches for all users that have streams, until there are none.
async fn search(shared: Weak<Shared>) {
    let Some(mut pause) = shared.upgrade().map(|shared| shared.interval) else { return };
    loop {
        sleep(pause).await;
        let Some(shared) = shared.upgrade() else { return };
        let bells: Vec<Arc<Bell>> = {
            let mut users = locked(&shared.users);
            // The work of a stream that ended may have held its bell last.
            users.retain(|_, bell| bell.strong_count() > 0);
            let bells: Vec<_> = users.values().filter_map(Weak::upgrade).collect();
            if bells.is_empty() {
                // The next stream starts another one: it cannot register before `users` is free again.
                *locked(&shared.searcher) = None;
                return;
            }
            bells
        };
        let begun = Instant::now();
        for bell in bells {
            if let Err(error) = bell.search(&*shared.store).await {
                tracing::warn!(%error, "could not look for new sessions; trying again");
            }
            shared.forget(bell);
        }
        pause = shared.interval.max(begun.elapsed() * SHARE);
    }
}

/// Wakes streams when it is dropped with the task that has it. A task can end with its runtime, and the streams start another one.
struct Ended(Weak<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            let bells: Vec<_> = locked(&shared.users).values().filter_map(Weak::upgrade).collect();
            for bell in bells {
                let _ = bell.arrivals.send(None);
                shared.forget(bell);
            }
        }
    }
}

impl Shared {
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

    async fn listen_for(self: &Arc<Self>, bell: &Arc<Bell>) {
        let mut listener = bell.listener.lock().await;
        if listener.as_ref().is_some_and(Task::runs) {
            return;
        }
        let first = Mutex::new(Some(self.hints(&bell.user).await));
        let (shared, user, bell) = (Arc::downgrade(self), bell.user.clone(), Arc::downgrade(bell));
        *listener = Some(Task::spawn(&self.listening, self.listen_again, move || {
            let hints = locked(&first).take().unwrap_or_else(|| stream::empty().boxed());
            listen(Weak::clone(&shared), Weak::clone(&bell), user.clone(), hints)
        }));
    }

    /// Starts the search where none runs.
    fn keep_searching(self: &Arc<Self>) {
        let mut searcher = locked(&self.searcher);
        if !searcher.as_ref().is_some_and(Task::runs) {
            let shared = Arc::downgrade(self);
            let ended = Ended(Weak::clone(&shared));
            *searcher = Some(Task::spawn(&self.searching, self.interval, move || {
                let _ = &ended;
                search(Weak::clone(&shared))
            }));
        }
    }

    /// Gives a bell back, which may be the last to hold it.
    fn forget(&self, bell: Arc<Bell>) {
        let mut users = locked(&self.users);
        // Given back under the lock: of several that give it back at once, exactly one is the last.
        if let Some(last) = Arc::into_inner(bell) {
            // The next stream of the user makes a new entry.
            if users.get(&last.user).is_some_and(|kept| kept.strong_count() == 0) {
                users.remove(&last.user);
            }
            drop(users);
        }
    }
}

/// The users whom events brought into a session, each with the session, and whether the user made or joined it.
pub(in crate::chat) fn arrivals(events: &[Arc<Event>]) -> impl Iterator<Item = (&UserId, (SessionId, bool))> {
    events.iter().filter_map(|event| {
        let user = event.kind.admitted(&event.actor)?;
        Some((user, (event.session_id, *user == event.actor)))
    })
}

#[cfg(test)]
mod tests;
