//! Messages that wait for approval.

use chrono::{DateTime, Utc};

use super::{HeldId, MessageBody, MessageId, Profile, SessionId, UserId};

/// A message that the host's policy holds until an owner or admin of the session approves or rejects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMessage {
    /// The id while the message is held. The sent message has another id.
    pub id: HeldId,
    /// The session of the message.
    pub session_id: SessionId,
    /// The author.
    pub author: Profile,
    /// The message. The origin of a forwarded message names the original message only where the reader may view that message.
    pub body: MessageBody,
    /// The message that this message answers.
    pub reply_to: Option<MessageId>,
    /// Further mentioned users, besides the users in the text.
    pub mentions: Vec<UserId>,
    /// Whether the message mentions everybody, also without `@all` in the text.
    pub mentions_everybody: bool,
    /// The reason of the policy.
    pub reason: Option<String>,
    /// The time at which the policy held the message.
    pub held_at: DateTime<Utc>,
}
