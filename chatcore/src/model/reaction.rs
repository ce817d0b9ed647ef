//! Reactions: one user's emoji on a message.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidId, Profile};

/// The emoji of a reaction: an emoji of Unicode, fully qualified, so that two spellings of one emoji are equal; or `:name:` for a custom
/// emoji of the session ([`EmojiName`]).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Emoji(Arc<str>);

impl Emoji {
    /// What a valid one looks like.
    pub(crate) const EXPECTED: &'static str =
        "exactly one emoji of Unicode, or :name: with a name that the session has";

    /// Checks a text that comes from outside. Variation selectors may be left out, skin tones may be given. Each reaction checks whether
    /// the session has a custom emoji of the name.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is neither exactly one emoji of Unicode (Unicode Technical Standard #51) nor a name between two colons.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        let text = text.as_ref();
        match emojis::get(text) {
            Some(emoji) => Ok(Self(emoji.as_str().into())),
            None if Self(text.into()).name().is_some() => Ok(Self(text.into())),
            None => Err(InvalidId { kind: "emoji", expected: Self::EXPECTED }),
        }
    }

    /// The name of a custom emoji; `None` for an emoji of Unicode.
    #[must_use]
    pub fn name(&self) -> Option<EmojiName> {
        EmojiName::new(self.0.strip_prefix(':')?.strip_suffix(':')?).ok()
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

/// The name of a custom emoji of a session: 2 to 32 of the characters `a` to `z`, `0` to `9`, `_`, `+` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmojiName(String);

impl EmojiName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidId`] for any other text.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidId> {
        let name = name.as_ref();
        let is_allowed = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'+' | b'-');
        if (2..=32).contains(&name.len()) && name.bytes().all(is_allowed) {
            return Ok(Self(name.to_owned()));
        }
        Err(InvalidId { kind: "name of an emoji", expected: "2 to 32 of the characters a to z, 0 to 9, _, + and -" })
    }

    /// The name itself, without colons.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmojiName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EmojiName {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

/// A custom emoji of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEmoji {
    /// The name, with which users react.
    pub name: EmojiName,
    /// The address of the picture, which begins with `https://`. The server does not fetch the picture.
    pub url: Option<String>,
}

/// The reactions of one kind to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji.
    pub emoji: Emoji,
    /// The number of users who reacted with the emoji.
    pub count: u64,
    /// Whether the reader reacted with the emoji.
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
            (":+1:", ":+1:"),
            (":party_parrot-2:", ":party_parrot-2:"),
        ] {
            assert_eq!(Emoji::new(text).map(|emoji| emoji.as_str().to_owned()), Ok(expected.to_owned()));
        }
        for text in [
            "",
            " ",
            "a",
            "1",
            "thumbsup",
            ":a:",
            ":Ab:",
            "::",
            ":ab",
            "ab:",
            ":a b:",
            "::ab::",
            ":abcdefghijklmnopqrstuvwxyz1234567:",
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
