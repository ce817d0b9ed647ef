//! Finding messages in a log by number, place or time.
//!
//! Every row of a log carries how many messages there are up to it, and that number, like the position and the time,
//! never falls along the log. So a message is found by its number with a few reads of single rows, and a page is one or
//! two ranges, at any depth.

use std::{collections::VecDeque, sync::Arc};

use super::{Chat, view};
use crate::{
    error::{Error, Result},
    model::{Bound, Event, Message, MessagePage, MessageWindow, Seq, SessionId},
    store::{ChatStore, Head, LogRange, StoreError},
};

/// Rows that are read at once, and within which a search goes over to reading all of them.
const CHUNK: u64 = 128;

/// The error for a position to go on from that the kept log does not have. Where the log begins is searched for: it is
/// dense from there to its head.
pub(super) async fn resync(store: &dyn ChatStore, session_id: SessionId, head: Seq) -> Error {
    let (mut low, mut high) = (1, head.max(1));
    // Most logs are whole.
    let mut middle = low;
    while low < high {
        match store.log(&[LogRange { session_id, from: middle, to: middle }]).await {
            Ok(found) if found.iter().all(Vec::is_empty) => low = middle + 1,
            Ok(_) => high = middle,
            Err(error) => return error.into(),
        }
        middle = low + (high - low) / 2;
    }
    Error::Resync { oldest: low - 1, head }
}

