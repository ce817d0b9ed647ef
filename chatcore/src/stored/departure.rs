//! Work on a user's sessions after a change of the user's standing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{RemovalReason, UserId},
    store::{Json, Part, StoredValue},
};

/// Work on all sessions of a user that is not done yet. Any process continues it once the lease is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// The work.
    pub task: DepartureTask,
    /// Until when the process that works on it has it for itself.
    pub leased_until: DateTime<Utc>,
}

/// What is done in the sessions of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepartureTask {
    /// The user is removed from each session.
    Remove {
        /// The actor of the events.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        by: UserId,
        /// The reason in the events.
        reason: RemovalReason,
    },
    /// The user becomes the owner again of each session that a removal left without its owner.
    Restore,
}

impl StoredValue for Departure {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
