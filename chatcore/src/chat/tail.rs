//! The end of a session's log, shared by all its readers in this process.
//!
//! Hints and the poller both only say that there is more; what is shown is always the log without a gap.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt, stream, stream::BoxStream};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, timeout, timeout_at},
};

use super::{
    profiles::Profiles,
    read::{dense, resync_now},
    rewrites::{Rewrites, Rewritten},
    task::Task,
    view::{self, EventView, SignalView},
};
use crate::{
    error::{Error, Result},
    limits::Limits,
    model::{Cursor, Epoch, Event, Seq, SessionId},
    notify::{Hint, Notifier},
    store::{ChatStore, LogRange, StoreError},
};

/// Rows that are read at once.
const CHUNK: u64 = 256;

/// Signals that wait for a reader; one who is further behind misses some.
const SIGNALS: usize = 64;

/// Events of hints that came before those they follow: what is committed together is told by many, in any order. Waiting
/// a moment for the others costs less than reading the log.
type Early = BTreeMap<Seq, Arc<Event>>;

/// How many of them are kept, and for how long.
const EARLY: usize = 64;
const PATIENCE: Duration = Duration::from_millis(5);

/// The longest wait for a notifier's stream.
const LISTEN_WAIT: Duration = Duration::from_secs(5);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tails of all sessions that have readers.
#[derive(Clone)]
pub(super) struct Tails(Arc<Shared>);

struct Shared {
    store: Arc<dyn ChatStore>,
    notifier: Arc<dyn Notifier>,
    profiles: Profiles,
    poll_interval: Duration,
    kept: usize,
    kept_bytes: usize,
    open: Mutex<Open>,
    /// Looks at the logs of the open tails. It ends when there are none.
    poller: Mutex<Option<Task>>,
}

#[derive(Default)]
struct Open {
    tails: HashMap<SessionId, Weak<Tail>>,
}

/// The last events of one session.
pub(super) struct Tail {
    session_id: SessionId,
    shared: Arc<Shared>,
    ring: Mutex<Ring>,
    pub(super) rewrites: Rewrites,
    /// One grows the ring at a time.
    growing: tokio::sync::Mutex<()>,
    /// The ring's head. It also changes, to the same position, when the log was replaced.
    head: watch::Sender<Seq>,
    signals: broadcast::Sender<Arc<SignalView>>,
    listener: tokio::sync::Mutex<Option<Task>>,
}

struct Ring {
    // INVARIANT: contiguous, of one history, and ends at `head`.
    events: VecDeque<Arc<EventView>>,
    bytes: usize,
    head: Cursor,
    /// The last event that the log was seen to have: hints may have brought later ones.
    confirmed: Cursor,
    /// Why this tail grows no more.
    end: Option<End>,
}

/// Why a tail ends, with all its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The log no longer has the tail's last event: the database was replaced by an older copy.
    Replaced,
    /// The log cannot be read, or has a hole.
    Corrupt,
}

impl Ring {
    /// Drops the views that show rows as they were before an event rewrote them, and the views before these.
    fn evict(&mut self, rewritten: &Rewritten) {
        let last = self.events.iter().rposition(|view| rewritten.outdates(view));
        for view in self.events.drain(..last.map_or(0, |last| last + 1)) {
            self.bytes -= view.weight();
        }
    }

    /// The epoch at a position, where it is known.
    fn epoch(&self, seq: Seq) -> Option<Epoch> {
        if seq == self.head.seq {
            return self.head.epoch;
        }
        let back = usize::try_from(self.head.seq.checked_sub(seq)?).ok()?;
        let index = self.events.len().checked_sub(back + 1)?;
        self.events.get(index)?.event.cursor().epoch
    }

    /// Whether nothing that is known of the ring's history speaks against a cursor.
    fn agrees_with(&self, cursor: Cursor) -> bool {
        cursor.agrees_with(Cursor { seq: cursor.seq, epoch: self.epoch(cursor.seq) })
    }

