//! Commands: a bot says which it offers, and users of its sessions invoke them.
//!
//! A command is delivered as a message that names it. So the bot hears of it wherever it hears of messages, and everybody in the session sees
//! what was asked. Each admission of a bot adds the bot to a list of the session. The list may be stale, so each lookup asks the participants'
//! records.

use std::collections::HashSet;

use crate::{
    chat::{
        Chat,
        decide::{
            govern::{Tried, keys, participant},
            policy::Operation,
            validate::Faults,
        },
        read::profiles,
        send::{Invoked, Saying},
    },
    error::{Code, Error, Result},
    identity::Principal,
    limits::{Limits, Use},
    model::{BotCommand, ClientId, CommandName, Message, MessageCommand, SessionCommand, SessionId, UserId},
    permission::Action,
    store::{
        BotCommands, Change, ChatStoreExt as _, CommandList, FactsQuery, Found, Freshness, KeyPart as _, Listed,
        SessionBots, TypedKey as _,
    },
    trace::use_case,
};

/// Maximum number of commands of a bot.
pub const MAX_COMMANDS: usize = 50;

/// Maximum length of the description of a command, in characters.
pub const MAX_COMMAND_DESCRIPTION_CHARS: usize = 100;

/// Maximum number of bots of a session whose commands are found without the id of the bot, in the order of their ids.
pub const MAX_BOTS_LISTED: u64 = 100;

/// Maximum number of listed commands of a session.
pub const MAX_COMMANDS_LISTED: usize = 500;

/// A command to invoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokeCommand {
    /// The name of the command.
    pub name: CommandName,
    /// The text after the name; empty for no arguments. The name and the text together have at most
    /// [`message_chars`](crate::Limits::message_chars) characters.
    pub arguments: String,
    /// The bot; `None` where only one bot has the command.
    pub bot_id: Option<UserId>,
    /// The sender's idempotency key for the message, as for [`SendMessage::client_id`](crate::chat::SendMessage::client_id).
    pub client_id: Option<ClientId>,
}

impl InvokeCommand {
    /// A command without a given bot.
    #[must_use]
    pub fn new(name: CommandName, arguments: impl Into<String>) -> Self {
        Self { name, arguments: arguments.into(), bot_id: None, client_id: None }
    }

    /// Sets the bot.
    #[must_use]
    pub fn of_bot(mut self, bot: UserId) -> Self {
        self.bot_id = Some(bot);
        self
    }

    /// Sets the client id.
    #[must_use]
    pub fn with_client_id(mut self, client_id: ClientId) -> Self {
        self.client_id = Some(client_id);
        self
    }

    fn text(&self) -> String {
        let Self { name, arguments, .. } = self;
        if arguments.is_empty() { format!("/{name}") } else { format!("/{name} {arguments}") }
    }
}

