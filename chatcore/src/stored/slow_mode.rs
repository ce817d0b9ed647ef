//! When users sent last, in sessions with slow mode.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::store::{Json, Part, StoredValue};

/// A user's last message in a session with slow mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSend {
    /// When the user sent it.
    pub at: DateTime<Utc>,
}

impl StoredValue for LastSend {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
