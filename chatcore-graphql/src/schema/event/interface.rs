//! The interface of all events, and the object of each event.

use async_graphql::Interface;

use super::*;

/// One durable change of a session.
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "session_id", ty = "ID", desc = "The session."),
    field(name = "seq", ty = "Long", desc = "The position in the session's log: 1, 2, 3… without a gap."),
    field(name = "cursor", ty = "String", desc = "The position with its epoch: the cursor after which to continue."),
    field(name = "created_at", ty = "DateTime", desc = "The time of the event."),
    field(name = "actor", ty = "User", desc = "The user who caused the event.")
)]
pub(in crate::schema) enum SessionEvent {
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
    pub(in crate::schema) fn new(
        view: Arc<EventView>,
        loads: impl FnOnce() -> Arc<Loads>,
    ) -> async_graphql::Result<Self> {
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
