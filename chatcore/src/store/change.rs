//! What is written: a change of one session's log and of records.

use std::sync::Arc;

use super::{Key, Owner, Part, Value, Version};
use crate::model::{Event, EventKind, NewEvent, Seq, SessionId};

/// A change: committed as a whole, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The change's own id: the version of the records that it writes.
    pub id: Version,
    /// What is appended to a session's log; `None` for a change of shared records alone.
    pub append: Option<Append>,
    /// The records that are written. Of several writes of one key, each sees the ones before it. A write that expects a version is also met
    /// by what the same change wrote there before.
    pub writes: Vec<Write>,
}

/// What a change does to the log of its session.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// The session.
    pub session_id: SessionId,
    /// The position up to which the log had been seen when this was decided; 0 to create a session.
    pub decided_at: Seq,
    /// The events that are appended, at least one.
    pub events: Vec<NewEvent>,
    /// The rows that are rewritten. Each is stamped with the position of the change's first event.
    pub rewrites: Vec<Rewrite>,
}

/// New contents of an event. The event keeps its position, number, time and actor.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewrite {
    /// The position of the event.
    pub seq: Seq,
    /// The revision that the event must have. The rewritten event has the next one.
    pub revision: u64,
    /// The new contents. Whether the event is a message and whether it governs stays as it was.
    pub kind: EventKind,
}

/// A write of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The record.
    pub key: Key,
    /// What must be there before.
    pub expect: Expect,
    /// What is done.
    pub kind: WriteKind,
}

/// What must be at a key before a write. Otherwise the change fails with [`Conflict`](super::StoreError::Conflict).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything or nothing.
    Anything,
    /// Nothing.
    Absent,
    /// A record of this version.
    Version(Version),
}

/// What a write does.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteKind {
    /// Replaces the record.
    Put(Value),
    /// Removes the record.
    Remove,
    /// Leaves the record as it is, its version included. Of two changes that write or hold one record at once, the later one fails where the
    /// first one wrote the record.
    Hold,
    /// Adds to a counter, which is 0 where there is none. Takes no expectation. A governed table has no counters: its records are cached,
    /// and a store need not know the sum that it writes.
    Add(i64),
}

impl Write {
    /// The same write, provided that there is no record.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.expect = Expect::Absent;
        self
    }

    /// The same write, provided that the record has this version.
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

    /// The same change, which also rewrites rows of its session's log.
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

    /// Whether the event at this place makes decisions stale that were taken before it: a governance event does, and so does the last
    /// event of a change that writes governed records.
    #[must_use]
    pub fn governs_at(&self, place: usize) -> bool {
        let events = self.append.as_ref().map_or(&[][..], |append| append.events.as_slice());
        let is_last = place.checked_add(1) == Some(events.len());
        let is_governance = events.get(place).is_some_and(|event| event.kind.is_governance());
        is_governance || (is_last && self.writes.iter().any(|write| write.key.table.governed))
    }

    /// Looks for what no store can commit. A store refuses such a change and changes nothing.
    ///
    /// # Errors
    /// The [`Malformed`] that says why.
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
    /// It does nothing.
    #[error("a change without an event and without a write")]
    Empty,
    /// It belongs to a session and has no event.
    #[error("a change of a session without an event")]
    NoEvent,
    /// It writes a record that another session owns.
    #[error("a change that writes a record of another session")]
    OtherSession,
    /// A key names an event that the change does not have, or a number that is too large.
    #[error("a key that names no event of the change, or a number that is too large")]
    NoSuchPart,
    /// It adds to a counter and expects something.
    #[error("a counter that is expected to be something")]
    ExpectingCounter,
    /// It adds to a counter in a governed table.
    #[error("a counter in a governed table")]
    GovernedCounter,
    /// It holds a record of which it expects no version.
    #[error("a held record of which no version is expected")]
    HoldsNothing,
}

/// A change that was committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// Its events with their positions.
    pub events: Vec<Arc<Event>>,
}
