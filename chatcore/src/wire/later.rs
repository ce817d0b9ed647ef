//! Drafts and scheduled messages in JSON.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::message::Said;
use crate::{
    chat,
    error::Result,
    model::{
        ClientId, Content, Draft, MessageBody, MessageId, MessageType, ScheduledId, ScheduledMessage, SessionId,
        SpeakerRole,
    },
};

/// A message that waits for its time.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ScheduledMessage"))]
struct ScheduledView<'a> {
    /// Its id until it is sent. The message has another one.
    id: ScheduledId,
    session_id: SessionId,
    role: SpeakerRole,
    message_type: MessageType,
    /// The text or ciphertext.
    content: &'a Content,
    /// The message that it answers; `null` where it answers none.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    reply_to: Option<MessageId>,
    /// The client id that the message has.
    client_id: &'a ClientId,
    /// When it is sent.
    send_at: DateTime<Utc>,
    /// When it was scheduled.
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a ScheduledMessage> for ScheduledView<'a> {
    fn from(scheduled: &'a ScheduledMessage) -> Self {
        let ScheduledMessage { id, session_id, body, reply_to, client_id, send_at, created_at } = scheduled;
        let MessageBody { role, message_type, content, .. } = body;
        Self {
            id: *id,
            session_id: *session_id,
            role: *role,
            message_type: *message_type,
            content,
            reply_to: *reply_to,
            client_id,
            send_at: *send_at,
            created_at: *created_at,
        }
    }
}

/// A text that the caller has not sent yet.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Draft"))]
struct DraftView<'a> {
    session_id: SessionId,
    /// The text or ciphertext.
    content: &'a Content,
    /// When it was last changed.
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

/// A message, and when it is sent.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScheduleMessage {
    /// Who speaks; `user` where not given.
    role: Option<SpeakerRole>,
    /// What it is; `text` where not given.
    message_type: Option<MessageType>,
    /// What: text of 1 to 8,000 characters by default, or ciphertext.
    content: Said,
    /// The message of the session that it answers.
    reply_to: Option<MessageId>,
    /// The sender's own name for the message: 1 to 128 characters, unique per user and session. A message whose client id was used is not
    /// sent again. The header `Idempotency-Key` means the same.
    client_id: Option<String>,
    /// When it is sent: at most 366 days from now by default.
    send_at: DateTime<Utc>,
}

impl ScheduleMessage {
    /// The message and its time. `key` is the client id that stands beside the body, like the header `Idempotency-Key` of HTTP.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when the client id is not valid, or when the body and `key` name two.
    pub fn command(self, key: Option<String>) -> Result<chat::ScheduleMessage> {
        let Self { role, message_type, content: Said(content), reply_to, client_id, send_at } = self;
        let body = MessageBody {
            role: role.unwrap_or_default(),
            message_type: message_type.unwrap_or_default(),
            ..MessageBody::new(content)
        };
        let client_id = super::client_id(client_id, key)?;
        let message = chat::SendMessage { client_id, reply_to, ..chat::SendMessage::new(body) };
        Ok(chat::ScheduleMessage { message, send_at })
    }
}

/// A text to keep until it is sent.
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