    /// What reading the log from the position `asked` on says of the ring.
    fn compare(&self, asked: Seq, rows: &[Arc<Event>]) -> Found {
        if !rows.is_sorted_by(|row, next| row.seq + 1 == next.seq) {
            return Found::Hole;
        }
        let all_agree =
            rows.iter().take_while(|row| row.seq <= self.head.seq).all(|row| self.agrees_with(row.cursor()));
        let Some(first) = rows.first() else {
            // A log keeps at least its last event, so it ends before the position.
            return if asked == 0 { Found::More } else { Found::AnotherHistory };
        };
        if !all_agree {
            Found::AnotherHistory
        } else if first.seq > self.head.seq + 1 {
            Found::Trimmed
        } else {
            Found::More
        }
    }
}

/// What the log is to a ring.
enum Found {
    /// It continues the ring.
    More,
    /// It continues the ring, but what came next was trimmed already.
    Trimmed,
    /// It has other events, or none, where the ring has its own.
    AnotherHistory,
    /// It has a hole.
    Hole,
}

/// Whether a log, read from `position` on, continues after the position.
pub(super) fn continues(position: Cursor, rows: &[Arc<Event>]) -> bool {
    match rows.first() {
        Some(first) if first.seq == position.seq => position.agrees_with(first.cursor()),
        // The position is the last one that was trimmed, or 0.
        Some(first) => first.seq == position.seq + 1,
        None => false,
    }
}

impl Tails {
    pub(super) fn new(
        store: Arc<dyn ChatStore>,
        notifier: Arc<dyn Notifier>,
        profiles: Profiles,
        limits: &Limits,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            notifier,
            profiles,
            poll_interval: limits.poll_interval,
            kept: limits.tail_events.max(1),
            kept_bytes: limits.tail_bytes,
            open: Mutex::default(),
            poller: Mutex::default(),
        }))
    }

    /// The session's tail, which goes at least up to `head`, the end of the log as it is now.
    pub(super) async fn tail(&self, session_id: SessionId, head: Cursor) -> Result<Arc<Tail>> {
        for _ in 0..3 {
            let tail = self.get(session_id, head);
            let is_new = tail.listen().await;
            let (behind, sure) = {
                let ring = locked(&tail.ring);
                (ring.head.seq < head.seq, ring.epoch(head.seq) == head.epoch)
            };
            if is_new || behind || !sure {
                tail.catch_up().await?;
            }
            let fits = {
                let ring = locked(&tail.ring);
                ring.end.is_none() && ring.agrees_with(head)
            };
            if fits {
                return Ok(tail);
            }
            tail.end(End::Replaced);
        }
        // The log is replaced again and again.
        Err(Error::Unavailable)
    }

    /// Drops the views of rows that events rewrote. A call before the change is acknowledged ensures that no reader of this process
    /// gets a deleted text after the acknowledgement.
    pub(super) fn evict(&self, session_id: SessionId, events: &[Arc<Event>]) {
        let tail = locked(&self.0.open).tails.get(&session_id).and_then(Weak::upgrade);
        if let Some(tail) = tail {
            let mut ring = locked(&tail.ring);
            events.iter().filter_map(|event| Rewritten::of(event)).for_each(|rewritten| {
                tail.rewrites.note(&rewritten);
                ring.evict(&rewritten);
            });
        }
    }

    fn get(&self, session_id: SessionId, head: Cursor) -> Arc<Tail> {
        let tail = self.open(session_id, head);
        self.0.keep_polling();
        tail
    }

    fn open(&self, session_id: SessionId, head: Cursor) -> Arc<Tail> {
        let mut open = locked(&self.0.open);
        if let Some(tail) = open.tails.get(&session_id).and_then(Weak::upgrade) {
            return tail;
        }
        let ring = Ring { events: VecDeque::new(), bytes: 0, head, confirmed: head, end: None };
        let tail = Arc::new(Tail {
            session_id,
            shared: Arc::clone(&self.0),
            ring: Mutex::new(ring),
            rewrites: Rewrites::default(),
            growing: tokio::sync::Mutex::default(),
            head: watch::Sender::new(head.seq),
            signals: broadcast::Sender::new(SIGNALS),
            listener: tokio::sync::Mutex::default(),
        });
        open.tails.insert(session_id, Arc::downgrade(&tail));
        tail
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut open = locked(&self.shared.open);
        // A new tail may have taken the place already.
        if open.tails.get(&self.session_id).is_some_and(|tail| tail.strong_count() == 0) {
            open.tails.remove(&self.session_id);
        }
    }
}

