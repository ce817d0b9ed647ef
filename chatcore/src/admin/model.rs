//! The inputs and outputs of the administration.

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::stored::{AuditAction, AuditRecord};
use crate::{
    identity::SystemRole,
    model::{AuditId, Ban, Profile, ReportState, Session, SessionId, SessionType, UserId},
};

/// The origin of an administrator's request, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditOrigin {
    /// The network address of the client.
    pub address: Option<IpAddr>,
    /// The id under which the request is logged.
    pub request_id: Option<String>,
}

/// A ban to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanUser {
    /// The reason, for the banned user: 1 to [`description_chars`](crate::Limits::description_chars) characters.
    pub reason: String,
    /// The end of the ban; `None` for no end.
    pub until: Option<DateTime<Utc>>,
}

/// Whether a user may use the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserStatus {
    /// The user may use the system.
    Active,
    /// A ban is in force.
    Banned,
    /// The account was deleted.
    Deleted,
}

/// The administrators' view of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedUser {
    /// The profile, with the e-mail address.
    pub profile: Profile,
    /// Whether the user may use the system.
    pub status: UserStatus,
    /// The ban that is in force.
    pub ban: Option<Ban>,
    /// When the account was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The role that administrators granted. Roles from tokens of the host are not included.
    pub system_role: SystemRole,
}

/// A filter of users. A listed user matches every condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserFilter {
    /// A part of the id, the user name, the name or the e-mail address, 1 to 100 characters. The case of letters makes no difference.
    pub search: Option<String>,
    /// The status.
    pub status: Option<UserStatus>,
    /// The granted role.
    pub role: Option<SystemRole>,
}

/// The status of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionStatus {
    /// The session is not deleted.
    Active,
    /// The session was deleted, by its owner or by an administrator.
    Deleted,
}

/// The administrators' view of a session, without messages.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedSession {
    /// The session.
    pub session: Session,
    /// The number of messages of the session.
    pub message_count: u64,
    /// The time of the last event.
    pub last_event_at: DateTime<Utc>,
}

/// A filter of sessions. A listed session matches every condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFilter {
    /// A part of the id, the title, the description or the owner's id, 1 to 100 characters. The case of letters makes no difference.
    pub search: Option<String>,
    /// The status.
    pub status: Option<SessionStatus>,
    /// The type.
    pub session_type: Option<SessionType>,
}

/// A filter of reports. A listed report matches every condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportFilter {
    /// The session.
    pub session: Option<SessionId>,
    /// The state.
    pub state: Option<ReportState>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// The id of the entry. Ids sort by time.
    pub id: AuditId,
    /// The action.
    pub record: Arc<AuditRecord>,
}

/// A filter of the audit log. A listed entry matches every condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// The administrator.
    pub actor: Option<UserId>,
    /// The id of the user, session, report, notice or webhook.
    pub target: Option<String>,
    /// The action.
    pub action: Option<AuditAction>,
}

impl AuditFilter {
    pub(super) fn takes(&self, record: &AuditRecord) -> bool {
        let Self { actor, target, action } = self;
        actor.as_ref().is_none_or(|actor| *actor == record.actor)
            && target.as_ref().is_none_or(|target| record.target.as_ref() == Some(target))
            && action.is_none_or(|action| action == record.action)
    }
}
