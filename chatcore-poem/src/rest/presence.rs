//! Operations about presence.

use chatcore::{
    model::{OwnPresence, ParticipantPresence, Presence},
    wire::{QueryPresence, SetPresence},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Caller, ParticipantParam, SessionParam, StrictJson},
    reply::{Answer, Body, OfSession, Paged, Params, Reply},
};

pub(crate) struct Presences(pub(super) Api);

#[OpenApi(tag = "Group::Presence")]
impl Presences {
    /// Show the presence of a session's participants
    ///
    /// In the order of joining, online or not. A user is online while a socket or a stream of events is open, and for 10 seconds after
    /// that. The header `Link` names the next page.
    #[oai(path = "/sessions/:session_id/presence", method = "get", operation_id = "listPresence")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the participant (not of the user) after which the list begins. The participant may have left.
        after: Query<Option<ParticipantParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<ParticipantPresence>>, (OfSession, Params)> {
        let page = page(after.0.map(|ParticipantParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.presence(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Show the presence of users
    ///
    /// In the order of the request, at most 100. The answer leaves out unknown users, and users who share no session with the caller.
    #[oai(path = "/presence/query", method = "post", operation_id = "listUserPresence")]
    async fn query(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<QueryPresence>,
    ) -> Answer<Reply<Vec<Presence>>, (Params, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.presence_of(&caller.0, &body.0.users()?).await?))
    }

    /// Show the caller's own presence
    ///
    /// With the caller's own choices.
    #[oai(path = "/presence", method = "get", operation_id = "getOwnPresence")]
    async fn own(&self, caller: Caller) -> Answer<Reply<OwnPresence>, Params> {
        Ok(Reply::new(self.0.chat.own_presence(&caller.0).await?))
    }

    /// Change the caller's own presence
    ///
    /// An omitted field does not change. The presence applies to all devices of the caller, also to later devices.
    #[oai(path = "/presence", method = "put", operation_id = "setPresence")]
    async fn set(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<SetPresence>,
    ) -> Answer<Reply<OwnPresence>, (Params, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.set_presence(&caller.0, body.0.command()?).await?))
    }
}
