//! Operations about reports and moderation.

use chatcore::{
    Result,
    model::{FiledReport, MessageDeletion, ModerationEntry, Report, ReportState},
    wire::{FileReport, ResolveReport},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, named, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, MessageParam, ModerationParam, ReportParam, SessionParam, StrictJson, UserParam},
    reply::{Answer, Body, Conflict, OfSession, Paged, Params, Reply},
};

pub(crate) struct Reports(pub(super) Api);

/// The state in a query.
pub(super) fn state(state: Option<String>) -> Result<Option<ReportState>> {
    named("state", state)
}

#[OpenApi(tag = "Group::Moderation")]
impl Reports {
    /// Report a message
    ///
    /// To the moderators of the session, and to the administrators of the server. The server does not notify the sender. A user has one
    /// open report of a message: a repeated call returns that report.
    #[oai(path = "/sessions/:session_id/messages/:message_id/reports", method = "post", operation_id = "reportMessage")]
    async fn report_message(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        body: StrictJson<FileReport>,
    ) -> Answer<Reply<FiledReport, 201>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        let id = message_id.0.within(&session_id.0)?;
        Ok(Reply::new(self.0.chat.report_message(&caller.0, id, body.0.command()).await?))
    }

    /// Report a user of a session
    ///
    /// The reported user is or was in the session. The server does not notify the reported user. A repeated call returns the open report.
    #[oai(
        path = "/sessions/:session_id/participants/:user_id/reports",
        method = "post",
        operation_id = "reportParticipant"
    )]
    async fn report_participant(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        body: StrictJson<FileReport>,
    ) -> Answer<Reply<FiledReport, 201>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        let report = body.0.command();
        Ok(Reply::new(self.0.chat.report_participant(&caller.0, session_id.0.0, &user_id.0.0, report).await?))
    }

    /// List the reports of a session
    ///
    /// For owners and admins. The newest first, without reports of the caller. A reported message has its current content. The header
    /// `Link` names the next page.
    #[oai(path = "/sessions/:session_id/reports", method = "get", operation_id = "listReports")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// `OPEN`, `IN_REVIEW`, `RESOLVED` or `DISMISSED`; every state where not given.
        state: Query<Option<String>>,
        /// The id of the report after which to begin.
        after: Query<Option<ReportParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Report>>, (OfSession, Params)> {
        let state = self::state(state.0)?;
        let page = page(after.0.map(|ReportParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.reports(&caller.0, session_id.0.0, state, page).await?, request))
    }

    /// Change the state of a report
    ///
    /// For owners and admins, not for a report of the caller. Of two concurrent changes of one report, the first change succeeds; the other
    /// caller gets 409 with the state. A closed report does not change.
    #[oai(path = "/sessions/:session_id/reports/:report_id", method = "put", operation_id = "resolveReport")]
    async fn resolve(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        report_id: Path<ReportParam>,
        body: StrictJson<ResolveReport>,
    ) -> Answer<Reply<Report>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        let change = body.0.command();
        Ok(Reply::new(self.0.chat.resolve_report(&caller.0, session_id.0.0, report_id.0.0, change).await?))
    }

    /// Show the moderation log of a session
    ///
    /// For owners and admins. The newest first: bans, mutes, removals, deletions of messages of others, and changes of reports. The header
    /// `Link` names the next page.
    #[oai(path = "/sessions/:session_id/moderation-log", method = "get", operation_id = "listModerationLog")]
    async fn log(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the entry after which to begin.
        after: Query<Option<ModerationParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<ModerationEntry>>, (OfSession, Params)> {
        let page = page(after.0.map(|ModerationParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.moderation_log(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Delete all messages of a user in a session
    ///
    /// For owners and admins; of the owner's messages only for the owner. For many messages, `is_done` is false, and the server continues
    /// in the background. Another request returns the progress.
    #[oai(
        path = "/sessions/:session_id/participants/:user_id/messages",
        method = "delete",
        operation_id = "deleteMessagesOf"
    )]
    async fn delete_messages(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        _body: Bodyless,
    ) -> Answer<Reply<MessageDeletion>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.delete_messages_of(&caller.0, session_id.0.0, &user_id.0.0).await?))
    }
}
