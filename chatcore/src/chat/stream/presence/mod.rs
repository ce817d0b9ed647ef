//! Presence: which users have devices connected to this process or to others, and telling readers of changes.
//!
//! One sweep serves all users of a process, and has no timer for any of them. Users of other processes are found in records: each process
//! gives a sign of life in one record, and users have a record for the process that they are connected to, written when they come and
//! removed when they are gone. So a process in which nothing changes writes one record for each beat, however many users it has.

mod beat;
mod others;
mod seen;
mod show;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    standings::KnownStandings,
    tail::{Tails, locked},
    task::{Kind, Task},
};
use crate::chat::{Chat, read::profiles::Profiles};
use crate::{
    clock::Clock,
    identity::Principal,
    limits::Limits,
    model::UserId,
    notify::Notifier,
    store::{ChatStore, PresenceChanges, Version},
};

pub(in crate::chat) use seen::Seen;

/// Beats that a process may miss before it counts as crashed.
const BEATS: i32 = 3;

/// The time between two looks at what changed. What changes meanwhile is taken together.
const PAUSE: TimeDelta = TimeDelta::seconds(1);

/// The time between two signals about a user.
const QUIET: TimeDelta = TimeDelta::seconds(3);

/// How long a process keeps what changed for others to read.
const KEPT: TimeDelta = TimeDelta::seconds(10);

/// The pauses of the mechanism.
struct Times {
    beat: TimeDelta,
    linger: TimeDelta,
    interval: TimeDelta,
    listen_again: Duration,
}

/// The presence of the users of this process and of others.
#[derive(Clone)]
pub(in crate::chat) struct Presences(Arc<Shared>);

struct Shared {
    store: Arc<dyn ChatStore>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    profiles: Profiles,
    standings: KnownStandings,
    tails: Tails,
    times: Times,
    state: Mutex<State>,
    wake: Arc<Notify>,
    sweeping: Kind,
    listening: Kind,
    sweeper: Mutex<Option<Task>>,
    listener: tokio::sync::Mutex<Option<Task>>,
}

#[derive(Default)]
struct State {
    process: Process,
    /// The users who are connected to this process, or were a moment ago.
    here: HashMap<UserId, Here>,
    /// Changes that are not recorded yet.
    due: HashMap<UserId, Due>,
    /// When changes of users were recorded last.
    told: HashMap<UserId, DateTime<Utc>>,
    written_at: Option<DateTime<Utc>>,
    beat_at: Option<DateTime<Utc>>,
    /// The last turn that was seen of each other process.
    others: HashMap<String, u64>,
    looked_at: Option<DateTime<Utc>>,
    /// Users whose change is to be shown to readers, each with whether the user chose it.
    heard: HashMap<UserId, bool>,
    shown_at: Option<DateTime<Utc>>,
    /// Readers that asked for presence.
    readers: usize,
}

/// What other processes know of this one.
struct Process {
    id: String,
    /// The version of its record; `None` where there is none yet.
    version: Option<Version>,
    turn: u64,
    recent: VecDeque<PresenceChanges>,
}

impl Default for Process {
    fn default() -> Self {
        Self { id: Uuid::now_v7().to_string(), version: None, turn: 0, recent: VecDeque::new() }
    }
}

/// A user's devices in this process.
struct Here {
    devices: usize,
    since: DateTime<Utc>,
    /// When the last one was gone.
    gone_at: Option<DateTime<Utc>>,
    /// Whether the record of the connection was written.
    is_written: bool,
}

/// A change that is to be recorded.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: DateTime<Utc>,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// A device came or went here.
    Moved,
    /// The user was connected to a process that crashed.
    Lost,
    /// The user chose something else.
    Chose,
}

/// Whether a pause after something is over. A clock that is set back ends it.
fn is_over(since: Option<DateTime<Utc>>, pause: TimeDelta, now: DateTime<Utc>) -> bool {
    since.is_none_or(|since| since > now || since + pause <= now)
}

impl State {
    /// Notes a change that is to be recorded at a time, or when the user may be told of again.
    fn note(&mut self, user: &UserId, at: DateTime<Utc>, why: Why) {
        let at = self.told.get(user).map_or(at, |told| at.max(*told + QUIET));
        let due = self.due.entry(user.clone()).or_insert(Due { at, why });
        *due = Due { at: due.at.min(at), why: due.why.max(why) };
    }

    /// Whether the sweep has nothing to do.
    fn is_idle(&self) -> bool {
        self.here.is_empty() && self.due.is_empty() && self.readers == 0
    }

    /// When the sweep is to go on.
    fn next(&self, times: &Times, now: DateTime<Utc>) -> DateTime<Utc> {
        let after = |since: Option<DateTime<Utc>>, pause| since.map_or(now, |since| since + pause);
        let due = self.due.values().map(|due| due.at).min().map(|at| at.max(after(self.written_at, PAUSE)));
        let beat = (!self.here.is_empty()).then(|| after(self.beat_at, times.beat).max(after(self.written_at, PAUSE)));
        let look = (self.readers > 0).then(|| after(self.looked_at, times.interval));
        let show = (self.readers > 0 && !self.heard.is_empty()).then(|| after(self.shown_at, PAUSE));
        [due, beat, look, show].into_iter().flatten().min().unwrap_or(now + times.beat)
    }
}

impl Here {
    /// Whether the user counts as connected.
    fn is_there(&self, linger: TimeDelta, now: DateTime<Utc>) -> bool {
        self.devices > 0 || self.gone_at.is_some_and(|gone| gone <= now && now < gone + linger)
    }
}

