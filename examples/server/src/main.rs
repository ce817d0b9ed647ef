//! `chat-server`: a complete chat server on an embedded database.

mod config;
mod run;
mod secret;
mod token;

use std::process::ExitCode;

use clap::Parser;

use config::{Cli, Command};

fn main() -> ExitCode {
    let Cli { settings, command } = Cli::parse();
    let outcome = settings.load().and_then(|config| match command {
        None | Some(Command::Serve) => run::run(&config),
        Some(Command::Token(args)) => token::print(&config, args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat-server: {error}");
            ExitCode::FAILURE
        }
    }
}
