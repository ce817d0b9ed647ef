//! Settings: from flags, then the environment, then a file, then defaults.

use std::{
    collections::HashSet, ffi::OsString, fmt, fs, io, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration,
};

use chatcore::Limits;
use chatcore_poem::ServeOptions;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use crate::{
    environment,
    rates::{Adds, Preset},
};

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "chat-server.toml";
/// The longest text of a message that can be set, in characters.
const MOST_MESSAGE_CHARS: usize = 1_000_000;
/// The most connections of a kind that can be set: more than any machine has, and few enough to be counted everywhere.
const MOST_CONNECTIONS: usize = 100_000_000;

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
    CHAT_DATABASE_PASSWORD the password of --database-user; there are no flags for them, since every process sees those.\n\n\
    A flag beats the environment, and the environment beats the file. What is set is used or refused: a value that is empty or not \
    UTF-8, a name that resembles a setting's, and settings that exclude each other are errors.\n\n\
    SIGINT (Ctrl-C), SIGTERM, SIGQUIT and SIGHUP stop the server: it takes no more requests, lets those that run go on for three \
    seconds, closes the database and exits with 0. Further signals change nothing. Under nohup SIGHUP is ignored."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until Ctrl-C, SIGTERM, SIGQUIT or SIGHUP (the default)
    Serve,
    /// Print an access token and nothing else; needs the secret that the server made at its first start, or that it is given
    Token(TokenArgs),
    /// Rewrite the files of the database while no server runs, so that deleted and edited texts leave the disk; needs room for a second copy
    Compact,
}

/// Whose token.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The user's id: 1 to 128 characters, not `.` or `..`, without slashes and without spaces at its ends
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
    /// How long the token is good for, like 30m, 24h or 7days; a second or more
    #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
    pub(crate) lifetime: Duration,
}

/// How long a connection may be idle: from a second to a day, as a number with a unit, like 75s or 5m.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct IdleTimeout(Duration);

impl IdleTimeout {
    pub(crate) fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for IdleTimeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = humantime::parse_duration(text).map_err(|error| format!("--idle-timeout: {error}"))?;
        if (Duration::from_secs(1)..=Duration::from_secs(24 * 3_600)).contains(&time) {
            Ok(Self(time))
        } else {
            Err("--idle-timeout is from 1s to 1day".to_owned())
        }
    }
}

