//! Threads on the wire.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::{LastReply, MessageId, ThreadSummary};

/// The replies in a thread. Deleted replies do not count.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Thread"))]
pub(super) struct ThreadView {
    /// The number of replies.
    reply_count: u64,
    /// The last reply; `null` where there is none.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_reply: Option<LastReplyView>,
}

/// The last reply of a thread.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "LastReply"))]
struct LastReplyView {
    id: MessageId,
    /// Its position in the session's log.
    seq: u64,
    created_at: DateTime<Utc>,
}

impl From<&ThreadSummary> for ThreadView {
    fn from(thread: &ThreadSummary) -> Self {
        let ThreadSummary { replies, last } = thread;
        let last_reply = last.map(|LastReply { id, at }| LastReplyView { id, seq: id.seq, created_at: at });
        Self { reply_count: *replies, last_reply }
    }
}
