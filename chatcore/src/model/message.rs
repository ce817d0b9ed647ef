//! A message in a session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Attachment, Cursor, Mention, MessageCommand, MessageId, MessageStatus, Metadata, Origin, Profile, Reaction, Reply,
    Seq, SessionId, Span, StreamState, ThreadSummary,
};

/// The speaker: a person, an assistant, or the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpeakerRole {
    /// A person.
    #[default]
    User,
    /// An assistant whose words the sender relays.
    Assistant,
    /// Instructions to an assistant.
    System,
}

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// Text.
    #[default]
    Text,
    /// A picture.
    Image,
    /// A file.
    File,
    /// A message of the server; clients cannot send this type.
    System,
}

/// The content of a message: readable text, or ciphertext that the server forwards without reading.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text, stored as sent and never rendered by the server: clients escape.
    Text(String),
    /// Ciphertext.
    Encrypted(EncryptedContent),
    /// No content: the message was deleted. Clients cannot send this content.
    Deleted,
}

/// Ciphertext with its parameters, except the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EncryptedContent {
    /// The ciphertext, in the clients' own encoding.
    pub encrypted_data: String,
    /// The initialisation vector, in the clients' own encoding.
    pub iv: String,
    /// The version of the session's key.
    pub key_version: u32,
}

/// The part of a message that its sender decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageBody {
    /// The speaker.
    pub role: SpeakerRole,
    /// The type.
    pub message_type: MessageType,
    /// The content.
    pub content: Content,
    /// The place of a reply in its thread. The server sets this field and ignores a sender's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// The mentions, in the order of the text. The server sets this field and ignores a sender's value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// The links to web pages in the text. The server sets this field and ignores a sender's value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Span>,
    /// References to files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Custom data of the host or the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// The origin of a forwarded message. The server sets this field and ignores a sender's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The progress of a streamed message. The server sets this field and ignores a sender's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamState>,
    /// The command of a bot that the message invokes. The server sets this field and ignores a sender's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<MessageCommand>,
}

impl MessageBody {
    /// A message of a person with this content.
    #[must_use]
    pub const fn new(content: Content) -> Self {
        Self {
            role: SpeakerRole::User,
            message_type: MessageType::Text,
            content,
            reply: None,
            mentions: Vec::new(),
            links: Vec::new(),
            attachments: Vec::new(),
            metadata: None,
            origin: None,
            stream: None,
            command: None,
        }
    }

    /// What the sender gave of it, without what the server sets.
    pub(crate) fn given(self) -> Self {
        let (mentions, links) = (Vec::new(), Vec::new());
        Self { reply: None, mentions, links, origin: None, stream: None, command: None, ..self }
    }

    /// Whether the message is streamed, and parts may follow.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        matches!(self.stream, Some(StreamState::Streaming))
    }

    /// The remainder after a deletion: the place of the message, without the content.
    #[must_use]
    pub fn deleted(&self) -> Self {
        let Self { role, message_type, reply, .. } = *self;
        Self { role, message_type, reply, ..Self::new(Content::Deleted) }
    }
}

impl Message {
    /// The position with its epoch: the cursor after which a page begins, or before which a page ends.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor::at(self.seq, self.created_at)
    }
}

/// An earlier content of an edited message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRevision {
    /// The message's revision with this text: 1 for the text as it was sent.
    pub revision: u64,
    /// The earlier content, with the speaker and the type.
    pub body: MessageBody,
    /// The time from which the message had this content.
    pub since: DateTime<Utc>,
}

/// A message for a reader.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The id.
    pub id: MessageId,
    /// The session.
    pub session_id: SessionId,
    /// The position in the session's log.
    pub seq: Seq,
    /// The number of messages in the session up to this message, inclusive: 1 for the first message.
    pub number: u64,
    /// The sender.
    pub sender: Profile,
    /// The content and its attributes; [`Content::Deleted`] after a deletion.
    pub body: MessageBody,
    /// The time at which the message was accepted; never before the session's previous event.
    pub created_at: DateTime<Utc>,
    /// 1 for the message as it was sent; each edit and the deletion add 1.
    pub revision: u64,
    /// Whether the message was edited or deleted.
    pub status: MessageStatus,
    /// The reactions, the earliest kind first. `None` where the message is part of an event: events are equal for every reader, and
    /// reactions have their own events.
    pub reactions: Option<Vec<Reaction>>,
    /// The replies in the thread that the message began. `None` where the message is part of an event.
    pub thread: Option<ThreadSummary>,
    /// Whether the reader has blocked the sender. `None` where the message is part of an event.
    pub sender_blocked: Option<bool>,
}
