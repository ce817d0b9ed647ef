//! Settings of a user for a session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Settings of a user for a session. Nobody else sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Preferences {
    /// Whether the user wants no notifications of the session.
    pub is_muted: bool,
    /// The end of the mute; `null` for no end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    pub muted_until: Option<DateTime<Utc>>,
    /// Whether the session is one of the user's favourites.
    pub is_favourite: bool,
}

impl Preferences {
    /// The settings at a time: without a mute that has ended.
    #[must_use]
    pub fn at(self, now: DateTime<Utc>) -> Self {
        match self.muted_until {
            Some(until) if until <= now => Self { is_muted: false, muted_until: None, ..self },
            Some(_) | None => self,
        }
    }
}
