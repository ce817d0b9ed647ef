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
//! **Which handler.** An event calls at most one handler. A message that invokes a command of the bot calls the handler of the command, a message
//! that mentions the bot's user by name the handler of mentions, and any other message the handler of messages, unless it invokes a command of
//! another bot. Where a bot does not have one of these handlers, the next one is called. A message that is written in parts calls a handler at its
//! end, if it is complete. Each other event, and a message without a handler of its own, calls the handler of events. What the bot's own user does
//! calls none. Two bots that answer each message answer each other without end, so a bot in a session with others answers mentions.
//!
//! **At least once, in order.** The log is the queue. A record says for each session up to which position the events are handled
//! ([`BotCursors`](crate::store::BotCursors)). It is written after the handler has ended, once a second ([`BotOptions::cursor_interval`]) and by
//! [`RunningBot::stop`]. So a bot whose process ended in the middle handles the events of the last second again. A session without a record
//! begins with the event that brought the bot's user in. The handlers of one session run one after the other. An event that was edited or deleted
//! before it is handled is handled as it is then.
//!
//! **Each answer once.** [`Context::reply`], [`send`](Context::send) and [`stream`](Context::stream) use a client id that is made of the position
//! of the event and the number of the answer. So a handler that runs again for the same event sends nothing twice, as long as it gives its
//! answers in the same order. Anything else that a handler does may happen twice.
//!
//! **Back-pressure.** A session that waits costs one position, however many events wait in it. A running handler's session holds at most 32
//! events. At most [`BotOptions::parallel`] sessions run at once. A method of [`Context`] that the limits on use refuse waits and tries again.
//!
//! **Failures.** A handler fails by an error, by a panic, or by the end of [`BotOptions::handler_time`]. The event is tried again after a pause,
//! and the session's later events wait; other sessions go on. After [`BotOptions::attempts`] it is given up: an error is logged and
//! [`Bot::on_failure`] is called. Where the chat was not available the attempt does not count. An answer that a moderator has to approve, or to a
//! message that was deleted meanwhile, is no failure.
//!
//! **Several processes.** One process runs the bot of a user, by a lease ([`BotLeases`](crate::store::BotLeases)) that it renews. Others with the
//! same bot wait, and one of them goes on after the stop of that process, or [`BotOptions::lease`] after its crash. Where clocks disagree, or a
//! process was asleep, two may run for a moment: handlers run twice then, and answers are still sent once.

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

/// Why a handler failed: any error.
pub type BotError = Box<dyn std::error::Error + Send + Sync>;

/// How a bot runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotOptions {
    /// How many handlers run at once, each for another session. Default: 16.
    pub parallel: usize,
    /// How often an event is tried before it is given up. Default: 5.
    pub attempts: u32,
    /// The pause after the first attempt. It doubles with each attempt. Default: 1 s.
    pub first_pause: Duration,
    /// The longest pause between two attempts. Default: 30 s.
    pub longest_pause: Duration,
    /// How long a handler may run. Default: 10 minutes.
    pub handler_time: Duration,
    /// How often positions are written. So many events are handled again after a crash. Default: 1 s.
    pub cursor_interval: Duration,
    /// How long after a crash another process goes on with the bot. The lease is renewed three times as often. Default: 6 s.
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
    /// It panicked.
    #[error("the handler panicked")]
    Panicked,
    /// It ran for longer than [`BotOptions::handler_time`].
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
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed: the handler's own error, or [`Interrupted`].
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
    /// A bot that acts as this user, in all sessions that the user is in.
    pub fn new(chat: Chat, principal: Principal) -> Self {
        Self { chat, principal, options: BotOptions::default(), handlers: Handlers::default() }
    }

    /// The same with other options.
    pub fn options(mut self, options: BotOptions) -> Self {
        self.options = options;
        self
    }

    /// Calls this for each message that invokes this command of the bot's user. The second call for a name replaces the first. Users find the
    /// command once the bot offers it ([`Chat::set_commands`]).
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

    /// Calls this for each message that mentions the bot's user by name. A mention of everybody is none.
    pub fn on_mention<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Context, Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BotError>> + Send + 'static,
    {
        self.handlers.mention = Some(Arc::new(move |context, message| Box::pin(handler(context, message))));
        self
    }

    /// Calls this for each message that no other handler takes.
    pub fn on_message<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Context, Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BotError>> + Send + 'static,
    {
        self.handlers.message = Some(Arc::new(move |context, message| Box::pin(handler(context, message))));
        self
    }

    /// Calls this for each event that no other handler takes: a user who joins, for example.
    pub fn on_event<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Context, Arc<EventView>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BotError>> + Send + 'static,
    {
        self.handlers.event = Some(Arc::new(move |context, event| Box::pin(handler(context, event))));
        self
    }

    /// Calls this for each event that is given up.
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
