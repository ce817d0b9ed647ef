//! `chat-server`: a complete chat server on an embedded database.

mod accounts;
mod admin;
mod backup;
mod bus;
mod check;
mod cli;
mod compact;
mod config;
mod descriptors;
mod disk;
mod environment;
mod exposure;
mod health;
mod issuers;
mod lists;
mod logging;
mod metrics;
mod migrate;
mod output;
mod rates;
mod run;
mod running;
mod secret;
mod signals;
mod tls;
mod token;
mod webhooks;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use config::{Failure, sample};
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
    let is_check = parsed.as_ref().is_ok_and(|cli| matches!(cli.command, Some(Command::Check)));
    let checked = if is_help { Ok(Vec::new()) } else { environment::check() };
    if is_check && let Ok(Cli { settings, .. }) = parsed {
        return check::check(settings, checked);
    }
    let mut told = checked?;
    let Cli { settings, command } = parsed.unwrap_or_else(|message| message.exit());
    cli::given_once(std::env::args_os())?;
    if let Some(Command::Config(args)) = &command {
        let text = if args.effective { sample::effective(&settings.merged(&mut told)?.0)? } else { sample::sample() };
        sample::print(&text);
        warn(told, stderr);
        return Ok(());
    }
    let config = settings.load(&mut told)?;
    match command {
        None | Some(Command::Serve) => run::run(&config, &told, stderr),
        Some(Command::Compact) => compact::compact(&config, &told, stderr),
        Some(Command::Migrate(args)) => migrate::migrate(&config, args.dry_run, &told, stderr),
        Some(Command::Backup(args)) => backup::back_up(&config, &args, &told, stderr),
        Some(Command::Restore(args)) => backup::restore(&config, &args.file, &told, stderr),
        Some(Command::Health(args)) => health::ask(&config, args.server),
        Some(Command::Token(args)) => {
            warn(told, stderr);
            token::print(&config, args, stderr)
        }
        // They are done already.
        Some(Command::Config(_) | Command::Check) => Ok(()),
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
