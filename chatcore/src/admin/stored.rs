//! The tables of the administration, and the forms of their values. A form only grows.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    identity::SystemRole,
    model::{AuditId, ReportState, SessionId, UserId},
    store::{Json, Newest, Part, StoredValue},
    stored::{from_json, to_json},
    tables,
};

tables! {
    /// The audit log, the newest entry first.
    shared plain AuditEntries = "audit" [
        /// The entry.
        entry: Newest<AuditId>,
    ] -> AuditRecord = 1;

    /// The accounts with the system role. One record holds them all, so that its version guards the last one.
    shared plain Administrators = "administrators" [
        /// Always [`ALL`](Administrators::ALL).
        scope: String,
    ] -> AdministratorList = 1;
}

impl Administrators {
    /// The scope of the one record.
    pub const ALL: &'static str = "all";

    /// The key of the one record.
    #[must_use]
    pub fn all() -> Self {
        Self { scope: Self::ALL.to_owned() }
    }
}

/// The accounts with the system role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AdministratorList {
    /// The grants, the oldest first.
    pub grants: Vec<Grant>,
}

impl AdministratorList {
    /// Whether a user has the role.
    #[must_use]
    pub fn holds(&self, user: &UserId) -> bool {
        self.grants.iter().any(|grant| grant.user == *user)
    }
}

/// A grant of the system role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The user who has the role.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub user: UserId,
    /// The administrator who granted it.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// The time.
    pub at: DateTime<Utc>,
}

/// The action of an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuditAction {
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
    #[serde(other)]
    Unknown,
}

/// The part of the target's state that an action can change. A value that the action does not concern is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditState {
    /// Whether the user is banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_banned: Option<bool>,
    /// The reason of the ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban_reason: Option<String>,
    /// When the ban ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned_until: Option<DateTime<Utc>>,
    /// The granted role of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_role: Option<SystemRole>,
    /// Whether the session is not deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// The state of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_state: Option<ReportState>,
}

/// An action of an administrator: its target, its origin, and the values before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The administrator.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub actor: UserId,
    /// The action.
    pub action: AuditAction,
    /// The id of the user, session, report, notice or webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The session, for actions on a report or on the messages of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The state before.
    #[serde(default)]
    pub before: AuditState,
    /// The state after.
    #[serde(default)]
    pub after: AuditState,
    /// The reason that the administrator gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The network address of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The time.
    pub at: DateTime<Utc>,
}

macro_rules! stored_as_json {
    ($($value:ty),+) => {$(
        impl StoredValue for $value {
            fn encode(&self) -> Json {
                to_json(self)
            }

            fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
                from_json(stored)
            }
        }
    )+};
}

stored_as_json!(AuditRecord, AdministratorList);
