//! How far sessions came to users, and the settings of users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{Seq, UserSettings},
    store::{Json, Part, StoredValue},
};

/// How far the devices of a user have received a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryMarker {
    /// The position.
    pub seq: Seq,
    /// When a device said so.
    pub at: DateTime<Utc>,
}

impl StoredValue for DeliveryMarker {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

/// The settings of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSettingsRecord {
    /// Whether others see the user's receipts.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub receipts: bool,
}

pub(super) const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) const fn is_yes(value: &bool) -> bool {
    *value
}

impl From<UserSettings> for UserSettingsRecord {
    fn from(UserSettings { receipts }: UserSettings) -> Self {
        Self { receipts }
    }
}

impl From<UserSettingsRecord> for UserSettings {
    fn from(UserSettingsRecord { receipts }: UserSettingsRecord) -> Self {
        Self { receipts }
    }
}

impl StoredValue for UserSettingsRecord {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
