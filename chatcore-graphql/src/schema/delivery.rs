//! The deliveries of subscriptions.

use std::sync::Arc;

use async_graphql::{ID, SimpleObject, Union};
use chatcore::{
    chat::{AllDelivery, Delivery as Delivered, Position, SignalView},
    model::{self, Signal},
};

use super::{
    event::{
        EmojiAdded, EmojiRemoved, InviteCreated, InviteRevoked, JoinRequestClosed, JoinRequested, MessageDeleted,
        MessageEdited, MessageFinished, MessagePinned, MessageSent, MessageUnpinned, OwnershipTransferred,
        ParticipantAdded, ParticipantBanned, ParticipantJoined, ParticipantLeft, ParticipantMetadataChanged,
        ParticipantMuted, ParticipantRemoved, ParticipantRoleChanged, ParticipantUnbanned, ParticipantUnmuted,
        ReactionAdded, ReactionRemoved, SessionArchived, SessionCreated, SessionDeleted, SessionEvent, SessionRestored,
        SessionUnarchived, SessionUpdated, UnknownEvent, WebhookChanged,
    },
    join_request::JoinRequestDeclined,
    load::Loads,
    managed::Notice,
    preferences::PreferencesChanged,
    presence::Presence,
    reading::ReadMarker,
    receipt::Receipt,
    report::ReportChanged,
    scalar::{DateTime, Long},
    streamed::MessagePart,
    thread::ThreadState,
    user::User,
};

/// The start of a subscription to a session: the events after a position follow.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct Subscribed {
    /// The session.
    session_id: ID,
    /// The position. The first event that follows is the event after this position.
    after: Long,
    /// The position with its epoch.
    cursor: String,
}

/// The caller is in more sessions than the limit of one subscription. The subscription has the sessions in `after`, and the most recently
/// active of the other sessions.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct SessionsLeftOut {
    /// The number of sessions that this subscription leaves out.
    sessions: Long,
}

/// A user started or stopped typing. This signal is not in the log.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct Typing {
    /// The session.
    session_id: ID,
    /// The user.
    user: User,
    /// Whether the user types.
    is_typing: bool,
    /// The end of the typing without a further signal; null for stopped.
    until: Option<DateTime>,
}

/// The presence of a user changed. This signal is not in the log.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct PresenceChanged {
    /// A session that the user is in.
    session_id: ID,
    /// The presence of the user.
    presence: Presence,
}

/// The subscription to one session ended; the other sessions continue.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct SubscriptionEnded {
    /// The session.
    session_id: ID,
    /// The reason: a stable code, as in the `extensions` of an error.
    code: String,
    /// The reason, as a text.
    detail: String,
}

/// A delivery of a subscription: an event, a signal, or a notification about the subscription itself.
#[derive(Debug, Clone, Union)]
pub(super) enum Delivery {
    Subscribed(Subscribed),
    Ended(SubscriptionEnded),
    LeftOut(SessionsLeftOut),
    Typing(Typing),
    ReadMarker(ReadMarker),
    ThreadState(ThreadState),
    PresenceChanged(PresenceChanged),
    PreferencesChanged(PreferencesChanged),
    Part(MessagePart),
    JoinRequestDeclined(JoinRequestDeclined),
    Receipt(Receipt),
    ReportChanged(ReportChanged),
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
    Notice(Notice),
}

