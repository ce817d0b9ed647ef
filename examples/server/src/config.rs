//! Settings: from flags, then the environment, then a file, then defaults.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "chat-server.toml";

/// What stops the server, in words for whoever started it.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// A complete chat server: REST, WebSocket, GraphQL, an embedded database.
///
/// Without a command it serves. Then try http://127.0.0.1:8000/docs and http://127.0.0.1:8000/graphql, and `chat-server token --user alice` for a token.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "CHAT_SECRET in the environment gives the signing secret itself, 32 bytes or more, and \
    CHAT_DATABASE_PASSWORD the password of --database-user; there are no flags for them, since every process sees those."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until Ctrl-C or SIGTERM (the default)
    Serve,
    /// Print an access token and nothing else; works while the server runs
    Token(TokenArgs),
}

/// Whose token.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The user's id: 1 to 128 characters
    #[arg(long)]
    pub(crate) user: String,
    /// The name to show
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A short handle to show; the user's id where not given
    #[arg(long)]
    pub(crate) username: Option<String>,
    /// The e-mail address
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// How long the token is good for, like 30m, 24h or 7days
    #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
    pub(crate) lifetime: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The settings as they are given; what is not given here comes from the file, or is the default.
#[derive(Debug, Args, Serialize)]
pub(crate) struct Settings {
    /// A TOML file with the same settings, `_` for `-`; chat-server.toml is read if it is there
    #[arg(long, global = true, env = "CHAT_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8000]
    #[arg(long, global = true, env = "CHAT_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// The folder for the database and the signing secret [default: ./data]
    #[arg(long, global = true, env = "CHAT_DATA", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    /// The database: mem://, surrealkv://FOLDER, or ws://HOST:PORT for a SurrealDB server [default: surrealkv in the data folder]
    #[arg(long, global = true, env = "CHAT_DATABASE", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    /// The namespace within the database [default: chatcore]
    #[arg(long, global = true, env = "CHAT_DATABASE_NAMESPACE", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    database_namespace: Option<String>,
    /// The database within the namespace [default: chatcore]
    #[arg(long, global = true, env = "CHAT_DATABASE_NAME", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    database_name: Option<String>,
    /// The user to sign in as at a SurrealDB server, one of that database with the role EDITOR
    #[arg(long, global = true, env = "CHAT_DATABASE_USER", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    database_user: Option<String>,
    /// A file with the signing secret, 32 bytes or more [default: `secret` in the data folder, made at first use]
    #[arg(long, global = true, env = "CHAT_SECRET_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_file: Option<PathBuf>,
    /// A page that may use the server beside the server's own pages, as scheme://host or scheme://host:port; `*` for all; repeat for
    /// several
    #[arg(long, global = true, env = "CHAT_ALLOWED_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_origins: Vec<String>,
    /// Largest body of a request and frame of a WebSocket, in bytes; 0 for what the longest message needs [default: 0]
    #[arg(long, global = true, env = "CHAT_BODY_BYTES", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<usize>,
    /// Longest text of a message, in characters [default: 8000]
    #[arg(long, global = true, env = "CHAT_MESSAGE_CHARS", value_name = "CHARACTERS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    message_chars: Option<usize>,
    /// WebSockets, event streams and long polls open at once per user [default: 5]
    #[arg(long, global = true, env = "CHAT_SOCKETS_PER_USER", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets_per_user: Option<usize>,
    /// Whether GET /graphql shows browsers the GraphiQL page, true or false [default: true]
    #[arg(long, global = true, env = "CHAT_GRAPHIQL", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    graphiql: Option<bool>,
    /// Whether the GraphQL schema may be asked about itself, and errors suggest names from it, true or false [default: true]
    #[arg(long, global = true, env = "CHAT_INTROSPECTION", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection: Option<bool>,
    /// What to log, like debug or chatcore=debug [default: info,surrealdb=warn,surrealkv=error]
    #[arg(long, global = true, env = "CHAT_LOG", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    /// How log lines on stderr look [default: text]
    #[arg(long, global = true, env = "CHAT_LOG_FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<LogFormat>,
}

/// The settings as they hold.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) database: Option<String>,
    pub(crate) database_namespace: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) database_user: Option<String>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) body_bytes: usize,
    pub(crate) message_chars: usize,
    pub(crate) sockets_per_user: usize,
    pub(crate) graphiql: bool,
    pub(crate) introspection: bool,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        let (options, limits) = (chatcore_poem::Options::default(), chatcore::Limits::default());
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            data: PathBuf::from("data"),
            database: None,
            database_namespace: None,
            database_name: None,
            database_user: None,
            secret_file: None,
            allowed_origins: Vec::new(),
            body_bytes: options.body_bytes,
            message_chars: limits.message_chars,
            sockets_per_user: options.sockets_per_user,
            graphiql: true,
            introspection: true,
            // The database tells much about itself that is of no use to who runs a chat.
            log: "info,surrealdb=warn,surrealkv=error".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

impl Settings {
    /// Puts the sources together.
    pub(crate) fn load(self) -> Result<Config, Failure> {
        let mut sources = Figment::from(Serialized::defaults(Config::default()));
        sources = match &self.config {
            Some(file) if !file.is_file() => {
                return Err(format!("there is no configuration file at {}", file.display()).into());
            }
            Some(file) => sources.merge(Toml::file_exact(file)),
            None if Path::new(DEFAULT_FILE).is_file() => sources.merge(Toml::file_exact(DEFAULT_FILE)),
            None => sources,
        };
        let config = sources.merge(Serialized::defaults(self)).extract();
        config.map_err(|error| format!("the settings are not valid: {error}").into())
    }
}
