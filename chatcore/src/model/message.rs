//! A message: what someone said.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Attachment, Cursor, Mention, MessageCommand, MessageId, MessageStatus, Metadata, Origin, Profile, Reaction, Reply,
    Seq, SessionId, Span, StreamState, ThreadSummary,
};

/// Who speaks: a person, an assistant, or the system.
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

/// What a message is.
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
    /// Said by the server; clients cannot send it.
    System,
}

/// What a message says: readable text, or ciphertext that the server passes on without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text, stored as sent and never rendered by the server: clients escape.
    Text(String),
    /// Ciphertext.
    Encrypted(EncryptedContent),
    /// None: the message was deleted. It cannot be sent.
    Deleted,
}

/// Ciphertext with what its reader needs besides the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EncryptedContent {
    /// The ciphertext, in the clients' own encoding.
    pub encrypted_data: String,
    /// The initialisation vector, in the clients' own encoding.
    pub iv: String,
    /// Which version of the session's key was used.
    pub key_version: u32,
}

/// The part of a message that its sender decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageBody {
    /// Who speaks.
    pub role: SpeakerRole,
    /// What it is.
    pub message_type: MessageType,
    /// What it says.
    pub content: Content,
    /// Its place where it is a reply. The server sets it: what a sender gives here is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// Its mentions, in the order of the text. The server sets it: what a sender gives here is not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// The links to web pages in its text. The server sets it: what a sender gives here is not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Span>,
    /// References to files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Data of the host's or the client's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Where it comes from, where it was forwarded. The server sets it: what a sender gives here is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// How far its writing has come, where it is streamed. The server sets it: what a sender gives here is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamState>,
    /// The command of a bot that it invokes. The server sets it: what a sender gives here is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<MessageCommand>,
}

impl MessageBody {
    /// What a person says.
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

    /// Whether it is streamed, and parts may follow.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        matches!(self.stream, Some(StreamState::Streaming))
    }

    /// What stays of it after a deletion: its place, without what it said.
    #[must_use]
    pub fn deleted(&self) -> Self {
        let Self { role, message_type, reply, .. } = *self;
        Self { role, message_type, reply, ..Self::new(Content::Deleted) }
    }
}

impl Message {
    /// Its position with its epoch: what a page begins after, or ends before.
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
    /// When it began to say so.
    pub since: DateTime<Utc>,
}

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its address.
    pub id: MessageId,
    /// The session.
    pub session_id: SessionId,
    /// Its position in the session's log.
    pub seq: Seq,
    /// How many messages the session had with it: 1 for the first.
    pub number: u64,
    /// Who sent it.
    pub sender: Profile,
    /// What was said; [`Content::Deleted`] after a deletion.
    pub body: MessageBody,
    /// When it was accepted; never before the session's previous event.
    pub created_at: DateTime<Utc>,
    /// 1 for the message as it was sent; each edit and the deletion add 1.
    pub revision: u64,
    /// Whether it was edited or deleted.
    pub status: MessageStatus,
    /// The reactions, the earliest kind first. `None` where the message is part of an event: events suit every reader, and reactions
    /// have events of their own.
    pub reactions: Option<Vec<Reaction>>,
    /// The replies in the thread that the message began. `None` where the message is part of an event.
    pub thread: Option<ThreadSummary>,
    /// Whether the reader has blocked the sender. `None` where the message is part of an event.
    pub sender_blocked: Option<bool>,
}
