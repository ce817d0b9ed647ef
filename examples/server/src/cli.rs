//! The command line.

use std::{collections::HashSet, ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand};
use serde::Serialize;

use crate::{
    bus::BusFlags,
    config::{Failure, LogFormat, Period, Switch},
    lists::ListFlags,
    rates::{Adds, Preset},
    token::lasting,
    webhooks::WebhookFlags,
};

/// A complete chat server: REST, WebSocket, GraphQL, an embedded database.
///
/// Without a command, the program serves. Then try http://127.0.0.1:8000/docs and http://127.0.0.1:8000/graphql, and `chat-server token
/// --user alice` for a token.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Secrets have no flags, since every process sees flags. The environment gives them: CHAT_SECRET the signing secret, 32 \
    bytes or more; CHAT_DATABASE_PASSWORD the password of --database-user; CHAT_BUS_PASSWORD the password of --bus-user; CHAT_BUS_TOKEN \
    the token for the bus; and CHAT_SMTP_URL the mail server, like smtps://user:password@host.\n\n\
    The server accepts tokens of other issuers. Each issuer needs a table [[issuers]] in the file, with `iss`, `audience`, `jwks` (an \
    https address, or a file), `user_prefix` (the prefix of the ids of the issuer's users), and, for claims with other names than in \
    OpenID Connect, the names: claims = { name, username, email, picture, admin = { claim, value } }.\n\n\
    A flag overrides the environment, and the environment overrides the file. The server uses or refuses each value: a value that is \
    empty or not UTF-8, a name that resembles a setting's name, and settings that exclude each other are errors. `chat-server config` \
    prints every setting, and `chat-server check` checks the settings on this machine.\n\n\
    SIGINT (Ctrl-C), SIGTERM, SIGQUIT and SIGHUP stop the server: /ready answers 503; after --drain-delay the server accepts no more \
    requests, gives running requests three seconds, closes the database and exits with 0. A second SIGINT, SIGTERM or SIGQUIT ends the \
    process at once, with 1; no acknowledged write is lost. With --tls-cert, SIGHUP reloads the certificate instead. Under nohup, SIGHUP \
    is ignored."
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
    /// Print an access token and nothing else; needs the server's secret: the generated or the configured secret
    Token(TokenArgs),
    /// Rewrite the files of the database while no server runs, so that deleted and edited texts leave the disk; needs disk space for a
    /// second copy
    Compact,
    /// Print a configuration file with every setting: its meaning, its default, its unit, its variable and its flag
    Config(ConfigArgs),
    /// Check the settings and the database without a start: prints a line for each check, with a remedy, and exits with 1 if a start would
    /// fail
    Check,
    /// Check whether a running server is ready, and exit with 1 if the server is not ready; for health checks of containers
    Health(HealthArgs),
    /// Administer a running server over its own API, with the server's secret; prints the result as JSON
    Admin(AdminArgs),
    /// Upgrade the database to the schema of this program while no older server runs; a start of the server does the same
    Migrate(MigrateArgs),
    /// Write the whole database to a file, with or without a running server; the file has no pictures of users and no secret
    Backup(BackupArgs),
    /// Write a backup into a new database; the whole file is checked before the first write
    Restore(FileArgs),
}

/// The configuration to print.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print the effective settings instead, from flags, the environment, the file and the defaults, without secrets
    #[arg(long)]
    pub(crate) effective: bool,
}

