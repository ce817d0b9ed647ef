//! Operations about how far the caller has read, and about the caller's settings for sessions.

use chatcore::{
    model::{AllRead, Preferences, ReadState},
    wire::{MarkAllRead, MarkRead, SetPreferences},
};
use poem::Request;
use poem_openapi::{OpenApi, param::Path};

use super::{Api, Group, no_idempotency_key};
use crate::{
    extract::{Caller, MessageParam, NoBody, OptionalJson, SessionParam, StrictJson},
    reply::{Answer, Body, Kept, OfSession, Reply},
};

pub(crate) struct Reading(pub(super) Api);

#[OpenApi(tag = "Group::Sessions")]
impl Reading {
    /// Mark a session as read
    ///
    /// Up to a position of its log or up to a message. A marker only moves forward: an earlier position changes nothing. The caller's other
    /// devices receive a signal.
    #[oai(path = "/sessions/:session_id/read", method = "put", operation_id = "markRead")]
    async fn mark(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<MarkRead>,
    ) -> Answer<Reply<ReadState>, (OfSession, Body, Kept)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.mark_read(&caller.0, session_id.0.0, body.0.command()?).await?))
    }

    /// Mark a message and all after it as unread
    ///
    /// Messages from before the caller's join stay read. The caller's other devices receive a signal.
    #[oai(path = "/sessions/:session_id/messages/:message_id/unread", method = "post", operation_id = "markUnreadFrom")]
    async fn unmark(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        _body: NoBody,
    ) -> Answer<Reply<ReadState>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.mark_unread_from(&caller.0, message_id.within(&session_id)?).await?))
    }

    /// Change the caller's settings for a session
    ///
    /// No other user sees these settings. An omitted setting does not change. The caller's other devices receive a signal.
    #[oai(path = "/sessions/:session_id/preferences", method = "put", operation_id = "setPreferences")]
    async fn prefer(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<SetPreferences>,
    ) -> Answer<Reply<Preferences>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.set_preferences(&caller.0, session_id.0.0, body.0.command()).await?))
    }

    /// Mark all sessions as read
    ///
    /// The sessions in which the caller is, newest first, 1,000 in one call. Until `is_done`, the next call continues with `last` as `after`.
    /// A retry is safe.
    #[oai(path = "/sessions/read", method = "post", operation_id = "markAllRead")]
    async fn mark_all(
        &self,
        request: &Request,
        caller: Caller,
        body: OptionalJson<MarkAllRead>,
    ) -> Answer<Reply<AllRead>, Body> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.mark_all_read(&caller.0, body.0.command()?).await?))
    }
}
