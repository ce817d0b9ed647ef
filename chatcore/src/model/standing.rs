//! The standing of a user in the whole system.

use chrono::{DateTime, SubsecRound as _, Utc};
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
    /// Tokens of logins that began before this time are refused, but for those of `kept_login`. Where a token does not say when its
    /// login began, its time of issue counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_before: Option<DateTime<Utc>>,
    /// The login that neither `revoked_before` nor `ended_upto` concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_login: Option<LoginId>,
    /// This login and all that began before it have ended, but for `kept_login`. Only an id that says when its login began stands here,
    /// and only such ids are compared with it: they sort by that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_upto: Option<LoginId>,
    /// Logins that ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_logins: Vec<EndedLogin>,
    /// How often the user has blocked or unblocked somebody. Processes with streams of the user then read the blocks again.
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

/// A login that ended before its tokens did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLogin {
    /// The login.
    pub login: LoginId,
    /// When the last of its tokens expires: from then on nothing needs to be remembered of the login.
    pub lives_until: DateTime<Utc>,
}

impl UserStanding {
    /// The ban that holds at this time.
    #[must_use]
    pub fn banned_at(&self, now: DateTime<Utc>) -> Option<&Ban> {
        self.ban.as_ref().filter(|ban| ban.until.is_none_or(|until| until > now))
    }

    /// Whether a token of this login that was issued at this time counts. A ban is another matter.
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

    /// Whether the user may come into a session at this time.
    #[must_use]
    pub fn may_enter(&self, now: DateTime<Utc>) -> bool {
        self.deleted_at.is_none() && self.banned_at(now).is_none()
    }
}
