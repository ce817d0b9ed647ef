//! Operations about requests to join.

use chatcore::{
    model::{JoinRequest, Participant},
    wire::{ApproveJoinRequest, RequestToJoin},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, SessionParam, StrictJson, UserParam},
    reply::{Answer, Body, Conflict, Done, Held, OfSession, Paged, Params, Reply},
};

pub(crate) struct JoinRequests(pub(super) Api);

#[OpenApi(tag = "Group::Participants")]
impl JoinRequests {
    /// Ask to join a session
    ///
    /// By the code of an invite. The request consumes one use of the invite. A repeated call returns the open request. Users in the session
    /// see the request; users who manage the session also see the text.
    #[oai(path = "/invites/request", method = "post", operation_id = "requestToJoin")]
    async fn request(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<RequestToJoin>,
    ) -> Answer<Reply<JoinRequest, 201>, (Held, Body, Conflict)> {
        no_idempotency_key(request)?;
        let RequestToJoin { code, text } = body.0;
        Ok(Reply::new(self.0.chat.request_to_join(&caller.0, &code, text).await?))
    }

    /// Withdraw the own request to join
    #[oai(path = "/sessions/:session_id/join-request", method = "delete", operation_id = "withdrawJoinRequest")]
    async fn withdraw(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.withdraw_join_request(&caller.0, session_id.0.0).await?;
        Ok(Done)
    }

    /// List the caller's own requests to join
    ///
    /// The open requests, in the order of the ids of their sessions. A page can have fewer entries than requested. The list continues while
    /// the header `Link` names a next page.
    #[oai(path = "/join-requests", method = "get", operation_id = "listOwnJoinRequests")]
    async fn list_own(
        &self,
        request: &Request,
        caller: Caller,
        /// The id of the session after which to begin.
        after: Query<Option<SessionParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<JoinRequest>>, Params> {
        let page = page(after.0.map(|SessionParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.own_join_requests(&caller.0, page).await?, request))
    }

    /// List the requests to join a session
    ///
    /// For owners and admins. The open requests, in the order of the ids of their users. The header `Link` names the next page.
    #[oai(path = "/sessions/:session_id/join-requests", method = "get", operation_id = "listJoinRequests")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the user after which the list begins.
        after: Query<Option<UserParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<JoinRequest>>, (OfSession, Params)> {
        let page = page(after.0.map(|UserParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.join_requests(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Approve a request to join
    ///
    /// For owners and admins. The user joins the session at once.
    #[oai(
        path = "/sessions/:session_id/join-requests/:user_id/approve",
        method = "post",
        operation_id = "approveJoinRequest"
    )]
    async fn approve(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        body: StrictJson<ApproveJoinRequest>,
    ) -> Answer<Reply<Participant, 201>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        let (user, role) = (&user_id.0.0, body.0.role);
        Ok(Reply::new(self.0.chat.approve_join_request(&caller.0, session_id.0.0, user, role).await?.participant))
    }

    /// Decline a request to join
    ///
    /// For owners and admins. The user can repeat the request.
    #[oai(
        path = "/sessions/:session_id/join-requests/:user_id",
        method = "delete",
        operation_id = "declineJoinRequest"
    )]
    async fn decline(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.decline_join_request(&caller.0, session_id.0.0, &user_id.0.0).await?;
        Ok(Done)
    }
}
