//! The origins of forwarded messages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{MessageId, UserId};

/// The origin of a forwarded message. Forwarding a copy keeps the origin of the copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The message, for readers who may view its session; `None` for other readers, and in events, which are equal for every reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// The author.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub author: UserId,
    /// The time at which the message was sent.
    pub sent_at: DateTime<Utc>,
}
