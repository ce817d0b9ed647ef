//! The end of a session's log, shared by all its readers in this process.
//!
//! Hints and the poller both only say that there is more; what is shown is always the log without a gap.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use super::{
    fan_out::FanOut,
    receipts::Receipts,
    rewrites::{Rewrites, Rewritten},
    ring::{End, Found, Look, Ring, continues},
    seat::{Seat, Seats},
    task::{Kind, Task, apart},
};
use crate::chat::read::{
    pages::{dense, resync_now},
    profiles::Profiles,
    view::{self, EventView},
};
use crate::{
    error::{Error, Result},
    limits::Limits,
    model::{Cursor, Event, Seq, SessionId},
    notify::Notifier,
    store::{ChatStore, LogRange, StoreError},
};

/// Rows that are read at once.
pub(in crate::chat) const CHUNK: u64 = 256;

pub(in crate::chat) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tails of all sessions that have readers.
#[derive(Clone)]
pub(in crate::chat) struct Tails(Arc<Shared>);

pub(in crate::chat) struct Shared {
    pub(in crate::chat) store: Arc<dyn ChatStore>,
    pub(in crate::chat) notifier: Arc<dyn Notifier>,
    pub(in crate::chat) profiles: Profiles,
    pub(in crate::chat) receipts: Receipts,
    pub(in crate::chat) poll_interval: Duration,
    kept: usize,
    kept_bytes: usize,
    open: Mutex<Open>,
    pub(in crate::chat) kinds: Kinds,
    #[cfg(feature = "metrics")]
    pub(in crate::chat) measures: super::measures::Measures,
    /// Looks at the logs of the open tails. It ends when there are none.
    pub(in crate::chat) poller: Mutex<Option<Task>>,
}

/// The kinds of tasks that tails have.
pub(in crate::chat) struct Kinds {
    pub(in crate::chat) fan_out: Kind,
    pub(in crate::chat) listener: Kind,
    pub(in crate::chat) poller: Kind,
}

#[derive(Default)]
struct Open {
    tails: HashMap<SessionId, Weak<Tail>>,
}

/// The last events of one session.
pub(in crate::chat) struct Tail {
    pub(in crate::chat) session_id: SessionId,
    pub(in crate::chat) shared: Arc<Shared>,
    pub(in crate::chat) ring: Mutex<Ring>,
    pub(in crate::chat) rewrites: Rewrites,
    /// One grows the ring at a time.
    growing: tokio::sync::Mutex<()>,
    /// The readers.
    pub(in crate::chat) seats: Seats,
    pub(in crate::chat) fan_out: FanOut,
    pub(in crate::chat) listener: tokio::sync::Mutex<Option<Task>>,
}

impl Tails {
    #[cfg(feature = "metrics")]
    pub(in crate::chat) fn measures(&self) -> &super::measures::Measures {
        &self.0.measures
    }

    pub(in crate::chat) fn new(
        store: Arc<dyn ChatStore>,
        notifier: Arc<dyn Notifier>,
        (profiles, receipts): (Profiles, Receipts),
        limits: &Limits,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            notifier,
            profiles,
            receipts,
            poll_interval: limits.poll_interval,
            kept: limits.tail_events.max(1),
            kept_bytes: limits.tail_bytes,
            open: Mutex::default(),
            kinds: Kinds {
                fan_out: Kind::new("fan-out"),
                listener: Kind::new("listener"),
                poller: Kind::new("poller"),
            },
            #[cfg(feature = "metrics")]
            measures: super::measures::Measures::new(),
            poller: Mutex::default(),
        }))
    }

    /// The session's tail, which goes at least up to `head`, the end of the log as it is now.
    pub(in crate::chat) async fn tail(&self, session_id: SessionId, head: Cursor) -> Result<Arc<Tail>> {
        let tail = self.get(session_id, head);
        if tail.listens() && tail.reaches(head) && tail.fits(head) {
            return Ok(tail);
        }
        drop(tail);
        let tails = self.clone();
        apart(async move { tails.catch_up(session_id, head).await }).await?
    }

    async fn catch_up(&self, session_id: SessionId, head: Cursor) -> Result<Arc<Tail>> {
        for _ in 0..3 {
            let tail = self.get(session_id, head);
            if tail.listen().await || !tail.reaches(head) {
                tail.catch_up().await?;
            }
            if tail.fits(head) {
                return Ok(tail);
            }
            tail.end(End::Replaced);
        }
        // The log is replaced again and again.
        Err(Error::Unavailable)
    }

    /// Evicts what is kept of rows that events rewrote, and takes note of events that hide what stands before them. A caller that does
    /// this before the change is acknowledged keeps readers of this process from getting a deleted or hidden text after that.
    pub(in crate::chat) fn evict(&self, session_id: SessionId, events: &[Arc<Event>]) {
        let tail = locked(&self.0.open).tails.get(&session_id).and_then(Weak::upgrade);
        if let Some(tail) = tail {
            let mut ring = locked(&tail.ring);
            events.iter().for_each(|event| tail.rewrites.heed(event));
            events.iter().filter_map(|event| Rewritten::of(event)).for_each(|rewritten| {
                tail.rewrites.note(&rewritten);
                ring.evict(&rewritten);
            });
        }
    }

    /// The tails that are open.
    pub(in crate::chat) fn all(&self) -> Vec<Arc<Tail>> {
        self.0.open_tails()
    }

    fn get(&self, session_id: SessionId, head: Cursor) -> Arc<Tail> {
        let tail = self.open(session_id, head);
        self.0.keep_polling();
        tail.keep_fanning_out();
        tail
    }

    fn open(&self, session_id: SessionId, head: Cursor) -> Arc<Tail> {
        let mut open = locked(&self.0.open);
        if let Some(tail) = open.tails.get(&session_id).and_then(Weak::upgrade) {
            return tail;
        }
        #[cfg(feature = "metrics")]
        self.0.measures.tails.increment(1.0);
        let tail = Arc::new(Tail {
            session_id,
            shared: Arc::clone(&self.0),
            ring: Mutex::new(Ring::new(head)),
            rewrites: Rewrites::default(),
            growing: tokio::sync::Mutex::default(),
            seats: Seats::default(),
            fan_out: FanOut::new(head.seq),
            listener: tokio::sync::Mutex::default(),
        });
        open.tails.insert(session_id, Arc::downgrade(&tail));
        tail
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        self.shared.measures.tails.decrement(1.0);
        let mut open = locked(&self.shared.open);
        // A new tail may have taken the place already.
        if open.tails.get(&self.session_id).is_some_and(|tail| tail.strong_count() == 0) {
            open.tails.remove(&self.session_id);
        }
    }
}

