//! JSON Web Tokens (RFC 7519) signed with HS256.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};

use super::{Authenticator, Principal, SystemRole};
use crate::{
    error::{Error, Result},
    model::UserId,
};

/// The shortest secret that HS256 may be used with (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 5;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A secret that is too short to sign with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signing secret has {0} bytes and needs at least {MIN_SECRET_BYTES}")]
pub struct WeakSecret(pub usize);

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    /// Who: the [`UserId`].
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
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// Which login it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
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
pub struct JwtAuthenticator {
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
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub"]);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        // Without an audience of ours, tokens made for another service must not be taken.
        validation.validate_aud = true;
        Ok(Self { keys: vec![(None, DecodingKey::from_secret(checked(secret)?))], validation })
    }

    /// Also accepts tokens signed with this secret: for the time in which an old secret gives way to a new one.
    /// With a `kid`, only those whose header names it.
    ///
    /// # Errors
    /// [`WeakSecret`] as above.
    pub fn and_secret(mut self, kid: Option<&str>, secret: &[u8]) -> Result<Self, WeakSecret> {
        self.keys.push((kid.map(str::to_owned), DecodingKey::from_secret(checked(secret)?)));
        Ok(self)
    }

    /// Requires `iss` to be this.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.validation.set_issuer(&[issuer]);
        self.validation.required_spec_claims.insert("iss".to_owned());
        self
    }

    /// Requires `aud` to name this.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.validation.set_audience(&[audience]);
        self.validation.required_spec_claims.insert("aud".to_owned());
        self
    }

    fn claims(&self, token: &str) -> Result<Claims> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Error::TokenInvalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Error::TokenInvalid)?;
        let names_keys = header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some();
        if names_keys || header.crit.is_some() {
            return Err(Error::TokenInvalid);
        }
        // A refresh token, or a token for some other purpose, says so in its type (RFC 8725, section 3.11).
        if header.typ.as_deref().is_some_and(|typ| !["JWT", "at+jwt"].iter().any(|ok| ok.eq_ignore_ascii_case(typ))) {
            return Err(Error::TokenInvalid);
        }
        let mut failure = Error::TokenInvalid;
        for (kid, key) in &self.keys {
            if *kid != header.kid {
                continue;
            }
            match jsonwebtoken::decode::<Claims>(token, key, &self.validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => failure = Error::TokenExpired,
                Err(_) => {}
            }
        }
        Err(failure)
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<Principal> {
        let Claims { sub, exp, iat, name, preferred_username, email, picture, iss: _, aud: _, sid } =
            self.claims(token)?;
        let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(Error::TokenInvalid);
        Ok(Principal {
            user_id: UserId::new(sub).map_err(|_| Error::TokenInvalid)?,
            username: preferred_username,
            name,
            email,
            picture,
            system_role: SystemRole::User,
            login_id: sid,
            // Claims of unknown age never replace others.
            issued_at: iat.map_or(Ok(DateTime::UNIX_EPOCH), time)?,
            expires_at: Some(time(exp)?),
        })
    }
}

/// Makes tokens that a [`JwtAuthenticator`] with the same secret accepts.
pub struct JwtIssuer {
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
        Ok(Self { key: EncodingKey::from_secret(checked(secret)?) })
    }

    /// A token with these claims, made now and good for `lifetime`.
    ///
    /// # Errors
    /// [`Error::Internal`] when signing fails.
    pub fn issue(&self, claims: Claims, lifetime: Duration) -> Result<String> {
        let now = Utc::now().timestamp();
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims { exp: now.saturating_add(lifetime), iat: Some(now), ..claims };
        self.sign(&claims)
    }

    /// A token with exactly these claims.
    ///
    /// # Errors
    /// [`Error::Internal`] when signing fails.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.key).map_err(|_| Error::Internal)
    }
}
