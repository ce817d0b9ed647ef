//! Streamed messages.

use chatcore::{
    model::Appended,
    wire::{AppendToMessage, FailMessage, FinishMessage, StartStreamedMessage},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path},
};

use super::{Api, Group, idempotency_key, no_idempotency_key};
use crate::{
    extract::{Caller, MessageParam, OptionalJson, SessionParam, StrictJson},
    reply::{Answer, Body, Conflict, OfSession, Reply, Tagged},
};

pub(crate) struct Streamed(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Streamed {
    /// Begin a message that is written in parts
    ///
    /// For everybody in the session but viewers. The message has its place and counts as unread from now on; its text is empty, and the state
    /// in `stream` is `STREAMING`. A user writes at most 10 messages in parts at once in a session, and all users together 100. A message to
    /// which no part comes for 30 seconds, or which is written for 15 minutes, is ended as `FAILED` by the server. A retry with the same client
    /// id gives the message of the first call.
    #[oai(path = "/sessions/:session_id/messages/stream", method = "post", operation_id = "startStreamedMessage")]
    async fn start(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The client id, where the body has none.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: StrictJson<StartStreamedMessage>,
    ) -> Answer<Tagged<201>, (OfSession, Body, Conflict)> {
        let start = body.0.command(idempotency_key(request)?)?;
        Ok(Tagged::new(self.0.chat.start_streamed_message(&caller.0, session_id.0.0, start).await?))
    }

    /// Add a part to a message
    ///
    /// For the author of a message that is written in parts, while the author may send. Readers are told of the part at once, by
    /// `message_part`. `offset` is the length of all parts before it, so a part that the text has already changes nothing, and a retry is safe.
    /// Another offset is 409 `OFFSET_CONFLICT` with `current_length`: the author goes on from there.
    #[oai(path = "/sessions/:session_id/messages/:message_id/parts", method = "post", operation_id = "appendToMessage")]
    async fn append(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        body: StrictJson<AppendToMessage>,
    ) -> Answer<Reply<Appended>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        let AppendToMessage { offset, text } = body.0;
        let id = message_id.within(&session_id)?;
        Ok(Reply::new(self.0.chat.append_to_message(&caller.0, id, offset, &text).await?))
    }

    /// Complete a message
    ///
    /// For the author of a message that is written in parts, while the author may send. `length` is the length of all parts together; with
    /// another one the answer is 409 `OFFSET_CONFLICT` with `current_length`. The message is as any other from now on. Its mentions and links
    /// are looked for now. Completing a message that was completed changes nothing.
    #[oai(path = "/sessions/:session_id/messages/:message_id/finish", method = "post", operation_id = "finishMessage")]
    async fn finish(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        body: StrictJson<FinishMessage>,
    ) -> Answer<Tagged, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        let id = message_id.within(&session_id)?;
        Ok(Tagged::new(self.0.chat.finish_message(&caller.0, id, body.0.length).await?))
    }

    /// End a message that is not complete
    ///
    /// For the author of a message that is written in parts, while the author may send. The message keeps the text that it has, and its state is
    /// `FAILED`. Ending it again changes nothing.
    #[oai(path = "/sessions/:session_id/messages/:message_id/fail", method = "post", operation_id = "failMessage")]
    async fn fail(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        body: OptionalJson<FailMessage>,
    ) -> Answer<Tagged, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        let id = message_id.within(&session_id)?;
        Ok(Tagged::new(self.0.chat.fail_message(&caller.0, id, body.0.command()).await?))
    }
}
