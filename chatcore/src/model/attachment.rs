//! Additions to the content of a message: references to files, and data of the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A reference to a file. The server stores the sender's description of the file, and does not read the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attachment {
    /// The storage name of the file: 1 to 128 characters, opaque to the server.
    pub id: String,
    /// The name to show: 1 to 256 characters.
    pub name: String,
    /// The media type (RFC 6838), for instance `image/png`.
    pub media_type: String,
    /// The size in bytes, up to 2^53 - 1.
    pub size: u64,
}

/// Custom data of the host or the client: a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(pub BTreeMap<String, Value>);
