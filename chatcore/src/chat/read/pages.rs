//! Finding messages in a log by number, place or time.
//!
//! Every row of a log carries how many messages there are up to it, and that number, like the position and the time,
//! never falls along the log. So a message is found by its number with a few reads of single rows, and a page is one or
//! two ranges, at any depth.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use futures_util::FutureExt;

use super::{profiles, view};
use crate::chat::{Chat, decide::history::Sight, read::extras::Extras};
use crate::{
    error::{Error, Result},
    model::{Bound, Cursor, Event, Message, MessagePage, MessageWindow, Profile, Seq, SessionId, UserId},
    store::{ChatStore, FactsQuery, Freshness, Head, LogRange, StoreError},
};

/// Rows that are read at once, and within which a search goes over to reading all of them.
const CHUNK: u64 = 128;

/// The position before the first event that a log keeps. A log is dense from there to its head, so it is searched for.
pub(in crate::chat) async fn oldest(
    store: &dyn ChatStore,
    session_id: SessionId,
    head: Seq,
) -> Result<Seq, StoreError> {
    let (mut low, mut high) = (1, head.max(1));
    // Most logs are whole.
    let mut middle = low;
    while low < high {
        let found = store.log(&[LogRange { session_id, from: middle, to: middle }]).await?;
        if found.iter().all(Vec::is_empty) {
            low = middle + 1;
        } else {
            high = middle;
        }
        middle = low + (high - low) / 2;
    }
    Ok(low - 1)
}

/// Refuses a part of a log that has a hole: a reader must not be told what comes after it.
pub(in crate::chat) fn dense(rows: Vec<Arc<Event>>) -> Result<Vec<Arc<Event>>, StoreError> {
    let hole = rows.iter().zip(rows.iter().skip(1)).find(|(row, next)| row.seq + 1 != next.seq);
    match hole {
        Some((row, _)) => Err(StoreError::Corrupt(format!("no event after {}/{}", row.session_id, row.seq))),
        None => Ok(rows),
    }
}

/// The error for a position after which the kept log does not continue.
pub(in crate::chat) async fn resync(store: &dyn ChatStore, session_id: SessionId, head: Seq) -> Error {
    match oldest(store, session_id, head).await {
        Ok(oldest) => Error::Resync { oldest, head },
        Err(error) => error.into(),
    }
}

/// The same where the log's end is not known.
pub(in crate::chat) async fn resync_now(store: &dyn ChatStore, session_id: SessionId) -> Error {
    match store.facts(&[FactsQuery { session_id, records: &[] }], Freshness::Fresh).await {
        Ok(facts) => resync(store, session_id, facts.first().map_or(0, |facts| facts.head.seq)).await,
        Err(error) => error.into(),
    }
}

/// A page of messages that is wanted.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Wanted {
    /// Nothing beyond its end is looked at, and nothing before its start is shown.
    pub(in crate::chat) sight: Sight,
    window: MessageWindow,
    limit: u64,
}

impl Wanted {
    pub(in crate::chat) const fn of(sight: Sight, window: MessageWindow, limit: u64) -> Self {
        Self { sight, window, limit }
    }

    /// A page of a whole log up to a head, which is kept for many readers.
    pub(in crate::chat) const fn at(session_id: SessionId, head: Head, window: MessageWindow, limit: u64) -> Self {
        Self::of(Sight { session_id, head, first: 1 }, window, limit)
    }
}

/// The messages of a page.
pub(in crate::chat) struct Paged {
    pub(in crate::chat) events: Vec<Arc<Event>>,
    /// How many messages the reader does not see, because they stand before what the reader sees.
    pub(in crate::chat) before: u64,
}

impl Chat {
    /// Part of a log; at most a few hundred rows.
    pub(in crate::chat) async fn rows(&self, session_id: SessionId, from: Seq, to: Seq) -> Result<Vec<Arc<Event>>> {
        let found = self.inner.store.log(&[LogRange { session_id, from, to }]).await?;
        Ok(dense(found.into_iter().next().unwrap_or_default())?)
    }

