//! Where the bus is, and what it takes to be let in.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};

use crate::{InvalidPrefix, NatsNotifier, told::Told};

/// How to reach NATS, for [`NatsNotifier::open`]. `NatsOptions::at(["nats://host:4222"])` has the defaults for the rest.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// The servers of one cluster, as `nats://host:port`, or `tls://host:port` for an encrypted connection. Port 4222 where none is
    /// named. The order does not matter: any server that answers is used, and so are the servers that it knows of. An address
    /// holds no user, password or token: addresses are logged.
    pub servers: Vec<String>,
    /// How this process shows that it may use the bus.
    pub login: NatsLogin,
    /// How connections are encrypted.
    pub tls: NatsTls,
    /// The first words of all subjects ([`NatsNotifier::prefix`]), `chatcore` by default. All processes of one chat need the same, and chats that
    /// share one NATS need different ones.
    pub prefix: String,
    /// The most bytes of a hint with events ([`NatsNotifier::carried_bytes`]), 64 KiB by default.
    pub carried_bytes: usize,
    /// How many hints may wait to be sent, 2,048 by default. Further hints are lost, and counted.
    pub outgoing: usize,
    /// The pause before the first attempt to connect again, and the longest one: 50 ms and 5 s by default. Each pause is twice the one before, and
    /// a random part of up to a half is left out, so that not all processes come back at the same moment. There is no last attempt.
    pub pauses: (Duration, Duration),
    /// How long the first connection may take, 5 s by default.
    pub patience: Duration,
    /// Whether [`NatsNotifier::open`] fails where the first connection does. By default it does not: the notifier tries again in the background,
    /// and until then readers find by polling what other processes committed.
    pub required: bool,
}

/// How a process shows that it may use the bus.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NatsLogin {
    /// Not at all: the server lets everybody in, or asks for a client certificate only.
    #[default]
    Nobody,
    /// A user and a password.
    Password {
        /// The user's name.
        user: String,
        /// The user's password.
        password: String,
    },
    /// A token.
    Token(String),
    /// The text of a `.creds` file: a JWT of the user, and the seed of the user's key.
    Credentials(String),
    /// The seed of a user's NKey, which begins with `SU`. The server gets signatures and never the seed.
    Nkey(String),
}

impl fmt::Debug for NatsLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Password { user, password: _ } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::Token(_) => f.write_str("Token(..)"),
            Self::Credentials(_) => f.write_str("Credentials(..)"),
            Self::Nkey(_) => f.write_str("Nkey(..)"),
        }
    }
}

/// How connections are encrypted. With a file of certificates, each connection is, whatever the scheme of its address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// A PEM file with the certificates of the authorities that sign for the servers, in place of those of the operating system.
    pub authorities: Option<PathBuf>,
    /// PEM files with a certificate of this process and its private key, for servers that ask for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Why there is no notifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// No address is given, or one that is not understood. The text repeats no password.
    #[error("the address of the NATS server is not valid: {0}")]
    Address(String),
    /// The prefix cannot begin a subject.
    #[error(transparent)]
    Prefix(#[from] InvalidPrefix),
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The text of the credentials is not that of a `.creds` file.
    #[error("the credentials for NATS are not those of a .creds file")]
    Credentials(#[source] io::Error),
    /// There is no connection, and one is [required](NatsOptions::required).
    #[error("{}", .reason)]
    Connect {
        /// Which servers, and what is wrong: they are away, refuse the login, or do not speak TLS as expected.
        reason: String,
        /// What the client said.
        source: ConnectError,
    },
}

impl NatsOptions {
    /// The servers, and defaults for the rest.
    pub fn at(servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            login: NatsLogin::default(),
            tls: NatsTls::default(),
            prefix: NatsNotifier::PREFIX.to_owned(),
            carried_bytes: NatsNotifier::CARRIED_BYTES,
            outgoing: 2_048,
            pauses: (Duration::from_millis(50), Duration::from_secs(5)),
            patience: Duration::from_secs(5),
            required: false,
        }
    }

    /// The servers as they may be logged.
    pub(crate) fn place(&self) -> String {
        self.servers.join(", ")
    }

    pub(crate) fn addresses(&self) -> Result<Vec<ServerAddr>, NatsError> {
        if self.servers.is_empty() {
            return Err(NatsError::Address("none is given".to_owned()));
        }
        self.servers.iter().map(|server| address(server).map_err(NatsError::Address)).collect()
    }

    /// Looks at everything that can be wrong without the network: addresses, the prefix, credentials, files that cannot be read.
    ///
    /// # Errors
    /// What [`NatsNotifier::open`] would fail with.
    pub fn check(&self) -> Result<(), NatsError> {
        self.addresses()?;
        self.connect_options()?;
        Ok(crate::check_prefix(&self.prefix)?)
    }

    /// The options of the client.
    pub(crate) fn connect_options(&self) -> Result<ConnectOptions, NatsError> {
        let options = match self.login.clone() {
            NatsLogin::Nobody => ConnectOptions::new(),
            NatsLogin::Password { user, password } => ConnectOptions::with_user_and_password(user, password),
            NatsLogin::Token(token) => ConnectOptions::with_token(token),
            NatsLogin::Nkey(seed) => ConnectOptions::with_nkey(seed),
            NatsLogin::Credentials(text) => ConnectOptions::with_credentials(&text).map_err(NatsError::Credentials)?,
        };
        let (pauses, told) = (self.pauses, Told::new(self.place()));
        let mut options = options
            .client_capacity(self.outgoing.max(1))
            .connection_timeout(self.patience)
            .reconnect_delay_callback(move |attempt| pause(pauses, attempt).mul_f64(rand::random_range(0.5..=1.0)))
            .event_callback(move |event| {
                told.tell(&event);
                std::future::ready(())
            });
        if let Some(file) = &self.tls.authorities {
            options = options.add_root_certificates(readable(file)?).require_tls(true);
        }
        if let Some((certificate, key)) = &self.tls.client {
            options = options.add_client_certificate(readable(certificate)?, readable(key)?).require_tls(true);
        }
        Ok(options)
    }

    /// What a failed connection means, in words that say what to look at.
    pub(crate) fn reason(&self, error: &ConnectError) -> String {
        let place = self.place();
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation => format!("NATS at {place} refuses the login"),
            ConnectErrorKind::Authentication => format!("the login for NATS at {place} cannot be used"),
            ConnectErrorKind::Tls => format!("the encrypted connection to NATS at {place} failed"),
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => format!("NATS at {place} cannot be reached"),
        }
    }
}

