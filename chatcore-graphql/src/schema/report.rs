//! Reports, the moderation log and the deletion of the messages of users, with their queries and mutations.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{chat, model};

use super::{
    Fallible as _, Use,
    connection::{List, ModerationConnection, ReportConnection, listed},
    load::Loads,
    message::Message,
    scalar::{DateTime, Long, message_id, report_id, session_id, user_id},
    user::User,
};

/// The reason of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ReportReason")]
pub(super) enum ReportReason {
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

/// The state of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ReportState")]
pub(super) enum ReportState {
    /// No moderator works on the report.
    Open,
    /// A moderator works on the report.
    InReview,
    /// The report was right, and a moderator acted. A closed state.
    Resolved,
    /// No action is needed. A closed state.
    Dismissed,
}

/// The action of a moderator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ModerationAction")]
pub(super) enum ModerationAction {
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
    Unknown,
}

/// The reporter's view of a report.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct FiledReport {
    /// The id.
    id: ID,
    /// The session.
    session_id: ID,
    /// The reported user: the sender where a message is reported.
    user_id: ID,
    /// The reported message; null where the user is reported.
    message_id: Option<ID>,
    /// The reason.
    reason: ReportReason,
    /// The explanation of the reporter.
    text: Option<String>,
    /// The time of the report.
    created_at: DateTime,
}

impl From<model::FiledReport> for FiledReport {
    fn from(report: model::FiledReport) -> Self {
        let model::FiledReport { id, session_id, user_id, message_id, reason, text, created_at } = report;
        Self {
            id: ID(id.to_string()),
            session_id: ID(session_id.to_string()),
            user_id: ID(user_id.to_string()),
            message_id: message_id.map(|id| ID(id.to_string())),
            reason: reason.into(),
            text,
            created_at: DateTime(created_at),
        }
    }
}

/// The moderators' view of a report.
#[derive(Debug, Clone)]
pub(super) struct Report {
    report: model::Report,
    loads: Arc<Loads>,
}

impl Report {
    pub(super) const fn new(report: model::Report, loads: Arc<Loads>) -> Self {
        Self { report, loads }
    }
}

/// The moderators' view of a report.
#[Object]
impl Report {
    /// The id.
    async fn id(&self) -> ID {
        ID(self.report.id.to_string())
    }

    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.report.session_id.to_string())
    }

    /// The user who made the report.
    async fn reporter(&self) -> User {
        User(self.report.reporter.clone())
    }

    /// The reported user: the sender where a message is reported.
    async fn user(&self) -> User {
        User(self.report.user.clone())
    }

    /// The reported message; null where the user is reported.
    async fn message_id(&self) -> Option<ID> {
        self.report.message_id.map(|id| ID(id.to_string()))
    }

    /// The reported message as it is now. A deleted message has no content.
    async fn message(&self) -> Option<Message> {
        let message = self.report.message.clone()?;
        Some(Message { message, loads: Arc::clone(&self.loads) })
    }

    /// The reason.
    async fn reason(&self) -> ReportReason {
        self.report.reason.into()
    }

    /// The text of the reporter.
    async fn text(&self) -> Option<&str> {
        self.report.text.as_deref()
    }

    /// The state of the report.
    async fn state(&self) -> ReportState {
        self.report.state.into()
    }

    /// The number of times that the state was set, including the first time.
    async fn revision(&self) -> Long {
        Long(self.report.revision)
    }

    /// The time of the report.
    async fn created_at(&self) -> DateTime {
        DateTime(self.report.created_at)
    }

    /// The moderator who changed the state last; null before the first change.
    async fn handled_by(&self) -> Option<User> {
        self.report.handling.as_ref().map(|handling| User(handling.by.clone()))
    }

    /// The time of the last change of the state.
    async fn handled_at(&self) -> Option<DateTime> {
        self.report.handling.as_ref().map(|handling| DateTime(handling.at))
    }

    /// The note of that moderator.
    async fn note(&self) -> Option<&str> {
        self.report.handling.as_ref().and_then(|handling| handling.note.as_deref())
    }
}

