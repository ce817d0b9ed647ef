//! The bus over which servers tell each other what is new.

#[cfg(feature = "nats")]
mod nats;
#[cfg(not(feature = "nats"))]
mod none;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{config::Failure, environment};

#[cfg(feature = "nats")]
pub(crate) use nats::{Bus, Options};
#[cfg(not(feature = "nats"))]
pub(crate) use none::{Bus, Options};

/// The variable with the password of the user at the bus. There is no flag: flags are seen by every process.
pub(crate) const PASSWORD: &str = "CHAT_BUS_PASSWORD";
/// The variable with the token for the bus.
pub(crate) const TOKEN: &str = "CHAT_BUS_TOKEN";

/// The bus as it is given.
#[derive(Debug, Args, Serialize)]
pub(crate) struct BusFlags {
    /// A NATS server that carries hints about new events between several servers on one database, as nats://HOST:PORT, or tls://HOST:PORT
    /// for encrypted connections; repeat for the servers of a cluster [default: none, and servers poll the database every half second]
    #[arg(id = "bus", long = "bus", global = true, env = "CHAT_BUS", value_name = "URL", value_delimiter = ',')]
    #[serde(rename = "bus", skip_serializing_if = "Vec::is_empty")]
    servers: Vec<String>,
    /// Whether the server needs the bus, true or false: with true the server does not start without a connection to the bus, and is not
    /// ready while the connection is lost; with false the server serves without the bus, and polls the database instead [default: false]
    #[arg(id = "bus_required", long = "bus-required", global = true, env = "CHAT_BUS_REQUIRED", value_name = "BOOL")]
    #[serde(rename = "bus_required", skip_serializing_if = "Option::is_none")]
    required: Option<bool>,
    /// The prefix of all subjects: words with dots between them; chats that share one NATS need different prefixes [default: chatcore]
    #[arg(id = "bus_prefix", long = "bus-prefix", global = true, env = "CHAT_BUS_PREFIX", value_name = "SUBJECT")]
    #[serde(rename = "bus_prefix", skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// The user at the bus; CHAT_BUS_PASSWORD in the environment or --bus-password-file gives the password
    #[arg(id = "bus_user", long = "bus-user", global = true, env = "CHAT_BUS_USER", value_name = "NAME")]
    #[serde(rename = "bus_user", skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// A file with the password of --bus-user
    #[arg(
        id = "bus_password_file",
        long = "bus-password-file",
        global = true,
        env = "CHAT_BUS_PASSWORD_FILE",
        value_name = "FILE"
    )]
    #[serde(rename = "bus_password_file", skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
    /// A file with the token for the bus; CHAT_BUS_TOKEN in the environment gives the token itself
    #[arg(
        id = "bus_token_file",
        long = "bus-token-file",
        global = true,
        env = "CHAT_BUS_TOKEN_FILE",
        value_name = "FILE"
    )]
    #[serde(rename = "bus_token_file", skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
    /// A .creds file of NATS, with the JWT of a user and its key
    #[arg(
        id = "bus_credentials_file",
        long = "bus-credentials-file",
        global = true,
        env = "CHAT_BUS_CREDENTIALS_FILE",
        value_name = "FILE"
    )]
    #[serde(rename = "bus_credentials_file", skip_serializing_if = "Option::is_none")]
    credentials_file: Option<PathBuf>,
    /// A file with the seed of a user's NKey
    #[arg(
        id = "bus_nkey_file",
        long = "bus-nkey-file",
        global = true,
        env = "CHAT_BUS_NKEY_FILE",
        value_name = "FILE"
    )]
    #[serde(rename = "bus_nkey_file", skip_serializing_if = "Option::is_none")]
    nkey_file: Option<PathBuf>,
    /// A PEM file with the authorities that sign the certificates of the bus, instead of the authorities of the operating system
    #[arg(id = "bus_ca_file", long = "bus-ca-file", global = true, env = "CHAT_BUS_CA_FILE", value_name = "FILE")]
    #[serde(rename = "bus_ca_file", skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    /// A PEM file with a certificate of this server, for a bus that requires a client certificate
    #[arg(
        id = "bus_certificate_file",
        long = "bus-certificate-file",
        global = true,
        env = "CHAT_BUS_CERTIFICATE_FILE",
        value_name = "FILE"
    )]
    #[serde(rename = "bus_certificate_file", skip_serializing_if = "Option::is_none")]
    certificate_file: Option<PathBuf>,
    /// A PEM file with the private key of --bus-certificate-file
    #[arg(id = "bus_key_file", long = "bus-key-file", global = true, env = "CHAT_BUS_KEY_FILE", value_name = "FILE")]
    #[serde(rename = "bus_key_file", skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
}

