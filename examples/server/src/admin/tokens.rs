//! The token with which `chat-server admin` calls the server.
//!
//! Access tokens cannot carry the system role: whatever a claim says, it raises nobody. So a token of the command line is signed with a key of
//! its own, which is derived from the server's secret, and the server gives the system role to whoever shows one. A program that only has
//! access tokens, or a way to get them, cannot make one. It is good for a minute, on every transport and for every use case, as the token of any administrator is.

use std::{sync::Arc, time::Duration};

use chatcore::{
    Authenticator, JwtAuthenticator, JwtIssuer, Principal, Result as ChatResult, async_trait,
    identity::{Audience, Claims, SystemRole},
    model::UserId,
};
use sha2::{Digest as _, Sha256};

use crate::config::Failure;

/// How long a token is good for.
const LIFETIME: Duration = Duration::from_secs(60);

/// The user who acts, as the audit log shows it.
const USER: &str = "chat-server";

/// For whom the tokens are made.
const AUDIENCE: &str = "chat-server admin";

/// The user who acts. The server refuses to ban this user.
pub(crate) fn user() -> Result<UserId, Failure> {
    Ok(UserId::new(USER)?)
}

/// The key of these tokens. Nobody learns the secret from it.
fn key(secret: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(b"chat-server: key of administration tokens\0").chain_update(secret).finalize().into()
}

/// A token with the system role.
pub(crate) fn issue(secret: &[u8]) -> Result<String, Failure> {
    let aud = Some(Audience::One(AUDIENCE.to_owned()));
    let claims = Claims { sub: USER.to_owned(), aud, ..Claims::default() };
    Ok(JwtIssuer::hs256(&key(secret))?.issue(claims, LIFETIME)?)
}

/// Accepts the tokens of the command line, and those of another authenticator.
pub(crate) struct AdminTokens {
    own: JwtAuthenticator,
    other: Arc<dyn Authenticator>,
}

impl AdminTokens {
    pub(crate) fn new(secret: &[u8], other: impl Authenticator) -> Result<Self, Failure> {
        Ok(Self { own: JwtAuthenticator::hs256(&key(secret))?.audience(AUDIENCE), other: Arc::new(other) })
    }
}

#[async_trait]
impl Authenticator for AdminTokens {
    async fn authenticate(&self, token: &str) -> ChatResult<Principal> {
        match self.own.authenticate(token).await {
            Ok(principal) => Ok(Principal { system_role: SystemRole::Admin, ..principal }),
            Err(_) => self.other.authenticate(token).await,
        }
    }
}
