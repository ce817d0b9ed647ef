//! Receipts on their way: delivery markers are written, and readers are told.
//!
//! A marker of a user in a session is written, and its receipts are told, at most once in a second; in between, the last position counts.
//! A hint names the user and the position only. A process whose tail of the session hears it decides which of its readers see the receipt, so
//! nothing is read for a receipt that nobody hears.

mod sights;
mod tracks;

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use tokio::{sync::Notify, time::timeout};

use super::{
    tail::{Tail, locked},
    task::{Kind, Task},
};
use crate::chat::read::{profiles, view::SignalView};
use crate::{
    clock::Clock,
    error::{Error, Result},
    limits::Limits,
    model::{ReceiptKind, Seq, SessionId, Signal, UserId},
    notify::{Hint, Notifier},
    store::{
        Change, ChatStore, ChatStoreExt as _, DeliveryMarker, DeliveryMarkers, Standings, StoreError, TypedKey as _,
    },
};
use sights::Choices;
use tracks::{Next, PAUSE, Place, Tracks, is_over};

/// Receipts that the readers of a session are told in a second. A reader who takes nothing keeps 64 signals.
const AT_ONCE: usize = 32;

/// Markers that are written in one commit.
const BATCH: usize = 100;

/// The longest wait for a notifier.
const PUBLISH_WAIT: Duration = Duration::from_secs(5);

/// The receipts of this process.
#[derive(Clone)]
pub(in crate::chat) struct Receipts(Arc<Shared>);

struct Shared {
    store: Arc<dyn ChatStore>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    attempts: u32,
    tracks: Mutex<Tracks>,
    heard: Mutex<HashMap<SessionId, Heard>>,
    choices: Choices,
    wake: Arc<Notify>,
    sweeping: Kind,
    sweeper: Mutex<Sweeper>,
    start_again: Duration,
}

/// The sweep, and when it looks again.
#[derive(Default)]
struct Sweeper {
    task: Option<Task>,
    next: Option<DateTime<Utc>>,
}

/// What the readers of a session are to be told.
struct Heard {
    tail: Weak<Tail>,
    /// When the second began in which `told` receipts were told.
    since: Option<DateTime<Utc>>,
    told: usize,
    receipts: HashMap<(UserId, ReceiptKind), Seq>,
}

impl Heard {
    /// When it is to be looked at again.
    fn due(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let is_free = !self.receipts.is_empty() && self.told < AT_ONCE;
        self.since.filter(|_| !is_free).map_or(now, |since| since + PAUSE)
    }

    /// Takes as many receipts as may be told now.
    fn take(&mut self, now: DateTime<Utc>) -> HashMap<(UserId, ReceiptKind), Seq> {
        if is_over(self.since, PAUSE, now) {
            (self.since, self.told) = (Some(now), 0);
        }
        let room = AT_ONCE.saturating_sub(self.told);
        let first: Vec<_> = self.receipts.keys().take(room).cloned().collect();
        self.told += first.len();
        first.into_iter().filter_map(|key| self.receipts.remove_entry(&key)).collect()
    }
}

/// A position that a user came to, and whether the readers of the session are told.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Came {
    pub(in crate::chat) seq: Seq,
    pub(in crate::chat) is_told: bool,
}

impl Receipts {
    pub(in crate::chat) fn new(
        (store, notifier): (Arc<dyn ChatStore>, Arc<dyn Notifier>),
        clock: Arc<dyn Clock>,
        limits: &Limits,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            notifier,
            clock,
            attempts: limits.commit_attempts,
            tracks: Mutex::default(),
            heard: Mutex::default(),
            choices: Choices::default(),
            wake: Arc::default(),
            sweeping: Kind::new("sweep of receipts"),
            sweeper: Mutex::default(),
            start_again: limits.poll_interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400)),
        }))
    }

    /// How far a device of a user acknowledged a session lately, in this process; 0 where that is not known.
    pub(in crate::chat) fn delivered(&self, session: SessionId, user: &UserId) -> Seq {
        let place = Place { session, user: user.clone(), kind: ReceiptKind::Delivered };
        locked(&self.0.tracks).known(&place)
    }

    /// Raises a delivery marker, now or within a second, and gives the position that it has then, and whether the readers of the session are to
    /// be told now.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) when the marker could not be written now.
    pub(in crate::chat) async fn deliver(&self, session: SessionId, user: &UserId, came: Came) -> Result<(Seq, bool)> {
        let Came { seq, is_told } = came;
        let place = Place { session, user: user.clone(), kind: ReceiptKind::Delivered };
        let now = self.0.clock.now();
        let next = locked(&self.0.tracks).note(place.clone(), seq, is_told, now);
        let reached = match next {
            Next::Nothing => (self.delivered(session, user), false),
            Next::Later => (seq, false),
            Next::Now => match self.0.raise(&place, seq, now).await {
                Ok(Raised { before, seq: reached }) => {
                    locked(&self.0.tracks).wrote(&place, reached);
                    (reached, is_told && before < seq)
                }
                Err(error) => {
                    locked(&self.0.tracks).failed(&place);
                    return Err(error);
                }
            },
        };
        self.0.go_on(now + PAUSE);
        Ok(reached)
    }

    /// Notes that a user has read a session up to a position. The readers of the session are told now, where this says so, or within a
    /// second.
    pub(in crate::chat) fn read(&self, session: SessionId, user: &UserId, came: Came) -> bool {
        let Came { seq, is_told } = came;
        if !is_told {
            return false;
        }
        let place = Place { session, user: user.clone(), kind: ReceiptKind::Read };
        let now = self.0.clock.now();
        let next = {
            let mut tracks = locked(&self.0.tracks);
            let next = tracks.note(place.clone(), seq, is_told, now);
            if next == Next::Now {
                tracks.wrote(&place, seq);
            }
            next
        };
        self.0.go_on(now + PAUSE);
        next == Next::Now
    }

    /// Forgets what is known of the choices of a user, who chose something else.
    pub(in crate::chat) fn chose(&self, user: &UserId) {
        self.0.choices.forget(user);
    }

    /// Takes in a hint about a user in the session of a tail.
    pub(in crate::chat) fn hear(&self, tail: &Arc<Tail>, user: UserId, kind: ReceiptKind, seq: Seq) {
        let due = {
            let mut heard = locked(&self.0.heard);
            let new = || Heard { tail: Weak::new(), since: None, told: 0, receipts: HashMap::new() };
            let heard = heard.entry(tail.session_id).or_insert_with(new);
            heard.tail = Arc::downgrade(tail);
            let upto = heard.receipts.entry((user, kind)).or_default();
            *upto = (*upto).max(seq);
            heard.due(self.0.clock.now())
        };
        self.0.go_on(due);
    }
}

