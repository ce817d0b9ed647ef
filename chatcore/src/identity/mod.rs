//! Who is calling.

mod bots;
mod directory;
#[cfg(feature = "jwt")]
mod issuers;
#[cfg(feature = "jwt")]
mod jwks;
#[cfg(feature = "jwks")]
mod jwks_url;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(feature = "jwt")]
mod keys;
mod principal;
#[cfg(feature = "jwt")]
mod received;
mod scope;
#[cfg(feature = "jwt")]
mod token;

use std::sync::Arc;

use async_trait::async_trait;

pub use bots::BotAuthenticator;
pub use directory::{DirectoryUser, UserDirectory};
#[cfg(feature = "jwt")]
pub use issuers::{ClaimMap, InvalidIssuers, Issuer, IssuersAuthenticator};
#[cfg(feature = "jwt")]
pub use jwks::{Jwks, JwksOptions, JwksSource, MAX_JWKS_BYTES};
#[cfg(feature = "jwks")]
pub use jwks_url::InvalidJwksUrl;
#[cfg(feature = "jwt")]
pub use jwt::{Audience, Claims, JwtAuthenticator, JwtIssuer, MIN_SECRET_BYTES, WeakSecret};
#[cfg(feature = "jwt")]
pub use keys::{InvalidKeySet, KeySet};
pub(crate) use principal::{LEEWAY, Said};
pub use principal::{Principal, SystemRole};
pub use scope::Scope;

use crate::error::{Error, Result};

/// Turns what a client shows into who it is.
///
/// # Contract
/// The same token gives the same user id every time. A token that is not acceptable gives
/// [`TokenInvalid`](crate::Error::TokenInvalid), or [`TokenExpired`](crate::Error::TokenExpired) where it was
/// acceptable once; which of its parts is wrong is not told. [`Unavailable`](crate::Error::Unavailable) is for when it
/// could not be found out. Dropping the future has no effect.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// Who shows this token.
    async fn authenticate(&self, token: &str) -> Result<Principal>;
}

/// Accepts no token: for a host that knows its users itself and gives each frontend the [`Principal`] of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTokens;

#[async_trait]
impl Authenticator for NoTokens {
    async fn authenticate(&self, _token: &str) -> Result<Principal> {
        Err(Error::TokenInvalid)
    }
}

#[async_trait]
impl<A: Authenticator + ?Sized> Authenticator for Arc<A> {
    async fn authenticate(&self, token: &str) -> Result<Principal> {
        (**self).authenticate(token).await
    }
}
