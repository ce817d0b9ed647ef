//! `chat-server token`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use chatcore::{
    Authenticator as _, JwtIssuer,
    identity::{Audience, Claims},
    model::UserId,
};

use crate::{
    cli::TokenArgs,
    config::{Config, Failure},
    output::Output,
    run::authenticator,
    secret,
};

/// The longest time that makes sense: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// A time of up to a hundred years.
pub(crate) fn lasting(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time <= LONGEST { Ok(time) } else { Err("at most 100 years".to_owned()) }
}

/// Prints a token, and nothing else, on stdout.
pub(crate) fn print(config: &Config, args: TokenArgs, stderr: &Output) -> Result<(), Failure> {
    let TokenArgs { user, name, username, email, lifetime } = args;
    let sub = UserId::new(user)?.to_string();
    // `exp` has whole seconds, so a shorter one would be over when it is printed.
    if !(Duration::from_secs(1)..=LONGEST).contains(&lifetime) {
        return Err("--lifetime is from 1s to 100 years".into());
    }
    let claims = Claims {
        sub,
        name,
        preferred_username: username,
        email,
        // As the server with the same settings asks for.
        iss: config.issuer.clone(),
        aud: config.audience.clone().map(Audience::One),
        ..Claims::default()
    };
    let secret = secret::load(config)?;
    let token = JwtIssuer::hs256(&secret.bytes)?.issue(claims, lifetime)?;
    is_accepted(config, &secret.bytes, &token)?;
    if let Some(warning) = secret.warning {
        stderr.say(&format!("chat-server: warning: {warning}"));
    }
    let mut stdout = io::stdout();
    writeln!(stdout, "{token}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot print the token: {error}").into())
}

/// The server's own check: a token that it would refuse is of no use to anybody.
fn is_accepted(config: &Config, secret: &[u8], token: &str) -> Result<(), Failure> {
    let authenticator = authenticator(config, secret)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    match runtime.block_on(authenticator.authenticate(token)) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the server would not accept a token with these values: {error}").into()),
    }
}