/// The server and the operation.
#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    /// The server, like http://127.0.0.1:8000 [default: the server on the data folder, or the address of --listen]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Create an account; the first line of stdin is the password
    CreateUser {
        /// The user name
        username: String,
        /// The e-mail address
        #[arg(long)]
        email: String,
        /// Make the user an administrator
        #[arg(long)]
        admin: bool,
    },
    /// Make a user an administrator; with --revoke, remove the role
    Grant {
        /// The id or the user name
        user: String,
        /// Remove the role
        #[arg(long)]
        revoke: bool,
        /// The reason, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Ban a user from the whole system, and remove the user from all sessions
    Ban {
        /// The id or the user name
        user: String,
        /// The reason; the banned user sees the reason
        #[arg(long)]
        reason: String,
        /// Duration of the ban, like 24h or 7days [default: without end]
        #[arg(long = "for", value_name = "TIME", value_parser = lasting)]
        lasting: Option<Duration>,
    },
    /// End the ban of a user
    Unban {
        /// The id or the user name
        user: String,
        /// The reason, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Remove the role of administrator from a user
    Revoke {
        /// The id or the user name
        user: String,
        /// The reason, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Print users as JSON Lines, sorted by their ids
    Users {
        /// A part of the id, the user name, the name or the e-mail address
        #[arg(long)]
        search: Option<String>,
        /// ACTIVE, BANNED or DELETED
        #[arg(long)]
        status: Option<String>,
        /// USER or ADMIN
        #[arg(long)]
        role: Option<String>,
    },
    /// Print sessions as JSON Lines, the oldest first
    Sessions {
        /// A part of the id, the title, the description or the owner's id
        #[arg(long)]
        search: Option<String>,
        /// ACTIVE or DELETED
        #[arg(long)]
        status: Option<String>,
        /// PRIVATE, PUBLIC or INVITE_ONLY
        #[arg(long = "type", value_name = "TYPE")]
        session_type: Option<String>,
    },
    /// Print the participants of a session as JSON Lines
    Participants {
        /// The id of the session
        session: String,
    },
    /// Close a session: delete the session and end the streams of all readers
    Close {
        /// The id of the session
        session: String,
        /// The reason, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Send a notice to all connected users
    Notice {
        /// The text
        text: String,
        /// The reason, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Print statistics
    Stats,
    /// Print the audit log as JSON Lines, the newest entry first
    Audit {
        /// Only entries of this administrator, by id
        #[arg(long)]
        actor: Option<String>,
        /// Only entries about this user or session, by id
        #[arg(long)]
        target: Option<String>,
        /// Only entries of this action, like USER_BANNED
        #[arg(long)]
        action: Option<String>,
    },
}

/// The options of the schema upgrade.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Print the pending changes, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The source and the file of a backup.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file; must not exist
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Take the backup from this server, like http://127.0.0.1:8000, and not directly from the database [default: the server on the data
    /// folder, if one runs]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Skip unreadable records; the command lists the records, and fails at its end
    #[arg(long)]
    pub(crate) skip_unreadable: bool,
}

/// The server to ask.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// The server, like http://127.0.0.1:8000 [default: the address of --listen]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

/// The file of a backup.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// The user and the lifetime of the token.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The user's id: 1 to 128 characters, not `.` or `..`, without slashes and without spaces at its ends
    #[arg(long)]
    pub(crate) user: String,
    /// The name to show
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A short handle to show [default: the user's id]
    #[arg(long)]
    pub(crate) username: Option<String>,
    /// The e-mail address
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Lifetime of the token, like 30m, 24h or 7days; a second or more
    #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
    pub(crate) lifetime: Duration,
}

/// The settings of the command line and the environment. The file and the defaults give all other settings.
#[derive(Debug, Args, Serialize)]
pub(crate) struct Settings {
    /// A TOML file with the same settings, `_` for `-`. Relative paths in the file start at the working directory [default:
    /// chat-server.toml in the working directory, if the file exists]
    #[arg(long, global = true, env = "CHAT_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8000]
    #[arg(long, global = true, env = "CHAT_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<SocketAddr>,
    /// The certificate with its chain, as a PEM file: the server then accepts only TLS 1.2 and 1.3. A change of the file and SIGHUP reload
    /// the certificate; needs --tls-key [default: none, and the server speaks HTTP without TLS]
    #[arg(long, global = true, env = "CHAT_TLS_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, as a PEM file without a password; reloaded like --tls-cert
    #[arg(long, global = true, env = "CHAT_TLS_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Time that the server continues to serve after the signal to stop, up to 10m: /ready answers 503 at once, so load balancers send no
    /// more requests [default: 0s]
    #[arg(long, global = true, env = "CHAT_DRAIN_DELAY", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drain_delay: Option<Period>,
    /// Address and port for Prometheus metrics, at /metrics, without authentication: use an address of this machine or of a private
    /// network. Administrators also read the metrics at --listen [default: only at --listen]
    #[arg(long, global = true, env = "CHAT_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The folder for the database and the signing secret, created if missing. With --database the folder has only the secret. With
    /// --database and a configured secret, --data is refused, since the folder has no use [default: data]
    #[arg(long, global = true, env = "CHAT_DATA", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// The database, instead of the database in the data folder: mem://, surrealkv://FOLDER, wss://HOST:PORT for a SurrealDB server, or
    /// ws://HOST:PORT without TLS [default: in the data folder]
    #[arg(long, global = true, env = "CHAT_DATABASE", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
    /// The namespace within the database [default: chatcore]
    #[arg(long, global = true, env = "CHAT_DATABASE_NAMESPACE", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_namespace: Option<String>,
    /// The database within the namespace [default: chatcore]
    #[arg(long, global = true, env = "CHAT_DATABASE_NAME", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_name: Option<String>,
    /// The user for the login at a SurrealDB server: a user of that database with the role EDITOR
    #[arg(long, global = true, env = "CHAT_DATABASE_USER", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_user: Option<String>,
    /// The certificates of the trusted authorities for a SurrealDB server at wss://, as a PEM file [default: the authorities of browsers]
    #[arg(long, global = true, env = "CHAT_DATABASE_CA", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_ca: Option<PathBuf>,
    /// A file with the signing secret: UTF-8 text of 32 bytes or more, without the ASCII spaces and line ends at both ends, which the
    /// server removes. CHAT_SECRET has the same form, and excludes this setting [default: `secret` in the data folder, created at the first
    /// start]
    #[arg(long, global = true, env = "CHAT_SECRET_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The audience of accepted tokens, their claim `aud`. Without this setting, tokens with an audience are refused
    #[arg(long, global = true, env = "CHAT_AUDIENCE", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<String>,
    /// The issuer of accepted tokens, their claim `iss` [default: any issuer with the secret]
    #[arg(long, global = true, env = "CHAT_ISSUER", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// Whether users can register and log in at this server. Without a mailer, the log has the codes to verify an address and to reset a
    /// password [default: on]
    #[arg(long, global = true, env = "CHAT_ACCOUNTS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accounts: Option<Switch>,
    /// The folder for files such as pictures of users, created if missing; several servers on one database need one shared folder [default:
    /// `files` in the data folder; with --database none, and no picture can be uploaded]
    #[arg(long, global = true, env = "CHAT_FILES", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<PathBuf>,
    /// The sender of mails, as an address or a name with an address; CHAT_SMTP_URL names the mail server [default: none, and the log has
    /// the mails]
    #[arg(long, global = true, env = "CHAT_SMTP_FROM", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smtp_from: Option<String>,
    /// Whether the deletion of an account turns the user's messages into tombstones, true or false; with false the texts stay under the
    /// name of a removed user [default: true]
    #[arg(long, global = true, env = "CHAT_ERASE_MESSAGES", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) erase_messages: Option<bool>,
    /// Lifetime of an access token of an account, from 1s to 1day [default: 30m]
    #[arg(long, global = true, env = "CHAT_ACCESS_LIFETIME", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_lifetime: Option<Period>,
    /// Lifetime of a login without a refresh, from 1s to 1year [default: 7days]
    #[arg(long, global = true, env = "CHAT_REFRESH_LIFETIME", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_lifetime: Option<Period>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) bus: BusFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) webhooks: WebhookFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) lists: ListFlags,
    /// An origin of web pages that may use the server, beside the server's own origin, as scheme://host or scheme://host:port; `*` for all;
    /// repeat for several
    #[arg(long, global = true, env = "CHAT_ALLOWED_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) allowed_origins: Vec<String>,
    /// Maximum size of a request body and of a WebSocket frame, in bytes: at least the size that the longest message needs; 0 for exactly
    /// this size [default: 0]
    #[arg(long, global = true, env = "CHAT_BODY_BYTES", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body_bytes: Option<usize>,
    /// Maximum length of the text of a message, in characters, from 1 to 1000000 [default: 8000]
    #[arg(long, global = true, env = "CHAT_MESSAGE_CHARS", value_name = "CHARACTERS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_chars: Option<usize>,
    /// Rate at which one user may add users to sessions: a burst, and the time to refill one; `off` for no limit [default: 300/2s]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_INVITER", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adds_per_inviter: Option<Adds>,
    /// Rate at which all other users together may add one user to sessions; `off` for no limit [default: 120/1m]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_INVITED", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adds_per_invited: Option<Adds>,
    /// Rate at which one user may add the same other user to sessions; `off` for no limit [default: 60/10m]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_PAIR", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adds_per_pair: Option<Adds>,
    /// The preset of rate limits: `default` (20 requests a second per user, with a burst of 600), `messaging-admin` (100 an hour, 60
    /// WebSocket messages a minute), `chatrooms` (60 a minute), or `off` for only the limits on wrong passwords and on mails [default:
    /// default]
    #[arg(long, global = true, env = "CHAT_RATE_LIMITS", value_name = "PRESET")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limits: Option<Preset>,
    /// Rate of requests of one user on all transports together; overrides --rate-limits; `off` for no limit
    #[arg(long, global = true, env = "CHAT_REQUEST_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_rate: Option<Adds>,
    /// Rate of messages that one user sends or edits; overrides --rate-limits; `off` for no limit
    #[arg(long, global = true, env = "CHAT_MESSAGE_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_rate: Option<Adds>,
    /// Rate of WebSocket messages of one user, of all kinds; overrides --rate-limits; `off` for no limit
    #[arg(long, global = true, env = "CHAT_FRAME_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frame_rate: Option<Adds>,
    /// Rate of requests for pictures of users from one network address; overrides --rate-limits; `off` for no limit
    #[arg(long, global = true, env = "CHAT_PICTURE_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) picture_rate: Option<Adds>,
    /// Rate of requests without a valid token from one network address; overrides --rate-limits; `off` for no limit. A proxy in front has
    /// one address for all clients, and needs a higher rate
    #[arg(long, global = true, env = "CHAT_UNKNOWN_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown_rate: Option<Adds>,
    /// Maximum number of open WebSockets, event streams and long polls per user [default: 5]
    #[arg(long, global = true, env = "CHAT_SOCKETS_PER_USER", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sockets_per_user: Option<usize>,
    /// Maximum number of open WebSockets, event streams and long polls in total [default: 10000]
    #[arg(long, global = true, env = "CHAT_SOCKETS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sockets: Option<usize>,
    /// Maximum number of open WebSockets without authentication per network address of the client; the total limit is 1000. Behind a proxy,
    /// set --trusted-proxies, so that each client counts by its own address [default: 50]
    #[arg(long, global = true, env = "CHAT_UNKNOWN_SOCKETS_PER_ADDRESS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown_sockets_per_address: Option<usize>,
    /// Maximum number of open connections per network address of the client; further connections get 429. Connections of --trusted-proxies
    /// do not count [default: 15000]
    #[arg(long, global = true, env = "CHAT_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connections_per_address: Option<usize>,
    /// Maximum number of open connections in total; further connections wait. If three eighths of the limit of descriptors (ulimit -n) are
    /// lower, this number is the limit, and three quarters of this number are the limit per network address [default: 20000]
    #[arg(long, global = true, env = "CHAT_CONNECTIONS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connections: Option<usize>,
    /// A trusted proxy, or a network of trusted proxies, like 10.0.0.7 or 10.0.0.0/8; repeat for several. For requests of a trusted proxy,
    /// limits and logs use the last address in `Forwarded` or `X-Forwarded-For` that is no trusted proxy as the client's address [default:
    /// none, and headers have no effect]
    #[arg(long, global = true, env = "CHAT_TRUSTED_PROXIES", value_name = "ADDRESS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) trusted_proxies: Vec<String>,
    /// Whether connections of --trusted-proxies begin with a header of the PROXY protocol, version 2, true or false; a connection without
    /// such a header is closed, and version 1 is not supported [default: false]
    #[arg(long, global = true, env = "CHAT_PROXY_PROTOCOL", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proxy_protocol: Option<bool>,
    /// Maximum number of concurrent requests of one user; further requests get 429 [default: 100]
    #[arg(long, global = true, env = "CHAT_REQUESTS_PER_USER", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_user: Option<usize>,
    /// Maximum idle time of a connection between two requests, like 75s or 5m. A proxy or load balancer in front needs a shorter idle
    /// timeout, otherwise requests get lost [default: 75s]
    #[arg(long, global = true, env = "CHAT_IDLE_TIMEOUT", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle_timeout: Option<Period>,
    /// Time for which browsers must use TLS for this host, such as 365days: the header Strict-Transport-Security. Set only for a server
    /// that clients reach only by TLS, at the server or at a proxy [default: no header]
    #[arg(long, global = true, env = "CHAT_HSTS", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hsts: Option<Period>,
    /// Whether GET /graphql shows browsers the GraphiQL page, true or false [default: true]
    #[arg(long, global = true, env = "CHAT_GRAPHIQL", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) graphiql: Option<bool>,
    /// Whether GraphQL introspection is allowed, and errors suggest names of the schema, true or false [default: true]
    #[arg(long, global = true, env = "CHAT_INTROSPECTION", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) introspection: Option<bool>,
    /// The log filter: a level (error, warn, info, debug, trace, off) and levels of parts, like info,chatcore=debug [default:
    /// info,surrealdb=warn,surrealkv=error,async_nats=off]
    #[arg(long, global = true, env = "CHAT_LOG", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<String>,
    /// The format of log lines on stderr; a log line that cannot be written is dropped and blocks nothing [default: text]
    #[arg(long, global = true, env = "CHAT_LOG_FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_format: Option<LogFormat>,
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
