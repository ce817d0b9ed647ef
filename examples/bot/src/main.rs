//! A bot inside a program, with the data on disk.
//!
//! `cargo run -p bot`, then write `@robot hello`: the bot answers. Kill the program at any moment and start it again. The bot goes on where it
//! stopped, answers the mentions that are left, and answers none twice.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chatcore::bot::{Bot, BotError, BotOptions};
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

#[tokio::main]
async fn main() -> Result<(), BotError> {
    let folder = Cli::parse().data;
    let chat = Chat::new(SurrealStore::connect(&format!("surrealkv://{}", folder.display())).await?);
    let alice = Principal::new(UserId::new("alice")?).with_name("Alice");
    let robot =
        Principal { username: Some("robot".to_owned()), ..Principal::new(UserId::new("robot")?).with_name("Robot") };
    let session = lobby(&chat, &alice, &robot).await?;

    // The folder is this process' own, so the lease of a process that was killed is soon over.
    let options = BotOptions { lease: Duration::from_secs(1), ..BotOptions::default() };
    let bot = Bot::new(chat.clone(), robot)
        .options(options)
        .on_mention(|context, message| async move {
            context.reply(format!("You said: {}", text(&message))).await?;
            Ok(())
        })
        .start();

    let mut events = chat.subscribe(&alice, session, Start::Beginning).await?;
    let printing = tokio::spawn(async move {
        while let Some(Ok(event)) = events.next_event().await {
            print(&event);
        }
    });
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if let Err(error) = chat.send(&alice, session, SendMessage::text(line)).await {
            eprintln!("{error}");
        }
    }
    bot.stop().await?;
    printing.abort();
    Ok(())
}

/// The session of both, made at the first start.
async fn lobby(chat: &Chat, alice: &Principal, robot: &Principal) -> Result<SessionId, Error> {
    let known = chat.sessions(alice, Page::FIRST).await?.first().map(|summary| summary.session.id);
    let session = match known {
        Some(session) => session,
        None => {
            let lobby = CreateSession::titled("Lobby").of_type(SessionType::Public);
            chat.create_session(alice, lobby).await?.summary.session.id
        }
    };
    match chat.join(robot, session).await {
        Ok(_) | Err(Error::Denied(Denial::AlreadyParticipant)) => Ok(session),
        Err(error) => Err(error),
    }
}

fn text(message: &Message) -> &str {
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