impl Presences {
    pub(in crate::chat) fn new(
        (store, notifier): (Arc<dyn ChatStore>, Arc<dyn Notifier>),
        clock: Arc<dyn Clock>,
        (profiles, standings): (Profiles, KnownStandings),
        tails: Tails,
        limits: &Limits,
    ) -> Self {
        // A pause is neither empty nor endless.
        let bounded = |pause: Duration| pause.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        let delta = |pause| TimeDelta::from_std(bounded(pause)).unwrap_or(PAUSE);
        let times = Times {
            beat: delta(limits.presence_beat),
            linger: delta(limits.presence_linger),
            interval: delta(limits.presence_interval),
            listen_again: bounded(limits.poll_interval),
        };
        Self(Arc::new(Shared {
            store,
            notifier,
            clock,
            profiles,
            standings,
            tails,
            times,
            state: Mutex::default(),
            wake: Arc::default(),
            sweeping: Kind::new("sweep of presence"),
            listening: Kind::new("listener for presence"),
            sweeper: Mutex::default(),
            listener: tokio::sync::Mutex::default(),
        }))
    }

    /// Notes that a user chose something else that others can see.
    pub(in crate::chat) fn chose(&self, user: &UserId) {
        let now = self.0.clock.now();
        locked(&self.0.state).note(user, now, Why::Chose);
        self.0.go_on();
    }

    /// Notes that a block came or went between two users, who see something else of each other now. Readers are told of both at once.
    pub(in crate::chat) fn parted(&self, one: &UserId, other: &UserId) {
        let now = self.0.clock.now();
        {
            let mut state = locked(&self.0.state);
            let quiet = [one, other].into_iter().filter_map(|user| state.told.get(user).map(|told| *told + QUIET));
            let at = quiet.max().map_or(now, |at| at.max(now));
            state.note(one, at, Why::Chose);
            state.note(other, at, Why::Chose);
        }
        self.0.go_on();
    }

    /// The presence of users, in the same order.
    pub(in crate::chat) async fn of(&self, users: &[UserId]) -> crate::Result<Vec<Seen>> {
        Ok(self.0.seen(users).await?)
    }

    /// Hears of changes for a reader, until the value is dropped.
    pub(in crate::chat) async fn read(&self) -> Reading {
        locked(&self.0.state).readers += 1;
        let reading = Reading(Arc::clone(&self.0));
        self.0.listen().await;
        self.0.go_on();
        reading
    }
}

/// A reader of presence.
pub(in crate::chat) struct Reading(Arc<Shared>);

impl Drop for Reading {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        state.readers = state.readers.saturating_sub(1);
        if state.readers == 0 {
            state.heard = HashMap::new();
            // What others did until the next reader comes is of no interest.
            state.looked_at = None;
        }
    }
}

impl Shared {
    /// Wakes the sweep, or starts it where none runs.
    fn go_on(self: &Arc<Self>) {
        let mut sweeper = locked(&self.sweeper);
        if sweeper.as_ref().is_some_and(Task::runs) {
            self.wake.notify_one();
        } else if tokio::runtime::Handle::try_current().is_ok() {
            let (shared, wake) = (Arc::downgrade(self), Arc::clone(&self.wake));
            *sweeper = Some(Task::spawn(&self.sweeping, self.times.listen_again, move || {
                sweep(Weak::clone(&shared), Arc::clone(&wake))
            }));
        }
    }

    /// One look at everything. When the next one is due; `None` when there is nothing to do any more.
    async fn turn(&self) -> Option<DateTime<Utc>> {
        self.record(self.clock.now()).await;
        self.look(self.clock.now()).await;
        self.show(self.clock.now()).await;
        let mut sweeper = locked(&self.sweeper);
        let state = locked(&self.state);
        if state.is_idle() {
            // The next change is noted first, and then finds no sweep: it starts another one.
            *sweeper = None;
            return None;
        }
        Some(state.next(&self.times, self.clock.now()))
    }
}

async fn sweep(shared: Weak<Shared>, wake: Arc<Notify>) {
    loop {
        let Some(now) = shared.upgrade() else { return };
        let Some(next) = now.turn().await else { return };
        let clock = Arc::clone(&now.clock);
        drop(now);
        tokio::select! {
            () = clock.reaches(next) => {}
            () = wake.notified() => {}
        }
    }
}

/// A connected device of a user. The user is online while a device is connected.
pub struct Device {
    shared: Arc<Shared>,
    user: UserId,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Chat {
    /// Counts a connection of the caller as a device until the value is dropped: the user is online while a device is connected, in any
    /// process, and for [`Limits::presence_linger`] after that. A frontend counts each connection with an admitted caller. A subscription
    /// alone is not a device, so a program that follows a session does not appear online.
    #[must_use]
    pub fn device(&self, principal: &Principal) -> Device {
        let (shared, user) = (Arc::clone(&self.inner.presences.0), principal.user_id.clone());
        let now = shared.clock.now();
        {
            let mut state = locked(&shared.state);
            let new = || Here { devices: 0, since: now, gone_at: None, is_written: false };
            let here = state.here.entry(user.clone()).or_insert_with(new);
            (here.devices, here.gone_at) = (here.devices.saturating_add(1), None);
            if !here.is_written {
                state.note(&user, now, Why::Moved);
            }
        }
        shared.go_on();
        Device { shared, user }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let now = self.shared.clock.now();
        {
            let mut state = locked(&self.shared.state);
            let Some(here) = state.here.get_mut(&self.user) else { return };
            here.devices = here.devices.saturating_sub(1);
            if here.devices > 0 {
                return;
            }
            here.gone_at = Some(now);
            state.note(&self.user, now + self.shared.times.linger, Why::Moved);
        }
        self.shared.go_on();
    }
}
