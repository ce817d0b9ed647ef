//! The environment's `CHAT_…` variables: none that was set may be passed over in silence.

use std::{
    env,
    ffi::{OsStr, OsString},
};

use clap::CommandFactory as _;

use crate::{
    bus,
    cli::Cli,
    config::{Failure, aliases},
};

/// The variable that gives the signing secret itself. There is no flag: flags are seen by every process.
pub(crate) const SECRET: &str = "CHAT_SECRET";
/// The variable with the password of the database's user.
pub(crate) const PASSWORD: &str = "CHAT_DATABASE_PASSWORD";
/// The variable with the address of the server that sends mails, which holds a password.
pub(crate) const SMTP: &str = "CHAT_SMTP_URL";

/// The variables without a flag, and what they mean.
pub(crate) const SECRETS: [(&str, &str); 5] = [
    (SECRET, "The signing secret itself, 32 bytes or more, in place of secret_file"),
    (PASSWORD, "The password of database_user"),
    (SMTP, "The server that sends mails, like smtps://user:password@host; needs smtp_from"),
    (bus::PASSWORD, "The password at the bus"),
    (bus::TOKEN, "The token at the bus"),
];

const PREFIX: &str = "CHAT_";

/// Checks that each `CHAT_…` variable is a setting with a value that is text and not empty. Gives what is to be told of the others.
///
/// A name that resembles a setting is refused, since it is most likely meant as one. Any other name may belong to another program,
/// so it is only told.
///
/// # Errors
/// The variable, and what is wrong with it.
pub(crate) fn check() -> Result<Vec<String>, Failure> {
    let command = Cli::command();
    let of_flags = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    let known: Vec<&str> = of_flags.chain(SECRETS.iter().map(|(name, _)| *name)).collect();
    let mut told = Vec::new();
    for (name, value) in env::vars_os() {
        let name = name.to_string_lossy();
        let Some(of_ours) = name.strip_prefix(PREFIX) else { continue };
        if known.contains(&name.as_ref()) {
            given(&name, &value)?;
        } else if is_of_a_service(of_ours, &value) {
        } else if let Some(meant) = known
            .iter()
            .filter(|known| resembles(of_ours, known))
            .min_by_key(|known| strsim::osa_distance(&name, known))
        {
            return Err(format!("{name} is no setting; did you mean {meant}? See chat-server --help").into());
        } else {
            told.push(format!(
                "{name} is set and is no setting of chat-server, so it has no effect; see chat-server --help"
            ));
        }
    }
    Ok(told)
}

/// The signing secret itself, with the variable that gives it.
///
/// # Errors
/// As [`value`].
pub(crate) fn secret() -> Result<Option<(&'static str, String)>, Failure> {
    for name in [SECRET, aliases::SECRET] {
        if let Some(value) = value(name)? {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

/// The value of a variable, if it is set.
///
/// # Errors
/// A value that is not UTF-8, or empty.
pub(crate) fn value(name: &str) -> Result<Option<String>, Failure> {
    env::var_os(name).map(|value| given(name, &value)).transpose()
}

fn given(name: &str, value: &OsStr) -> Result<String, Failure> {
    match value.to_str() {
        None => Err(format!("{name} is set and is not UTF-8").into()),
        Some("") => Err(format!("{name} is set and empty: give it a value, or unset it").into()),
        Some(text) => Ok(text.to_owned()),
    }
}

/// Whether a name, without the prefix, is a mistyped or a prolonged one of a setting.
fn resembles(name: &str, setting: &str) -> bool {
    let setting = setting.strip_prefix(PREFIX).unwrap_or(setting);
    let typos = if setting.len() < 8 { 1 } else { 2 };
    strsim::osa_distance(name, setting) <= typos || name.strip_prefix(setting).is_some_and(|rest| rest.starts_with('_'))
}

/// Whether Kubernetes sets this variable, for a service whose name begins with "chat", or Docker for a link.
fn is_of_a_service(name: &str, value: &OsString) -> bool {
    let is_address = |value: &str| ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let name = format!("_{name}");
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.to_str().is_some_and(is_address))
        || name.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()))
}