impl Tail {
    pub(super) const fn session_id(&self) -> SessionId {
        self.session_id
    }

    pub(super) fn watch(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    pub(super) fn signals(&self) -> broadcast::Receiver<Arc<SignalView>> {
        self.signals.subscribe()
    }

    /// Begins to listen for hints, where nothing listens; `true` where it began. It begins before the look at the log, so that
    /// nothing falls between. Should the first reader drop its future meanwhile, the next one begins anew.
    async fn listen(self: &Arc<Self>) -> bool {
        let mut listener = self.listener.lock().await;
        if listener.as_ref().is_some_and(Task::runs) {
            return false;
        }
        let hints = self.shared.hints(self.session_id).await;
        let (tail, first) = (Arc::downgrade(self), Mutex::new(Some(hints)));
        let ended = Ended({
            let tail = Weak::clone(&tail);
            move || {
                if let Some(tail) = tail.upgrade() {
                    tail.head.send_modify(|_| {});
                }
            }
        });
        *listener = Some(Task::spawn("listener", self.shared.poll_interval, move || {
            let _ = &ended;
            let hints = locked(&first).take().unwrap_or_else(|| stream::empty().boxed());
            listen(Weak::clone(&tail), hints)
        }));
        true
    }

    /// Starts again what ended with its runtime: the poller, and the listener of this tail.
    pub(super) async fn revive(self: &Arc<Self>) {
        self.shared.keep_polling();
        let is_deaf = self.listener.try_lock().is_ok_and(|listener| !listener.as_ref().is_some_and(Task::runs));
        if is_deaf
            && self.listen().await
            && let Err(error) = self.catch_up().await
        {
            tracing::warn!(session = %self.session_id, %error, "could not follow a log; the poller tries again");
        }
    }

    /// The next events after a position, at least one where there are any: from memory, or, for a reader that is further behind
    /// than that, from the log.
    ///
    /// # Errors
    /// [`Resync`](Error::Resync) when the log no longer continues after that position.
    pub(super) async fn after(&self, position: Cursor) -> Result<Vec<Arc<EventView>>> {
        let ring_head = {
            let ring = locked(&self.ring);
            if ring.end == Some(End::Corrupt) {
                return Err(Error::Internal);
            }
            if ring.end.is_some() || !ring.agrees_with(position) {
                None
            } else if position.seq >= ring.head.seq {
                return Ok(Vec::new());
            } else {
                let missing = usize::try_from(ring.head.seq - position.seq).unwrap_or(usize::MAX);
                let kept = ring.events.len().checked_sub(missing);
                // Names in it may have changed since; what the log gives has them anew.
                if let Some(skip) = kept.filter(|skip| ring.events.get(*skip).is_some_and(|view| view.is_fresh())) {
                    return Ok(ring.events.iter().skip(skip).take(64).cloned().collect());
                }
                Some(ring.head.seq)
            }
        };
        let Some(head) = ring_head else {
            return Err(resync_now(&*self.shared.store, self.session_id).await);
        };
        let (from, to) = (position.seq.max(1), head.min(position.seq + 64));
        let mut rows = self.shared.rows(self.session_id, from, to).await?;
        if !continues(position, &rows) {
            return Err(resync_now(&*self.shared.store, self.session_id).await);
        }
        rows.retain(|event| event.seq > position.seq);
        view::views(&*self.shared.store, &self.shared.profiles, rows).await
    }

    /// The position with its epoch, where that is known. Refuses a position after which the kept log does not continue.
    pub(super) async fn goes_on_from(&self, position: Cursor) -> Result<Cursor> {
        {
            let ring = locked(&self.ring);
            let epoch = ring.epoch(position.seq);
            let kept = ring.events.len() as Seq >= ring.head.seq.saturating_sub(position.seq);
            if (epoch.is_some() || position.seq == 0) && kept && ring.agrees_with(position) {
                return Ok(Cursor { seq: position.seq, epoch });
            }
        }
        let rows = self.shared.rows(self.session_id, position.seq.max(1), position.seq + 1).await?;
        if !continues(position, &rows) {
            return Err(resync_now(&*self.shared.store, self.session_id).await);
        }
        Ok(rows.first().map(|row| row.cursor()).filter(|row| row.seq == position.seq).unwrap_or(position))
    }

    /// Reads what the log has beyond the ring.
    async fn catch_up(&self) -> Result<()> {
        loop {
            let (asked, since) = (locked(&self.ring).head.seq, self.rewrites.noted());
            let rows = self.shared.rows(self.session_id, asked.max(1), asked + CHUNK).await?;
            let complete = (rows.len() as u64) < CHUNK;
            let taken = self.take_log(asked, rows, since).await?;
            let ring = locked(&self.ring);
            if ring.end.is_some() || (taken && (complete || ring.head.seq == asked)) {
                self.rewrites.has_read();
                return Ok(());
            }
        }
    }

    /// Takes in what a poll found: the log from the head on, and the row at the confirmed position where that is another one.
    async fn look(
        &self,
        (confirmed, head, since): (Cursor, Seq, u64),
        mut rows: Vec<Arc<Event>>,
        seen: Option<Vec<Arc<Event>>>,
    ) -> Result<()> {
        if head > 0 && rows.is_empty() {
            // A store that reads many logs at once gives nothing of one that it cannot read. Alone it says so.
            rows = match self.shared.store.log(&[LogRange { session_id: self.session_id, from: head, to: head }]).await
            {
                Ok(found) => found.into_iter().next().unwrap_or_default(),
                Err(StoreError::Corrupt(cause)) => {
                    tracing::error!(cause, "a log cannot be read");
                    self.end(End::Corrupt);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
        }
        // A row that was trimmed says nothing.
        if seen.is_some_and(|seen| seen.first().is_some_and(|row| !confirmed.agrees_with(row.cursor()))) {
            self.end(End::Replaced);
            return Ok(());
        }
        let full = rows.len() as u64 >= CHUNK;
        let taken = self.take_log(head, rows, since).await?;
        // There may be more, which must not wait for the next poll.
        if full || !taken { self.catch_up().await } else { Ok(()) }
    }

    /// Takes in what the log has from the position `asked` on, which was the ring's head when the log was read, after `since`
    /// deletions; `false` where one came meanwhile, so that the log is to be read again.
    async fn take_log(&self, asked: Seq, rows: Vec<Arc<Event>>, since: u64) -> Result<bool> {
        let _growing = self.growing.lock().await;
        let found = locked(&self.ring).compare(asked, &rows);
        match found {
            Found::More => {
                let last = rows.last().map(|row| row.cursor());
                let taken = self.grow(rows, since).await?;
                let mut ring = locked(&self.ring);
                if let Some(last) = last.filter(|last| ring.confirmed.seq < last.seq && ring.agrees_with(*last)) {
                    ring.confirmed = last;
                }
                Ok(taken)
            }
            Found::Trimmed => {
                // Readers that were at the ring's head find the gap when they read the log.
                let before = rows.first().map_or(0, |first| first.seq - 1);
                {
                    let mut ring = locked(&self.ring);
                    (ring.events, ring.bytes, ring.head) = (VecDeque::new(), 0, Cursor::from(before));
                    ring.confirmed = ring.head;
                }
                self.grow(rows, since).await
            }
            Found::AnotherHistory => {
                self.end(End::Replaced);
                Ok(true)
            }
            Found::Hole => {
                self.end(End::Corrupt);
                Ok(true)
            }
        }
    }

    /// Ends this tail: its readers are told by `RESYNC`, or by an internal error, and the next reader gets a new tail.
    fn end(&self, end: End) {
        match locked(&self.ring).end.replace(end) {
            Some(_) => {}
            None if end == End::Replaced => {
                tracing::warn!(session = %self.session_id, "a log continues from an older copy; its readers start again");
            }
            None => tracing::error!(session = %self.session_id, "a log cannot be read; its readers are ended"),
        }
        {
            let mut open = locked(&self.shared.open);
            let own = |tail: &Weak<Self>| std::ptr::eq(tail.as_ptr(), self);
            if open.tails.get(&self.session_id).is_some_and(own) {
                open.tails.remove(&self.session_id);
            }
        }
        self.head.send_modify(|_| {});
    }

    /// Takes in the events of a hint where they continue the ring.
    async fn take_in(&self, events: &[Arc<Event>]) -> Result<()> {
        let since = self.rewrites.noted();
        let look = {
            let _growing = self.growing.lock().await;
            let (head, disagree) = {
                let ring = locked(&self.ring);
                let of_another_history =
                    |event: &Arc<Event>| event.session_id == self.session_id && !ring.agrees_with(event.cursor());
                (ring.head.seq, events.iter().any(of_another_history))
            };
            let is_news = |event: &&Arc<Event>| event.session_id == self.session_id && event.seq > head;
            let news: Vec<_> = events.iter().filter(is_news).cloned().collect();
            match news.first() {
                _ if disagree => true,
                Some(first) if first.seq == head + 1 => {
                    self.rewrites.distrusts(first.seq) || !self.grow(news, since).await?
                }
                Some(_) | None => false,
            }
        };
        // A hint is no proof: the log decides.
        if look { self.catch_up().await } else { Ok(()) }
    }

    /// Appends the events that continue the ring, which were read after `since` deletions; the caller holds `growing`. `false` where
    /// one of them shows a text that was deleted meanwhile.
    async fn grow(&self, mut events: Vec<Arc<Event>>, since: u64) -> Result<bool> {
        let known = locked(&self.ring).head.seq;
        events.retain(|event| event.seq > known);
        if events.is_empty() {
            return Ok(true);
        }
        let views = view::views(&*self.shared.store, &self.shared.profiles, events).await?;
        let (head, taken) = {
            let mut ring = locked(&self.ring);
            if ring.end.is_some() {
                return Ok(true);
            }
            let mut taken = true;
            for view in views {
                taken = !self.rewrites.outdate(since, &view);
                if !taken {
                    break;
                }
                if view.event.seq == ring.head.seq + 1 {
                    if let Some(rewritten) = Rewritten::of(&view.event) {
                        self.rewrites.note(&rewritten);
                        ring.evict(&rewritten);
                    }
                    ring.head = view.event.cursor();
                    ring.bytes += view.weight();
                    ring.events.push_back(view);
                }
            }
            while ring.events.len() > self.shared.kept || (ring.bytes > self.shared.kept_bytes && ring.events.len() > 1)
            {
                let Some(oldest) = ring.events.pop_front() else { break };
                ring.bytes -= oldest.weight();
            }
            (ring.head.seq, taken)
        };
        self.head.send_replace(head);
        Ok(taken)
    }

    async fn heed(&self, hint: Hint, early: &mut Early) {
        // A notifier that mixes sessions up must not show one to the readers of another.
        if hint.session_id() != self.session_id {
            return;
        }
        let done = match hint {
            Hint::Signal(signal) => view::signal_view(&self.shared.profiles, signal).await.map(|view| {
                // An error means that nobody listens at the moment.
                let _ = self.signals.send(Arc::new(view));
            }),
            Hint::Committed { session_id: _, head, events } => self.follow(head, events, early).await,
        };
        if let Err(error) = done {
            tracing::warn!(session = %self.session_id, %error, "could not follow a log; the poller tries again");
        }
    }

    /// Takes in what a hint brings, and keeps what came too early.
    async fn follow(&self, head: Seq, events: Vec<Arc<Event>>, early: &mut Early) -> Result<()> {
        let told = events.last().map_or(0, |event| event.seq);
        let known = *self.head.borrow();
        // What the ring has already is only compared with it.
        let (old, new): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.seq <= known);
        early.extend(new.into_iter().map(|event| (event.seq, event)));
        let dense = early.range(known + 1..).zip(known + 1..).take_while(|((seq, _), next)| *seq == next);
        let dense: Vec<_> = old.into_iter().chain(dense.map(|((_, event), _)| Arc::clone(event))).collect();
        self.take_in(&dense).await?;
        let known = *self.head.borrow();
        early.retain(|seq, _| *seq > known);
        // Waiting is of use only for what other hints will bring.
        if (told < head && known < head) || early.len() > EARLY {
            early.clear();
            self.catch_up().await?;
        }
        Ok(())
    }
}

/// Wakes readers when it is dropped with the task that has it. A task can end with its runtime, and the readers start another one.
struct Ended<F: Fn()>(F);

impl<F: Fn()> Drop for Ended<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Shared {
    /// Starts the poller where none runs.
    fn keep_polling(self: &Arc<Self>) {
        let mut poller = locked(&self.poller);
        if !poller.as_ref().is_some_and(Task::runs) {
            let shared = Arc::downgrade(self);
            let ended = Ended({
                let shared = Weak::clone(&shared);
                move || {
                    let tails = shared.upgrade().map(|shared| shared.open_tails()).unwrap_or_default();
                    tails.iter().for_each(|tail| tail.head.send_modify(|_| {}));
                }
            });
            *poller = Some(Task::spawn("poller", self.poll_interval, move || {
                let _ = &ended;
                poll(Weak::clone(&shared))
            }));
        }
    }

    fn open_tails(&self) -> Vec<Arc<Tail>> {
        locked(&self.open).tails.values().filter_map(Weak::upgrade).collect()
    }

    async fn rows(&self, session_id: SessionId, from: Seq, to: Seq) -> Result<Vec<Arc<Event>>> {
        let found = self.store.log(&[LogRange { session_id, from, to }]).await?;
        Ok(dense(found.into_iter().next().unwrap_or_default())?)
    }

    /// The hints of a session; none from a notifier that does not answer, which is then asked again.
    async fn hints(&self, session_id: SessionId) -> BoxStream<'static, Hint> {
        let listening = AssertUnwindSafe(async { self.notifier.listen(session_id).await }).catch_unwind();
        match timeout(LISTEN_WAIT, listening).await {
            Ok(Ok(hints)) => hints,
            Ok(Err(_)) => {
                tracing::error!("the notifier panicked; it is asked again");
                stream::empty().boxed()
            }
            Err(_) => stream::empty().boxed(),
        }
    }
}

async fn listen(tail: Weak<Tail>, mut hints: BoxStream<'static, Hint>) {
    let mut early = Early::new();
    let mut due = None;
    loop {
        let hint = match due {
            Some(due) => timeout_at(due, hints.next()).await.ok(),
            None => Some(hints.next().await),
        };
        let Some(tail_now) = tail.upgrade() else { return };
        let before = *tail_now.head.borrow();
        match hint {
            Some(Some(hint)) => tail_now.heed(hint, &mut early).await,
            // What is missing does not come by itself.
            None => {
                early.clear();
                if let Err(error) = tail_now.catch_up().await {
                    tracing::warn!(session = %tail_now.session_id, %error, "could not follow a log");
                }
            }
            // The notifier lost its connection: ask again, at the pace of the poller which stands in meanwhile.
            Some(None) => {
                let (shared, id) = (Arc::clone(&tail_now.shared), tail_now.session_id);
                drop(tail_now);
                early.clear();
                due = None;
                tokio::time::sleep(shared.poll_interval).await;
                hints = shared.hints(id).await;
                continue;
            }
        }
        let went_on = *tail_now.head.borrow() > before;
        due =
            if early.is_empty() { None } else { due.filter(|_| !went_on).or_else(|| Some(Instant::now() + PATIENCE)) };
    }
}

/// Looks at all open tails' logs in one query, from time to time, until there are none.
async fn poll(shared: Weak<Shared>) {
    loop {
        let Some(interval) = shared.upgrade().map(|shared| shared.poll_interval) else { return };
        tokio::time::sleep(interval).await;
        let Some(shared) = shared.upgrade() else { return };
        let tails = {
            let mut poller = locked(&shared.poller);
            let tails = shared.open_tails();
            if tails.is_empty() {
                // The next tail is opened first, and then finds no poller: it starts another one.
                *poller = None;
                return;
            }
            tails
        };
        shared.look_at(&tails).await;
    }
}

impl Shared {
    /// Takes in what the logs of tails have beyond them. Each look includes the tail's last event, and the last one that the log was
    /// seen to have: they tell whether the log is still the same one.
    async fn look_at(&self, tails: &[Arc<Tail>]) {
        let known: Vec<(Cursor, Seq, u64)> = tails
            .iter()
            .map(|tail| {
                let ring = locked(&tail.ring);
                (ring.confirmed, ring.head.seq, tail.rewrites.noted())
            })
            .collect();
        let news = tails.iter().zip(&known).map(|(tail, (_, head, _))| LogRange {
            session_id: tail.session_id,
            from: (*head).max(1),
            to: head + CHUNK,
        });
        let hinted = |(confirmed, head, _): &(Cursor, Seq, u64)| confirmed.seq > 0 && confirmed.seq < *head;
        let seen = tails.iter().zip(&known).filter(|(_, known)| hinted(known)).map(|(tail, (confirmed, ..))| {
            LogRange { session_id: tail.session_id, from: confirmed.seq, to: confirmed.seq }
        });
        let ranges: Vec<LogRange> = news.chain(seen).collect();
        match self.store.log(&ranges).await {
            Ok(found) => {
                let mut found = found.into_iter();
                let news: Vec<_> = found.by_ref().take(tails.len()).collect();
                for ((tail, known), rows) in tails.iter().zip(&known).zip(news) {
                    let seen = if hinted(known) { found.next() } else { None };
                    if let Err(error) = tail.look(*known, rows, seen).await {
                        tracing::warn!(session = %tail.session_id, %error, "could not follow a log");
                    }
                }
            }
            // The store is away: asking for each session would take long and fail, too.
            Err(error @ StoreError::Unavailable(_)) => tracing::warn!(%error, "could not look for news; trying again"),
            // One log that cannot be read must not stop the readers of the others.
            Err(_) if tails.len() > 1 => {
                let (one, other) = tails.split_at(tails.len() / 2);
                Box::pin(self.look_at(one)).await;
                Box::pin(self.look_at(other)).await;
            }
            Err(StoreError::Corrupt(cause)) => {
                tracing::error!(cause, "a log cannot be read");
                tails.iter().for_each(|tail| tail.end(End::Corrupt));
            }
            Err(error) => tracing::warn!(session = ?ranges.first(), %error, "could not look for news; trying again"),
        }
    }
}
