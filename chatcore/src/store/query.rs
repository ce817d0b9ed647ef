//! What is asked, and what is answered.

use chrono::{DateTime, Utc};

use super::ParticipantRecord;
use crate::model::{Cursor, ParticipantId, Seq, Session, SessionId, UserId};

/// Of which session facts are wanted, and about whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactsQuery<'a> {
    /// The session.
    pub session_id: SessionId,
    /// The users; somebody may stand there more than once.
    pub users: &'a [UserId],
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
}

/// What a decision needs.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionFacts {
    /// The log's end when the rest held.
    pub head: Head,
    /// The session.
    pub session: Option<Session>,
    /// The users asked about.
    pub participants: Vec<Option<ParticipantRecord>>,
}

/// A part of a list whose entries have ids of the type `K`, by which the list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<K> {
    /// Only the entries that come after this id in the order of the list, whether or not the list has an entry with this id;
    /// `None` for the whole list.
    pub after: Option<K>,
    /// How many of these to leave out at the start.
    pub skip: u64,
    /// How many at the most.
    pub limit: u64,
}

impl<K> Slice<K> {
    /// The first entries of the list, this many at the most.
    pub const fn first(limit: u64) -> Self {
        Self { after: None, skip: 0, limit }
    }
}

/// A part of the list of a session's participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParticipantsQuery {
    /// The session.
    pub session_id: SessionId,
    /// Which part.
    pub slice: Slice<ParticipantId>,
}

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    /// Whose log.
    pub session_id: SessionId,
    /// The first position wanted.
    pub from: Seq,
    /// The last position wanted; an empty range where it is below `from`. Callers keep ranges to a few hundred.
    pub to: Seq,
}

/// A page of sessions that can be joined.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicSessions {
    /// The page.
    pub sessions: Vec<(Session, Head)>,
    /// How many there are in all.
    pub total: u64,
}
