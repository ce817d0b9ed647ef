//! Mutations: one input and one payload each.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, MergedObject, Object, ObjectType, Result, SimpleObject};
use chatcore::{Code, Error, chat, model};

use super::{
    Fallible as _, Use,
    archive::ArchiveMutation,
    block::BlockMutation,
    bot::BotMutation,
    direct::DirectMutation,
    forward::ForwardMutation,
    held::HeldMutation,
    incoming::IncomingMutation,
    invite::InviteMutation,
    join_request::JoinRequestMutation,
    later::LaterMutation,
    message::MessageMutation,
    participant::{Participant, ParticipantRole},
    preferences::PreferencesMutation,
    presence::PresenceMutation,
    reaction::ReactionMutation,
    reading::ReadingMutation,
    receipt::ReceiptMutation,
    report::ReportMutation,
    sanction::SanctionMutation,
    scalar::{JsonObject, client_id, named_user, session_id, user_id},
    session::{HistoryVisibility, Session, SessionType},
    streamed::StreamedMutation,
    thread::ThreadMutation,
};

/// The settings of a new session.
#[derive(InputObject)]
struct CreateSessionInput {
    /// The title: 1 to 100 characters by default.
    title: String,
    /// The description: at most 500 characters by default.
    description: Option<String>,
    /// The type; `PRIVATE` where not given.
    session_type: Option<SessionType>,
    /// The maximum number of participants, including the owner; 100 where not given.
    max_participants: Option<u32>,
    /// The part of the history that participants see; `ALL` where not given.
    history_visibility: Option<HistoryVisibility>,
    /// Custom data of the host or the client: an object of at most 4,096 bytes of JSON with at most 8 levels.
    metadata: Option<JsonObject>,
    /// Whether the users of the session see each other's receipts; true where not given.
    receipts: MaybeUndefined<bool>,
    /// The caller's idempotency key for the session: 1 to 128 characters, unique among the sessions that the caller creates.
    client_id: Option<String>,
}

/// New settings of a session. An omitted setting does not change.
#[derive(InputObject)]
struct UpdateSessionInput {
    /// The session.
    session_id: ID,
    /// The title: 1 to 100 characters by default.
    title: MaybeUndefined<String>,
    /// The description: at most 500 characters by default; null removes the description.
    description: MaybeUndefined<String>,
    /// The type.
    session_type: MaybeUndefined<SessionType>,
    /// The maximum number of participants, not below the current number.
    max_participants: MaybeUndefined<u32>,
    /// The minimum number of seconds between two messages of one sender: 0 to 21,600. Owners and admins need not wait.
    slow_mode_seconds: MaybeUndefined<u32>,
    /// The lifetime of a message in seconds: 60 to 31,536,000 by default; null for no limit. The lifetime applies to all messages of the
    /// session, also to earlier messages.
    message_lifetime: MaybeUndefined<u32>,
    /// The part of the history that participants see, whatever their role. The change applies at once.
    history_visibility: MaybeUndefined<HistoryVisibility>,
    /// All tags: at most 10, each of 1 to 32 characters.
    tags: MaybeUndefined<Vec<String>>,
    /// The address of a picture or another reference to one: at most 2,048 characters; null removes the value.
    avatar_url: MaybeUndefined<String>,
    /// All metadata: an object of at most 4,096 bytes of JSON with at most 8 levels; null removes the metadata.
    metadata: MaybeUndefined<JsonObject>,
    /// Whether the users of the session see each other's receipts.
    receipts: MaybeUndefined<bool>,
}

/// A session to delete.
#[derive(InputObject)]
struct DeleteSessionInput {
    /// The session.
    session_id: ID,
}

/// A session to join.
#[derive(InputObject)]
struct JoinSessionInput {
    /// The session.
    session_id: ID,
}

/// A session to leave.
#[derive(InputObject)]
struct LeaveSessionInput {
    /// The session.
    session_id: ID,
}

/// A user to add to a session.
#[derive(InputObject)]
struct AddParticipantInput {
    /// The session.
    session_id: ID,
    /// A user who was seen before.
    user_id: ID,
    /// The role; `MEMBER` where not given.
    role: Option<ParticipantRole>,
}