/// An entry of the moderation log of a session.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct ModerationEntry {
    /// The id.
    id: ID,
    /// The session.
    session_id: ID,
    /// The action.
    action: ModerationAction,
    /// The moderator.
    actor: User,
    /// The affected user.
    user: User,
    /// The message, for a deletion or a report of a message.
    message_id: Option<ID>,
    /// The number of deleted messages, for a deletion of all messages of a user.
    count: Option<Long>,
    /// The report, for a change of the state of a report.
    report_id: Option<ID>,
    /// The new state of the report.
    report_state: Option<ReportState>,
    /// The end of the ban or the mute; null for no end.
    until: Option<DateTime>,
    /// The time of the action.
    created_at: DateTime,
}

impl From<model::ModerationEntry> for ModerationEntry {
    fn from(entry: model::ModerationEntry) -> Self {
        let model::ModerationEntry {
            id,
            session_id,
            actor,
            action,
            user,
            message_id,
            count,
            report_id,
            report_state,
            until,
            created_at,
        } = entry;
        Self {
            id: ID(id.to_string()),
            session_id: ID(session_id.to_string()),
            action: action.into(),
            actor: User(actor),
            user: User(user),
            message_id: message_id.map(|id| ID(id.to_string())),
            count: count.map(Long),
            report_id: report_id.map(|id| ID(id.to_string())),
            report_state: report_state.map(Into::into),
            until: until.map(DateTime),
            created_at: DateTime(created_at),
        }
    }
}

/// How far the deletion of all messages of a user has come.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct MessageDeletion {
    /// The session.
    session_id: ID,
    /// The user.
    user_id: ID,
    /// The number of messages of the user that were deleted so far, including earlier calls.
    deleted: Long,
    /// Whether the work has ended. While the value is false, the server continues in the background.
    is_done: bool,
}

impl From<model::MessageDeletion> for MessageDeletion {
    fn from(deletion: model::MessageDeletion) -> Self {
        let model::MessageDeletion { session_id, user_id, deleted, is_done } = deletion;
        Self {
            session_id: ID(session_id.to_string()),
            user_id: ID(user_id.to_string()),
            deleted: Long(deleted),
            is_done,
        }
    }
}

/// A report was made, or its state changed. Only users who see the session's reports receive this signal, which is not in the log.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct ReportChanged {
    /// The session.
    pub(super) session_id: ID,
    /// The report.
    pub(super) report_id: ID,
    /// The state now.
    pub(super) state: ReportState,
}

/// A message to report.
#[derive(InputObject)]
struct ReportMessageInput {
    /// The message.
    message_id: ID,
    /// The reason.
    reason: ReportReason,
    /// An explanation for the moderators: at most 500 characters.
    text: Option<String>,
}

/// A user to report.
#[derive(InputObject)]
struct ReportParticipantInput {
    /// The session.
    session_id: ID,
    /// The user, who is or was in the session.
    user_id: ID,
    /// The reason.
    reason: ReportReason,
    /// An explanation for the moderators: at most 500 characters.
    text: Option<String>,
}

/// A new state for a report.
#[derive(InputObject)]
struct ResolveReportInput {
    /// The session.
    session_id: ID,
    /// The report.
    report_id: ID,
    /// The state. `RESOLVED` and `DISMISSED` are final: a closed report does not change.
    state: ReportState,
    /// A note for the moderators: at most 500 characters.
    note: Option<String>,
    /// The expected revision. If the report has another revision, the change fails.
    revision: Option<Long>,
}

/// A user whose messages are deleted.
#[derive(InputObject)]
struct DeleteMessagesOfInput {
    /// The session.
    session_id: ID,
    /// The user.
    user_id: ID,
}

/// The report that is open now.
#[derive(SimpleObject)]
struct ReportMessagePayload {
    /// The report.
    report: FiledReport,
}

/// The report that is open now.
#[derive(SimpleObject)]
struct ReportParticipantPayload {
    /// The report.
    report: FiledReport,
}

/// The report whose state was changed.
#[derive(SimpleObject)]
struct ResolveReportPayload {
    /// The report.
    report: Report,
}

