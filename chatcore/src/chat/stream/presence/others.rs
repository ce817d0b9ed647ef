//! What other processes record: their changes, and their ends.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::time::{sleep, timeout};

use super::{Shared, Why, is_over, locked};
use crate::chat::stream::task::{Task, apart};
use crate::{
    model::UserId,
    notify::{Hint, Topic},
    store::{
        Change, ChatStoreExt as _, Connections, Found, KeyPart as _, LastSeen, LastSeenTimes, PresenceProcesses,
        ProcessBeat, StoreError, TypedKey as _,
    },
};

/// Processes that are looked at.
pub(super) const PROCESSES: u64 = 1_000;

/// Connections of a crashed process that are ended at once.
const ENDED: u64 = 500;

/// The longest wait for a notifier's stream.
const LISTEN_WAIT: Duration = Duration::from_secs(5);

impl Shared {
    /// The signs of life of all processes, the crashed ones included.
    pub(super) async fn processes(&self) -> Result<Vec<(String, Found<ProcessBeat>)>, StoreError> {
        let found = self.store.list::<PresenceProcesses>(PresenceProcesses::under(Vec::new()).limit(PROCESSES)).await?;
        Ok(found.into_iter().map(|(key, found)| (key.process, found)).collect())
    }

    /// Looks at what other processes recorded, where it is time: while somebody listens, and otherwise with each beat, so that somebody
    /// finds a process that crashed.
    pub(super) async fn look(&self, now: DateTime<Utc>) {
        let own = {
            let mut state = locked(&self.state);
            let often = state.readers > 0 && is_over(state.looked_at, self.times.interval, now);
            let seldom = !state.here.is_empty() && is_over(state.looked_at, self.times.beat, now);
            if !often && !seldom {
                return;
            }
            state.looked_at = Some(now);
            state.process.id.clone()
        };
        let found = match self.processes().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "could not look at the users of other processes; trying again");
                return;
            }
        };
        let (alive, dead): (Vec<_>, Vec<_>) =
            found.into_iter().filter(|(id, _)| *id != own).partition(|(_, found)| found.value.until > now);
        self.hear_all(alive);
        for (id, found) in dead {
            if let Err(error) = self.bury(&id, &found, now).await {
                tracing::warn!(%error, "could not end the connections of a crashed process; trying again");
            }
        }
    }

    /// Hears what other processes recorded since the last look.
    fn hear_all(&self, alive: Vec<(String, Found<ProcessBeat>)>) {
        let mut state = locked(&self.state);
        let mut turns = HashMap::new();
        let (mut moved, mut chose) = (Vec::new(), Vec::new());
        for (id, Found { value, .. }) in alive {
            let seen = state.others.get(&id).copied().unwrap_or(0);
            for changes in value.recent.iter().filter(|changes| changes.turn > seen) {
                moved.extend_from_slice(&changes.moved);
                chose.extend_from_slice(&changes.chose);
            }
            turns.insert(id, value.turn.max(seen));
        }
        state.others = turns;
        drop(state);
        self.hear(moved, chose);
    }

    /// Notes the turn that a hint told of, where none is missing before it.
    fn note_turn(&self, process: String, turn: u64) {
        let mut state = locked(&self.state);
        let seen = state.others.get(&process).copied().unwrap_or(0);
        if process != state.process.id && turn == seen + 1 {
            state.others.insert(process, turn);
        }
    }

    /// Notes users whose change readers are to be told of.
    fn hear(&self, moved: Vec<UserId>, chose: Vec<UserId>) {
        let mut state = locked(&self.state);
        if state.readers == 0 {
            return;
        }
        for user in moved {
            state.heard.entry(user).or_default();
        }
        state.heard.extend(chose.into_iter().map(|user| (user, true)));
    }

    /// Ends the connections of a process that crashed. Its users were seen last when it gave its last sign of life.
    async fn bury(&self, id: &str, found: &Found<ProcessBeat>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let process = PresenceProcesses { process: id.to_owned() };
        let at = found.value.at;
        loop {
            let scan = Connections::under(vec![id.to_owned().part()]).limit(ENDED);
            let users: Vec<UserId> =
                self.store.list::<Connections>(scan).await?.into_iter().map(|(key, _)| key.user).collect();
            let is_last = (users.len() as u64) < ENDED;
            let keys: Vec<_> = users.iter().map(|user| LastSeenTimes { user: user.clone() }).collect();
            let seen = if keys.is_empty() { Vec::new() } else { self.store.get_all(&keys).await? };
            let earlier = keys.iter().zip(seen).filter(|(_, seen)| seen.as_ref().is_none_or(|seen| seen.value.at < at));
            let mut writes: Vec<_> = earlier
                .map(|(key, seen)| match seen {
                    Some(seen) => key.put(LastSeen { at }).at(seen.version),
                    None => key.put(LastSeen { at }).absent(),
                })
                .collect();
            let connection = |user: &UserId| Connections { process: id.to_owned(), user: user.clone() };
            writes.extend(users.iter().map(|user| connection(user).remove()));
            // The process may be slow only. Then it is alive, and the next sign of life has another version.
            writes.push(if is_last { process.remove().at(found.version) } else { process.hold(found.version) });
            match self.store.commit(Change::of_records(writes)).await {
                Ok(_) => {
                    // Another process that looks only now finds nothing of these users. So it is told as of changes here.
                    let mut state = locked(&self.state);
                    users.iter().for_each(|user| state.note(user, now, Why::Lost));
                }
                // Another process does the same, or the process is alive.
                Err(StoreError::Conflict { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The hints about presence; none from a notifier that does not answer, which is then asked again.
    async fn hints(&self) -> BoxStream<'static, Hint> {
        let listening = AssertUnwindSafe(async { self.notifier.listen(Topic::Presence).await }).catch_unwind();
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
    pub(super) async fn listen(self: &Arc<Self>) {
        if self.listener.try_lock().is_ok_and(|listener| listener.as_ref().is_some_and(Task::runs)) {
            return;
        }
        let shared = Arc::clone(self);
        // Without a runtime that goes on there is nothing to hear.
        let _ = apart(async move { shared.begin_listening().await }).await;
    }

    async fn begin_listening(self: &Arc<Self>) {
        let mut listener = self.listener.lock().await;
        if listener.as_ref().is_some_and(Task::runs) {
            return;
        }
        let first = std::sync::Mutex::new(Some(self.hints().await));
        let shared = Arc::downgrade(self);
        *listener = Some(Task::spawn(&self.listening, self.times.listen_again, move || {
            let hints = locked(&first).take().unwrap_or_else(|| stream::empty().boxed());
            listen(Weak::clone(&shared), hints)
        }));
    }
}

/// Hears of changes until there is no reader.
async fn listen(shared: Weak<Shared>, mut hints: BoxStream<'static, Hint>) {
    loop {
        let hint = hints.next().await;
        let Some(now) = shared.upgrade() else { return };
        match hint {
            Some(Hint::Presence { process, turn, moved, chose }) => {
                now.note_turn(process, turn);
                now.hear(moved, chose);
                now.go_on();
            }
            Some(
                Hint::Notice(_)
                | Hint::Revoked { .. }
                | Hint::Arrived { .. }
                | Hint::Committed { .. }
                | Hint::Signal(_),
            ) => {}
            // The notifier lost its connection. The sweep looks at the records meanwhile.
            None => {
                let pause = now.times.listen_again;
                drop(now);
                sleep(pause).await;
                let Some(now) = shared.upgrade() else { return };
                hints = now.hints().await;
            }
        }
    }
}
