//! An assistant in a chat with one person, whose lines come from the input. `cargo run -p assistant -- --fake` needs no key.

use std::{
    io::{Write as _, stdout},
    time::Duration,
};

use assistant::{Endpoint, assistant, fake};
use chatcore::bot::BotError;
use chatcore::chat::{CreateSession, Delivery, SendMessage};
use chatcore::model::{EventKind, MessageEvent, SessionType, Signal, StreamState, UserId};
use chatcore::{Chat, Principal};
use clap::Parser;
use futures_util::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};

/// An assistant in a chat, over any endpoint that is compatible with OpenAI's. Each line of the input is a message to it, and its answer is printed
/// as it is written.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "OPENAI_API_KEY in the environment gives the key; there is no flag for it, since every process sees those."
)]
struct Cli {
    /// The address before /chat/completions
    #[arg(long, value_name = "URL", default_value = "https://api.openai.com/v1")]
    base_url: String,
    /// The name of the model
    #[arg(long, value_name = "NAME", required_unless_present = "fake", default_value_if("fake", "true", "fake"))]
    model: Option<String>,
    /// How many of the last messages the model sees
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100))]
    context: u64,
    /// How long the model may say nothing
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=assistant::LONGEST_SILENCE.as_secs()))]
    silence: u64,
    /// Use a fake model in this process, which says back what was said
    #[arg(long, conflicts_with = "base_url")]
    fake: bool,
}

#[tokio::main]
async fn main() -> Result<(), BotError> {
    let cli = Cli::parse();
    let base = if cli.fake {
        format!("http://{}/v1", fake::start(fake::Behaviour::Answers(Duration::from_millis(50))).await?)
    } else {
        cli.base_url
    };
    let key = std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.is_empty() && !cli.fake);
    let endpoint = Endpoint::new(&base, &cli.model.unwrap_or_default(), key, Duration::from_secs(cli.silence))?;

    let chat = Chat::in_memory();
    let person = Principal::new(UserId::new("person")?).with_name("Person");
    let helper = Principal::new(UserId::new("assistant")?).with_name("Assistant");
    let room = chat.create_session(&person, CreateSession::titled("Room").of_type(SessionType::Public)).await?;
    let session = room.summary.session.id;
    chat.join(&helper, session).await?;
    let bot = assistant(chat.clone(), helper.clone(), endpoint, cli.context).start();

    let mut deliveries = chat.subscribe(&person, session, None).await?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let question = SendMessage::text(line).mentioning([helper.user_id.clone()]);
        if let Err(error) = chat.send(&person, session, question).await {
            println!("{error}");
            continue;
        }
        while let Some(delivery) = deliveries.next().await {
            if is_end(&delivery?) {
                break;
            }
        }
    }
    bot.stop().await?;
    Ok(())
}

/// Prints a delivery, and says whether it ends an answer.
fn is_end(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Signal(view) => {
            if let Signal::MessagePart { text, .. } = &view.signal {
                print!("{text}");
                // What is not seen at once is seen later.
                let _ = stdout().flush();
            }
            false
        }
        Delivery::Event(view) => {
            if !matches!(view.event.kind, EventKind::Message(MessageEvent::Finished { .. })) {
                return false;
            }
            match view.message().and_then(|message| message.body.stream) {
                Some(StreamState::Failed { detail, .. }) => println!(" [{}]", detail.unwrap_or_default()),
                Some(StreamState::Streaming | StreamState::Complete) | None => println!(),
            }
            true
        }
    }
}
