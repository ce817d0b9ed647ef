//! Events.

use std::sync::Arc;

use async_graphql::{Enum, ID, Interface, Object, SimpleObject};
use chatcore::{
    chat::EventView,
    model::{
        self, Emoji, EventKind, InviteId, MessageEvent, MessageId, ParticipantEvent, ParticipantId, SessionChanges,
        WebhookId,
    },
};

use super::{
    load::Loads,
    message::Message,
    participant::{ParticipantRole, RemovalReason},
    scalar::{DateTime, JsonObject, Long},
    session::{HistoryVisibility, SessionType},
    user::User,
};

/// Whom an event is about.
fn subject(view: &EventView) -> User {
    User(view.subject.as_ref().unwrap_or(&view.actor).clone())
}

/// The objects of events: what all have, and what each has besides.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } => { $($fields:tt)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(super) struct $name {
            view: Arc<EventView>,
            $($field: $type,)*
        }

        $(#[$doc])*
        #[Object]
        impl $name {
            /// The session.
            async fn session_id(&self) -> ID {
                ID(self.view.event.session_id.to_string())
            }

            /// The position in the session's log: 1, 2, 3… without a gap.
            async fn seq(&self) -> Long {
                Long(self.view.event.seq)
            }

            /// The position with its epoch: what to continue after.
            async fn cursor(&self) -> String {
                self.view.event.cursor().to_string()
            }

            /// When it happened.
            async fn created_at(&self) -> DateTime {
                DateTime(self.view.event.created_at)
            }

            /// Who did it.
            async fn actor(&self) -> User {
                User(self.view.actor.clone())
            }

            $($fields)*
        }
    )*};
}

