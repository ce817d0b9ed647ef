//! Names of the environment that other servers of this kind have: those of the Messaging API with administration.

use std::time::Duration;

use chatcore::Rate;
use serde::Serialize;

use super::{Failure, Period};
use crate::{
    cli::Settings,
    environment::{self, value},
    rates::Adds,
};

/// The variable that stands in for `CHAT_SECRET`.
pub(crate) const SECRET: &str = "JWT_SECRET_KEY";

const DATABASE: &str = "DATABASE_URL";
const ALGORITHM: &str = "JWT_ALGORITHM";
const EXPIRES: &str = "JWT_EXPIRE_MINUTES";
const UPLOADS: &str = "UPLOAD_DIR";
const FILE_SIZE: &str = "MAX_FILE_SIZE";
const FILE_TYPES: &str = "ALLOWED_FILE_TYPES";
const REQUESTS: &str = "RATE_LIMIT_REQUESTS";
const WINDOW: &str = "RATE_LIMIT_WINDOW";
const ORIGINS: &str = "ALLOWED_ORIGINS";

/// A name, and what it stands for.
pub(crate) struct Alias {
    pub(crate) name: &'static str,
    /// The setting, or the variable; `None` for a name that sets nothing.
    pub(crate) of: Option<&'static str>,
    pub(crate) note: &'static str,
}

/// All names.
pub(crate) const ALL: [Alias; 10] = [
    alias(DATABASE, Some("database"), "a URL of another kind of database, like postgresql://, has no effect"),
    alias(SECRET, Some(environment::SECRET), "32 bytes or more"),
    alias(ALGORITHM, None, "it can only be HS256, with which the server signs; anything else is an error"),
    alias(EXPIRES, Some("access_lifetime"), "a number of minutes, from 1 to 1440"),
    alias(UPLOADS, Some("files"), "a folder"),
    alias(FILE_SIZE, None, "the only files are pictures of users, of at most 5 MiB"),
    alias(FILE_TYPES, None, "the only files are pictures of users, as PNG, JPEG or GIF"),
    alias(REQUESTS, Some("request_rate"), "requests of a user in RATE_LIMIT_WINDOW; 100 where only that is set"),
    alias(WINDOW, Some("request_rate"), "a number of seconds; 3600 where only RATE_LIMIT_REQUESTS is set"),
    alias(ORIGINS, Some("allowed_origins"), "separated by commas"),
];

const fn alias(name: &'static str, of: Option<&'static str>, note: &'static str) -> Alias {
    Alias { name, of, note }
}

/// The settings that the names give. They beat the file, and a flag or a variable of the server's own beats them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Aliases {
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_lifetime: Option<Period>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_rate: Option<Adds>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_origins: Vec<String>,
}

/// Reads the names. `told` gets those that have no effect.
///
/// # Errors
/// A value that cannot be used, with its name.
pub(super) fn read(own: &Settings, told: &mut Vec<String>) -> Result<Aliases, Failure> {
    let mut found = |name: &str, own: &str, is_own_set: bool| -> Result<Option<String>, Failure> {
        let found = value(name)?;
        if is_own_set && found.is_some() {
            told.push(format!("{name} has no effect, since {own} is set"));
            return Ok(None);
        }
        Ok(found)
    };
    found(SECRET, environment::SECRET, value(environment::SECRET)?.is_some())?;
    let database = found(DATABASE, "CHAT_DATABASE or --database", own.database.is_some())?;
    let minutes = found(EXPIRES, "CHAT_ACCESS_LIFETIME or --access-lifetime", own.access_lifetime.is_some())?;
    let files = found(UPLOADS, "CHAT_FILES or --files", own.files.is_some())?;
    let rate = "CHAT_REQUEST_RATE or --request-rate";
    let requests = found(REQUESTS, rate, own.request_rate.is_some())?;
    let window = found(WINDOW, rate, own.request_rate.is_some())?;
    let origins = found(ORIGINS, "CHAT_ALLOWED_ORIGINS or --allowed-origins", !own.allowed_origins.is_empty())?;

    if let Some(algorithm) = value(ALGORITHM)?.filter(|algorithm| algorithm != "HS256") {
        return Err(format!("{ALGORITHM} is {algorithm}, and the server signs its tokens with HS256 alone").into());
    }
    for Alias { name, note, .. } in ALL.iter().filter(|alias| [FILE_SIZE, FILE_TYPES].contains(&alias.name)) {
        if value(name)?.is_some() {
            told.push(format!("{name} has no effect: {note}"));
        }
    }
    let database = database.filter(|url| {
        let scheme = url.split(':').next().unwrap_or_default();
        let is_ours = ["mem", "surrealkv", "ws", "wss"].contains(&scheme);
        if !is_ours {
            told.push(format!("{DATABASE} has no effect: it is of another kind of database than SurrealDB"));
        }
        is_ours
    });
    let minutes = minutes.map(|text| number(EXPIRES, &text, 24 * 60)).transpose()?;
    let request_rate = match (requests, window) {
        (None, None) => None,
        (requests, window) => {
            let requests = requests.map_or(Ok(100), |text| number(REQUESTS, &text, 1_000_000_000))?;
            let window = window.map_or(Ok(3_600), |text| number(WINDOW, &text, 366 * 24 * 3_600))?;
            Some(Adds(Some(Rate::new(requests, Duration::from_secs(window.into()) / requests))))
        }
    };
    Ok(Aliases {
        database,
        access_lifetime: minutes.map(|minutes| Period(Duration::from_secs(u64::from(minutes) * 60))),
        files,
        request_rate,
        allowed_origins: origins.map(|origins| origins.split(',').map(str::to_owned).collect()).unwrap_or_default(),
    })
}

fn number(name: &str, text: &str, most: u32) -> Result<u32, Failure> {
    let number = text.trim().parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{name} is `{text}`, and it can be a whole number from 1 to {most}").into())
}
