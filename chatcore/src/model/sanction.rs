//! What a session's managers decide against a user: bans and mutes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Profile, UserId};

/// How long a ban or a mute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Until somebody lifts it.
    Endless,
    /// Until this time, if nobody lifts it before.
    Until(DateTime<Utc>),
}

impl From<Option<DateTime<Utc>>> for Term {
    fn from(end: Option<DateTime<Utc>>) -> Self {
        end.map_or(Self::Endless, Self::Until)
    }
}

impl Term {
    /// The end, where there is one.
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
    /// The user who decided it.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// Why, in the words of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// When it ends; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Sanction {
    /// How long it holds; `None` where it is over at this time.
    #[must_use]
    pub fn term_at(&self, now: DateTime<Utc>) -> Option<Term> {
        match self.until {
            None => Some(Term::Endless),
            Some(until) if until > now => Some(Term::Until(until)),
            Some(_) => None,
        }
    }
}

/// A ban from a session, as those who manage the session see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionBan {
    /// The banned user.
    pub user: Profile,
    /// The user who banned.
    pub banned_by: Profile,
    /// Why, in the words of that user.
    pub reason: Option<String>,
    /// When the ban began.
    pub banned_at: DateTime<Utc>,
    /// When it ends; `None` for never.
    pub until: Option<DateTime<Utc>>,
}
