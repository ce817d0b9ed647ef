//! Forwarding.

use chatcore::wire::ForwardMessage;
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path},
};

use super::{Api, Group, idempotency_key};
use crate::{
    extract::{Caller, MessageParam, SessionParam, StrictJson},
    reply::{Answer, Body, Conflict, OfSession, Tagged},
};

pub(crate) struct Forwards(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Forwards {
    /// Forward a message
    ///
    /// Into the session `to`, for everybody who may view the message and send in that session. The copy names the author and the time of
    /// the message in `forwarded_from`, mentions nobody, and cannot be edited. A retry with the same client id returns the first result.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/forward",
        method = "post",
        operation_id = "forwardMessage"
    )]
    async fn forward(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        /// The client id, where the body has none.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: StrictJson<ForwardMessage>,
    ) -> Answer<Tagged<201>, (OfSession, Body, Conflict)> {
        let (to, client_id) = body.0.command(idempotency_key(request)?)?;
        let id = message_id.within(&session_id)?;
        Ok(Tagged::new(self.0.chat.forward_message(&caller.0, id, to, client_id).await?))
    }
}
