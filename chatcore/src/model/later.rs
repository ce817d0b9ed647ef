//! Messages that wait on the server: drafts, and messages that are sent at a time.

use chrono::{DateTime, Utc};

use super::{ClientId, Content, MessageBody, MessageId, ScheduledId, SessionId};

/// A message that is sent later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledMessage {
    /// Its id until it is sent. The message has another one.
    pub id: ScheduledId,
    /// The session that it is sent to.
    pub session_id: SessionId,
    /// The message.
    pub body: MessageBody,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// The client id that the message has.
    pub client_id: ClientId,
    /// When it is sent, in microseconds.
    pub send_at: DateTime<Utc>,
    /// When it was scheduled.
    pub created_at: DateTime<Utc>,
}

/// A text that a user has not sent yet. A user has at most one for each session, and only the user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The session.
    pub session_id: SessionId,
    /// The text or ciphertext.
    pub content: Content,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}
