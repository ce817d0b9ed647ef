//! A message that grows in parts while it is written.

use serde::{Deserialize, Serialize};

use super::MessageId;

/// The progress of a streamed message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamState {
    /// Parts may follow. The message has the text so far.
    Streaming,
    /// The author finished the message.
    Complete,
    /// The message ended before the message was complete. The message keeps the text so far.
    Failed {
        /// The reason.
        reason: StreamFailure,
        /// The explanation of the failure by the author or the host's policy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// Why a streamed message was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamFailure {
    /// The author ended the message.
    Aborted,
    /// No part came for [`streamed_idle`](crate::Limits::streamed_idle).
    TimedOut,
    /// The author wrote for longer than [`streamed_time`](crate::Limits::streamed_time).
    TimeLimit,
    /// The host's [`MessagePolicy`](crate::chat::MessagePolicy) refused the text, and the server removed the text.
    Refused,
}

/// The length of the text of a streamed message after a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Appended"))]
pub struct Appended {
    /// The message.
    pub message_id: MessageId,
    /// The length of the text in characters (Unicode scalar values): the offset of the next part.
    pub length: u64,
}
