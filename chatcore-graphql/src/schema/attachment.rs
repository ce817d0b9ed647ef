//! Attachments and metadata of messages.

use async_graphql::{InputObject, SimpleObject};
use chatcore::model;

use super::scalar::Long;

/// A reference to a file. The server stores the sender's description of the file, and does not read the file.
#[derive(Debug, Clone, SimpleObject, InputObject)]
#[graphql(input_name = "AttachmentInput")]
pub(super) struct Attachment {
    /// The storage name of the file: 1 to 128 characters, opaque to the server.
    id: String,
    /// The name to show: 1 to 256 characters.
    name: String,
    /// The media type (RFC 6838), for instance `image/png`.
    media_type: String,
    /// The size in bytes.
    size: Long,
}

impl From<&model::Attachment> for Attachment {
    fn from(attachment: &model::Attachment) -> Self {
        let model::Attachment { id, name, media_type, size } = attachment.clone();
        Self { id, name, media_type, size: Long(size) }
    }
}

impl From<Attachment> for model::Attachment {
    fn from(attachment: Attachment) -> Self {
        let Attachment { id, name, media_type, size: Long(size) } = attachment;
        Self { id, name, media_type, size }
    }
}

/// The attachments of an input.
pub(super) fn given(attachments: Vec<Attachment>) -> Vec<model::Attachment> {
    attachments.into_iter().map(model::Attachment::from).collect()
}
