//! Messages on the wire.

use std::borrow::Cow;

use chatcore::{
    Result,
    chat::SendMessage,
    model::{Content, EncryptedContent, Message, MessageBody, MessageStatus, MessageType, Profile, SpeakerRole},
};
use chrono::{DateTime, Utc};
use poem_openapi::{
    Enum, Object,
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Who speaks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename = "SpeakerRole", rename_all = "lowercase")]
pub(crate) enum WireSpeaker {
    /// A person.
    User,
    /// An assistant whose words the sender relays.
    Assistant,
    /// Instructions to an assistant.
    System,
}

/// What a message is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename = "MessageType", rename_all = "lowercase")]
pub(crate) enum WireMessageType {
    /// Text.
    Text,
    /// A picture.
    Image,
    /// A file.
    File,
    /// Said by the server; clients cannot send it.
    System,
}

impl From<WireSpeaker> for SpeakerRole {
    fn from(wire: WireSpeaker) -> Self {
        match wire {
            WireSpeaker::User => Self::User,
            WireSpeaker::Assistant => Self::Assistant,
            WireSpeaker::System => Self::System,
        }
    }
}

impl From<SpeakerRole> for WireSpeaker {
    fn from(model: SpeakerRole) -> Self {
        match model {
            SpeakerRole::User => Self::User,
            SpeakerRole::Assistant => Self::Assistant,
            SpeakerRole::System => Self::System,
        }
    }
}

impl From<WireMessageType> for MessageType {
    fn from(wire: WireMessageType) -> Self {
        match wire {
            WireMessageType::Text => Self::Text,
            WireMessageType::Image => Self::Image,
            WireMessageType::File => Self::File,
            WireMessageType::System => Self::System,
        }
    }
}

impl From<MessageType> for WireMessageType {
    fn from(model: MessageType) -> Self {
        match model {
            MessageType::Text => Self::Text,
            MessageType::Image => Self::Image,
            MessageType::File => Self::File,
            MessageType::System => Self::System,
        }
    }
}

/// Ciphertext with what its reader needs besides the key.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "EncryptedContent")]
pub(crate) struct WireEncrypted {
    /// The ciphertext, in the clients' own encoding.
    encrypted_data: String,
    /// The initialisation vector, in the clients' own encoding.
    iv: String,
    /// Which version of the session's key was used.
    key_version: u32,
}

/// Text, or ciphertext.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum ContentBody {
    Text(String),
    Encrypted(WireEncrypted),
}

impl<'de> Deserialize<'de> for ContentBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        // Read by hand, so that an error says what is wrong instead of that no variant matched.
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            object @ Value::Object(_) => {
                WireEncrypted::deserialize(object).map(Self::Encrypted).map_err(serde::de::Error::custom)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(serde::de::Error::custom("expected text or {encrypted_data, iv, key_version}"))
            }
        }
    }
}

impl Type for ContentBody {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "Content".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(Self::name().into_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>(Self::name().into_owned(), |registry| {
            WireEncrypted::register(registry);
            MetaSchema {
                description: Some("Text, or ciphertext that the server passes on without reading it."),
                any_of: vec![String::schema_ref(), WireEncrypted::schema_ref()],
                ..MetaSchema::ANY
            }
        });
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for ContentBody {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Self::deserialize(value.unwrap_or_default()).map_err(ParseError::custom)
    }
}

impl ToJSON for ContentBody {
    fn to_json(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }
}

/// What to say.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "SendMessage")]
pub(crate) struct MessageRequest {
    /// Who speaks; `user` where not given.
    role: Option<WireSpeaker>,
    /// What it is; `text` where not given.
    message_type: Option<WireMessageType>,
    /// What: text of 1 to 8,000 characters by default, or ciphertext.
    content: ContentBody,
    /// The sender's own name for the message, which makes a retry safe: 1 to 128 characters, unique per user and
    /// session. The header `Idempotency-Key` means the same.
    client_id: Option<String>,
}

impl MessageRequest {
    /// The message, taking the client id from the header where the body has none.
    ///
    /// # Errors
    /// As [`client_id`](super::client_id).
    pub(crate) fn translate(self, key: Option<String>) -> Result<SendMessage> {
        let Self { role, message_type, content, client_id } = self;
        let content = match content {
            ContentBody::Text(text) => Content::Text(text),
            ContentBody::Encrypted(WireEncrypted { encrypted_data, iv, key_version }) => {
                Content::Encrypted(EncryptedContent { encrypted_data, iv, key_version })
            }
        };
        let role = role.map(SpeakerRole::from).unwrap_or_default();
        let message_type = message_type.map(MessageType::from).unwrap_or_default();
        Ok(SendMessage {
            body: MessageBody { role, message_type, content },
            client_id: super::client_id(client_id, key)?,
        })
    }
}

/// A message.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Message")]
pub(crate) struct MessageResponse {
    id: String,
    session_id: String,
    /// The sender.
    user_id: String,
    username: String,
    name: String,
    role: WireSpeaker,
    message_type: WireMessageType,
    /// `null` after the message was deleted.
    #[oai(nullable)]
    content: Option<ContentBody>,
    /// Its position in the session's log.
    seq: u64,
    /// How many messages the session had with it.
    number: u64,
    created_at: DateTime<Utc>,
    /// 1 for the message as it was sent; each edit and the deletion add 1.
    revision: u64,
    /// When the message was last edited; `null` where it was not, or where it was deleted.
    #[oai(nullable)]
    edited_at: Option<DateTime<Utc>>,
    /// When the message was deleted; `null` where it was not.
    #[oai(nullable)]
    deleted_at: Option<DateTime<Utc>>,
    /// The user who deleted the message; `null` where it was not deleted.
    #[oai(nullable)]
    deleted_by: Option<String>,
}

impl From<Message> for MessageResponse {
    fn from(message: Message) -> Self {
        let Message { id, session_id, seq, number, sender, body, created_at, revision, status } = message;
        let Profile { user_id, username, name, email: _, picture: _, updated_at: _ } = sender;
        let MessageBody { role, message_type, content } = body;
        let content = match content {
            Content::Text(text) => Some(ContentBody::Text(text)),
            Content::Encrypted(EncryptedContent { encrypted_data, iv, key_version }) => {
                Some(ContentBody::Encrypted(WireEncrypted { encrypted_data, iv, key_version }))
            }
            Content::Deleted => None,
        };
        let (edited_at, deleted) = match status {
            MessageStatus::AsSent => (None, None),
            MessageStatus::Edited { at } => (Some(at), None),
            MessageStatus::Deleted { by, at } => (None, Some((by, at))),
        };
        let (deleted_by, deleted_at) = deleted.map(|(by, at)| (by.to_string(), at)).unzip();
        Self {
            id: id.to_string(),
            session_id: session_id.to_string(),
            user_id: user_id.to_string(),
            username,
            name,
            role: role.into(),
            message_type: message_type.into(),
            content,
            seq,
            number,
            created_at,
            revision,
            edited_at,
            deleted_at,
            deleted_by,
        }
    }
}
