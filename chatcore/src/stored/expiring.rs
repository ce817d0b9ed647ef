//! How far messages with a lifetime were deleted.

use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::Seq,
    store::{Json, Part, StoredValue},
};

/// The deletion of a session's messages whose lifetime is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Expiry {
    /// The position up to which no message is left.
    pub upto: Seq,
    /// The key of the work that goes on, in microseconds since the Unix epoch; `None` where messages are kept for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
}

impl StoredValue for Expiry {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
