//! Bots, their commands and their tokens.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{BotCommand, LoginId, SessionId, UserId},
    store::{Json, Part, StoredValue},
};

/// The commands that a bot offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CommandList {
    /// The commands, in the order that the bot gave them.
    pub commands: Vec<BotCommand>,
}

/// A bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotRecord {
    /// The user who created it, and who manages it.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub owner: UserId,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Its tokens, the oldest first. A token that is revoked has no entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<BotTokenRecord>,
}

/// A token of a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotTokenRecord {
    /// Its id: the login that principals of the token have.
    pub id: LoginId,
    /// The SHA-256 digest of the token. The token itself is kept nowhere.
    pub digest: String,
    /// What the owner calls it.
    pub name: String,
    /// The sessions that it is for; absent for all of the bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<SessionId>>,
    /// The names of the actions that it is for; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it ends; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// The bots of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OwnedBotList {
    /// The bots, the oldest first.
    pub bots: Vec<OwnedBot>,
}

/// A bot in the list of its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedBot {
    /// The bot.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub id: UserId,
}

/// The bot to which a token belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotTokenPlace {
    /// The bot.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub bot: UserId,
}

/// When a token was last shown, to within a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotTokenUse {
    /// The time.
    pub at: DateTime<Utc>,
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

json_values!(CommandList, BotRecord, OwnedBotList, BotTokenPlace, BotTokenUse);
