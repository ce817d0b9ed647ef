//! Reports, the moderation log and the deletion of the messages of users, and what may be asked and changed about them.

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

/// Why something is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ReportReason")]
pub(super) enum ReportReason {
    /// Unwanted advertising, or the same again and again.
    Spam,
    /// Somebody is insulted, threatened or followed.
    Harassment,
    /// Hatred against a group of people.
    Hate,
    /// Violence, or a call for it.
    Violence,
    /// Sexual content.
    Sexual,
    /// The law forbids it.
    Illegal,
    /// Somebody pretends to be somebody else.
    Impersonation,
    /// Something else, which the text of the report says.
    Other,
}

/// How far the work on a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ReportState")]
pub(super) enum ReportState {
    /// Nobody works on it.
    Open,
    /// A moderator works on it.
    InReview,
    /// It was right, and something was done. This is an end.
    Resolved,
    /// Nothing is to be done. This is an end.
    Dismissed,
}

/// What a moderator did.
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

/// A report as the user sees it who made it.
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
    /// Why.
    reason: ReportReason,
    /// More about it.
    text: Option<String>,
    /// When it was made.
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

/// A report as those see it who moderate.
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

/// A report as those see it who moderate.
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

    /// The user who made it.
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

    /// Why.
    async fn reason(&self) -> ReportReason {
        self.report.reason.into()
    }

    /// The reporter's words.
    async fn text(&self) -> Option<&str> {
        self.report.text.as_deref()
    }

    /// How far the work on it is.
    async fn state(&self) -> ReportState {
        self.report.state.into()
    }

    /// How often the state was set, the first time included.
    async fn revision(&self) -> Long {
        Long(self.report.revision)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.report.created_at)
    }

    /// The moderator who changed the state last; null before the first change.
    async fn handled_by(&self) -> Option<User> {
        self.report.handling.as_ref().map(|handling| User(handling.by.clone()))
    }

    /// When the state was changed last.
    async fn handled_at(&self) -> Option<DateTime> {
        self.report.handling.as_ref().map(|handling| DateTime(handling.at))
    }

    /// The note of that moderator.
    async fn note(&self) -> Option<&str> {
        self.report.handling.as_ref().and_then(|handling| handling.note.as_deref())
    }
}

/// What a moderator did in a session.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct ModerationEntry {
    /// The id.
    id: ID,
    /// The session.
    session_id: ID,
    /// What was done.
    action: ModerationAction,
    /// The moderator.
    actor: User,
    /// The affected user.
    user: User,
    /// The message, where one was deleted or reported.
    message_id: Option<ID>,
    /// How many messages were deleted, where all of a user were.
    count: Option<Long>,
    /// The report, where the state of one was changed.
    report_id: Option<ID>,
    /// The new state of the report.
    report_state: Option<ReportState>,
    /// The end of the ban or the mute; null where it has none.
    until: Option<DateTime>,
    /// When.
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
    /// How many messages of the user were deleted in this way so far, by earlier calls, too.
    deleted: Long,
    /// Whether the work has ended. While it is false, the server goes on in the background.
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

/// A report was made, or its state changed. Only users are told who see the session's reports. It is not in the log.
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
    /// Why.
    reason: ReportReason,
    /// More about it: at most 500 characters. Those who moderate see it.
    text: Option<String>,
}

/// A user to report.
#[derive(InputObject)]
struct ReportParticipantInput {
    /// The session.
    session_id: ID,
    /// The user, who is or was in the session.
    user_id: ID,
    /// Why.
    reason: ReportReason,
    /// More about it: at most 500 characters. Those who moderate see it.
    text: Option<String>,
}

/// A new state for a report.
#[derive(InputObject)]
struct ResolveReportInput {
    /// The session.
    session_id: ID,
    /// The report.
    report_id: ID,
    /// The state. `RESOLVED` and `DISMISSED` are ends: a report that is closed stays as it is.
    state: ReportState,
    /// A note for those who moderate: at most 500 characters.
    note: Option<String>,
    /// The revision that the caller has seen, where the change must replace no other.
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

/// What may be changed about reports and the messages of users.
#[derive(Default)]
pub(super) struct ReportMutation;

/// What may be changed about reports and the messages of users.
#[Object]
impl ReportMutation {
    /// Report a message to those who moderate the session. The sender does not learn of it. The same again gives the report that is open.
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

    /// Report a user who is or was in a session to those who moderate the session. The user does not learn of it. The same again gives the
    /// report that is open.
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

    /// Change the state of a report. For owners and admins, not for a report of the caller. Of two who change one report at once, the first
    /// one is followed.
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

    /// Delete all messages of a user in a session. For owners and admins; of the owner's messages only for the owner. Many of them take longer
    /// than the call: the server goes on in the background, and another call says how far it has come.
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

/// What may be asked about reports and moderation.
#[derive(Default)]
pub(super) struct ReportQuery;

/// What may be asked about reports and moderation.
#[Object]
impl ReportQuery {
    /// The reports of a session, the newest first, without those of the caller. For owners and admins. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn reports(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The state; every one where not given.")] state: Option<ReportState>,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
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

    /// What moderators did in a session, the newest first. For owners and admins. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn moderation_log(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
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
