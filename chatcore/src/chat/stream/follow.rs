//! Following logs: a listener for each tail takes in what hints bring, and one poller looks at the logs of all tails.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream, stream::BoxStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    ring::End,
    tail::{CHUNK, Shared, Tail, locked},
    task::Task,
};
use crate::chat::read::view;
use crate::{
    error::Result,
    model::{Cursor, Event, Seq, SessionId, Signal},
    notify::{Hint, Topic},
    store::{LogRange, StoreError},
};

/// Events of hints that came before those they follow: what is committed together is told by many, in any order. Waiting
/// a moment for the others costs less than reading the log.
type Early = BTreeMap<Seq, Arc<Event>>;

/// How many of them are kept, and for how long.
const EARLY: usize = 64;
const PATIENCE: Duration = Duration::from_millis(5);

/// The longest wait for a notifier's stream.
const LISTEN_WAIT: Duration = Duration::from_secs(5);

impl Tail {
    /// Begins to listen for hints, where nothing listens; `true` where it began. It begins before the look at the log, so that
    /// nothing falls between. Should the first reader drop its future meanwhile, the next one begins anew.
    pub(in crate::chat) async fn listen(self: &Arc<Self>) -> bool {
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
                    tail.seats.wake_all();
                }
            }
        });
        *listener = Some(Task::spawn(&self.shared.kinds.listener, self.shared.poll_interval, move || {
            let _ = &ended;
            let hints = locked(&first).take().unwrap_or_else(|| stream::empty().boxed());
            listen(Weak::clone(&tail), hints)
        }));
        true
    }

    /// Whether hints are heard.
    pub(in crate::chat) fn listens(&self) -> bool {
        self.listener.try_lock().is_ok_and(|listener| listener.as_ref().is_some_and(Task::runs))
    }

    /// Whether all tasks run that readers of this tail depend on. They end with their runtime, and that wakes the readers.
    pub(in crate::chat) fn is_followed(&self) -> bool {
        let runs = |task: &Option<Task>| task.as_ref().is_some_and(Task::runs);
        // The holder of the lock is about to listen.
        let is_heard = self.listener.try_lock().map_or(true, |listener| runs(&listener));
        is_heard && runs(&locked(&self.shared.poller)) && self.fan_out.runs()
    }

    /// Starts again what ended with its runtime: the poller, and the listener and the fan-out of this tail.
    pub(in crate::chat) async fn revive(self: Arc<Self>) {
        self.shared.keep_polling();
        self.keep_fanning_out();
        if self.listen().await
            && let Err(error) = self.catch_up().await
        {
            tracing::warn!(session = %self.session_id, %error, "could not follow a log; the poller tries again");
        }
    }

    async fn heed(self: &Arc<Self>, hint: Hint, early: &mut Early) {
        // A notifier that mixes sessions up must not show one to the readers of another.
        if hint.topic() != Topic::Session(self.session_id) {
            return;
        }
        let done = match hint {
            Hint::Signal(Signal::Receipt { session_id: _, user_id, kind, seq }) => {
                self.shared.receipts.hear(self, user_id, kind, seq);
                Ok(())
            }
            // It may have been on its way while its message was deleted.
            Hint::Signal(signal) if signal.shown_part().is_some_and(|part| self.rewrites.deleted(part.message.seq)) => {
                Ok(())
            }
            Hint::Signal(signal) => view::signal_view(&*self.shared.store, &self.shared.profiles, signal)
                .await
                .map(|view| self.fan_out.signal(self.head(), Arc::new(view))),
            Hint::Committed { session_id: _, head, events } => self.follow(head, events, early).await,
            Hint::Arrived { .. } | Hint::Revoked { .. } | Hint::Notice(_) | Hint::Presence { .. } => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(session = %self.session_id, %error, "could not follow a log; the poller tries again");
        }
    }

    /// Takes in what a hint brings, and keeps what came too early.
    async fn follow(&self, head: Seq, events: Vec<Arc<Event>>, early: &mut Early) -> Result<()> {
        let told = events.last().map_or(0, |event| event.seq);
        let known = self.head();
        // What the ring has already is only compared with it.
        let (old, new): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.seq <= known);
        early.extend(new.into_iter().map(|event| (event.seq, event)));
        let dense = early.range(known + 1..).zip(known + 1..).take_while(|((seq, _), next)| *seq == next);
        let dense: Vec<_> = old.into_iter().chain(dense.map(|((_, event), _)| Arc::clone(event))).collect();
        self.take_in(&dense).await?;
        let known = self.head();
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
pub(in crate::chat) struct Ended<F: Fn()>(pub(in crate::chat) F);

impl<F: Fn()> Drop for Ended<F> {
    fn drop(&mut self) {
        (self.0)();
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
        let before = tail_now.head();
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
        let went_on = tail_now.head() > before;
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
    /// Starts the poller where none runs.
    pub(in crate::chat) fn keep_polling(self: &Arc<Self>) {
        let mut poller = locked(&self.poller);
        if !poller.as_ref().is_some_and(Task::runs) {
            let shared = Arc::downgrade(self);
            let ended = Ended({
                let shared = Weak::clone(&shared);
                move || {
                    let tails = shared.upgrade().map(|shared| shared.open_tails()).unwrap_or_default();
                    tails.iter().for_each(|tail| tail.seats.wake_all());
                }
            });
            *poller = Some(Task::spawn(&self.kinds.poller, self.poll_interval, move || {
                let _ = &ended;
                poll(Weak::clone(&shared))
            }));
        }
    }

    /// The hints of a session; none from a notifier that does not answer, which is then asked again.
    pub(in crate::chat) async fn hints(&self, session_id: SessionId) -> BoxStream<'static, Hint> {
        let listening = AssertUnwindSafe(async { self.notifier.listen(session_id.into()).await }).catch_unwind();
        match timeout(LISTEN_WAIT, listening).await {
            Ok(Ok(hints)) => hints,
            Ok(Err(_)) => {
                tracing::error!("the notifier panicked; it is asked again");
                stream::empty().boxed()
            }
            Err(_) => stream::empty().boxed(),
        }
    }

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
                    if let Err(error) = tail.inspect(*known, rows, seen).await {
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
