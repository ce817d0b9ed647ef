//! Inputs and outputs of the administration.

use async_graphql::{Enum, ID, InputObject, SimpleObject};
use chatcore::{
    admin, identity,
    model::{self, ListPage},
};

use super::{
    report::{Report, ReportState},
    scalar::{DateTime, Long},
    session::SessionType,
};

/// A role in the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "identity::SystemRole")]
pub(super) enum SystemRole {
    /// Uses the system.
    User,
    /// Runs the system.
    Admin,
}

/// Whether a user may use the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "admin::UserStatus")]
pub(super) enum UserStatus {
    /// The user may use the system.
    Active,
    /// A ban is in force.
    Banned,
    /// The account was deleted.
    Deleted,
}

/// The status of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "admin::SessionStatus")]
pub(super) enum SessionStatus {
    /// The session is not deleted.
    Active,
    /// The session was deleted.
    Deleted,
}

/// The action of an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "admin::AuditAction")]
pub(super) enum AuditAction {
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
    /// A backup of the whole store began.
    BackupTaken,
    /// The state of a report was changed.
    ReportHandled,
    /// All messages of a user in a session were deleted.
    MessagesDeleted,
    /// A webhook of the server was created.
    WebhookCreated,
    /// A webhook of the server was changed, or got another secret.
    WebhookChanged,
    /// A webhook of the server was deleted.
    WebhookDeleted,
    /// A newer version did something that this version does not know.
    Unknown,
}

/// A ban that is in force.
#[derive(SimpleObject)]
pub(super) struct Ban {
    /// The reason, in words for the banned user.
    reason: String,
    /// The administrator.
    banned_by: ID,
    /// When the user was banned.
    banned_at: DateTime,
    /// When the ban ends; null for never.
    until: Option<DateTime>,
}

/// The administrators' view of a user.
#[derive(SimpleObject)]
pub(super) struct ManagedUser {
    /// The id of the user.
    id: ID,
    /// The user name.
    username: String,
    /// The name to show.
    name: String,
    /// The e-mail address.
    email: Option<String>,
    /// Whether the user is a bot.
    is_bot: bool,
    /// Whether the user may use the system.
    status: UserStatus,
    /// The role that administrators granted. Roles from tokens of other issuers are not included.
    role: SystemRole,
    /// The ban that is in force.
    ban: Option<Ban>,
    /// When the account was deleted.
    deleted_at: Option<DateTime>,
}

impl From<admin::ManagedUser> for ManagedUser {
    fn from(user: admin::ManagedUser) -> Self {
        let admin::ManagedUser { profile, status, ban, deleted_at, system_role } = user;
        let model::Profile { user_id, username, name, email, picture: _, updated_at: _, is_bot } = profile;
        let ban = ban.map(|model::Ban { reason, by, at, until }| Ban {
            reason,
            banned_by: ID(by.to_string()),
            banned_at: DateTime(at),
            until: until.map(DateTime),
        });
        let (id, status, role) = (ID(user_id.to_string()), status.into(), system_role.into());
        Self { id, username, name, email, is_bot, status, role, ban, deleted_at: deleted_at.map(DateTime) }
    }
}

