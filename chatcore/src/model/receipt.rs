//! Receipts of deliveries and reads.

use serde::{Deserialize, Serialize};

use super::{MessageId, ParticipantId, Profile, Seq, SessionId};

/// The kind of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReceiptKind {
    /// A device of the user has received everything up to a position.
    Delivered,
    /// The user has read everything up to a position.
    Read,
}

/// How far the devices of a user have received a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeliveryState {
    /// The session.
    pub session_id: SessionId,
    /// The position up to which some device of the user has received everything.
    pub delivered_upto: Seq,
}

/// Settings of a user for everything that the user does. Nobody else sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserSettings {
    /// Whether others see the user's receipts. A user without receipts sees the deliveries of messages to others, but no reads.
    pub receipts: bool,
}

impl Default for UserSettings {
    fn default() -> Self {
        Self { receipts: true }
    }
}

/// The receipt of a participant for a message, as a reader sees it. A value that the reader may not see is `false`.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageReceipt {
    /// The stay of the participant.
    pub participant_id: ParticipantId,
    /// The participant.
    pub user: Profile,
    /// Whether the message is addressed to the participant: the participant is not its author, and was in the session when it was sent.
    /// Only addressees have receipts.
    pub is_addressee: bool,
    /// Whether a device of the participant has received the message.
    pub delivered: bool,
    /// Whether the participant has read the message.
    pub read: bool,
}

/// The delivery status of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryStatus {
    /// The session has the message.
    Sent,
    /// A device of an addressee has received the message.
    Delivered,
    /// An addressee has read the message.
    Read,
}

/// The delivery status of a message and its numbers of addressees, as a reader sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MessageDelivery {
    /// The message.
    pub message_id: MessageId,
    /// The furthest status of an addressee.
    pub status: DeliveryStatus,
    /// The number of addressees: the participants that have been in the session since the message was sent, without the author.
    pub addressees: u64,
    /// The number of addressees with a delivery. An addressee who has read the message counts, too.
    pub delivered: u64,
    /// The number of addressees who have read the message.
    pub read: u64,
    /// Whether all participants were counted. In a session with more than 500 participants, only the first 500 participants count.
    pub is_exact: bool,
}
