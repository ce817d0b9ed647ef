//! Queries and their results.

use chrono::{DateTime, Utc};

use super::{Key, Part, Record, Table};
use crate::model::{Cursor, Event, NewEvent, Seq, SessionId};

/// A query of the facts of a session, with the requested records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactsQuery<'a> {
    /// The session.
    pub session_id: SessionId,
    /// Keys of governed records of the session; `records` may contain a key more than once.
    pub records: &'a [Key],
}

/// The required freshness of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Facts at some position; sufficient for a change, since a commit detects stale facts.
    Cached,
    /// Facts that include all earlier commits.
    Fresh,
}

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last position; 0 for an empty log.
    pub seq: Seq,
    /// The number of messages in the log.
    pub number: u64,
    /// The time of the last event; the Unix epoch for an empty log.
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

/// The facts for a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionFacts {
    /// The log's end at the time of the other facts.
    pub head: Head,
    /// The position of the last governance event; 0 without a governance event.
    pub governance: Seq,
    /// The requested records, in the same order.
    pub records: Vec<Option<Record>>,
}

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    /// The session.
    pub session_id: SessionId,
    /// The first requested position.
    pub from: Seq,
    /// The last requested position; an empty range for a position below `from`. Callers limit ranges to a few hundred positions.
    pub to: Seq,
}

/// Records under a prefix of a table's keys, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The table.
    pub table: &'static Table,
    /// The first parts of the keys; none for the whole table.
    pub prefix: Vec<Part>,
    /// Only the records whose remaining parts come after these parts; a record with exactly these parts need not exist.
    pub after: Option<Vec<Part>>,
    /// The number of records to skip at the start. A store may read skipped records.
    pub skip: u64,
    /// Maximum number of records.
    pub limit: u64,
    /// Whether to return unreadable records, with the [fault](super::Value::fault) in the place of the value. Otherwise unreadable records
    /// are left out.
    pub shows_unreadable: bool,
}

impl Scan {
    /// Sets the parts after the prefix after which the scan begins.
    #[must_use]
    pub fn after(mut self, after: Option<Vec<Part>>) -> Self {
        self.after = after;
        self
    }

    /// Sets the number of records to skip.
    #[must_use]
    pub const fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Includes unreadable records.
    #[must_use]
    pub const fn showing_unreadable(mut self) -> Self {
        self.shows_unreadable = true;
        self
    }

    /// Sets the maximum number of records.
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
