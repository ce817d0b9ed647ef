//! Reports, and what moderators did.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{ModerationAction, ReportId, ReportReason, ReportState, ScheduledId, Seq, SessionId, UserId},
    store::{Json, Part, StoredValue},
};

/// A report of a message or a user. It has no copy of the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// The user who made it.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub reporter: UserId,
    /// The reported user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub subject: UserId,
    /// The position of the reported message; `None` where the user is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Seq>,
    /// Why.
    pub reason: ReportReason,
    /// The reporter's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// How far the work on it is.
    pub state: ReportState,
    /// How often the state was set.
    pub revision: u64,
    /// The last change of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
}

/// A change of the state of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// The moderator.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// The moderator's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Where a report is, and its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPlace {
    /// The session.
    pub session: SessionId,
    /// The state.
    pub state: ReportState,
}

/// The reports of one user in a session that are not closed. One record holds them all, so that its version guards that there is one for a
/// target, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OpenReportList {
    /// The reports, the oldest first.
    pub reports: Vec<OpenReport>,
}

/// A report that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenReport {
    /// The report.
    pub report: ReportId,
    /// The reported user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub subject: UserId,
    /// The position of the reported message; `None` where the user is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Seq>,
}

/// What a moderator did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModerationRecord {
    /// The moderator.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub actor: UserId,
    /// What was done.
    pub action: ModerationAction,
    /// The affected user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub user: UserId,
    /// The position of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Seq>,
    /// How many messages were deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportId>,
    /// The new state of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ReportState>,
    /// The end of the ban or the mute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The deletion of all messages of a user in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// The user who asked for it last.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// Whether that is an administrator of the server, who needs no right in the session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub administrator: bool,
    /// The position up to which no message of the user is left.
    pub done: Seq,
    /// The position up to which messages are to be deleted.
    pub upto: Seq,
    /// How many messages were deleted.
    #[serde(default)]
    pub deleted: u64,
    /// How many of these are in the moderation log.
    #[serde(default)]
    pub noted: u64,
    /// The key of the work that goes on; `None` where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<PurgeWork>,
}

/// The key of due work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeWork {
    /// The time, in microseconds since the Unix epoch.
    pub at: u64,
    /// The id.
    pub id: ScheduledId,
}

macro_rules! json_values {
    ($($value:ty),*) => {$(
        impl StoredValue for $value {
            fn encode(&self) -> Json {
                to_json(self)
            }

            fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
                from_json(stored)
            }
        }
    )*};
}

json_values!(ReportRecord, ReportPlace, OpenReportList, ModerationRecord, Purge);