events! {
    /// The session was made; the actor is its owner and first participant.
    SessionCreated { session: model::Session, participant_id: ParticipantId } => {
        /// What it was called.
        async fn title(&self) -> &str {
            &self.session.title
        }

        /// What it was about.
        async fn description(&self) -> Option<&str> {
            self.session.description.as_deref()
        }

        /// Who might come in.
        async fn session_type(&self) -> SessionType {
            self.session.session_type.into()
        }

        /// How many might be in it.
        async fn max_participants(&self) -> u32 {
            self.session.max_participants
        }

        /// The part of the history that participants were to see.
        async fn history_visibility(&self) -> HistoryVisibility {
            self.session.settings.history_visibility.into()
        }

        /// Data of the host's or the client's own; null where there were none.
        #[graphql(complexity = 20)]
        async fn metadata(&self) -> Option<JsonObject> {
            self.session.settings.metadata.clone().map(JsonObject)
        }

        /// Whether its users see each other's receipts.
        async fn receipts(&self) -> bool {
            self.session.settings.receipts
        }

        /// The id of the owner's membership.
        async fn participant_id(&self) -> ID {
            ID(self.participant_id.to_string())
        }
    }

    /// Settings changed.
    SessionUpdated { changes: SessionChanges } => {
        /// Which settings.
        async fn changed(&self) -> Vec<SessionSetting> {
            let SessionChanges {
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
            } =
                &self.changes;
            let named = [
                (title.is_some(), SessionSetting::Title),
                (description.is_some(), SessionSetting::Description),
                (session_type.is_some(), SessionSetting::SessionType),
                (max_participants.is_some(), SessionSetting::MaxParticipants),
                (slow_mode_seconds.is_some(), SessionSetting::SlowModeSeconds),
                (message_lifetime.is_some(), SessionSetting::MessageLifetime),
                (history_visibility.is_some(), SessionSetting::HistoryVisibility),
                (tags.is_some(), SessionSetting::Tags),
                (avatar_url.is_some(), SessionSetting::AvatarUrl),
                (metadata.is_some(), SessionSetting::Metadata),
                (receipts.is_some(), SessionSetting::Receipts),
            ];
            named.into_iter().filter_map(|(changed, setting)| changed.then_some(setting)).collect()
        }

        /// What they are now.
        async fn changes(&self) -> Changes {
            let SessionChanges {
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
            } =
                self.changes.clone();
            Changes {
                title,
                description: description.flatten(),
                session_type: session_type.map(Into::into),
                max_participants,
                slow_mode_seconds,
                message_lifetime: message_lifetime.flatten(),
                history_visibility: history_visibility.map(Into::into),
                tags,
                avatar_url: avatar_url.flatten(),
                metadata: metadata.flatten().map(JsonObject),
                receipts,
            }
        }
    }

    /// The actor created an invite. No event has its code.
    InviteCreated { invite_id: InviteId, role: model::ParticipantRole } => {
        /// The id of the invite.
        async fn invite_id(&self) -> ID {
            ID(self.invite_id.to_string())
        }

        /// The role of users who join by it.
        async fn role(&self) -> ParticipantRole {
            self.role.into()
        }
    }

    /// The actor revoked an invite.
    InviteRevoked { invite_id: InviteId } => {
        /// The id of the invite.
        async fn invite_id(&self) -> ID {
            ID(self.invite_id.to_string())
        }
    }

    /// The actor added an emoji of the session's own, or gave one another address.
    EmojiAdded { emoji: model::SessionEmoji } => {
        /// Its name, without colons.
        async fn name(&self) -> &str {
            self.emoji.name.as_str()
        }

        /// Where its picture is.
        async fn url(&self) -> Option<&str> {
            self.emoji.url.as_deref()
        }
    }

    /// The actor removed an emoji of the session's own. Reactions with it stay.
    EmojiRemoved { name: model::EmojiName } => {
        /// Its name, without colons.
        async fn name(&self) -> &str {
            self.name.as_str()
        }
    }

    /// The actor asked to be let in.
    JoinRequested {} => {}

    /// The actor declined a user's request to join, or withdrew their own.
    JoinRequestClosed {} => {
        /// The user who had asked.
        async fn user(&self) -> User {
            subject(&self.view)
        }
    }

    /// The actor created, changed or deleted a webhook. So the participants know that events are sent to another system.
    WebhookChanged { webhook_id: WebhookId } => {
        /// The id of the webhook.
        async fn webhook_id(&self) -> ID {
            ID(self.webhook_id.to_string())
        }
    }

    /// The session was deleted; nothing follows, unless it is restored.
    SessionDeleted {} => {}

    /// The session was archived: it can be read, and nothing in it changes.
    SessionArchived {} => {}

    /// The session is no longer archived.
    SessionUnarchived {} => {}

    /// The deleted session was restored.
    SessionRestored {} => {}

    /// The actor came by themselves.
    ParticipantJoined { participant_id: ParticipantId, role: model::ParticipantRole } => {
        /// The id of their membership.
        async fn participant_id(&self) -> ID {
            ID(self.participant_id.to_string())
        }

        /// As what.
        async fn role(&self) -> ParticipantRole {
            self.role.into()
        }
    }

    /// The actor brought somebody in.
    ParticipantAdded { participant_id: ParticipantId, role: model::ParticipantRole } => {
        /// Whom.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// The id of their membership.
        async fn participant_id(&self) -> ID {
            ID(self.participant_id.to_string())
        }

        /// As what.
        async fn role(&self) -> ParticipantRole {
            self.role.into()
        }
    }

    /// The actor went.
    ParticipantLeft {} => {}

    /// The actor took somebody out.
    ParticipantRemoved { reason: model::RemovalReason } => {
        /// Whom.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// Why.
        async fn reason(&self) -> RemovalReason {
            self.reason.into()
        }
    }

    /// The actor gave somebody another role.
    ParticipantRoleChanged { previous: model::ParticipantRole, role: model::ParticipantRole } => {
        /// Whom.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// What they were.
        async fn previous_role(&self) -> ParticipantRole {
            self.previous.into()
        }

        /// What they are now.
        async fn role(&self) -> ParticipantRole {
            self.role.into()
        }
    }

    /// The actor banned a user from the session. A participant is out of it.
    ParticipantBanned { term: model::Term, was_active: bool } => {
        /// The banned user.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// When the ban ends; null for never.
        async fn until(&self) -> Option<DateTime> {
            self.term.end().map(DateTime)
        }

        /// Whether the user was in the session.
        async fn was_active(&self) -> bool {
            self.was_active
        }
    }

    /// The actor lifted a user's ban.
    ParticipantUnbanned {} => {
        /// The user.
        async fn user(&self) -> User {
            subject(&self.view)
        }
    }

    /// The actor muted a participant.
    ParticipantMuted { term: model::Term } => {
        /// The participant.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// When the mute ends; null for never.
        async fn until(&self) -> Option<DateTime> {
            self.term.end().map(DateTime)
        }
    }

    /// The actor ended a user's mute.
    ParticipantUnmuted {} => {
        /// The user.
        async fn user(&self) -> User {
            subject(&self.view)
        }
    }

    /// The actor changed the metadata of a participant.
    ParticipantMetadataChanged {} => {
        /// The participant.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// The metadata as they are now; null where there are none.
        #[graphql(complexity = 20)]
        async fn metadata(&self) -> Option<JsonObject> {
            self.view.metadata().cloned().map(JsonObject)
        }
    }

    /// The actor, who was the owner and is an admin now, made a participant the owner.
    OwnershipTransferred { previous: model::ParticipantRole } => {
        /// The new owner.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// The role of the new owner before.
        async fn previous_role(&self) -> ParticipantRole {
            self.previous.into()
        }
    }

    /// The actor said something.
    MessageSent { message: Message, client_id: Option<model::ClientId> } => {
        /// What.
        async fn message(&self) -> &Message {
            &self.message
        }

        /// The sender's own name for it.
        async fn client_id(&self) -> Option<&str> {
            self.client_id.as_ref().map(model::ClientId::as_str)
        }
    }

    /// The actor edited a message.
    MessageEdited { message_id: MessageId, message: Option<Message> } => {
        /// The id of the message.
        async fn message_id(&self) -> ID {
            ID(self.message_id.to_string())
        }

        /// The message as it is now; null where the caller does not see it.
        async fn message(&self) -> Option<&Message> {
            self.message.as_ref()
        }
    }

    /// The writing of a streamed message ended: it is complete or failed. The actor is its author.
    MessageFinished { message_id: MessageId, message: Option<Message> } => {
        /// The id of the message.
        async fn message_id(&self) -> ID {
            ID(self.message_id.to_string())
        }

        /// The message as it is now; null where the caller does not see it.
        async fn message(&self) -> Option<&Message> {
            self.message.as_ref()
        }
    }

    /// The actor deleted messages, or the server did because their lifetime had ended. In that case the actor is the owner of the session.
    MessageDeleted { messages: Vec<MessageId>, deleted_by: Option<model::UserId> } => {
        /// The ids of the messages, oldest first.
        async fn messages(&self) -> Vec<ID> {
            self.messages.iter().map(|id| ID(id.to_string())).collect()
        }

        /// The id of the user who deleted them; null where their lifetime had ended.
        async fn deleted_by(&self) -> Option<ID> {
            self.deleted_by.as_ref().map(|user| ID(user.to_string()))
        }
    }

    /// The actor pinned a message.
    MessagePinned { message_id: MessageId } => {
        /// The id of the message.
        async fn message_id(&self) -> ID {
            ID(self.message_id.to_string())
        }
    }

    /// The actor unpinned a message.
    MessageUnpinned { message_id: MessageId } => {
        /// The id of the message.
        async fn message_id(&self) -> ID {
            ID(self.message_id.to_string())
        }
    }

    /// The actor reacted to a message.
    ReactionAdded { message_id: MessageId, emoji: Emoji, count: u64 } => {
        /// The id of the message.
        async fn message_id(&self) -> ID {
            ID(self.message_id.to_string())
        }

        /// The emoji.
        async fn emoji(&self) -> &str {
            self.emoji.as_str()
        }

        /// How many users have reacted with the emoji now.
        async fn count(&self) -> Long {
            Long(self.count)
        }
    }

    /// The actor took a reaction back.
    ReactionRemoved { message_id: MessageId, emoji: Emoji, count: u64 } => {
        /// The id of the message.
        async fn message_id(&self) -> ID {
            ID(self.message_id.to_string())
        }

        /// The emoji.
        async fn emoji(&self) -> &str {
            self.emoji.as_str()
        }

        /// How many users have reacted with the emoji now.
        async fn count(&self) -> Long {
            Long(self.count)
        }
    }

    /// An event of a kind that this version of the server does not know: a newer version wrote it.
    UnknownEvent {} => {}
}

