//! Settings: from flags, then the environment, then a file, then defaults.

pub(crate) mod aliases;
pub(crate) mod sample;

use std::{fs, io, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use chatcore::{Limits, accounts::AccountSettings, webhooks::WebhookOptions};
use chatcore_poem::ServeOptions;
use clap::ValueEnum;
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use crate::{
    bus::BusSettings,
    cli::Settings,
    environment,
    issuers::IssuerSettings,
    lists::{self, OnBlocked},
    rates::{Adds, Preset},
    webhooks,
};

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "chat-server.toml";
/// The longest text of a message that can be set, in characters.
const MOST_MESSAGE_CHARS: usize = 1_000_000;
/// The most connections of a kind that can be set: more than any machine has, and few enough to be counted everywhere.
const MOST_CONNECTIONS: usize = 100_000_000;

/// The longest time that a server goes on after the signal to end.
const LONGEST_DRAIN: Duration = Duration::from_secs(600);

/// What stops the server, in words for whoever started it.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// A length of time, as a number with a unit, like 75s or 5m.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Period(pub(crate) Duration);

impl FromStr for Period {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map_err(|error| format!("`{text}`: {error}"))
    }
}

impl From<Period> for String {
    fn from(Period(time): Period) -> Self {
        humantime::format_duration(time).to_string()
    }
}

/// Whether a part of the server is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// Enabled
    On,
    /// Disabled
    Off,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Text for people
    Text,
    /// One JSON object a line
    Json,
}

/// The settings as they hold.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) drain_delay: Period,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) data: PathBuf,
    pub(crate) database: Option<String>,
    pub(crate) database_namespace: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) database_user: Option<String>,
    pub(crate) database_ca: Option<PathBuf>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) audience: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) accounts: Switch,
    pub(crate) files: Option<PathBuf>,
    pub(crate) smtp_from: Option<String>,
    pub(crate) erase_messages: bool,
    pub(crate) access_lifetime: Period,
    pub(crate) refresh_lifetime: Period,
    pub(crate) issuers: Vec<IssuerSettings>,
    pub(crate) bus: Vec<String>,
    pub(crate) bus_required: bool,
    pub(crate) bus_prefix: Option<String>,
    pub(crate) bus_user: Option<String>,
    pub(crate) bus_password_file: Option<PathBuf>,
    pub(crate) bus_token_file: Option<PathBuf>,
    pub(crate) bus_credentials_file: Option<PathBuf>,
    pub(crate) bus_nkey_file: Option<PathBuf>,
    pub(crate) bus_ca_file: Option<PathBuf>,
    pub(crate) bus_certificate_file: Option<PathBuf>,
    pub(crate) bus_key_file: Option<PathBuf>,
    pub(crate) webhooks: Switch,
    pub(crate) webhook_http: bool,
    pub(crate) webhook_networks: Vec<String>,
    pub(crate) webhook_timeout: Period,
    pub(crate) webhook_retry_delays: Vec<Period>,
    pub(crate) blocked_words: Option<PathBuf>,
    pub(crate) on_blocked_word: OnBlocked,
    pub(crate) blocked_links: Option<PathBuf>,
    pub(crate) allowed_links: Option<PathBuf>,
    pub(crate) on_blocked_link: OnBlocked,
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
    pub(crate) picture_rate: Option<Adds>,
    pub(crate) unknown_rate: Option<Adds>,
    pub(crate) sockets_per_user: usize,
    pub(crate) sockets: usize,
    pub(crate) unknown_sockets_per_address: usize,
    pub(crate) connections_per_address: usize,
    pub(crate) connections: usize,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) proxy_protocol: bool,
    pub(crate) requests_per_user: usize,
    pub(crate) idle_timeout: Period,
    pub(crate) hsts: Option<Period>,
    pub(crate) graphiql: bool,
    pub(crate) introspection: bool,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        let (options, limits) = (chatcore_poem::Options::default(), Limits::default());
        let (serving, accounts) = (ServeOptions::default(), AccountSettings::default());
        let webhooks = WebhookOptions::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            tls_cert: None,
            tls_key: None,
            drain_delay: Period(Duration::ZERO),
            metrics_listen: None,
            data: PathBuf::from("data"),
            database: None,
            database_namespace: None,
            database_name: None,
            database_user: None,
            database_ca: None,
            secret_file: None,
            audience: None,
            issuer: None,
            accounts: Switch::On,
            files: None,
            smtp_from: None,
            erase_messages: accounts.erases_messages,
            access_lifetime: Period(accounts.access_lifetime),
            refresh_lifetime: Period(accounts.refresh_lifetime),
            issuers: Vec::new(),
            bus: Vec::new(),
            bus_required: false,
            bus_prefix: None,
            bus_user: None,
            bus_password_file: None,
            bus_token_file: None,
            bus_credentials_file: None,
            bus_nkey_file: None,
            bus_ca_file: None,
            bus_certificate_file: None,
            bus_key_file: None,
            webhooks: Switch::Off,
            webhook_http: false,
            webhook_networks: Vec::new(),
            webhook_timeout: Period(webhooks.timeout),
            webhook_retry_delays: webhooks.retry_delays.into_iter().map(Period).collect(),
            blocked_words: None,
            on_blocked_word: OnBlocked::Refuse,
            blocked_links: None,
            allowed_links: None,
            on_blocked_link: OnBlocked::Refuse,
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
            picture_rate: None,
            unknown_rate: None,
            sockets_per_user: options.sockets_per_user,
            sockets: options.sockets,
            unknown_sockets_per_address: options.unknown_sockets_per_address,
            connections_per_address: serving.connections_per_address,
            connections: serving.connections,
            trusted_proxies: Vec::new(),
            proxy_protocol: serving.proxy_protocol,
            requests_per_user: options.requests_per_user,
            idle_timeout: Period(serving.idle_time),
            hsts: None,
            graphiql: true,
            introspection: true,
            // The database tells much about itself that is of no use to who runs a chat, and the bus tells again what the server logs.
            log: "info,surrealdb=warn,surrealkv=error,async_nats=off".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

