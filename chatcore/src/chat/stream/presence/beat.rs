//! Recording what changed in this process, and its sign of life.

use std::{collections::HashMap, panic::AssertUnwindSafe, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::{BEATS, Due, KEPT, PAUSE, Process, QUIET, Shared, State, Times, Why, is_over, locked};
use crate::{
    model::UserId,
    notify::Hint,
    store::{
        Change, Connection, Connections, LastSeen, LastSeenTimes, PresenceChanges, PresenceProcesses, ProcessBeat,
        StoreError, TypedKey as _, Write,
    },
};

/// Users whose changes are recorded at once, and named in one hint.
const RECORDED: usize = 500;

/// Changes that a process keeps for others.
const RECENT: usize = 32;

/// The longest wait for a notifier to take a hint.
const PUBLISH_WAIT: Duration = Duration::from_secs(5);

/// What is to be recorded in one commit.
struct Plan {
    process: String,
    change: Change,
    /// The changes that it records.
    taken: HashMap<UserId, Due>,
    /// The users whose connection it records.
    came: Vec<UserId>,
    /// The users whose connection it ends.
    went: Vec<UserId>,
    beat: ProcessBeat,
    changes: PresenceChanges,
}

impl State {
    /// Takes the changes that are due, and says what they write; `None` where nothing is to be written.
    fn plan(
        &mut self,
        now: DateTime<Utc>,
        Times { beat, linger, .. }: &Times,
        is_deleted: impl Fn(&UserId) -> bool,
    ) -> Option<Plan> {
        let (beat, linger) = (*beat, *linger);
        if !is_over(self.written_at, PAUSE, now) {
            return None;
        }
        let ready: Vec<UserId> =
            self.due.iter().filter(|(_, due)| due.at <= now).map(|(user, _)| user.clone()).take(RECORDED).collect();
        let taken: HashMap<UserId, Due> =
            ready.into_iter().filter_map(|user| self.due.remove(&user).map(|due| (user, due))).collect();
        let turn = self.process.turn + 1;
        let mut changes = PresenceChanges { turn, at: now, moved: Vec::new(), chose: Vec::new() };
        let (mut writes, mut came, mut went): (Vec<Write>, Vec<_>, Vec<_>) = Default::default();
        for (user, due) in &taken {
            let connection = Connections { process: self.process.id.clone(), user: user.clone() };
            let has_moved = match self.here.get(user) {
                Some(here) if here.is_there(linger, now) => {
                    if !here.is_written {
                        writes.push(connection.put(Connection { since: here.since }));
                        came.push(user.clone());
                    }
                    !here.is_written
                }
                Some(here) => {
                    let (at, seen) = (here.gone_at.unwrap_or(now), LastSeenTimes { user: user.clone() });
                    // Nothing is kept of a user whose account was deleted meanwhile.
                    let seen = if is_deleted(user) { seen.remove() } else { seen.put(LastSeen { at }) };
                    writes.extend([connection.remove(), seen]);
                    went.push(user.clone());
                    true
                }
                None => false,
            };
            match due.why {
                Why::Chose => changes.chose.push(user.clone()),
                Why::Lost => changes.moved.push(user.clone()),
                Why::Moved if has_moved => changes.moved.push(user.clone()),
                Why::Moved => {}
            }
        }
        let is_beat = !self.here.is_empty() && is_over(self.beat_at, beat, now);
        let is_news = !changes.moved.is_empty() || !changes.chose.is_empty();
        if writes.is_empty() && !is_news && !is_beat {
            self.linger_on(&taken, linger);
            return None;
        }
        let Process { id, version, turn: before, recent } = &mut self.process;
        recent.retain(|kept| kept.at <= now && kept.at + KEPT > now);
        let mut kept: Vec<_> = recent.iter().cloned().collect();
        if is_news {
            kept.push(changes.clone());
        }
        let turn = if is_news { turn } else { *before };
        let beat = ProcessBeat { at: now, until: now + beat * BEATS, turn, recent: kept };
        let write = PresenceProcesses { process: id.clone() }.put(beat.clone());
        writes.push(match version {
            Some(version) => write.at(*version),
            None => write.absent(),
        });
        let process = id.clone();
        Some(Plan { process, change: Change::of_records(writes), taken, came, went, beat, changes })
    }

    /// Notes again the users who are there without a device.
    fn linger_on(&mut self, taken: &HashMap<UserId, Due>, linger: TimeDelta) {
        for user in taken.keys() {
            if let Some(gone) = self.here.get(user).filter(|here| here.devices == 0).and_then(|here| here.gone_at) {
                self.note(user, gone + linger, Why::Moved);
            }
        }
    }

    /// Notes what was recorded.
    fn recorded(&mut self, plan: &Plan, version: crate::store::Version, linger: TimeDelta) {
        let Plan { taken, came, went, beat, changes, .. } = plan;
        (self.process.version, self.process.turn) = (Some(version), beat.turn);
        self.process.recent = beat.recent.iter().cloned().collect();
        while self.process.recent.len() > RECENT {
            self.process.recent.pop_front();
        }
        self.beat_at = Some(beat.at);
        self.told.retain(|_, told| *told <= beat.at && *told + QUIET > beat.at);
        let told = changes.moved.iter().chain(&changes.chose);
        self.told.extend(told.map(|user| (user.clone(), beat.at)));
        for user in came {
            if let Some(here) = self.here.get_mut(user) {
                here.is_written = true;
            }
        }
        for user in went {
            match self.here.get_mut(user) {
                // A device came back meanwhile.
                Some(here) if here.devices > 0 => {
                    here.is_written = false;
                    self.note(user, beat.at, Why::Moved);
                }
                Some(_) | None => drop(self.here.remove(user)),
            }
        }
        self.linger_on(taken, linger);
    }

    /// Notes again what could not be recorded.
    fn note_again(&mut self, taken: &HashMap<UserId, Due>) {
        taken.iter().for_each(|(user, due)| self.note(user, due.at, due.why));
    }

    /// Begins anew as another process, because this one counted as crashed.
    fn begin_anew(&mut self, now: DateTime<Utc>) {
        (self.process, self.beat_at) = (Process::default(), None);
        self.here.values_mut().for_each(|here| here.is_written = false);
        let users: Vec<UserId> = self.here.keys().cloned().collect();
        users.iter().for_each(|user| self.note(user, now, Why::Moved));
    }
}

impl Shared {
    /// Records what changed since the last time, and gives a sign of life where one is due.
    pub(super) async fn record(&self, now: DateTime<Utc>) {
        let linger = self.times.linger;
        let is_deleted =
            |user: &UserId| self.standings.known(user).is_some_and(|seen| seen.standing.deleted_at.is_some());
        let Some(plan) = locked(&self.state).plan(now, &self.times, is_deleted) else { return };
        let version = plan.change.id;
        let committed = self.store.commit(plan.change.clone()).await;
        {
            let mut state = locked(&self.state);
            state.written_at = Some(now);
            match &committed {
                Ok(_) => state.recorded(&plan, version, linger),
                Err(StoreError::Conflict { .. }) => {
                    tracing::warn!("another process took this one for crashed; presence begins anew");
                    state.note_again(&plan.taken);
                    state.begin_anew(now);
                }
                Err(error) => {
                    tracing::warn!(%error, "could not record who is connected; trying again");
                    state.note_again(&plan.taken);
                }
            }
        }
        if committed.is_ok() {
            self.tell(plan.process, plan.changes).await;
        }
    }

    /// Tells all processes that have readers.
    async fn tell(&self, process: String, PresenceChanges { turn, moved, chose, .. }: PresenceChanges) {
        if moved.is_empty() && chose.is_empty() {
            return;
        }
        let publishing = self.notifier.publish(Hint::Presence { process, turn, moved, chose });
        // A notifier that hangs or panics loses the hint. The record tells later.
        if AssertUnwindSafe(timeout(PUBLISH_WAIT, publishing)).catch_unwind().await.is_err() {
            tracing::error!("the notifier panicked; a hint is lost");
        }
    }
}
