//! JSON Web Tokens (RFC 7519) signed with HS256.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::{Authenticator, Principal, received::Received, token};
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, Result},
};

/// The shortest secret that HS256 may be used with (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// A secret that is too short to sign with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signing secret has {0} bytes and needs at least {MIN_SECRET_BYTES}")]
pub struct WeakSecret(pub usize);

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    /// Who: the [`UserId`](crate::model::UserId).
    pub sub: String,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it was made, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A short handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// An address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// The [`LoginId`](crate::model::LoginId) that the token belongs to (OpenID Connect Front-Channel Logout 1.0, section 3). A text that is no
    /// such id names no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
}

/// One audience or several (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Checks tokens signed with HS256. Strict: the algorithm is fixed, `exp` and `sub` are required, `nbf` is checked,
/// keys named in a header are refused and never fetched.
///
/// - **Times** are numbers of seconds and may have a fraction (RFC 7519, section 2). Clocks may be 5 seconds apart: a
///   token is accepted until 5 seconds after `exp`, and from 5 seconds before `nbf`. An `iat` in the future, or none,
///   refuses no token; the claims then count as of now.
/// - **Keys**: a single key checks every token, whatever `kid` the token names. With several keys, a token is checked by
///   the keys with its `kid`, so one that names an unknown `kid` is refused.
/// - **Types**: `typ` is `JWT` or `at+jwt` (RFC 9068), also with `application/` before it (RFC 7515, section 4.1.9), or
///   absent.
/// - **Audience and issuer**: without [`audience`](Self::audience), a token that names an audience is refused; with it, a
///   token must name that one. With [`issuer`](Self::issuer), a token must be by that one.
/// - **Display claims** (`name`, `preferred_username`, `email`, `picture`) are text. A number is taken as its digits, and
///   any other value as absent.
pub struct JwtAuthenticator {
    clock: Arc<dyn Clock>,
    keys: Vec<(Option<String>, DecodingKey)>,
    validation: Validation,
}

impl fmt::Debug for JwtAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys stay out of logs.
        f.debug_struct("JwtAuthenticator").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

fn checked(secret: &[u8]) -> Result<&[u8], WeakSecret> {
    if secret.len() < MIN_SECRET_BYTES { Err(WeakSecret(secret.len())) } else { Ok(secret) }
}

impl JwtAuthenticator {
    /// Accepts tokens signed with this secret.
    ///
    /// # Errors
    /// [`WeakSecret`] when it has fewer than [`MIN_SECRET_BYTES`] bytes.
    pub fn hs256(secret: &[u8]) -> Result<Self, WeakSecret> {
        let keys = vec![(None, DecodingKey::from_secret(checked(secret)?))];
        Ok(Self { clock: Arc::new(SystemClock), keys, validation: token::validation(Algorithm::HS256) })
    }

    /// Also accepts tokens signed with this secret: for the time in which an old secret gives way to a new one. From then
    /// on, the first secret is for tokens without a `kid`, and this one for tokens with exactly this `kid`, or without
    /// one.
    ///
    /// # Errors
    /// [`WeakSecret`] as above.
    pub fn and_secret(mut self, kid: Option<&str>, secret: &[u8]) -> Result<Self, WeakSecret> {
        self.keys.push((kid.map(str::to_owned), DecodingKey::from_secret(checked(secret)?)));
        Ok(self)
    }

    /// Takes the time from this, as [`ChatBuilder::clock`](crate::ChatBuilder::clock) does. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Requires `iss` to be this.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.validation.set_issuer(&[issuer]);
        self.validation.required_spec_claims.insert("iss".to_owned());
        self
    }

    /// Requires `aud` to name this. Without it, tokens that name an audience are refused.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.validation.set_audience(&[audience]);
        self.validation.required_spec_claims.insert("aud".to_owned());
        self
    }

    fn received(&self, token: &str) -> Result<Received> {
        let header = token::header(token)?;
        let is_single = self.keys.len() == 1;
        let candidates = self.keys.iter().filter(|(kid, _)| is_single || *kid == header.kid);
        for (_, key) in candidates {
            if let Ok(data) = jsonwebtoken::decode::<Received>(token, key, &self.validation) {
                return Ok(data.claims);
            }
        }
        Err(Error::TokenInvalid)
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<Principal> {
        token::principal(self.received(token)?, "", self.clock.now())
    }
}

/// Makes tokens that a [`JwtAuthenticator`] with the same secret accepts.
pub struct JwtIssuer {
    clock: Arc<dyn Clock>,
    key: EncodingKey,
}

impl fmt::Debug for JwtIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtIssuer").finish_non_exhaustive()
    }
}

impl JwtIssuer {
    /// Signs with this secret.
    ///
    /// # Errors
    /// [`WeakSecret`] when it has fewer than [`MIN_SECRET_BYTES`] bytes.
    pub fn hs256(secret: &[u8]) -> Result<Self, WeakSecret> {
        Ok(Self { clock: Arc::new(SystemClock), key: EncodingKey::from_secret(checked(secret)?) })
    }

    /// Takes the time from this. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// A token with these claims, made now and good for `lifetime`.
    ///
    /// # Errors
    /// [`Error::Internal`] when signing fails.
    pub fn issue(&self, claims: Claims, lifetime: Duration) -> Result<String> {
        self.sign(&self.lasting(claims, lifetime))
    }

    /// The same with the type of an access token, `at+jwt` (RFC 9068, section 2.1).
    ///
    /// # Errors
    /// [`Error::Internal`] when signing fails.
    pub fn issue_access_token(&self, claims: Claims, lifetime: Duration) -> Result<String> {
        let header = Header { typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &self.lasting(claims, lifetime), &self.key).map_err(|_| Error::Internal)
    }

    /// Claims that hold from now on for a lifetime.
    fn lasting(&self, claims: Claims, lifetime: Duration) -> Claims {
        let now = self.clock.now().timestamp();
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Claims { exp: now.saturating_add(lifetime), iat: Some(now), ..claims }
    }

    /// A token with exactly these claims.
    ///
    /// # Errors
    /// [`Error::Internal`] when signing fails.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.key).map_err(|_| Error::Internal)
    }
}
