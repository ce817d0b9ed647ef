//! An event: one durable change of a session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    ClientId, Cursor, Emoji, EmojiName, HistoryVisibility, InviteId, MessageBody, Metadata, ParticipantId,
    ParticipantRole, Session, SessionEmoji, SessionId, SessionType, Term, UserId, WebhookId,
};

/// A position in a session's log: 1 for its first event, dense. 0 stands before the first.
pub type Seq = u64;

/// One durable change of a session, at its place in the session's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The session.
    pub session_id: SessionId,
    /// The position.
    pub seq: Seq,
    /// The number of messages in the log up to this event, inclusive.
    pub number: u64,
    /// The time at which the event was accepted; never before the previous event of the session.
    pub created_at: DateTime<Utc>,
    /// The user who caused the event.
    pub actor: UserId,
    /// The kind of the event.
    pub kind: EventKind,
    /// Whether decisions that were taken before this event are stale.
    pub governs: bool,
    /// The number of writes of the event: 1 for a new event. An edit or a deletion of a message rewrites the message's event.
    pub revision: u64,
    /// The position of the last event that rewrote this event; 0 for an event that was never rewritten.
    pub revised: Seq,
}

/// An event that has no position yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The user who causes the event.
    pub actor: UserId,
    /// The caller's time. The store raises an earlier time to the time of the previous event.
    pub created_at: DateTime<Utc>,
    /// The kind of the event.
    pub kind: EventKind,
}

/// The kind of an event. Names are in the past tense: each event is a fact. The groups let code be exhaustive over the handled events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The session itself changed.
    Session(SessionEvent),
    /// The participants changed.
    Participant(ParticipantEvent),
    /// A message was sent or changed.
    Message(MessageEvent),
    /// An event of a kind that this version does not know: a newer version wrote it.
    Unknown,
}

/// A change of the session itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The session was created; the actor is its owner and first participant.
    Created {
        /// The session as it was created.
        session: Session,
        /// The owner's stay.
        participant_id: ParticipantId,
    },
    /// Settings changed.
    Updated {
        /// The changed settings, with the new values.
        changes: SessionChanges,
    },
    /// The actor created an invite. No event contains the code.
    InviteCreated {
        /// The invite.
        invite_id: InviteId,
        /// The role of users who join by the invite.
        role: ParticipantRole,
    },
    /// The actor revoked an invite.
    InviteRevoked {
        /// The invite.
        invite_id: InviteId,
    },
    /// The actor added a custom emoji to the session, or changed the address of a custom emoji.
    EmojiAdded {
        /// The current emoji.
        emoji: SessionEmoji,
    },
    /// The actor removed a custom emoji of the session. Reactions with it stay.
    EmojiRemoved {
        /// The name.
        name: EmojiName,
    },
    /// The actor requested to join.
    JoinRequested,
    /// The actor declined a user's request to join, or withdrew the actor's own request.
    JoinRequestClosed {
        /// The user of the request.
        user_id: UserId,
    },
    /// The actor created, changed or deleted a webhook. The event tells the participants that another system receives events or posts
    /// messages.
    WebhookChanged {
        /// The webhook.
        webhook_id: WebhookId,
    },
    /// The session was deleted.
    Deleted,
    /// The session was archived: users can read the session, and nothing in the session changes.
    Archived,
    /// The session is no longer archived.
    Unarchived,
    /// The deleted session was restored.
    Restored,
}