impl TryFrom<String> for IdleTimeout {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<IdleTimeout> for String {
    fn from(time: IdleTimeout) -> Self {
        time.to_string()
    }
}

impl fmt::Display for IdleTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// Whether a part of the server is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// It is
    On,
    /// It is not
    Off,
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
    /// A TOML file with the same settings, `_` for `-`; chat-server.toml in the working directory is read if it is there. Paths in it
    /// start at the working directory
    #[arg(long, global = true, env = "CHAT_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8000]
    #[arg(long, global = true, env = "CHAT_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// The folder for the database and the signing secret, made where it is missing; with --database it holds the secret only,
    /// and with --database and a secret of your own it has no use and is refused [default: ./data]
    #[arg(long, global = true, env = "CHAT_DATA", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    /// The database, instead of the one in the data folder: mem://, surrealkv://FOLDER, or ws://HOST:PORT for a SurrealDB server
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
    /// A file with the signing secret: UTF-8 text, 32 bytes or more without the ASCII spaces and line ends around it, which are cut
    /// off; the same holds for CHAT_SECRET, and only one of the two can be set [default: `secret` in the data folder, made when the
    /// server first starts]
    #[arg(long, global = true, env = "CHAT_SECRET_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_file: Option<PathBuf>,
    /// For whom tokens must be made, their `aud`; tokens that name an audience are refused where none is set
    #[arg(long, global = true, env = "CHAT_AUDIENCE", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    /// By whom tokens must be made, their `iss` [default: by anybody who has the secret]
    #[arg(long, global = true, env = "CHAT_ISSUER", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// Whether users can register and log in here. Without a mailer, the codes to verify an address and to reset a password are written to
    /// the log [default: on]
    #[arg(long, global = true, env = "CHAT_ACCOUNTS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<Switch>,
    /// A page that may use the server beside the server's own pages, as scheme://host or scheme://host:port; `*` for all; repeat for
    /// several
    #[arg(long, global = true, env = "CHAT_ALLOWED_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_origins: Vec<String>,
    /// Largest body of a request and frame of a WebSocket, in bytes: as many as the longest message needs, or more; 0 for just
    /// as many [default: 0]
    #[arg(long, global = true, env = "CHAT_BODY_BYTES", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<usize>,
    /// Longest text of a message, in characters, from 1 to 1000000 [default: 8000]
    #[arg(long, global = true, env = "CHAT_MESSAGE_CHARS", value_name = "CHARACTERS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    message_chars: Option<usize>,
    /// Users that one user may add to sessions: how many at once, and after how long one more; `off` for no limit [default: 300/2s]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_INVITER", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    adds_per_inviter: Option<Adds>,
    /// How often one user may be added to sessions, whoever does it; `off` for no limit [default: 120/1m]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_INVITED", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    adds_per_invited: Option<Adds>,
    /// How often one user may add the same other user; `off` for no limit [default: 60/10m]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_PAIR", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    adds_per_pair: Option<Adds>,
    /// How often the server may be used: `default` (20 requests a second per user, and 600 at once), `messaging-admin` (100 an hour, 60
    /// WebSocket messages a minute), `chatrooms` (60 a minute), or `off` for no limit [default: default]
    #[arg(long, global = true, env = "CHAT_RATE_LIMITS", value_name = "PRESET")]
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limits: Option<Preset>,
    /// Requests of one user, whatever transport they come by, instead of what --rate-limits says; `off` for no limit
    #[arg(long, global = true, env = "CHAT_REQUEST_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    request_rate: Option<Adds>,
    /// Messages that one user sends or edits, likewise
    #[arg(long, global = true, env = "CHAT_MESSAGE_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    message_rate: Option<Adds>,
    /// Messages that one user sends over WebSockets, whatever they are, likewise
    #[arg(long, global = true, env = "CHAT_FRAME_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_rate: Option<Adds>,
    /// Requests without a valid token of one network address, likewise. A proxy in front has one address for all clients: raise it there
    #[arg(long, global = true, env = "CHAT_UNKNOWN_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_rate: Option<Adds>,
    /// WebSockets, event streams and long polls open at once per user [default: 5]
    #[arg(long, global = true, env = "CHAT_SOCKETS_PER_USER", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets_per_user: Option<usize>,
    /// WebSockets, event streams and long polls open at once in all [default: 10000]
    #[arg(long, global = true, env = "CHAT_SOCKETS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets: Option<usize>,
    /// WebSockets open at once that have not authenticated, per network address of the client; in all there can be 1000.
    /// Behind a proxy, --trusted-proxies tells the clients apart [default: 50]
    #[arg(long, global = true, env = "CHAT_UNKNOWN_SOCKETS_PER_ADDRESS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_sockets_per_address: Option<usize>,
    /// Connections open at once per network address of the client; further ones are answered with 429. Those of
    /// --trusted-proxies do not count [default: 15000]
    #[arg(long, global = true, env = "CHAT_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    connections_per_address: Option<usize>,
    /// Connections open at once in all; further ones wait. Three eighths of the limit of descriptors (ulimit -n) where that is lower, and
    /// then three quarters of these per network address [default: 20000]
    #[arg(long, global = true, env = "CHAT_CONNECTIONS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<usize>,
    /// A proxy, or a network of proxies, in front: from it the last address in `Forwarded` or `X-Forwarded-For` that is no such proxy counts
    /// as the client's, in limits and in logs; like 10.0.0.7 or 10.0.0.0/8; repeat for several [default: none, and no header counts]
    #[arg(long, global = true, env = "CHAT_TRUSTED_PROXIES", value_name = "ADDRESS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trusted_proxies: Vec<String>,
    /// Whether connections of --trusted-proxies begin with a header of the PROXY protocol, version 2, true or false; a connection without
    /// such a header is closed, and version 1 is not read [default: false]
    #[arg(long, global = true, env = "CHAT_PROXY_PROTOCOL", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_protocol: Option<bool>,
    /// Requests of one user that are answered at once; further ones are answered with 429 [default: 100]
    #[arg(long, global = true, env = "CHAT_REQUESTS_PER_USER", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_user: Option<usize>,
    /// How long a connection may be idle between two requests, like 75s or 5m; more than the idle timeout of a proxy or load balancer in
    /// front, or requests get lost [default: 75s]
    #[arg(long, global = true, env = "CHAT_IDLE_TIMEOUT", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout: Option<IdleTimeout>,
    /// Whether GET /graphql shows browsers the GraphiQL page, true or false [default: true]
    #[arg(long, global = true, env = "CHAT_GRAPHIQL", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    graphiql: Option<bool>,
    /// Whether the GraphQL schema may be asked about itself, and errors suggest names from it, true or false [default: true]
    #[arg(long, global = true, env = "CHAT_INTROSPECTION", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection: Option<bool>,
    /// What to log: a level (error, warn, info, debug, trace, off) and levels of parts, like info,chatcore=debug [default:
    /// info,surrealdb=warn,surrealkv=error]
    #[arg(long, global = true, env = "CHAT_LOG", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    /// How log lines on stderr look; lines that cannot be written are lost and hold nothing up [default: text]
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
    pub(crate) audience: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) accounts: Switch,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) body_bytes: usize,
    pub(crate) message_chars: usize,
    pub(crate) adds_per_inviter: Adds,
    pub(crate) adds_per_invited: Adds,
    pub(crate) adds_per_pair: Adds,
    pub(crate) rate_limits: Preset,
    pub(crate) request_rate: Option<Adds>,
    pub(crate) message_rate: Option<Adds>,
    pub(crate) frame_rate: Option<Adds>,
    pub(crate) unknown_rate: Option<Adds>,
    pub(crate) sockets_per_user: usize,
    pub(crate) sockets: usize,
    pub(crate) unknown_sockets_per_address: usize,
    pub(crate) connections_per_address: usize,
    pub(crate) connections: usize,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) proxy_protocol: bool,
    pub(crate) requests_per_user: usize,
    pub(crate) idle_timeout: IdleTimeout,
    pub(crate) graphiql: bool,
    pub(crate) introspection: bool,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        let (options, limits) = (chatcore_poem::Options::default(), Limits::default());
        let serving = ServeOptions::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            data: PathBuf::from("data"),
            database: None,
            database_namespace: None,
            database_name: None,
            database_user: None,
            secret_file: None,
            audience: None,
            issuer: None,
            accounts: Switch::On,
            allowed_origins: Vec::new(),
            body_bytes: options.body_bytes,
            message_chars: limits.message_chars,
            adds_per_inviter: Adds(limits.adds_per_inviter),
            adds_per_invited: Adds(limits.adds_per_invited),
            adds_per_pair: Adds(limits.adds_per_pair),
            rate_limits: Preset::Default,
            request_rate: None,
            message_rate: None,
            frame_rate: None,
            unknown_rate: None,
            sockets_per_user: options.sockets_per_user,
            sockets: options.sockets,
            unknown_sockets_per_address: options.unknown_sockets_per_address,
            connections_per_address: serving.connections_per_address,
            connections: serving.connections,
            trusted_proxies: Vec::new(),
            proxy_protocol: serving.proxy_protocol,
            requests_per_user: options.requests_per_user,
            idle_timeout: IdleTimeout(serving.idle_time),
            graphiql: true,
            introspection: true,
            // The database tells much about itself that is of no use to who runs a chat.
            log: "info,surrealdb=warn,surrealkv=error".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// Refuses a flag that stands before the command and again after it, of which clap would ignore the former.
