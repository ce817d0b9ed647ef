//! Receipts on the wire, and the settings of users.

use serde::{Deserialize, Serialize};

use super::present;
use crate::{
    chat,
    model::{MessageReceipt, ParticipantId, Profile, Seq, UserId},
};

/// The receipt of a participant for a message. A value that the caller may not see is `false`.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "MessageReceipt"))]
struct ReceiptView<'a> {
    /// The participant: the value of `after` for the next page.
    participant_id: ParticipantId,
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the user is a bot.
    is_bot: bool,
    /// The address of the user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    /// Whether the message is addressed to the participant: the participant is not its author, and was in the session when it was sent.
    /// Only addressees have receipts.
    is_addressee: bool,
    /// Whether a device of the participant has received the message.
    delivered: bool,
    /// Whether the participant has read the message.
    read: bool,
}

impl<'a> From<&'a MessageReceipt> for ReceiptView<'a> {
    fn from(receipt: &'a MessageReceipt) -> Self {
        let MessageReceipt { participant_id, user, is_addressee, delivered, read } = receipt;
        let Profile { user_id, username, name, email: _, picture, updated_at: _, is_bot } = user;
        Self {
            participant_id: *participant_id,
            user_id,
            username,
            name,
            is_bot: *is_bot,
            avatar_url: picture.as_deref(),
            is_addressee: *is_addressee,
            delivered: *delivered,
            read: *read,
        }
    }
}

shown_as! {
    MessageReceipt => ReceiptView;
}

/// The position up to which a device has received a session.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeDelivery {
    /// A position of the session's log, from 1 on. The device has received everything up to the position.
    pub seq: Seq,
}

/// New settings of the caller. An omitted setting does not change.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetUserSettings {
    /// Whether others see the caller's receipts. A caller without receipts sees the deliveries of messages to others, but no reads.
    #[serde(default, deserialize_with = "present")]
    receipts: Option<bool>,
}

impl SetUserSettings {
    /// The changes.
    #[must_use]
    pub fn command(self) -> chat::SetUserSettings {
        let Self { receipts } = self;
        chat::SetUserSettings { receipts }
    }
}
