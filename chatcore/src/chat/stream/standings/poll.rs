//! The tasks that find changes of standings: a poll, and a listener for hints of other processes.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Seen, Shared, changes, locked};
use crate::{
    chat::stream::task::Task,
    model::UserId,
    notify::{Hint, Topic},
    store::{ChatStoreExt as _, Standings, StoreError, Version},
};

/// The longest wait for a notifier's stream.
const LISTEN_WAIT: Duration = Duration::from_secs(5);

/// The query for all users takes at most one part in so many of the time.
const SHARE: u32 = 10;

/// The longest time between two looks at all users that have streams: a process of an earlier version does not count its changes.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A look at all users that have streams.
struct Look {
    /// The version of the record of changes, read before.
    counted: Option<Version>,
    at: Instant,
}

impl Shared {
    /// Looks at the standings of users that have streams; whether it saw all of them.
    async fn look(&self, users: &[UserId]) -> bool {
        let (since, begun) = (locked(&self.changes).clone(), self.begin());
        let keys: Vec<Standings> = users.iter().map(|user| Standings { user: user.clone() }).collect();
        let read = async {
            let found = self.store.get_all(&keys).await?;
            self.with_blocks(users, found.into_iter().map(|found| Seen::of(found, begun)).collect()).await
        };
        match read.await {
            Ok(found) => {
                for (user, seen) in users.iter().zip(found) {
                    self.note(since.of(user), user, &seen);
                }
                true
            }
            // One record that cannot be read must not hide the others.
            Err(StoreError::Corrupt(_)) if users.len() > 1 => {
                let (one, other) = users.split_at(users.len() / 2);
                let saw_one = Box::pin(self.look(one)).await;
                Box::pin(self.look(other)).await && saw_one
            }
            Err(error) => {
                tracing::warn!(%error, "could not look at the standings of readers; trying again");
                false
            }
        }
    }

    /// Looks at all users where a standing changed since the last look at all, and else at those whose standing is not sure. Returns the
    /// last look at all, or `None` where there is one to make.
    async fn look_for_changes(&self, all: &[UserId], last: Option<Look>) -> Option<Look> {
        let (at, now) = (Instant::now(), self.clock.now());
        // A change between this read and the look is looked at once more.
        let counted = match self.store.get(&changes()).await {
            Ok(found) => found.map(|found| found.version),
            Err(error) => {
                tracing::warn!(%error, "could not look for changes of standings; trying again");
                // The standings may be readable.
                self.look(all).await;
                return None;
            }
        };
        let last = last.filter(|last| last.counted == counted && at.duration_since(last.at) < LOOK_EVERY);
        let saw_all = if last.is_some() { self.look_again().await } else { self.look(all).await };
        if saw_all {
            *locked(&self.polled_at) = Some(now);
        }
        saw_all.then(|| last.unwrap_or(Look { counted, at }))
    }

    /// Looks at the users whose standing is not sure.
    async fn look_again(&self) -> bool {
        let users: Vec<UserId> = locked(&self.unsure).iter().cloned().collect();
        users.is_empty() || self.look(&users).await
    }

    /// Has all users that have streams looked at.
    fn doubt_all(&self) {
        let watched = locked(&self.watched);
        locked(&self.unsure).extend(watched.keys().cloned());
        drop(watched);
        self.wake.notify_one();
    }

    /// The hints about standings; none from a notifier that does not answer, which is then asked again.
    async fn hints(&self) -> BoxStream<'static, Hint> {
        let listening = AssertUnwindSafe(async { self.notifier.listen(Topic::Standings).await }).catch_unwind();
        match timeout(LISTEN_WAIT, listening).await {
            Ok(Ok(hints)) => hints,
            Ok(Err(_)) => {
                tracing::error!("the notifier panicked; it is asked again");
                stream::empty().boxed()
            }
            Err(_) => stream::empty().boxed(),
        }
    }

    /// Begins to hear hints, where nothing listens.
    pub(super) fn keep_listening(self: &Arc<Self>) {
        let mut listener = locked(&self.listener);
        if !listener.as_ref().is_some_and(Task::runs) {
            self.listens.send_replace(false);
            let shared = Arc::downgrade(self);
            *listener = Some(Task::spawn(&self.listening, self.listen_again, move || listen(Weak::clone(&shared))));
        }
    }

    fn is_watched(&self, user: &UserId) -> bool {
        locked(&self.watched).get(user).is_some_and(|watched| watched.strong_count() > 0)
    }

    /// Starts the poller where none runs.
    pub(super) fn keep_polling(self: &Arc<Self>) {
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

/// Looks at the standings of the users that have streams, until there are none.
async fn poll(shared: Weak<Shared>) {
    let Some((interval, wake)) = shared.upgrade().map(|shared| (shared.interval, Arc::clone(&shared.wake))) else {
        return;
    };
    let mut last: Option<Look> = None;
    let mut due = Instant::now() + interval;
    loop {
        let is_due = timeout_at(due, wake.notified()).await.is_err() || Instant::now() >= due;
        let Some(shared) = shared.upgrade() else { return };
        if !is_due {
            shared.look_again().await;
            continue;
        }
        let watched = {
            let mut poller = locked(&shared.poller);
            let watched = shared.users();
            if watched.is_empty() {
                // The next stream is registered first, and then finds no poller: it starts another one.
                (*poller, *locked(&shared.listener)) = (None, None);
                return;
            }
            watched
        };
        shared.keep_listening();
        let users: Vec<UserId> = watched.iter().map(|watched| watched.user.clone()).collect();
        watched.into_iter().for_each(|watched| shared.let_go(watched));
        let begun = Instant::now();
        last = shared.look_for_changes(&users, last).await;
        due = Instant::now() + interval.max(begun.elapsed() * SHARE);
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

/// Hears of changes of standings through other processes.
async fn listen(shared: Weak<Shared>) {
    loop {
        let Some(now) = shared.upgrade() else { return };
        let mut hints = now.hints().await;
        now.listens.send_replace(true);
        // Listening begins before a look at all, so that nothing falls between.
        now.doubt_all();
        let pause = now.listen_again;
        drop(now);
        while let Some(hint) = hints.next().await {
            let Some(now) = shared.upgrade() else { return };
            match hint {
                Hint::Revoked { user_id } if now.is_watched(&user_id) => now.read_again(&user_id).await,
                Hint::Revoked { user_id } => now.forget(&user_id),
                // A notifier that mixes topics up must not show a signal of a session to others.
                Hint::Signal(signal) if signal.is_for_connections() => now.tell(signal),
                Hint::Arrived { .. }
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
