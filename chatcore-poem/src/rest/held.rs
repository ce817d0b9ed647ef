//! Operations about held messages.

use chatcore::model::{HeldMessage, Message};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, HeldParam, SessionParam},
    reply::{Answer, Body, Conflict, Done, OfSession, Paged, Params, Reply},
};

pub(crate) struct HeldMessages(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl HeldMessages {
    /// List the messages that wait for approval
    ///
    /// For owners and admins. The oldest first. The policy of the host holds messages. The header `Link` names the next page.
    #[oai(path = "/sessions/:session_id/held-messages", method = "get", operation_id = "listHeldMessages")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the held message after which to begin.
        after: Query<Option<HeldParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<HeldMessage>>, (OfSession, Params)> {
        let page = page(after.0.map(|HeldParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.held_messages(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Approve a held message
    ///
    /// For owners and admins. The message is sent in the name of its author, at the time of the approval. If the author may not send any
    /// more, the answer is `AUTHOR_CANNOT_SEND`. If the bot of a command left or no longer offers the command, the answer is
    /// `COMMAND_NOT_FOUND`. A message that cannot be sent stays held, and can be rejected. The caller's own message is not found.
    #[oai(
        path = "/sessions/:session_id/held-messages/:held_id/approve",
        method = "post",
        operation_id = "approveMessage"
    )]
    async fn approve(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        held_id: Path<HeldParam>,
        _body: Bodyless,
    ) -> Answer<Reply<Message, 201>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.approve_message(&caller.0, session_id.0.0, held_id.0.0).await?))
    }

    /// Reject a held message
    ///
    /// For owners and admins. The server removes the message, and never sends the message.
    #[oai(path = "/sessions/:session_id/held-messages/:held_id", method = "delete", operation_id = "rejectMessage")]
    async fn reject(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        held_id: Path<HeldParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.reject_message(&caller.0, session_id.0.0, held_id.0.0).await?;
        Ok(Done)
    }
}
