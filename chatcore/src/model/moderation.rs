//! The moderation log of a session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{MessageId, ModerationId, Profile, ReportId, ReportState, SessionId, UserId};

/// The action of a moderator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ModerationAction {
    /// A user was banned, or a ban was replaced.
    UserBanned,
    /// A ban was lifted.
    UserUnbanned,
    /// A participant was muted, or a mute was replaced.
    UserMuted,
    /// A mute was ended.
    UserUnmuted,
    /// A participant was removed.
    UserRemoved,
    /// A message of another user was deleted.
    MessageDeleted,
    /// All messages of a user were deleted.
    MessagesDeleted,
    /// The state of a report was changed.
    ReportHandled,
    /// A held message was approved.
    MessageApproved,
    /// A held message was rejected.
    MessageRejected,
    /// A newer version did something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// An entry of the moderation log of a session. It contains no text of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModerationEntry {
    /// The entry.
    pub id: ModerationId,
    /// The session.
    pub session_id: SessionId,
    /// The moderator.
    pub actor: Profile,
    /// The action.
    pub action: ModerationAction,
    /// The affected user.
    pub user: Profile,
    /// The message, for a deletion or a report of a message.
    pub message_id: Option<MessageId>,
    /// The number of deleted messages, for a deletion of all messages of a user.
    pub count: Option<u64>,
    /// The report, for a change of the state of a report.
    pub report_id: Option<ReportId>,
    /// The new state of the report.
    pub report_state: Option<ReportState>,
    /// The end of the ban or the mute; `None` for no end.
    pub until: Option<DateTime<Utc>>,
    /// The time of the action.
    pub created_at: DateTime<Utc>,
}

/// The deletion of all messages of a user in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MessageDeletion {
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// The number of messages of the user that were deleted so far, including earlier calls.
    pub deleted: u64,
    /// Whether the work has ended. While the value is `false`, the server continues in the background.
    pub is_done: bool,
}