impl Settings {
    /// Puts the sources together. `told` gets what is to be told of them.
    ///
    /// # Errors
    /// A source that cannot be read, a value that cannot be used, and a name that is no setting.
    pub(crate) fn load(self, told: &mut Vec<String>) -> Result<Config, Failure> {
        let is_data_named = self.data.is_some();
        let (config, is_data_in_file) = self.merged(told)?;
        config.check()?;
        config.check_numbers()?;
        if is_data_named || is_data_in_file {
            config.check_data_is_used()?;
        }
        Ok(config)
    }

    /// The same, whether or not the settings go together. Says also whether the file names the data folder.
    pub(crate) fn merged(self, told: &mut Vec<String>) -> Result<(Config, bool), Failure> {
        let paths = [
            ("--config", &self.config),
            ("--data", &self.data),
            ("--secret-file", &self.secret_file),
            ("--files", &self.files),
            ("--tls-cert", &self.tls_cert),
            ("--tls-key", &self.tls_key),
            ("--database-ca", &self.database_ca),
            ("--blocked-words", &self.lists.blocked_words),
            ("--blocked-links", &self.lists.blocked_links),
            ("--allowed-links", &self.lists.allowed_links),
        ];
        for (flag, path) in paths {
            if let Some(path) = path.as_ref().filter(|path| path.to_str().is_none()) {
                return Err(format!("{flag} is not UTF-8: {}", path.display()).into());
            }
        }
        let mut sources = Figment::from(Serialized::defaults(Config::default()));
        let mut from = "the settings are not valid".to_owned();
        let mut is_data_in_file = false;
        if let Some((file, text)) = self.file()? {
            is_data_in_file = Figment::from(Toml::string(&text)).contains("data");
            sources = sources.merge(Toml::string(&text));
            from = format!("the settings are not valid; {} is one of their sources", file.display());
        }
        let aliases = aliases::read(&self, told)?;
        let sources = sources.merge(Serialized::defaults(aliases)).merge(Serialized::defaults(self));
        let config = sources.extract().map_err(|error| format!("{from}: {error}"))?;
        Ok((config, is_data_in_file))
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
        let paths = [
            ("--data", Some(&self.data)),
            ("--secret-file", self.secret_file.as_ref()),
            ("--files", self.files.as_ref()),
            ("--tls-cert", self.tls_cert.as_ref()),
            ("--tls-key", self.tls_key.as_ref()),
            ("--database-ca", self.database_ca.as_ref()),
            ("--blocked-words", self.blocked_words.as_ref()),
            ("--blocked-links", self.blocked_links.as_ref()),
            ("--allowed-links", self.allowed_links.as_ref()),
        ];
        let paths = paths.into_iter().filter_map(|(flag, path)| Some((flag, path?.to_str()?)));
        let texts = [
            ("--database", self.database.as_deref()),
            ("--database-namespace", self.database_namespace.as_deref()),
            ("--database-name", self.database_name.as_deref()),
            ("--database-user", self.database_user.as_deref()),
            ("--log", Some(self.log.as_str())),
            ("--audience", self.audience.as_deref()),
            ("--issuer", self.issuer.as_deref()),
            ("--smtp-from", self.smtp_from.as_deref()),
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
        let begins = |schemes: &[&str]| {
            self.database.as_ref().is_some_and(|database| schemes.iter().any(|scheme| database.starts_with(scheme)))
        };
        if self.database_user.is_some() && !begins(&["ws://", "wss://"]) {
            return Err(
                "--database-user is for a SurrealDB server, so it needs --database wss://HOST:PORT or ws://HOST:PORT"
                    .into(),
            );
        }
        if self.database_ca.is_some() && !begins(&["wss://"]) {
            return Err("--database-ca is for TLS to a SurrealDB server, so it needs --database wss://HOST:PORT".into());
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return Err("--tls-cert needs --tls-key, the private key of the certificate".into()),
            (None, Some(_)) => return Err("--tls-key needs --tls-cert, the certificate of the private key".into()),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            return Err("--proxy-protocol is for connections of proxies, so it needs --trusted-proxies".into());
        }
        webhooks::check(self)?;
        lists::check(self)?;
        let of_accounts = [("--files", self.files.is_some()), ("--smtp-from", self.smtp_from.is_some())];
        if let Some((flag, _)) = of_accounts.iter().find(|(_, is_set)| *is_set && self.accounts == Switch::Off) {
            return Err(format!("{flag} is for accounts, and --accounts is off").into());
        }
        self.bus().check()
    }

    /// The settings of the bus.
    pub(crate) fn bus(&self) -> BusSettings {
        BusSettings {
            servers: self.bus.clone(),
            required: self.bus_required,
            prefix: self.bus_prefix.clone(),
            user: self.bus_user.clone(),
            password_file: self.bus_password_file.clone(),
            token_file: self.bus_token_file.clone(),
            credentials_file: self.bus_credentials_file.clone(),
            nkey_file: self.bus_nkey_file.clone(),
            ca_file: self.bus_ca_file.clone(),
            certificate_file: self.bus_certificate_file.clone(),
            key_file: self.bus_key_file.clone(),
        }
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
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        for (flag, Period(time), most) in [
            ("--idle-timeout", self.idle_timeout, DAY),
            ("--access-lifetime", self.access_lifetime, DAY),
            ("--refresh-lifetime", self.refresh_lifetime, 366 * DAY),
        ] {
            if !(SECOND..=most).contains(&time) {
                let most = humantime::format_duration(most);
                return Err(
                    format!("{flag} is {}, and it can be from 1s to {most}", humantime::format_duration(time)).into()
                );
            }
        }
        if self.drain_delay.0 > LONGEST_DRAIN {
            return Err(format!(
                "--drain-delay is {}, and it can be from 0s to {}",
                humantime::format_duration(self.drain_delay.0),
                humantime::format_duration(LONGEST_DRAIN)
            )
            .into());
        }
        if self.refresh_lifetime.0 < self.access_lifetime.0 {
            return Err("--refresh-lifetime is shorter than --access-lifetime, so a login could not be kept".into());
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
            None => match environment::secret()? {
                Some((name, _)) => name,
                None => return Ok(()),
            },
        };
        Err(format!("--data is set, and with --database and {secret} it has no use: leave it out").into())
    }
}
