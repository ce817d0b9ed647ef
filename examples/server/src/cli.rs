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
/// Without a command it serves. Then try http://127.0.0.1:8000/docs and http://127.0.0.1:8000/graphql, and `chat-server token --user alice` for a token.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "CHAT_SECRET in the environment gives the signing secret itself, 32 bytes or more, CHAT_DATABASE_PASSWORD the password of \
    --database-user, CHAT_BUS_PASSWORD the one of --bus-user, CHAT_BUS_TOKEN the token for the bus, and CHAT_SMTP_URL the server that sends \
    mails, like smtps://user:password@host; there are no flags for them, since every process sees those.\n\n\
    Tokens of other parties are accepted where the file has a table [[issuers]] for each of them, with `iss`, `audience`, `jwks` (an \
    https address, or a file), `user_prefix` (it stands before their users' ids), and, where they differ from OpenID Connect's, the names \
    of claims: claims = { name, username, email, picture, admin = { claim, value } }.\n\n\
    A flag beats the environment, and the environment beats the file. What is set is used or refused: a value that is empty or not \
    UTF-8, a name that resembles a setting's, and settings that exclude each other are errors. `chat-server config` prints every setting, and \
    `chat-server check` says whether these settings work here.\n\n\
    SIGINT (Ctrl-C), SIGTERM, SIGQUIT and SIGHUP stop the server: /ready answers 503, after --drain-delay it takes no more requests, lets \
    those that run go on for three seconds, closes the database and exits with 0. A second one of the first three ends it at once, with 1; \
    nothing that was acknowledged is lost. With --tls-cert, SIGHUP makes it read the certificate again instead. Under nohup SIGHUP is ignored."
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
    /// Print a configuration file with every setting: its meaning, its default, its unit, its variable and its flag
    Config(ConfigArgs),
    /// Check the settings and the database without a start: a line for each check, with what to do, and 1 where a start would fail
    Check,
    /// Ask a running server whether it is ready, and exit with 1 where it is not; for health checks of containers
    Health(HealthArgs),
    /// Administer a running server over its own API, with the secret that the server has; what comes of it is printed as JSON
    Admin(AdminArgs),
    /// Bring the database to the schema of this program while no older server runs, as a start of the server does, too
    Migrate(MigrateArgs),
    /// Write everything in the database to a file, while a server runs or not; pictures of users and the secret are not in it
    Backup(BackupArgs),
    /// Write a backup into a database that is not there yet; the whole file is checked before anything is written
    Restore(FileArgs),
}

/// What to print of the configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print the settings that hold here instead, from flags, the environment, the file and the defaults; secrets are not among them
    #[arg(long)]
    pub(crate) effective: bool,
}

