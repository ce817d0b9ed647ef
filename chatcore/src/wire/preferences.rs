//! A user's settings for sessions on the wire.

use serde::Deserialize;

use super::{present, time::Time};
use crate::chat;

/// New settings of the caller for a session. An omitted setting does not change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetPreferences {
    /// Whether the caller wants no notifications of the session.
    #[serde(default, deserialize_with = "present")]
    is_muted: Option<bool>,
    /// The end of the mute; no end where not given. Only with `is_muted: true`.
    #[serde(default, deserialize_with = "present")]
    muted_until: Option<Time>,
    /// Whether the session is one of the caller's favourites.
    #[serde(default, deserialize_with = "present")]
    is_favourite: Option<bool>,
}

impl SetPreferences {
    /// The changes.
    #[must_use]
    pub fn command(self) -> chat::SetPreferences {
        let Self { is_muted, muted_until, is_favourite } = self;
        chat::SetPreferences { is_muted, muted_until: muted_until.map(|Time(until)| until), is_favourite }
    }
}
