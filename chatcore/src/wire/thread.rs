//! Threads on the wire.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::{FollowedThread, LastReply, Message, MessageId, ThreadState, ThreadSummary, Unread};

/// The replies in a thread. Deleted replies do not count.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Thread"))]
pub(super) struct ThreadView {
    /// The number of replies.
    reply_count: u64,
    /// The last reply; `null` where there is none.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_reply: Option<LastReplyView>,
    /// Whether the caller follows the thread. Only lists of threads and the thread itself have this value; `null` elsewhere.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    is_followed: Option<bool>,
}

/// The last reply of a thread.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "LastReply"))]
struct LastReplyView {
    id: MessageId,
    /// The position of the reply in the session's log.
    seq: u64,
    created_at: DateTime<Utc>,
}

impl From<&ThreadSummary> for ThreadView {
    fn from(thread: &ThreadSummary) -> Self {
        let ThreadSummary { replies, last, is_followed } = thread;
        let last_reply = last.map(|LastReply { id, at }| LastReplyView { id, seq: id.seq, created_at: at });
        Self { reply_count: *replies, last_reply, is_followed: *is_followed }
    }
}

/// A thread that the caller follows.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "FollowedThread"))]
struct FollowedView<'a> {
    /// The message that began the thread. The `thread` of the message has the number of replies and the last reply.
    message: &'a Message,
    /// The position in the session's log up to which the caller has read the thread.
    read_upto: u64,
    /// The replies after this position that the caller did not send.
    unread: Unread,
}

impl<'a> From<&'a FollowedThread> for FollowedView<'a> {
    fn from(thread: &'a FollowedThread) -> Self {
        let FollowedThread { root: message, state } = thread;
        let ThreadState { session_id: _, thread_root: _, is_followed: _, read_upto, unread } = *state;
        Self { message, read_upto, unread }
    }
}

shown_as! {
    FollowedThread => FollowedView;
}