pub(crate) fn given_once(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let command = Cli::command();
    let mut seen = HashSet::new();
    for argument in arguments {
        let name = argument.to_string_lossy();
        let Some(name) = name.strip_prefix("--").and_then(|name| name.split('=').next()) else { continue };
        let takes_one = command
            .get_arguments()
            .any(|known| known.get_long() == Some(name) && matches!(known.get_action(), ArgAction::Set));
        if takes_one && !seen.insert(name.to_owned()) {
            return Err(format!("--{name} is given twice").into());
        }
    }
    Ok(())
}

impl Settings {
    /// Puts the sources together.
    ///
    /// # Errors
    /// A source that cannot be read, a value that cannot be used, and a name that is no setting.
    pub(crate) fn load(self) -> Result<Config, Failure> {
        let paths = [("--config", &self.config), ("--data", &self.data), ("--secret-file", &self.secret_file)];
        for (flag, path) in paths {
            if let Some(path) = path.as_ref().filter(|path| path.to_str().is_none()) {
                return Err(format!("{flag} is not UTF-8: {}", path.display()).into());
            }
        }
        let mut sources = Figment::from(Serialized::defaults(Config::default()));
        let mut from = "the settings are not valid".to_owned();
        let mut names_data = self.data.is_some();
        if let Some((file, text)) = self.file()? {
            names_data |= Figment::from(Toml::string(&text)).contains("data");
            sources = sources.merge(Toml::string(&text));
            from = format!("the settings are not valid; {} is one of their sources", file.display());
        }
        let config: Config =
            sources.merge(Serialized::defaults(self)).extract().map_err(|error| format!("{from}: {error}"))?;
        config.check()?;
        config.check_numbers()?;
        if names_data {
            config.check_data_is_used()?;
        }
        Ok(config)
    }

