//! Reactions: one user's emoji on a message.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidId, Profile};

/// An emoji of Unicode, fully qualified: two spellings of one emoji are equal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Emoji(Arc<str>);

impl Emoji {
    /// Checks a text that comes from outside. Variation selectors may be left out, skin tones may be given.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is not exactly one emoji of Unicode (Unicode Technical Standard #51).
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        match emojis::get(text.as_ref()) {
            Some(emoji) => Ok(Self(emoji.as_str().into())),
            None => Err(InvalidId { kind: "emoji", expected: "exactly one emoji of Unicode" }),
        }
    }

    /// Reads an emoji that a store kept. A newer version may know emojis that this one does not.
    pub(crate) fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The emoji itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Emoji({:?})", &*self.0)
    }
}

impl FromStr for Emoji {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl Serialize for Emoji {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// From a stored form; what a client sends goes through [`new`](Emoji::new).
impl<'de> Deserialize<'de> for Emoji {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_stored(&String::deserialize(deserializer)?))
    }
}

/// The reactions of one kind to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji.
    pub emoji: Emoji,
    /// How many users reacted with it.
    pub count: u64,
    /// Whether the reader is one of them.
    pub mine: bool,
}

/// A user who reacted to a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Reactor {
    /// The user.
    pub user: Profile,
    /// When the user reacted.
    pub reacted_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_is_one_emoji_in_one_spelling() {
        for (text, expected) in [
            ("\u{1f44d}", "\u{1f44d}"),
            ("\u{1f44d}\u{1f3fd}", "\u{1f44d}\u{1f3fd}"),
            ("\u{2764}", "\u{2764}\u{fe0f}"),
            ("\u{2764}\u{fe0f}", "\u{2764}\u{fe0f}"),
            ("\u{1f1e9}\u{1f1ea}", "\u{1f1e9}\u{1f1ea}"),
            ("\u{1f469}\u{200d}\u{1f4bb}", "\u{1f469}\u{200d}\u{1f4bb}"),
        ] {
            assert_eq!(Emoji::new(text).map(|emoji| emoji.as_str().to_owned()), Ok(expected.to_owned()));
        }
        for text in [
            "",
            " ",
            "a",
            "1",
            ":+1:",
            "thumbsup",
            "\u{1f44d}\u{1f44d}",
            " \u{1f44d}",
            "\u{1f44d} ",
            "\u{fe0f}",
            "\u{1f3fd}a",
        ] {
            assert!(Emoji::new(text).is_err(), "{text:?}");
        }
    }
}