impl Tail {
    /// The ring's head.
    pub(in crate::chat) fn head(&self) -> Seq {
        locked(&self.ring).head.seq
    }

    /// Whether the ring goes up to an end of the log.
    fn reaches(&self, head: Cursor) -> bool {
        let ring = locked(&self.ring);
        ring.head.seq >= head.seq && ring.epoch(head.seq) == head.epoch
    }

    /// Whether the ring is of the log that has this end.
    fn fits(&self, head: Cursor) -> bool {
        let ring = locked(&self.ring);
        ring.end.is_none() && ring.agrees_with(head)
    }

    /// A place for a reader.
    pub(in crate::chat) fn seat(self: &Arc<Self>, seat: Seat) -> Seated {
        #[cfg(feature = "metrics")]
        self.shared.measures.readers.increment(1.0);
        let seat = Arc::new(seat);
        Seated { number: self.seats.take(Arc::clone(&seat)), tail: Arc::clone(self), seat }
    }

    /// Whether there is something that a reader that waits after a position must look at.
    pub(in crate::chat) fn concerns(&self, position: Cursor) -> bool {
        let ring = locked(&self.ring);
        ring.end.is_some() || ring.head.seq > position.seq
    }

    /// What the ring has after a position.
    pub(in crate::chat) fn look(&self, position: Cursor) -> Look {
        locked(&self.ring).after(position, self.shared.profiles.now())
    }

    /// The next events for a reader that is further behind than the ring goes, as [`look`](Self::look) found. There may be
    /// none: the reader then looks again.
    ///
    /// # Errors
    /// [`Resync`](Error::Resync) when the log no longer continues after that position.
    pub(in crate::chat) async fn read(self: Arc<Self>, position: Cursor, look: Look) -> Result<Vec<Arc<EventView>>> {
        let head = match look {
            Look::Events(events) => return Ok(events),
            Look::Nothing => return Ok(Vec::new()),
            Look::Corrupt => return Err(Error::Internal),
            Look::Lost => return Err(resync_now(&*self.shared.store, self.session_id).await),
            Look::Log(head) => head,
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
    pub(in crate::chat) async fn goes_on_from(&self, position: Cursor) -> Result<Cursor> {
        if let Some(position) = locked(&self.ring).continuing(position) {
            return Ok(position);
        }
        let rows = self.shared.rows(self.session_id, position.seq.max(1), position.seq + 1).await?;
        if !continues(position, &rows) {
            return Err(resync_now(&*self.shared.store, self.session_id).await);
        }
        Ok(rows.first().map(|row| row.cursor()).filter(|row| row.seq == position.seq).unwrap_or(position))
    }

    /// Reads what the log has beyond the ring.
    pub(in crate::chat) async fn catch_up(&self) -> Result<()> {
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
    pub(in crate::chat) async fn inspect(
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
                locked(&self.ring).restart(before);
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
    pub(in crate::chat) fn end(&self, end: End) {
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
        // Later events go to another tail of the session.
        self.rewrites.end();
        self.seats.wake_all();
    }

    /// Takes in the events of a hint where they continue the ring.
    pub(in crate::chat) async fn take_in(&self, events: &[Arc<Event>]) -> Result<()> {
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
    /// one of them shows what was deleted meanwhile.
    async fn grow(&self, mut events: Vec<Arc<Event>>, since: u64) -> Result<bool> {
        let known = locked(&self.ring).head.seq;
        events.retain(|event| event.seq > known);
        if events.is_empty() {
            return Ok(true);
        }
        let views = view::views(&*self.shared.store, &self.shared.profiles, events).await?;
        let taken = {
            let mut ring = locked(&self.ring);
            if ring.end.is_some() {
                return Ok(true);
            }
            ring.push(views, (&self.rewrites, since), (self.shared.kept, self.shared.kept_bytes))
        };
        self.fan_out.notify();
        Ok(taken)
    }
}

/// A reader's place at a tail, given back when dropped.
pub(in crate::chat) struct Seated {
    pub(in crate::chat) tail: Arc<Tail>,
    pub(in crate::chat) seat: Arc<Seat>,
    number: usize,
}

impl Drop for Seated {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        self.tail.shared.measures.readers.decrement(1.0);
        self.seat.leave();
        self.tail.seats.give_back(self.number);
    }
}

impl Shared {
    pub(in crate::chat) fn open_tails(&self) -> Vec<Arc<Tail>> {
        locked(&self.open).tails.values().filter_map(Weak::upgrade).collect()
    }

    async fn rows(&self, session_id: SessionId, from: Seq, to: Seq) -> Result<Vec<Arc<Event>>> {
        let found = self.store.log(&[LogRange { session_id, from, to }]).await?;
        Ok(dense(found.into_iter().next().unwrap_or_default())?)
    }
}
