//! An assistant in a chat: a bot that asks a language model when it is mentioned, and writes the answer in parts as they come.

pub mod fake;
mod model;

use std::time::Duration;

use chatcore::{
    Bot, Chat, Principal,
    bot::{BotError, Context, StreamedAnswer},
    model::{Bound, Content, Message, MessageStatus, MessageWindow, SpeakerRole, StreamState},
};
pub use model::{Endpoint, ModelError};
use model::{Said, Turn};

/// The assistant of an endpoint, as this user. It answers with the last `context` messages of the session before it, the question included.
pub fn assistant(chat: Chat, principal: Principal, endpoint: Endpoint, context: u64) -> Bot {
    Bot::new(chat, principal).on_mention(move |event, question| {
        let endpoint = endpoint.clone();
        async move { answer(&event, &question, &endpoint, context).await }
    })
}

async fn answer(event: &Context, question: &Message, endpoint: &Endpoint, context: u64) -> Result<(), BotError> {
    let Some(mut answer) = event.stream().await? else { return Ok(()) };
    let turns = turns(event, question, context).await?;
    let asked = tokio::select! {
        asked = pass_on(endpoint, &turns, &mut answer) => asked,
        // The question is answered after the next start.
        () = event.stopping() => return Err("the assistant is being stopped".into()),
    };
    match asked {
        Ok(()) => answer.finish().await?,
        // The readers see what came so far, and that it is not all.
        Err(error) => answer.fail(error.to_string()).await?,
    };
    Ok(())
}

/// Writes the parts of the model's answer as they come.
async fn pass_on(endpoint: &Endpoint, turns: &[Turn], answer: &mut StreamedAnswer) -> Result<(), ModelError> {
    let mut parts = endpoint.ask(turns).await?;
    while let Some(part) = parts.next().await? {
        answer.push(&part).await.map_err(|error| ModelError::Refused(error.to_string()))?;
    }
    if answer.length() == 0 { Err(ModelError::Empty) } else { Ok(()) }
}

/// The last messages of the session, up to the question.
async fn turns(event: &Context, question: &Message, context: u64) -> Result<Vec<Turn>, BotError> {
    let window = MessageWindow::Before(Bound::Seq(question.seq + 1));
    let page = event.chat().messages(event.principal(), event.session_id(), window, Some(context)).await?;
    let robot = &event.principal().user_id;
    let turn = |message: &Message| {
        let is_whole = matches!(message.body.stream, None | Some(StreamState::Complete));
        let is_there = !matches!(message.status, MessageStatus::Deleted { .. });
        let Content::Text(text) = &message.body.content else { return None };
        let is_own = message.sender.user_id == *robot && message.body.role != SpeakerRole::System;
        let turn = if is_own {
            Turn { role: Said::Assistant, content: text.clone() }
        } else {
            Turn { role: Said::User, content: format!("{}: {text}", message.sender.name) }
        };
        (is_whole && is_there && !text.is_empty()).then_some(turn)
    };
    Ok(page.messages.iter().filter_map(turn).collect())
}

/// The longest time without a part that is of use: the chat ends a message sooner than a model that is slower.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(25);
