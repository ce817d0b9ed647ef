//! Bans and mutes in a session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Profile, UserId};

/// The duration of a ban or a mute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// The sanction holds until a user lifts the sanction.
    Endless,
    /// The sanction holds until this time, or until a user lifts the sanction.
    Until(DateTime<Utc>),
}

impl From<Option<DateTime<Utc>>> for Term {
    fn from(end: Option<DateTime<Utc>>) -> Self {
        end.map_or(Self::Endless, Self::Until)
    }
}

impl Term {
    /// The end; `None` for no end.
    #[must_use]
    pub const fn end(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Endless => None,
            Self::Until(end) => Some(end),
        }
    }
}

/// A ban or a mute of a user in one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sanction {
    /// The user who decided the sanction.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// The reason, in the words of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The time of the decision.
    pub at: DateTime<Utc>,
    /// The end; `None` for no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Sanction {
    /// The duration; `None` for a sanction that is over at this time.
    #[must_use]
    pub fn term_at(&self, now: DateTime<Utc>) -> Option<Term> {
        match self.until {
            None => Some(Term::Endless),
            Some(until) if until > now => Some(Term::Until(until)),
            Some(_) => None,
        }
    }
}

/// A ban from a session, for users who manage the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionBan {
    /// The banned user.
    pub user: Profile,
    /// The user who banned.
    pub banned_by: Profile,
    /// The reason, in the words of that user.
    pub reason: Option<String>,
    /// When the ban began.
    pub banned_at: DateTime<Utc>,
    /// The end; `None` for no end.
    pub until: Option<DateTime<Utc>>,
}