    /// The configuration file and its text. One that is there and cannot be read is never passed over.
    fn file(&self) -> Result<Option<(PathBuf, String)>, Failure> {
        let file = self.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Some((file, text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A link that leads nowhere is there.
                if self.config.is_some() || file.symlink_metadata().is_ok() {
                    return Err(format!("there is no configuration file at {}", file.display()).into());
                }
                Ok(None)
            }
            Err(error) => Err(format!("cannot read the configuration file at {}: {error}", file.display()).into()),
        }
    }
}

impl Config {
    /// Refuses what would be ignored, or mean something else than it seems to.
    fn check(&self) -> Result<(), Failure> {
        let paths = [("--data", Some(&self.data)), ("--secret-file", self.secret_file.as_ref())];
        let paths = paths.into_iter().filter_map(|(flag, path)| Some((flag, path?.to_str()?)));
        let texts = [
            ("--database", self.database.as_deref()),
            ("--database-namespace", self.database_namespace.as_deref()),
            ("--database-name", self.database_name.as_deref()),
            ("--database-user", self.database_user.as_deref()),
            ("--log", Some(self.log.as_str())),
            ("--audience", self.audience.as_deref()),
            ("--issuer", self.issuer.as_deref()),
        ];
        let texts = texts.into_iter().filter_map(|(flag, text)| Some((flag, text?)));
        for (flag, text) in texts.chain(paths.clone()) {
            if text.trim().is_empty() {
                return Err(format!("{flag} is set and empty: give it a value, or leave it out").into());
            }
        }
        for (flag, path) in paths {
            if path == "~" || path.starts_with("~/") {
                return Err(
                    format!("{flag} begins with `~`, which only a shell makes a folder of: write that out").into()
                );
            }
        }
        let is_server = self.database.as_deref().is_some_and(|database| database.starts_with("ws://"));
        if self.database_user.is_some() && !is_server {
            return Err("--database-user is for a SurrealDB server, so it needs --database ws://HOST:PORT".into());
        }
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            return Err("--proxy-protocol is for connections of proxies, so it needs --trusted-proxies".into());
        }
        Ok(())
    }

    /// Refuses limits with which the server would serve nobody, or refuse messages that it allows.
    fn check_numbers(&self) -> Result<(), Failure> {
        for (flag, number, most) in [
            ("--message-chars", self.message_chars, MOST_MESSAGE_CHARS),
            ("--sockets-per-user", self.sockets_per_user, MOST_CONNECTIONS),
            ("--sockets", self.sockets, MOST_CONNECTIONS),
            ("--unknown-sockets-per-address", self.unknown_sockets_per_address, MOST_CONNECTIONS),
            ("--connections-per-address", self.connections_per_address, MOST_CONNECTIONS),
            ("--connections", self.connections, MOST_CONNECTIONS),
            ("--requests-per-user", self.requests_per_user, MOST_CONNECTIONS),
        ] {
            if !(1..=most).contains(&number) {
                return Err(format!("{flag} is {number}, and it can be from 1 to {most}").into());
            }
        }
        let least = Limits { message_chars: self.message_chars, ..Limits::default() }.request_bytes();
        if self.body_bytes != 0 && self.body_bytes < least {
            return Err(format!(
                "--body-bytes is {}, and the longest message that --message-chars {} allows needs {least}: give that or more, \
                or 0 for just what it needs",
                self.body_bytes, self.message_chars
            )
            .into());
        }
        Ok(())
    }

    /// Refuses a data folder that would stay empty, since the database and the secret are elsewhere.
    fn check_data_is_used(&self) -> Result<(), Failure> {
        if self.database.is_none() {
            return Ok(());
        }
        let secret = match &self.secret_file {
            Some(_) => "--secret-file",
            None if environment::value(environment::SECRET)?.is_some() => environment::SECRET,
            None => return Ok(()),
        };
        Err(format!("--data is set, and with --database and {secret} it has no use: leave it out").into())
    }
}