    /// The messages of pages. The searches go on side by side: what each of them has to read next is one call of the store
    /// for all, so many pages take as many calls as the one that takes the most.
    pub(in crate::chat) async fn pages_of_events(&self, wanted: Vec<Wanted>) -> Result<Vec<Result<Paged>>> {
        let searches: Vec<_> = wanted.into_iter().map(Search::new).collect();
        let mut pages: Vec<_> = searches.iter().map(|search| Box::pin(search.page())).collect();
        let mut found: Vec<Option<Result<_>>> = pages.iter().map(|_| None).collect();
        loop {
            for (page, found) in pages.iter_mut().zip(&mut found).filter(|(_, found)| found.is_none()) {
                // It waits for nothing but the rows that it has asked for.
                *found = page.now_or_never();
            }
            let (asking, ranges): (Vec<_>, Vec<_>) =
                searches.iter().filter_map(|search| Some((search, search.asks()?))).unzip();
            if ranges.is_empty() {
                return Ok(found.into_iter().map(|found| found.unwrap_or(Err(Error::Internal))).collect());
            }
            for (search, rows) in asking.into_iter().zip(self.inner.store.log(&ranges).await?) {
                search.answer(rows);
            }
        }
    }
}

/// Messages as a page. A message that only a newer version knows has its place and is left out.
pub(in crate::chat) fn page(
    head: Head,
    Paged { events, before }: &Paged,
    profiles: &HashMap<UserId, Profile>,
    extras: &Extras,
) -> MessagePage {
    let shown = |event: &Arc<Event>| {
        let message = view::message(event, profiles::of(profiles, &event.actor))?;
        Some(extras.shown_in(message))
    };
    let messages: Vec<Message> = events.iter().filter_map(shown).collect();
    MessagePage {
        previous: events.first().filter(|event| event.number > before + 1).map(|event| event.cursor()),
        next: events.last().filter(|event| event.number < head.number).map(|event| event.cursor()),
        messages,
        total: head.number.saturating_sub(*before),
    }
}

/// A page being searched for.
struct Search {
    wanted: Wanted,
    reading: Mutex<Reading>,
}

/// What a search has to do with the store.
enum Reading {
    Nothing,
    Asks(LogRange),
    Has(Vec<Arc<Event>>),
}