/// New settings of a session; null for those that did not change, and for a description, a lifetime, a picture or metadata that were
/// taken away.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "SessionChanges")]
pub(super) struct Changes {
    /// What it is called.
    title: Option<String>,
    /// What it is about.
    description: Option<String>,
    /// Who may come in.
    session_type: Option<SessionType>,
    /// How many may be in it.
    max_participants: Option<u32>,
    /// How many seconds lie between two messages of one sender at the least.
    slow_mode_seconds: Option<u32>,
    /// How many seconds a message is kept after it was sent.
    message_lifetime: Option<u32>,
    /// The part of the history that participants see.
    history_visibility: Option<HistoryVisibility>,
    /// Words under which it is found.
    tags: Option<Vec<String>>,
    /// The address of a picture, or another reference to one.
    avatar_url: Option<String>,
    /// Data of the host's or the client's own.
    metadata: Option<JsonObject>,
    /// Whether its users see each other's receipts.
    receipts: Option<bool>,
}

/// A setting of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum SessionSetting {
    /// `title`.
    Title,
    /// `description`.
    Description,
    /// `sessionType`.
    SessionType,
    /// `maxParticipants`.
    MaxParticipants,
    /// `slowModeSeconds`.
    SlowModeSeconds,
    /// `messageLifetime`.
    MessageLifetime,
    /// `historyVisibility`.
    HistoryVisibility,
    /// `tags`.
    Tags,
    /// `avatarUrl`.
    AvatarUrl,
    /// `metadata`.
    Metadata,
    /// `receipts`.
    Receipts,
}

