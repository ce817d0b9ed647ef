//! How fast a message and a typing signal get from one process to another, over a NATS server.
//!
//! The server's address is the first argument, or `NATS_URL`, or `nats://127.0.0.1:4222`; who wants in to it is
//! `NATS_USER` with `NATS_PASSWORD`, if it asks.

use std::{env, error::Error, process::ExitCode, time::Instant};

use chatcore::chat::{CreateSession, Delivery, SendMessage, Subscription};
use chatcore::model::{SessionType, UserId};
use chatcore::{Chat, MemoryStore, Principal};
use chatcore_nats::{NatsLogin, NatsNotifier, NatsOptions};
use futures_util::StreamExt;

#[tokio::main]
async fn main() -> ExitCode {
    let url = env::args().nth(1).or_else(|| env::var("NATS_URL").ok());
    let url = url.unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned());
    match run(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(url: &str) -> Result<(), Box<dyn Error>> {
    // Two handles with nothing in common but the store and the NATS server, as in two processes.
    let store = MemoryStore::new();
    let here = Chat::builder(store.clone()).notifier(connect(url).await?).build();
    let there = Chat::builder(store).notifier(connect(url).await?).build();

    let alice = Principal::new(UserId::new("alice")?).with_name("Alice");
    let bob = Principal::new(UserId::new("bob")?).with_name("Bob");
    let room = here.create_session(&alice, CreateSession::titled("Lobby").of_type(SessionType::Public)).await?;
    let id = room.summary.session.id;
    there.join(&bob, id).await?;
    let mut heard = there.subscribe(&bob, id, None).await?;

    for n in 1..=5 {
        let began = Instant::now();
        here.typing(&alice, id, true).await?;
        next(&mut heard).await?;
        let typing = began.elapsed();

        let began = Instant::now();
        here.send(&alice, id, SendMessage::text(format!("Hello, Bob, {n}!"))).await?;
        next(&mut heard).await?;
        println!("{n}: typing {typing:?}, message {:?}", began.elapsed());
        // The message ends the typing.
        next(&mut heard).await?;
    }
    Ok(())
}

async fn connect(url: &str) -> Result<NatsNotifier, Box<dyn Error>> {
    let login = match (env::var("NATS_USER"), env::var("NATS_PASSWORD")) {
        (Ok(user), Ok(password)) => NatsLogin::Password { user, password },
        _ => NatsLogin::Nobody,
    };
    let options = NatsOptions { login, required: true, ..NatsOptions::at([url]) };
    Ok(NatsNotifier::open(options).await.map_err(|error| {
        format!(
            "{error}\n\
             Start one (`apt install nats-server; nats-server`), or name another: `cargo run -p nats -- nats://host:4222`."
        )
    })?)
}

async fn next(heard: &mut Subscription) -> Result<Delivery, Box<dyn Error>> {
    Ok(heard.next().await.ok_or("the subscription ended")??)
}
