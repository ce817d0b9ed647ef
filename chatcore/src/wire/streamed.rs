//! Streamed messages on the wire.

use serde::{Deserialize, Serialize};

use super::message::message_id;
use crate::{
    chat,
    error::Result,
    model::{Metadata, SpeakerRole, StreamFailure, StreamState},
};

/// The progress of a streamed message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "MessageStream"))]
pub(super) struct StreamView<'a> {
    state: StateView,
    /// The reason of the failure; `null` for a message that has not failed.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    reason: Option<StreamFailure>,
    /// The explanation of the failure by the author or the host.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    detail: Option<&'a str>,
}

/// The state of a streamed message: parts may follow, the author finished the message, or the message failed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "MessageStreamState"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum StateView {
    Streaming,
    Complete,
    Failed,
}

impl<'a> From<&'a StreamState> for StreamView<'a> {
    fn from(stream: &'a StreamState) -> Self {
        let ended = |state| Self { state, reason: None, detail: None };
        match stream {
            StreamState::Streaming => ended(StateView::Streaming),
            StreamState::Complete => ended(StateView::Complete),
            StreamState::Failed { reason, detail } => {
                Self { state: StateView::Failed, reason: Some(*reason), detail: detail.as_deref() }
            }
        }
    }
}

/// A streamed message: a message that is written in parts.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StartStreamedMessage {
    /// The speaker; `assistant` where not given.
    role: Option<SpeakerRole>,
    /// The message that this message answers, in the same session. An answer to a reply belongs to the thread of the reply.
    reply_to: Option<String>,
    /// The author's idempotency key for the message: 1 to 128 characters, unique per user and session. The header `Idempotency-Key` means
    /// the same.
    client_id: Option<String>,
    /// Custom data of the host or the client: an object of at most 4,096 bytes of JSON with at most 8 levels.
    metadata: Option<Metadata>,
}

impl StartStreamedMessage {
    /// The message. `key` is the client id that stands beside the body, like the header `Idempotency-Key` of HTTP.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when an id is not valid, or when the body and `key` name different client ids.
    pub fn command(self, key: Option<String>) -> Result<chat::StartMessage> {
        let Self { role, reply_to, client_id, metadata } = self;
        let reply_to = reply_to.map(|id| message_id("reply_to", &id)).transpose()?;
        let client_id = super::client_id(client_id, key)?;
        Ok(chat::StartMessage { role: role.unwrap_or(SpeakerRole::Assistant), reply_to, client_id, metadata })
    }
}

/// A part of a streamed message.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AppendToMessage {
    /// The offset of the part in the text, in characters (Unicode scalar values): the length of all earlier parts.
    pub offset: u64,
    /// The part: at least 1 character. All parts together have at most 8,000 characters by default.
    pub text: String,
}

/// The end of a streamed message that is complete.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FinishMessage {
    /// The length of all parts together, in characters (Unicode scalar values).
    pub length: u64,
}

/// The end of a streamed message that is not complete.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FailMessage {
    /// The explanation of the failure for the readers: one line of 1 to 200 characters.
    detail: Option<String>,
}

impl FailMessage {
    /// The end.
    #[must_use]
    pub fn command(self) -> chat::FailMessage {
        let Self { detail } = self;
        chat::FailMessage { detail }
    }
}
