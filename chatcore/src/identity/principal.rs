//! The caller of a use case.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Scope;
use crate::model::{
    LoginId, UserId,
    visible::{ends_line, is_visible, turns_text},
};

/// How far the clocks of two machines may be apart. What is this little ahead of our clock counts as now.
pub(crate) const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// A role in the whole system, apart from any session. The host gives it to a caller: it sets [`Principal::system_role`], or names the claim of
/// an issuer's tokens that does (`ClaimMap::admin`). No other claim does. An administrator gives it to an account
/// ([`Administration::set_role`](crate::Administration::set_role)).
///
/// It decides two things: who may use the [`Administration`](crate::Administration), and whether the e-mail addresses of a session's
/// participants are shown ([`may_see_address`](crate::permission::may_see_address), to callers whose role is the host's). It admits nobody to a
/// session and allows no action there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SystemRole {
    /// Uses the system.
    #[default]
    User,
    /// Runs the system.
    Admin,
}

/// Who is calling: the first argument of every use case. A frontend makes one from a token; a program that embeds the
/// chat and knows its users makes one with [`Principal::new`].
///
/// The display claims (`username`, `name`, `email`, `picture`) update the user's profile. A claim that is absent, or
/// that has no visible character, says nothing: the profile keeps what it has. Each part of a profile keeps the claim
/// with the newest [`issued_at`](Self::issued_at).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub user_id: UserId,
    /// A short handle to show.
    pub username: Option<String>,
    /// The name to show.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// An address of a picture.
    pub picture: Option<String>,
    /// What they are in the whole system. An [`Authenticator`](crate::Authenticator) of the host's own may set it.
    pub system_role: SystemRole,
    /// As of when the display claims hold. The Unix epoch stands for a time that is not known; that and a time in the
    /// future count as now.
    pub issued_at: DateTime<Utc>,
    /// The login that the caller's token descends from. When it ends, use cases are refused and streams end. `None` where
    /// the token names none.
    pub login_id: Option<LoginId>,
    /// When this ends: use cases are refused and streams end from then on. `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
    /// What the caller's token is good for; `None` for everything that the user may do.
    pub scope: Option<Arc<Scope>>,
}

impl Principal {
    /// A user of whom the host vouches, as of now and without an end.
    #[must_use]
    pub fn new(user_id: UserId) -> Self {
        Self {
            user_id,
            username: None,
            name: None,
            email: None,
            picture: None,
            system_role: SystemRole::User,
            issued_at: Utc::now(),
            login_id: None,
            expires_at: None,
            scope: None,
        }
    }

    /// The same with a scope.
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        self.scope = Some(Arc::new(scope));
        self
    }

    /// The same with a name to show.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What the display claims say at this time. Texts are trimmed, freed of characters that break or turn a line, and
    /// cut to `max_chars`.
    #[must_use]
    pub(crate) fn said(&self, max_chars: usize, now: DateTime<Utc>) -> Said {
        let clean = |text: &Option<String>| {
            let disturbs = |c: char| c.is_control() || ends_line(c) || turns_text(c);
            let text: String = text.as_deref()?.chars().filter(|c| !disturbs(*c)).collect();
            let text: String = text.trim().chars().take(max_chars).collect();
            is_visible(&text).then(|| text.trim_end().to_owned())
        };
        let is_known = self.issued_at > DateTime::UNIX_EPOCH && self.issued_at <= now + LEEWAY;
        Said {
            username: clean(&self.username),
            name: clean(&self.name),
            email: clean(&self.email),
            picture: clean(&self.picture),
            as_of: is_known.then(|| self.issued_at.trunc_subsecs(6)),
            now: now.trunc_subsecs(6),
        }
    }
}

/// What the display claims of a caller say. `None` says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) username: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) picture: Option<String>,
    /// As of when; `None` where that cannot be told.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// When they are shown.
    pub(crate) now: DateTime<Utc>,
}