/// The administrators' view of a session, without messages.
#[derive(SimpleObject)]
pub(super) struct ManagedSession {
    /// The id of the session.
    id: ID,
    /// The title.
    title: String,
    /// The description.
    description: Option<String>,
    /// The type.
    session_type: SessionType,
    /// The maximum number of participants.
    max_participants: u32,
    /// The owner.
    user_id: ID,
    /// False after the deletion of the session.
    is_active: bool,
    /// The time of creation.
    created_at: DateTime,
    /// The time of the last change of the settings.
    updated_at: DateTime,
    /// The time of the last event.
    last_event_at: DateTime,
    /// The number of messages of the session.
    message_count: Long,
    /// The number of users in the session.
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

/// The part of the target's state that an action can change. A value that the action does not concern is null.
#[derive(SimpleObject)]
pub(super) struct AuditState {
    /// Whether the user is banned.
    is_banned: Option<bool>,
    /// The reason of the ban.
    ban_reason: Option<String>,
    /// When the ban ends.
    banned_until: Option<DateTime>,
    /// The granted role of the user.
    system_role: Option<SystemRole>,
    /// Whether the session is not deleted.
    is_active: Option<bool>,
    /// The state of the report.
    report_state: Option<ReportState>,
}

impl From<&admin::AuditState> for AuditState {
    fn from(state: &admin::AuditState) -> Self {
        let admin::AuditState { is_banned, ban_reason, banned_until, system_role, is_active, report_state } =
            state.clone();
        let report_state = report_state.map(Into::into);
        let (banned_until, system_role) = (banned_until.map(DateTime), system_role.map(Into::into));
        Self { is_banned, ban_reason, banned_until, system_role, is_active, report_state }
    }
}

/// An entry of the audit log.
#[derive(SimpleObject)]
pub(super) struct AuditEntry {
    /// The id of the entry.
    id: ID,
    /// The administrator.
    actor: ID,
    /// The action.
    action: AuditAction,
    /// The id of the user, session, report, notice or webhook.
    target: Option<ID>,
    /// The session, for actions on a report or on the messages of a user.
    session_id: Option<ID>,
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
    /// The time of the action.
    created_at: DateTime,
}

impl From<admin::AuditEntry> for AuditEntry {
    fn from(entry: admin::AuditEntry) -> Self {
        let admin::AuditRecord { actor, action, target, session, before, after, reason, address, request_id, at } =
            &*entry.record;
        Self {
            id: ID(entry.id.to_string()),
            actor: ID(actor.to_string()),
            action: (*action).into(),
            target: target.clone().map(ID),
            session_id: session.map(|id| ID(id.to_string())),
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
pub(super) struct Statistics {
    /// Users who were ever seen.
    users: Long,
    /// Sessions that are not deleted.
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
pub(super) struct DayStatistics {
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
        pub(super) struct $page {
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
    /// Users, sorted by their ids. A page of a search can have fewer entries than requested. The list continues while `next` is not null.
    ManagedUserPage {
        /// The users.
        users: ManagedUser
    }
    /// Sessions, the oldest first. A page of a search can have fewer entries than requested. The list continues while `next` is not null.
    ManagedSessionPage {
        /// The sessions.
        sessions: ManagedSession
    }
    /// The audit log, the newest entry first. A page of a filter can have fewer entries than requested. The log continues while `next` is
    /// not null.
    AuditPage {
        /// The entries.
        entries: AuditEntry
    }
}

/// A ban to be made.
#[derive(InputObject)]
pub(super) struct AdminBanUserInput {
    /// The user.
    pub(super) user_id: ID,
    /// The reason, for the banned user: 1 to 500 characters by default.
    pub(super) reason: String,
    /// When the ban ends; never where not given.
    pub(super) until: Option<DateTime>,
}

/// A user whose ban ends.
#[derive(InputObject)]
pub(super) struct AdminUnbanUserInput {
    /// The user.
    pub(super) user_id: ID,
    /// The reason, for the audit log: 1 to 500 characters by default.
    pub(super) reason: Option<String>,
}

/// A role in the whole system.
#[derive(InputObject)]
pub(super) struct AdminSetRoleInput {
    /// The user.
    pub(super) user_id: ID,
    /// `ADMIN` grants the role of administrators, `USER` revokes it.
    pub(super) role: SystemRole,
    /// The reason, for the audit log: 1 to 500 characters by default.
    pub(super) reason: Option<String>,
}

/// A session to be closed.
#[derive(InputObject)]
pub(super) struct AdminCloseSessionInput {
    /// The session.
    pub(super) session_id: ID,
    /// The reason, for the audit log: 1 to 500 characters by default.
    pub(super) reason: Option<String>,
}

/// A new state for a report.
#[derive(InputObject)]
pub(super) struct AdminResolveReportInput {
    /// The session.
    pub(super) session_id: ID,
    /// The report.
    pub(super) report_id: ID,
    /// The state. `RESOLVED` and `DISMISSED` are final: a closed report does not change.
    pub(super) state: ReportState,
    /// A note for the moderators: at most 500 characters.
    pub(super) note: Option<String>,
    /// The expected revision. If the report has another revision, the change fails.
    pub(super) revision: Option<Long>,
}

/// A user whose messages in a session are deleted.
#[derive(InputObject)]
pub(super) struct AdminDeleteMessagesOfInput {
    /// The session.
    pub(super) session_id: ID,
    /// The user.
    pub(super) user_id: ID,
    /// The reason, for the audit log: 1 to 500 characters by default.
    pub(super) reason: Option<String>,
}

/// Reports of all sessions, the newest first. A page of a filter can have fewer entries than requested. The list continues while `next` is
/// not null.
#[derive(SimpleObject)]
pub(super) struct ReportPage {
    /// The reports.
    pub(super) reports: Vec<Report>,
    /// The id of the entry after which the next page begins; null at the end of the list.
    pub(super) next: Option<ID>,
}

/// A notice to all users who are connected.
#[derive(InputObject)]
pub(super) struct AdminBroadcastInput {
    /// The text: 1 to 500 characters by default.
    pub(super) text: String,
    /// The reason, for the audit log: 1 to 500 characters by default.
    pub(super) reason: Option<String>,
}

/// A notice of an administrator to all connected users. Notices are not stored.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct Notice {
    /// The id of the notice.
    id: ID,
    /// The text.
    text: String,
    /// The time at which the notice was sent.
    created_at: DateTime,
}

impl From<&model::Notice> for Notice {
    fn from(notice: &model::Notice) -> Self {
        let model::Notice { id, text, created_at } = notice;
        Self { id: ID(id.to_string()), text: text.clone(), created_at: DateTime(*created_at) }
    }
}
