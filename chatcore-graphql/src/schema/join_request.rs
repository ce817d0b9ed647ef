//! Requests to join sessions, with their queries and mutations.

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

    /// The role of the user, unless the approval names another role.
    async fn role(&self) -> ParticipantRole {
        self.0.role.into()
    }

    /// The time of the request.
    async fn requested_at(&self) -> DateTime {
        DateTime(self.0.requested_at)
    }
}

/// An administrator of a session declined the caller's request to join. Every connection of the caller receives this signal, which is not
/// in the log.
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
    /// The user of the request.
    user_id: ID,
    /// The user's role; the role of the invite where not given; never `OWNER`.
    role: Option<ParticipantRole>,
}

/// A request to decline.
#[derive(InputObject)]
struct DeclineJoinRequestInput {
    /// The session.
    session_id: ID,
    /// The user of the request.
    user_id: ID,
}

/// The request that is open now.
#[derive(SimpleObject)]
struct RequestToJoinPayload {
    /// The request.
    join_request: JoinRequest,
}

/// The session of the withdrawn request.
#[derive(SimpleObject)]
struct WithdrawJoinRequestPayload {
    /// The id of the session.
    session_id: ID,
}

/// The request that was declined.
#[derive(SimpleObject)]
struct DeclineJoinRequestPayload {
    /// The session.
    session_id: ID,
    /// The user of the request.
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

    /// The user as a participant of the session.
    async fn participant(&self) -> Participant {
        Participant(self.0.participant.clone())
    }
}

/// Mutations of requests to join.
#[derive(Default)]
pub(super) struct JoinRequestMutation;

/// Mutations of requests to join.
#[Object]
impl JoinRequestMutation {
    /// Request to join a session, by the code of an invite. The request consumes one use of the invite. A repeated call returns the open
    /// request.
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

    /// Withdraw the caller's own request.
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

    /// Approve a request: the user joins the session. For owners and admins.
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

    /// Decline a request. For owners and admins. The user can repeat the request.
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

/// Queries of requests to join.
#[derive(Default)]
pub(super) struct JoinRequestQuery;

/// Queries of requests to join.
#[Object]
impl JoinRequestQuery {
    /// The caller's own requests to join that are open, in the order of the ids of their sessions. At most 100 at a time, 50 by default. A
    /// page can have fewer entries than requested.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn own_join_requests(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
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
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
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
