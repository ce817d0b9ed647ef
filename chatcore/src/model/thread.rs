//! Replies and the threads that they make.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{MessageId, Seq};

/// The place of a reply. A reply to a reply belongs to the same thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reply {
    /// The position of the message that it answers.
    pub to: Seq,
    /// The position of the message that began the thread.
    pub root: Seq,
}

/// The replies to a message. Deleted replies do not count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadSummary {
    /// The number of replies in the thread that the message began.
    pub replies: u64,
    /// The last one of them; `None` where there is none.
    pub last: Option<LastReply>,
}

/// The last reply of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReply {
    /// The reply.
    pub id: MessageId,
    /// When it was sent, by the clock of the process that sent it.
    pub at: DateTime<Utc>,
}
