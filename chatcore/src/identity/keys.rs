//! Keys that verify tokens.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};

/// Keys of one set that are read. What stands behind them is left out.
const MOST_KEYS: usize = 100;

/// The shortest modulus of an RSA key, in bytes (RFC 7518, section 3.3).
const RSA_BYTES: usize = 256;

/// A set of keys that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no JWK Set (RFC 7517): {0}")]
pub struct InvalidKeySet(String);

/// A public key for one algorithm. A token that says another one is refused, so nobody can use a public key as the secret of HS256
/// (RFC 8725, section 3.1).
pub(super) struct VerifyingKey {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Public keys that verify tokens, each for one algorithm: RS256, ES256 or EdDSA with Ed25519 (RFC 7518, section 3.1; RFC 8037,
/// section 3.1).
#[derive(Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys.len()).finish()
    }
}

impl KeySet {
    /// Reads a JWK Set (RFC 7517, section 5). Keys of another type, for another use or algorithm, and RSA keys with fewer than
    /// 2048 bits are passed over, symmetric keys too: a set of public keys holds no secret.
    ///
    /// # Errors
    /// [`InvalidKeySet`] when the text is no set, or has no key that could be used.
    pub fn from_jwks(json: &str) -> Result<Self, InvalidKeySet> {
        let invalid = |error: serde_json::Error| InvalidKeySet(error.to_string());
        let mut set: serde_json::Value = serde_json::from_str(json).map_err(invalid)?;
        let Some(serde_json::Value::Array(entries)) = set.get_mut("keys").map(serde_json::Value::take) else {
            return Err(InvalidKeySet("the member `keys` is missing".to_owned()));
        };
        let keys: Vec<_> = entries.into_iter().take(MOST_KEYS).filter_map(verifying).collect();
        if keys.is_empty() {
            Err(InvalidKeySet("it has no key that could be used".to_owned()))
        } else {
            Ok(Self { keys })
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the set has a key of this id.
    pub(super) fn has(&self, kid: Option<&str>) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == kid)
    }

    /// The keys that may have signed a token with this `kid`. A single key is for every token; of several, a token must name one
    /// (OpenID Connect Core 1.0, section 10.1).
    pub(super) fn candidates<'a>(&'a self, kid: Option<&'a str>) -> impl Iterator<Item = &'a VerifyingKey> {
        let is_single = self.keys.len() == 1;
        self.keys.iter().filter(move |key| is_single || key.kid.as_deref() == kid)
    }
}

/// A key of a set; `None` for one that is passed over.
fn verifying(entry: serde_json::Value) -> Option<VerifyingKey> {
    let jwk: Jwk = serde_json::from_value(entry).ok()?;
    let common = &jwk.common;
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).ok()?;
            if modulus.iter().skip_while(|byte| **byte == 0).count() < RSA_BYTES {
                return None;
            }
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let is_ours = common.key_algorithm.is_none_or(|given| given == named);
    let signs = common.public_key_use.as_ref().is_none_or(|given| *given == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|given| given.contains(&KeyOperations::Verify));
    if !(is_ours && signs && verifies) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(VerifyingKey { kid: common.key_id.clone(), algorithm, key })
}