/// A change of the participants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParticipantEvent {
    /// The actor joined.
    Joined {
        /// The actor's stay.
        participant_id: ParticipantId,
        /// The actor's role.
        role: ParticipantRole,
    },
    /// The actor added a user.
    Added {
        /// The added user.
        user_id: UserId,
        /// The user's stay.
        participant_id: ParticipantId,
        /// The user's role.
        role: ParticipantRole,
    },
    /// The actor left.
    Left,
    /// The actor removed a user.
    Removed {
        /// The removed user.
        user_id: UserId,
        /// The reason.
        reason: RemovalReason,
    },
    /// The actor changed a user's role.
    RoleChanged {
        /// The user.
        user_id: UserId,
        /// The role before.
        previous: ParticipantRole,
        /// The role now.
        role: ParticipantRole,
    },
    /// The actor banned a user from the session. The event removes a participant from the session.
    Banned {
        /// The banned user.
        user_id: UserId,
        /// The duration.
        term: Term,
        /// Whether the user was in the session.
        was_active: bool,
    },
    /// The actor lifted a user's ban.
    Unbanned {
        /// The user.
        user_id: UserId,
    },
    /// The actor muted a participant.
    Muted {
        /// The participant.
        user_id: UserId,
        /// The duration.
        term: Term,
    },
    /// The actor ended the mute of a user.
    Unmuted {
        /// The user.
        user_id: UserId,
    },
    /// The actor changed the metadata of a participant. The participant's record has the metadata; the log has no copy.
    MetadataChanged {
        /// The participant.
        user_id: UserId,
    },
    /// The actor transferred the ownership to a participant, and became an admin.
    OwnerChanged {
        /// The new owner.
        user_id: UserId,
        /// The role of the new owner before.
        previous: ParticipantRole,
    },
}

/// Why a user was removed from a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RemovalReason {
    /// A user who manages the session decided so.
    #[default]
    ByManager,
    /// The user's account was banned.
    AccountBanned,
    /// The user's account was deleted.
    AccountDeleted,
}

impl RemovalReason {
    /// Whether a user who manages the session decided so.
    #[must_use]
    pub fn is_by_manager(&self) -> bool {
        *self == Self::ByManager
    }
}

/// A message, or a change of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "most events are messages")]
pub enum MessageEvent {
    /// The actor sent a message. This event is the message: an edit or a deletion rewrites it in its place.
    Sent {
        /// The current message.
        body: MessageBody,
        /// The client id: the sender's idempotency key.
        client_id: Option<ClientId>,
        /// Whether the message was edited or deleted since.
        status: MessageStatus,
    },
    /// The actor edited a message. The new text stands in the message itself.
    Edited {
        /// The position of the message.
        message: Seq,
        /// The revision that this edit made.
        revision: u64,
    },
    /// The writing of a streamed message ended. The text and the state are in the message itself. The actor is the author of the message,
    /// also where the server ended the message.
    Finished {
        /// The position of the message.
        message: Seq,
        /// The revision that this end made.
        revision: u64,
    },
    /// The actor deleted messages.
    Deleted {
        /// The positions of the messages, in ascending order.
        messages: Vec<Seq>,
        /// Whether the lifetime of the messages had ended. In that case the server deleted the messages, and the actor is the owner of the
        /// session.
        expired: bool,
    },
    /// The actor pinned a message.
    Pinned {
        /// The position of the message.
        message: Seq,
    },
    /// The actor unpinned a message.
    Unpinned {
        /// The position of the message.
        message: Seq,
    },
    /// The actor reacted to a message.
    Reacted {
        /// The position of the message.
        message: Seq,
        /// The emoji.
        emoji: Emoji,
        /// The number of users who have reacted with the emoji after this event.
        count: u64,
    },
    /// The actor removed a reaction.
    Unreacted {
        /// The position of the message.
        message: Seq,
        /// The emoji.
        emoji: Emoji,
        /// The number of users who have reacted with the emoji after this event.
        count: u64,
    },
}

/// The status of a sent message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum MessageStatus {
    /// The message is unchanged.
    #[default]
    AsSent,
    /// The sender edited the message.
    Edited {
        /// The time of the last edit.
        at: DateTime<Utc>,
    },
    /// The message was deleted. The content is [`Content::Deleted`](super::Content::Deleted).
    Deleted {
        /// The user who deleted the message; `None` where the lifetime of the message had ended.
        by: Option<UserId>,
        /// The time of the deletion.
        at: DateTime<Utc>,
    },
}