/// One durable change of a session.
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "session_id", ty = "ID", desc = "The session."),
    field(name = "seq", ty = "Long", desc = "The position in the session's log: 1, 2, 3… without a gap."),
    field(name = "cursor", ty = "String", desc = "The position with its epoch: what to continue after."),
    field(name = "created_at", ty = "DateTime", desc = "When it happened."),
    field(name = "actor", ty = "User", desc = "Who did it.")
)]
pub(super) enum SessionEvent {
    Created(SessionCreated),
    Updated(SessionUpdated),
    InviteCreated(InviteCreated),
    InviteRevoked(InviteRevoked),
    EmojiAdded(EmojiAdded),
    EmojiRemoved(EmojiRemoved),
    JoinRequested(JoinRequested),
    JoinRequestClosed(JoinRequestClosed),
    WebhookChanged(WebhookChanged),
    Deleted(SessionDeleted),
    Archived(SessionArchived),
    Unarchived(SessionUnarchived),
    Restored(SessionRestored),
    Joined(ParticipantJoined),
    Added(ParticipantAdded),
    Left(ParticipantLeft),
    Removed(ParticipantRemoved),
    RoleChanged(ParticipantRoleChanged),
    Banned(ParticipantBanned),
    Unbanned(ParticipantUnbanned),
    Muted(ParticipantMuted),
    Unmuted(ParticipantUnmuted),
    MetadataChanged(ParticipantMetadataChanged),
    OwnerChanged(OwnershipTransferred),
    Sent(MessageSent),
    Edited(MessageEdited),
    Finished(MessageFinished),
    MessagesDeleted(MessageDeleted),
    Pinned(MessagePinned),
    Unpinned(MessageUnpinned),
    Reacted(ReactionAdded),
    Unreacted(ReactionRemoved),
    Unknown(UnknownEvent),
}

impl SessionEvent {
    pub(super) fn new(view: Arc<EventView>, loads: impl FnOnce() -> Arc<Loads>) -> async_graphql::Result<Self> {
        Ok(match view.event.kind.clone() {
            EventKind::Session(event) => Self::of_session(view, event),
            EventKind::Participant(event) => Self::of_participant(view, event),
            EventKind::Message(event) => Self::of_message(view, event, loads)?,
            EventKind::Unknown => UnknownEvent { view }.into(),
        })
    }

