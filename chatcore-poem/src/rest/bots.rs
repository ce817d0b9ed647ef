//! Operations about bots, their commands and their tokens.

use chatcore::{
    model::{Bot, BotToken, CreatedBotToken, SessionCommand},
    wire::{CommandsView, CreateBot, CreateBotToken, InvokeCommand, SetCommands},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path},
};

use super::{Api, Group, idempotency_key, no_idempotency_key};
use crate::{
    extract::{Bodyless, Caller, LoginParam, SessionParam, StrictJson, UserParam},
    reply::{Answer, Body, Conflict, Done, NoBot, OfSession, Reply, Tagged},
};

pub(crate) struct Bots(pub(super) Api);

#[OpenApi(tag = "Group::Bots")]
impl Bots {
    /// Create a bot
    ///
    /// The caller owns the bot. A bot joins sessions like any user. A user has at most 20 bots.
    #[oai(path = "/bots", method = "post", operation_id = "createBot")]
    async fn create(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<CreateBot>,
    ) -> Answer<Reply<Bot, 201>, Body> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.create_bot(&caller.0, &body.0.name).await?))
    }

    /// List the caller's bots
    ///
    /// The oldest first.
    #[oai(path = "/bots", method = "get", operation_id = "listBots")]
    async fn list(&self, caller: Caller) -> Answer<Reply<Vec<Bot>>, ()> {
        Ok(Reply::new(self.0.chat.bots(&caller.0).await?))
    }

    /// Delete a bot
    ///
    /// For the owner of the bot. The tokens of the bot end at once, the bot leaves all sessions, and the commands are removed. The messages
    /// stay, with the name of the bot.
    #[oai(path = "/bots/:bot_id", method = "delete", operation_id = "deleteBot")]
    async fn delete(
        &self,
        request: &Request,
        caller: Caller,
        bot_id: Path<UserParam>,
        _body: Bodyless,
    ) -> Answer<Done, (NoBot, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.delete_bot(&caller.0, &bot_id.0.0).await?;
        Ok(Done)
    }

    /// Create a token of a bot
    ///
    /// For the owner of the bot. Only this answer contains the token. The token goes into the header `Authorization` like any other token.
    /// `sessions` and `actions` limit the scope of the token: the answer outside of the scope, and for operations without a session, is 403
    /// `OUT_OF_SCOPE`. A bot has at most 10 tokens; expired tokens make room for new tokens.
    #[oai(path = "/bots/:bot_id/tokens", method = "post", operation_id = "createBotToken")]
    async fn create_token(
        &self,
        request: &Request,
        caller: Caller,
        bot_id: Path<UserParam>,
        body: StrictJson<CreateBotToken>,
    ) -> Answer<Reply<CreatedBotToken, 201>, (NoBot, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.create_bot_token(&caller.0, &bot_id.0.0, body.0.command()?).await?))
    }

    /// List the tokens of a bot
    ///
    /// For the owner of the bot. The oldest first, without the tokens themselves.
    #[oai(path = "/bots/:bot_id/tokens", method = "get", operation_id = "listBotTokens")]
    async fn tokens(&self, caller: Caller, bot_id: Path<UserParam>) -> Answer<Reply<Vec<BotToken>>, NoBot> {
        Ok(Reply::new(self.0.chat.bot_tokens(&caller.0, &bot_id.0.0).await?))
    }

    /// Revoke a token of a bot
    ///
    /// For the owner of the bot. The server refuses the token from now on, and the streams and sockets of the token end.
    #[oai(path = "/bots/:bot_id/tokens/:token_id", method = "delete", operation_id = "revokeBotToken")]
    async fn revoke_token(
        &self,
        request: &Request,
        caller: Caller,
        bot_id: Path<UserParam>,
        token_id: Path<LoginParam>,
        _body: Bodyless,
    ) -> Answer<Done, (NoBot, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.revoke_bot_token(&caller.0, &bot_id.0.0, token_id.0.0).await?;
        Ok(Done)
    }

    /// Replace the commands of a bot
    ///
    /// For the bot itself. The bot offers these commands in all of its sessions: at most 50.
    #[oai(path = "/bots/me/commands", method = "put", operation_id = "setCommands")]
    async fn set_commands(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<SetCommands>,
    ) -> Answer<Reply<CommandsView>, Body> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.set_commands(&caller.0, body.0.command()?).await?))
    }

    /// List the commands in a session
    ///
    /// For everybody in the session. In the order of the names; at most 500, of the first 100 bots.
    #[oai(path = "/sessions/:session_id/commands", method = "get", operation_id = "listCommands")]
    async fn commands(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
    ) -> Answer<Reply<Vec<SessionCommand>>, OfSession> {
        Ok(Reply::new(self.0.chat.session_commands(&caller.0, session_id.0.0).await?))
    }

    /// Invoke a command of a bot
    ///
    /// For everybody in the session but viewers. The call sends a message with the text `/name arguments` and the field `command`. If
    /// several bots in the session have the command, the call must name the bot; otherwise the answer is 409 `COMMAND_AMBIGUOUS` with
    /// `bot_ids`. A retry with the same client id returns the message of the first call.
    #[oai(path = "/sessions/:session_id/commands", method = "post", operation_id = "invokeCommand")]
    async fn invoke(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The client id, where the body has none.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: StrictJson<InvokeCommand>,
    ) -> Answer<Tagged<201>, (OfSession, Body, Conflict)> {
        let invoke = body.0.command(idempotency_key(request)?)?;
        Ok(Tagged::new(self.0.chat.invoke_command(&caller.0, session_id.0.0, invoke).await?))
    }
}
