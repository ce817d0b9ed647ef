//! Bots and their commands on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::{
    chat,
    error::{Code, Error, Result},
    model::{
        Bot, BotCommand, BotSecret, BotToken, CommandName, CreatedBotToken, InvalidId, LoginId, MessageCommand,
        Profile, SessionCommand, SessionId, UserId,
    },
};

/// The command of a bot that a message invokes. The text of the message has the arguments after the name.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "MessageCommand"))]
pub(super) struct CommandView<'a> {
    name: &'a str,
    /// The bot to which the command belongs.
    bot_id: &'a UserId,
}

impl<'a> From<&'a MessageCommand> for CommandView<'a> {
    fn from(command: &'a MessageCommand) -> Self {
        let MessageCommand { name, bot_id } = command;
        Self { name: name.as_str(), bot_id }
    }
}

/// A command that users of a session can invoke.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SessionCommand"))]
struct SessionCommandView<'a> {
    name: &'a str,
    /// The description of the command.
    description: &'a str,
    /// The bot that offers it.
    bot_id: &'a UserId,
    bot_username: &'a str,
    bot_name: &'a str,
}

impl<'a> From<&'a SessionCommand> for SessionCommandView<'a> {
    fn from(command: &'a SessionCommand) -> Self {
        let SessionCommand { bot, command: BotCommand { name, description } } = command;
        let Profile { user_id, username, name: bot_name, email: _, picture: _, updated_at: _, is_bot: _ } = bot;
        Self { name: name.as_str(), description, bot_id: user_id, bot_username: username, bot_name }
    }
}

/// A bot, for the user who owns it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Bot"))]
struct BotView<'a> {
    /// The user id of the bot.
    id: &'a UserId,
    username: &'a str,
    name: &'a str,
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a Bot> for BotView<'a> {
    fn from(bot: &'a Bot) -> Self {
        let Bot { profile, created_at } = bot;
        let Profile { user_id, username, name, email: _, picture: _, updated_at: _, is_bot: _ } = profile;
        Self { id: user_id, username, name, created_at: *created_at }
    }
}

/// A token of a bot, without the token itself.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "BotToken"))]
struct BotTokenView<'a> {
    id: LoginId,
    bot_id: &'a UserId,
    /// The name that the owner gave to the token.
    name: &'a str,
    /// The sessions in the scope of the token; `null` for all sessions of the bot.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    sessions: Option<&'a [SessionId]>,
    /// The names of the actions in the scope of the token; `null` for all actions.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    actions: Option<&'a [String]>,
    created_at: DateTime<Utc>,
    /// The end of the token; `null` for no end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    expires_at: Option<DateTime<Utc>>,
    /// The time of the last use, to within a minute; `null` for never.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_used_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a BotToken> for BotTokenView<'a> {
    fn from(token: &'a BotToken) -> Self {
        let BotToken { id, bot_id, name, sessions, actions, created_at, expires_at, last_used_at } = token;
        Self {
            id: *id,
            bot_id,
            name,
            sessions: sessions.as_deref(),
            actions: actions.as_deref(),
            created_at: *created_at,
            expires_at: *expires_at,
            last_used_at: *last_used_at,
        }
    }
}

/// A token that was created.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CreatedBotToken"))]
struct CreatedBotTokenView<'a> {
    token: &'a BotToken,
    /// The text of the token. Only this answer contains the text.
    secret: &'a str,
}

impl<'a> From<&'a CreatedBotToken> for CreatedBotTokenView<'a> {
    fn from(created: &'a CreatedBotToken) -> Self {
        let CreatedBotToken { token, secret } = created;
        Self { token, secret: BotSecret::as_str(secret) }
    }
}

/// The commands of a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "BotCommands"))]
pub struct CommandsView {
    /// The commands, in the order that the bot gave them.
    pub commands: Vec<CommandForm>,
}

