//! What is written: a change, and the records that it replaces.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{ClientId, Event, NewEvent, ParticipantId, Seq, Session, SessionId, Standing, UserId};

/// A change of one session: committed as a whole, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The session.
    pub session_id: SessionId,
    /// The position up to which the log had been seen when this was decided; 0 to create a session.
    pub decided_at: Seq,
    /// What is appended, at least one.
    pub events: Vec<NewEvent>,
    /// Records that are replaced.
    pub writes: Vec<Write>,
    /// A client id that must not have been used, and is then.
    pub claim: Option<ClientIdClaim>,
}

impl Change {
    /// Whether the event at this place among [`events`](Self::events) makes decisions stale that were taken before it: a
    /// governance event does, and so does the last event of a change that replaces records. So a record that was read at
    /// some position still holds when nothing governs after that position, whichever change wrote it.
    #[must_use]
    pub fn governs_at(&self, place: usize) -> bool {
        let is_last = place.checked_add(1) == Some(self.events.len());
        let is_governance = self.events.get(place).is_some_and(|event| event.kind.is_governance());
        is_governance || (is_last && !self.writes.is_empty())
    }
}

/// A record that replaces the one of the same key.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The session's record. Its id must be the change's.
    Session(Session),
    /// A participant's record. Its session must be the change's.
    Participant(ParticipantRecord),
}

/// The use of a client id by a change, kept as long as the change's events. The store remembers it with the position of
/// the change's first event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdClaim {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub client_id: ClientId,
    /// What it is used for, so that the same use can be told from another.
    pub fingerprint: String,
}

/// A user's membership of a session as it is stored; also of one who was in it and is not now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantRecord {
    /// The stay; a new one at every join.
    pub id: ParticipantId,
    /// The session.
    pub session_id: SessionId,
    /// The user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub user_id: UserId,
    /// How they stand; never [`Standing::Stranger`].
    pub standing: Standing,
    /// When they came, the last time.
    pub joined_at: DateTime<Utc>,
    /// When they came the first time.
    pub created_at: DateTime<Utc>,
    /// Whether the user ever created the session, joined it, or posted in it, as opposed to being added only. Once `true`, it
    /// stays `true`, whatever becomes of the stay. Records of older versions read as `false`.
    #[serde(default)]
    pub is_engaged: bool,
}

/// A change that was committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// Its events with their positions.
    pub events: Vec<Arc<Event>>,
}
