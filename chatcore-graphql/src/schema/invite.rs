//! Invites into sessions, with their queries and mutations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    chat,
    model::{self, InviteCode},
};

use super::{
    Fallible as _, Use,
    connection::{InviteConnection, List, listed},
    mutation::Arrival,
    participant::{Participant, ParticipantRole},
    scalar::{DateTime, invite_id, session_id},
    session::{Session, SessionType},
    user::User,
};

/// An invite into a session, without its code.
#[derive(Debug, Clone)]
pub(super) struct Invite(pub(super) model::Invite);

/// An invite into a session, without its code.
#[Object]
impl Invite {
    /// The id. The id alone does not allow a join.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.0.session_id.to_string())
    }

    /// The role of users who join by the invite.
    async fn role(&self) -> ParticipantRole {
        self.0.role.into()
    }

    /// The user who created the invite.
    async fn created_by(&self) -> User {
        User(self.0.created_by.clone())
    }

    /// The time of creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// The time at which the invite expires.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.expires_at)
    }

    /// The maximum number of users who join by the invite; null for no limit.
    async fn max_uses(&self) -> Option<u32> {
        self.0.max_uses
    }

    /// The number of users who have joined by the invite, or have requested to join.
    async fn uses(&self) -> u32 {
        self.0.uses
    }

    /// Whether a holder of the code must request to join.
    async fn needs_approval(&self) -> bool {
        self.0.needs_approval
    }
}

/// A new invite with its code.
#[derive(Debug, Clone)]
struct CreatedInvite(model::CreatedInvite);

/// A new invite with its code.
#[Object]
impl CreatedInvite {
    /// The code of the invite. Only this answer contains the code.
    async fn code(&self) -> &str {
        self.0.code.as_str()
    }

    /// The invite.
    async fn invite(&self) -> Invite {
        Invite(self.0.invite.clone())
    }
}

/// A preview of a session for the holder of a code.
#[derive(Debug, Clone)]
struct InvitePreview(model::InvitePreview);

/// A preview of a session for the holder of a code.
#[Object]
impl InvitePreview {
    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.0.session_id.to_string())
    }

    /// The title of the session.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The description.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// The type of the session.
    async fn session_type(&self) -> SessionType {
        self.0.session_type.into()
    }

    /// The number of users in the session.
    async fn participant_count(&self) -> u32 {
        self.0.participant_count
    }

    /// The user who created the invite.
    async fn invited_by(&self) -> User {
        User(self.0.invited_by.clone())
    }

    /// The role that the holder gets.
    async fn role(&self) -> ParticipantRole {
        self.0.role.into()
    }

    /// When the invite ends.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.expires_at)
    }

    /// Whether the holder of the code must request to join.
    async fn needs_approval(&self) -> bool {
        self.0.needs_approval
    }
}

/// An invite to create.
#[derive(InputObject)]
struct CreateInviteInput {
    /// The session.
    session_id: ID,
    /// The role of users who join by the invite: `MEMBER` where not given; never `OWNER`.
    role: Option<ParticipantRole>,
    /// The maximum number of users who join by the invite: 1 to 100,000; no limit where not given.
    max_uses: Option<u32>,
    /// The lifetime in seconds: 1 to 31,536,000 (365 days); 604,800 (7 days) where not given.
    expires_in: Option<u32>,
    /// Whether a holder of the code must request to join; `false` where not given.
    needs_approval: Option<bool>,
}

/// An invite to revoke.
#[derive(InputObject)]
struct RevokeInviteInput {
    /// The session.
    session_id: ID,
    /// The invite.
    invite_id: ID,
}

/// An invite to join by.
#[derive(InputObject)]
struct JoinByInviteInput {
    /// The code of the invite.
    code: String,
}

/// The invite that was created.
#[derive(SimpleObject)]
struct CreateInvitePayload {
    /// The invite with its code.
    created_invite: CreatedInvite,
}

/// The revoked invite.
#[derive(SimpleObject)]
struct RevokeInvitePayload {
    /// The session.
    session_id: ID,
    /// The id of the invite.
    invite_id: ID,
}

/// The session that the caller is in now.
struct JoinByInvitePayload(Arrival);

/// The session that the caller is in now.
#[Object]
impl JoinByInvitePayload {
    /// The session.
    async fn session(&self) -> Result<Option<Session>> {
        self.0.session().await
    }

    /// The caller as a participant of the session.
    async fn participant(&self) -> Participant {
        Participant(self.0.participant.clone())
    }
}

/// Mutations of invites.
#[derive(Default)]
pub(super) struct InviteMutation;

/// Mutations of invites.
#[Object]
impl InviteMutation {
    /// Create an invite. Users with the code of the invite can join the session. For owners and admins. A session has at most 100 invites;
    /// expired and used-up invites make room for new invites.
    async fn create_invite(
        &self,
        context: &Context<'_>,
        input: CreateInviteInput,
    ) -> Result<Option<CreateInvitePayload>> {
        let call = Use::of(context)?;
        let CreateInviteInput { session_id: id, role, max_uses, expires_in, needs_approval } = input;
        let id = session_id(&id).or_field_error()?;
        let (role, needs_approval) = (role.map(Into::into), needs_approval.unwrap_or_default());
        let new = chat::CreateInvite { role, max_uses, expires_in, needs_approval };
        let created = call.chat.create_invite(call.principal, id, new).await.or_field_error()?;
        Ok(Some(CreateInvitePayload { created_invite: CreatedInvite(created) }))
    }

    /// Revoke an invite: the code allows no further join. For owners and admins. Without such an invite, nothing changes.
    async fn revoke_invite(
        &self,
        context: &Context<'_>,
        input: RevokeInviteInput,
    ) -> Result<Option<RevokeInvitePayload>> {
        let call = Use::of(context)?;
        let session = session_id(&input.session_id).or_field_error()?;
        let invite = invite_id(&input.invite_id).or_field_error()?;
        call.chat.revoke_invite(call.principal, session, invite).await.or_field_error()?;
        Ok(Some(RevokeInvitePayload { session_id: input.session_id, invite_id: input.invite_id }))
    }

    /// Join a session by the code of an invite, in the role that the invite grants. The answer for a wrong, expired, revoked or used-up
    /// code is `INVITE_NOT_FOUND`.
    async fn join_by_invite(
        &self,
        context: &Context<'_>,
        input: JoinByInviteInput,
    ) -> Result<Option<JoinByInvitePayload>> {
        let call = Use::of(context)?;
        let code = InviteCode::new(input.code);
        let participant = call.chat.join_by_invite(call.principal, &code).await.or_field_error()?.participant;
        Ok(Some(JoinByInvitePayload(Arrival { participant, loads: call.loads() })))
    }
}

/// Queries of invites.
#[derive(Default)]
pub(super) struct InviteQuery;

/// Queries of invites.
#[Object]
impl InviteQuery {
    /// The invites of a session in the order of creation, including expired and used-up invites. For owners and admins. At most 100 at a
    /// time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn invites(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<InviteConnection>> {
        let call = Use::of(context)?;
        let session = session_id(&session).or_field_error()?;
        let list = List::invites(session);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.invites(call.principal, session, page).await.or_field_error()?;
        Ok(Some(list.of_invites(&page, found)))
    }

    /// A preview of the session for the holder of a code.
    async fn preview_invite(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The code of the invite.")] code: String,
    ) -> Result<Option<InvitePreview>> {
        let call = Use::of(context)?;
        let preview = call.chat.preview_invite(call.principal, &InviteCode::new(code)).await.or_field_error()?;
        Ok(Some(InvitePreview(preview)))
    }
}