impl Chat {
    /// Part of a log; at most a few hundred rows.
    pub(super) async fn rows(&self, session_id: SessionId, from: Seq, to: Seq) -> Result<Vec<Arc<Event>>> {
        let found = self.inner.store.log(&[LogRange { session_id, from, to }]).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    async fn row(&self, session_id: SessionId, seq: Seq) -> Result<Arc<Event>> {
        let rows = self.rows(session_id, seq, seq).await?;
        let missing = || StoreError::Corrupt(format!("no event at {session_id}/{seq}"));
        Ok(rows.into_iter().next().ok_or_else(missing)?)
    }

    /// A page of messages; nothing beyond `head` is looked at.
    pub(super) async fn page_of_messages(
        &self,
        id: SessionId,
        head: Head,
        window: MessageWindow,
        limit: u64,
    ) -> Result<MessagePage> {
        if let Some(events) = self.page_beside(id, head, window, limit).await? {
            return self.page(head, events).await;
        }
        // The page as message numbers: `first..=last`, empty when `last < first`.
        let (first, last) = match window {
            MessageWindow::Skip(skip) => (skip.saturating_add(1), skip.saturating_add(limit).min(head.number)),
            MessageWindow::Newest => (head.number.saturating_sub(limit) + 1, head.number),
            MessageWindow::Before(bound) => {
                let before = self.messages_before(id, head, bound).await?;
                (before.saturating_sub(limit) + 1, before)
            }
            MessageWindow::After(bound) => {
                let upto = self.messages_upto(id, head, bound).await?;
                (upto.saturating_add(1), upto.saturating_add(limit).min(head.number))
            }
        };
        let events = if first <= last { self.messages_between(id, head, first, last).await? } else { Vec::new() };
        self.page(head, events).await
    }

    /// The page next to a position, found with one read where nothing but messages stands there.
    async fn page_beside(
        &self,
        id: SessionId,
        head: Head,
        window: MessageWindow,
        limit: u64,
    ) -> Result<Option<Vec<Arc<Event>>>> {
        let (mut rows, wanted) = match window {
            MessageWindow::Before(Bound::Seq(seq)) if seq > 1 => {
                let last = head.seq.min(seq - 1);
                let rows = self.rows(id, last.saturating_sub(limit.saturating_sub(1)).max(1), last).await?;
                let before = rows.last().map_or(0, |event| event.number);
                (rows, before.min(limit))
            }
            MessageWindow::After(Bound::Seq(seq)) if 0 < seq && seq < head.seq => {
                let rows = self.rows(id, seq, head.seq.min(seq.saturating_add(limit))).await?;
                let upto = rows.first().map_or(0, |event| event.number);
                (rows.into_iter().skip(1).collect(), (head.number - upto).min(limit))
            }
            MessageWindow::Before(_) | MessageWindow::After(_) | MessageWindow::Skip(_) | MessageWindow::Newest => {
                return Ok(None);
            }
        };
        rows.retain(|event| event.kind.is_message());
        Ok((rows.len() as u64 == wanted).then_some(rows))
    }

    async fn page(&self, head: Head, events: Vec<Arc<Event>>) -> Result<MessagePage> {
        let profiles = self.inner.profiles.find(events.iter().map(|event| &event.actor).collect()).await?;
        let shown = |event: &Arc<Event>| view::message(event, super::profiles::of(&profiles, &event.actor));
        let messages: Vec<Message> = events.iter().filter_map(shown).collect();
        Ok(MessagePage {
            previous: messages.first().filter(|message| message.number > 1).map(|message| message.seq),
            next: messages.last().filter(|message| message.number < head.number).map(|message| message.seq),
            messages,
            total: head.number,
        })
    }

    /// How many messages stand before a place.
    async fn messages_before(&self, id: SessionId, head: Head, bound: Bound) -> Result<u64> {
        match bound {
            Bound::Seq(0 | 1) => Ok(0),
            Bound::Seq(seq) if seq > head.seq => Ok(head.number),
            Bound::Seq(seq) => Ok(self.row(id, seq - 1).await?.number),
            Bound::Time(time) => self.number_where(id, head, |event| event.created_at >= time).await,
        }
    }

    /// How many messages stand up to a place, with it.
    async fn messages_upto(&self, id: SessionId, head: Head, bound: Bound) -> Result<u64> {
        match bound {
            Bound::Seq(0) => Ok(0),
            Bound::Seq(seq) if seq >= head.seq => Ok(head.number),
            Bound::Seq(seq) => Ok(self.row(id, seq).await?.number),
            Bound::Time(time) => self.number_where(id, head, |event| event.created_at > time).await,
        }
    }

    /// How many messages stand before the first event that is past a place.
    async fn number_where(&self, id: SessionId, head: Head, past: impl Fn(&Event) -> bool) -> Result<u64> {
        let seq = self.first_where(id, 1, head.seq + 1, past).await?;
        if seq <= 1 { Ok(0) } else { Ok(self.row(id, seq - 1).await?.number) }
    }

    /// The first position in `low..high` at which the test holds, which must hold from there on; else `high`.
    pub(super) async fn first_where(
        &self,
        id: SessionId,
        mut low: Seq,
        mut high: Seq,
        holds: impl Fn(&Event) -> bool,
    ) -> Result<Seq> {
        while high - low > CHUNK {
            let middle = low + (high - low) / 2;
            if holds(&*self.row(id, middle).await?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if low == high {
            return Ok(high);
        }
        let rows = self.rows(id, low, high - 1).await?;
        Ok(rows.iter().find(|event| holds(event)).map_or(high, |event| event.seq))
    }

    /// The messages numbered `first..=last`, which must exist.
    async fn messages_between(&self, id: SessionId, head: Head, first: u64, last: u64) -> Result<Vec<Arc<Event>>> {
        // Message n cannot stand before position n, and after it the rest of the messages must find room.
        let latest = |number: u64| head.seq - (head.number - number);
        let mut found = VecDeque::new();
        let keep = |found: &mut VecDeque<Arc<Event>>, rows: Vec<Arc<Event>>| {
            found.extend(
                rows.into_iter().filter(|event| event.kind.is_message() && (first..=last).contains(&event.number)),
            );
        };
        // Most logs have their joins at the start, so the latest possible place is the likeliest.
        let rows = self.rows(id, latest(first), latest(last)).await?;
        if rows.first().is_some_and(|event| event.kind.is_message() && event.number == first) {
            keep(&mut found, rows);
            return Ok(found.into());
        }
        let start = if latest(first) - first <= CHUNK {
            first
        } else {
            self.first_where(id, first, latest(first) + 1, |event| event.number >= first).await?
        };
        let mut from = start;
        let end = latest(last);
        while from <= end && found.back().is_none_or(|event| event.number < last) {
            let to = end.min(from + (last - first) + CHUNK);
            let rows = self.rows(id, from, to).await?;
            if rows.is_empty() {
                return Err(Error::from(StoreError::Corrupt(format!("no events at {id}/{from}..={to}"))));
            }
            let before = found.len();
            keep(&mut found, rows);
            from = to + 1;
            // Where people came and went for long and nobody spoke, the next message is looked for, not walked to.
            if found.len() == before && from <= end {
                let wanted = found.back().map_or(first, |event| event.number + 1);
                from = self.first_where(id, from, end + 1, |event| event.number >= wanted).await?;
            }
        }
        Ok(found.into())
    }
}
