//! The end of a session's log, shared by all its readers in this process.
//!
//! Hints and the poller both only say that there is more; what is shown is always the log without a gap.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::StreamExt;
use tokio::{
    sync::{OnceCell, broadcast, watch},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    profiles::Profiles,
    read::resync,
    view::{self, EventView, SignalView},
};
use crate::{
    error::Result,
    limits::Limits,
    model::{Event, Seq, SessionId},
    notify::{Hint, Notifier},
    store::{ChatStore, LogRange},
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
}

#[derive(Default)]
struct Open {
    tails: HashMap<SessionId, Weak<Tail>>,
    polling: bool,
}

/// The last events of one session.
pub(super) struct Tail {
    session_id: SessionId,
    shared: Arc<Shared>,
    ring: Mutex<Ring>,
    /// One grows the ring at a time.
    growing: tokio::sync::Mutex<()>,
    head: watch::Sender<Seq>,
    signals: broadcast::Sender<Arc<SignalView>>,
    listener: OnceCell<AbortHandle>,
}

struct Ring {
    // INVARIANT: contiguous, and ends at `head`.
    events: VecDeque<Arc<EventView>>,
    bytes: usize,
    head: Seq,
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
        }))
    }

    /// The session's tail, which goes at least up to `head`.
    pub(super) async fn tail(&self, session_id: SessionId, head: Seq) -> Result<Arc<Tail>> {
        let tail = self.get(session_id, head);
        let mut new = false;
        // Listening begins before the look at the log, so that nothing falls between. Should the first reader give up
        // meanwhile, the next one does it.
        let listening = async || {
            let hints = self.0.notifier.listen(session_id).await;
            new = true;
            tokio::spawn(listen(Arc::downgrade(&tail), hints)).abort_handle()
        };
        tail.listener.get_or_init(listening).await;
        if *tail.head.borrow() < head || new {
            tail.catch_up().await?;
        }
        Ok(tail)
    }

    fn get(&self, session_id: SessionId, head: Seq) -> Arc<Tail> {
        let mut open = locked(&self.0.open);
        if let Some(tail) = open.tails.get(&session_id).and_then(Weak::upgrade) {
            return tail;
        }
        let tail = Arc::new(Tail {
            session_id,
            shared: Arc::clone(&self.0),
            ring: Mutex::new(Ring { events: VecDeque::new(), bytes: 0, head }),
            growing: tokio::sync::Mutex::default(),
            head: watch::Sender::new(head),
            signals: broadcast::Sender::new(SIGNALS),
            listener: OnceCell::new(),
        });
        open.tails.insert(session_id, Arc::downgrade(&tail));
        if !open.polling {
            open.polling = true;
            tokio::spawn(poll(Arc::downgrade(&self.0)));
        }
        tail
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
        let mut open = locked(&self.shared.open);
        // A new tail may have taken the place already.
        if open.tails.get(&self.session_id).is_some_and(|tail| tail.strong_count() == 0) {
            open.tails.remove(&self.session_id);
        }
    }
}

