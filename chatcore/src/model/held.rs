//! Messages that wait for approval.

use chrono::{DateTime, Utc};

use super::{HeldId, MessageBody, MessageId, Profile, SessionId};

/// A message that the host's policy holds until an owner or admin of the session approves or rejects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMessage {
    /// Its id until it is sent. The message has another one.
    pub id: HeldId,
    /// The session that it is for.
    pub session_id: SessionId,
    /// The author.
    pub author: Profile,
    /// The message.
    pub body: MessageBody,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// Why the policy holds it.
    pub reason: Option<String>,
    /// Since when it waits.
    pub held_at: DateTime<Utc>,
}
