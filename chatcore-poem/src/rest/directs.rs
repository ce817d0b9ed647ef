//! Operations about direct sessions and groups.

use chatcore::{
    model::SessionDetails,
    wire::{StartDirect, StartGroup},
};
use poem::Request;
use poem_openapi::OpenApi;

use super::{Api, Group, no_idempotency_key};
use crate::{
    extract::{Caller, StrictJson},
    reply::{Adding, Answer, Body, Made, NoUser},
};

pub(crate) struct Directs(pub(super) Api);

#[OpenApi(tag = "Group::Sessions")]
impl Directs {
    /// Start a direct session
    ///
    /// With one other user. A pair of users has one direct session, and either user can start the session: 201 for a new session, 200 for
    /// an existing session. Both users are members, no other user can join, and a user who left is in the session again. The rate limit of
    /// adding users applies.
    #[oai(path = "/directs", method = "post", operation_id = "startDirect")]
    async fn direct(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<StartDirect>,
    ) -> Answer<Made<SessionDetails>, (NoUser, Body, Adding)> {
        no_idempotency_key(request)?;
        let started = self.0.chat.start_direct(&caller.0, &body.0.user()?).await?;
        Ok(Made { body: started.session, is_new: started.is_new })
    }

    /// Start a group
    ///
    /// With 2 to 19 other users. A group is an `INVITE_ONLY` session that has exactly these users: 201 for a new session, with the caller
    /// as its owner, 200 for an existing session. After a join or a leave, the session is no longer the group of these users. The rate
    /// limit of adding users applies.
    #[oai(path = "/directs/group", method = "post", operation_id = "startGroup")]
    async fn group(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<StartGroup>,
    ) -> Answer<Made<SessionDetails>, (NoUser, Body, Adding)> {
        no_idempotency_key(request)?;
        let started = self.0.chat.start_group(&caller.0, &body.0.users()?).await?;
        Ok(Made { body: started.session, is_new: started.is_new })
    }
}
