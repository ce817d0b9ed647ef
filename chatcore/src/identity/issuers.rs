//! Tokens of other parties: several issuers, each with its keys and its way to name things.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Authenticator, Principal, SystemRole,
    jwks::Jwks,
    keys::KeySet,
    received::{Received, text},
    token,
};
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, Result},
};

/// Which claims tell what. A claim is named by its name, or, beginning with `/`, by a JSON Pointer (RFC 6901) into the claims, such as
/// `/realm_access/roles`. A claim that is absent, or is neither text nor a number, says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimMap {
    /// The name to show; `name` by default.
    pub name: String,
    /// The short handle; `preferred_username` by default.
    pub username: String,
    /// The e-mail address; `email` by default.
    pub email: String,
    /// The address of a picture; `picture` by default.
    pub picture: String,
    /// The claim that makes an administrator of the system, and its value for that; none by default. The claim is text, or a list that
    /// contains the value.
    pub admin: Option<(String, String)>,
}

impl Default for ClaimMap {
    fn default() -> Self {
        let [name, username, email, picture] = ["name", "preferred_username", "email", "picture"].map(str::to_owned);
        Self { name, username, email, picture, admin: None }
    }
}

impl ClaimMap {
    fn apply(&self, claims: &Value, principal: &mut Principal) {
        let find = |path: &str| if path.starts_with('/') { claims.pointer(path) } else { claims.get(path) };
        let shown = |path: &str| find(path).cloned().and_then(text);
        let Self { name, username, email, picture, admin } = self;
        (principal.name, principal.username) = (shown(name), shown(username));
        (principal.email, principal.picture) = (shown(email), shown(picture));
        let is_admin = admin.as_ref().is_some_and(|(path, wanted)| match find(path) {
            Some(Value::String(text)) => text == wanted,
            Some(Value::Array(values)) => values.iter().any(|value| value.as_str() == Some(wanted)),
            _ => false,
        });
        if is_admin {
            principal.system_role = SystemRole::Admin;
        }
    }
}

/// A party whose tokens are accepted.
#[derive(Debug, Clone)]
pub struct Issuer {
    iss: String,
    audience: String,
    keys: Keys,
    claims: ClaimMap,
    prefix: String,
}

#[derive(Debug, Clone)]
enum Keys {
    Fixed(Arc<KeySet>),
    Read(Jwks),
}

impl Issuer {
    /// An issuer whose tokens name exactly this `iss` and this service in `aud` (RFC 7519, sections 4.1.1 and 4.1.3), with keys
    /// that do not change.
    pub fn new(iss: impl Into<String>, audience: impl Into<String>, keys: KeySet) -> Self {
        Self::with_keys(iss.into(), audience.into(), Keys::Fixed(Arc::new(keys)))
    }

    /// The same with keys that are read from elsewhere.
    pub fn with_jwks(iss: impl Into<String>, audience: impl Into<String>, keys: Jwks) -> Self {
        Self::with_keys(iss.into(), audience.into(), Keys::Read(keys))
    }

    fn with_keys(iss: String, audience: String, keys: Keys) -> Self {
        Self { iss, audience, keys, claims: ClaimMap::default(), prefix: String::new() }
    }

    /// Reads these claims.
    #[must_use]
    pub fn claims(self, claims: ClaimMap) -> Self {
        Self { claims, ..self }
    }

    /// Puts this before the `sub` of its tokens in user ids, for instance `corp:`. A `sub` is unique within its issuer only (RFC 7519,
    /// section 4.1.2): without a prefix, a user of another issuer could be the same user here. A token whose user id begins with the longer
    /// prefix of another issuer is refused.
    #[must_use]
    pub fn user_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    async fn keys(&self, kid: Option<&str>) -> Result<Arc<KeySet>> {
        match &self.keys {
            Keys::Fixed(keys) => Ok(Arc::clone(keys)),
            Keys::Read(keys) => keys.keys(kid).await,
        }
    }
}

/// Issuers that cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuers {
    /// Two have one name.
    #[error("two issuers are named {0:?}")]
    SameName(String),
    /// Two have one prefix.
    #[error("the issuers {0:?} and {1:?} need user prefixes that differ: a user of one could be a user of the other")]
    SamePrefix(String, String),
}

