//! Bots, their tokens and their commands.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidId, LoginId, Profile, SessionId, UserId};

/// The name of a command: 1 to 32 of the characters `a` to `z`, `0` to `9`, `_` and `-`. A user writes the name after a slash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandName(Arc<str>);

impl CommandName {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 32;

    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidId`] for any other text.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidId> {
        let name = name.as_ref();
        let is_allowed = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if (1..=Self::MAX_CHARS).contains(&name.len()) && name.bytes().all(is_allowed) {
            return Ok(Self(name.into()));
        }
        Err(InvalidId { kind: "name of a command", expected: "1 to 32 of the characters a to z, 0 to 9, _ and -" })
    }

    /// The name itself, without a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandName({:?})", &*self.0)
    }
}

impl FromStr for CommandName {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

impl Serialize for CommandName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CommandName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The command that a message invokes. The arguments stand in the text of the message, behind the name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageCommand {
    /// The name of the command.
    pub name: CommandName,
    /// The bot to which the command belongs.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub bot_id: UserId,
}

/// A command that a bot offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotCommand {
    /// The name by which users invoke it.
    pub name: CommandName,
    /// The description of the command for users: one line.
    pub description: String,
}

/// A command that users of a session can invoke.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionCommand {
    /// The bot that offers it.
    pub bot: Profile,
    /// The command.
    pub command: BotCommand,
}

/// A bot, for the user who owns it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bot {
    /// The bot's own profile.
    pub profile: Profile,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
}

/// A token of a bot, for the user who owns the bot, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotToken {
    /// The id, which is also the login id of callers with the token.
    pub id: LoginId,
    /// The bot.
    pub bot_id: UserId,
    /// The name that the owner gave to the token.
    pub name: String,
    /// The sessions in the scope of the token; `None` for all sessions of the bot.
    pub sessions: Option<Vec<SessionId>>,
    /// The names of the actions in the scope of the token; `None` for all actions.
    pub actions: Option<Vec<String>>,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The end of the token; `None` for no end.
    pub expires_at: Option<DateTime<Utc>>,
    /// The time of the last use, to within a minute; `None` for never.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// The text with which a bot authenticates. The debug form does not show the text.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct BotSecret(String);

impl BotSecret {
    /// The prefix of every token of a bot.
    pub const PREFIX: &str = "cbot_";

    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the owner of the bot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BotSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BotSecret(…)")
    }
}

/// A token that was created, with its text. Only this answer contains the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedBotToken {
    /// The token.
    pub token: BotToken,
    /// The text of the token.
    pub secret: BotSecret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_command_has_few_characters() {
        for good in ["a", "deploy", "to-do_2", &"x".repeat(32)] {
            assert_eq!(CommandName::new(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "A", "/deploy", "a b", "ä", "a.b", &"x".repeat(33)] {
            assert!(CommandName::new(bad).is_err(), "{bad:?}");
            assert!(serde_json::from_value::<CommandName>(serde_json::json!(bad)).is_err(), "{bad:?}");
        }
    }
}