/// The settings of the bus as they hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusSettings {
    pub(crate) servers: Vec<String>,
    pub(crate) required: bool,
    pub(crate) prefix: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) credentials_file: Option<PathBuf>,
    pub(crate) nkey_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

impl BusSettings {
    /// Refuses what would be ignored, or mean something else than it seems to.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let texts = [("--bus-prefix", self.prefix.as_deref()), ("--bus-user", self.user.as_deref())];
        let files = [
            ("--bus-password-file", &self.password_file),
            ("--bus-token-file", &self.token_file),
            ("--bus-credentials-file", &self.credentials_file),
            ("--bus-nkey-file", &self.nkey_file),
            ("--bus-ca-file", &self.ca_file),
            ("--bus-certificate-file", &self.certificate_file),
            ("--bus-key-file", &self.key_file),
        ];
        let files = files.into_iter().map(|(flag, file)| (flag, file.as_ref().and_then(|file| file.to_str())));
        for (flag, text) in texts.into_iter().chain(files) {
            match text {
                Some(text) if text.trim().is_empty() => {
                    return Err(format!("{flag} is set and empty: give it a value, or leave it out").into());
                }
                Some(_) if self.servers.is_empty() => {
                    return Err(format!("{flag} is for the bus, so it needs --bus nats://HOST:PORT").into());
                }
                _ => {}
            }
        }
        if self.required && self.servers.is_empty() {
            return Err("--bus-required is for the bus, so it needs --bus nats://HOST:PORT".into());
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return Err("--bus-certificate-file and --bus-key-file belong together: give both".into());
        }
        Ok(())
    }

    /// The one thing that lets this server in to the bus.
    fn login(&self) -> Result<Login, Failure> {
        let (password, token) = (environment::value(PASSWORD)?, environment::value(TOKEN)?);
        if self.servers.is_empty() {
            return match (password, token) {
                (None, None) => Ok(Login::Nobody),
                (Some(_), _) => Err(format!("{PASSWORD} is set without --bus, so it has no use").into()),
                (None, Some(_)) => Err(format!("{TOKEN} is set without --bus, so it has no use").into()),
            };
        }
        let given = [
            ("--bus-user", self.user.is_some()),
            (TOKEN, token.is_some()),
            ("--bus-token-file", self.token_file.is_some()),
            ("--bus-credentials-file", self.credentials_file.is_some()),
            ("--bus-nkey-file", self.nkey_file.is_some()),
        ];
        let given: Vec<&str> = given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect();
        if let [one, other, ..] = given[..] {
            return Err(format!("{one} and {other} are both set, and only one can let the server in: unset one").into());
        }
        let password = match (password, &self.password_file) {
            (Some(_), Some(_)) => {
                return Err(format!("{PASSWORD} and --bus-password-file are both set: unset one").into());
            }
            (Some(password), None) => Some(password),
            (None, Some(file)) => Some(secret(file)?),
            (None, None) => None,
        };
        match (self.user.clone(), password) {
            (Some(user), Some(password)) => return Ok(Login::Password { user, password }),
            (Some(_), None) => {
                return Err(format!("--bus-user needs {PASSWORD} in the environment, or --bus-password-file").into());
            }
            (None, Some(_)) => return Err("a password for the bus is set without --bus-user, so it has no use".into()),
            (None, None) => {}
        }
        Ok(match (token, &self.token_file, &self.credentials_file, &self.nkey_file) {
            (Some(token), ..) => Login::Token(token),
            (_, Some(file), ..) => Login::Token(secret(file)?),
            (_, _, Some(file), _) => Login::Credentials(secret(file)?),
            (_, _, _, Some(file)) => Login::Nkey(secret(file)?),
            (None, None, None, None) => Login::Nobody,
        })
    }
}

/// What lets this server in.
#[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "there is nobody to be let in by"))]
enum Login {
    Nobody,
    Password { user: String, password: String },
    Token(String),
    Credentials(String),
    Nkey(String),
}

/// The text of a file, without the white space around it, which editors and `echo` add.
fn secret(file: &std::path::Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    match text.trim_ascii() {
        "" => Err(format!("{} is empty", file.display()).into()),
        text => Ok(text.to_owned()),
    }
}
