//! Reports of messages and users to moderators.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Message, MessageId, Profile, ReportId, SessionId, UserId};

/// The reason of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReportReason {
    /// Unwanted advertising, or a text that is sent again and again.
    Spam,
    /// A person is insulted, threatened or followed.
    Harassment,
    /// Hatred against a group of people.
    Hate,
    /// Violence, or a call for it.
    Violence,
    /// Sexual content.
    Sexual,
    /// The law forbids it.
    Illegal,
    /// A user pretends to be another person.
    Impersonation,
    /// Something else, which the text of the report says.
    Other,
}

impl ReportReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Spam,
        Self::Harassment,
        Self::Hate,
        Self::Violence,
        Self::Sexual,
        Self::Illegal,
        Self::Impersonation,
        Self::Other,
    ];
}

/// The state of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReportState {
    /// No moderator works on the report.
    Open,
    /// A moderator works on the report.
    InReview,
    /// The report was right, and a moderator acted on it. A closed state.
    Resolved,
    /// No action is needed. A closed state.
    Dismissed,
}

impl ReportState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::InReview, Self::Resolved, Self::Dismissed];

    /// Whether the state is closed: no further change is possible.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        match self {
            Self::Open | Self::InReview => false,
            Self::Resolved | Self::Dismissed => true,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::InReview => "IN_REVIEW",
            Self::Resolved => "RESOLVED",
            Self::Dismissed => "DISMISSED",
        }
    }
}

/// A report as its reporter sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiledReport {
    /// The report.
    pub id: ReportId,
    /// The session.
    pub session_id: SessionId,
    /// The reported user: the sender where a message is reported.
    pub user_id: UserId,
    /// The reported message; `None` where the user is reported.
    pub message_id: Option<MessageId>,
    /// The reason.
    pub reason: ReportReason,
    /// The explanation of the reporter.
    pub text: Option<String>,
    /// The time of the report.
    pub created_at: DateTime<Utc>,
}

/// A report as moderators see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The report.
    pub id: ReportId,
    /// The session.
    pub session_id: SessionId,
    /// The user who made the report.
    pub reporter: Profile,
    /// The reported user: the sender where a message is reported.
    pub user: Profile,
    /// The reported message; `None` where the user is reported.
    pub message_id: Option<MessageId>,
    /// The reported message as it is now. A deleted message has no content.
    pub message: Option<Message>,
    /// The reason.
    pub reason: ReportReason,
    /// The explanation of the reporter.
    pub text: Option<String>,
    /// The state of the work on the report.
    pub state: ReportState,
    /// The number of times that the state was set, including the first time. A change can name the expected revision, and then fails after
    /// a lost race.
    pub revision: u64,
    /// The time of the report.
    pub created_at: DateTime<Utc>,
    /// The last change of the state; `None` before the first one.
    pub handling: Option<Handling>,
}

/// A change of the state of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Handling {
    /// The moderator.
    pub by: Profile,
    /// The moderator's note.
    pub note: Option<String>,
    /// The time of the change.
    pub at: DateTime<Utc>,
}
