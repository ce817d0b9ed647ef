//! Bots, their commands and their tokens, with their queries and mutations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    Code, Error,
    chat::{self, MAX_BOT_TOKENS, MAX_BOTS, MAX_COMMANDS_LISTED},
    model::{self, BotCommand, CommandName, InvalidId, LoginId, UserId},
};

use super::{
    Fallible as _, Use,
    message::Message,
    scalar::{self, DateTime, session_id},
    user::User,
};

/// The command of a bot that a message invokes. The text of the message has the arguments after the name.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct MessageCommand {
    /// The name of the command.
    name: String,
    /// The id of the bot to which the command belongs.
    bot_id: ID,
}

impl From<&model::MessageCommand> for MessageCommand {
    fn from(command: &model::MessageCommand) -> Self {
        let model::MessageCommand { name, bot_id } = command;
        Self { name: name.to_string(), bot_id: ID(bot_id.to_string()) }
    }
}

/// A command that users of a session can invoke.
#[derive(Debug, Clone, SimpleObject)]
struct SessionCommand {
    /// The name.
    name: String,
    /// The description of the command.
    description: String,
    /// The bot that offers it.
    bot: User,
}

/// A bot, for the user who owns it.
#[derive(Debug, Clone, SimpleObject)]
struct Bot {
    /// The user of the bot.
    user: User,
    /// The time of creation.
    created_at: DateTime,
}

impl From<model::Bot> for Bot {
    fn from(bot: model::Bot) -> Self {
        let model::Bot { profile, created_at } = bot;
        Self { user: User(profile), created_at: DateTime(created_at) }
    }
}

/// A token of a bot, without the token itself.
#[derive(Debug, Clone, SimpleObject)]
struct BotToken {
    /// The id.
    id: ID,
    /// The id of the bot.
    bot_id: ID,
    /// The name that the owner gave to the token.
    name: String,
    /// The ids of the sessions in the scope of the token; null for all sessions of the bot.
    sessions: Option<Vec<ID>>,
    /// The names of the actions in the scope of the token; null for all actions.
    actions: Option<Vec<String>>,
    /// The time of creation.
    created_at: DateTime,
    /// The end of the token; null for no end.
    expires_at: Option<DateTime>,
    /// The time of the last use, to within a minute; null for never.
    last_used_at: Option<DateTime>,
}

impl From<model::BotToken> for BotToken {
    fn from(token: model::BotToken) -> Self {
        let model::BotToken { id, bot_id, name, sessions, actions, created_at, expires_at, last_used_at } = token;
        let sessions = sessions.map(|ids| ids.iter().map(|id| ID(id.to_string())).collect());
        let (id, bot_id, created_at) = (ID(id.to_string()), ID(bot_id.to_string()), DateTime(created_at));
        let (expires_at, last_used_at) = (expires_at.map(DateTime), last_used_at.map(DateTime));
        Self { id, bot_id, name, sessions, actions, created_at, expires_at, last_used_at }
    }
}

/// A command that a bot offers.
#[derive(Debug, Clone, SimpleObject, InputObject)]
#[graphql(name = "BotCommand", input_name = "BotCommandInput")]
struct OfferedCommand {
    /// 1 to 32 of the characters `a` to `z`, `0` to `9`, `_` and `-`.
    name: String,
    /// The description of the command: one line of 1 to 100 characters.
    description: String,
}

/// A bot to be created.
#[derive(InputObject)]
struct CreateBotInput {
    /// The name to show: one line of 1 to 50 characters.
    name: String,
}

/// A bot to be deleted.
#[derive(InputObject)]
struct DeleteBotInput {
    /// The bot.
    bot_id: ID,
}

/// A token to be created.
#[derive(InputObject)]
struct CreateBotTokenInput {
    /// The bot.
    bot_id: ID,
    /// The name of the token: one line of 1 to 100 characters.
    name: String,
    /// The sessions in the scope of the token: 1 to 100; all sessions of the bot where not given.
    sessions: Option<Vec<ID>>,
    /// The names of the actions in the scope of the token, such as `SEND` or `VIEW`; all actions where not given.
    actions: Option<Vec<String>>,
    /// The end of the token; no end where not given.
    expires_at: Option<DateTime>,
}

/// A token to be revoked.
#[derive(InputObject)]
struct RevokeBotTokenInput {
    /// The bot.
    bot_id: ID,
    /// The token.
    token_id: ID,
}

/// The commands that the caller, a bot, offers from now on.
#[derive(InputObject)]
struct SetCommandsInput {
    /// All commands: at most 50, each name once.
    commands: Vec<OfferedCommand>,
}

