//! Events. What happened is kept as JSON text; the envelope (position, number, time, actor, whether it governs) is the store's.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::session::SessionForm;
use crate::model::{
    ClientId, Content, EventKind, MessageBody, MessageEvent, MessageStatus, MessageType, ParticipantEvent,
    ParticipantId, ParticipantRole, RemovalReason, Seq, SessionChanges, SessionEvent, SpeakerRole, UserId,
};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Form {
    SessionCreated {
        session: SessionForm,
        participant_id: ParticipantId,
    },
    SessionUpdated {
        changes: SessionChanges,
    },
    SessionDeleted,
    ParticipantJoined {
        participant_id: ParticipantId,
        role: ParticipantRole,
    },
    ParticipantAdded {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        participant_id: ParticipantId,
        role: ParticipantRole,
    },
    ParticipantLeft,
    ParticipantRemoved {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        #[serde(default, skip_serializing_if = "RemovalReason::is_by_manager")]
        reason: RemovalReason,
    },
    ParticipantRoleChanged {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        previous: ParticipantRole,
        role: ParticipantRole,
    },
    MessageSent {
        role: SpeakerRole,
        message_type: MessageType,
        content: Content,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<ClientId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edited_at: Option<DateTime<Utc>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deleted: Option<Deletion>,
    },
    MessageEdited {
        message: Seq,
        revision: u64,
    },
    MessageDeleted {
        messages: Vec<Seq>,
    },
    MessagePinned {
        message: Seq,
    },
    MessageUnpinned {
        message: Seq,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Deletion {
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    by: UserId,
    at: DateTime<Utc>,
}

impl Form {
    fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::Session(event) => Self::of_session(event.clone()),
            EventKind::Participant(event) => Self::of_participant(event.clone()),
            EventKind::Message(event) => Self::of_message(event.clone()),
            EventKind::Unknown => Self::Unknown,
        }
    }

    fn of_session(event: SessionEvent) -> Self {
        match event {
            SessionEvent::Created { session, participant_id } => {
                let form = SessionForm::of(&session).named(session.id);
                Self::SessionCreated { session: form, participant_id }
            }
            SessionEvent::Updated { changes } => Self::SessionUpdated { changes },
            SessionEvent::Deleted => Self::SessionDeleted,
        }
    }

    fn of_participant(event: ParticipantEvent) -> Self {
        match event {
            ParticipantEvent::Joined { participant_id, role } => Self::ParticipantJoined { participant_id, role },
            ParticipantEvent::Added { user_id, participant_id, role } => {
                Self::ParticipantAdded { user_id, participant_id, role }
            }
            ParticipantEvent::Left => Self::ParticipantLeft,
            ParticipantEvent::Removed { user_id, reason } => Self::ParticipantRemoved { user_id, reason },
            ParticipantEvent::RoleChanged { user_id, previous, role } => {
                Self::ParticipantRoleChanged { user_id, previous, role }
            }
        }
    }

    fn of_message(event: MessageEvent) -> Self {
        match event {
            MessageEvent::Sent { body: MessageBody { role, message_type, content }, client_id, status } => {
                let (edited_at, deleted) = match status {
                    MessageStatus::AsSent => (None, None),
                    MessageStatus::Edited { at } => (Some(at), None),
                    MessageStatus::Deleted { by, at } => (None, Some(Deletion { by, at })),
                };
                Self::MessageSent { role, message_type, content, client_id, edited_at, deleted }
            }
            MessageEvent::Edited { message, revision } => Self::MessageEdited { message, revision },
            MessageEvent::Deleted { messages } => Self::MessageDeleted { messages },
            MessageEvent::Pinned { message } => Self::MessagePinned { message },
            MessageEvent::Unpinned { message } => Self::MessageUnpinned { message },
        }
    }

    fn kind(self) -> Result<EventKind, String> {
        let session = EventKind::Session;
        let participant = EventKind::Participant;
        let message = EventKind::Message;
        Ok(match self {
            Self::SessionCreated { session: created, participant_id } => {
                let id = created.id.ok_or("a session without an id")?;
                session(SessionEvent::Created { session: created.session(id), participant_id })
            }
            Self::SessionUpdated { changes } => session(SessionEvent::Updated { changes }),
            Self::SessionDeleted => session(SessionEvent::Deleted),
            Self::ParticipantJoined { participant_id, role } => {
                participant(ParticipantEvent::Joined { participant_id, role })
            }
            Self::ParticipantAdded { user_id, participant_id, role } => {
                participant(ParticipantEvent::Added { user_id, participant_id, role })
            }
            Self::ParticipantLeft => participant(ParticipantEvent::Left),
            Self::ParticipantRemoved { user_id, reason } => participant(ParticipantEvent::Removed { user_id, reason }),
            Self::ParticipantRoleChanged { user_id, previous, role } => {
                participant(ParticipantEvent::RoleChanged { user_id, previous, role })
            }
            Self::MessageSent { role, message_type, content, client_id, edited_at, deleted } => {
                let status = match (deleted, edited_at) {
                    (Some(Deletion { by, at }), _) => MessageStatus::Deleted { by, at },
                    (None, Some(at)) => MessageStatus::Edited { at },
                    (None, None) => MessageStatus::AsSent,
                };
                message(MessageEvent::Sent { body: MessageBody { role, message_type, content }, client_id, status })
            }
            Self::MessageEdited { message: seq, revision } => message(MessageEvent::Edited { message: seq, revision }),
            Self::MessageDeleted { messages } => message(MessageEvent::Deleted { messages }),
            Self::MessagePinned { message: seq } => message(MessageEvent::Pinned { message: seq }),
            Self::MessageUnpinned { message: seq } => message(MessageEvent::Unpinned { message: seq }),
            Self::Unknown => EventKind::Unknown,
        })
    }
}

/// What happened, as JSON text.
#[must_use]
pub fn encode_event(kind: &EventKind) -> String {
    // The form has texts for keys and no numbers that JSON lacks.
    serde_json::to_string(&Form::of(kind)).unwrap_or_default()
}

/// What happened. A kind that this version does not know is [`EventKind::Unknown`].
///
/// # Errors
/// A description of the fault in a text that is no JSON, or that lacks a field.
pub fn decode_event(data: &str) -> Result<EventKind, String> {
    serde_json::from_str::<Form>(data).map_err(|error| error.to_string())?.kind()
}