/// What to administer.
#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    /// The server, like http://127.0.0.1:8000 [default: the one that runs on the data folder, or what --listen says]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Make an account, whose password is the first line of stdin
    CreateUser {
        /// The user name
        username: String,
        /// The e-mail address
        #[arg(long)]
        email: String,
        /// Whether the account becomes an administrator
        #[arg(long)]
        admin: bool,
    },
    /// Make a user an administrator, or with --revoke no longer one
    Grant {
        /// The id or the user name
        user: String,
        /// Take the role away
        #[arg(long)]
        revoke: bool,
        /// Why, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Ban a user, who is refused everywhere and removed from every session
    Ban {
        /// The id or the user name
        user: String,
        /// Why, in words for the banned user
        #[arg(long)]
        reason: String,
        /// How long the ban lasts, like 24h or 7days; for ever where not given
        #[arg(long = "for", value_name = "TIME", value_parser = lasting)]
        lasting: Option<Duration>,
    },
    /// End the ban of a user
    Unban {
        /// The id or the user name
        user: String,
        /// Why, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take the role of administrators away from a user
    Revoke {
        /// The id or the user name
        user: String,
        /// Why, for the audit log
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
    /// Close a session: it is deleted, and the streams of all readers end
    Close {
        /// The id of the session
        session: String,
        /// Why, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Send a notice to all users who are connected
    Notice {
        /// The text
        text: String,
        /// Why, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Print statistics
    Stats,
    /// Print the audit log as JSON Lines, the newest entry first
    Audit {
        /// Only of this administrator, by id
        #[arg(long)]
        actor: Option<String>,
        /// Only about this user or session, by id
        #[arg(long)]
        target: Option<String>,
        /// Only this action, like USER_BANNED
        #[arg(long)]
        action: Option<String>,
    },
}

/// What to do about the schema.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Change nothing, and print what would be changed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Of what to take a backup, and where to.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file, which must not be there
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The server, like http://127.0.0.1:8000, where the database is not read directly [default: the one that runs on the data folder, if one
    /// does]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Go on without records that cannot be read; they are listed, and the command fails at its end
    #[arg(long)]
    pub(crate) skip_unreadable: bool,
}

/// The server to ask.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// The server, like http://127.0.0.1:8000 [default: what --listen says]
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

/// The settings as they are given; what is not given here comes from the file, or is the default.
#[derive(Debug, Args, Serialize)]
pub(crate) struct Settings {
    /// A TOML file with the same settings, `_` for `-`; chat-server.toml in the working directory is read if it is there. Paths in it
    /// start at the working directory
    #[arg(long, global = true, env = "CHAT_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8000]
    #[arg(long, global = true, env = "CHAT_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<SocketAddr>,
    /// The certificate with its chain, as a PEM file: the server then speaks TLS 1.2 and 1.3, and nothing else. It is read again when the file
    /// changes, and on SIGHUP; needs --tls-key [default: none, and the server speaks HTTP without TLS]
    #[arg(long, global = true, env = "CHAT_TLS_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, as a PEM file without a password; likewise read again
    #[arg(long, global = true, env = "CHAT_TLS_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How long the server goes on after the signal to end, up to 10m: /ready answers 503 at once, so load balancers send no more [default: 0s]
    #[arg(long, global = true, env = "CHAT_DRAIN_DELAY", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drain_delay: Option<Period>,
    /// Where to serve metrics for Prometheus, at /metrics, to everybody who can reach the address: one of this machine or of a private
    /// network. Administrators read them at --listen, too [default: only there]
    #[arg(long, global = true, env = "CHAT_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The folder for the database and the signing secret, made where it is missing; with --database it holds the secret only,
    /// and with --database and a secret of your own it has no use and is refused [default: data]
    #[arg(long, global = true, env = "CHAT_DATA", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// The database, instead of the one in the data folder: mem://, surrealkv://FOLDER, or wss://HOST:PORT for a SurrealDB server, without TLS
    /// ws://HOST:PORT [default: in the data folder]
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
    /// The user to sign in as at a SurrealDB server, one of that database with the role EDITOR
    #[arg(long, global = true, env = "CHAT_DATABASE_USER", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_user: Option<String>,
    /// The certificates of the authorities that may vouch for a SurrealDB server at wss://, as a PEM file [default: those that browsers trust]
    #[arg(long, global = true, env = "CHAT_DATABASE_CA", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_ca: Option<PathBuf>,
    /// A file with the signing secret: UTF-8 text, 32 bytes or more without the ASCII spaces and line ends around it, which are cut
    /// off; the same holds for CHAT_SECRET, and only one of the two can be set [default: `secret` in the data folder, made when the
    /// server first starts]
    #[arg(long, global = true, env = "CHAT_SECRET_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_file: Option<PathBuf>,
    /// For whom tokens must be made, their `aud`; tokens that name an audience are refused where none is set
    #[arg(long, global = true, env = "CHAT_AUDIENCE", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<String>,
    /// By whom tokens must be made, their `iss` [default: by anybody who has the secret]
    #[arg(long, global = true, env = "CHAT_ISSUER", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// Whether users can register and log in here. Without a mailer, the codes to verify an address and to reset a password are written to
    /// the log [default: on]
    #[arg(long, global = true, env = "CHAT_ACCOUNTS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accounts: Option<Switch>,
    /// The folder for files such as pictures of users, made where it is missing; several servers on one database need one folder together [default:
    /// `files` in the data folder; with --database none, and no picture can be uploaded]
    #[arg(long, global = true, env = "CHAT_FILES", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<PathBuf>,
    /// The sender of mails, as an address or a name with an address; CHAT_SMTP_URL gives the server that sends them [default: mails are
    /// written to the log]
    #[arg(long, global = true, env = "CHAT_SMTP_FROM", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smtp_from: Option<String>,
    /// Whether the messages of a user become tombstones when the account is deleted, true or false; with false their text stays under the
    /// name of a removed user [default: true]
    #[arg(long, global = true, env = "CHAT_ERASE_MESSAGES", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) erase_messages: Option<bool>,
    /// How long an access token of an account is accepted, from 1s to 1day [default: 30m]
    #[arg(long, global = true, env = "CHAT_ACCESS_LIFETIME", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_lifetime: Option<Period>,
    /// How long a login lasts without a refresh, from 1s to 1year [default: 7days]
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
    /// A page that may use the server beside the server's own pages, as scheme://host or scheme://host:port; `*` for all; repeat for
    /// several
    #[arg(long, global = true, env = "CHAT_ALLOWED_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) allowed_origins: Vec<String>,
    /// Largest body of a request and frame of a WebSocket, in bytes: as many as the longest message needs, or more; 0 for just
    /// as many [default: 0]
    #[arg(long, global = true, env = "CHAT_BODY_BYTES", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body_bytes: Option<usize>,
    /// Longest text of a message, in characters, from 1 to 1000000 [default: 8000]
    #[arg(long, global = true, env = "CHAT_MESSAGE_CHARS", value_name = "CHARACTERS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_chars: Option<usize>,
    /// Users that one user may add to sessions: how many at once, and after how long one more; `off` for no limit [default: 300/2s]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_INVITER", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adds_per_inviter: Option<Adds>,
    /// How often one user may be added to sessions, whoever does it; `off` for no limit [default: 120/1m]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_INVITED", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adds_per_invited: Option<Adds>,
    /// How often one user may add the same other user; `off` for no limit [default: 60/10m]
    #[arg(long, global = true, env = "CHAT_ADDS_PER_PAIR", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adds_per_pair: Option<Adds>,
    /// How often the server may be used: `default` (20 requests a second per user, and 600 at once), `messaging-admin` (100 an hour, 60
    /// WebSocket messages a minute), `chatrooms` (60 a minute), or `off` for no limit but
    /// those on wrong passwords and on mails [default: default]
    #[arg(long, global = true, env = "CHAT_RATE_LIMITS", value_name = "PRESET")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limits: Option<Preset>,
    /// Requests of one user, whatever transport they come by, instead of what --rate-limits says; `off` for no limit
    #[arg(long, global = true, env = "CHAT_REQUEST_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_rate: Option<Adds>,
    /// Messages that one user sends or edits, likewise
    #[arg(long, global = true, env = "CHAT_MESSAGE_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_rate: Option<Adds>,
    /// Messages that one user sends over WebSockets, whatever they are, likewise
    #[arg(long, global = true, env = "CHAT_FRAME_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frame_rate: Option<Adds>,
    /// Pictures of users that one network address asks for, likewise
    #[arg(long, global = true, env = "CHAT_PICTURE_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) picture_rate: Option<Adds>,
    /// Requests without a valid token of one network address, likewise. A proxy in front has one address for all clients: raise it there
    #[arg(long, global = true, env = "CHAT_UNKNOWN_RATE", value_name = "NUMBER/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown_rate: Option<Adds>,
    /// WebSockets, event streams and long polls open at once per user [default: 5]
    #[arg(long, global = true, env = "CHAT_SOCKETS_PER_USER", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sockets_per_user: Option<usize>,
    /// WebSockets, event streams and long polls open at once in all [default: 10000]
    #[arg(long, global = true, env = "CHAT_SOCKETS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sockets: Option<usize>,
    /// WebSockets open at once that have not authenticated, per network address of the client; in all there can be 1000.
    /// Behind a proxy, --trusted-proxies tells the clients apart [default: 50]
    #[arg(long, global = true, env = "CHAT_UNKNOWN_SOCKETS_PER_ADDRESS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown_sockets_per_address: Option<usize>,
    /// Connections open at once per network address of the client; further ones are answered with 429. Those of
    /// --trusted-proxies do not count [default: 15000]
    #[arg(long, global = true, env = "CHAT_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connections_per_address: Option<usize>,
    /// Connections open at once in all; further ones wait. Three eighths of the limit of descriptors (ulimit -n) where that is lower, and
    /// then three quarters of these per network address [default: 20000]
    #[arg(long, global = true, env = "CHAT_CONNECTIONS", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connections: Option<usize>,
    /// A proxy, or a network of proxies, in front: from it the last address in `Forwarded` or `X-Forwarded-For` that is no such proxy counts
    /// as the client's, in limits and in logs; like 10.0.0.7 or 10.0.0.0/8; repeat for several [default: none, and no header counts]
    #[arg(long, global = true, env = "CHAT_TRUSTED_PROXIES", value_name = "ADDRESS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) trusted_proxies: Vec<String>,
    /// Whether connections of --trusted-proxies begin with a header of the PROXY protocol, version 2, true or false; a connection without
    /// such a header is closed, and version 1 is not read [default: false]
    #[arg(long, global = true, env = "CHAT_PROXY_PROTOCOL", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proxy_protocol: Option<bool>,
    /// Requests of one user that are answered at once; further ones are answered with 429 [default: 100]
    #[arg(long, global = true, env = "CHAT_REQUESTS_PER_USER", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_user: Option<usize>,
    /// How long a connection may be idle between two requests, like 75s or 5m; more than the idle timeout of a proxy or load balancer in
    /// front, or requests get lost [default: 75s]
    #[arg(long, global = true, env = "CHAT_IDLE_TIMEOUT", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle_timeout: Option<Period>,
    /// For how long browsers must use TLS for this host, such as 365days: the header Strict-Transport-Security, for a server that is reached by TLS
    /// alone, here or at a proxy [default: no header]
    #[arg(long, global = true, env = "CHAT_HSTS", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hsts: Option<Period>,
    /// Whether GET /graphql shows browsers the GraphiQL page, true or false [default: true]
    #[arg(long, global = true, env = "CHAT_GRAPHIQL", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) graphiql: Option<bool>,
    /// Whether the GraphQL schema may be asked about itself, and errors suggest names from it, true or false [default: true]
    #[arg(long, global = true, env = "CHAT_INTROSPECTION", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) introspection: Option<bool>,
    /// What to log: a level (error, warn, info, debug, trace, off) and levels of parts, like info,chatcore=debug [default:
    /// info,surrealdb=warn,surrealkv=error,async_nats=off]
    #[arg(long, global = true, env = "CHAT_LOG", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<String>,
    /// How log lines on stderr look; lines that cannot be written are lost and hold nothing up [default: text]
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
