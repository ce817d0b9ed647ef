//! Administration of the whole system.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};
use chatcore::{
    Administration, Error,
    admin::{self, AuditOrigin},
    chat::ResolveReport,
    model::{self, AuditId, ReportId, SessionId, UserId},
};
use futures_util::{Stream, StreamExt as _};

use super::{
    Fallible as _, Use,
    connection::{List, ParticipantConnection, listed},
    managed::{
        AdminBanUserInput, AdminBroadcastInput, AdminCloseSessionInput, AdminDeleteMessagesOfInput,
        AdminResolveReportInput, AdminSetRoleInput, AdminUnbanUserInput, AuditAction, AuditPage, ManagedSession,
        ManagedSessionPage, ManagedUser, ManagedUserPage, Notice, ReportPage, SessionStatus, Statistics, SystemRole,
        UserStatus,
    },
    report::{MessageDeletion, Report, ReportState},
    scalar::{DateTime, Long, natural, report_id, session_id, user_id},
    session::SessionType,
};

/// The administration, and the caller.
fn administering<'c>(context: &Context<'c>) -> Result<(&'c Administration, Use<'c>)> {
    let admin = context.data_opt().ok_or_else(|| crate::field_error(&Error::Internal))?;
    Ok((admin, Use::of(context)?))
}

/// What the audit log says of the request.
pub(super) fn origin_of(context: &Context<'_>) -> AuditOrigin {
    context.data_opt::<AuditOrigin>().cloned().unwrap_or_default()
}

/// Queries of administrators.
#[derive(Default)]
pub(super) struct AdminQuery;

/// Queries of administrators.
#[Object]
impl AdminQuery {
    /// Statistics. The statistics begin with the first process that had an administration. A process that is killed loses a few seconds of
    /// statistics.
    #[graphql(complexity = "child_complexity.saturating_mul(30)")]
    async fn admin_get_statistics(&self, context: &Context<'_>) -> Result<Option<Statistics>> {
        let (admin, call) = administering(context)?;
        Ok(Some(admin.statistics(call.principal).await.or_field_error()?.into()))
    }