/// New values of the changed settings; `None` for an unchanged setting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionChanges {
    /// The new title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The new description; the inner `None` for a removed description.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "double_option")]
    pub description: Option<Option<String>>,
    /// The new type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_type: Option<SessionType>,
    /// The new maximum number of participants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_participants: Option<u32>,
    /// The new number of seconds between two messages of one sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_mode_seconds: Option<u32>,
    /// The new lifetime of a message in seconds; the inner `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "double_option")]
    pub message_lifetime: Option<Option<u32>>,
    /// The new part of the history that participants see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_visibility: Option<HistoryVisibility>,
    /// The complete new tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// The new picture; the inner `None` for a removed picture.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "double_option")]
    pub avatar_url: Option<Option<String>>,
    /// The new metadata; the inner `None` for removed metadata.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "double_option")]
    pub metadata: Option<Option<Metadata>>,
    /// Whether the users of the session see each other's receipts from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<bool>,
}

impl SessionChanges {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Writes the new values into a session.
    pub fn apply(&self, session: &mut Session) {
        let Self {
            title,
            description,
            session_type,
            max_participants,
            slow_mode_seconds,
            message_lifetime,
            history_visibility,
            tags,
            avatar_url,
            metadata,
            receipts,
        } = self.clone();
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
        let settings = &mut session.settings;
        settings.slow_mode_seconds = slow_mode_seconds.unwrap_or(settings.slow_mode_seconds);
        settings.message_lifetime = message_lifetime.unwrap_or(settings.message_lifetime);
        settings.history_visibility = history_visibility.unwrap_or(settings.history_visibility);
        if let Some(tags) = tags {
            settings.tags = tags;
        }
        if let Some(avatar_url) = avatar_url {
            settings.avatar_url = avatar_url;
        }
        if let Some(metadata) = metadata {
            settings.metadata = metadata;
        }
        settings.receipts = receipts.unwrap_or(settings.receipts);
        session.needs = session.needs.max(session.settings.needs());
    }
}

impl EventKind {
    /// Whether the event can change the permissions of a user. Such an event makes every earlier decision stale. For an unknown event, the
    /// event itself says so: [`Event::governs`].
    #[must_use]
    pub const fn is_governance(&self) -> bool {
        match self {
            Self::Session(_) | Self::Participant(_) => true,
            Self::Message(_) | Self::Unknown => false,
        }
    }

    /// The user whom the event admits into the session; `None` for other events. `actor` is the actor of the event.
    #[must_use]
    pub fn admitted<'a>(&'a self, actor: &'a UserId) -> Option<&'a UserId> {
        self.admission(actor).map(|(user, _)| user)
    }