/// A marker after it was raised.
struct Raised {
    before: Seq,
    seq: Seq,
}

impl Shared {
    /// Has the sweep look at a time at the latest. Starts it where none runs.
    fn go_on(self: &Arc<Self>, due: DateTime<Utc>) {
        let mut sweeper = locked(&self.sweeper);
        if sweeper.task.as_ref().is_some_and(Task::runs) {
            if sweeper.next.is_none_or(|next| due < next) {
                sweeper.next = Some(due);
                self.wake.notify_one();
            }
        } else if tokio::runtime::Handle::try_current().is_ok() {
            let (shared, wake) = (Arc::downgrade(self), Arc::clone(&self.wake));
            let task =
                Task::spawn(&self.sweeping, self.start_again, move || sweep(Weak::clone(&shared), Arc::clone(&wake)));
            *sweeper = Sweeper { task: Some(task), next: Some(due) };
        }
    }

    /// One look at everything. When the next one is due; `None` when there is nothing to do any more.
    async fn turn(&self) -> Option<DateTime<Utc>> {
        self.write(self.clock.now()).await;
        self.show(self.clock.now()).await;
        let now = self.clock.now();
        let mut sweeper = locked(&self.sweeper);
        let mut tracks = locked(&self.tracks);
        tracks.prune(now);
        let heard = locked(&self.heard).values().map(|heard| heard.due(now)).min();
        let next = [tracks.next(now), heard].into_iter().flatten().min();
        // What comes next is noted first. Where there is no sweep then, it starts another one.
        *sweeper = Sweeper { task: sweeper.task.take().filter(|_| next.is_some()), next };
        next
    }

