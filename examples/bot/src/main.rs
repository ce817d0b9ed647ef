//! A bot inside a program, with the data on disk.
//!
//! `cargo run -p bot`, then write `@robot hello`: the bot answers. Kill the program at any moment and start it again. The bot goes on where it
//! stopped, answers the mentions that are left, and answers none twice.

mod console;

use std::time::Duration;

use chatcore::bot::{Bot, BotError, BotOptions};
use chatcore::{Principal, model::UserId};

use console::{Console, text};

#[tokio::main]
async fn main() -> Result<(), BotError> {
    let console = Console::open().await?;
    let robot =
        Principal { username: Some("robot".to_owned()), ..Principal::new(UserId::new("robot")?).with_name("Robot") };
    console.let_in(&robot).await?;

    // The folder is this process' own, so the lease of a process that was killed is soon over.
    let options = BotOptions { lease: Duration::from_secs(1), ..BotOptions::default() };
    let bot = Bot::new(console.chat.clone(), robot)
        .options(options)
        .on_mention(|context, message| async move {
            context.reply(format!("You said: {}", text(&message))).await?;
            Ok(())
        })
        .start();
    console.talk().await?;
    bot.stop().await?;
    Ok(())
}