/// A command to invoke.
#[derive(InputObject)]
struct InvokeCommandInput {
    /// The session.
    session_id: ID,
    /// The name of the command, without a slash.
    name: String,
    /// The text after the name; empty where not given. The name and the text together have at most 8,000 characters by default.
    arguments: Option<String>,
    /// The bot; required where several bots in the session have the command.
    bot_id: Option<ID>,
    /// The sender's idempotency key for the message: 1 to 128 characters, unique per user and session.
    client_id: Option<String>,
}

/// The bot that was created.
#[derive(SimpleObject)]
struct CreateBotPayload {
    /// The bot.
    bot: Bot,
}

/// The bot that was deleted.
#[derive(SimpleObject)]
struct DeleteBotPayload {
    /// The id of the bot.
    bot_id: ID,
}

/// The token that was created.
#[derive(SimpleObject)]
struct CreateBotTokenPayload {
    /// The token, without its text.
    token: BotToken,
    /// The text of the token. Only this answer contains the text.
    secret: String,
}

/// The token that was revoked.
#[derive(SimpleObject)]
struct RevokeBotTokenPayload {
    /// The id of the token.
    token_id: ID,
}

/// The commands that the caller offers.
#[derive(SimpleObject)]
struct SetCommandsPayload {
    /// The commands.
    commands: Vec<OfferedCommand>,
}

/// The message that was sent, by this call or by an earlier attempt.
#[derive(SimpleObject)]
struct InvokeCommandPayload {
    /// The message.
    message: Message,
}

fn bot_id(id: &ID) -> chatcore::Result<UserId> {
    UserId::new(id.as_str()).map_err(|error| Error::malformed("bot_id", error.expected))
}

fn token_id(id: &ID) -> chatcore::Result<LoginId> {
    id.parse().map_err(|_| Error::malformed("token_id", "the id of a token is a UUID"))
}

fn command_name(field: &str, name: &str) -> chatcore::Result<CommandName> {
    CommandName::new(name).map_err(|error| Error::invalid(field, Code::ValidationInvalidValue, error.expected))
}

impl CreateBotTokenInput {
    fn command(self) -> chatcore::Result<chat::CreateBotToken> {
        let Self { bot_id: _, name, sessions, actions, expires_at } = self;
        let session = |id: &ID| {
            let invalid = |error: InvalidId| Error::invalid("sessions", Code::ValidationInvalidValue, error.expected);
            id.parse().map_err(invalid)
        };
        let sessions = sessions.map(|ids| ids.iter().map(session).collect::<chatcore::Result<_>>()).transpose()?;
        Ok(chat::CreateBotToken { name, sessions, actions, expires_at: expires_at.map(|DateTime(end)| end) })
    }
}

/// Mutations of bots.
#[derive(Default)]
pub(super) struct BotMutation;

/// Mutations of bots.
#[Object]
impl BotMutation {
    /// Create a bot, which the caller owns. A bot joins sessions like any user. A user has at most 20 bots.
    async fn create_bot(&self, context: &Context<'_>, input: CreateBotInput) -> Result<Option<CreateBotPayload>> {
        let call = Use::of(context)?;
        let bot = call.chat.create_bot(call.principal, &input.name).await.or_field_error()?;
        Ok(Some(CreateBotPayload { bot: bot.into() }))
    }

    /// Delete a bot of the caller. The tokens of the bot end at once, the bot leaves all sessions, and the commands are removed. The
    /// messages of the bot stay.
    async fn delete_bot(&self, context: &Context<'_>, input: DeleteBotInput) -> Result<Option<DeleteBotPayload>> {
        let call = Use::of(context)?;
        let bot = bot_id(&input.bot_id).or_field_error()?;
        call.chat.delete_bot(call.principal, &bot).await.or_field_error()?;
        Ok(Some(DeleteBotPayload { bot_id: input.bot_id }))
    }

    /// Create a token of a bot of the caller. `sessions` and `actions` limit the scope of the token. A bot has at most 10 tokens; expired
    /// tokens make room for new tokens.
    async fn create_bot_token(
        &self,
        context: &Context<'_>,
        input: CreateBotTokenInput,
    ) -> Result<Option<CreateBotTokenPayload>> {
        let call = Use::of(context)?;
        let bot = bot_id(&input.bot_id).or_field_error()?;
        let new = input.command().or_field_error()?;
        let created = call.chat.create_bot_token(call.principal, &bot, new).await.or_field_error()?;
        let model::CreatedBotToken { token, secret } = created;
        Ok(Some(CreateBotTokenPayload { token: token.into(), secret: secret.as_str().to_owned() }))
    }

