//! Drafts, scheduled messages, and work that waits for its time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{ClientId, Content, HeldId, LoginId, MessageBody, ParticipantId, ScheduledId, Seq, SessionId, UserId},
    store::{Json, Part, StoredValue},
};

/// A message that is sent later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// The session.
    pub session: SessionId,
    /// The stay of the sender at the time of the call. A message of an earlier stay is not sent.
    pub stay: ParticipantId,
    /// The message.
    pub body: MessageBody,
    /// The position of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// Users whom it mentions beside those in its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Whether it mentions everybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mentions_everybody: bool,
    /// The client id of the message.
    pub client_id: ClientId,
    /// When it is sent.
    pub send_at: DateTime<Utc>,
    /// When it was scheduled.
    pub created_at: DateTime<Utc>,
    /// The token with which a bot scheduled it. Without that token, it is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_token: Option<LoginId>,
}

/// The scheduled message to which a client id belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledPlace {
    /// The scheduled message. It may be gone.
    pub id: ScheduledId,
    /// The fingerprint of the message.
    pub fingerprint: String,
}

/// Work that is done at a time, by any process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The work.
    pub task: DueTask,
    /// Until when the process that does it has it for itself; `None` before a process does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<DateTime<Utc>>,
}

/// What is done at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DueTask {
    /// A scheduled message is sent.
    Send {
        /// The sender.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user: UserId,
        /// The scheduled message.
        id: ScheduledId,
        /// The time of the next attempt to send a message that could not be sent at its time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<DateTime<Utc>>,
    },
    /// Messages whose lifetime is over are deleted.
    Expire {
        /// The session.
        session: SessionId,
    },
    /// The writing of a message is ended where no part came for too long. The key of the work names the writing.
    EndStream {
        /// The session.
        session: SessionId,
    },
    /// All messages of a user in a session are deleted.
    Purge {
        /// The session.
        session: SessionId,
        /// The user.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user: UserId,
    },
}

/// A text that is not sent yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftText {
    /// The text or ciphertext.
    pub content: Content,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A message that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The author.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub author: UserId,
    /// The stay of the author at the time of the call. For the author of a webhook it is the id of the webhook, which no stay has.
    pub stay: ParticipantId,
    /// The message.
    pub body: MessageBody,
    /// The position of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// Users whom it mentions beside those in its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Whether it mentions everybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mentions_everybody: bool,
    /// The client id that the author gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The fingerprint that goes with the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it waits.
    pub held_at: DateTime<Utc>,
    /// Whether a moderator approved it, and it is being sent. It cannot be rejected any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_approved: bool,
}

/// The messages of a session that wait for approval, by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldList {
    /// An entry for each message. The message of an entry may be gone.
    pub entries: Vec<HeldEntry>,
}

/// A message that waits for approval, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEntry {
    /// The held message.
    pub id: HeldId,
    /// The author.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub author: UserId,
    /// The client id that the author gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
}

macro_rules! json_values {
    ($($value:ty),*) => {$(
        impl StoredValue for $value {
            fn encode(&self) -> Json {
                to_json(self)
            }

            fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
                from_json(stored)
            }
        }
    )*};
}

json_values!(Scheduled, ScheduledPlace, Due, DraftText, Held, HeldList);
