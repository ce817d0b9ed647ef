//! The last events of one log, in memory.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, Utc};

use super::rewrites::{Rewrites, Rewritten};
use crate::chat::read::view::EventView;
use crate::model::{Cursor, Epoch, Event, Seq};

/// Most events that one look gives.
const TURN: usize = 64;

pub(in crate::chat) struct Ring {
    // INVARIANT: contiguous, of one history, and ends at `head`.
    events: VecDeque<Arc<EventView>>,
    bytes: usize,
    pub(in crate::chat) head: Cursor,
    /// The last event that the log was seen to have: hints may have brought later ones.
    pub(in crate::chat) confirmed: Cursor,
    /// Why this ring grows no more.
    pub(in crate::chat) end: Option<End>,
}

/// Why a tail ends, with all its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) enum End {
    /// The log no longer has the tail's last event: the database was replaced by an older copy.
    Replaced,
    /// The log cannot be read, or has a hole.
    Corrupt,
}

/// What a ring has after a position.
pub(in crate::chat) enum Look {
    /// The next events, at least one.
    Events(Vec<Arc<EventView>>),
    /// None: the position is the end.
    Nothing,
    /// The log has the next events, and the ring no longer does. The log goes at least up to this head.
    Log(Seq),
    /// The position is not of this ring's history.
    Lost,
    /// The log cannot be read.
    Corrupt,
}

impl Ring {
    /// An empty ring at the end of the log.
    pub(in crate::chat) const fn new(head: Cursor) -> Self {
        Self { events: VecDeque::new(), bytes: 0, head, confirmed: head, end: None }
    }

    /// Empties the ring: the log continues after this position, and the events between are trimmed.
    pub(in crate::chat) fn restart(&mut self, before: Seq) {
        (self.events, self.bytes, self.head) = (VecDeque::new(), 0, Cursor::from(before));
        self.confirmed = self.head;
    }

    /// Evicts the views that show rows as they were before an event rewrote them, and what stands before these views.
    pub(in crate::chat) fn evict(&mut self, rewritten: &Rewritten) {
        let last = self.events.iter().rposition(|view| rewritten.outdates(view));
        for view in self.events.drain(..last.map_or(0, |last| last + 1)) {
            self.bytes -= view.weight();
        }
    }

    /// Appends the views that continue the ring, which were read after `since` deletions, and evicts the oldest ones beyond the limits.
    /// `false` where one of them shows what was deleted meanwhile: that one and those after it are left out.
    pub(in crate::chat) fn push(
        &mut self,
        views: Vec<Arc<EventView>>,
        (rewrites, since): (&Rewrites, u64),
        (most, most_bytes): (usize, usize),
    ) -> bool {
        let mut is_taken = true;
        for view in views {
            is_taken = !rewrites.outdate(since, &view);
            if !is_taken {
                break;
            }
            if view.event.seq == self.head.seq + 1 {
                rewrites.heed(&view.event);
                if let Some(rewritten) = Rewritten::of(&view.event) {
                    rewrites.note(&rewritten);
                    self.evict(&rewritten);
                }
                self.head = view.event.cursor();
                self.bytes += view.weight();
                self.events.push_back(view);
            }
        }
        while self.events.len() > most || (self.bytes > most_bytes && self.events.len() > 1) {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.weight();
        }
        is_taken
    }

    /// The next events after a position.
    pub(in crate::chat) fn after(&self, position: Cursor, now: DateTime<Utc>) -> Look {
        if self.end == Some(End::Corrupt) {
            return Look::Corrupt;
        }
        if self.end.is_some() || !self.agrees_with(position) {
            return Look::Lost;
        }
        if position.seq >= self.head.seq {
            return Look::Nothing;
        }
        let missing = usize::try_from(self.head.seq - position.seq).unwrap_or(usize::MAX);
        let kept = self.events.len().checked_sub(missing);
        // Names in it may have changed since; what the log gives has them anew.
        match kept.filter(|skip| self.events.get(*skip).is_some_and(|view| view.is_fresh(now))) {
            Some(skip) => Look::Events(self.events.iter().skip(skip).take(TURN).cloned().collect()),
            None => Look::Log(self.head.seq),
        }
    }

    /// The position with its epoch, where the ring shows that the log continues after it.
    pub(in crate::chat) fn continuing(&self, position: Cursor) -> Option<Cursor> {
        let epoch = self.epoch(position.seq);
        let kept = self.events.len() as Seq >= self.head.seq.saturating_sub(position.seq);
        let continues = (epoch.is_some() || position.seq == 0) && kept && self.agrees_with(position);
        continues.then_some(Cursor { seq: position.seq, epoch })
    }

    /// The epoch at a position, where it is known.
    pub(in crate::chat) fn epoch(&self, seq: Seq) -> Option<Epoch> {
        if seq == self.head.seq {
            return self.head.epoch;
        }
        let back = usize::try_from(self.head.seq.checked_sub(seq)?).ok()?;
        let index = self.events.len().checked_sub(back + 1)?;
        self.events.get(index)?.event.cursor().epoch
    }

    /// Whether nothing that is known of the ring's history speaks against a cursor.
    pub(in crate::chat) fn agrees_with(&self, cursor: Cursor) -> bool {
        cursor.agrees_with(Cursor { seq: cursor.seq, epoch: self.epoch(cursor.seq) })
    }

    /// What reading the log from the position `asked` on says of the ring.
    pub(in crate::chat) fn compare(&self, asked: Seq, rows: &[Arc<Event>]) -> Found {
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
pub(in crate::chat) enum Found {
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
pub(in crate::chat) fn continues(position: Cursor, rows: &[Arc<Event>]) -> bool {
    match rows.first() {
        Some(first) if first.seq == position.seq => position.agrees_with(first.cursor()),
        // The position is the last one that was trimmed, or 0.
        Some(first) => first.seq == position.seq + 1,
        None => false,
    }
}
