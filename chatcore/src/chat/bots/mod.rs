//! Use cases about bots, their commands and their tokens.
//!
//! A bot is a user whom another user owns. It has an id and a profile of its own, and comes into sessions as any user does. Its standing says
//! that it is a bot, because each admission reads the standing.

mod commands;
mod known;
mod owned;
mod tokens;

pub use commands::{InvokeCommand, MAX_BOTS_LISTED, MAX_COMMAND_DESCRIPTION_CHARS, MAX_COMMANDS, MAX_COMMANDS_LISTED};
pub(in crate::chat) use known::KnownTokens;
pub use owned::{MAX_BOT_NAME_CHARS, MAX_BOTS};
pub use tokens::{CreateBotToken, MAX_BOT_TOKENS, MAX_TOKEN_NAME_CHARS, MAX_TOKEN_SESSIONS};
