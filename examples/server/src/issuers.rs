//! Other parties whose tokens the server accepts.

use std::fs;

use chatcore::identity::{ClaimMap, Issuer, IssuersAuthenticator, Jwks, JwksOptions, KeySet};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Failure};

/// A table `[[issuers]]` of the configuration file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerSettings {
    /// The claim `iss` of its tokens.
    iss: String,
    /// The value that the claim `aud` of its tokens names.
    audience: String,
    /// Its keys: an address, or a file.
    jwks: String,
    /// The beginning of the ids of its users, such as `corp:`.
    user_prefix: String,
    #[serde(default)]
    claims: Claims,
}

/// The names of claims. A claim that is not named has the name of [`ClaimMap::default`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    name: Option<String>,
    username: Option<String>,
    email: Option<String>,
    picture: Option<String>,
    admin: Option<Admin>,
}

/// The claim that makes an administrator, and its value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Admin {
    claim: String,
    value: String,
}

impl From<&Claims> for ClaimMap {
    fn from(claims: &Claims) -> Self {
        let Claims { name, username, email, picture, admin } = claims.clone();
        let known = Self::default();
        Self {
            name: name.unwrap_or(known.name),
            username: username.unwrap_or(known.username),
            email: email.unwrap_or(known.email),
            picture: picture.unwrap_or(known.picture),
            admin: admin.map(|Admin { claim, value }| (claim, value)),
        }
    }
}

impl IssuerSettings {
    fn failed(&self, what: &str) -> Failure {
        format!("[[issuers]] {:?}: {what}", self.iss).into()
    }

    fn issuer(&self, config: &Config) -> Result<Issuer, Failure> {
        let failed = |what: &str| self.failed(what);
        let Self { iss, audience, jwks, user_prefix, claims } = self;
        for (name, value) in [("iss", iss), ("audience", audience), ("jwks", jwks), ("user_prefix", user_prefix)] {
            // Without a prefix, a user of another party could be a user of the server's own.
            if value.trim().is_empty() {
                return Err(failed(&format!("`{name}` is empty")));
            }
        }
        if user_prefix.contains(['/', '\\']) || user_prefix.chars().any(char::is_whitespace) {
            return Err(failed("`user_prefix` has no slashes and no spaces"));
        }
        if config.issuer.as_ref() == Some(iss) {
            return Err(failed("--issuer has the same name, which is the server's own"));
        }
        if !self.is_address() {
            // It is read again while the server runs, and a mistake shows now.
            let text = fs::read_to_string(jwks).map_err(|error| failed(&format!("`jwks`: {jwks}: {error}")))?;
            KeySet::from_jwks(&text).map_err(|error| failed(&format!("`jwks`: {jwks}: {error}")))?;
        }
        Ok(Issuer::with_jwks(iss, audience, self.keys()?).claims(claims.into()).user_prefix(user_prefix))
    }

    fn is_address(&self) -> bool {
        self.jwks.contains("://")
    }

    fn probed(&self, probed: Result<usize, String>) -> Result<String, Failure> {
        let Self { iss, jwks, .. } = self;
        match probed {
            Ok(keys) => Ok(format!("{iss:?} has {keys} keys that can be used at {jwks}")),
            Err(error) => Err(self.failed(&format!(
                "`jwks`: {jwks}: {error}; until it gives keys, tokens of this issuer are refused: correct `jwks`, or see to it"
            ))),
        }
    }

    fn keys(&self) -> Result<Jwks, Failure> {
        if !self.is_address() {
            return Ok(Jwks::file(&self.jwks));
        }
        Jwks::url(&self.jwks, JwksOptions::default()).map_err(|error| self.failed(&format!("`jwks`: {error}")))
    }
}

/// Reads the keys of each issuer now, all at once; in words how many there are, or what is wrong.
pub(crate) async fn probe(config: &Config) -> Vec<Result<String, Failure>> {
    let begin = |issuer: &IssuerSettings| {
        let keys = issuer.keys()?;
        Ok(tokio::spawn(async move { keys.probe().await }))
    };
    let begun: Vec<_> = config.issuers.iter().map(|issuer| (issuer, begin(issuer))).collect();
    let mut found = Vec::new();
    for (issuer, begun) in begun {
        found.push(match begun {
            Ok(probe) => issuer.probed(probe.await.unwrap_or_else(|error| Err(error.to_string()))),
            Err(error) => Err(error),
        });
    }
    found
}

/// The issuers in the settings.
pub(crate) fn issuers(config: &Config) -> Result<IssuersAuthenticator, Failure> {
    let issuers = config.issuers.iter().map(|issuer| issuer.issuer(config)).collect::<Result<_, _>>()?;
    Ok(IssuersAuthenticator::new(issuers).map_err(|error| format!("[[issuers]]: {error}"))?)
}
