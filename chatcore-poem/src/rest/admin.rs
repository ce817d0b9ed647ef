//! Operations of administrators.

use chatcore::{
    Administration, Code, Error, Result,
    admin::{
        AuditAction, AuditEntry, AuditFilter, ManagedSession, ManagedUser, ReportFilter, SessionFilter, SessionStatus,
        Statistics, UserFilter, UserStatus,
    },
    identity::SystemRole,
    model::{MessageDeletion, Notice, Participant, Report, SessionType, UserId},
    wire::{BanUser, BroadcastNotice, Reason, ResolveReport, SetRole},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{AdminGroup, listed, named, natural, no_idempotency_key, page, reports::state};
use crate::{
    admin::origin_of,
    extract::{AuditParam, Caller, OptionalJson, ParticipantParam, ReportParam, SessionParam, StrictJson, UserParam},
    reply::{Administered, Administering, Answer, Body, Conflict, Lines, Paged, Params, Reply},
};

pub(crate) struct Admin(pub(crate) Administration);

fn audit_filter(actor: Option<UserParam>, target: Option<String>, action: Option<String>) -> Result<AuditFilter> {
    let action = named::<AuditAction>("action", action)?;
    if action == Some(AuditAction::Unknown) {
        return Err(Error::invalid("action", Code::ValidationInvalidValue, "there is no such value"));
    }
    let actor: Option<UserId> = actor.map(|UserParam(user)| user);
    Ok(AuditFilter { actor, target, action })
}

#[OpenApi(tag = "AdminGroup::Administration")]
impl Admin {
    /// Show statistics
    ///
    /// The statistics begin with the first process that had an administration. A process that is killed loses a few seconds of statistics.
    #[oai(path = "/dashboard/stats", method = "get", operation_id = "adminGetStatistics")]
    async fn statistics(&self, caller: Caller) -> Answer<Reply<Statistics>, (Administering, Params)> {
        Ok(Reply::new(self.0.statistics(&caller.0).await?))
    }

    /// List users
    ///
    /// All users who were ever seen, sorted by their ids. A page reads at most 2,000 users, so a page of a search can have fewer entries
    /// than requested. The list continues while the header `Link` names a next page.
    #[oai(path = "/users", method = "get", operation_id = "adminListUsers")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn users(
        &self,
        request: &Request,
        caller: Caller,
        /// A part of the id, the user name, the name or the e-mail address: 1 to 100 characters. The case of letters makes no difference.
        search: Query<Option<String>>,
        /// `ACTIVE`, `BANNED` or `DELETED`.
        status_filter: Query<Option<String>>,
        /// `USER` or `ADMIN`: the role that administrators granted.
        role_filter: Query<Option<String>>,
        /// The id of the last user of the page before. The page begins after that user.
        after: Query<Option<UserParam>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<ManagedUser>>, (Administering, Params)> {
        let filter = UserFilter {
            search: search.0,
            status: named::<UserStatus>("status_filter", status_filter.0)?,
            role: named::<SystemRole>("role_filter", role_filter.0)?,
        };
        let (after, limit) = (after.0.map(|UserParam(user)| user), natural("limit", limit.0)?);
        Ok(listed(self.0.users(&caller.0, &filter, after, limit).await?, request))
    }

    /// Show a user
    #[oai(path = "/users/:user_id", method = "get", operation_id = "adminGetUser")]
    async fn user(
        &self,
        caller: Caller,
        user_id: Path<UserParam>,
    ) -> Answer<Reply<ManagedUser>, (Administered, Params)> {
        Ok(Reply::new(self.0.user(&caller.0, &user_id.0.0).await?))
    }

    /// Ban a user
    ///
    /// The server refuses every request of the user, and removes the user from every session. A ban of a banned user replaces the ban.
    #[oai(path = "/users/:user_id/ban", method = "post", operation_id = "adminBanUser")]
    async fn ban(
        &self,
        request: &Request,
        caller: Caller,
        user_id: Path<UserParam>,
        body: StrictJson<BanUser>,
    ) -> Answer<Reply<ManagedUser>, (Administered, Body)> {
        no_idempotency_key(request)?;
        let ban = body.0.command();
        Ok(Reply::new(self.0.ban(&caller.0, &origin_of(request), &user_id.0.0, ban).await?))
    }

    /// End the ban of a user
    ///
    /// The user becomes the owner again of the sessions that the ban left without an owner. For a user who is not banned, nothing changes.
    #[oai(path = "/users/:user_id/unban", method = "post", operation_id = "adminUnbanUser")]
    async fn unban(
        &self,
        request: &Request,
        caller: Caller,
        user_id: Path<UserParam>,
        body: OptionalJson<Reason>,
    ) -> Answer<Reply<ManagedUser>, (Administered, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.unban(&caller.0, &origin_of(request), &user_id.0.0, body.0.reason).await?))
    }

    /// Grant or revoke the role of administrators
    ///
    /// The change applies from the user's next request on. The only administrator cannot revoke the administrator's own role.
    #[oai(path = "/users/:user_id/role", method = "put", operation_id = "adminSetRole")]
    async fn set_role(
        &self,
        request: &Request,
        caller: Caller,
        user_id: Path<UserParam>,
        body: StrictJson<SetRole>,
    ) -> Answer<Reply<ManagedUser>, (Administered, Body, Conflict)> {
        no_idempotency_key(request)?;
        let SetRole { role, reason } = body.0;
        Ok(Reply::new(self.0.set_role(&caller.0, &origin_of(request), &user_id.0.0, role, reason).await?))
    }

    /// List sessions
    ///
    /// Sessions of every type, deleted ones too, the oldest first. A page reads at most 2,000 sessions, so a page of a search can have
    /// fewer entries than requested. The list continues while the header `Link` names a next page.
    #[oai(path = "/sessions", method = "get", operation_id = "adminListSessions")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn sessions(
        &self,
        request: &Request,
        caller: Caller,
        /// A part of the id, the title, the description or the owner's id: 1 to 100 characters. The case of letters makes no difference.
        search: Query<Option<String>>,
        /// `ACTIVE` or `DELETED`.
        status_filter: Query<Option<String>>,
        /// `PRIVATE`, `PUBLIC` or `INVITE_ONLY`.
        session_type: Query<Option<String>>,
        /// The id of the session after which to begin.
        after: Query<Option<SessionParam>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<ManagedSession>>, (Administering, Params)> {
        let filter = SessionFilter {
            search: search.0,
            status: named::<SessionStatus>("status_filter", status_filter.0)?,
            session_type: named::<SessionType>("session_type", session_type.0)?,
        };
        let (after, limit) = (after.0.map(|SessionParam(id)| id), natural("limit", limit.0)?);
        Ok(listed(self.0.sessions(&caller.0, &filter, after, limit).await?, request))
    }

    /// Show a session
    ///
    /// Without its messages.
    #[oai(path = "/sessions/:session_id", method = "get", operation_id = "adminGetSession")]
    async fn session(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
    ) -> Answer<Reply<ManagedSession>, (Administered, Params)> {
        Ok(Reply::new(self.0.session(&caller.0, session_id.0.0).await?))
    }

    /// List the participants of a session
    ///
    /// With their e-mail addresses, in the order of joining.
    #[oai(path = "/sessions/:session_id/participants", method = "get", operation_id = "adminListParticipants")]
    async fn participants(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the participant after which to begin.
        after: Query<Option<ParticipantParam>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Participant>>, (Administered, Params)> {
        let page = page(after.0.map(|ParticipantParam(id)| id), None, limit.0)?;
        Ok(listed(self.0.participants(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Close a session
    ///
    /// The server deletes the session, and ends the streams of all readers. The owner of a session that the owner deleted can then no
    /// longer restore the session. For a session that an administrator deleted, nothing changes.
    #[oai(path = "/sessions/:session_id/close", method = "post", operation_id = "adminCloseSession")]
    async fn close(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: OptionalJson<Reason>,
    ) -> Answer<Reply<ManagedSession>, (Administered, Body)> {
        no_idempotency_key(request)?;
        let origin = origin_of(request);
        Ok(Reply::new(self.0.close_session(&caller.0, &origin, session_id.0.0, body.0.reason).await?))
    }

    /// List reports
    ///
    /// Of all sessions, the newest first. A page reads at most 2,000 reports, so a page of a filter can have fewer entries than requested.
    /// The list continues while the header `Link` names a next page.
    #[oai(path = "/reports", method = "get", operation_id = "adminListReports")]
    async fn reports(
        &self,
        request: &Request,
        caller: Caller,
        /// The id of the session.
        session_id: Query<Option<SessionParam>>,
        /// `OPEN`, `IN_REVIEW`, `RESOLVED` or `DISMISSED`; every state where not given.
        state: Query<Option<String>>,
        /// The id of the report after which to begin.
        after: Query<Option<ReportParam>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Report>>, (Administering, Params)> {
        let filter = ReportFilter { session: session_id.0.map(|SessionParam(id)| id), state: self::state(state.0)? };
        let (after, limit) = (after.0.map(|ReportParam(id)| id), natural("limit", limit.0)?);
        Ok(listed(self.0.reports(&caller.0, &filter, after, limit).await?, request))
    }

    /// Change the state of a report
    ///
    /// Also of a report about a moderator of the session. A closed report does not change.
    #[oai(path = "/sessions/:session_id/reports/:report_id", method = "put", operation_id = "adminResolveReport")]
    async fn resolve_report(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        report_id: Path<ReportParam>,
        body: StrictJson<ResolveReport>,
    ) -> Answer<Reply<Report>, (Administered, Body, Conflict)> {
        no_idempotency_key(request)?;
        let (origin, change) = (origin_of(request), body.0.command());
        Ok(Reply::new(self.0.resolve_report(&caller.0, &origin, session_id.0.0, report_id.0.0, change).await?))
    }

    /// Delete all messages of a user in a session
    ///
    /// For many messages, `is_done` is false, and the server continues in the background.
    #[oai(
        path = "/sessions/:session_id/users/:user_id/delete-messages",
        method = "post",
        operation_id = "adminDeleteMessagesOf"
    )]
    async fn delete_messages_of(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        body: OptionalJson<Reason>,
    ) -> Answer<Reply<MessageDeletion>, (Administered, Body)> {
        no_idempotency_key(request)?;
        let (origin, reason) = (origin_of(request), body.0.reason);
        Ok(Reply::new(self.0.delete_messages_of(&caller.0, &origin, session_id.0.0, &user_id.0.0, reason).await?))
    }

    /// Send a notice to all users who are connected
    ///
    /// WebSockets and event streams get a frame `notice`. The server does not store the text.
    #[oai(path = "/broadcast", method = "post", operation_id = "adminBroadcast")]
    async fn broadcast(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<BroadcastNotice>,
    ) -> Answer<Reply<Notice>, (Administering, Body)> {
        no_idempotency_key(request)?;
        let BroadcastNotice { text, reason } = body.0;
        Ok(Reply::new(self.0.broadcast(&caller.0, &origin_of(request), text, reason).await?))
    }

    /// List the audit log
    ///
    /// The newest entry first. A page reads at most 2,000 entries, so a page of a filter can have fewer entries than requested. The log
    /// continues while the header `Link` names a next page.
    #[oai(path = "/audit", method = "get", operation_id = "adminListAudit")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn audit(
        &self,
        request: &Request,
        caller: Caller,
        /// The id of the administrator.
        actor: Query<Option<UserParam>>,
        /// The id of the user, session, report, notice or webhook.
        target: Query<Option<String>>,
        /// The action, for instance `USER_BANNED`.
        action: Query<Option<String>>,
        /// The id of the entry after which to begin.
        after: Query<Option<AuditParam>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<AuditEntry>>, (Administering, Params)> {
        let filter = audit_filter(actor.0, target.0, action.0)?;
        let (after, limit) = (after.0.map(|AuditParam(id)| id), natural("limit", limit.0)?);
        Ok(listed(self.0.audit(&caller.0, &filter, after, limit).await?, request))
    }

    /// Export the audit log
    ///
    /// The newest entry first: a JSON object in each line. The `type` is `entry`, and `end` in the last line. An export without `end` is
    /// not complete.
    #[oai(path = "/audit/export", method = "get", operation_id = "adminExportAudit")]
    async fn export(
        &self,
        caller: Caller,
        /// The id of the administrator.
        actor: Query<Option<UserParam>>,
        /// The id of the user, session, report, notice or webhook.
        target: Query<Option<String>>,
        /// The action, for instance `USER_BANNED`.
        action: Query<Option<String>>,
    ) -> Answer<Lines, (Administering, Params)> {
        Ok(Lines(self.0.export_audit(&caller.0, audit_filter(actor.0, target.0, action.0)?).await?))
    }
}
