//! The ends of logs: the last messages of many sessions, and how many of them a user has not read.
//!
//! The end of a log is kept in memory, so a list that is shown again reads only the events since then. What is kept holds at a position:
//! a row that was rewritten later is named by an event after that position, and is read again.

use std::{collections::VecDeque, sync::Arc};

use moka::sync::Cache;

use super::{
    batch::{go_on, only},
    pages::Wanted,
};
use crate::{
    chat::{Chat, stream::rewrites::Rewritten},
    error::{Error, Result},
    model::{Cursor, Event, EventKind, MessageEvent, MessageWindow, Seq, SessionId, SpeakerRole, UserId},
    store::{Head, LogRange, StoreError},
};

/// The number of rows at the end of a log among which messages are counted exactly.
pub(in crate::chat) const WINDOW: u64 = 100;

/// Sessions whose ends are kept.
const KEPT: u64 = 4_096;

/// A row of a log, as far as counting needs it.
#[derive(Debug, Clone)]
struct Line {
    /// How many messages the log holds up to here.
    number: u64,
    /// The user who said it as `user`; `None` for another row.
    said_by: Option<UserId>,
}

impl Line {
    fn of(row: &Event) -> Self {
        let said_by = match &row.kind {
            EventKind::Message(MessageEvent::Sent { body, .. }) if body.role == SpeakerRole::User => {
                Some(row.actor.clone())
            }
            EventKind::Message(_) | EventKind::Session(_) | EventKind::Participant(_) | EventKind::Unknown => None,
        };
        Self { number: row.number, said_by }
    }
}

/// The end of a session's log.
#[derive(Debug, Clone)]
pub(in crate::chat) struct End {
    cursor: Cursor,
    /// How many messages the log holds before the first line.
    before: u64,
    /// The last rows, at most [`WINDOW`].
    lines: VecDeque<Line>,
    /// The newest message.
    pub(in crate::chat) last: Option<Arc<Event>>,
}

impl End {
    const EMPTY: Self = Self { cursor: Cursor { seq: 0, epoch: None }, before: 0, lines: VecDeque::new(), last: None };

    /// The position before the first line.
    fn start(&self) -> Seq {
        self.cursor.seq.saturating_sub(self.lines.len() as u64)
    }

    /// How many messages the log holds up to a position; `None` where the position stands before the kept lines.
    pub(in crate::chat) fn number(&self, seq: Seq) -> Option<u64> {
        match seq.checked_sub(self.start())? {
            0 => Some(self.before),
            place => {
                let last = self.lines.len().saturating_sub(1);
                let place = usize::try_from(place - 1).unwrap_or(usize::MAX).min(last);
                Some(self.lines.get(place).map_or(self.before, |line| line.number))
            }
        }
    }

    /// The positions of the messages that a user said as `user`, newest first.
    pub(in crate::chat) fn said_by<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = Seq> + 'a {
        let said = |(line, seq): (&Line, Seq)| (line.said_by.as_ref() == Some(user)).then_some(seq);
        let start = self.start();
        let seqs = (start + 1..=self.cursor.seq).rev();
        self.lines.iter().rev().zip(seqs).filter_map(said)
    }

    /// Whether what was kept can be continued up to a head.
    fn leads_to(&self, head: Head) -> bool {
        let Cursor { seq, .. } = self.cursor;
        match seq.cmp(&head.seq) {
            std::cmp::Ordering::Less => seq >= head.seq.saturating_sub(WINDOW),
            std::cmp::Ordering::Equal => self.cursor == head.cursor(),
            std::cmp::Ordering::Greater => false,
        }
    }

    /// The end after these rows, which follow the kept ones; whether the newest message is known besides.
    fn extended(&self, rows: &[Arc<Event>]) -> (Self, bool) {
        let mut end = self.clone();
        let mut is_known = true;
        for row in rows {
            let outdates = |last: &Arc<Event>| Rewritten::of(row).is_some_and(|rewritten| rewritten.names(last.seq));
            if row.kind.is_message() {
                (end.last, is_known) = (Some(Arc::clone(row)), true);
            } else if end.last.as_ref().is_some_and(outdates) {
                // A row that was read at the same time shows the change already.
                is_known = is_known && end.last.as_ref().is_some_and(|last| last.revised >= row.seq);
            }
            end.lines.push_back(Line::of(row));
            if end.lines.len() as u64 > WINDOW
                && let Some(first) = end.lines.pop_front()
            {
                end.before = first.number;
            }
            end.cursor = row.cursor();
        }
        (end, is_known)
    }
}

/// The ends of logs that are kept.
pub(in crate::chat) struct Ends(Cache<SessionId, Arc<End>>);

impl Default for Ends {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl Ends {
    /// Evicts what is kept of a session, of which a text was taken away.
    pub(in crate::chat) fn evict(&self, id: SessionId) {
        self.0.invalidate(&id);
    }
}

/// What is to be read of the end of a log.
struct Reading {
    id: SessionId,
    /// The kept end that the rows continue.
    kept: Option<Arc<End>>,
    range: LogRange,
}

impl Reading {
    fn of(ends: &Ends, id: SessionId, head: Head, is_again: bool) -> Self {
        let kept = ends.0.get(&id).filter(|kept| !is_again && kept.leads_to(head));
        let from = match &kept {
            // Nothing is to be read where the end is the kept one.
            Some(kept) if kept.cursor.seq == head.seq => head.seq.saturating_add(1),
            // The kept row is read again: it shows whether the log is still the same.
            Some(kept) => kept.cursor.seq.max(1),
            // One row more, which counts the messages before the window.
            None => head.seq.saturating_sub(WINDOW).max(1),
        };
        Self { id, kept, range: LogRange { session_id: id, from, to: head.seq } }
    }

