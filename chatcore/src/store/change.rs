//! Writes: a change of one session's log and of records.

use std::sync::Arc;

use super::{Key, Owner, Part, Value, Version};
use crate::model::{Event, EventKind, NewEvent, Seq, SessionId};

/// A change: committed as a whole, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The change's own id: the version of the records that it writes.
    pub id: Version,
    /// The events to append to a session's log; `None` for a change of shared records alone.
    pub append: Option<Append>,
    /// The writes of records. Each write of a key sees the earlier writes of that key in the same change. An earlier write of the same
    /// change also meets an expected version.
    pub writes: Vec<Write>,
}

/// The changes of the log of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// The session.
    pub session_id: SessionId,
    /// The last known position of the log at the time of the decision; 0 to create a session.
    pub decided_at: Seq,
    /// The events to append, at least one.
    pub events: Vec<NewEvent>,
    /// The rows to rewrite. Each rewritten row gets the position of the change's first event as a stamp.
    pub rewrites: Vec<Rewrite>,
}

/// New contents of an event. The event keeps its position, number, time and actor.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewrite {
    /// The position of the event.
    pub seq: Seq,
    /// The expected revision of the event. The rewritten event has the next revision.
    pub revision: u64,
    /// The new contents. The message flag and the governance flag of the event do not change.
    pub kind: EventKind,
}

/// A write of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The record.
    pub key: Key,
    /// The expectation before the write.
    pub expect: Expect,
    /// The kind of write.
    pub kind: WriteKind,
}

/// The expected state of a key before a write. Otherwise the change fails with [`Conflict`](super::StoreError::Conflict).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No expectation.
    Anything,
    /// No record.
    Absent,
    /// A record of this version.
    Version(Version),
}

/// The kind of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteKind {
    /// Replaces the record.
    Put(Value),
    /// Removes the record.
    Remove,
    /// Keeps the record and its version. Of two concurrent changes that write or hold one record, the later change fails if the first
    /// change wrote the record.
    Hold,
    /// Adds to a counter; a missing counter is 0. Takes no expectation. A governed table has no counters: the records of a governed table
    /// are cached, and a store need not know the written sum.
    Add(i64),
}

impl Write {
    /// Sets the expectation: no record.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.expect = Expect::Absent;
        self
    }

    /// Sets the expectation: a record of this version.
    #[must_use]
    pub fn at(mut self, version: Version) -> Self {
        self.expect = Expect::Version(version);
        self
    }
}

impl Change {
    /// A change that appends events to a session's log.
    #[must_use]
    pub fn of(session_id: SessionId, decided_at: Seq, events: Vec<NewEvent>, writes: Vec<Write>) -> Self {
        let append = Append { session_id, decided_at, events, rewrites: Vec::new() };
        Self { id: Version::new(), append: Some(append), writes }
    }

    /// A change of shared records alone.
    #[must_use]
    pub fn of_records(writes: Vec<Write>) -> Self {
        Self { id: Version::new(), append: None, writes }
    }

    /// Adds rewrites of rows of the session's log.
    #[must_use]
    pub fn rewriting(mut self, rewrites: Vec<Rewrite>) -> Self {
        if let Some(append) = &mut self.append {
            append.rewrites = rewrites;
        }
        self
    }

    /// The session whose log the change is appended to.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.append.as_ref().map(|append| append.session_id)
    }

    /// Whether the event at this place makes earlier decisions stale: governance events, and the last event of a change that writes
    /// governed records.
    #[must_use]
    pub fn governs_at(&self, place: usize) -> bool {
        let events = self.append.as_ref().map_or(&[][..], |append| append.events.as_slice());
        let is_last = place.checked_add(1) == Some(events.len());
        let is_governance = events.get(place).is_some_and(|event| event.kind.is_governance());
        is_governance || (is_last && self.writes.iter().any(|write| write.key.table.governed))
    }

    /// Checks the change for faults that no store can commit. A store refuses a faulty change and changes nothing.
    ///
    /// # Errors
    /// The fault as [`Malformed`].
    pub fn check(&self) -> Result<(), Malformed> {
        match &self.append {
            Some(append) if append.events.is_empty() => return Err(Malformed::NoEvent),
            None if self.writes.is_empty() => return Err(Malformed::Empty),
            Some(_) | None => {}
        }
        let events = self.append.as_ref().map_or(0, |append| append.events.len());
        for Write { key, expect, kind } in &self.writes {
            match key.table.owner {
                Owner::Session if key.session().is_none() || key.session() != self.session() => {
                    return Err(Malformed::OtherSession);
                }
                Owner::Session | Owner::Shared => {}
            }
            let is_there = |part: &Part| match part {
                Part::Here(place) | Part::NewestHere(place) => *place < events,
                Part::Number(number) => *number <= Part::MAX_NUMBER,
                Part::Text(_) | Part::Uuid(_) => true,
            };
            if !key.parts.iter().all(is_there) {
                return Err(Malformed::NoSuchPart);
            }
            match (kind, expect) {
                (WriteKind::Add(_), _) if key.table.governed => return Err(Malformed::GovernedCounter),
                (WriteKind::Add(_), Expect::Absent | Expect::Version(_)) => return Err(Malformed::ExpectingCounter),
                (WriteKind::Hold, Expect::Anything | Expect::Absent) => return Err(Malformed::HoldsNothing),
                (WriteKind::Add(_), Expect::Anything)
                | (WriteKind::Hold, Expect::Version(_))
                | (WriteKind::Put(_) | WriteKind::Remove, _) => {}
            }
        }
        Ok(())
    }
}

/// A change that no store can commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The change does nothing.
    #[error("a change without an event and without a write")]
    Empty,
    /// The change belongs to a session and has no event.
    #[error("a change of a session without an event")]
    NoEvent,
    /// The change writes a record that another session owns.
    #[error("a change that writes a record of another session")]
    OtherSession,
    /// A key names an event that the change does not have, or a number that is too large.
    #[error("a key that names no event of the change, or a number that is too large")]
    NoSuchPart,
    /// A write adds to a counter and has an expectation.
    #[error("a counter that is expected to be something")]
    ExpectingCounter,
    /// A write adds to a counter in a governed table.
    #[error("a counter in a governed table")]
    GovernedCounter,
    /// A write holds a record without an expected version.
    #[error("a held record of which no version is expected")]
    HoldsNothing,
}

/// A change that was committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// The events of the change with their positions.
    pub events: Vec<Arc<Event>>,
}
