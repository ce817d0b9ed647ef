//! `chat-server`: a complete chat server on an embedded database.

mod config;
mod run;
mod secret;
mod token;

use std::process::ExitCode;

use clap::Parser;

use config::{Cli, Command};

// The database allocates much and in many sizes: with the system's allocator on Linux, a third less goes through.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { settings, command } = Cli::parse();
    let outcome = settings.load().and_then(|config| match command {
        None | Some(Command::Serve) => run::run(&config),
        Some(Command::Token(args)) => token::print(&config, args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("chat-server: {error}");
            // What is underneath says what to do about it: a full disk, a permission.
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}
