//! What is around the bot: the data on disk, the session, and Alice, who writes on the console.

use std::{path::PathBuf, sync::Arc};

use chatcore::bot::BotError;
use chatcore::chat::{CreateSession, EventView, SendMessage, Start};
use chatcore::model::{Content, Message, Page, SessionId, SessionType, UserId};
use chatcore::{Chat, Error, Principal, permission::Denial};
use chatcore_surreal::SurrealStore;
use clap::Parser;
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};

/// A bot that answers when it is mentioned. Each line of the input is a message of Alice; the program prints all messages of the session.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// The folder for the data; made where there is none
    #[arg(long, value_name = "FOLDER", default_value = "bot-data")]
    data: PathBuf,
}

/// The chat, and the session that Alice made in it.
pub(crate) struct Console {
    pub(crate) chat: Chat,
    alice: Principal,
    session: SessionId,
}

impl Console {
    /// Opens the data in the folder of the command line. The first start makes the session.
    pub(crate) async fn open() -> Result<Self, BotError> {
        let folder = Cli::parse().data;
        let chat = Chat::new(SurrealStore::connect(&format!("surrealkv://{}", folder.display())).await?);
        let alice = Principal::new(UserId::new("alice")?).with_name("Alice");
        let known = chat.sessions(&alice, Page::FIRST).await?.first().map(|summary| summary.session.id);
        let session = match known {
            Some(session) => session,
            None => {
                let lobby = CreateSession::titled("Lobby").of_type(SessionType::Public);
                chat.create_session(&alice, lobby).await?.summary.session.id
            }
        };
        Ok(Self { chat, alice, session })
    }

    /// Makes a user a participant of the session, where it is none.
    pub(crate) async fn let_in(&self, user: &Principal) -> Result<(), Error> {
        match self.chat.join(user, self.session).await {
            Ok(_) | Err(Error::Denied(Denial::AlreadyParticipant)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends each line of the input, until the input ends. All messages are printed, also those that come later.
    pub(crate) async fn talk(&self) -> Result<(), BotError> {
        let mut events = self.chat.subscribe(&self.alice, self.session, Start::Beginning).await?;
        tokio::spawn(async move {
            while let Some(Ok(event)) = events.next_event().await {
                print(&event);
            }
        });
        let mut lines = BufReader::new(stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            if let Err(error) = self.chat.send(&self.alice, self.session, SendMessage::text(line)).await {
                eprintln!("{error}");
            }
        }
        Ok(())
    }
}

/// The text of a message.
pub(crate) fn text(message: &Message) -> &str {
    match &message.body.content {
        Content::Text(text) => text,
        Content::Encrypted(_) | Content::Deleted => "",
    }
}

fn print(event: &Arc<EventView>) {
    if let Some(message) = event.message() {
        println!("{}: {}", message.sender.name, text(&message));
    }
}