    /// The user whom the event admits into the session, with the stay that begins; `None` for other events. `actor` is the actor of the
    /// event.
    #[must_use]
    pub const fn admission<'a>(&'a self, actor: &'a UserId) -> Option<(&'a UserId, ParticipantId)> {
        match self {
            Self::Session(SessionEvent::Created { participant_id, .. })
            | Self::Participant(ParticipantEvent::Joined { participant_id, .. }) => Some((actor, *participant_id)),
            Self::Participant(ParticipantEvent::Added { user_id, participant_id, .. }) => {
                Some((user_id, *participant_id))
            }
            Self::Session(
                SessionEvent::Updated { .. }
                | SessionEvent::InviteCreated { .. }
                | SessionEvent::InviteRevoked { .. }
                | SessionEvent::EmojiAdded { .. }
                | SessionEvent::EmojiRemoved { .. }
                | SessionEvent::JoinRequested
                | SessionEvent::JoinRequestClosed { .. }
                | SessionEvent::WebhookChanged { .. }
                | SessionEvent::Deleted
                | SessionEvent::Archived
                | SessionEvent::Unarchived
                | SessionEvent::Restored,
            )
            | Self::Participant(
                ParticipantEvent::Left
                | ParticipantEvent::Removed { .. }
                | ParticipantEvent::RoleChanged { .. }
                | ParticipantEvent::Banned { .. }
                | ParticipantEvent::Unbanned { .. }
                | ParticipantEvent::Muted { .. }
                | ParticipantEvent::Unmuted { .. }
                | ParticipantEvent::MetadataChanged { .. }
                | ParticipantEvent::OwnerChanged { .. },
            )
            | Self::Message(_)
            | Self::Unknown => None,
        }
    }

    /// Whether the event is a message, and so takes a message number.
    #[must_use]
    pub const fn is_message(&self) -> bool {
        match self {
            Self::Message(MessageEvent::Sent { .. }) => true,
            Self::Message(
                MessageEvent::Edited { .. }
                | MessageEvent::Finished { .. }
                | MessageEvent::Deleted { .. }
                | MessageEvent::Pinned { .. }
                | MessageEvent::Unpinned { .. }
                | MessageEvent::Reacted { .. }
                | MessageEvent::Unreacted { .. },
            )
            | Self::Session(_)
            | Self::Participant(_)
            | Self::Unknown => false,
        }
    }

    /// The position of the message whose current content the event shows: the edited or finished message.
    #[must_use]
    pub const fn edited(&self) -> Option<Seq> {
        match self {
            Self::Message(MessageEvent::Edited { message, .. } | MessageEvent::Finished { message, .. }) => {
                Some(*message)
            }
            Self::Message(
                MessageEvent::Sent { .. }
                | MessageEvent::Deleted { .. }
                | MessageEvent::Pinned { .. }
                | MessageEvent::Unpinned { .. }
                | MessageEvent::Reacted { .. }
                | MessageEvent::Unreacted { .. },
            )
            | Self::Session(_)
            | Self::Participant(_)
            | Self::Unknown => None,
        }
    }

    /// Whether the event deleted contents; `true` for an event of an unknown kind.
    #[must_use]
    pub const fn is_deletion(&self) -> bool {
        match self {
            Self::Message(MessageEvent::Deleted { .. }) | Self::Unknown => true,
            Self::Message(
                MessageEvent::Sent { .. }
                | MessageEvent::Edited { .. }
                | MessageEvent::Finished { .. }
                | MessageEvent::Pinned { .. }
                | MessageEvent::Unpinned { .. }
                | MessageEvent::Reacted { .. }
                | MessageEvent::Unreacted { .. },
            )
            | Self::Session(_)
            | Self::Participant(_) => false,
        }
    }

    /// The positions of the messages that the event rewrote.
    #[must_use]
    pub const fn rewritten(&self) -> &[Seq] {
        match self {
            Self::Message(MessageEvent::Edited { message, .. } | MessageEvent::Finished { message, .. }) => {
                std::slice::from_ref(message)
            }
            Self::Message(MessageEvent::Deleted { messages, expired: _ }) => messages.as_slice(),
            Self::Message(
                MessageEvent::Sent { .. }
                | MessageEvent::Pinned { .. }
                | MessageEvent::Unpinned { .. }
                | MessageEvent::Reacted { .. }
                | MessageEvent::Unreacted { .. },
            )
            | Self::Session(_)
            | Self::Participant(_)
            | Self::Unknown => &[],
        }
    }
}

impl Event {
    /// The position with its epoch: the cursor after which a reader continues.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor::at(self.seq, self.created_at)
    }

    /// The affected user, where the affected user is not the actor.
    #[must_use]
    pub const fn subject(&self) -> Option<&UserId> {
        match &self.kind {
            EventKind::Participant(
                ParticipantEvent::Added { user_id, .. }
                | ParticipantEvent::Removed { user_id, .. }
                | ParticipantEvent::RoleChanged { user_id, .. }
                | ParticipantEvent::Banned { user_id, .. }
                | ParticipantEvent::Unbanned { user_id }
                | ParticipantEvent::Muted { user_id, .. }
                | ParticipantEvent::Unmuted { user_id }
                | ParticipantEvent::MetadataChanged { user_id }
                | ParticipantEvent::OwnerChanged { user_id, .. },
            )
            | EventKind::Session(SessionEvent::JoinRequestClosed { user_id }) => Some(user_id),
            EventKind::Participant(ParticipantEvent::Joined { .. } | ParticipantEvent::Left)
            | EventKind::Session(_)
            | EventKind::Message(_)
            | EventKind::Unknown => None,
        }
    }
}

/// Keeps "not named" and "named as null" apart: a plain nested option reads both as `None`.
mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::option_option, reason = "the two levels mean different things")]
    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    #[allow(clippy::option_option, reason = "the two levels mean different things")]
    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(deserializer).map(Some)
    }
}
