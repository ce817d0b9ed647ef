//! `chat-server token`.

use std::io::Write as _;

use chatcore::{
    JwtIssuer,
    identity::{Audience, Claims},
    model::UserId,
};

use crate::{
    config::{Config, Failure, TokenArgs},
    secret,
};

/// Prints a token, and nothing else, on stdout.
pub(crate) fn print(config: &Config, args: TokenArgs) -> Result<(), Failure> {
    let TokenArgs { user, name, username, email, lifetime } = args;
    let sub = UserId::new(user)?.to_string();
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
    let token = JwtIssuer::hs256(&secret::load(config)?)?.issue(claims, lifetime)?;
    writeln!(std::io::stdout(), "{token}")?;
    Ok(())
}
