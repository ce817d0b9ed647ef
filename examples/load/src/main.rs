//! Puts load on a chat server, and tells what comes of it: progress on stderr, figures on stdout.

mod counted;
mod fanout;
mod figures;
mod process;
mod room;
mod server;
mod subscriber;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use subscriber::Transport;

/// The server may use nearly all of the machine; what this program takes from it should be little.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What went wrong, in words for whoever started this.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Puts load on a chat server and tells what comes of it.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One sender, many subscribers: what a delivery costs, and how long it takes
    #[command(
        after_help = "Transports take turns (A B A B), so that what else happens on the machine falls on all of \
        them. In each turn all subscribers connect on that transport, and wait for the messages of the sender, who \
        always sends over a WebSocket. Every message carries when it was sent; sender and subscribers are one process \
        with one clock. The processor time is the server's whole, measured while messages are sent and delivered, \
        connecting left out; it is known on Linux.\n\n\
        It fails where a subscriber misses a message, gets one twice, or gets them out of order. Each connection takes \
        a file descriptor here and one in the server: see `ulimit -n`.\n\n\
        Example: load fanout --chat-server target/release/chat-server --database mem:// --subscribers 1000"
    )]
    Fanout(Fanout),
}

/// What `fanout` does.
#[derive(Debug, Clone, Args)]
pub(crate) struct Fanout {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How many subscribers listen
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=9_000))]
    pub(crate) subscribers: u32,
    /// Messages a second
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: u32,
    /// How long messages are sent in each turn
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,
    /// How many turns each transport has
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) turns: u32,
    /// What to compare; the others are set against the first
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Transport::Websocket, Transport::Graphql])]
    pub(crate) transports: Vec<Transport>,
    /// The length of a message's text
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(50..=8_000))]
    pub(crate) bytes: u32,
    /// How many subscribers are one user; servers allow 5 sockets per user unless told otherwise
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sockets_per_user: u32,
}

/// Which server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The chat-server program: it is started on a free port, with a new folder for its data, and ended afterwards
    #[arg(long, value_name = "PATH", required_unless_present = "server", conflicts_with = "server")]
    pub(crate) chat_server: Option<PathBuf>,
    /// The database of the server that is started, as its own --database has it [default: on disk, in its folder]
    #[arg(long, value_name = "URL", conflicts_with = "server")]
    pub(crate) database: Option<String>,
    /// A server that runs, like http://127.0.0.1:8000
    #[arg(long, value_name = "URL", requires = "secret_file")]
    pub(crate) server: Option<String>,
    /// The file with the secret by which that server knows tokens, `secret` in its data folder
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Where that server serves its metrics, like http://127.0.0.1:9000/metrics: at the end it is printed what the server counted meanwhile,
    /// beside what was sent and read here. Nothing else may use the server
    #[arg(long, value_name = "URL", requires = "server")]
    pub(crate) metrics: Option<String>,
    /// The process id of that server, if it runs on this machine: without it nothing is said of its processor time
    #[arg(long, value_name = "NUMBER", requires = "server")]
    pub(crate) pid: Option<u32>,
}

// One thread: what it takes from the machine is easily seen, and subscribers do not compete with one another.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Fanout(asked) => fanout::run(&asked).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