/// A new role for a participant.
#[derive(InputObject)]
struct ChangeRoleInput {
    /// The session.
    session_id: ID,
    /// The user.
    user_id: ID,
    /// The new role.
    role: ParticipantRole,
}

/// New metadata of a participant.
#[derive(InputObject)]
struct SetParticipantMetadataInput {
    /// The session.
    session_id: ID,
    /// The participant.
    user_id: ID,
    /// All metadata: an object of at most 4,096 bytes of JSON with at most 8 levels; null removes the metadata. The field must be given.
    metadata: MaybeUndefined<JsonObject>,
}

/// A participant to remove from a session.
#[derive(InputObject)]
struct RemoveParticipantInput {
    /// The session.
    session_id: ID,
    /// The user.
    user_id: ID,
}

/// The typing state of the caller.
#[derive(InputObject)]
struct SetTypingInput {
    /// The session.
    session_id: ID,
    /// Whether the caller types.
    is_typing: bool,
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name { $($(#[$field_doc])* $field: $type),* }
    )*};
}

payloads! {
    /// The session that was created.
    CreateSessionPayload {
        /// The session.
        session: Session
    }
    /// The session as it is now.
    UpdateSessionPayload {
        /// The session.
        session: Session
    }
    /// The session that was deleted.
    DeleteSessionPayload {
        /// The id of the session.
        session_id: ID
    }
    /// The session that was left.
    LeaveSessionPayload {
        /// The id of the session.
        session_id: ID
    }
    /// The participant with the new role.
    ChangeRolePayload {
        /// The participant.
        participant: Participant
    }
    /// The participant with the new metadata.
    SetParticipantMetadataPayload {
        /// The participant.
        participant: Participant
    }
    /// The user who was removed.
    RemoveParticipantPayload {
        /// The session.
        session_id: ID,
        /// The user.
        user_id: ID
    }
    /// The typing state that was signalled.
    SetTypingPayload {
        /// The session.
        session_id: ID,
        /// Whether the caller types.
        is_typing: bool
    }
}

/// Who came into a session.
pub(super) struct Arrival {
    pub(super) participant: model::Participant,
    pub(super) loads: Arc<super::load::Loads>,
}

impl Arrival {
    pub(super) async fn session(&self) -> Result<Option<Session>> {
        let details = self.loads.details(self.participant.session_id).await.or_field_error()?;
        Ok(Some(Session::whole(details, Arc::clone(&self.loads))))
    }
}

/// The session that the caller is in now.
struct JoinSessionPayload(Arrival);

/// The session that the caller is in now.
#[Object]
impl JoinSessionPayload {
    /// The session.
    async fn session(&self) -> Result<Option<Session>> {
        self.0.session().await
    }

    /// The caller as a participant of the session.
    async fn participant(&self) -> Participant {
        Participant(self.0.participant.clone())
    }
}

/// The user who was added.
struct AddParticipantPayload(Arrival);

/// The user who was added.
#[Object]
impl AddParticipantPayload {
    /// The session.
    async fn session(&self) -> Result<Option<Session>> {
        self.0.session().await
    }

    /// The participant.
    async fn participant(&self) -> Participant {
        Participant(self.0.participant.clone())
    }
}

/// A setting that may be left out but, where it is there, must have a value.
pub(super) fn present<T>(field: &str, value: MaybeUndefined<T>) -> chatcore::Result<Option<T>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => Err(Error::invalid(
            field,
            Code::ValidationInvalidValue,
            "a value is needed; leave it out to keep the old one",
        )),
    }
}

/// Mutations of sessions and of their participants.
#[derive(Default, MergedObject)]
pub(crate) struct MembershipMutation(
    SessionMutation,
    InviteMutation,
    IncomingMutation,
    JoinRequestMutation,
    DirectMutation,
    ArchiveMutation,
    PreferencesMutation,
);

/// Mutations that keep order.
#[derive(Default, MergedObject)]
pub(crate) struct ModerationMutation(SanctionMutation, ReportMutation, HeldMutation, BlockMutation);

/// Mutations of messages, and of the bots that get commands by them.
#[derive(Default, MergedObject)]
pub(crate) struct MessagesMutation(
    MessageMutation,
    ForwardMutation,
    StreamedMutation,
    ReactionMutation,
    LaterMutation,
    BotMutation,
);

