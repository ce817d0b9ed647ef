//! What moderators did in a session.

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
    /// What was done.
    pub action: ModerationAction,
    /// The affected user.
    pub user: Profile,
    /// The message, where one was deleted or reported.
    pub message_id: Option<MessageId>,
    /// How many messages were deleted, where all of a user were.
    pub count: Option<u64>,
    /// The report, where the state of one was changed.
    pub report_id: Option<ReportId>,
    /// The new state of the report.
    pub report_state: Option<ReportState>,
    /// The end of the ban or the mute, where it has one.
    pub until: Option<DateTime<Utc>>,
    /// When.
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
    /// How many messages of the user were deleted in this way so far, by earlier calls, too.
    pub deleted: u64,
    /// Whether the work has ended. While it is `false`, the server goes on in the background.
    pub is_done: bool,
}
