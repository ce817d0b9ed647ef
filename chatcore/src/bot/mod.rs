//! Bots that run inside the host: a function for each kind of event, called for all sessions of one user.
//!
//! ```
//! use chatcore::chat::{CreateSession, SendMessage};
//! use chatcore::model::{SessionType, UserId};
//! use chatcore::{Bot, Chat, Principal};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let chat = Chat::in_memory();
//!     let alice = Principal::new(UserId::new("alice")?);
//!     let robot = Principal::new(UserId::new("robot")?).with_name("Robot");
//!     let room = chat.create_session(&alice, CreateSession::titled("Lobby").of_type(SessionType::Public)).await?;
//!     let id = room.summary.session.id;
//!     chat.join(&robot, id).await?;
//!
//!     let bot = Bot::new(chat.clone(), robot.clone())
//!         .on_mention(|context, message| async move {
//!             context.reply(format!("Hello, {}!", message.sender.name)).await?;
//!             Ok(())
//!         })
//!         .start();
//!
//!     let mut events = chat.subscribe(&alice, id, None).await?;
//!     chat.send(&alice, id, SendMessage::text("Hello!").mentioning([robot.user_id])).await?;
//!     let answered = async {
//!         while let Some(Ok(event)) = events.next_event().await {
//!             if event.message().is_some_and(|message| message.sender.name == "Robot") {
//!                 break;
//!             }
//!         }
//!     };
//!     answered.await;
//!     bot.stop().await?;
//!     Ok(())
//! }
//! ```
//!
//! **Which handler.** An event calls at most one handler. A message that invokes a command of the bot calls the handler of the command, a
//! message that mentions the bot's user by name the handler of mentions, and any other message the handler of messages, unless it invokes a
//! command of another bot. If a bot does not have one of these handlers, the next handler is called. A streamed message calls a handler at
//! its end, if the message is complete. Each other event, and a message without another handler, calls the handler of events. Events of the
//! bot's own user call no handler. Two bots that answer each message answer each other without end, so a bot in a session with other bots
//! should answer only mentions.
//!
//! **At least once, in order.** The log is the queue. A record for each session has the position up to which the events are handled
//! ([`BotCursors`](crate::store::BotCursors)). The bot writes the record after the end of the handler, once a second
//! ([`BotOptions::cursor_interval`]) and in [`RunningBot::stop`]. So after a crash, the bot handles the events of the last second again. A
//! session without a record begins with the event of the join of the bot's user. The handlers of one session run one after the other. A
//! handler gets the current state of an edited or deleted event.
//!
//! **Each answer once.** [`Context::reply`], [`send`](Context::send) and [`stream`](Context::stream) use a client id from the position of
//! the event and the number of the answer. So a repeated run for the same event sends no answer twice, if the handler gives its answers in
//! the same order. Other effects of a handler may happen twice.
//!
//! **Back-pressure.** A waiting session costs one position, for any number of waiting events. A running handler's session holds at most 32
//! events. At most [`BotOptions::parallel`] sessions run at once. A method of [`Context`] that the rate limits refuse waits and retries.
//!
//! **Failures.** A handler fails by an error, by a panic, or by the end of [`BotOptions::handler_time`]. The bot retries the event after a
//! backoff, and the session's later events wait; other sessions continue. After [`BotOptions::attempts`] the bot gives the event up: the
//! bot logs an error and calls [`Bot::on_failure`]. An attempt does not count during an unavailability of the chat, or where the bot itself
//! may no longer read the session. A denial in another session is a failure. An answer that a moderator must approve, and an answer to a
//! deleted message, are no failures.
//!
//! **Several processes.** One process runs the bot of a user, by a lease ([`BotLeases`](crate::store::BotLeases)) that the process renews.
//! Other processes with the same bot wait, and one of these processes continues after the stop of that process, or [`BotOptions::lease`]
//! after its crash. If clocks disagree, or a process was suspended, two processes may run for a moment: in that case handlers run twice,
//! and answers are still sent once.

mod context;
mod cursors;
mod handlers;
mod lease;
mod listen;
mod runner;
mod session;
mod streamed;

use std::{fmt, future::Future, sync::Arc, time::Duration};

pub use context::Context;
use handlers::Handlers;
pub use runner::RunningBot;
use runner::Shared;
pub use streamed::StreamedAnswer;

use crate::{
    Chat, Principal,
    chat::EventView,
    error::Result,
    model::{Message, Seq, SessionId},
};

