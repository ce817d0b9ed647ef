//! Replies and threads.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Message, MessageId, Seq, SessionId, Unread};

/// The place of a reply. A reply to a reply belongs to the same thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reply {
    /// The position of the message that the reply answers.
    pub to: Seq,
    /// The position of the message that began the thread.
    pub root: Seq,
}

/// The replies to a message. Deleted replies do not count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadSummary {
    /// The number of replies in the thread that the message began.
    pub replies: u64,
    /// The last reply; `None` without replies.
    pub last: Option<LastReply>,
    /// Whether the reader follows the thread. Only lists of threads and the thread itself have this value; `None` elsewhere.
    pub is_followed: Option<bool>,
}

/// The last reply of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReply {
    /// The reply.
    pub id: MessageId,
    /// The time at which the reply was sent, by the clock of the sending process.
    pub at: DateTime<Utc>,
}

/// Whether a user follows a thread, and how far the user has read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadState {
    /// The session.
    pub session_id: SessionId,
    /// The message that began the thread.
    pub thread_root: MessageId,
    /// Whether the user follows the thread.
    pub is_followed: bool,
    /// The position in the session's log up to which the user has read the thread. Replies after it are unread.
    pub read_upto: Seq,
    /// The replies that are unread: those after the position that the user did not send as `user`, deleted ones included. The number is
    /// exact where at most 100 replies stand after the position.
    pub unread: Unread,
}

/// A thread that a user follows.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowedThread {
    /// The message that began the thread.
    pub root: Message,
    /// How far the user has read the thread.
    pub state: ThreadState,
}
