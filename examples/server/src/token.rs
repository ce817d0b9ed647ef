//! `chat-server token`.

use std::io::Write as _;

use chatcore::{JwtIssuer, identity::Claims, model::UserId};

use crate::{
    config::{Config, Failure, TokenArgs},
    secret,
};

/// Prints a token, and nothing else, on stdout.
pub(crate) fn print(config: &Config, args: TokenArgs) -> Result<(), Failure> {
    let TokenArgs { user, name, username, email, lifetime } = args;
    let sub = UserId::new(user)?.to_string();
    let claims = Claims { sub, name, preferred_username: username, email, ..Claims::default() };
    let token = JwtIssuer::hs256(&secret::load(config)?)?.issue(claims, lifetime)?;
    writeln!(std::io::stdout(), "{token}")?;
    Ok(())
}