    /// Revoke a token of a bot of the caller. The server refuses the token from now on, and the streams and sockets of the token end.
    async fn revoke_bot_token(
        &self,
        context: &Context<'_>,
        input: RevokeBotTokenInput,
    ) -> Result<Option<RevokeBotTokenPayload>> {
        let call = Use::of(context)?;
        let (bot, token) = (bot_id(&input.bot_id).or_field_error()?, token_id(&input.token_id).or_field_error()?);
        call.chat.revoke_bot_token(call.principal, &bot, token).await.or_field_error()?;
        Ok(Some(RevokeBotTokenPayload { token_id: input.token_id }))
    }

    /// Replace the commands that the caller, a bot, offers in all of its sessions.
    async fn set_commands(&self, context: &Context<'_>, input: SetCommandsInput) -> Result<Option<SetCommandsPayload>> {
        let call = Use::of(context)?;
        let command = |(place, OfferedCommand { name, description }): (usize, OfferedCommand)| {
            Ok(BotCommand { name: command_name(&format!("commands[{place}].name"), &name)?, description })
        };
        let commands: chatcore::Result<_> = input.commands.into_iter().enumerate().map(command).collect();
        let commands = call.chat.set_commands(call.principal, commands.or_field_error()?).await.or_field_error()?;
        let shown =
            |BotCommand { name, description }: BotCommand| OfferedCommand { name: name.to_string(), description };
        Ok(Some(SetCommandsPayload { commands: commands.into_iter().map(shown).collect() }))
    }

    /// Invoke a command of a bot: send a message with the text `/name arguments` that names the command. For everybody in the session but
    /// viewers. If several bots have the command and the call names no bot, the error `COMMAND_AMBIGUOUS` names the bots.
    async fn invoke_command(
        &self,
        context: &Context<'_>,
        input: InvokeCommandInput,
    ) -> Result<Option<InvokeCommandPayload>> {
        let call = Use::of(context)?;
        let InvokeCommandInput { session_id: id, name, arguments, bot_id, client_id } = input;
        let id = session_id(&id).or_field_error()?;
        let name = command_name("name", &name).or_field_error()?;
        let named = |id: &ID| {
            let invalid = |error: InvalidId| Error::invalid("bot_id", Code::ValidationInvalidValue, error.expected);
            UserId::new(id.as_str()).map_err(invalid)
        };
        let bot_id = bot_id.as_ref().map(named).transpose().or_field_error()?;
        let client_id = scalar::client_id(client_id).or_field_error()?;
        let invoke = chat::InvokeCommand { name, arguments: arguments.unwrap_or_default(), bot_id, client_id };
        let message = call.chat.invoke_command(call.principal, id, invoke).await.or_field_error()?;
        Ok(Some(InvokeCommandPayload { message: Message { message, loads: call.loads() } }))
    }
}

/// Queries of bots.
#[derive(Default)]
pub(super) struct BotQuery;

/// Queries of bots.
#[Object]
impl BotQuery {
    /// The caller's bots, the oldest first; at most 20.
    #[graphql(complexity = "MAX_BOTS.saturating_mul(child_complexity).saturating_add(1)")]
    async fn bots(&self, context: &Context<'_>) -> Result<Option<Vec<Bot>>> {
        let call = Use::of(context)?;
        let found = call.chat.bots(call.principal).await.or_field_error()?;
        Ok(Some(found.into_iter().map(Bot::from).collect()))
    }

    /// The tokens of a bot of the caller, the oldest first; at most 10.
    #[graphql(complexity = "MAX_BOT_TOKENS.saturating_mul(child_complexity).saturating_add(1)")]
    async fn bot_tokens(
        &self,
        context: &Context<'_>,
        #[graphql(name = "botId", desc = "The bot.")] bot: ID,
    ) -> Result<Option<Vec<BotToken>>> {
        let call = Use::of(context)?;
        let bot = bot_id(&bot).or_field_error()?;
        let found = call.chat.bot_tokens(call.principal, &bot).await.or_field_error()?;
        Ok(Some(found.into_iter().map(BotToken::from).collect()))
    }

    /// The commands that the bots in a session offer, in the order of the names; at most 500, of the first 100 bots.
    #[graphql(complexity = "MAX_COMMANDS_LISTED.saturating_mul(child_complexity).saturating_add(1)")]
    async fn commands(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
    ) -> Result<Option<Vec<SessionCommand>>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let found = call.chat.session_commands(call.principal, id).await.or_field_error()?;
        let shown = |model::SessionCommand { bot, command: BotCommand { name, description } }| SessionCommand {
            name: name.to_string(),
            description,
            bot: User(bot),
        };
        Ok(Some(found.into_iter().map(shown).collect()))
    }
}
