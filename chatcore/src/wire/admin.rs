//! The administration on the wire.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::{
    admin::{
        self, AuditAction, AuditEntry, AuditRecord, AuditState, DayStatistics, ManagedSession, ManagedUser, Statistics,
        UserStatus,
    },
    identity::SystemRole,
    model::{AuditId, Ban, Notice, Profile, Session, SessionId, SessionType, UserId},
};

/// A ban to be made.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BanUser {
    /// The reason, for the banned user: 1 to 500 characters by default.
    reason: String,
    /// When the ban ends; never where not given.
    until: Option<Time>,
}

impl BanUser {
    /// The ban.
    #[must_use]
    pub fn command(self) -> admin::BanUser {
        let Self { reason, until } = self;
        admin::BanUser { reason, until: until.map(|Time(until)| until) }
    }
}

/// A role in the whole system.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// `ADMIN` grants the role of administrators, `USER` revokes it.
    pub role: SystemRole,
    /// The reason, for the audit log: 1 to 500 characters by default.
    pub reason: Option<String>,
}

/// The reason for an action of an administrator.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The reason, for the audit log: 1 to 500 characters by default.
    pub reason: Option<String>,
}

/// A notice to all users who are connected.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BroadcastNotice {
    /// The text: 1 to 500 characters by default.
    pub text: String,
    /// The reason, for the audit log: 1 to 500 characters by default.
    pub reason: Option<String>,
}

/// The frame of a notice, without a position.
#[derive(Debug, Serialize)]
pub struct NoticeFrame<'a> {
    event: &'static str,
    data: &'a Notice,
}

impl NoticeFrame<'_> {
    /// The name of the frame.
    pub const NAME: &'static str = "notice";
}

impl<'a> From<&'a Notice> for NoticeFrame<'a> {
    fn from(data: &'a Notice) -> Self {
        Self { event: Self::NAME, data }
    }
}

/// A ban that is in force.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Ban"))]
struct BanView<'a> {
    reason: &'a str,
    banned_by: &'a UserId,
    banned_at: DateTime<Utc>,
    /// The end of the ban; null for no end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    until: Option<DateTime<Utc>>,
}

/// The administrators' view of a user.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ManagedUser"))]
struct UserView<'a> {
    id: &'a UserId,
    username: &'a str,
    name: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    email: Option<&'a str>,
    is_bot: bool,
    status: UserStatus,
    /// The role that administrators granted. Roles from tokens of other issuers are not included.
    role: SystemRole,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    ban: Option<BanView<'a>>,
    /// When the account was deleted.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    deleted_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a ManagedUser> for UserView<'a> {
    fn from(user: &'a ManagedUser) -> Self {
        let ManagedUser { profile, status, ban, deleted_at, system_role } = user;
        let Profile { user_id, username, name, email, picture: _, updated_at: _, is_bot } = profile;
        let view = |ban: &'a Ban| {
            let Ban { reason, by, at, until } = ban;
            BanView { reason, banned_by: by, banned_at: *at, until: *until }
        };
        Self {
            id: user_id,
            username,
            name,
            email: email.as_deref(),
            is_bot: *is_bot,
            status: *status,
            role: *system_role,
            ban: ban.as_ref().map(view),
            deleted_at: *deleted_at,
        }
    }
}

/// The administrators' view of a session, without messages.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ManagedSession"))]
struct SessionView<'a> {
    id: SessionId,
    title: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    description: Option<&'a str>,
    session_type: SessionType,
    max_participants: u32,
    /// The owner.
    user_id: &'a UserId,
    /// False after the deletion of the session.
    is_active: bool,
    created_at: DateTime<Utc>,
    /// The time of the last change of the settings.
    updated_at: DateTime<Utc>,
    last_event_at: DateTime<Utc>,
    message_count: u64,
    participant_count: u32,
}

impl<'a> From<&'a ManagedSession> for SessionView<'a> {
    fn from(managed: &'a ManagedSession) -> Self {
        let ManagedSession { session, message_count, last_event_at } = managed;
        let Session { id, title, description, session_type, max_participants, participant_count, .. } = session;
        let Session { owner, is_active, created_at, updated_at, .. } = session;
        Self {
            id: *id,
            title,
            description: description.as_deref(),
            session_type: *session_type,
            max_participants: *max_participants,
            user_id: owner,
            is_active: *is_active,
            created_at: *created_at,
            updated_at: *updated_at,
            last_event_at: *last_event_at,
            message_count: *message_count,
            participant_count: *participant_count,
        }
    }
}

/// An entry of the audit log.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "AuditEntry"))]
struct EntryView<'a> {
    id: AuditId,
    /// The administrator.
    actor: &'a UserId,
    action: AuditAction,
    /// The id of the user, session, report, notice or webhook.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    target: Option<&'a str>,
    /// The session, for actions on a report or on the messages of a user.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    session_id: Option<SessionId>,
    /// The state before.
    before: &'a AuditState,
    /// The state after.
    after: &'a AuditState,
    /// The reason that the administrator gave.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    reason: Option<&'a str>,
    /// The network address of the client.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    address: Option<IpAddr>,
    /// The id of the request.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    request_id: Option<&'a str>,
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a AuditEntry> for EntryView<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        let AuditRecord { actor, action, target, session, before, after, .. } = &*entry.record;
        let AuditRecord { reason, address, request_id, at, .. } = &*entry.record;
        Self {
            id: entry.id,
            actor,
            action: *action,
            target: target.as_deref(),
            session_id: *session,
            before,
            after,
            reason: reason.as_deref(),
            address: *address,
            request_id: request_id.as_deref(),
            created_at: *at,
        }
    }
}

/// Statistics of the whole system, counted since the system first had an administration.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Statistics"))]
struct StatisticsView<'a> {
    /// Users who were ever seen.
    users: u64,
    /// Sessions that are not deleted.
    sessions: u64,
    /// Messages that were ever sent.
    messages: u64,
    /// WebSockets and event streams that are open in the process that answers.
    connections: u64,
    /// The last 30 days in UTC, the oldest first. Today is the last one.
    days: &'a [DayStatistics],
}

impl<'a> From<&'a Statistics> for StatisticsView<'a> {
    fn from(statistics: &'a Statistics) -> Self {
        let Statistics { users, sessions, messages, connections, days } = statistics;
        Self { users: *users, sessions: *sessions, messages: *messages, connections: *connections, days }
    }
}

/// Statistics of a day.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "DayStatistics"))]
struct DayView<'a> {
    /// The day, in UTC.
    date: &'a NaiveDate,
    /// Users who were seen for the first time.
    users: u64,
    /// Sessions that were made.
    sessions: u64,
    /// Messages that were sent.
    messages: u64,
}

impl<'a> From<&'a DayStatistics> for DayView<'a> {
    fn from(day: &'a DayStatistics) -> Self {
        let DayStatistics { date, users, sessions, messages } = day;
        Self { date, users: *users, sessions: *sessions, messages: *messages }
    }
}

shown_as! {
    Statistics => StatisticsView;
    DayStatistics => DayView;
    ManagedUser => UserView;
    ManagedSession => SessionView;
    AuditEntry => EntryView;
}
