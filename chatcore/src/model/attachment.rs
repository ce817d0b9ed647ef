//! What a message carries besides its content: references to files, and data of the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A reference to a file. The server keeps what the sender says of the file, and does not look at it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attachment {
    /// The name under which the file is kept: 1 to 128 characters, opaque to the server.
    pub id: String,
    /// The name to show: 1 to 256 characters.
    pub name: String,
    /// The media type (RFC 6838), for instance `image/png`.
    pub media_type: String,
    /// The size in bytes, up to 2^53 - 1.
    pub size: u64,
}

/// Data of the host's or the client's own: a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(pub BTreeMap<String, Value>);
