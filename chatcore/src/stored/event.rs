//! Events. What happened is kept as JSON text; the envelope (position, number, time, actor, whether it governs) is the store's.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{newer::Known, session::SessionForm};
use crate::model::{
    Attachment, ClientId, Content, Emoji, EmojiName, EventKind, InviteId, Mention, MessageBody, MessageCommand,
    MessageEvent, MessageStatus, MessageType, Metadata, Origin, ParticipantEvent, ParticipantId, ParticipantRole,
    RemovalReason, Reply, Seq, SessionChanges, SessionEmoji, SessionEvent, Span, SpeakerRole, StreamState, UserId,
    WebhookId,
};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Form {
    SessionCreated {
        session: SessionForm,
        participant_id: ParticipantId,
    },
    SessionUpdated {
        changes: Known<SessionChanges>,
    },
    InviteCreated {
        invite_id: InviteId,
        role: Known<ParticipantRole>,
    },
    InviteRevoked {
        invite_id: InviteId,
    },
    EmojiAdded {
        name: EmojiName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    EmojiRemoved {
        name: EmojiName,
    },
    JoinRequested,
    JoinRequestClosed {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
    },
    WebhookChanged {
        webhook_id: WebhookId,
    },
    SessionDeleted,
    SessionArchived,
    SessionUnarchived,
    SessionRestored,
    ParticipantJoined {
        participant_id: ParticipantId,
        role: Known<ParticipantRole>,
    },
    ParticipantAdded {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        participant_id: ParticipantId,
        role: Known<ParticipantRole>,
    },
    ParticipantLeft,
    ParticipantRemoved {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        #[serde(default = "by_manager", skip_serializing_if = "is_by_manager")]
        reason: Known<RemovalReason>,
    },
    ParticipantRoleChanged {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        previous: Known<ParticipantRole>,
        role: Known<ParticipantRole>,
    },
    ParticipantBanned {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
        was_active: bool,
    },
    ParticipantUnbanned {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
    },
    ParticipantMuted {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    ParticipantUnmuted {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
    },
    ParticipantMetadataChanged {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
    },
    OwnerChanged {
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        previous: Known<ParticipantRole>,
    },
    MessageSent {
        role: Known<SpeakerRole>,
        message_type: Known<MessageType>,
        content: Known<Content>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<Reply>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<Mention>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        links: Vec<Span>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<Metadata>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<Known<StreamState>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<MessageCommand>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<ClientId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edited_at: Option<DateTime<Utc>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deleted: Option<Deletion>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expired_at: Option<DateTime<Utc>>,
    },
    MessageEdited {
        message: Seq,
        revision: u64,
    },
    MessageFinished {
        message: Seq,
        revision: u64,
    },
    MessageDeleted {
        messages: Vec<Seq>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        expired: bool,
    },
    MessagePinned {
        message: Seq,
    },
    MessageUnpinned {
        message: Seq,
    },
    MessageReacted {
        message: Seq,
        emoji: Emoji,
        count: u64,
    },
    MessageUnreacted {
        message: Seq,
        emoji: Emoji,
        count: u64,
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

/// The reason of events of versions that knew no other.
fn by_manager() -> Known<RemovalReason> {
    RemovalReason::default().into()
}

fn is_by_manager(reason: &Known<RemovalReason>) -> bool {
    reason.0.as_ref().is_some_and(RemovalReason::is_by_manager)
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
            SessionEvent::Updated { changes } => Self::SessionUpdated { changes: changes.into() },
            SessionEvent::InviteCreated { invite_id, role } => Self::InviteCreated { invite_id, role: role.into() },
            SessionEvent::InviteRevoked { invite_id } => Self::InviteRevoked { invite_id },
            SessionEvent::EmojiAdded { emoji: SessionEmoji { name, url } } => Self::EmojiAdded { name, url },
            SessionEvent::EmojiRemoved { name } => Self::EmojiRemoved { name },
            SessionEvent::JoinRequested => Self::JoinRequested,
            SessionEvent::JoinRequestClosed { user_id } => Self::JoinRequestClosed { user_id },
            SessionEvent::WebhookChanged { webhook_id } => Self::WebhookChanged { webhook_id },
            SessionEvent::Deleted => Self::SessionDeleted,
            SessionEvent::Archived => Self::SessionArchived,
            SessionEvent::Unarchived => Self::SessionUnarchived,
            SessionEvent::Restored => Self::SessionRestored,
        }
    }

    fn of_participant(event: ParticipantEvent) -> Self {
        match event {
            ParticipantEvent::Joined { participant_id, role } => {
                Self::ParticipantJoined { participant_id, role: role.into() }
            }
            ParticipantEvent::Added { user_id, participant_id, role } => {
                Self::ParticipantAdded { user_id, participant_id, role: role.into() }
            }
            ParticipantEvent::Left => Self::ParticipantLeft,
            ParticipantEvent::Removed { user_id, reason } => {
                Self::ParticipantRemoved { user_id, reason: reason.into() }
            }
            ParticipantEvent::RoleChanged { user_id, previous, role } => {
                Self::ParticipantRoleChanged { user_id, previous: previous.into(), role: role.into() }
            }
            ParticipantEvent::Banned { user_id, term, was_active } => {
                Self::ParticipantBanned { user_id, until: term.end(), was_active }
            }
            ParticipantEvent::Unbanned { user_id } => Self::ParticipantUnbanned { user_id },
            ParticipantEvent::Muted { user_id, term } => Self::ParticipantMuted { user_id, until: term.end() },
            ParticipantEvent::Unmuted { user_id } => Self::ParticipantUnmuted { user_id },
            ParticipantEvent::MetadataChanged { user_id } => Self::ParticipantMetadataChanged { user_id },
            ParticipantEvent::OwnerChanged { user_id, previous } => {
                Self::OwnerChanged { user_id, previous: previous.into() }
            }
        }
    }

    fn of_message(event: MessageEvent) -> Self {
        match event {
            MessageEvent::Sent {
                body:
                    MessageBody {
                        role,
                        message_type,
                        content,
                        reply,
                        mentions,
                        links,
                        attachments,
                        metadata,
                        origin,
                        stream,
                        command,
                    },
                client_id,
                status,
            } => {
                let (edited_at, deleted, expired_at) = match status {
                    MessageStatus::AsSent => (None, None, None),
                    MessageStatus::Edited { at } => (Some(at), None, None),
                    MessageStatus::Deleted { by: Some(by), at } => (None, Some(Deletion { by, at }), None),
                    MessageStatus::Deleted { by: None, at } => (None, None, Some(at)),
                };
                let (role, message_type, content) = (role.into(), message_type.into(), content.into());
                Self::MessageSent {
                    role,
                    message_type,
                    content,
                    reply,
                    mentions,
                    links,
                    attachments,
                    metadata,
                    origin,
                    stream: stream.map(Known::from),
                    command,
                    client_id,
                    edited_at,
                    deleted,
                    expired_at,
                }
            }
            MessageEvent::Finished { message, revision } => Self::MessageFinished { message, revision },
            MessageEvent::Edited { message, revision } => Self::MessageEdited { message, revision },
            MessageEvent::Deleted { messages, expired } => Self::MessageDeleted { messages, expired },
            MessageEvent::Pinned { message } => Self::MessagePinned { message },
            MessageEvent::Unpinned { message } => Self::MessageUnpinned { message },
            MessageEvent::Reacted { message, emoji, count } => Self::MessageReacted { message, emoji, count },
            MessageEvent::Unreacted { message, emoji, count } => Self::MessageUnreacted { message, emoji, count },
        }
    }

    /// The event; `None` where a newer version gave it a value that this one does not know.
    fn kind(self) -> Result<Option<EventKind>, String> {
        Ok(match self {
            Self::SessionCreated { session, participant_id } => {
                let id = session.id.ok_or("a session without an id")?;
                let created = |session| EventKind::Session(SessionEvent::Created { session, participant_id });
                session.known(id).map(created)
            }
            Self::SessionUpdated { changes: Known(changes) } => {
                changes.map(|changes| EventKind::Session(SessionEvent::Updated { changes }))
            }
            Self::InviteCreated { invite_id, role: Known(role) } => {
                role.map(|role| EventKind::Session(SessionEvent::InviteCreated { invite_id, role }))
            }
            Self::InviteRevoked { invite_id } => Some(EventKind::Session(SessionEvent::InviteRevoked { invite_id })),
            Self::EmojiAdded { name, url } => {
                Some(EventKind::Session(SessionEvent::EmojiAdded { emoji: SessionEmoji { name, url } }))
            }
            Self::EmojiRemoved { name } => Some(EventKind::Session(SessionEvent::EmojiRemoved { name })),
            Self::JoinRequested => Some(EventKind::Session(SessionEvent::JoinRequested)),
            Self::JoinRequestClosed { user_id } => {
                Some(EventKind::Session(SessionEvent::JoinRequestClosed { user_id }))
            }
            Self::WebhookChanged { webhook_id } => {
                Some(EventKind::Session(SessionEvent::WebhookChanged { webhook_id }))
            }
            Self::SessionDeleted => Some(EventKind::Session(SessionEvent::Deleted)),
            Self::SessionArchived => Some(EventKind::Session(SessionEvent::Archived)),
            Self::SessionUnarchived => Some(EventKind::Session(SessionEvent::Unarchived)),
            Self::SessionRestored => Some(EventKind::Session(SessionEvent::Restored)),
            Self::ParticipantJoined { .. }
            | Self::ParticipantAdded { .. }
            | Self::ParticipantLeft
            | Self::ParticipantRemoved { .. }
            | Self::ParticipantRoleChanged { .. }
            | Self::ParticipantBanned { .. }
            | Self::ParticipantUnbanned { .. }
            | Self::ParticipantMuted { .. }
            | Self::ParticipantUnmuted { .. }
            | Self::ParticipantMetadataChanged { .. }
            | Self::OwnerChanged { .. } => self.of_a_participant().map(EventKind::Participant),
            Self::MessageSent { .. }
            | Self::MessageEdited { .. }
            | Self::MessageFinished { .. }
            | Self::MessageDeleted { .. }
            | Self::MessagePinned { .. }
            | Self::MessageUnpinned { .. }
            | Self::MessageReacted { .. }
            | Self::MessageUnreacted { .. } => self.of_a_message().map(EventKind::Message),
            Self::Unknown => None,
        })
    }

    fn of_a_participant(self) -> Option<ParticipantEvent> {
        Some(match self {
            Self::ParticipantJoined { participant_id, role } => {
                ParticipantEvent::Joined { participant_id, role: role.0? }
            }
            Self::ParticipantAdded { user_id, participant_id, role } => {
                ParticipantEvent::Added { user_id, participant_id, role: role.0? }
            }
            Self::ParticipantLeft => ParticipantEvent::Left,
            Self::ParticipantRemoved { user_id, reason } => ParticipantEvent::Removed { user_id, reason: reason.0? },
            Self::ParticipantRoleChanged { user_id, previous, role } => {
                ParticipantEvent::RoleChanged { user_id, previous: previous.0?, role: role.0? }
            }
            Self::ParticipantBanned { user_id, until, was_active } => {
                ParticipantEvent::Banned { user_id, term: until.into(), was_active }
            }
            Self::ParticipantUnbanned { user_id } => ParticipantEvent::Unbanned { user_id },
            Self::ParticipantMuted { user_id, until } => ParticipantEvent::Muted { user_id, term: until.into() },
            Self::ParticipantUnmuted { user_id } => ParticipantEvent::Unmuted { user_id },
            Self::ParticipantMetadataChanged { user_id } => ParticipantEvent::MetadataChanged { user_id },
            Self::OwnerChanged { user_id, previous } => {
                ParticipantEvent::OwnerChanged { user_id, previous: previous.0? }
            }
            Self::SessionCreated { .. }
            | Self::SessionUpdated { .. }
            | Self::InviteCreated { .. }
            | Self::InviteRevoked { .. }
            | Self::EmojiAdded { .. }
            | Self::EmojiRemoved { .. }
            | Self::JoinRequested
            | Self::JoinRequestClosed { .. }
            | Self::WebhookChanged { .. }
            | Self::SessionDeleted
            | Self::SessionArchived
            | Self::SessionUnarchived
            | Self::SessionRestored
            | Self::MessageSent { .. }
            | Self::MessageEdited { .. }
            | Self::MessageFinished { .. }
            | Self::MessageDeleted { .. }
            | Self::MessagePinned { .. }
            | Self::MessageUnpinned { .. }
            | Self::MessageReacted { .. }
            | Self::MessageUnreacted { .. }
            | Self::Unknown => return None,
        })
    }

    fn of_a_message(self) -> Option<MessageEvent> {
        Some(match self {
            Self::MessageSent {
                role,
                message_type,
                content,
                reply,
                mentions,
                links,
                attachments,
                metadata,
                origin,
                stream,
                command,
                client_id,
                edited_at,
                deleted,
                expired_at,
            } => {
                let status = match (deleted, expired_at, edited_at) {
                    (Some(Deletion { by, at }), _, _) => MessageStatus::Deleted { by: Some(by), at },
                    (None, Some(at), _) => MessageStatus::Deleted { by: None, at },
                    (None, None, Some(at)) => MessageStatus::Edited { at },
                    (None, None, None) => MessageStatus::AsSent,
                };
                let body = MessageBody {
                    role: role.0?,
                    message_type: message_type.0?,
                    content: content.0?,
                    reply,
                    mentions,
                    links,
                    attachments,
                    metadata,
                    origin,
                    stream: match stream {
                        Some(stream) => Some(stream.0?),
                        None => None,
                    },
                    command,
                };
                MessageEvent::Sent { body, client_id, status }
            }
            Self::MessageEdited { message, revision } => MessageEvent::Edited { message, revision },
            Self::MessageFinished { message, revision } => MessageEvent::Finished { message, revision },
            Self::MessageDeleted { messages, expired } => MessageEvent::Deleted { messages, expired },
            Self::MessagePinned { message } => MessageEvent::Pinned { message },
            Self::MessageUnpinned { message } => MessageEvent::Unpinned { message },
            Self::MessageReacted { message, emoji, count } => MessageEvent::Reacted { message, emoji, count },
            Self::MessageUnreacted { message, emoji, count } => MessageEvent::Unreacted { message, emoji, count },
            Self::SessionCreated { .. }
            | Self::SessionUpdated { .. }
            | Self::InviteCreated { .. }
            | Self::InviteRevoked { .. }
            | Self::EmojiAdded { .. }
            | Self::EmojiRemoved { .. }
            | Self::JoinRequested
            | Self::JoinRequestClosed { .. }
            | Self::WebhookChanged { .. }
            | Self::SessionDeleted
            | Self::SessionArchived
            | Self::SessionUnarchived
            | Self::SessionRestored
            | Self::ParticipantJoined { .. }
            | Self::ParticipantAdded { .. }
            | Self::ParticipantLeft
            | Self::ParticipantRemoved { .. }
            | Self::ParticipantRoleChanged { .. }
            | Self::ParticipantBanned { .. }
            | Self::ParticipantUnbanned { .. }
            | Self::ParticipantMuted { .. }
            | Self::ParticipantUnmuted { .. }
            | Self::ParticipantMetadataChanged { .. }
            | Self::OwnerChanged { .. }
            | Self::Unknown => return None,
        })
    }
}

/// What happened, as JSON text.
#[must_use]
pub fn encode_event(kind: &EventKind) -> String {
    // The form has texts for keys and no numbers that JSON lacks.
    serde_json::to_string(&Form::of(kind)).unwrap_or_default()
}

/// What happened. An event of a kind that this version does not know is [`EventKind::Unknown`], and so is an event of a known kind with a
/// role, a type or a content that this version does not know.
///
/// # Errors
/// A description of the fault in a text that is no JSON, or that lacks a field.
pub fn decode_event(data: &str) -> Result<EventKind, String> {
    let form: Form = serde_json::from_str(data).map_err(|error| error.to_string())?;
    Ok(form.kind()?.unwrap_or(EventKind::Unknown))
}