/// Mutations of what users have read, and of presence.
#[derive(Default, MergedObject)]
pub(crate) struct AttentionMutation(ReadingMutation, ThreadMutation, PresenceMutation, ReceiptMutation);

/// Mutations of conversations.
#[derive(Default, MergedObject)]
pub(crate) struct ConversationMutation(MembershipMutation, ModerationMutation, MessagesMutation, AttentionMutation);

/// The mutations. The parts belong to the services of the schema.
#[derive(Default, MergedObject)]
pub(crate) struct Mutation<P: ObjectType>(P);

/// The mutations.
#[cfg(feature = "accounts")]
#[derive(Default, MergedObject)]
#[graphql(name = "MutationWithAccounts")]
pub(crate) struct WithAccounts(ConversationMutation, super::account::AccountMutation);

/// The mutations.
#[derive(Default, MergedObject)]
#[graphql(name = "MutationWithAdmin")]
pub(crate) struct WithAdmin(ConversationMutation, super::admin::AdminMutation);

/// The mutations.
#[cfg(feature = "accounts")]
#[derive(Default, MergedObject)]
#[graphql(name = "MutationWithBoth")]
pub(crate) struct WithBoth(ConversationMutation, super::account::AccountMutation, super::admin::AdminMutation);

/// Mutations of sessions and their participants.
#[derive(Default)]
pub(super) struct SessionMutation;

/// Mutations of sessions and their participants.
#[Object]
impl SessionMutation {
    /// Create a session. The caller becomes the owner and first participant. A retry with the same client id and settings returns the
    /// current state of the same session.
    async fn create_session(
        &self,
        context: &Context<'_>,
        input: CreateSessionInput,
    ) -> Result<Option<CreateSessionPayload>> {
        let call = Use::of(context)?;
        let CreateSessionInput {
            title,
            description,
            session_type,
            max_participants,
            history_visibility,
            metadata,
            receipts,
            client_id: id,
        } = input;
        let session_type = session_type.map(model::SessionType::from).unwrap_or_default();
        let metadata = metadata.map(|JsonObject(metadata)| metadata);
        let history_visibility = history_visibility.map(model::HistoryVisibility::from).unwrap_or_default();
        let receipts = present("receipts", receipts).or_field_error()?.unwrap_or(true);
        let new = chat::CreateSession {
            title,
            description,
            session_type,
            max_participants,
            history_visibility,
            metadata,
            receipts,
        };
        let made = match client_id(id).or_field_error()? {
            Some(id) => call.chat.create_session_once(call.principal, &id, new).await,
            None => call.chat.create_session(call.principal, new).await,
        };
        let details = made.or_field_error()?;
        Ok(Some(CreateSessionPayload { session: Session::whole(details, call.loads()) }))
    }

    /// Change a session's settings. For owners and admins.
    async fn update_session(
        &self,
        context: &Context<'_>,
        input: UpdateSessionInput,
    ) -> Result<Option<UpdateSessionPayload>> {
        let call = Use::of(context)?;
        let UpdateSessionInput {
            session_id: id,
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
        } = input;
        let id = session_id(&id).or_field_error()?;
        let changes = chat::UpdateSession {
            title: present("title", title).or_field_error()?,
            description: description.as_opt_ref().map(|description| description.cloned()),
            session_type: present("session_type", session_type).or_field_error()?.map(Into::into),
            max_participants: present("max_participants", max_participants).or_field_error()?,
            slow_mode_seconds: present("slow_mode_seconds", slow_mode_seconds).or_field_error()?,
            message_lifetime: message_lifetime.as_opt_ref().map(|lifetime| lifetime.copied()),
            history_visibility: present("history_visibility", history_visibility).or_field_error()?.map(Into::into),
            tags: present("tags", tags).or_field_error()?,
            avatar_url: avatar_url.as_opt_ref().map(|avatar_url| avatar_url.cloned()),
            metadata: metadata.as_opt_ref().map(|metadata| metadata.map(|JsonObject(metadata)| metadata.clone())),
            receipts: present("receipts", receipts).or_field_error()?,
        };
        let details = call.chat.update_session(call.principal, id, changes).await.or_field_error()?;
        Ok(Some(UpdateSessionPayload { session: Session::whole(details, call.loads()) }))
    }

