//! Messages that are being written.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{ScheduledId, UserId},
    store::{Json, Part, StoredValue},
};

/// A message that is being written, as far as its text was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamedText {
    /// The id of the writing, by which the work at its end and the list of open ones name it.
    pub id: ScheduledId,
    /// The text.
    pub text: String,
    /// When the writing began.
    pub started_at: DateTime<Utc>,
    /// When it ends where nothing more comes.
    pub ends_at: DateTime<Utc>,
    /// The key of the work at its end, in microseconds since the Unix epoch, as it was at the beginning.
    pub due: u64,
    /// Whether several processes have taken parts of it. Then each part is recorded at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shared: bool,
}

/// The messages that are being written in a session. An entry may be left of one that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OpenStreamList {
    /// The oldest first.
    pub open: Vec<OpenStream>,
}

/// A message that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStream {
    /// The id of the writing.
    pub id: ScheduledId,
    /// The author.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
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

json_values!(StreamedText, OpenStreamList);
