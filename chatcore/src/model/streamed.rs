//! A message that grows in parts while it is written.

use serde::{Deserialize, Serialize};

use super::MessageId;

/// How far the writing of a streamed message has come.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamState {
    /// Parts may follow. The text is what there is so far.
    Streaming,
    /// The author finished it.
    Complete,
    /// It ended before it was complete. The text is what there was.
    Failed {
        /// Why.
        reason: StreamFailure,
        /// What its author, or the host's policy, says of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// Why a streamed message was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamFailure {
    /// Its author ended it.
    Aborted,
    /// No part came for [`streamed_idle`](crate::Limits::streamed_idle): the author is gone.
    TimedOut,
    /// It was written for longer than [`streamed_time`](crate::Limits::streamed_time).
    TimeLimit,
    /// The host's [`MessagePolicy`](crate::chat::MessagePolicy) does not allow its text, which was taken away.
    Refused,
}

/// Where the text of a streamed message ends after a part was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Appended"))]
pub struct Appended {
    /// The message.
    pub message_id: MessageId,
    /// How many characters (Unicode scalar values) the text has now: the offset of the next part.
    pub length: u64,
}
