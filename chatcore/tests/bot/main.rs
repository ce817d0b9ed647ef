//! Bots that run inside the host, by example.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod answering;
mod answers_once;
mod crashes;
mod ending;
mod failing;
#[path = "../kit/mod.rs"]
mod kit;
mod processes;
mod running;
mod streaming;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chatcore::{
    Bot, Chat, MemoryStore, Principal,
    bot::{BotError, BotOptions, Context},
    chat::SendMessage,
    model::{Content, Message, MessageWindow, SessionId},
};
use kit::{in_time, room, text_of, uncounted, user};

/// Options of a bot that tries again at once.
fn quick() -> BotOptions {
    BotOptions {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
        cursor_interval: Duration::from_millis(5),
        ..BotOptions::default()
    }
}

/// A session of alice's with the bot's user in it.
struct World {
    store: MemoryStore,
    chat: Chat,
    alice: Principal,
    robot: Principal,
    session: SessionId,
}

impl World {
    async fn new() -> Self {
        let store = MemoryStore::new();
        let chat = uncounted(store.clone());
        let (alice, robot) = (user("alice"), user("robot"));
        let session = room(&chat, &alice, &[&robot]).await;
        Self { store, chat, alice, robot, session }
    }

    fn bot(&self) -> Bot {
        Bot::new(self.chat.clone(), self.robot.clone()).options(quick())
    }

    async fn mention(&self, text: &str) -> Message {
        mention(&self.chat, &self.alice, self.session, &self.robot, text).await
    }

    async fn texts(&self) -> Vec<String> {
        texts(&self.chat, &self.alice, self.session).await
    }

    /// Waits until the session has this message.
    async fn until_said(&self, text: &str) {
        until(async || self.texts().await.iter().any(|said| said == text)).await;
    }
}

async fn mention(chat: &Chat, who: &Principal, id: SessionId, bot: &Principal, text: &str) -> Message {
    chat.send(who, id, SendMessage::text(text).mentioning([bot.user_id.clone()])).await.unwrap()
}

/// All messages of a session.
async fn messages(chat: &Chat, who: &Principal, id: SessionId) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let page = chat.messages(who, id, MessageWindow::Skip(all.len() as u64), Some(100)).await.unwrap();
        let is_last = page.messages.len() < 100;
        all.extend(page.messages);
        if is_last {
            return all;
        }
    }
}

async fn texts(chat: &Chat, who: &Principal, id: SessionId) -> Vec<String> {
    let text = |message: &Message| match &message.body.content {
        Content::Text(text) => text.clone(),
        Content::Encrypted(_) | Content::Deleted => "-".to_owned(),
    };
    messages(chat, who, id).await.iter().map(text).collect()
}

/// Waits until something holds.
async fn until(holds: impl AsyncFn() -> bool) {
    in_time(async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// What handlers noted.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    async fn until(&self, count: usize) {
        until(async || self.0.lock().unwrap().len() >= count).await;
    }
}

/// Answers a message with its own text.
async fn echo(context: Context, message: Message) -> Result<(), BotError> {
    context.reply(format!("re: {}", text_of(&message))).await?;
    Ok(())
}

/// Time for what must not happen.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}
