//! Reports: what participants say of messages and users to those who moderate.

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
    /// No moderator works on it.
    Open,
    /// A moderator works on it.
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
    /// Why.
    pub reason: ReportReason,
    /// More about it, in the words of the reporter.
    pub text: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A report as moderators see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The report.
    pub id: ReportId,
    /// The session.
    pub session_id: SessionId,
    /// The user who made it.
    pub reporter: Profile,
    /// The reported user: the sender where a message is reported.
    pub user: Profile,
    /// The reported message; `None` where the user is reported.
    pub message_id: Option<MessageId>,
    /// The reported message as it is now. A deleted message has no content.
    pub message: Option<Message>,
    /// Why.
    pub reason: ReportReason,
    /// More about it, in the words of the reporter.
    pub text: Option<String>,
    /// How far the work on it is.
    pub state: ReportState,
    /// The number of times that the state was set, with the first time. A change can name it, and fails where another moderator was faster.
    pub revision: u64,
    /// When it was made.
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
    /// When.
    pub at: DateTime<Utc>,
}
