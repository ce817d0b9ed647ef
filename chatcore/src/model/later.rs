//! Messages that wait on the server: drafts, and scheduled messages.

use chrono::{DateTime, Utc};

use super::{ClientId, Content, MessageBody, MessageId, ScheduledId, SessionId, UserId};

/// A scheduled message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledMessage {
    /// The id while the message is scheduled. The sent message has another id.
    pub id: ScheduledId,
    /// The session to which the message is sent.
    pub session_id: SessionId,
    /// The message.
    pub body: MessageBody,
    /// The message that this message answers.
    pub reply_to: Option<MessageId>,
    /// Further mentioned users, besides the users in the text.
    pub mentions: Vec<UserId>,
    /// Whether the message mentions everybody, also without `@all` in the text.
    pub mentions_everybody: bool,
    /// The client id of the message.
    pub client_id: ClientId,
    /// The send time, in microseconds.
    pub send_at: DateTime<Utc>,
    /// The time of scheduling.
    pub created_at: DateTime<Utc>,
}

/// A user's draft in a session. A user has at most one draft for each session, and only the user sees the draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The session.
    pub session_id: SessionId,
    /// The text or ciphertext.
    pub content: Content,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}