    /// Raises one marker, which may be there or not.
    async fn raise(&self, place: &Place, seq: Seq, now: DateTime<Utc>) -> Result<Raised> {
        let key = DeliveryMarkers { user: place.user.clone(), session: place.session };
        for _ in 0..self.attempts {
            let found = self.store.get(&key).await?;
            let before = found.as_ref().map_or(0, |found| found.value.seq);
            if before >= seq {
                return Ok(Raised { before, seq: before });
            }
            let put = key.clone().put(DeliveryMarker { seq, at: now });
            let write = match found {
                Some(found) => put.at(found.version),
                None => put.absent(),
            };
            match self.store.commit(Change::of_records(vec![write])).await {
                Ok(_) => return Ok(Raised { before, seq }),
                Err(StoreError::Stale | StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }

    /// Writes the markers whose pause is over, and tells of them and of what was read.
    async fn write(&self, now: DateTime<Utc>) {
        let due = locked(&self.tracks).take_due(now);
        let (delivered, read): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(place, ..)| place.kind == ReceiptKind::Delivered);
        for batch in delivered.chunks(BATCH) {
            match self.raise_all(batch, now).await {
                Ok(raised) => {
                    for ((place, seq, is_told), is_raised) in batch.iter().zip(raised) {
                        locked(&self.tracks).wrote(place, *seq);
                        if *is_told && is_raised {
                            self.publish(place.clone(), *seq).await;
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not write how far messages were delivered; trying again");
                    let mut tracks = locked(&self.tracks);
                    batch.iter().for_each(|(place, seq, _)| tracks.put_back(place, *seq));
                }
            }
        }
        for (place, seq, is_told) in read {
            locked(&self.tracks).wrote(&place, seq);
            if is_told {
                self.publish(place, seq).await;
            }
        }
    }

    /// Raises markers in one commit, and says which of them it raised. A user whose account was deleted meanwhile gets none.
    async fn raise_all(&self, due: &[(Place, Seq, bool)], now: DateTime<Utc>) -> Result<Vec<bool>> {
        let marker =
            |(place, ..): &(Place, Seq, bool)| DeliveryMarkers { user: place.user.clone(), session: place.session };
        let standing = |(place, ..): &(Place, Seq, bool)| Standings { user: place.user.clone() };
        let (keys, standings): (Vec<_>, Vec<_>) = due.iter().map(|due| (marker(due), standing(due))).unzip();
        for _ in 0..self.attempts {
            let found = self.store.get_all(&keys).await?;
            let standings = self.store.get_all(&standings).await?;
            let (mut writes, mut raised) = (Vec::new(), Vec::with_capacity(due.len()));
            for (((key, found), standing), (_, seq, _)) in keys.iter().zip(found).zip(standings).zip(due) {
                let is_gone = standing.is_some_and(|standing| standing.value.deleted_at.is_some());
                let is_higher = found.as_ref().is_none_or(|found| found.value.seq < *seq);
                raised.push(is_higher && !is_gone);
                if is_higher && !is_gone {
                    let put = key.clone().put(DeliveryMarker { seq: *seq, at: now });
                    writes.push(match found {
                        Some(found) => put.at(found.version),
                        None => put.absent(),
                    });
                }
            }
            if writes.is_empty() {
                return Ok(raised);
            }
            match self.store.commit(Change::of_records(writes)).await {
                Ok(_) => return Ok(raised),
                Err(StoreError::Stale | StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }

    /// Tells all processes that have readers of the session.
    async fn publish(&self, place: Place, seq: Seq) {
        let Place { session: session_id, user: user_id, kind } = place;
        let publishing = self.notifier.publish(Hint::Signal(Signal::Receipt { session_id, user_id, kind, seq }));
        // A notifier that hangs or panics loses the hint. A client that asks gets the position.
        if AssertUnwindSafe(timeout(PUBLISH_WAIT, publishing)).catch_unwind().await.is_err() {
            tracing::error!("the notifier panicked; a hint is lost");
        }
    }

    /// Tells the readers of this process what it heard, where it is time.
    async fn show(&self, now: DateTime<Utc>) {
        for (tail, receipts) in self.take_heard(now) {
            if let Err(error) = self.tell(&tail, receipts, now).await {
                tracing::warn!(session = %tail.session_id, %error, "readers are not told of receipts");
            }
        }
    }

    /// What is to be told now, of each session.
    #[expect(clippy::type_complexity, reason = "the receipts of each tail")]
    fn take_heard(&self, now: DateTime<Utc>) -> Vec<(Arc<Tail>, HashMap<(UserId, ReceiptKind), Seq>)> {
        let mut all = locked(&self.heard);
        all.retain(|_, heard| {
            let is_quiet = heard.receipts.is_empty() && is_over(heard.since, PAUSE, now);
            !is_quiet && heard.tail.strong_count() > 0
        });
        let ready = |heard: &mut Heard| {
            let receipts = if heard.receipts.is_empty() { HashMap::new() } else { heard.take(now) };
            heard.tail.upgrade().filter(|_| !receipts.is_empty()).map(|tail| (tail, receipts))
        };
        all.values_mut().filter_map(ready).collect()
    }

    /// Hands receipts to those readers of a tail who see them.
    async fn tell(&self, tail: &Tail, receipts: HashMap<(UserId, ReceiptKind), Seq>, now: DateTime<Utc>) -> Result<()> {
        let mut seats = Vec::new();
        tail.seats.some(0, usize::MAX, &mut seats);
        let readers: HashSet<UserId> = seats.iter().map(|seat| seat.user()).collect();
        if readers.is_empty() {
            return Ok(());
        }
        let senders = receipts.keys().map(|(user, _)| user.clone());
        let choices = self.choices.of(&*self.store, readers.iter().cloned().chain(senders).collect(), now).await?;
        let known = tail.shared.profiles.find(receipts.keys().map(|(user, _)| user).collect()).await?;
        for ((user_id, kind), seq) in receipts {
            let Some(sent) = choices.get(&user_id) else { continue };
            let sees = |reader: &&UserId| {
                let choice = choices.get(*reader).filter(|_| **reader != user_id);
                choice.is_some_and(|choice| choice.sight_of(reader, &user_id, sent).shows(kind))
            };
            let audience: HashSet<UserId> = readers.iter().filter(sees).cloned().collect();
            if audience.is_empty() {
                continue;
            }
            let actor = profiles::public(profiles::of(&known, &user_id));
            let signal = Signal::Receipt { session_id: tail.session_id, user_id, kind, seq };
            // The audience has no user whom a block keeps apart.
            let (apart, audience) = (HashMap::new(), Some(Arc::new(audience)));
            tail.fan_out.signal(tail.head(), Arc::new(SignalView { signal, actor, apart, instead: None, audience }));
        }
        Ok(())
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
