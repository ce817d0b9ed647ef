//! The standing of a user in the whole system.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};

use super::{LoginId, UserId};

/// The restrictions on a user's access to the whole system. The default is the standing of a user without restrictions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserStanding {
    /// The ban of the account, also an expired ban of a user who was not seen since the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<Ban>,
    /// The time of the deletion of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// The chat refuses tokens of logins that began before this time, except tokens of `kept_login`. For a token without the time of its
    /// login, the time of issue counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_before: Option<DateTime<Utc>>,
    /// The login that neither `revoked_before` nor `ended_upto` concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_login: Option<LoginId>,
    /// This login and all earlier logins have ended, except `kept_login`. Only ids with the time of the login are stored and compared here:
    /// these ids sort by that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_upto: Option<LoginId>,
    /// Logins that ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_logins: Vec<EndedLogin>,
    /// The number of blocks and unblocks by the user. After a change, processes with streams of the user read the blocks again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub blocks_changed: u64,
    /// Whether the user is a bot. A user is a bot from the beginning, or never.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_bot: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A ban of an account: the chat refuses all calls of the user, and removes the user from every session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// The reason, for the banned user.
    pub reason: String,
    /// The user who banned.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// The time of the ban.
    pub at: DateTime<Utc>,
    /// The end; `None` for no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// A login that ended before its tokens did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLogin {
    /// The login.
    pub login: LoginId,
    /// The expiry of the last token of the login: after that time the record of the login is not needed.
    pub lives_until: DateTime<Utc>,
}

impl UserStanding {
    /// The ban that holds at this time.
    #[must_use]
    pub fn banned_at(&self, now: DateTime<Utc>) -> Option<&Ban> {
        self.ban.as_ref().filter(|ban| ban.until.is_none_or(|until| until > now))
    }

    /// Whether a token of this login that was issued at this time is valid, apart from a ban.
    #[must_use]
    pub fn lets_in(&self, login: Option<LoginId>, issued_at: DateTime<Utc>) -> bool {
        let is_after = |end: DateTime<Utc>| issued_at >= end;
        let Some(login) = login else { return self.revoked_before.is_none_or(is_after) };
        if self.ended_logins.iter().any(|ended| ended.login == login) {
            return false;
        }
        if self.kept_login == Some(login) {
            return true;
        }
        let began = login.began_at();
        if began.is_some() && self.ended_upto.is_some_and(|last| login <= last) {
            return false;
        }
        // A login's id says in milliseconds when the login began, and a token says in whole seconds when the token was issued. A token that
        // a refresh issued later does not make its login younger. Only within the millisecond of the end, the token's time decides.
        self.revoked_before.is_none_or(|end| match began {
            Some(began) if began >= end => true,
            Some(began) if began < end.trunc_subsecs(3) => false,
            Some(_) | None => is_after(end),
        })
    }

    /// Whether the user may join a session at this time.
    #[must_use]
    pub fn may_enter(&self, now: DateTime<Utc>) -> bool {
        self.deleted_at.is_none() && self.banned_at(now).is_none()
    }
}
