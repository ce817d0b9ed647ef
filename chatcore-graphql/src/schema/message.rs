//! Messages.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};
use chatcore::model::{self, Content, MessageStatus};

use super::{
    Fallible as _,
    load::Loads,
    scalar::{DateTime, Long},
    session::Session,
    user::User,
};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::SpeakerRole")]
pub(super) enum SpeakerRole {
    /// A person.
    User,
    /// An assistant whose words the sender relays.
    Assistant,
    /// Instructions to an assistant.
    System,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::MessageType")]
pub(super) enum MessageType {
    /// Text.
    Text,
    /// A picture.
    Image,
    /// A file.
    File,
    /// Said by the server; clients cannot send it.
    System,
}

/// Content that only its readers can read. The server passes it on as it is.
#[derive(Debug, Clone, SimpleObject, InputObject)]
#[graphql(input_name = "EncryptedContentInput")]
pub(super) struct EncryptedContent {
    /// The ciphertext.
    pub(super) encrypted_data: String,
    /// The initialisation vector.
    pub(super) iv: String,
    /// The version of the key.
    pub(super) key_version: u32,
}

/// An earlier content of an edited message.
#[derive(Debug, Clone)]
pub(super) struct MessageRevision(model::MessageRevision);

/// An earlier content of an edited message.
#[Object]
impl MessageRevision {
    /// The revision of the message with this content: 1 for the message as it was sent.
    async fn revision(&self) -> Long {
        Long(self.0.revision)
    }

    /// The text; null where it is encrypted.
    #[graphql(complexity = 40)]
    async fn content(&self) -> Option<&str> {
        text(&self.0.body.content)
    }

    /// The ciphertext; null where the content is text.
    #[graphql(complexity = "child_complexity + 40")]
    async fn encrypted_content(&self) -> Option<EncryptedContent> {
        ciphertext(&self.0.body.content)
    }

    /// When the message began to have this content.
    async fn since(&self) -> DateTime {
        DateTime(self.0.since)
    }
}

const fn text(content: &Content) -> Option<&str> {
    match content {
        Content::Text(text) => Some(text.as_str()),
        Content::Encrypted(_) | Content::Deleted => None,
    }
}

fn ciphertext(content: &Content) -> Option<EncryptedContent> {
    match content {
        Content::Text(_) | Content::Deleted => None,
        Content::Encrypted(model::EncryptedContent { encrypted_data, iv, key_version }) => {
            Some(EncryptedContent { encrypted_data: encrypted_data.clone(), iv: iv.clone(), key_version: *key_version })
        }
    }
}

/// A message, with what its session can be loaded by.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) message: model::Message,
    pub(super) loads: Arc<Loads>,
}

/// What somebody said.
#[Object]
impl Message {
    /// The id.
    pub(super) async fn id(&self) -> ID {
        ID(self.message.id.to_string())
    }

    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.message.session_id.to_string())
    }

    /// The session, as a list shows it.
    async fn session(&self) -> async_graphql::Result<Option<Session>> {
        let summary = self.loads.session(self.message.session_id).await.or_field_error()?;
        Ok(Some(Session::listed(summary, Arc::clone(&self.loads))))
    }

    /// Its position in the session's log.
    async fn seq(&self) -> Long {
        Long(self.message.seq)
    }

    /// How many messages the session had with it.
    async fn number(&self) -> Long {
        Long(self.message.number)
    }

    /// Who sent it.
    async fn sender(&self) -> User {
        User(self.message.sender.clone())
    }

    /// Who speaks in it.
    async fn role(&self) -> SpeakerRole {
        self.message.body.role.into()
    }

    /// What it is.
    async fn message_type(&self) -> MessageType {
        self.message.body.message_type.into()
    }

    /// The text; null where the message is encrypted, or was deleted.
    #[graphql(complexity = 40)]
    async fn content(&self) -> Option<&str> {
        text(&self.message.body.content)
    }

    /// The ciphertext; null where the message is text, or was deleted.
    #[graphql(complexity = "child_complexity + 40")]
    async fn encrypted_content(&self) -> Option<EncryptedContent> {
        ciphertext(&self.message.body.content)
    }

    /// When it was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.message.created_at)
    }

    /// 1 for the message as it was sent; each edit and the deletion add 1.
    async fn revision(&self) -> Long {
        Long(self.message.revision)
    }

    /// The earlier contents, oldest first, without the present one. For owners and admins; null with an error for others.
    #[graphql(complexity = "10 * child_complexity + 40")]
    async fn revisions(&self) -> async_graphql::Result<Option<Vec<MessageRevision>>> {
        let found = self.loads.revisions(self.message.id).await.or_field_error()?;
        Ok(Some(found.into_iter().map(MessageRevision).collect()))
    }

    /// When the message was last edited; null where it was not, or where it was deleted.
    async fn edited_at(&self) -> Option<DateTime> {
        match self.message.status {
            MessageStatus::Edited { at } => Some(DateTime(at)),
            MessageStatus::AsSent | MessageStatus::Deleted { .. } => None,
        }
    }

    /// When the message was deleted; null where it was not.
    async fn deleted_at(&self) -> Option<DateTime> {
        match self.message.status {
            MessageStatus::Deleted { by: _, at } => Some(DateTime(at)),
            MessageStatus::AsSent | MessageStatus::Edited { .. } => None,
        }
    }

    /// The id of the user who deleted the message; null where it was not deleted.
    async fn deleted_by(&self) -> Option<ID> {
        match &self.message.status {
            MessageStatus::Deleted { by, at: _ } => Some(ID(by.to_string())),
            MessageStatus::AsSent | MessageStatus::Edited { .. } => None,
        }
    }
}