    fn of_session(view: Arc<EventView>, event: model::SessionEvent) -> Self {
        match event {
            model::SessionEvent::Created { session, participant_id } => {
                SessionCreated { view, session, participant_id }.into()
            }
            model::SessionEvent::Updated { changes } => SessionUpdated { view, changes }.into(),
            model::SessionEvent::InviteCreated { invite_id, role } => InviteCreated { view, invite_id, role }.into(),
            model::SessionEvent::InviteRevoked { invite_id } => InviteRevoked { view, invite_id }.into(),
            model::SessionEvent::EmojiAdded { emoji } => EmojiAdded { view, emoji }.into(),
            model::SessionEvent::EmojiRemoved { name } => EmojiRemoved { view, name }.into(),
            model::SessionEvent::JoinRequested => JoinRequested { view }.into(),
            model::SessionEvent::JoinRequestClosed { user_id: _ } => JoinRequestClosed { view }.into(),
            model::SessionEvent::WebhookChanged { webhook_id } => WebhookChanged { view, webhook_id }.into(),
            model::SessionEvent::Deleted => SessionDeleted { view }.into(),
            model::SessionEvent::Archived => SessionArchived { view }.into(),
            model::SessionEvent::Unarchived => SessionUnarchived { view }.into(),
            model::SessionEvent::Restored => SessionRestored { view }.into(),
        }
    }

    fn of_participant(view: Arc<EventView>, event: ParticipantEvent) -> Self {
        match event {
            ParticipantEvent::Joined { participant_id, role } => {
                ParticipantJoined { view, participant_id, role }.into()
            }
            ParticipantEvent::Added { user_id: _, participant_id, role } => {
                ParticipantAdded { view, participant_id, role }.into()
            }
            ParticipantEvent::Left => ParticipantLeft { view }.into(),
            ParticipantEvent::Removed { user_id: _, reason } => ParticipantRemoved { view, reason }.into(),
            ParticipantEvent::RoleChanged { user_id: _, previous, role } => {
                ParticipantRoleChanged { view, previous, role }.into()
            }
            ParticipantEvent::Banned { user_id: _, term, was_active } => {
                ParticipantBanned { view, term, was_active }.into()
            }
            ParticipantEvent::Unbanned { user_id: _ } => ParticipantUnbanned { view }.into(),
            ParticipantEvent::Muted { user_id: _, term } => ParticipantMuted { view, term }.into(),
            ParticipantEvent::Unmuted { user_id: _ } => ParticipantUnmuted { view }.into(),
            ParticipantEvent::MetadataChanged { user_id: _ } => ParticipantMetadataChanged { view }.into(),
            ParticipantEvent::OwnerChanged { user_id: _, previous } => OwnershipTransferred { view, previous }.into(),
        }
    }

    fn of_message(
        view: Arc<EventView>,
        event: MessageEvent,
        loads: impl FnOnce() -> Arc<Loads>,
    ) -> async_graphql::Result<Self> {
        let session_id = view.event.session_id;
        let id = |seq| MessageId { session_id, seq };
        let shown = |view: &EventView| view.message().map(|message| Message { message, loads: loads() });
        Ok(match event {
            MessageEvent::Sent { body: _, client_id, status: _ } => {
                let message = shown(&view).ok_or_else(|| crate::field_error(&chatcore::Error::Internal))?;
                MessageSent { view, message, client_id }.into()
            }
            MessageEvent::Finished { message: seq, revision: _ } => {
                let message = shown(&view);
                MessageFinished { view, message_id: id(seq), message }.into()
            }
            MessageEvent::Edited { message: seq, revision: _ } => {
                let message = shown(&view);
                MessageEdited { view, message_id: id(seq), message }.into()
            }
            MessageEvent::Deleted { messages, expired } => {
                let deleted_by = (!expired).then(|| view.event.actor.clone());
                MessageDeleted { view, messages: messages.into_iter().map(id).collect(), deleted_by }.into()
            }
            MessageEvent::Pinned { message } => MessagePinned { view, message_id: id(message) }.into(),
            MessageEvent::Unpinned { message } => MessageUnpinned { view, message_id: id(message) }.into(),
            MessageEvent::Reacted { message, emoji, count } => {
                ReactionAdded { view, message_id: id(message), emoji, count }.into()
            }
            MessageEvent::Unreacted { message, emoji, count } => {
                ReactionRemoved { view, message_id: id(message), emoji, count }.into()
            }
        })
    }
}
