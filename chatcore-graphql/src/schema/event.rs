//! Events.

mod interface;
mod settings;

use std::sync::Arc;

use async_graphql::{ID, Object};
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
pub(super) use interface::SessionEvent;
use settings::{Changes, SessionSetting};

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

            /// The position with its epoch: the cursor after which to continue.
            async fn cursor(&self) -> String {
                self.view.event.cursor().to_string()
            }

            /// The time of the event.
            async fn created_at(&self) -> DateTime {
                DateTime(self.view.event.created_at)
            }

            /// The user who caused the event.
            async fn actor(&self) -> User {
                User(self.view.actor.clone())
            }

            $($fields)*
        }
    )*};
}

events! {
    /// The session was created; the actor is the owner and first participant.
    SessionCreated { session: model::Session, participant_id: ParticipantId } => {
        /// The title at creation.
        async fn title(&self) -> &str {
            &self.session.title
        }

        /// The description at creation.
        async fn description(&self) -> Option<&str> {
            self.session.description.as_deref()
        }

        /// The type at creation.
        async fn session_type(&self) -> SessionType {
            self.session.session_type.into()
        }

        /// The maximum number of participants at creation.
        async fn max_participants(&self) -> u32 {
            self.session.max_participants
        }

        /// The part of the history that participants see, at creation.
        async fn history_visibility(&self) -> HistoryVisibility {
            self.session.settings.history_visibility.into()
        }

        /// Custom data of the host or the client; null without data.
        #[graphql(complexity = 20)]
        async fn metadata(&self) -> Option<JsonObject> {
            self.session.settings.metadata.clone().map(JsonObject)
        }

        /// Whether the users of the session see each other's receipts.
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
        /// The changed settings.
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

        /// The new values of the changed settings.
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

    /// The actor created an invite. No event contains the code.
    InviteCreated { invite_id: InviteId, role: model::ParticipantRole } => {
        /// The id of the invite.
        async fn invite_id(&self) -> ID {
            ID(self.invite_id.to_string())
        }

        /// The role of users who join by the invite.
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

    /// The actor added a custom emoji to the session, or changed the address of a custom emoji.
    EmojiAdded { emoji: model::SessionEmoji } => {
        /// The name of the emoji, without colons.
        async fn name(&self) -> &str {
            self.emoji.name.as_str()
        }

        /// The address of the picture.
        async fn url(&self) -> Option<&str> {
            self.emoji.url.as_deref()
        }
    }

    /// The actor removed a custom emoji of the session. Reactions with it stay.
    EmojiRemoved { name: model::EmojiName } => {
        /// The name of the emoji, without colons.
        async fn name(&self) -> &str {
            self.name.as_str()
        }
    }

    /// The actor requested to join.
    JoinRequested {} => {}

    /// The actor declined a user's request to join, or withdrew the actor's own request.
    JoinRequestClosed {} => {
        /// The user of the request.
        async fn user(&self) -> User {
            subject(&self.view)
        }
    }

    /// The actor created, changed or deleted a webhook. The event tells the participants that another system receives events.
    WebhookChanged { webhook_id: WebhookId } => {
        /// The id of the webhook.
        async fn webhook_id(&self) -> ID {
            ID(self.webhook_id.to_string())
        }
    }

    /// The session was deleted. No event follows, except after a restoration.
    SessionDeleted {} => {}

    /// The session was archived: users can read the session, and nothing in the session changes.
    SessionArchived {} => {}

    /// The session is no longer archived.
    SessionUnarchived {} => {}

    /// The deleted session was restored.
    SessionRestored {} => {}

    /// The actor joined the session.
    ParticipantJoined { participant_id: ParticipantId, role: model::ParticipantRole } => {
        /// The id of the membership.
        async fn participant_id(&self) -> ID {
            ID(self.participant_id.to_string())
        }

        /// The role.
        async fn role(&self) -> ParticipantRole {
            self.role.into()
        }
    }

    /// The actor added a user to the session.
    ParticipantAdded { participant_id: ParticipantId, role: model::ParticipantRole } => {
        /// The affected user.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// The id of the membership.
        async fn participant_id(&self) -> ID {
            ID(self.participant_id.to_string())
        }

        /// The role.
        async fn role(&self) -> ParticipantRole {
            self.role.into()
        }
    }

    /// The actor left the session.
    ParticipantLeft {} => {}

    /// The actor removed a user from the session.
    ParticipantRemoved { reason: model::RemovalReason } => {
        /// The affected user.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// The reason.
        async fn reason(&self) -> RemovalReason {
            self.reason.into()
        }
    }

    /// The actor changed the role of a user.
    ParticipantRoleChanged { previous: model::ParticipantRole, role: model::ParticipantRole } => {
        /// The affected user.
        async fn user(&self) -> User {
            subject(&self.view)
        }

        /// The previous role.
        async fn previous_role(&self) -> ParticipantRole {
            self.previous.into()
        }

        /// The new role.
        async fn role(&self) -> ParticipantRole {
            self.role.into()
        }
    }

    /// The actor banned a user from the session. The ban removes a participant from the session.
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

        /// The current metadata; null without metadata.
        #[graphql(complexity = 20)]
        async fn metadata(&self) -> Option<JsonObject> {
            self.view.metadata().cloned().map(JsonObject)
        }
    }

    /// The actor transferred the ownership to a participant, and became an admin.
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

    /// The actor sent a message.
    MessageSent { message: Message, client_id: Option<model::ClientId> } => {
        /// The message.
        async fn message(&self) -> &Message {
            &self.message
        }

        /// The sender's idempotency key for the message.
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

        /// The current message; null where the caller does not see the message.
        async fn message(&self) -> Option<&Message> {
            self.message.as_ref()
        }
    }

    /// The writing of a streamed message ended: it is complete or failed. The actor is the author of the message.
    MessageFinished { message_id: MessageId, message: Option<Message> } => {
        /// The id of the message.
        async fn message_id(&self) -> ID {
            ID(self.message_id.to_string())
        }

        /// The current message; null where the caller does not see the message.
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

        /// The id of the user who deleted the messages; null where the lifetime of the messages had ended.
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

        /// The number of users who have reacted with the emoji now.
        async fn count(&self) -> Long {
            Long(self.count)
        }
    }

    /// The actor removed a reaction.
    ReactionRemoved { message_id: MessageId, emoji: Emoji, count: u64 } => {
        /// The id of the message.
        async fn message_id(&self) -> ID {
            ID(self.message_id.to_string())
        }

        /// The emoji.
        async fn emoji(&self) -> &str {
            self.emoji.as_str()
        }

        /// The number of users who have reacted with the emoji now.
        async fn count(&self) -> Long {
            Long(self.count)
        }
    }

    /// An event of a kind that this version of the server does not know: a newer version wrote it.
    UnknownEvent {} => {}
}
