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
    /// Start a streamed message
    ///
    /// For everybody in the session but viewers. A streamed message is written in parts. The message has its place and counts as unread
    /// from now on; the text is empty, and the state in `stream` is `STREAMING`. A user has at most 10 unfinished streamed messages in a
    /// session, and all users together at most 100. The server ends a message as `FAILED` after 30 seconds without a part, and after 15
    /// minutes of writing. A retry with the same client id returns the message of the first call.
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

    /// Append a part to a streamed message
    ///
    /// For the author of a streamed message, while the author may send. Readers receive the part at once, by `message_part`. `offset` is
    /// the length of all earlier parts, so a part that the text already has changes nothing, and a retry is safe. The answer for another
    /// offset is 409 `OFFSET_CONFLICT` with `current_length`: the author continues at that length.
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

    /// Complete a streamed message
    ///
    /// For the author of a streamed message, while the author may send. `length` is the length of all parts together; for another length
    /// the answer is 409 `OFFSET_CONFLICT` with `current_length`. The message is an ordinary message from now on. The server extracts the
    /// mentions and links at this time. Completing a completed message changes nothing.
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

    /// End an incomplete streamed message
    ///
    /// For the author of a streamed message, while the author may send. The message keeps its text, and the state is `FAILED`. A repeated
    /// call changes nothing.
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
