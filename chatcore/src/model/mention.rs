//! Mentions of users, links, and their places in a text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use super::{InvalidId, Message, MessageId, UserId};

/// A part of a text, in Unicode scalar values, the characters of all limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The number of characters before the part.
    pub start: u32,
    /// The number of characters before the end.
    pub end: u32,
}

/// A mention of a user, or of everybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mention {
    /// The user; `None` for a mention of everybody who was in the session at the time of the mention.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored_user")]
    pub user: Option<UserId>,
    /// The place in the text; `None` for a mention outside of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

fn stored_user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UserId>, D::Error> {
    UserId::deserialize_stored(deserializer).map(Some)
}

/// A message that mentions the reader, with its place in the list of the reader's mentions.
#[derive(Debug, Clone, PartialEq)]
pub struct MentionedMessage {
    /// The cursor of the entry, after which the list continues.
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
    /// The section of the list.
    pub section: MentionSection,
}

/// A section of the list of a user's mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MentionSection {
    /// The whole list, newest first.
    All,
    /// The unread messages, newest first.
    Unread {
        /// The number of entries up to the place, inclusive.
        passed: u64,
    },
    /// The messages that the section of unread messages did not show, newest first.
    Rest {
        /// The time, in microseconds since the Unix epoch, after which the section of unread messages has shown all unread messages. 0 for
        /// all of them.
        until: u64,
    },
}

impl fmt::Display for MentionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.section {
            MentionSection::All => {}
            MentionSection::Unread { passed } => write!(f, "u{passed:x}.")?,
            MentionSection::Rest { until } => write!(f, "r{until:x}.")?,
        }
        write!(f, "{:x}-{}", self.at, self.message)
    }
}

impl FromStr for MentionCursor {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid =
            || InvalidId { kind: "place in a list of mentions", expected: "a place as the server gave it out" };
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| invalid());
        let (section, place) = match text.split_once('.') {
            None => (MentionSection::All, text),
            Some((section, place)) => match section.split_at_checked(1) {
                Some(("u", passed)) => (MentionSection::Unread { passed: number(passed)? }, place),
                Some(("r", until)) => (MentionSection::Rest { until: number(until)? }, place),
                Some(_) | None => return Err(invalid()),
            },
        };
        let (at, message) = place.split_once('-').ok_or_else(invalid)?;
        let cursor = Self { at: number(at)?, message: message.parse().map_err(|_| invalid())?, section };
        // One spelling for one place.
        if cursor.to_string() == text { Ok(cursor) } else { Err(invalid()) }
    }
}
