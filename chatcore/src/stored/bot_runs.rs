//! How far a bot has come, and which process runs it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{from_json, to_json};
use crate::{
    model::Seq,
    store::{Json, Part, StoredValue},
};

/// How far a bot has handled the events of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotCursor {
    /// The position up to which each event was handled, or called no handler, or was given up.
    pub seq: Seq,
}

/// The process that runs a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotLease {
    /// The run of the bot. Each start has another id.
    pub holder: Uuid,
    /// When another process may run the bot.
    pub until: DateTime<Utc>,
}

macro_rules! json_values {
    ($($value:ty),*) => {$(
        impl StoredValue for $value {
            fn encode(&self) -> Json {
                to_json(self)
            }

            fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
                from_json(stored)
            }
        }
    )*};
}

json_values!(BotCursor, BotLease);
