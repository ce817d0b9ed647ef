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

/// How far the writing of a streamed message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum MessageStreamState {
    /// Parts may follow.
    Streaming,
    /// Its author finished it.
    Complete,
    /// It ended before it was complete.
    Failed,
}

/// Why a streamed message was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::StreamFailure")]
pub(super) enum StreamFailure {
    /// Its author ended it.
    Aborted,
    /// No part came for too long: the author is gone.
    TimedOut,
    /// It was written for too long.
    TimeLimit,
    /// The host does not allow its text, which was taken away.
    Refused,
}

/// The writing of a streamed message.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct MessageStream {
    /// How far it has come.
    state: MessageStreamState,
    /// Why the message was not completed; null where it was not failed.
    reason: Option<StreamFailure>,
    /// What its author, or the host, says of that.
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

/// A streamed message has grown by a part. It is not in the log. The parts of a message come in order. A part that begins behind the end of
/// the known text shows that one was missed: the message has the text so far. What a client has already it passes over.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct MessagePart {
    /// The session.
    pub(super) session_id: ID,
    /// The id of the message.
    pub(super) message_id: ID,
    /// The author.
    pub(super) user: User,
    /// Where the part begins in the text, in characters (Unicode scalar values).
    pub(super) offset: Long,
    /// The part.
    pub(super) text: String,
}

/// A message that is written in parts.
#[derive(InputObject)]
struct StartStreamedMessageInput {
    /// The session.
    session_id: ID,
    /// Who speaks; `ASSISTANT` where not given.
    role: Option<SpeakerRole>,
    /// The message of the same session that it answers. An answer to a reply belongs to the thread of the reply.
    reply_to: Option<ID>,
    /// The author's own name for the message, which makes a retry safe: 1 to 128 characters, unique per user and session.
    client_id: Option<String>,
    /// Data of the host's or the client's own: an object of at most 4,096 bytes of JSON with at most 8 levels.
    metadata: Option<JsonObject>,
}

/// A part of a streamed message.
#[derive(InputObject)]
struct AppendToMessageInput {
    /// The message.
    message_id: ID,
    /// Where the part begins in the text, in characters (Unicode scalar values): the length of all parts before it.
    offset: Long,
    /// The part: at least 1 character. With all parts the text has 8,000 characters at the most by default.
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
    /// What the readers are told of it: one line of 1 to 200 characters.
    detail: Option<String>,
}

/// The message that has begun, now or by the first of several tries.
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
    /// How many characters the text has now: the offset of the next part.
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

/// What may be changed about streamed messages.
#[derive(Default)]
pub(super) struct StreamedMutation;

/// What may be changed about streamed messages.
#[Object]
impl StreamedMutation {
    /// Begin a message that is written in parts. For everybody in the session but viewers. The message has its place and counts as unread from
    /// now on; its text is empty. A message to which no part comes for 30 seconds, or which is written for 15 minutes, is ended as `FAILED` by
    /// the server. A retry with the same client id gives the message of the first call.
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

    /// Add a part to a message that is written in parts. For its author, while the author may send. A part that the text has already changes
    /// nothing, so a retry is safe. Where it begins elsewhere than at the end of the text, the error `OFFSET_CONFLICT` says the length.
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

    /// Complete a message that is written in parts. For its author, while the author may send. Its mentions and links are looked for now.
    /// Completing a message that was completed changes nothing.
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

    /// End a message that is written in parts and is not complete. For its author, while the author may send. It keeps the text that it has.
    /// Ending it again changes nothing.
    async fn fail_message(&self, context: &Context<'_>, input: FailMessageInput) -> Result<Option<FailMessagePayload>> {
        let call = Use::of(context)?;
        let FailMessageInput { message_id: id, detail } = input;
        let id = message_id(&id).or_field_error()?;
        let fail = chat::FailMessage { detail };
        let message = call.chat.fail_message(call.principal, id, fail).await.or_field_error()?;
        Ok(Some(FailMessagePayload { message: Message { message, loads: call.loads() } }))
    }
}
