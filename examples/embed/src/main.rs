//! A chat inside of a program: no server, no database, no token.

use chatcore::chat::{CreateSession, SendMessage};
use chatcore::model::{SessionType, UserId};
use chatcore::{Chat, Principal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chat = Chat::in_memory();
    let alice = Principal::new(UserId::new("alice")?).with_name("Alice");
    let bob = Principal::new(UserId::new("bob")?).with_name("Bob");

    let room = chat.create_session(&alice, CreateSession::titled("Lobby").of_type(SessionType::Public)).await?;
    let id = room.summary.session.id;
    chat.join(&bob, id).await?;

    let mut events = chat.subscribe(&alice, id, Some(room.seq)).await?;
    chat.send(&bob, id, SendMessage::text("Hello, Alice!")).await?;
    while let Some(event) = events.next_event().await {
        if let Some(message) = event?.message() {
            println!("{}: {:?}", message.sender.name, message.body.content);
            break;
        }
    }
    Ok(())
}