    /// Delete a session. For its owner.
    async fn delete_session(
        &self,
        context: &Context<'_>,
        input: DeleteSessionInput,
    ) -> Result<Option<DeleteSessionPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        call.chat.delete_session(call.principal, id).await.or_field_error()?;
        Ok(Some(DeleteSessionPayload { session_id: input.session_id }))
    }

    /// Join a public session.
    async fn join_session(&self, context: &Context<'_>, input: JoinSessionInput) -> Result<Option<JoinSessionPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let participant = call.chat.join(call.principal, id).await.or_field_error()?.participant;
        Ok(Some(JoinSessionPayload(Arrival { participant, loads: call.loads() })))
    }

    /// Leave a session. The owner cannot.
    async fn leave_session(
        &self,
        context: &Context<'_>,
        input: LeaveSessionInput,
    ) -> Result<Option<LeaveSessionPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        call.chat.leave(call.principal, id).await.or_field_error()?;
        Ok(Some(LeaveSessionPayload { session_id: input.session_id }))
    }

    /// Add a user to a session. For owners and admins. The rate of adds by a user and the rate of adds of a user are limited
    /// (`RATE_LIMIT_EXCEEDED`); only successful adds and adds of unknown ids count.
    async fn add_participant(
        &self,
        context: &Context<'_>,
        input: AddParticipantInput,
    ) -> Result<Option<AddParticipantPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let user_id = named_user(&input.user_id).or_field_error()?;
        let add = chat::AddParticipant { user_id, role: input.role.map(Into::into) };
        let participant = call.chat.add_participant(call.principal, id, add).await.or_field_error()?.participant;
        Ok(Some(AddParticipantPayload(Arrival { participant, loads: call.loads() })))
    }

    /// Change a participant's role. For owners and admins. No participant becomes owner, and the owner's role stays.
    async fn change_role(&self, context: &Context<'_>, input: ChangeRoleInput) -> Result<Option<ChangeRolePayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let user = user_id(&input.user_id).or_field_error()?;
        let role = input.role.into();
        let participant = call.chat.change_role(call.principal, id, &user, role).await.or_field_error()?;
        Ok(Some(ChangeRolePayload { participant: Participant(participant) }))
    }

    /// Replace the metadata of a participant. For owners and admins, and for each participant's own metadata. The metadata end with the
    /// membership: a user who comes back has no metadata. Equal metadata change nothing.
    async fn set_participant_metadata(
        &self,
        context: &Context<'_>,
        input: SetParticipantMetadataInput,
    ) -> Result<Option<SetParticipantMetadataPayload>> {
        let call = Use::of(context)?;
        let SetParticipantMetadataInput { session_id: session, user_id: target, metadata } = input;
        let id = session_id(&session).or_field_error()?;
        let user = user_id(&target).or_field_error()?;
        let metadata = match metadata {
            MaybeUndefined::Value(JsonObject(metadata)) => Some(metadata),
            MaybeUndefined::Null => None,
            MaybeUndefined::Undefined => {
                return Err(Error::invalid("metadata", Code::ValidationRequiredField, "required")).or_field_error();
            }
        };
        let change = call.chat.set_participant_metadata(call.principal, id, &user, metadata);
        Ok(Some(SetParticipantMetadataPayload { participant: Participant(change.await.or_field_error()?) }))
    }

    /// Remove a participant from a session. For owners and admins. The owner cannot be removed.
    async fn remove_participant(
        &self,
        context: &Context<'_>,
        input: RemoveParticipantInput,
    ) -> Result<Option<RemoveParticipantPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let user = user_id(&input.user_id).or_field_error()?;
        call.chat.remove_participant(call.principal, id, &user).await.or_field_error()?;
        Ok(Some(RemoveParticipantPayload { session_id: input.session_id, user_id: input.user_id }))
    }

    /// Signal to the connected readers whether the caller types. For users who may send.
    async fn set_typing(&self, context: &Context<'_>, input: SetTypingInput) -> Result<Option<SetTypingPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        call.chat.typing(call.principal, id, input.is_typing).await.or_field_error()?;
        Ok(Some(SetTypingPayload { session_id: input.session_id, is_typing: input.is_typing }))
    }
}
