//! How far users have read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::Seq,
    store::{Json, Part, StoredValue},
};

/// How far a user has read a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMarker {
    /// The position.
    pub seq: Seq,
    /// How many messages the log holds up to the position.
    pub number: u64,
    /// The user's own messages up to this position do not count as a sign that the user has read what stands before them: the user marked
    /// messages as unread when the log ended there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub own_upto: Seq,
    /// The highest position that the marker ever had, where that is beyond `seq`: the user marked messages as unread. A receipt does not go
    /// back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seen_upto: Seq,
    /// When the user moved it.
    pub at: DateTime<Utc>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(seq: &Seq) -> bool {
    *seq == 0
}

impl ReadMarker {
    /// The highest position that the user ever marked as read.
    #[must_use]
    pub fn highest(&self) -> Seq {
        self.seq.max(self.seen_upto)
    }
}

impl StoredValue for ReadMarker {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