impl Tail {
    pub(super) fn watch(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    pub(super) fn signals(&self) -> broadcast::Receiver<Arc<SignalView>> {
        self.signals.subscribe()
    }

    /// The next events after a position, at least one where there are any: from memory, or, for who is further behind
    /// than that, from the log.
    pub(super) async fn after(&self, position: Seq) -> Result<Vec<Arc<EventView>>> {
        let head = {
            let ring = locked(&self.ring);
            if position >= ring.head {
                return Ok(Vec::new());
            }
            let missing = usize::try_from(ring.head - position).unwrap_or(usize::MAX);
            let kept = ring.events.len().checked_sub(missing);
            // Names in it may have changed since; what the log gives has them anew.
            if let Some(skip) = kept.filter(|skip| ring.events.get(*skip).is_some_and(|view| view.is_fresh())) {
                return Ok(ring.events.iter().skip(skip).take(64).cloned().collect());
            }
            ring.head
        };
        let to = head.min(position + 64);
        let range = LogRange { session_id: self.session_id, from: position + 1, to };
        let rows = self.shared.store.log(&[range]).await?.into_iter().next().unwrap_or_default();
        // Trimmed meanwhile.
        if rows.first().is_none_or(|event| event.seq != position + 1) {
            return Err(resync(&*self.shared.store, self.session_id, head).await);
        }
        view::views(&self.shared.profiles, rows).await
    }

    /// Refuses a position after which the kept log does not go on.
    pub(super) async fn goes_on_from(&self, position: Seq) -> Result<()> {
        let head = {
            let ring = locked(&self.ring);
            if ring.events.len() as Seq >= ring.head.saturating_sub(position) {
                return Ok(());
            }
            ring.head
        };
        let range = LogRange { session_id: self.session_id, from: position + 1, to: position + 1 };
        if self.shared.store.log(&[range]).await?.iter().all(Vec::is_empty) {
            return Err(resync(&*self.shared.store, self.session_id, head).await);
        }
        Ok(())
    }

    /// Reads what the log has beyond the ring.
    async fn catch_up(&self) -> Result<()> {
        loop {
            let _growing = self.growing.lock().await;
            let from = *self.head.borrow() + 1;
            let range = LogRange { session_id: self.session_id, from, to: from + CHUNK - 1 };
            let rows = self.shared.store.log(&[range]).await?.into_iter().next().unwrap_or_default();
            let complete = (rows.len() as u64) < CHUNK;
            self.grow(rows).await?;
            if complete {
                return Ok(());
            }
        }
    }

    /// Takes events in where they go on from the ring; `false` where there is a gap before them.
    async fn take_in(&self, events: &[Arc<Event>]) -> Result<bool> {
        let _growing = self.growing.lock().await;
        let head = *self.head.borrow();
        let is_news = |event: &&Arc<Event>| event.session_id == self.session_id && event.seq > head;
        let news: Vec<_> = events.iter().filter(is_news).cloned().collect();
        match news.first() {
            None => Ok(true),
            Some(first) if first.seq > head + 1 => Ok(false),
            Some(_) => {
                self.grow(news).await?;
                Ok(true)
            }
        }
    }

    /// Appends events, which must go on from the ring; the caller holds `growing`.
    async fn grow(&self, events: Vec<Arc<Event>>) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let views = view::views(&self.shared.profiles, events).await?;
        let head = {
            let mut ring = locked(&self.ring);
            for view in views {
                if view.event.seq == ring.head + 1 {
                    ring.head += 1;
                    ring.bytes += view.weight();
                    ring.events.push_back(view);
                }
            }
            while ring.events.len() > self.shared.kept || (ring.bytes > self.shared.kept_bytes && ring.events.len() > 1)
            {
                let Some(oldest) = ring.events.pop_front() else { break };
                ring.bytes -= oldest.weight();
            }
            ring.head
        };
        self.head.send_replace(head);
        Ok(())
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
        early.extend(events.into_iter().map(|event| (event.seq, event)));
        let known = *self.head.borrow();
        let dense = early.range(known + 1..).zip(known + 1..).take_while(|((seq, _), next)| *seq == next);
        let dense: Vec<_> = dense.map(|((_, event), _)| Arc::clone(event)).collect();
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

async fn listen(tail: Weak<Tail>, mut hints: futures_util::stream::BoxStream<'static, Hint>) {
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
                hints = shared.notifier.listen(id).await;
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
        let tails: Vec<Arc<Tail>> = {
            let mut open = locked(&shared.open);
            let tails: Vec<_> = open.tails.values().filter_map(Weak::upgrade).collect();
            open.polling = !tails.is_empty();
            if tails.is_empty() {
                return;
            }
            tails
        };
        let range = |tail: &Arc<Tail>| {
            let from = *tail.head.borrow() + 1;
            LogRange { session_id: tail.session_id, from, to: from + CHUNK - 1 }
        };
        let ranges: Vec<LogRange> = tails.iter().map(range).collect();
        match shared.store.log(&ranges).await {
            Ok(found) => {
                for (tail, rows) in tails.iter().zip(found) {
                    let taken = match tail.take_in(&rows).await {
                        // There may be more: what is late already must not wait for the next round.
                        Ok(_) if rows.len() as u64 == CHUNK => tail.catch_up().await,
                        taken => taken.map(|_| ()),
                    };
                    if let Err(error) = taken {
                        tracing::warn!(session = %tail.session_id, %error, "could not follow a log");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "could not look for news; trying again"),
        }
    }
}
