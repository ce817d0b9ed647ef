//! Mentions of users, links, and their places in a text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use super::{InvalidId, Message, MessageId, UserId};

/// A part of a text, counted in Unicode scalar values: as characters are counted in all limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// How many characters stand before it.
    pub start: u32,
    /// How many characters stand before its end.
    pub end: u32,
}

/// A mention of a user, or of everybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mention {
    /// The user; `None` where it mentions everybody who was in the session when the message got it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored_user")]
    pub user: Option<UserId>,
    /// Its place in the text; `None` where the sender named it beside the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

fn stored_user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UserId>, D::Error> {
    UserId::deserialize_stored(deserializer).map(Some)
}

/// A message that mentions the reader, with its place in the list of the reader's mentions.
#[derive(Debug, Clone, PartialEq)]
pub struct MentionedMessage {
    /// Where the list goes on after it.
    pub cursor: MentionCursor,
    /// The message.
    pub message: Message,
    /// Whether the message stands after the position up to which the reader has read its session.
    pub is_unread: bool,
}

/// A place in the list of a user's mentions. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MentionCursor {
    /// The time of the message, in microseconds since the Unix epoch.
    pub at: u64,
    /// The message.
    pub message: MessageId,
}

impl fmt::Display for MentionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.at, self.message)
    }
}

impl FromStr for MentionCursor {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid =
            || InvalidId { kind: "place in a list of mentions", expected: "a place as the server gave it out" };
        let (at, message) = text.split_once('-').ok_or_else(invalid)?;
        let at = u64::from_str_radix(at, 16).map_err(|_| invalid())?;
        let cursor = Self { at, message: message.parse().map_err(|_| invalid())? };
        // One spelling for one place.
        if cursor.to_string() == text { Ok(cursor) } else { Err(invalid()) }
    }
}
