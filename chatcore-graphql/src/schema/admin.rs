//! Administration of the whole system.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    Administration, Error,
    admin::{self, AuditOrigin},
    identity,
    model::{self, AuditId, ListPage, SessionId, UserId},
};

use futures_util::{Stream, StreamExt as _};

use super::{
    Fallible as _, Use,
    connection::{List, ParticipantConnection, listed},
    scalar::{DateTime, Long, natural, session_id, user_id},
    session::SessionType,
};

/// A role in the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "identity::SystemRole")]
enum SystemRole {
    /// Uses the system.
    User,
    /// Runs the system.
    Admin,
}

/// Whether a user may use the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "admin::UserStatus")]
enum UserStatus {
    /// The user may use the system.
    Active,
    /// A ban is in force.
    Banned,
    /// The account was deleted.
    Deleted,
}

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "admin::SessionStatus")]
enum SessionStatus {
    /// It goes on.
    Active,
    /// It was deleted.
    Deleted,
}

/// What an administrator did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "admin::AuditAction")]
enum AuditAction {
    /// A user was banned, or a ban was replaced.
    UserBanned,
    /// A ban was ended.
    UserUnbanned,
    /// A user got the system role.
    RoleGranted,
    /// A user lost the system role.
    RoleRevoked,
    /// A session was deleted.
    SessionClosed,
    /// A notice was sent to all users who were connected.
    NoticeBroadcast,
    /// A newer version did something that this version does not know.
    Unknown,
}

/// A ban that is in force.
#[derive(SimpleObject)]
struct Ban {
    /// The reason, in words for the banned user.
    reason: String,
    /// The administrator.
    banned_by: ID,
    /// When the user was banned.
    banned_at: DateTime,
    /// When the ban ends; null for never.
    until: Option<DateTime>,
}

/// A user as an administrator sees them.
#[derive(SimpleObject)]
struct ManagedUser {
    /// The id of the user.
    id: ID,
    /// The user name.
    username: String,
    /// The name to show.
    name: String,
    /// The e-mail address.
    email: Option<String>,
    /// Whether the user may use the system.
    status: UserStatus,
    /// The role that administrators granted. A role that tokens of another party give is not known here.
    role: SystemRole,
    /// The ban that is in force.
    ban: Option<Ban>,
    /// When the account was deleted.
    deleted_at: Option<DateTime>,
}

impl From<admin::ManagedUser> for ManagedUser {
    fn from(user: admin::ManagedUser) -> Self {
        let admin::ManagedUser { profile, status, ban, deleted_at, system_role } = user;
        let model::Profile { user_id, username, name, email, picture: _, updated_at: _ } = profile;
        let ban = ban.map(|model::Ban { reason, by, at, until }| Ban {
            reason,
            banned_by: ID(by.to_string()),
            banned_at: DateTime(at),
            until: until.map(DateTime),
        });
        let (id, status, role) = (ID(user_id.to_string()), status.into(), system_role.into());
        Self { id, username, name, email, status, role, ban, deleted_at: deleted_at.map(DateTime) }
    }
}

/// A session as an administrator sees it: without its messages.
#[derive(SimpleObject)]
struct ManagedSession {
    /// The id of the session.
    id: ID,
    /// The title.
    title: String,
    /// The description.
    description: Option<String>,
    /// The type.
    session_type: SessionType,
    /// How many may be in it.
    max_participants: u32,
    /// The owner.
    user_id: ID,
    /// False once it was deleted.
    is_active: bool,
    /// When it was made.
    created_at: DateTime,
    /// When the settings last changed.
    updated_at: DateTime,
    /// When the last event happened.
    last_event_at: DateTime,
    /// How many messages it has.
    message_count: Long,
    /// How many users are in it.
    participant_count: u32,
}