/// The pause before an attempt. The first one comes at once.
fn pause((first, longest): (Duration, Duration), attempt: usize) -> Duration {
    match attempt {
        0 | 1 => Duration::ZERO,
        _ => {
            let doublings = u32::try_from(attempt - 2).unwrap_or(u32::MAX).min(31);
            first.saturating_mul(1 << doublings).min(longest)
        }
    }
}

/// The client says of a file that it cannot read neither which one it is nor why.
fn readable(file: &Path) -> Result<PathBuf, NatsError> {
    match fs::File::open(file) {
        Ok(_) => Ok(file.to_owned()),
        Err(source) => Err(NatsError::File { path: file.to_owned(), source }),
    }
}

/// Reads an address. What it says of a wrong one repeats nothing of it but its scheme, since the rest may hold a password.
fn address(text: &str) -> Result<ServerAddr, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it begins with `nats://`, or `tls://`".to_owned());
    };
    if !matches!(scheme, "nats" | "tls") {
        let scheme: String = scheme.chars().take(32).collect();
        return Err(format!("`{scheme}` is no known scheme: use `nats://host:port`, or `tls://host:port`"));
    }
    if rest.contains('@') {
        return Err("a name, a password or a token does not belong here, but into the options".to_owned());
    }
    if rest.contains(['/', '?', '#', ',']) {
        return Err("nothing may follow `nats://host:port`".to_owned());
    }
    let address: ServerAddr = text.parse().map_err(|_| format!("`{rest}` is no host with a port"))?;
    if address.host().is_empty() {
        return Err("it needs the host of a server".to_owned());
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_a_refusal_repeats_no_password() {
        for good in ["nats://localhost", "nats://10.0.0.5:4222", "tls://bus.example.com:4443", "nats://[::1]:4222"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost:4222",
            "nats://",
            "nats://user:sesame@host:1",
            "nats://sesame@host",
            "ws://sesame.host",
            "nats://host/sesame",
            "nats://a,nats://b",
            "nats://host:99999",
        ] {
            let error = address(bad).unwrap_err();
            assert!(!error.contains("sesame"), "{bad}: {error}");
        }
        assert!(matches!(NatsOptions::at(Vec::<String>::new()).addresses(), Err(NatsError::Address(_))));
    }

    #[test]
    fn no_secret_is_shown() {
        let logins = [
            NatsLogin::Password { user: "chat".to_owned(), password: "sesame".to_owned() },
            NatsLogin::Token("sesame".to_owned()),
            NatsLogin::Credentials("sesame".to_owned()),
            NatsLogin::Nkey("sesame".to_owned()),
        ];
        for login in logins {
            let options = NatsOptions { login, ..NatsOptions::at(["nats://host"]) };
            assert!(!format!("{options:?}").contains("sesame"), "{options:?}");
        }
    }

    #[test]
    fn pauses_grow_to_the_longest() {
        let pauses = (Duration::from_millis(50), Duration::from_secs(5));
        let millis: Vec<u128> = (0..12).map(|attempt| pause(pauses, attempt).as_millis()).collect();
        assert_eq!(millis, [0, 0, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        assert_eq!(pause(pauses, usize::MAX), pauses.1);
    }
}