    /// The end of the log, and whether its newest message is known; `None` where the log is another one than the kept one.
    fn end(&self, rows: &[Arc<Event>]) -> Result<Option<(End, bool)>> {
        let is_whole = rows.last().map_or(self.range.from > self.range.to, |last| last.seq == self.range.to)
            && rows.iter().zip(rows.iter().skip(1)).all(|(row, next)| row.seq.checked_add(1) == Some(next.seq));
        if !is_whole {
            return Err(StoreError::Corrupt(format!("no events at {}/{}", self.id, self.range.to)).into());
        }
        Ok(match (&self.kept, rows.split_first()) {
            (Some(kept), None) => Some((End::clone(kept), true)),
            (None, None) => Some((End::EMPTY, true)),
            (Some(kept), Some((first, rows))) => (first.cursor() == kept.cursor).then(|| kept.extended(rows)),
            (None, Some((first, rest))) => {
                // The first row counts the messages before the window, unless the log begins with it.
                let counts = first.seq > 1 && first.seq == self.range.from;
                let (before, rows) = if counts { (first.number, rest) } else { (before(first), rows) };
                let cursor = Cursor::from(if counts { first.seq } else { first.seq.saturating_sub(1) });
                let (end, is_known) = End { cursor, before, ..End::EMPTY }.extended(rows);
                let is_known = is_known && (end.last.is_some() || first.seq == 1);
                Some((end, is_known))
            }
        })
    }
}

/// How many messages stand before a row.
fn before(row: &Event) -> u64 {
    row.number.saturating_sub(u64::from(row.kind.is_message()))
}

impl Chat {
    /// The ends of logs up to the given heads, in the same order. A log that cannot be read is an error of its own.
    pub(in crate::chat) async fn ends(&self, wanted: &[(SessionId, Head)]) -> Result<Vec<Result<Arc<End>>>> {
        let ends = &self.inner.ends;
        let readings: Vec<_> = wanted.iter().map(|(id, head)| Reading::of(ends, *id, *head, false)).collect();
        let rows = self.ranges(readings.iter().map(|reading| reading.range)).await?;
        let mut found: Vec<_> = readings.iter().zip(rows).map(|(reading, rows)| reading.end(&rows)).collect();
        // A log that was replaced by an older copy is read without what was kept of it.
        let replaced = |found: &Result<_>| matches!(found, Ok(None));
        let again = |(wanted, found): (&(SessionId, Head), &Result<_>)| {
            replaced(found).then(|| Reading::of(ends, wanted.0, wanted.1, true))
        };
        let again: Vec<_> = wanted.iter().zip(&found).filter_map(again).collect();
        if !again.is_empty() {
            let rows = self.ranges(again.iter().map(|reading| reading.range)).await?;
            let mut read = again.iter().zip(rows).map(|(reading, rows)| reading.end(&rows));
            for found in found.iter_mut().filter(|found| replaced(found)) {
                *found = read.next().unwrap_or(Err(Error::Internal));
            }
        }
        let found: Vec<Result<(End, bool)>> = found.into_iter().map(|found| found?.ok_or(Error::Unavailable)).collect();
        self.with_last(wanted, found).await
    }

    /// Reads the newest messages that stand before the kept rows, or were rewritten since they were kept.
    async fn with_last(
        &self,
        wanted: &[(SessionId, Head)],
        found: Vec<Result<(End, bool)>>,
    ) -> Result<Vec<Result<Arc<End>>>> {
        let missing = |(wanted, found): (&(SessionId, Head), &Result<(End, bool)>)| {
            let (end, is_known) = found.as_ref().ok()?;
            let (id, head) = *wanted;
            (!is_known && end.cursor.seq > 0 && head.number > 0).then(|| Wanted::at(id, head, MessageWindow::Newest, 1))
        };
        let asked: Vec<_> = wanted.iter().zip(&found).filter_map(missing).collect();
        let is_asked: Vec<bool> = wanted.iter().zip(&found).map(|entry| missing(entry).is_some()).collect();
        let read = if asked.is_empty() { Vec::new() } else { self.pages_of_events(asked).await? };
        let mut read = read.into_iter();
        #[expect(clippy::type_complexity, reason = "the parts of three lists")]
        let finish = |((found, is_asked), (id, _)): ((Result<(End, bool)>, bool), &(SessionId, Head))| {
            let (mut end, _) = found?;
            if is_asked {
                end.last = only(read.next().into_iter().collect())?.events.pop();
            }
            let end = Arc::new(end);
            self.inner.ends.0.insert(*id, Arc::clone(&end));
            Ok(end)
        };
        Ok(found.into_iter().zip(is_asked).zip(wanted).map(finish).collect())
    }

    /// Parts of logs; the ranges that are empty are not asked for.
    async fn ranges(&self, ranges: impl Iterator<Item = LogRange>) -> Result<Vec<Vec<Arc<Event>>>> {
        let ranges: Vec<Result<LogRange>> =
            ranges.map(|range| if range.from <= range.to { Ok(range) } else { Err(Error::Internal) }).collect();
        let asked: Vec<LogRange> = ranges.iter().flatten().copied().collect();
        let rows = if asked.is_empty() { Vec::new() } else { self.inner.store.log(&asked).await? };
        Ok(go_on(ranges, rows, |_, rows| Ok(rows)).into_iter().map(Result::unwrap_or_default).collect())
    }
}