impl From<admin::ManagedSession> for ManagedSession {
    fn from(managed: admin::ManagedSession) -> Self {
        let admin::ManagedSession { session, message_count, last_event_at } = managed;
        Self {
            id: ID(session.id.to_string()),
            title: session.title,
            description: session.description,
            session_type: session.session_type.into(),
            max_participants: session.max_participants,
            user_id: ID(session.owner.to_string()),
            is_active: session.is_active,
            created_at: DateTime(session.created_at),
            updated_at: DateTime(session.updated_at),
            last_event_at: DateTime(last_event_at),
            message_count: Long(message_count),
            participant_count: session.participant_count,
        }
    }
}

/// The part of the target's state that an action can change. What the action does not concern is null.
#[derive(SimpleObject)]
struct AuditState {
    /// Whether the user is banned.
    is_banned: Option<bool>,
    /// The reason of the ban.
    ban_reason: Option<String>,
    /// When the ban ends.
    banned_until: Option<DateTime>,
    /// The granted role of the user.
    system_role: Option<SystemRole>,
    /// Whether the session goes on.
    is_active: Option<bool>,
}

impl From<&admin::AuditState> for AuditState {
    fn from(state: &admin::AuditState) -> Self {
        let admin::AuditState { is_banned, ban_reason, banned_until, system_role, is_active } = state.clone();
        let (banned_until, system_role) = (banned_until.map(DateTime), system_role.map(Into::into));
        Self { is_banned, ban_reason, banned_until, system_role, is_active }
    }
}

/// An entry of the audit log.
#[derive(SimpleObject)]
struct AuditEntry {
    /// The id of the entry.
    id: ID,
    /// The administrator.
    actor: ID,
    /// What was done.
    action: AuditAction,
    /// The id of the user, session or notice.
    target: Option<ID>,
    /// The state before.
    before: AuditState,
    /// The state after.
    after: AuditState,
    /// The reason that the administrator gave.
    reason: Option<String>,
    /// The network address of the client.
    address: Option<String>,
    /// The id of the request.
    request_id: Option<String>,
    /// When it was done.
    created_at: DateTime,
}

impl From<admin::AuditEntry> for AuditEntry {
    fn from(entry: admin::AuditEntry) -> Self {
        let admin::AuditRecord { actor, action, target, before, after, reason, address, request_id, at } =
            &*entry.record;
        Self {
            id: ID(entry.id.to_string()),
            actor: ID(actor.to_string()),
            action: (*action).into(),
            target: target.clone().map(ID),
            before: before.into(),
            after: after.into(),
            reason: reason.clone(),
            address: address.map(|address| address.to_string()),
            request_id: request_id.clone(),
            created_at: DateTime(*at),
        }
    }
}

/// Statistics of the whole system, counted since the system first had an administration.
#[derive(SimpleObject)]
struct Statistics {
    /// Users who were ever seen.
    users: Long,
    /// Sessions that go on.
    sessions: Long,
    /// Messages that were ever sent.
    messages: Long,
    /// WebSockets and event streams that are open in the process that answers.
    connections: Long,
    /// The last 30 days in UTC, the oldest first. Today is the last one.
    days: Vec<DayStatistics>,
}

/// Statistics of a day.
#[derive(SimpleObject)]
struct DayStatistics {
    /// The day in UTC, for instance `2026-01-31`.
    date: String,
    /// Users who were seen for the first time.
    users: Long,
    /// Sessions that were made.
    sessions: Long,
    /// Messages that were sent.
    messages: Long,
}

impl From<admin::Statistics> for Statistics {
    fn from(statistics: admin::Statistics) -> Self {
        let admin::Statistics { users, sessions, messages, connections, days } = statistics;
        let day = |day: admin::DayStatistics| {
            let admin::DayStatistics { date, users, sessions, messages } = day;
            DayStatistics {
                date: date.to_string(),
                users: Long(users),
                sessions: Long(sessions),
                messages: Long(messages),
            }
        };
        Self {
            users: Long(users),
            sessions: Long(sessions),
            messages: Long(messages),
            connections: Long(connections),
            days: days.into_iter().map(day).collect(),
        }
    }
}