impl From<SessionEvent> for Delivery {
    fn from(event: SessionEvent) -> Self {
        match event {
            SessionEvent::Created(event) => event.into(),
            SessionEvent::Updated(event) => event.into(),
            SessionEvent::InviteCreated(event) => event.into(),
            SessionEvent::InviteRevoked(event) => event.into(),
            SessionEvent::EmojiAdded(event) => event.into(),
            SessionEvent::EmojiRemoved(event) => event.into(),
            SessionEvent::JoinRequested(event) => event.into(),
            SessionEvent::JoinRequestClosed(event) => event.into(),
            SessionEvent::WebhookChanged(event) => event.into(),
            SessionEvent::Deleted(event) => event.into(),
            SessionEvent::Archived(event) => event.into(),
            SessionEvent::Unarchived(event) => event.into(),
            SessionEvent::Restored(event) => event.into(),
            SessionEvent::Joined(event) => event.into(),
            SessionEvent::Added(event) => event.into(),
            SessionEvent::Left(event) => event.into(),
            SessionEvent::Removed(event) => event.into(),
            SessionEvent::RoleChanged(event) => event.into(),
            SessionEvent::Banned(event) => event.into(),
            SessionEvent::Unbanned(event) => event.into(),
            SessionEvent::Muted(event) => event.into(),
            SessionEvent::Unmuted(event) => event.into(),
            SessionEvent::MetadataChanged(event) => event.into(),
            SessionEvent::OwnerChanged(event) => event.into(),
            SessionEvent::Sent(event) => event.into(),
            SessionEvent::Edited(event) => event.into(),
            SessionEvent::Finished(event) => event.into(),
            SessionEvent::MessagesDeleted(event) => event.into(),
            SessionEvent::Pinned(event) => event.into(),
            SessionEvent::Unpinned(event) => event.into(),
            SessionEvent::Reacted(event) => event.into(),
            SessionEvent::Unreacted(event) => event.into(),
            SessionEvent::Unknown(event) => event.into(),
        }
    }
}

impl Delivery {
    pub(super) fn subscribed(Position { session_id, cursor }: Position) -> Self {
        let session_id = ID(session_id.to_string());
        Subscribed { session_id, after: Long(cursor.seq), cursor: cursor.to_string() }.into()
    }

    pub(super) fn delivered(delivery: Delivered, loads: impl FnOnce() -> Arc<Loads>) -> async_graphql::Result<Self> {
        match delivery {
            Delivered::Event(view) => Ok(SessionEvent::new(view, loads)?.into()),
            Delivered::Signal(view) => Ok(signal(&view)),
        }
    }

    pub(super) fn of_all(delivery: AllDelivery, loads: impl FnOnce() -> Arc<Loads>) -> async_graphql::Result<Self> {
        match delivery {
            AllDelivery::Subscribed(position) => Ok(Self::subscribed(position)),
            AllDelivery::Delivered(delivery) => Self::delivered(delivery, loads),
            AllDelivery::LeftOut { sessions } => Ok(SessionsLeftOut { sessions: Long(sessions) }.into()),
            AllDelivery::Ended { session_id, error } => Ok(SubscriptionEnded {
                session_id: ID(session_id.to_string()),
                code: error.name().to_owned(),
                detail: error.to_string(),
            }
            .into()),
        }
    }
}

pub(super) fn signal(view: &SignalView) -> Delivery {
    match &view.signal {
        Signal::Typing { session_id, user_id: _, is_typing, until } => Typing {
            session_id: ID(session_id.to_string()),
            user: User(view.actor.clone()),
            is_typing: *is_typing,
            until: until.map(DateTime),
        }
        .into(),
        Signal::Presence { session_id, user_id: _, state } => {
            let presence = Presence(model::Presence { user: view.actor.clone(), state: state.clone() });
            PresenceChanged { session_id: ID(session_id.to_string()), presence }.into()
        }
        Signal::ReadMarker { user_id: _, state } => ReadMarker::from(*state).into(),
        Signal::Thread { user_id: _, state } => ThreadState::from(*state).into(),
        Signal::Preferences { user_id: _, session_id, preferences } => {
            PreferencesChanged { session_id: ID(session_id.to_string()), preferences: (*preferences).into() }.into()
        }
        Signal::MessagePart { session_id, message, user_id: _, offset, text } => MessagePart {
            session_id: ID(session_id.to_string()),
            message_id: ID(model::MessageId { session_id: *session_id, seq: *message }.to_string()),
            user: User(view.actor.clone()),
            offset: Long(*offset),
            text: text.clone(),
        }
        .into(),
        Signal::JoinRequestDeclined { user_id: _, session_id } => {
            JoinRequestDeclined { session_id: ID(session_id.to_string()) }.into()
        }
        Signal::Receipt { session_id, user_id: _, kind, seq } => {
            let (session_id, user) = (ID(session_id.to_string()), User(view.actor.clone()));
            Receipt { session_id, user, kind: (*kind).into(), seq: Long(*seq) }.into()
        }
        Signal::Report { session_id, user_id: _, report_id, state } => ReportChanged {
            session_id: ID(session_id.to_string()),
            report_id: ID(report_id.to_string()),
            state: (*state).into(),
        }
        .into(),
    }
}
