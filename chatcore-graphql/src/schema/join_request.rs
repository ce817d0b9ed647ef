//! Requests to join sessions, and what may be asked and changed about them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::model::{self, InviteCode};

use super::{
    Fallible as _, Use,
    connection::{JoinRequestConnection, List, listed},
    mutation::Arrival,
    participant::{Participant, ParticipantRole},
    scalar::{DateTime, session_id, user_id},
    session::Session,
    user::User,
};

/// A user's open request to join a session.
#[derive(Debug, Clone)]
pub(super) struct JoinRequest(pub(super) model::JoinRequest);

/// A user's open request to join a session.
#[Object]
impl JoinRequest {
    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.0.session_id.to_string())
    }

    /// The user.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// The user's text.
    async fn text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// The role that the user gets where the answer names no other.
    async fn role(&self) -> ParticipantRole {
        self.0.role.into()
    }

    /// When the user asked.
    async fn requested_at(&self) -> DateTime {
        DateTime(self.0.requested_at)
    }
}

/// An administrator of a session declined the caller's request to join. All connections of the caller are told. It is not in the log.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct JoinRequestDeclined {
    /// The session.
    pub(super) session_id: ID,
}

/// A request to join.
#[derive(InputObject)]
struct RequestToJoinInput {
    /// The code of an invite.
    code: String,
    /// A text for the users who answer the request: at most 500 characters by default.
    text: Option<String>,
}

/// A request to withdraw.
#[derive(InputObject)]
struct WithdrawJoinRequestInput {
    /// The session.
    session_id: ID,
}

/// A request to approve.
#[derive(InputObject)]
struct ApproveJoinRequestInput {
    /// The session.
    session_id: ID,
    /// The user who asked.
    user_id: ID,
    /// The user's role: that of the invite where not given; never `OWNER`.
    role: Option<ParticipantRole>,
}

/// A request to decline.
#[derive(InputObject)]
struct DeclineJoinRequestInput {
    /// The session.
    session_id: ID,
    /// The user who asked.
    user_id: ID,
}

/// The request that is open now.
#[derive(SimpleObject)]
struct RequestToJoinPayload {
    /// The request.
    join_request: JoinRequest,
}

/// The session to which there is no request any more.
#[derive(SimpleObject)]
struct WithdrawJoinRequestPayload {
    /// Its id.
    session_id: ID,
}

/// The request that was declined.
#[derive(SimpleObject)]
struct DeclineJoinRequestPayload {
    /// The session.
    session_id: ID,
    /// The user who had asked.
    user_id: ID,
}

/// The user who is in the session now.
struct ApproveJoinRequestPayload(Arrival);

/// The user who is in the session now.
#[Object]
impl ApproveJoinRequestPayload {
    /// The session.
    async fn session(&self) -> Result<Option<Session>> {
        self.0.session().await
    }

    /// The user as its participant.
    async fn participant(&self) -> Participant {
        Participant(self.0.participant.clone())
    }
}

/// What may be changed about requests to join.
#[derive(Default)]
pub(super) struct JoinRequestMutation;

/// What may be changed about requests to join.
#[Object]
impl JoinRequestMutation {
    /// Ask to be let into a session, by the code of an invite. It takes one of the uses of the invite. Asking again gives the request that is open.
    async fn request_to_join(
        &self,
        context: &Context<'_>,
        input: RequestToJoinInput,
    ) -> Result<Option<RequestToJoinPayload>> {
        let call = Use::of(context)?;
        let RequestToJoinInput { code, text } = input;
        let asked = call.chat.request_to_join(call.principal, &InviteCode::new(code), text).await.or_field_error()?;
        Ok(Some(RequestToJoinPayload { join_request: JoinRequest(asked) }))
    }

    /// Take the caller's own request back.
    async fn withdraw_join_request(
        &self,
        context: &Context<'_>,
        input: WithdrawJoinRequestInput,
    ) -> Result<Option<WithdrawJoinRequestPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        call.chat.withdraw_join_request(call.principal, id).await.or_field_error()?;
        Ok(Some(WithdrawJoinRequestPayload { session_id: input.session_id }))
    }

    /// Let the user of a request in. For owners and admins.
    async fn approve_join_request(
        &self,
        context: &Context<'_>,
        input: ApproveJoinRequestInput,
    ) -> Result<Option<ApproveJoinRequestPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let (user, role) = (user_id(&input.user_id).or_field_error()?, input.role.map(Into::into));
        let let_in = call.chat.approve_join_request(call.principal, id, &user, role).await.or_field_error()?;
        Ok(Some(ApproveJoinRequestPayload(Arrival { participant: let_in.participant, loads: call.loads() })))
    }

    /// Decline a request. For owners and admins. The user can ask again.
    async fn decline_join_request(
        &self,
        context: &Context<'_>,
        input: DeclineJoinRequestInput,
    ) -> Result<Option<DeclineJoinRequestPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let user = user_id(&input.user_id).or_field_error()?;
        call.chat.decline_join_request(call.principal, id, &user).await.or_field_error()?;
        Ok(Some(DeclineJoinRequestPayload { session_id: input.session_id, user_id: input.user_id }))
    }
}

/// What may be asked about requests to join.
#[derive(Default)]
pub(super) struct JoinRequestQuery;

/// What may be asked about requests to join.
#[Object]
impl JoinRequestQuery {
    /// The caller's own requests to join that are open, in the order of the ids of their sessions. At most 100 at a time, 50 by default. A page
    /// can have fewer entries than asked for.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn own_join_requests(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<JoinRequestConnection>> {
        let call = Use::of(context)?;
        let list = List::own_join_requests();
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.own_join_requests(call.principal, page).await.or_field_error()?;
        Ok(Some(list.of_own_join_requests(&page, found)))
    }

    /// The open requests to join a session, in the order of the ids of their users. For owners and admins. At most 100 at a time, 50 by
    /// default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn join_requests(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<JoinRequestConnection>> {
        let call = Use::of(context)?;
        let session = session_id(&session).or_field_error()?;
        let list = List::join_requests(session);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.join_requests(call.principal, session, page.clone()).await.or_field_error()?;
        Ok(Some(list.of_join_requests(&page, found)))
    }
}