macro_rules! pages {
    ($($(#[$doc:meta])* $page:ident { $(#[$entries_doc:meta])* $entries:ident: $node:ident })*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $page {
            $(#[$entries_doc])*
            $entries: Vec<$node>,
            /// The id of the entry after which the next page begins; null at the end of the list.
            next: Option<ID>,
        }

        impl<T: Into<$node>, K: std::fmt::Display> From<ListPage<T, K>> for $page {
            fn from(page: ListPage<T, K>) -> Self {
                let next = page.next.map(|next| ID(next.to_string()));
                Self { $entries: page.entries.into_iter().map(Into::into).collect(), next }
            }
        }
    )*};
}

pages! {
    /// Users, sorted by their ids. A page of a search can have fewer entries than asked for. The list goes on while `next` is not null.
    ManagedUserPage {
        /// The users.
        users: ManagedUser
    }
    /// Sessions, the oldest first. A page of a search can have fewer entries than asked for. The list goes on while `next` is not null.
    ManagedSessionPage {
        /// The sessions.
        sessions: ManagedSession
    }
    /// The audit log, the newest entry first. A page of a filter can have fewer entries than asked for. The log goes on while `next` is not
    /// null.
    AuditPage {
        /// The entries.
        entries: AuditEntry
    }
}

/// A ban to be made.
#[derive(InputObject)]
struct AdminBanUserInput {
    /// The user.
    user_id: ID,
    /// Why, in words for the banned user: 1 to 500 characters by default.
    reason: String,
    /// When the ban ends; never where it is not given.
    until: Option<DateTime>,
}

/// A user whose ban ends.
#[derive(InputObject)]
struct AdminUnbanUserInput {
    /// The user.
    user_id: ID,
    /// Why, for the audit log: 1 to 500 characters by default.
    reason: Option<String>,
}

/// A role in the whole system.
#[derive(InputObject)]
struct AdminSetRoleInput {
    /// The user.
    user_id: ID,
    /// `ADMIN` grants the role of administrators, `USER` revokes it.
    role: SystemRole,
    /// Why, for the audit log: 1 to 500 characters by default.
    reason: Option<String>,
}

/// A session to be closed.
#[derive(InputObject)]
struct AdminCloseSessionInput {
    /// The session.
    session_id: ID,
    /// Why, for the audit log: 1 to 500 characters by default.
    reason: Option<String>,
}

/// A notice to all users who are connected.
#[derive(InputObject)]
struct AdminBroadcastInput {
    /// The text: 1 to 500 characters by default.
    text: String,
    /// Why, for the audit log: 1 to 500 characters by default.
    reason: Option<String>,
}

/// A notice of an administrator to all users who are connected. It is not stored.
#[derive(SimpleObject)]
struct Notice {
    /// The id of the notice.
    id: ID,
    /// The text.
    text: String,
    /// When it was sent.
    created_at: DateTime,
}

impl From<&model::Notice> for Notice {
    fn from(notice: &model::Notice) -> Self {
        let model::Notice { id, text, created_at } = notice;
        Self { id: ID(id.to_string()), text: text.clone(), created_at: DateTime(*created_at) }
    }
}

/// The administration, and the caller.
fn administering<'c>(context: &Context<'c>) -> Result<(&'c Administration, Use<'c>)> {
    let admin = context.data_opt().ok_or_else(|| crate::field_error(&Error::Internal))?;
    Ok((admin, Use::of(context)?))
}

/// What the audit log says of the request.
fn origin_of(context: &Context<'_>) -> AuditOrigin {
    context.data_opt::<AuditOrigin>().cloned().unwrap_or_default()
}

/// What administrators may ask.
#[derive(Default)]
pub(super) struct AdminQuery;

