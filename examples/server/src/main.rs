//! `chat-server`: a complete chat server on an embedded database.

mod accounts;
mod admin;
mod backup;
mod cli;
mod compact;
mod config;
mod descriptors;
mod disk;
mod environment;
mod issuers;
mod metrics;
mod output;
mod rates;
mod run;
mod secret;
mod signals;
mod token;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use config::Failure;
use output::Output;

// The database allocates much and in many sizes: with the system's allocator on Linux, a third less goes through.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let stderr = Output::stderr();
    let outcome = run(&stderr);
    if let Err(error) = &outcome {
        let mut line = format!("chat-server: {error}");
        // What is underneath says what to do about it: a full disk, a permission.
        let mut cause = error.source();
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        stderr.say(&line);
    }
    stderr.flush();
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(stderr: &Output) -> Result<(), Failure> {
    let parsed = Cli::try_parse();
    // Before what clap says, which does not name a variable that is not UTF-8. Help is given in any case.
    let is_help = parsed.as_ref().is_err_and(|message| !message.use_stderr());
    let told = if is_help { Vec::new() } else { environment::check()? };
    let Cli { settings, command } = parsed.unwrap_or_else(|message| message.exit());
    cli::given_once(std::env::args_os())?;
    let config = settings.load()?;
    match command {
        None | Some(Command::Serve) => run::run(&config, &told, stderr),
        Some(Command::Compact) => compact::compact(&config, &told, stderr),
        Some(Command::Backup(args)) => backup::back_up(&config, &args.file, &told, stderr),
        Some(Command::Restore(args)) => backup::restore(&config, &args.file, &told, stderr),
        Some(Command::Token(args)) => {
            warn(told, stderr);
            token::print(&config, args, stderr)
        }
        Some(Command::Admin(args)) => {
            warn(told, stderr);
            admin::run(&config, args)
        }
    }
}

/// Tells what the settings' sources have to be told of, where nothing logs.
fn warn(told: Vec<String>, stderr: &Output) {
    for line in told {
        stderr.say(&format!("chat-server: warning: {line}"));
    }
}
