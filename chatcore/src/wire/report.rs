//! Reports and the moderation log on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    chat,
    model::{
        FiledReport, Handling, Message, MessageId, ModerationAction, ModerationEntry, ModerationId, Report, ReportId,
        ReportReason, ReportState, SessionId, UserId,
    },
};

/// The reporter's view of a report.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "FiledReport"))]
struct FiledReportView<'a> {
    id: ReportId,
    session_id: SessionId,
    /// The reported user: the sender where a message is reported.
    user_id: &'a UserId,
    /// The reported message; null where the user is reported.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    message_id: Option<MessageId>,
    reason: ReportReason,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a FiledReport> for FiledReportView<'a> {
    fn from(report: &'a FiledReport) -> Self {
        let FiledReport { id, session_id, user_id, message_id, reason, text, created_at } = report;
        Self {
            id: *id,
            session_id: *session_id,
            user_id,
            message_id: *message_id,
            reason: *reason,
            text: text.as_deref(),
            created_at: *created_at,
        }
    }
}

/// The moderators' view of a report.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Report"))]
struct ReportView<'a> {
    id: ReportId,
    session_id: SessionId,
    /// The user who made the report.
    reporter_id: &'a UserId,
    reporter_username: &'a str,
    /// The reported user: the sender where a message is reported.
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the reported user is a bot.
    is_bot: bool,
    /// The address of the reported user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    /// The reported message; null where the user is reported.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    message_id: Option<MessageId>,
    /// The reported message as it is now. A deleted message has no content.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    message: Option<&'a Message>,
    reason: ReportReason,
    /// The text of the reporter.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    state: ReportState,
    /// The number of times that the state was set, including the first time.
    revision: u64,
    created_at: DateTime<Utc>,
    /// The moderator who changed the state last; null before the first change.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    handled_by: Option<&'a UserId>,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    handled_by_username: Option<&'a str>,
    /// When the state was changed last.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    handled_at: Option<DateTime<Utc>>,
    /// The note of that moderator.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    note: Option<&'a str>,
}

impl<'a> From<&'a Report> for ReportView<'a> {
    fn from(report: &'a Report) -> Self {
        let Report { id, session_id, reporter, user, message_id, message, reason, text, .. } = report;
        let Report { state, revision, created_at, handling, .. } = report;
        let handled = handling.as_ref().map(|Handling { by, note, at }| (by, note.as_deref(), *at));
        Self {
            id: *id,
            session_id: *session_id,
            reporter_id: &reporter.user_id,
            reporter_username: &reporter.username,
            user_id: &user.user_id,
            username: &user.username,
            name: &user.name,
            is_bot: user.is_bot,
            avatar_url: user.picture.as_deref(),
            message_id: *message_id,
            message: message.as_ref(),
            reason: *reason,
            text: text.as_deref(),
            state: *state,
            revision: *revision,
            created_at: *created_at,
            handled_by: handled.map(|(by, ..)| &by.user_id),
            handled_by_username: handled.map(|(by, ..)| by.username.as_str()),
            handled_at: handled.map(|(.., at)| at),
            note: handled.and_then(|(_, note, _)| note),
        }
    }
}

/// An entry of the moderation log of a session.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ModerationEntry"))]
struct ModerationEntryView<'a> {
    id: ModerationId,
    session_id: SessionId,
    action: ModerationAction,
    /// The moderator.
    actor_id: &'a UserId,
    actor_username: &'a str,
    /// The affected user.
    user_id: &'a UserId,
    username: &'a str,
    /// The message, for a deletion or a report of a message.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    message_id: Option<MessageId>,
    /// The number of deleted messages, for a deletion of all messages of a user.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    count: Option<u64>,
    /// The report, for a change of the state of a report.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    report_id: Option<ReportId>,
    /// The new state of the report.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    report_state: Option<ReportState>,
    /// The end of the ban or the mute; null for no end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a ModerationEntry> for ModerationEntryView<'a> {
    fn from(entry: &'a ModerationEntry) -> Self {
        let ModerationEntry { id, session_id, actor, action, user, message_id, .. } = entry;
        let ModerationEntry { count, report_id, report_state, until, created_at, .. } = entry;
        Self {
            id: *id,
            session_id: *session_id,
            action: *action,
            actor_id: &actor.user_id,
            actor_username: &actor.username,
            user_id: &user.user_id,
            username: &user.username,
            message_id: *message_id,
            count: *count,
            report_id: *report_id,
            report_state: *report_state,
            until: *until,
            created_at: *created_at,
        }
    }
}

shown_as! {
    FiledReport => FiledReportView;
    Report => ReportView;
    ModerationEntry => ModerationEntryView;
}

/// A report to be made.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FileReport {
    /// The reason.
    reason: ReportReason,
    /// An explanation for the moderators: at most 500 characters.
    text: Option<String>,
}

impl FileReport {
    /// The command.
    #[must_use]
    pub fn command(self) -> chat::FileReport {
        let Self { reason, text } = self;
        chat::FileReport { reason, text }
    }
}

/// A new state for a report.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ResolveReport {
    /// The state. `RESOLVED` and `DISMISSED` are final: a closed report does not change.
    state: ReportState,
    /// A note for the moderators: at most 500 characters.
    note: Option<String>,
    /// The expected revision. If the report has another revision, the change fails.
    revision: Option<u64>,
}

impl ResolveReport {
    /// The command.
    #[must_use]
    pub fn command(self) -> chat::ResolveReport {
        let Self { state, note, revision } = self;
        chat::ResolveReport { state, note, revision }
    }
}
