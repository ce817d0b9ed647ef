//! Attachments on the wire.

use serde::Deserialize;

use crate::model::Attachment;

/// A reference to a file, as its sender gives it.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct NewAttachment {
    /// The storage name of the file: 1 to 128 characters, opaque to the server.
    id: String,
    /// The name to show: 1 to 256 characters.
    name: String,
    /// The media type (RFC 6838), for instance `image/png`.
    media_type: String,
    /// The size in bytes, up to 2^53 - 1.
    size: u64,
}

impl From<NewAttachment> for Attachment {
    fn from(attachment: NewAttachment) -> Self {
        let NewAttachment { id, name, media_type, size } = attachment;
        Self { id, name, media_type, size }
    }
}

/// The attachments of a message that is sent or edited.
pub(super) fn given(attachments: Vec<NewAttachment>) -> Vec<Attachment> {
    attachments.into_iter().map(Attachment::from).collect()
}