/// What administrators may ask.
#[Object]
impl AdminQuery {
    /// Statistics. They begin with the first process that had an administration. A process that is killed loses a few seconds of statistics.
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
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
        #[graphql(desc = "The id of the user after whom to begin.")] after: Option<ID>,
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
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
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

    /// The users in a session, with their e-mail addresses, in the order in which they came. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn admin_list_participants(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The id of the session.")] session: ID,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ParticipantConnection>> {
        let (admin, call) = administering(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::participants(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = admin.participants(call.principal, id, page).await.or_field_error()?;
        Ok(Some(list.of_participants(&page, found)))
    }

    /// The audit log, the newest entry first. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn admin_list_audit(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of the administrator.")] actor: Option<ID>,
        #[graphql(desc = "The id of the user, session or notice.")] target: Option<ID>,
        #[graphql(desc = "The action.")] action: Option<AuditAction>,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
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

/// What administrators may change.
#[derive(Default)]
pub(super) struct AdminMutation;

/// What administrators may change.
#[Object]
impl AdminMutation {
    /// Send a notice to all users who are connected. WebSockets, event streams and the subscription `notices` show it. The text is not kept.
    async fn admin_broadcast(&self, context: &Context<'_>, input: AdminBroadcastInput) -> Result<Option<Notice>> {
        let (admin, call) = administering(context)?;
        let AdminBroadcastInput { text, reason } = input;
        let notice = admin.broadcast(call.principal, &origin_of(context), text, reason).await.or_field_error()?;
        Ok(Some((&notice).into()))
    }

    /// Ban a user, who is refused everywhere and removed from every session. A ban of a banned user replaces the ban.
    async fn admin_ban_user(&self, context: &Context<'_>, input: AdminBanUserInput) -> Result<Option<ManagedUser>> {
        let (admin, call) = administering(context)?;
        let AdminBanUserInput { user_id: user, reason, until } = input;
        let user = user_id(&user).or_field_error()?;
        let ban = admin::BanUser { reason, until: until.map(|DateTime(until)| until) };
        Ok(Some(admin.ban(call.principal, &origin_of(context), &user, ban).await.or_field_error()?.into()))
    }

    /// End the ban of a user, who becomes the owner again of the sessions that the ban left without an owner.
    async fn admin_unban_user(&self, context: &Context<'_>, input: AdminUnbanUserInput) -> Result<Option<ManagedUser>> {
        let (admin, call) = administering(context)?;
        let user = user_id(&input.user_id).or_field_error()?;
        let unbanned = admin.unban(call.principal, &origin_of(context), &user, input.reason).await;
        Ok(Some(unbanned.or_field_error()?.into()))
    }

    /// Grant or revoke the role of administrators. It counts from the user's next request on. The only administrator cannot revoke their own
    /// role.
    async fn admin_set_role(&self, context: &Context<'_>, input: AdminSetRoleInput) -> Result<Option<ManagedUser>> {
        let (admin, call) = administering(context)?;
        let AdminSetRoleInput { user_id: user, role, reason } = input;
        let user = user_id(&user).or_field_error()?;
        let changed = admin.set_role(call.principal, &origin_of(context), &user, role.into(), reason).await;
        Ok(Some(changed.or_field_error()?.into()))
    }

    /// Close a session: it is deleted, and the streams of all readers end.
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

/// What everybody may follow where there is an administration.
#[derive(Default)]
pub(super) struct NoticeSubscription;

/// What everybody may follow where there is an administration.
#[async_graphql::Subscription]
impl NoticeSubscription {
    /// The notices of administrators to all users, from now on. They are not stored.
    async fn notices(&self, context: &Context<'_>) -> Result<impl Stream<Item = Result<Notice>> + use<>> {
        let call = Use::of(context)?;
        let notices = call.chat.follow_notices(call.principal).await.or_field_error()?;
        Ok(notices.map(|notice| notice.map(|notice| Notice::from(&*notice)).or_field_error()))
    }
}
