//! Operations about invites.

use chatcore::{
    model::{CreatedInvite, Invite, InvitePreview, Participant},
    wire::{CreateInvite, UseInvite},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, InviteParam, SessionParam, StrictJson},
    reply::{Answer, Body, Conflict, Done, Held, OfSession, Paged, Params, Reply},
};

pub(crate) struct Invites(pub(super) Api);

#[OpenApi(tag = "Group::Participants")]
impl Invites {
    /// Create an invite
    ///
    /// For owners and admins. Every holder of the code can join the session, which is not private. Only this answer contains the code. A
    /// session has at most 100 invites; expired and used-up invites make room for new invites.
    #[oai(path = "/sessions/:session_id/invites", method = "post", operation_id = "createInvite")]
    async fn create(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<CreateInvite>,
    ) -> Answer<Reply<CreatedInvite, 201>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.create_invite(&caller.0, session_id.0.0, body.0.command()).await?))
    }

    /// List the invites of a session
    ///
    /// For owners and admins. In the order of creation, including expired and used-up invites. The header `Link` names the next page.
    #[oai(path = "/sessions/:session_id/invites", method = "get", operation_id = "listInvites")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the invite after which to begin, even if the entry is no longer in the list.
        after: Query<Option<InviteParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Invite>>, (OfSession, Params)> {
        let page = page(after.0.map(|InviteParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.invites(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Revoke an invite
    ///
    /// For owners and admins. The code allows no further join. Without such an invite, nothing changes.
    #[oai(path = "/sessions/:session_id/invites/:invite_id", method = "delete", operation_id = "revokeInvite")]
    async fn revoke(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        invite_id: Path<InviteParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.revoke_invite(&caller.0, session_id.0.0, invite_id.0.0).await?;
        Ok(Done)
    }

    /// Show the session of an invite
    ///
    /// For the holder of the code, before joining. The answer for a wrong, expired, revoked or used-up code is 404 `INVITE_NOT_FOUND`.
    #[oai(path = "/invites/preview", method = "post", operation_id = "previewInvite")]
    async fn preview(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<UseInvite>,
    ) -> Answer<Reply<InvitePreview>, (Held, Body, Conflict)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.preview_invite(&caller.0, &body.0.code).await?))
    }

    /// Join a session by an invite
    ///
    /// In the role that the invite grants. The answer for a wrong, expired, revoked or used-up code is 404 `INVITE_NOT_FOUND`.
    #[oai(path = "/invites/join", method = "post", operation_id = "joinByInvite")]
    async fn join(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<UseInvite>,
    ) -> Answer<Reply<Participant, 201>, (Held, Body, Conflict)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.join_by_invite(&caller.0, &body.0.code).await?.participant))
    }
}
