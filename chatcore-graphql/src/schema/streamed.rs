//! Streamed messages.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    chat,
    model::{self, Appended, StreamState},
};

use super::{
    Fallible as _, Use,
    message::{Message, SpeakerRole, named},
    scalar::{self, JsonObject, Long, message_id, session_id},
    user::User,
};

/// The progress of a streamed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum MessageStreamState {
    /// Parts may follow.
    Streaming,
    /// The author finished the message.
    Complete,
    /// The message ended before the message was complete.
    Failed,
}

/// Why a streamed message was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::StreamFailure")]
pub(super) enum StreamFailure {
    /// The author ended the message.
    Aborted,
    /// No part came for too long.
    TimedOut,
    /// The author wrote for too long.
    TimeLimit,
    /// The host refused the text, and the server removed the text.
    Refused,
}

/// The writing of a streamed message.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct MessageStream {
    /// The state.
    state: MessageStreamState,
    /// The reason of the failure; null for a message that has not failed.
    reason: Option<StreamFailure>,
    /// The explanation of the failure by the author or the host.
    detail: Option<String>,
}

impl From<&StreamState> for MessageStream {
    fn from(stream: &StreamState) -> Self {
        let ended = |state| Self { state, reason: None, detail: None };
        match stream {
            StreamState::Streaming => ended(MessageStreamState::Streaming),
            StreamState::Complete => ended(MessageStreamState::Complete),
            StreamState::Failed { reason, detail } => {
                Self { state: MessageStreamState::Failed, reason: Some((*reason).into()), detail: detail.clone() }
            }
        }
    }
}

/// A streamed message has grown by a part. This signal is not in the log. The parts of a message come in order. A part that begins after
/// the end of the known text shows a missed part: the message has the text so far. A client ignores known text.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct MessagePart {
    /// The session.
    pub(super) session_id: ID,
    /// The id of the message.
    pub(super) message_id: ID,
    /// The author.
    pub(super) user: User,
    /// The offset of the part in the text, in characters (Unicode scalar values).
    pub(super) offset: Long,
    /// The part.
    pub(super) text: String,
}

/// A streamed message: a message that is written in parts.
#[derive(InputObject)]
struct StartStreamedMessageInput {
    /// The session.
    session_id: ID,
    /// The speaker; `ASSISTANT` where not given.
    role: Option<SpeakerRole>,
    /// The message that this message answers, in the same session. An answer to a reply belongs to the thread of the reply.
    reply_to: Option<ID>,
    /// The author's idempotency key for the message: 1 to 128 characters, unique per user and session.
    client_id: Option<String>,
    /// Custom data of the host or the client: an object of at most 4,096 bytes of JSON with at most 8 levels.
    metadata: Option<JsonObject>,
}

/// A part of a streamed message.
#[derive(InputObject)]
struct AppendToMessageInput {
    /// The message.
    message_id: ID,
    /// The offset of the part in the text, in characters (Unicode scalar values): the length of all earlier parts.
    offset: Long,
    /// The part: at least 1 character. All parts together have at most 8,000 characters by default.
    text: String,
}

/// The end of a streamed message that is complete.
#[derive(InputObject)]
struct FinishMessageInput {
    /// The message.
    message_id: ID,
    /// The length of all parts together, in characters (Unicode scalar values).
    length: Long,
}

/// The end of a streamed message that is not complete.
#[derive(InputObject)]
struct FailMessageInput {
    /// The message.
    message_id: ID,
    /// The explanation of the failure for the readers: one line of 1 to 200 characters.
    detail: Option<String>,
}

/// The message that was started, by this call or by an earlier attempt.
#[derive(SimpleObject)]
struct StartStreamedMessagePayload {
    /// The message.
    message: Message,
}

/// The message after a part.
#[derive(SimpleObject)]
struct AppendToMessagePayload {
    /// The id of the message.
    message_id: ID,
    /// The length of the text in characters: the offset of the next part.
    length: Long,
}