/// Accepts the access tokens of issuers: JSON Web Tokens (RFC 7519, RFC 9068) signed with RS256, ES256 or EdDSA.
///
/// A token needs `iss`, `aud`, `sub` and `exp`; `nbf`, `iat`, `sid` and the claims of the [`ClaimMap`] are read where they are there.
/// What is refused follows RFC 8725: another algorithm than the one of the key, `none`, an issuer or an audience that is not wanted, keys
/// in the header (`jku`, `jwk`, `x5u`, `x5c`), which are never used, a `crit` header, and another type than `JWT` or `at+jwt`.
/// Times have a leeway of 5 seconds.
pub struct IssuersAuthenticator {
    clock: Arc<dyn Clock>,
    issuers: Vec<Issuer>,
    other: Option<Box<dyn Authenticator>>,
}

impl fmt::Debug for IssuersAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuersAuthenticator").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// The claim by which the issuer is found, before anything is verified.
#[derive(Deserialize)]
struct Named {
    iss: String,
}

/// The claims of a token, which are not verified.
fn payload(token: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()
}

impl IssuersAuthenticator {
    /// Accepts the tokens of these issuers.
    ///
    /// # Errors
    /// [`InvalidIssuers`] when two have one name or one user prefix.
    pub fn new(issuers: Vec<Issuer>) -> Result<Self, InvalidIssuers> {
        for (n, issuer) in issuers.iter().enumerate() {
            for other in issuers.iter().take(n) {
                if issuer.iss == other.iss {
                    return Err(InvalidIssuers::SameName(issuer.iss.clone()));
                }
                if issuer.prefix == other.prefix {
                    return Err(InvalidIssuers::SamePrefix(other.iss.clone(), issuer.iss.clone()));
                }
            }
        }
        Ok(Self { clock: Arc::new(SystemClock), issuers, other: None })
    }

    /// Takes the time from this, as [`ChatBuilder::clock`](crate::ChatBuilder::clock) does. Default: [`SystemClock`]. How old keys are is
    /// measured by the runtime's own timer.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Gives tokens that name none of these issuers to another authenticator, for instance the host's own [`JwtAuthenticator`]. A token
    /// that names one of them never gets there.
    ///
    /// [`JwtAuthenticator`]: super::JwtAuthenticator
    #[must_use]
    pub fn or(mut self, other: impl Authenticator) -> Self {
        self.other = Some(Box::new(other));
        self
    }

    fn issuer(&self, token: &str) -> Result<&Issuer> {
        if token.len() > token::MAX_TOKEN_BYTES {
            return Err(Error::TokenInvalid);
        }
        let claims = payload(token).ok_or(Error::TokenInvalid)?;
        let Named { iss } = serde_json::from_slice(&claims).map_err(|_| Error::TokenInvalid)?;
        self.issuers.iter().find(|issuer| issuer.iss == iss).ok_or(Error::TokenInvalid)
    }
}

impl IssuersAuthenticator {
    /// Whether the user id is one of another issuer: its prefix begins with the prefix of this issuer, and the `sub` goes on with the rest.
    fn is_of_another(&self, issuer: &Issuer, principal: &Principal) -> bool {
        let mut longer = self.issuers.iter().filter(|other| other.prefix.len() > issuer.prefix.len());
        longer.any(|other| principal.user_id.as_str().starts_with(&other.prefix))
    }
}

#[async_trait]
impl Authenticator for IssuersAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<Principal> {
        let issuer = match (self.issuer(token), &self.other) {
            (Ok(issuer), _) => issuer,
            (Err(_), Some(other)) => return other.authenticate(token).await,
            (Err(error), None) => return Err(error),
        };
        let header = token::header(token)?;
        let kid = header.kid.as_deref();
        let keys = issuer.keys(kid).await?;
        for key in keys.candidates(kid).filter(|key| key.algorithm == header.alg) {
            let mut validation = token::validation(key.algorithm);
            validation.set_required_spec_claims(&["sub", "iss", "aud"]);
            validation.set_issuer(&[&issuer.iss]);
            validation.set_audience(&[&issuer.audience]);
            let Ok(data) = jsonwebtoken::decode::<Received>(token, &key.key, &validation) else { continue };
            let mut principal = token::principal(data.claims, &issuer.prefix, self.clock.now())?;
            let claims = payload(token).and_then(|claims| serde_json::from_slice(&claims).ok());
            if self.is_of_another(issuer, &principal) {
                return Err(Error::TokenInvalid);
            }
            issuer.claims.apply(&claims.ok_or(Error::TokenInvalid)?, &mut principal);
            return Ok(principal);
        }
        Err(Error::TokenInvalid)
    }
}
