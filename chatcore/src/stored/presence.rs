//! Presence: what users chose, when they were seen, and the processes that they are connected to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{Availability, StatusText, UserId},
    store::{Json, Part, StoredValue},
};

/// What a user chose about presence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PresenceChoice {
    /// What others see while a device is connected.
    #[serde(default)]
    pub availability: Availability,
    /// The user's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<StatusText>,
    /// Whether the user appears offline.
    #[serde(default)]
    pub is_hidden: bool,
}

/// When a user was seen last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSeen {
    /// When the last device of the user in a process was gone.
    pub at: DateTime<Utc>,
}

/// The sign of life of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessBeat {
    /// When it was given.
    pub at: DateTime<Utc>,
    /// When the process counts as crashed, where no later sign comes.
    pub until: DateTime<Utc>,
    /// The number of times that the process recorded changes.
    pub turn: u64,
    /// The last changes, the earliest first. Processes that share no notifier with this one find them here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<PresenceChanges>,
}

/// Users whose presence changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceChanges {
    /// The turn in which they were recorded.
    pub turn: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// The users who came or went.
    #[serde(default, deserialize_with = "users", skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<UserId>,
    /// The users who chose something else.
    #[serde(default, deserialize_with = "users", skip_serializing_if = "Vec::is_empty")]
    pub chose: Vec<UserId>,
}

/// A user's connection to a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// When the first device of the user came.
    pub since: DateTime<Utc>,
}

/// Reads the ids of users. An earlier version may have let in ids that this one refuses.
fn users<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<UserId>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| UserId::from_stored(text).map_err(serde::de::Error::custom)).collect()
}

macro_rules! stored_as_they_are {
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

stored_as_they_are! { PresenceChoice, LastSeen, ProcessBeat, Connection }
