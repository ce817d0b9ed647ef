//! Drafts and scheduled messages in JSON.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    attachment::{self, NewAttachment},
    message::{Said, users},
    time::Time,
};
use crate::{
    chat,
    error::Result,
    model::{
        Attachment, ClientId, Content, Draft, MessageBody, MessageId, MessageType, Metadata, ScheduledId,
        ScheduledMessage, SessionId, SpeakerRole, UserId,
    },
};

/// A scheduled message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ScheduledMessage"))]
struct ScheduledView<'a> {
    /// The id while the message is scheduled. The sent message has another id.
    id: ScheduledId,
    session_id: SessionId,
    role: SpeakerRole,
    message_type: MessageType,
    /// The text or ciphertext.
    content: &'a Content,
    /// The message that this message answers; `null` for a message that answers none.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    reply_to: Option<MessageId>,
    /// Further mentioned users, besides the users named in the text.
    mentions: &'a [UserId],
    /// Whether the message mentions everybody, also without `@all` in the text.
    mentions_everybody: bool,
    /// The files that the message refers to.
    attachments: &'a [Attachment],
    /// Custom data of the host or the client; `null` where there are none.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    metadata: Option<&'a Metadata>,
    /// The client id of the message.
    client_id: &'a ClientId,
    /// The send time.
    send_at: DateTime<Utc>,
    /// The time of scheduling.
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a ScheduledMessage> for ScheduledView<'a> {
    fn from(scheduled: &'a ScheduledMessage) -> Self {
        let ScheduledMessage {
            id,
            session_id,
            body,
            reply_to,
            mentions,
            mentions_everybody,
            client_id,
            send_at,
            created_at,
        } = scheduled;
        let MessageBody { role, message_type, content, attachments, metadata, .. } = body;
        Self {
            id: *id,
            session_id: *session_id,
            role: *role,
            message_type: *message_type,
            content,
            reply_to: *reply_to,
            mentions,
            mentions_everybody: *mentions_everybody,
            attachments,
            metadata: metadata.as_ref(),
            client_id,
            send_at: *send_at,
            created_at: *created_at,
        }
    }
}

/// The caller's draft in a session.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Draft"))]
struct DraftView<'a> {
    session_id: SessionId,
    /// The text or ciphertext.
    content: &'a Content,
    /// The time of the last change.
    updated_at: DateTime<Utc>,
}

impl<'a> From<&'a Draft> for DraftView<'a> {
    fn from(draft: &'a Draft) -> Self {
        let Draft { session_id, content, updated_at } = draft;
        Self { session_id: *session_id, content, updated_at: *updated_at }
    }
}

shown_as! {
    ScheduledMessage => ScheduledView;
    Draft => DraftView;
}

/// A message and its send time.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScheduleMessage {
    /// The speaker; `user` where not given.
    role: Option<SpeakerRole>,
    /// The type of the message; `text` where not given.
    message_type: Option<MessageType>,
    /// The content: text of 1 to 8,000 characters by default, or ciphertext.
    content: Said,
    /// The message that this message answers, in the same session.
    reply_to: Option<MessageId>,
    /// The ids of further mentioned users, besides the users that the text names with `@` and a user name: at most 50. The server leaves
    /// out users who are not in the session.
    #[serde(default)]
    mentions: Vec<String>,
    /// Whether the message mentions everybody in the session, like `@all` in the text. For owners and admins.
    mentions_everybody: Option<bool>,
    /// The files that the message refers to, at most 10. A message with files may have an empty text.
    #[serde(default)]
    attachments: Vec<NewAttachment>,
    /// Custom data of the host or the client: an object of at most 4,096 bytes of JSON with at most 8 levels.
    metadata: Option<Metadata>,
    /// The sender's idempotency key for the message: 1 to 128 characters, unique per user and session. A retry with the same key returns the
    /// scheduled message, and the server sends no second message with the same key. The header `Idempotency-Key` means the same.
    client_id: Option<String>,
    /// The send time: at most 366 days from now by default.
    send_at: Time,
}

impl ScheduleMessage {
    /// The message and its time. `key` is the client id that stands beside the body, like the header `Idempotency-Key` of HTTP.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when an id is not valid, or when the body and `key` name different client ids.
    pub fn command(self, key: Option<String>) -> Result<chat::ScheduleMessage> {
        let Self {
            role,
            message_type,
            content: Said(content),
            reply_to,
            mentions,
            mentions_everybody,
            attachments,
            metadata,
            client_id,
            send_at: Time(send_at),
        } = self;
        let (role, message_type) = (role.unwrap_or_default(), message_type.unwrap_or_default());
        let attachments = attachment::given(attachments);
        let body = MessageBody { role, message_type, attachments, metadata, ..MessageBody::new(content) };
        let message = chat::SendMessage {
            client_id: super::client_id(client_id, key)?,
            reply_to,
            mentions: users(mentions)?,
            mentions_everybody: mentions_everybody.unwrap_or(false),
            ..chat::SendMessage::new(body)
        };
        Ok(chat::ScheduleMessage { message, send_at })
    }
}

/// A draft to save.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetDraft {
    /// Text of 1 to 8,000 characters by default, or ciphertext.
    content: Said,
}

impl SetDraft {
    /// The content.
    #[must_use]
    pub fn command(self) -> Content {
        self.content.0
    }
}
