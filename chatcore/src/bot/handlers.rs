//! Which handler an event calls.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::BoxFuture;

use super::{BotError, BotFailure, Context};
use crate::{
    chat::EventView,
    model::{EventKind, Message, MessageBody, MessageEvent, MessageStatus, MessageType, StreamState, UserId},
};

type Handled = BoxFuture<'static, Result<(), BotError>>;
type OnFailure = Arc<dyn Fn(&BotFailure) + Send + Sync>;
type Handler<T> = Arc<dyn Fn(Context, T) -> Handled + Send + Sync>;

#[derive(Default)]
pub(super) struct Handlers {
    /// By the names of the commands.
    pub(super) commands: HashMap<String, Handler<Message>>,
    pub(super) mention: Option<Handler<Message>>,
    pub(super) message: Option<Handler<Message>>,
    pub(super) event: Option<Handler<Arc<EventView>>>,
    pub(super) failure: Option<OnFailure>,
}

/// A handler with what it is called for.
pub(super) enum Call {
    Message(Handler<Message>, Box<Message>),
    Event(Handler<Arc<EventView>>, Arc<EventView>),
}

impl Call {
    /// The message that an answer answers.
    pub(super) const fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(_, message) => Some(message),
            Self::Event(..) => None,
        }
    }

    pub(super) fn start(&self, context: Context) -> Handled {
        match self {
            Self::Message(handler, message) => handler(context, Message::clone(message)),
            Self::Event(handler, event) => handler(context, Arc::clone(event)),
        }
    }
}

/// Whether a message is one to answer: somebody said it, and all of it is there.
fn is_said(body: &MessageBody, status: &MessageStatus) -> bool {
    let is_there = match status {
        MessageStatus::AsSent | MessageStatus::Edited { .. } => true,
        MessageStatus::Deleted { .. } => false,
    };
    is_there && body.message_type != MessageType::System
}

/// The message that an event completes. A message that is written in parts is completed by its end, and not by its beginning.
fn completed(view: &EventView) -> Option<Message> {
    let EventKind::Message(event) = &view.event.kind else { return None };
    let is_complete = |body: &MessageBody| match event {
        MessageEvent::Sent { .. } => body.stream.is_none(),
        MessageEvent::Finished { .. } => body.stream == Some(StreamState::Complete),
        MessageEvent::Edited { .. }
        | MessageEvent::Deleted { .. }
        | MessageEvent::Pinned { .. }
        | MessageEvent::Unpinned { .. }
        | MessageEvent::Reacted { .. }
        | MessageEvent::Unreacted { .. } => false,
    };
    view.message().filter(|message| is_complete(&message.body) && is_said(&message.body, &message.status))
}

impl Handlers {
    /// The call for an event; `None` where it concerns the bot of this user nothing.
    pub(super) fn call(&self, view: &Arc<EventView>, bot: &UserId) -> Option<Call> {
        if view.event.actor == *bot {
            return None;
        }
        let for_message = |message: Message| {
            let handler = self.of_message(&message, bot)?;
            Some(Call::Message(Arc::clone(handler), Box::new(message)))
        };
        let for_event = || Some(Call::Event(Arc::clone(self.event.as_ref()?), Arc::clone(view)));
        completed(view).and_then(for_message).or_else(for_event)
    }

    fn of_message(&self, message: &Message, bot: &UserId) -> Option<&Handler<Message>> {
        let command = match &message.body.command {
            // It is for another bot.
            Some(command) if command.bot_id != *bot => return None,
            Some(command) => self.commands.get(command.name.as_str()),
            None => None,
        };
        let is_named = message.body.mentions.iter().any(|mention| mention.user.as_ref() == Some(bot));
        command.or(self.mention.as_ref().filter(|_| is_named)).or(self.message.as_ref())
    }
}
