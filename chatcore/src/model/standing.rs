//! The standing of a user in the whole system.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{LoginId, UserId};

/// What takes a user's access away, apart from any session. The standing of a user of whom nothing special is known is the
/// default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserStanding {
    /// The ban of the account, also one whose time is over and of which the user was not seen since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<Ban>,
    /// When the account was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// Tokens issued before this time are refused, but for those of logins that began later, and those of `kept_login`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_before: Option<DateTime<Utc>>,
    /// The login that `revoked_before` does not concern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_login: Option<LoginId>,
    /// Logins that ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_logins: Vec<EndedLogin>,
}

/// A ban of an account: the user is refused everywhere, and out of every session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Why, in words for the banned user.
    pub reason: String,
    /// The user who banned.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// When.
    pub at: DateTime<Utc>,
    /// When it is over; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// A login that ended before its access tokens did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLogin {
    /// The login.
    pub login: LoginId,
    /// When the last of its access tokens expires: from then on nothing needs to be remembered of the login.
    pub lives_until: DateTime<Utc>,
}

impl UserStanding {
    /// The ban that holds at this time.
    #[must_use]
    pub fn banned_at(&self, now: DateTime<Utc>) -> Option<&Ban> {
        self.ban.as_ref().filter(|ban| ban.until.is_none_or(|until| until > now))
    }

    /// Whether the user may come into a session at this time.
    #[must_use]
    pub fn may_enter(&self, now: DateTime<Utc>) -> bool {
        self.deleted_at.is_none() && self.banned_at(now).is_none()
    }
}
