//! What is asked, and what is answered.

use chrono::{DateTime, Utc};

use super::{Key, Part, Record, Table};
use crate::model::{Cursor, Event, NewEvent, Seq, SessionId};

/// A session of which facts are wanted, with the records that are wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactsQuery<'a> {
    /// The session.
    pub session_id: SessionId,
    /// Keys of governed records of the session; a key may stand there more than once.
    pub records: &'a [Key],
}

/// How recent facts must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As they were at some position; good for a change, since a commit notices when they no longer hold.
    Cached,
    /// Including everything committed before.
    Fresh,
}

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last position; 0 for an empty log.
    pub seq: Seq,
    /// How many messages it holds.
    pub number: u64,
    /// When the last event was accepted; the Unix epoch for an empty log.
    pub at: DateTime<Utc>,
}

impl Head {
    /// The last position with its epoch.
    #[must_use]
    pub fn cursor(self) -> Cursor {
        Cursor::at(self.seq, self.at)
    }

    /// The event at the position after this end of a session's log.
    #[must_use]
    pub fn next(self, session_id: SessionId, new: NewEvent, governs: bool) -> Event {
        let NewEvent { actor, created_at, kind } = new;
        let number = self.number + u64::from(kind.is_message());
        // Without an event before it, any time is right.
        let created_at = if self.seq == 0 { created_at } else { created_at.max(self.at) };
        let seq = self.seq + 1;
        Event { session_id, seq, number, created_at, actor, kind, governs, revision: 1, revised: 0 }
    }
}

/// What a decision needs.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionFacts {
    /// The log's end when the rest held.
    pub head: Head,
    /// The position of the last event that governs; 0 where there is none.
    pub governance: Seq,
    /// The records asked for, in the same order.
    pub records: Vec<Option<Record>>,
}

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    /// The session.
    pub session_id: SessionId,
    /// The first position wanted.
    pub from: Seq,
    /// The last position wanted; an empty range where it is below `from`. Callers keep ranges to a few hundred.
    pub to: Seq,
}

/// Records under a prefix of a table's keys, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The table.
    pub table: &'static Table,
    /// The first parts of the keys; none for the whole table.
    pub prefix: Vec<Part>,
    /// Only the records whose remaining parts come after these, whether or not a record has them.
    pub after: Option<Vec<Part>>,
    /// How many of these to leave out at the start. A store may read what it leaves out.
    pub skip: u64,
    /// How many at most.
    pub limit: u64,
    /// Whether a record that the store cannot read is among them, with the [fault](super::Value::fault) in the place of its value. Otherwise
    /// it is left out.
    pub shows_unreadable: bool,
}

impl Scan {
    /// The same, only after these parts, which follow the prefix.
    #[must_use]
    pub fn after(mut self, after: Option<Vec<Part>>) -> Self {
        self.after = after;
        self
    }

    /// The same without the first ones.
    #[must_use]
    pub const fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// The same with the records that the store cannot read.
    #[must_use]
    pub const fn showing_unreadable(mut self) -> Self {
        self.shows_unreadable = true;
        self
    }

    /// The same, at most this many.
    #[must_use]
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }
}

/// The records under a prefix of a table's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// The table.
    pub table: &'static Table,
    /// The first parts of the keys; none for the whole table.
    pub parts: Vec<Part>,
}