    /// All users who were ever seen. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn admin_list_users(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "A part of the id, the user name, the name or the e-mail address: 1 to 100 characters. The case of letters makes no difference."
        )]
        search: Option<String>,
        #[graphql(desc = "The status.")] status: Option<UserStatus>,
        #[graphql(desc = "The role that administrators granted.")] role: Option<SystemRole>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The id of the last user of the page before. The page begins after that user.")] after: Option<
            ID,
        >,
    ) -> Result<Option<ManagedUserPage>> {
        let (admin, call) = administering(context)?;
        let filter = admin::UserFilter { search, status: status.map(Into::into), role: role.map(Into::into) };
        let unknown = |error: model::InvalidId| Error::malformed("after", error.expected);
        let after = after.map(|id| UserId::new(id.as_str()).map_err(unknown)).transpose().or_field_error()?;
        let limit = natural("limit", first).or_field_error()?;
        let page = admin.users(call.principal, &filter, after, limit).await.or_field_error()?;
        Ok(Some(page.into()))
    }

    /// A user.
    async fn admin_get_user(
        &self,
        context: &Context<'_>,
        #[graphql(name = "userId", desc = "The id of the user.")] user: ID,
    ) -> Result<Option<ManagedUser>> {
        let (admin, call) = administering(context)?;
        let user = user_id(&user).or_field_error()?;
        Ok(Some(admin.user(call.principal, &user).await.or_field_error()?.into()))
    }

    /// Sessions of every type, deleted ones too. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn admin_list_sessions(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "A part of the id, the title, the description or the owner's id: 1 to 100 characters. The case of letters makes no difference."
        )]
        search: Option<String>,
        #[graphql(desc = "The status.")] status: Option<SessionStatus>,
        #[graphql(desc = "The type.")] session_type: Option<SessionType>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The id of the session after which to begin.")] after: Option<ID>,
    ) -> Result<Option<ManagedSessionPage>> {
        let (admin, call) = administering(context)?;
        let (status, session_type) = (status.map(Into::into), session_type.map(Into::into));
        let filter = admin::SessionFilter { search, status, session_type };
        let unknown = |error: model::InvalidId| Error::malformed("after", error.expected);
        let after = after.map(|id| id.parse::<SessionId>().map_err(unknown)).transpose().or_field_error()?;
        let limit = natural("limit", first).or_field_error()?;
        let page = admin.sessions(call.principal, &filter, after, limit).await.or_field_error()?;
        Ok(Some(page.into()))
    }

    /// A session, without its messages.
    async fn admin_get_session(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The id of the session.")] session: ID,
    ) -> Result<Option<ManagedSession>> {
        let (admin, call) = administering(context)?;
        let id = session_id(&session).or_field_error()?;
        Ok(Some(admin.session(call.principal, id).await.or_field_error()?.into()))
    }

    /// The users in a session, with their e-mail addresses, in the order of joining. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn admin_list_participants(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The id of the session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ParticipantConnection>> {
        let (admin, call) = administering(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::participants(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = admin.participants(call.principal, id, page).await.or_field_error()?;
        Ok(Some(list.of_participants(&page, found)))
    }

    /// Reports of all sessions, the newest first. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn admin_list_reports(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session; every session where not given.")] session: Option<ID>,
        #[graphql(desc = "The state; every state where not given.")] state: Option<ReportState>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The id of the report after which to begin.")] after: Option<ID>,
    ) -> Result<Option<ReportPage>> {
        let (admin, call) = administering(context)?;
        let session = session.map(|id| session_id(&id)).transpose().or_field_error()?;
        let unknown = |error: model::InvalidId| Error::malformed("after", error.expected);
        let after = after.map(|id| id.parse::<ReportId>().map_err(unknown)).transpose().or_field_error()?;
        let limit = natural("limit", first).or_field_error()?;
        let filter = admin::ReportFilter { session, state: state.map(Into::into) };
        let page = admin.reports(call.principal, &filter, after, limit).await.or_field_error()?;
        let (next, loads) = (page.next.map(|next| ID(next.to_string())), call.loads());
        let reports = page.entries.into_iter().map(|report| Report::new(report, Arc::clone(&loads))).collect();
        Ok(Some(ReportPage { reports, next }))
    }

    /// The audit log, the newest entry first. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn admin_list_audit(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of the administrator.")] actor: Option<ID>,
        #[graphql(desc = "The id of the user, session, report, notice or webhook.")] target: Option<ID>,
        #[graphql(desc = "The action.")] action: Option<AuditAction>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The id of the entry after which to begin.")] after: Option<ID>,
    ) -> Result<Option<AuditPage>> {
        let (admin, call) = administering(context)?;
        let unknown = |error: model::InvalidId| Error::malformed("after", error.expected);
        let actor = actor.map(|id| user_id(&id)).transpose().or_field_error()?;
        let after = after.map(|id| id.parse::<AuditId>().map_err(unknown)).transpose().or_field_error()?;
        let limit = natural("limit", first).or_field_error()?;
        let filter =
            admin::AuditFilter { actor, target: target.map(|target| target.0), action: action.map(Into::into) };
        let page = admin.audit(call.principal, &filter, after, limit).await.or_field_error()?;
        Ok(Some(page.into()))
    }
}

/// Mutations of administrators.
#[derive(Default)]
pub(super) struct AdminMutation;

/// Mutations of administrators.
#[Object]
impl AdminMutation {
    /// Send a notice to all users who are connected. WebSockets, event streams and the subscription `notices` show it. The server does not
    /// store the text.
    async fn admin_broadcast(&self, context: &Context<'_>, input: AdminBroadcastInput) -> Result<Option<Notice>> {
        let (admin, call) = administering(context)?;
        let AdminBroadcastInput { text, reason } = input;
        let notice = admin.broadcast(call.principal, &origin_of(context), text, reason).await.or_field_error()?;
        Ok(Some((&notice).into()))
    }

