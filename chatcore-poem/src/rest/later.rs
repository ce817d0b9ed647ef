//! Operations about drafts and scheduled messages.

use chatcore::{
    model::{Draft, ScheduledMessage},
    wire::{ScheduleMessage, SetDraft},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};

use super::{Api, Group, idempotency_key, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, ScheduledParam, SessionParam, StrictJson},
    reply::{Answer, Body, Conflict, Done, OfSession, Paged, Params, Reply},
};

pub(crate) struct Later(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Later {
    /// Schedule a message
    ///
    /// For everybody in the session but viewers. The server sends the message at the send time, once, also after a restart. The server
    /// cancels the message if the sender may not send at that time, or has left the session.
    #[oai(path = "/sessions/:session_id/scheduled", method = "post", operation_id = "scheduleMessage")]
    async fn schedule(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The client id, where the body has none.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: StrictJson<ScheduleMessage>,
    ) -> Answer<Reply<ScheduledMessage, 201>, (OfSession, Body, Conflict)> {
        let key = idempotency_key(request)?;
        let scheduled = self.0.chat.schedule_message(&caller.0, session_id.0.0, body.0.command(key)?).await?;
        Ok(Reply::new(scheduled))
    }

    /// List scheduled messages
    ///
    /// The caller's scheduled messages, in the order of scheduling. The header `Link` names the next page.
    #[oai(path = "/scheduled", method = "get", operation_id = "listScheduledMessages")]
    async fn scheduled(
        &self,
        request: &Request,
        caller: Caller,
        /// The id of the scheduled message after which to begin.
        after: Query<Option<ScheduledParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<ScheduledMessage>>, Params> {
        let page = page(after.0.map(|ScheduledParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.scheduled_messages(&caller.0, page).await?, request))
    }

    /// Cancel a scheduled message
    ///
    /// 404 for a message that was sent. 503 while the server sends the message.
    #[oai(path = "/scheduled/:scheduled_id", method = "delete", operation_id = "cancelScheduledMessage")]
    async fn cancel(
        &self,
        request: &Request,
        caller: Caller,
        scheduled_id: Path<ScheduledParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.cancel_scheduled_message(&caller.0, scheduled_id.0.0).await?;
        Ok(Done)
    }

    /// Save a draft
    ///
    /// An unsent text of the caller, for the caller's other devices. A session has one draft of each user; a new draft replaces the
    /// previous draft.
    #[oai(path = "/sessions/:session_id/draft", method = "put", operation_id = "setDraft")]
    async fn set(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<SetDraft>,
    ) -> Answer<Reply<Draft>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.set_draft(&caller.0, session_id.0.0, body.0.command()).await?))
    }

    /// Show a draft
    #[oai(path = "/sessions/:session_id/draft", method = "get", operation_id = "getDraft")]
    async fn show(&self, caller: Caller, session_id: Path<SessionParam>) -> Answer<Reply<Draft>, (OfSession, Params)> {
        Ok(Reply::new(self.0.chat.draft(&caller.0, session_id.0.0).await?))
    }

    /// Delete a draft
    ///
    /// Without a draft, nothing changes.
    #[oai(path = "/sessions/:session_id/draft", method = "delete", operation_id = "deleteDraft")]
    async fn delete(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.delete_draft(&caller.0, session_id.0.0).await?;
        Ok(Done)
    }

    /// List drafts
    ///
    /// The caller's drafts, in the order of the sessions' ids. The header `Link` names the next page.
    #[oai(path = "/drafts", method = "get", operation_id = "listDrafts")]
    async fn drafts(
        &self,
        request: &Request,
        caller: Caller,
        /// The id of the session after which to begin.
        after: Query<Option<SessionParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Draft>>, Params> {
        let page = page(after.0.map(|SessionParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.drafts(&caller.0, page).await?, request))
    }
}