/// The message that is complete.
#[derive(SimpleObject)]
struct FinishMessagePayload {
    /// The message.
    message: Message,
}

/// The message that was ended.
#[derive(SimpleObject)]
struct FailMessagePayload {
    /// The message, with the text that it has.
    message: Message,
}

/// Mutations of streamed messages.
#[derive(Default)]
pub(super) struct StreamedMutation;

/// Mutations of streamed messages.
#[Object]
impl StreamedMutation {
    /// Start a streamed message. For everybody in the session but viewers. The message has its place and counts as unread from now on; the
    /// text is empty. The server ends a message as `FAILED` after 30 seconds without a part, and after 15 minutes of writing. A retry with
    /// the same client id returns the message of the first call.
    async fn start_streamed_message(
        &self,
        context: &Context<'_>,
        input: StartStreamedMessageInput,
    ) -> Result<Option<StartStreamedMessagePayload>> {
        let call = Use::of(context)?;
        let StartStreamedMessageInput { session_id: id, role, reply_to, client_id, metadata } = input;
        let id = session_id(&id).or_field_error()?;
        let role = role.map_or(model::SpeakerRole::Assistant, model::SpeakerRole::from);
        let reply_to = reply_to.map(|id| named("reply_to", &id)).transpose().or_field_error()?;
        let client_id = scalar::client_id(client_id).or_field_error()?;
        let metadata = metadata.map(|JsonObject(metadata)| metadata);
        let start = chat::StartMessage { role, reply_to, client_id, metadata };
        let message = call.chat.start_streamed_message(call.principal, id, start).await.or_field_error()?;
        Ok(Some(StartStreamedMessagePayload { message: Message { message, loads: call.loads() } }))
    }

    /// Append a part to a streamed message. For its author, while the author may send. A part that the text already has changes nothing, so
    /// a retry is safe. For a part with another offset than the end of the text, the error `OFFSET_CONFLICT` names the length.
    async fn append_to_message(
        &self,
        context: &Context<'_>,
        input: AppendToMessageInput,
    ) -> Result<Option<AppendToMessagePayload>> {
        let call = Use::of(context)?;
        let AppendToMessageInput { message_id: id, offset: Long(offset), text } = input;
        let id = message_id(&id).or_field_error()?;
        let appended = call.chat.append_to_message(call.principal, id, offset, &text).await.or_field_error()?;
        let Appended { message_id, length } = appended;
        Ok(Some(AppendToMessagePayload { message_id: ID(message_id.to_string()), length: Long(length) }))
    }

    /// Complete a streamed message. For its author, while the author may send. The server extracts the mentions and links at this time.
    /// Completing a completed message changes nothing.
    async fn finish_message(
        &self,
        context: &Context<'_>,
        input: FinishMessageInput,
    ) -> Result<Option<FinishMessagePayload>> {
        let call = Use::of(context)?;
        let FinishMessageInput { message_id: id, length: Long(length) } = input;
        let id = message_id(&id).or_field_error()?;
        let message = call.chat.finish_message(call.principal, id, length).await.or_field_error()?;
        Ok(Some(FinishMessagePayload { message: Message { message, loads: call.loads() } }))
    }

    /// End an incomplete streamed message as failed. For its author, while the author may send. The message keeps its text. A repeated call
    /// changes nothing.
    async fn fail_message(&self, context: &Context<'_>, input: FailMessageInput) -> Result<Option<FailMessagePayload>> {
        let call = Use::of(context)?;
        let FailMessageInput { message_id: id, detail } = input;
        let id = message_id(&id).or_field_error()?;
        let fail = chat::FailMessage { detail };
        let message = call.chat.fail_message(call.principal, id, fail).await.or_field_error()?;
        Ok(Some(FailMessagePayload { message: Message { message, loads: call.loads() } }))
    }
}
