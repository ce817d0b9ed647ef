//! Lists, client ids and earlier texts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{MessageBody, Seq, UserId},
    store::{Json, Part, StoredValue},
};

/// An entry of a list whose key says everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed;

impl StoredValue for Listed {
    fn encode(&self) -> Json {
        Json::Object(serde_json::Map::new())
    }

    fn decode(_: u32, _: &[Part], _: Json) -> Result<Self, String> {
        Ok(Self)
    }
}

/// A user's place in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub user: UserId,
}

impl StoredValue for Seat {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

/// The use of a client id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientIdUse {
    /// The position of the message, in records of before; later ones have it in [`Record::at`](crate::store::Record::at).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// A digest of the message, so that a retry can be told from another message. `None` once the message was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl StoredValue for ClientIdUse {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

/// An earlier text of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// What the message said.
    pub body: MessageBody,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl StoredValue for Revision {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