/// The error of a failed handler.
pub type BotError = Box<dyn std::error::Error + Send + Sync>;

/// The options of a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotOptions {
    /// Maximum number of concurrent handlers, each for another session. Default: 16.
    pub parallel: usize,
    /// Maximum number of attempts for an event. Default: 5.
    pub attempts: u32,
    /// The first backoff, which doubles with each attempt. Default: 1 s.
    pub first_pause: Duration,
    /// The maximum backoff between two attempts. Default: 30 s.
    pub longest_pause: Duration,
    /// Timeout of a handler. Default: 10 minutes.
    pub handler_time: Duration,
    /// Interval of writes of positions. After a crash, the bot handles the events of this interval again. Default: 1 s.
    pub cursor_interval: Duration,
    /// Time after a crash at which another process continues the bot. The process renews the lease three times as often. Default: 6 s.
    pub lease: Duration,
}

impl Default for BotOptions {
    fn default() -> Self {
        Self {
            parallel: 16,
            attempts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            handler_time: Duration::from_secs(600),
            cursor_interval: Duration::from_secs(1),
            lease: Duration::from_secs(6),
        }
    }
}

/// A handler that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked,
    /// The handler ran longer than [`BotOptions::handler_time`].
    #[error("the handler ran for too long")]
    TimedOut,
}

/// An event that was given up.
#[derive(Debug)]
pub struct BotFailure {
    /// The session.
    pub session_id: SessionId,
    /// The position of the event.
    pub seq: Seq,
    /// The number of attempts.
    pub attempts: u32,
    /// The error of the last attempt: the handler's own error, or [`Interrupted`].
    pub error: BotError,
}

/// A bot that does not run yet.
#[must_use = "a bot does nothing before it is started"]
pub struct Bot {
    chat: Chat,
    principal: Principal,
    options: BotOptions,
    handlers: Handlers,
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot")
            .field("user", &self.principal.user_id)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Bot {
    /// A bot that acts as this user, in all sessions of the user.
    pub fn new(chat: Chat, principal: Principal) -> Self {
        Self { chat, principal, options: BotOptions::default(), handlers: Handlers::default() }
    }

    /// Sets the options.
    pub fn options(mut self, options: BotOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the handler of messages that invoke this command of the bot's user. A second handler for a name replaces the first handler.
    /// Users find the command after the bot offers the command ([`Chat::set_commands`]).
    pub fn on_command<H, F>(mut self, name: impl Into<String>, handler: H) -> Self
    where
        H: Fn(Context, Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BotError>> + Send + 'static,
    {
        self.handlers
            .commands
            .insert(name.into(), Arc::new(move |context, message| Box::pin(handler(context, message))));
        self
    }

    /// Sets the handler of messages that mention the bot's user by name. A mention of everybody does not count.
    pub fn on_mention<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Context, Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BotError>> + Send + 'static,
    {
        self.handlers.mention = Some(Arc::new(move |context, message| Box::pin(handler(context, message))));
        self
    }

    /// Sets the handler of messages without another handler.
    pub fn on_message<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Context, Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BotError>> + Send + 'static,
    {
        self.handlers.message = Some(Arc::new(move |context, message| Box::pin(handler(context, message))));
        self
    }

    /// Sets the handler of events without another handler, for example a join.
    pub fn on_event<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Context, Arc<EventView>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BotError>> + Send + 'static,
    {
        self.handlers.event = Some(Arc::new(move |context, event| Box::pin(handler(context, event))));
        self
    }

    /// Sets the hook for events that the bot gives up.
    pub fn on_failure(mut self, hook: impl Fn(&BotFailure) + Send + Sync + 'static) -> Self {
        self.handlers.failure = Some(Arc::new(hook));
        self
    }

    /// Starts the bot in the current runtime.
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    #[must_use = "the bot ends when it is dropped"]
    pub fn start(self) -> RunningBot {
        let Self { chat, principal, options, handlers } = self;
        RunningBot::start(Shared::new(chat, principal, options, handlers))
    }

    /// Runs the bot until `shutdown` is done, and then stops it as [`RunningBot::stop`] does.
    ///
    /// # Errors
    /// As [`RunningBot::ended`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        let mut bot = self.start();
        tokio::select! {
            ended = bot.ended() => return ended,
            () = shutdown => {}
        }
        bot.stop().await
    }
}