impl From<Vec<BotCommand>> for CommandsView {
    fn from(commands: Vec<BotCommand>) -> Self {
        let form = |BotCommand { name, description }: BotCommand| CommandForm { name: name.to_string(), description };
        Self { commands: commands.into_iter().map(form).collect() }
    }
}

shown_as! {
    Bot => BotView;
    BotToken => BotTokenView;
    CreatedBotToken => CreatedBotTokenView;
    SessionCommand => SessionCommandView;
}

/// A command that a bot offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "BotCommand"))]
#[serde(deny_unknown_fields)]
pub struct CommandForm {
    /// 1 to 32 of the characters `a` to `z`, `0` to `9`, `_` and `-`.
    pub name: String,
    /// The description of the command: one line of 1 to 100 characters.
    pub description: String,
}

/// The commands that a bot offers from now on.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetCommands {
    /// All commands: at most 50, each name once.
    commands: Vec<CommandForm>,
}

impl SetCommands {
    /// The commands.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a name that is not acceptable.
    pub fn command(self) -> Result<Vec<BotCommand>> {
        let command = |(place, CommandForm { name, description }): (usize, CommandForm)| {
            let name = command_name(&format!("commands[{place}].name"), &name)?;
            Ok(BotCommand { name, description })
        };
        self.commands.into_iter().enumerate().map(command).collect()
    }
}

/// A bot to be created.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateBot {
    /// The name to show: one line of 1 to 50 characters.
    pub name: String,
}

/// A token to be created.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateBotToken {
    /// The name of the token: one line of 1 to 100 characters.
    name: String,
    /// The ids of the sessions in the scope of the token: 1 to 100; all sessions of the bot where not given.
    sessions: Option<Vec<String>>,
    /// The names of the actions in the scope of the token, such as `SEND` or `VIEW`; all actions where not given.
    actions: Option<Vec<String>>,
    /// The end of the token; no end where not given.
    expires_at: Option<Time>,
}

impl CreateBotToken {
    /// The token.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for an id that is not valid.
    pub fn command(self) -> Result<chat::CreateBotToken> {
        let Self { name, sessions, actions, expires_at } = self;
        let (sessions, expires_at) = (sessions.map(session_ids).transpose()?, expires_at.map(|Time(end)| end));
        Ok(chat::CreateBotToken { name, sessions, actions, expires_at })
    }
}

/// The ids of sessions in a scope.
fn session_ids(ids: Vec<String>) -> Result<Vec<SessionId>> {
    let invalid = |error: InvalidId| Error::invalid("sessions", Code::ValidationInvalidValue, error.expected);
    ids.into_iter().map(|id| id.parse().map_err(invalid)).collect()
}

/// A command to invoke.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InvokeCommand {
    /// The name of the command, without a slash.
    name: String,
    /// The text after the name; empty where not given. The name and the text together have at most 8,000 characters by default.
    arguments: Option<String>,
    /// The bot; required where several bots in the session have the command.
    bot_id: Option<String>,
    /// The sender's idempotency key for the message: 1 to 128 characters, unique per user and session. The header `Idempotency-Key` means
    /// the same.
    client_id: Option<String>,
}

impl InvokeCommand {
    /// The command. `key` is the client id that stands beside the body, like the header `Idempotency-Key` of HTTP.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) when a name or an id is not valid, or when the body and `key` name different client ids.
    pub fn command(self, key: Option<String>) -> Result<chat::InvokeCommand> {
        let Self { name, arguments, bot_id, client_id } = self;
        Ok(chat::InvokeCommand {
            name: command_name("name", &name)?,
            arguments: arguments.unwrap_or_default(),
            bot_id: bot_id.map(|id| super::user_id("bot_id", id)).transpose()?,
            client_id: super::client_id(client_id, key)?,
        })
    }
}

fn command_name(field: &str, name: &str) -> Result<CommandName> {
    CommandName::new(name).map_err(|error| Error::invalid(field, Code::ValidationInvalidValue, error.expected))
}
