//! An event: one durable change of a session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ClientId, Cursor, MessageBody, ParticipantId, ParticipantRole, Session, SessionId, SessionType, UserId};

/// A position in a session's log: 1 for its first event, dense. 0 stands before the first.
pub type Seq = u64;

/// One durable change of a session, at its place in the session's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The session.
    pub session_id: SessionId,
    /// Its position.
    pub seq: Seq,
    /// How many messages the log holds up to and including it.
    pub number: u64,
    /// When it was accepted; never before the previous event of the session.
    pub created_at: DateTime<Utc>,
    /// Who did it.
    pub actor: UserId,
    /// What happened.
    pub kind: EventKind,
}

/// An event that has no position yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Who does it.
    pub actor: UserId,
    /// The caller's time; the store raises it to the previous event's where it is lower.
    pub created_at: DateTime<Utc>,
    /// What happens.
    pub kind: EventKind,
}

/// What happened. Names are in the past: every one of these is a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// The session was made; the actor is its owner and first participant.
    SessionCreated {
        /// The session as it was made.
        session: Session,
        /// The owner's stay.
        participant_id: ParticipantId,
    },
    /// Settings changed.
    SessionUpdated {
        /// What changed, with the new values.
        changes: SessionChanges,
    },
    /// The session was deleted.
    SessionDeleted,
    /// The actor came in by themselves.
    ParticipantJoined {
        /// Their stay.
        participant_id: ParticipantId,
        /// As what.
        role: ParticipantRole,
    },
    /// The actor brought somebody in.
    ParticipantAdded {
        /// Whom.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// Their stay.
        participant_id: ParticipantId,
        /// As what.
        role: ParticipantRole,
    },
    /// The actor went.
    ParticipantLeft,
    /// The actor took somebody out.
    ParticipantRemoved {
        /// Whom.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
    },
    /// The actor changed somebody's role.
    ParticipantRoleChanged {
        /// Whose.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// What they were.
        previous: ParticipantRole,
        /// What they are now.
        role: ParticipantRole,
    },
    /// The actor said something.
    MessageSent {
        /// What.
        #[serde(flatten)]
        body: MessageBody,
        /// The sender's own name for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<ClientId>,
    },
}

/// New values of the settings that changed; `None` where one did not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionChanges {
    /// The new title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The new description; the inner `None` where it was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "double_option")]
    pub description: Option<Option<String>>,
    /// The new type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_type: Option<SessionType>,
    /// The new cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_participants: Option<u32>,
}

impl SessionChanges {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Writes the new values into a session.
    pub fn apply(&self, session: &mut Session) {
        let Self { title, description, session_type, max_participants } = self.clone();
        if let Some(title) = title {
            session.title = title;
        }
        if let Some(description) = description {
            session.description = description;
        }
        if let Some(session_type) = session_type {
            session.session_type = session_type;
        }
        if let Some(max_participants) = max_participants {
            session.max_participants = max_participants;
        }
    }
}

impl EventKind {
    /// Whether it can change what somebody may do. Such an event makes every decision taken before it stale.
    #[must_use]
    pub const fn is_governance(&self) -> bool {
        match self {
            Self::SessionCreated { .. }
            | Self::SessionUpdated { .. }
            | Self::SessionDeleted
            | Self::ParticipantJoined { .. }
            | Self::ParticipantAdded { .. }
            | Self::ParticipantLeft
            | Self::ParticipantRemoved { .. }
            | Self::ParticipantRoleChanged { .. } => true,
            Self::MessageSent { .. } => false,
        }
    }

    /// Whether it is a message, and so takes a message number.
    #[must_use]
    pub const fn is_message(&self) -> bool {
        match self {
            Self::MessageSent { .. } => true,
            Self::SessionCreated { .. }
            | Self::SessionUpdated { .. }
            | Self::SessionDeleted
            | Self::ParticipantJoined { .. }
            | Self::ParticipantAdded { .. }
            | Self::ParticipantLeft
            | Self::ParticipantRemoved { .. }
            | Self::ParticipantRoleChanged { .. } => false,
        }
    }
}

impl Event {
    /// Its position with its epoch: a reader that has it continues after it.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor::at(self.seq, self.created_at)
    }

    /// The user whom the event is about, where that is not the actor.
    #[must_use]
    pub const fn subject(&self) -> Option<&UserId> {
        match &self.kind {
            EventKind::ParticipantAdded { user_id, .. }
            | EventKind::ParticipantRemoved { user_id }
            | EventKind::ParticipantRoleChanged { user_id, .. } => Some(user_id),
            EventKind::SessionCreated { .. }
            | EventKind::SessionUpdated { .. }
            | EventKind::SessionDeleted
            | EventKind::ParticipantJoined { .. }
            | EventKind::ParticipantLeft
            | EventKind::MessageSent { .. } => None,
        }
    }
}

/// Keeps "not named" and "named as null" apart: a plain nested option reads both as `None`.
mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::option_option, reason = "the two levels mean different things")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Option<String>>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    #[allow(clippy::option_option, reason = "the two levels mean different things")]
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
        Option::<String>::deserialize(deserializer).map(Some)
    }
}
