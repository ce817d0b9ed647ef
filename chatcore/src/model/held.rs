//! Messages that wait for approval.

use chrono::{DateTime, Utc};

use super::{HeldId, MessageBody, MessageId, Profile, SessionId, UserId};

/// A message that the host's policy holds until an owner or admin of the session approves or rejects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMessage {
    /// Its id until it is sent. The message has another one.
    pub id: HeldId,
    /// The session that it is for.
    pub session_id: SessionId,
    /// The author.
    pub author: Profile,
    /// The message. The origin of a forwarded message has its place only where the reader may view it.
    pub body: MessageBody,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// Users whom it mentions besides those in its text.
    pub mentions: Vec<UserId>,
    /// Whether it mentions everybody besides the words of its text.
    pub mentions_everybody: bool,
    /// Why the policy holds it.
    pub reason: Option<String>,
    /// Since when it waits.
    pub held_at: DateTime<Utc>,
}