/// How far the deletion has come.
#[derive(SimpleObject)]
struct DeleteMessagesOfPayload {
    /// The deletion.
    deletion: MessageDeletion,
}

/// Mutations of reports and of the messages of users.
#[derive(Default)]
pub(super) struct ReportMutation;

/// Mutations of reports and of the messages of users.
#[Object]
impl ReportMutation {
    /// Report a message to the moderators of the session. The server does not notify the sender. A repeated call returns the open report.
    async fn report_message(
        &self,
        context: &Context<'_>,
        input: ReportMessageInput,
    ) -> Result<Option<ReportMessagePayload>> {
        let call = Use::of(context)?;
        let ReportMessageInput { message_id: id, reason, text } = input;
        let id = message_id(&id).or_field_error()?;
        let report = chat::FileReport { reason: reason.into(), text };
        let report = call.chat.report_message(call.principal, id, report).await.or_field_error()?.into();
        Ok(Some(ReportMessagePayload { report }))
    }

    /// Report a user who is or was in a session to the moderators of the session. The server does not notify the user. A repeated call
    /// returns the open report.
    async fn report_participant(
        &self,
        context: &Context<'_>,
        input: ReportParticipantInput,
    ) -> Result<Option<ReportParticipantPayload>> {
        let call = Use::of(context)?;
        let ReportParticipantInput { session_id: session, user_id: user, reason, text } = input;
        let id = session_id(&session).or_field_error()?;
        let user = user_id(&user).or_field_error()?;
        let report = chat::FileReport { reason: reason.into(), text };
        let filed = call.chat.report_participant(call.principal, id, &user, report).await.or_field_error()?;
        Ok(Some(ReportParticipantPayload { report: filed.into() }))
    }

    /// Change the state of a report. For owners and admins, not for a report of the caller. Of two concurrent changes of one report, the
    /// first change succeeds.
    async fn resolve_report(
        &self,
        context: &Context<'_>,
        input: ResolveReportInput,
    ) -> Result<Option<ResolveReportPayload>> {
        let call = Use::of(context)?;
        let ResolveReportInput { session_id: session, report_id: report, state, note, revision } = input;
        let session = session_id(&session).or_field_error()?;
        let report = report_id(&report).or_field_error()?;
        let revision = revision.map(|Long(revision)| revision);
        let change = chat::ResolveReport { state: state.into(), note, revision };
        let report = call.chat.resolve_report(call.principal, session, report, change).await.or_field_error()?;
        Ok(Some(ResolveReportPayload { report: Report::new(report, call.loads()) }))
    }

    /// Delete all messages of a user in a session. For owners and admins; of the owner's messages only for the owner. A deletion of many
    /// messages continues in the background after the answer; another call returns the progress.
    async fn delete_messages_of(
        &self,
        context: &Context<'_>,
        input: DeleteMessagesOfInput,
    ) -> Result<Option<DeleteMessagesOfPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let user = user_id(&input.user_id).or_field_error()?;
        let deletion = call.chat.delete_messages_of(call.principal, id, &user).await.or_field_error()?;
        Ok(Some(DeleteMessagesOfPayload { deletion: deletion.into() }))
    }
}

/// Queries of reports and moderation.
#[derive(Default)]
pub(super) struct ReportQuery;

/// Queries of reports and moderation.
#[Object]
impl ReportQuery {
    /// The reports of a session, the newest first, without those of the caller. For owners and admins. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn reports(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The state; every state where not given.")] state: Option<ReportState>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ReportConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::reports(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.reports(call.principal, id, state.map(Into::into), page).await.or_field_error()?;
        let loads = call.loads();
        Ok(Some(list.of_reports(&page, found, |report| Report::new(report, Arc::clone(&loads)))))
    }

    /// The moderation log of a session, the newest entry first. For owners and admins. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn moderation_log(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ModerationConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::moderation(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.moderation_log(call.principal, id, page).await.or_field_error()?;
        Ok(Some(list.of_moderation(&page, found)))
    }
}
