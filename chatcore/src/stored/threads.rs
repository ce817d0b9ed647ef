//! Threads: the replies to a message.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::Seq,
    store::{Json, Part, StoredValue},
};

/// The replies to a message, counted. Its version guards the number.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ThreadRecord {
    /// The number of replies that are not deleted.
    pub replies: u64,
    /// The number of replies, with those that were deleted.
    pub total: u64,
    /// The last reply that is not deleted; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastReplyRecord>,
}

/// The last reply of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReplyRecord {
    /// The position of the reply; `None` for the one in whose change this was written, which has the position in
    /// [`Record::at`](crate::store::Record::at).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// When it was sent.
    pub at: DateTime<Utc>,
}

/// An entry of the list of a session's threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadEntry {
    /// The position of the message that began the thread.
    pub root: Seq,
}

impl StoredValue for ThreadRecord {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl StoredValue for ThreadEntry {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
