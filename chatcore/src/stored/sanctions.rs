//! Bans and mutes, which are parts of a participant's record, and the lists of bans.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::store::{Json, Part, StoredValue};

/// The end of a ban, where a list of the banned user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BannedUntil {
    /// The end; `None` for a ban without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl StoredValue for BannedUntil {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
