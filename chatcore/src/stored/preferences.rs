//! Settings of users for sessions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::Preferences,
    store::{Json, Part, StoredValue},
};

/// The settings of a user for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferenceRecord {
    /// Whether the user wants no notifications.
    pub is_muted: bool,
    /// When the mute ends; `None` for one without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<DateTime<Utc>>,
    /// Whether the session is a favourite.
    pub is_favourite: bool,
}

impl From<Preferences> for PreferenceRecord {
    fn from(Preferences { is_muted, muted_until, is_favourite }: Preferences) -> Self {
        Self { is_muted, muted_until, is_favourite }
    }
}

impl From<PreferenceRecord> for Preferences {
    fn from(PreferenceRecord { is_muted, muted_until, is_favourite }: PreferenceRecord) -> Self {
        Self { is_muted, muted_until, is_favourite }
    }
}

impl StoredValue for PreferenceRecord {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
