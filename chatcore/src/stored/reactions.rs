//! Reactions to messages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::Emoji,
    store::{Json, Part, StoredValue},
};

/// The kinds of reactions to a message. One record holds them all, so that its version guards their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReactionTotals {
    /// The kinds, the earliest first. A kind without a reaction is left out.
    pub kinds: Vec<ReactionTotal>,
}

/// The number of reactions of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionTotal {
    /// The emoji.
    pub emoji: Emoji,
    /// How many users reacted with it.
    pub count: u64,
}

/// A user's reaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reacted {
    /// When the user reacted.
    pub at: DateTime<Utc>,
}

impl StoredValue for ReactionTotals {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl StoredValue for Reacted {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