    /// Ban a user from the whole system. The ban removes the user from every session. A ban of a banned user replaces the ban.
    async fn admin_ban_user(&self, context: &Context<'_>, input: AdminBanUserInput) -> Result<Option<ManagedUser>> {
        let (admin, call) = administering(context)?;
        let AdminBanUserInput { user_id: user, reason, until } = input;
        let user = user_id(&user).or_field_error()?;
        let ban = admin::BanUser { reason, until: until.map(|DateTime(until)| until) };
        Ok(Some(admin.ban(call.principal, &origin_of(context), &user, ban).await.or_field_error()?.into()))
    }

    /// End the ban of a user. The user becomes the owner again of the sessions that the ban left without an owner.
    async fn admin_unban_user(&self, context: &Context<'_>, input: AdminUnbanUserInput) -> Result<Option<ManagedUser>> {
        let (admin, call) = administering(context)?;
        let user = user_id(&input.user_id).or_field_error()?;
        let unbanned = admin.unban(call.principal, &origin_of(context), &user, input.reason).await;
        Ok(Some(unbanned.or_field_error()?.into()))
    }

    /// Grant or revoke the role of administrators. The change applies from the user's next request on. The only administrator cannot revoke
    /// the administrator's own role.
    async fn admin_set_role(&self, context: &Context<'_>, input: AdminSetRoleInput) -> Result<Option<ManagedUser>> {
        let (admin, call) = administering(context)?;
        let AdminSetRoleInput { user_id: user, role, reason } = input;
        let user = user_id(&user).or_field_error()?;
        let changed = admin.set_role(call.principal, &origin_of(context), &user, role.into(), reason).await;
        Ok(Some(changed.or_field_error()?.into()))
    }

    /// Change the state of a report, also of a report about a moderator of the session.
    async fn admin_resolve_report(
        &self,
        context: &Context<'_>,
        input: AdminResolveReportInput,
    ) -> Result<Option<Report>> {
        let (admin, call) = administering(context)?;
        let AdminResolveReportInput { session_id: session, report_id: report, state, note, revision } = input;
        let session = session_id(&session).or_field_error()?;
        let report = report_id(&report).or_field_error()?;
        let revision = revision.map(|Long(revision)| revision);
        let change = ResolveReport { state: state.into(), note, revision };
        let handled = admin.resolve_report(call.principal, &origin_of(context), session, report, change).await;
        Ok(Some(Report::new(handled.or_field_error()?, call.loads())))
    }

    /// Delete all messages of a user in a session. A deletion of many messages continues in the background after the answer.
    async fn admin_delete_messages_of(
        &self,
        context: &Context<'_>,
        input: AdminDeleteMessagesOfInput,
    ) -> Result<Option<MessageDeletion>> {
        let (admin, call) = administering(context)?;
        let AdminDeleteMessagesOfInput { session_id: session, user_id: user, reason } = input;
        let id = session_id(&session).or_field_error()?;
        let user = user_id(&user).or_field_error()?;
        let deletion = admin.delete_messages_of(call.principal, &origin_of(context), id, &user, reason).await;
        Ok(Some(deletion.or_field_error()?.into()))
    }

    /// Close a session: the server deletes the session, and ends the streams of all readers.
    async fn admin_close_session(
        &self,
        context: &Context<'_>,
        input: AdminCloseSessionInput,
    ) -> Result<Option<ManagedSession>> {
        let (admin, call) = administering(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let closed = admin.close_session(call.principal, &origin_of(context), id, input.reason).await;
        Ok(Some(closed.or_field_error()?.into()))
    }
}

/// The subscription to notices.
#[derive(Default)]
pub(super) struct NoticeSubscription;

/// The subscription to notices.
#[async_graphql::Subscription]
impl NoticeSubscription {
    /// The notices of administrators to all users, from now on. Notices are not stored.
    async fn notices(&self, context: &Context<'_>) -> Result<impl Stream<Item = Result<Notice>> + use<>> {
        let call = Use::of(context)?;
        let notices = call.chat.follow_notices(call.principal).await.or_field_error()?;
        Ok(notices.map(|notice| notice.map(|notice| Notice::from(&*notice)).or_field_error()))
    }
}