impl Search {
    const fn new(wanted: Wanted) -> Self {
        Self { wanted, reading: Mutex::new(Reading::Nothing) }
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        // Nothing panics while it is held.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be read for it.
    fn asks(&self) -> Option<LogRange> {
        match mem::replace(&mut *self.reading(), Reading::Nothing) {
            Reading::Asks(range) => Some(range),
            Reading::Nothing | Reading::Has(_) => None,
        }
    }

    fn answer(&self, rows: Vec<Arc<Event>>) {
        *self.reading() = Reading::Has(rows);
    }

    /// Part of the log. Nobody is woken: who drives the searches polls again once the rows are there.
    async fn rows(&self, from: Seq, to: Seq) -> Vec<Arc<Event>> {
        *self.reading() = Reading::Asks(LogRange { session_id: self.wanted.sight.session_id, from, to });
        poll_fn(|_| match &mut *self.reading() {
            Reading::Has(rows) => Poll::Ready(mem::take(rows)),
            Reading::Nothing | Reading::Asks(_) => Poll::Pending,
        })
        .await
    }

    async fn row(&self, seq: Seq) -> Result<Arc<Event>> {
        let rows = self.rows(seq, seq).await;
        let missing = || StoreError::Corrupt(format!("no event at {}/{seq}", self.wanted.sight.session_id));
        Ok(rows.into_iter().next().ok_or_else(missing)?)
    }

    /// The messages of a page.
    async fn page(&self) -> Result<Paged> {
        let Wanted { sight: Sight { head, .. }, window, limit } = self.wanted;
        let unseen = self.unseen().await?;
        let (window, cursor) = window.parted();
        if let Some(events) = self.page_beside(window, cursor, unseen).await? {
            return Ok(Paged { events, before: unseen });
        }
        // The page as message numbers: `first..=last`, empty when `last < first`.
        let (first, last) = match window {
            MessageWindow::Skip(skip) => {
                let skip = unseen.saturating_add(skip);
                (skip.saturating_add(1), skip.saturating_add(limit).min(head.number))
            }
            MessageWindow::Newest => (head.number.saturating_sub(limit).max(unseen) + 1, head.number),
            MessageWindow::Before(bound) => {
                let before = self.messages_before(bound).await?;
                (before.saturating_sub(limit).max(unseen) + 1, before)
            }
            MessageWindow::After(bound) => {
                let upto = self.messages_upto(bound).await?.max(unseen);
                (upto.saturating_add(1), upto.saturating_add(limit).min(head.number))
            }
        };
        let events = if first <= last { self.messages_between(first, last).await? } else { Vec::new() };
        Ok(Paged { events, before: unseen })
    }

    /// How many messages stand before what the reader sees.
    async fn unseen(&self) -> Result<u64> {
        let Sight { head, first, .. } = self.wanted.sight;
        match first {
            0 | 1 => Ok(0),
            first if first > head.seq => Ok(head.number),
            first => Ok(self.row(first - 1).await?.number),
        }
    }

    /// Refuses a cursor whose event the log does not have at that position. Where the log begins is for the caller to find.
    fn check(&self, cursor: Option<Cursor>, row: Option<&Arc<Event>>) -> Result<()> {
        match cursor {
            Some(cursor) if !row.is_some_and(|row| cursor.agrees_with(row.cursor())) => {
                Err(Error::Resync { oldest: 0, head: self.wanted.sight.head.seq })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The page next to a position, found with one read where nothing but messages stands there. Checks the cursor that named the
    /// position. `unseen` messages are not shown to the reader.
    async fn page_beside(
        &self,
        window: MessageWindow,
        cursor: Option<Cursor>,
        unseen: u64,
    ) -> Result<Option<Vec<Arc<Event>>>> {
        let Wanted { sight: Sight { head, first, .. }, window: _, limit } = self.wanted;
        let (mut rows, wanted) = match window {
            MessageWindow::Before(Bound::Seq(seq)) if seq > first => {
                let last = head.seq.min(seq - 1);
                let upto = last + u64::from(cursor.is_some());
                let mut rows = self.rows(last.saturating_sub(limit.saturating_sub(1)).max(first), upto).await;
                if cursor.is_some() {
                    self.check(cursor, rows.pop().as_ref())?;
                }
                let before = rows.last().map_or(0, |event| event.number);
                (rows, before.saturating_sub(unseen).min(limit))
            }
            MessageWindow::After(Bound::Seq(seq)) if first <= seq && seq < head.seq => {
                let rows = self.rows(seq, head.seq.min(seq.saturating_add(limit))).await;
                self.check(cursor, rows.first())?;
                let upto = rows.first().map_or(0, |event| event.number);
                (rows.into_iter().skip(1).collect(), (head.number - upto).min(limit))
            }
            MessageWindow::Before(_) | MessageWindow::After(_) | MessageWindow::Skip(_) | MessageWindow::Newest => {
                if let Some(Cursor { seq: seq @ 1.., .. }) = cursor {
                    self.check(cursor, self.rows(seq, seq).await.first())?;
                }
                return Ok(None);
            }
        };
        rows.retain(|event| event.kind.is_message());
        Ok((rows.len() as u64 == wanted).then_some(rows))
    }

    /// How many messages stand before a place.
    async fn messages_before(&self, bound: Bound) -> Result<u64> {
        let head = self.wanted.sight.head;
        match bound {
            Bound::Seq(0 | 1) => Ok(0),
            Bound::Seq(seq) | Bound::Cursor(Cursor { seq, .. }) if seq > head.seq => Ok(head.number),
            Bound::Seq(seq) | Bound::Cursor(Cursor { seq, .. }) => Ok(self.row(seq.max(2) - 1).await?.number),
            Bound::Time(time) => self.number_where(|event| event.created_at >= time).await,
        }
    }

    /// How many messages stand up to a place, with it.
    async fn messages_upto(&self, bound: Bound) -> Result<u64> {
        let head = self.wanted.sight.head;
        match bound {
            Bound::Seq(0) => Ok(0),
            Bound::Seq(seq) | Bound::Cursor(Cursor { seq, .. }) if seq >= head.seq => Ok(head.number),
            Bound::Seq(seq) | Bound::Cursor(Cursor { seq, .. }) => Ok(self.row(seq.max(1)).await?.number),
            Bound::Time(time) => self.number_where(|event| event.created_at > time).await,
        }
    }

    /// How many messages stand before the first event that is past a place.
    async fn number_where(&self, past: impl Fn(&Event) -> bool) -> Result<u64> {
        let seq = self.first_where(1, self.wanted.sight.head.seq + 1, past).await?;
        if seq <= 1 { Ok(0) } else { Ok(self.row(seq - 1).await?.number) }
    }

    /// The first position in `low..high` at which the test holds, which must hold from there on; else `high`.
    async fn first_where(&self, mut low: Seq, mut high: Seq, holds: impl Fn(&Event) -> bool) -> Result<Seq> {
        while high - low > CHUNK {
            let middle = low + (high - low) / 2;
            if holds(&*self.row(middle).await?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if low == high {
            return Ok(high);
        }
        let rows = self.rows(low, high - 1).await;
        Ok(rows.iter().find(|event| holds(event)).map_or(high, |event| event.seq))
    }

    /// The messages numbered `first..=last`, which must exist.
    async fn messages_between(&self, first: u64, last: u64) -> Result<Vec<Arc<Event>>> {
        let Wanted { sight: Sight { session_id: id, head, .. }, window: _, limit: _ } = self.wanted;
        // Message n cannot stand before position n, and after it the rest of the messages must find room.
        let latest = |number: u64| head.seq - (head.number - number);
        let mut found = VecDeque::new();
        // The first event with a number is the message, also where its kind is of a newer version.
        let keep = |found: &mut VecDeque<Arc<Event>>, rows: Vec<Arc<Event>>| {
            for event in rows {
                let least = found.back().map_or(first, |event| event.number + 1);
                if (least..=last).contains(&event.number) {
                    found.push_back(event);
                }
            }
        };
        // Most logs have their joins at the start, so the latest possible place is the likeliest.
        let rows = self.rows(latest(first), latest(last)).await;
        if rows.first().is_some_and(|event| event.kind.is_message() && event.number == first) {
            keep(&mut found, rows);
            return Ok(found.into());
        }
        let start = if latest(first) - first <= CHUNK {
            first
        } else {
            self.first_where(first, latest(first) + 1, |event| event.number >= first).await?
        };
        let mut from = start;
        let end = latest(last);
        while from <= end && found.back().is_none_or(|event| event.number < last) {
            let to = end.min(from + (last - first) + CHUNK);
            let rows = self.rows(from, to).await;
            if rows.is_empty() {
                return Err(Error::from(StoreError::Corrupt(format!("no events at {id}/{from}..={to}"))));
            }
            let before = found.len();
            keep(&mut found, rows);
            from = to + 1;
            // Where people came and went for long and nobody spoke, the next message is looked for, not walked to.
            if found.len() == before && from <= end {
                let wanted = found.back().map_or(first, |event| event.number + 1);
                from = self.first_where(from, end + 1, |event| event.number >= wanted).await?;
            }
        }
        Ok(found.into())
    }
}