impl Faults {
    fn arguments(&mut self, text: &str, limits: &Limits) {
        let max = limits.message_chars;
        if text.chars().take(max + 1).count() > max {
            self.add("arguments", Code::MessageTooLong, format!("at most {max} characters with the name"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            let message = "control characters other than line breaks and tabs are not allowed";
            self.add("arguments", Code::ValidationInvalidValue, message.to_owned());
        }
    }

    fn commands(&mut self, commands: &[BotCommand]) {
        if commands.len() > MAX_COMMANDS {
            self.add("commands", Code::ResourceLimitExceeded, format!("at most {MAX_COMMANDS}"));
        }
        let mut names = HashSet::new();
        if !commands.iter().all(|command| names.insert(&command.name)) {
            self.add("commands", Code::ValidationInvalidValue, "each name once".to_owned());
        }
        for (place, command) in commands.iter().enumerate().take(MAX_COMMANDS) {
            let field = format!("commands[{place}].description");
            self.line(&field, &command.description, MAX_COMMAND_DESCRIPTION_CHARS);
        }
    }
}

impl Chat {
    /// Replaces the commands that the caller, a bot, offers in all of its sessions. A repeated call changes nothing.
    ///
    /// # Errors
    /// [`BotRequired`](Error::BotRequired) for a caller who is not a bot; [`Invalid`](Error::Invalid) for more than [`MAX_COMMANDS`], for
    /// two commands of one name, and for a description that is not one line of 1 to [`MAX_COMMAND_DESCRIPTION_CHARS`] characters.
    pub async fn set_commands(&self, principal: &Principal, commands: Vec<BotCommand>) -> Result<Vec<BotCommand>> {
        use_case!("set_commands", async move {
            self.enter(principal, Use::Request).await?;
            let mut faults = Faults::default();
            faults.commands(&commands);
            faults.finish()?;
            self.must_be_a_bot(&principal.user_id).await?;
            self.permit(principal, Operation::SetCommands).await?;
            let key = BotCommands { bot: principal.user_id.clone() };
            let list = CommandList { commands };
            let write = if list.commands.is_empty() { key.remove() } else { key.put(list.clone()) };
            self.inner.store.commit(Change::of_records(vec![write])).await?;
            Ok(list.commands)
        })
    }

    async fn must_be_a_bot(&self, user: &UserId) -> Result<()> {
        if self.is_bot(user).await? { Ok(()) } else { Err(Error::BotRequired) }
    }

    /// The commands that the bots in a session offer, in the order of the names: at most [`MAX_COMMANDS_LISTED`], of the first
    /// [`MAX_BOTS_LISTED`] bots.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session.
    pub async fn session_commands(&self, principal: &Principal, id: SessionId) -> Result<Vec<SessionCommand>> {
        use_case!("session_commands", id, async move {
            self.enter(principal, Use::Request).await?;
            self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let bots = self.bots_in(id).await?;
            let offered = self.offered(&bots).await?;
            let users = self.inner.profiles.find(bots.iter().collect()).await?;
            // A user who was removed during the read learns of no later bot.
            self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let shown = |(bot, list): (UserId, CommandList)| {
                let bot = profiles::public(profiles::of(&users, &bot));
                list.commands.into_iter().map(move |command| SessionCommand { bot: bot.clone(), command })
            };
            let mut commands: Vec<SessionCommand> = offered.into_iter().flat_map(shown).collect();
            commands.sort_by(|one, other| {
                (&one.command.name, &one.bot.user_id).cmp(&(&other.command.name, &other.bot.user_id))
            });
            commands.truncate(MAX_COMMANDS_LISTED);
            Ok(commands)
        })
    }

    /// Invokes a command of a bot that is in the session: sends a message with the text `/name arguments` that names the command. The call
    /// needs the right to send, and has the limits of a send.
    ///
    /// # Errors
    /// [`CommandNotFound`](Error::CommandNotFound) where no bot in the session has the command;
    /// [`CommandAmbiguous`](Error::CommandAmbiguous) where several bots have the command and the call names no bot;
    /// [`Invalid`](Error::Invalid) for arguments that are too long; the errors of [`send`](Self::send).
    pub async fn invoke_command(&self, principal: &Principal, id: SessionId, invoke: InvokeCommand) -> Result<Message> {
        use_case!("invoke_command", id, async move {
            self.enter(principal, Use::Message).await?;
            let text = invoke.text();
            let mut faults = Faults::default();
            faults.arguments(&text, &self.inner.limits);
            faults.finish()?;
            let InvokeCommand { name, arguments, bot_id, client_id } = invoke;
            let invoked = Invoked { invoked: &name, arguments: &arguments, bot_id: bot_id.as_ref() };
            let tried = Saying::invoking(text.clone(), None, &invoked, client_id.clone())?;
            // First, so that only users who may send learn of bots.
            self.allowed(id, principal, Tried::sending(tried.body()), Freshness::Cached).await?;
            let said = match self.bot_with(id, &name, bot_id.clone()).await {
                Ok(bot_id) => {
                    let command = Some(MessageCommand { name: name.clone(), bot_id });
                    self.say(principal, id, Saying::invoking(text, command, &invoked, client_id)?).await
                }
                Err(error) => Err(error),
            };
            match said {
                // A retry gets its first result, whatever bots the session has by then.
                Err(error @ (Error::CommandNotFound | Error::CommandAmbiguous { .. })) => {
                    self.sent_or(principal, id, &tried, error).await
                }
                said => said,
            }
        })
    }

    /// The bot in a session that has a command.
    pub(in crate::chat) async fn bot_with(
        &self,
        session: SessionId,
        name: &CommandName,
        bot: Option<UserId>,
    ) -> Result<UserId> {
        let bots = match bot {
            // The send decides whether the bot is in the session.
            Some(bot) => vec![bot],
            None => self.bots_in(session).await?,
        };
        let offered = self.offered(&bots).await?.into_iter();
        let has = |(_, list): &(UserId, CommandList)| list.commands.iter().any(|command| command.name == *name);
        let mut bots: Vec<UserId> = offered.filter(has).map(|(bot, _)| bot).collect();
        match (bots.pop(), bots.is_empty()) {
            (Some(bot), true) => Ok(bot),
            (Some(last), false) => {
                bots.push(last);
                Err(Error::CommandAmbiguous { bots })
            }
            (None, _) => Err(Error::CommandNotFound),
        }
    }

    /// The bots that are in a session now, in the order of their ids.
    async fn bots_in(&self, session: SessionId) -> Result<Vec<UserId>> {
        let scan = SessionBots::under(vec![session.part()]).limit(MAX_BOTS_LISTED);
        let listed = self.inner.store.list::<SessionBots>(scan).await?;
        if listed.is_empty() {
            return Ok(Vec::new());
        }
        let records = keys(session, listed.iter().map(|(key, _)| &key.bot));
        let query = FactsQuery { session_id: session, records: &records };
        let facts = self.inner.store.facts(&[query], Freshness::Fresh).await?.pop().ok_or(Error::Internal)?;
        let now = self.inner.clock.now();
        let is_in = |record| participant(record).ok().flatten().is_some_and(|of| of.standing_at(now).role().is_some());
        // The first record is that of the session.
        let present: Vec<bool> = facts.records.into_iter().skip(1).map(is_in).collect();
        let is_full = listed.len() as u64 >= MAX_BOTS_LISTED;
        let (here, gone): (Vec<_>, Vec<_>) = listed.into_iter().zip(present).partition(|(_, is_in)| *is_in);
        if is_full && !gone.is_empty() {
            // Makes room for others. An entry of a bot that comes back meanwhile has another version.
            let stale = |((key, found), _): ((SessionBots, Found<Listed>), bool)| key.remove().at(found.version);
            self.try_commit(Change::of_records(gone.into_iter().map(stale).collect())).await?;
        }
        Ok(here.into_iter().map(|((key, _), _)| key.bot).collect())
    }

    /// The commands of bots. A bot without commands is left out.
    async fn offered(&self, bots: &[UserId]) -> Result<Vec<(UserId, CommandList)>> {
        let keys: Vec<BotCommands> = bots.iter().map(|bot| BotCommands { bot: bot.clone() }).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.inner.store.get_all(&keys).await? };
        let list = |(bot, found): (&UserId, Option<Found<CommandList>>)| {
            Some((bot.clone(), CommandList::clone(&found?.value)))
        };
        Ok(bots.iter().zip(found).filter_map(list).collect())
    }
}
