//! Tokens that no transport may take. The frontends' tests share them.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chatcore::{
    JwtAuthenticator,
    identity::{Issuer, IssuersAuthenticator, KeySet},
};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// The issuer.
pub const ISS: &str = "https://id.example.com";
/// For whom its tokens are.
pub const AUD: &str = "chat";

/// The keys of these tests, and of nothing else.
pub fn key(name: &str) -> Value {
    let keys: Value = serde_json::from_str(include_str!("../keys.json")).unwrap();
    keys[name].clone()
}

/// Takes the tokens of one issuer with three keys.
pub fn authenticator() -> IssuersAuthenticator {
    let keys: Vec<Value> = ["rsa", "ec", "ed"].iter().map(|name| key(name)["jwk"].clone()).collect();
    let keys = KeySet::from_jwks(&json!({ "keys": keys }).to_string()).unwrap();
    IssuersAuthenticator::new(vec![Issuer::new(ISS, AUD, keys)]).unwrap()
}

/// A value with some of its members replaced, or, by null, taken away.
pub fn with(mut value: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => value.as_object_mut().unwrap().remove(name),
            change => value.as_object_mut().unwrap().insert(name.clone(), change.clone()),
        };
    }
    value
}

/// What a signature signs.
pub fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// A token with a header and claims that differ from good ones, signed with the right key.
pub fn token(header: Value, claims: Value) -> String {
    let header = with(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ec" }), header);
    let good = json!({ "iss": ISS, "aud": AUD, "sub": "alice", "exp": Utc::now().timestamp() + 600 });
    signed(&message(&header, &with(good, claims)))
}

/// A message with the signature of the right key.
fn signed(message: &str) -> String {
    let private = EncodingKey::from_ec_der(&STANDARD.decode(key("ec")["private"].as_str().unwrap()).unwrap());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &private, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

/// Tokens that are refused, each with what is wrong with it.
pub fn bad() -> Vec<(&'static str, String)> {
    let jwk = key("ec")["jwk"].clone();
    let (now, none) = (Utc::now().timestamp(), json!({}));
    let header = |change| token(change, json!({}));
    let claim = |change| token(json!({}), change);
    let unsigned = token(json!({ "alg": "none" }), none.clone());
    let unsigned = unsigned.rsplit_once('.').unwrap().0.to_owned() + ".";
    let claims = json!({ "iss": ISS, "aud": AUD, "sub": "alice", "exp": now + 600 });
    let hmac = |secret: &[u8]| {
        let message = message(&json!({ "alg": "HS256", "kid": "ec" }), &claims);
        let secret = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    };
    // The coordinates of the public key, as a point on the curve.
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    // Two readers of JSON could take another one of the two.
    let twice = |name: &str, value: &str| {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "ES256", "kid": "ec" }).to_string());
        let claims = claims.to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1);
        signed(&format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims)))
    };
    let good = token(none.clone(), none.clone());
    vec![
        ("alg none", unsigned),
        ("HS256 with a public key", hmac(jwk.to_string().as_bytes())),
        ("HS256 with the point of a public key", hmac(&point)),
        ("HS256 with nothing", hmac(b"")),
        ("another algorithm than the key's", header(json!({ "alg": "RS256" }))),
        ("an unknown kid", header(json!({ "kid": "unknown" }))),
        ("no kid", header(json!({ "kid": null }))),
        ("jku", header(json!({ "jku": "https://id.example.com/keys" }))),
        ("jwk", header(json!({ "jwk": jwk }))),
        ("x5u", header(json!({ "x5u": "https://id.example.com/cert" }))),
        ("x5c", header(json!({ "x5c": ["MIIB"] }))),
        ("crit", header(json!({ "crit": ["exp"] }))),
        ("two subjects", twice("sub", "\"root\"")),
        ("two ends", twice("exp", "1")),
        ("two issuers", twice("iss", "\"https://evil.example.com\"")),
        ("a token within a token", signed(&format!("{}.{good}", URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\"}")))),
        ("a refresh token", header(json!({ "typ": "refresh+jwt" }))),
        ("no exp", claim(json!({ "exp": null }))),
        ("an exp that is none", claim(json!({ "exp": "soon" }))),
        ("an exp before 1970", claim(json!({ "exp": -1 }))),
        ("an exp beyond all times", claim(json!({ "exp": 1e300 }))),
        ("an iat before 1970", claim(json!({ "iat": -1 }))),
        ("no iss", claim(json!({ "iss": null }))),
        ("another iss", claim(json!({ "iss": "https://evil.example.com" }))),
        ("no aud", claim(json!({ "aud": null }))),
        ("another aud", claim(json!({ "aud": "shop" }))),
        ("a future nbf", claim(json!({ "nbf": now + 60 }))),
        ("no sub", claim(json!({ "sub": null }))),
        ("a broken signature", good + "A"),
    ]
}

/// Tokens by an old and a new secret, and by the new one with an id of a key that nobody knows, each with whether it is accepted.
pub type Shown = [(String, bool); 3];

/// The authenticators during and after the rotation of a secret, each with tokens that it accepts or refuses.
pub fn rotation() -> [(&'static str, JwtAuthenticator, Shown); 2] {
    let (old, new) = ([1; 32], [2; 32]);
    let token = |secret: &[u8], header: &Value| {
        let message = message(header, &json!({ "sub": "alice", "exp": Utc::now().timestamp() + 600 }));
        let secret = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    };
    let (plain, named) = (json!({ "alg": "HS256" }), json!({ "alg": "HS256", "kid": "unknown" }));
    // A single key needs no id.
    let shown = |is_old_accepted: bool| {
        [(token(&old, &plain), is_old_accepted), (token(&new, &plain), true), (token(&new, &named), !is_old_accepted)]
    };
    let after = || JwtAuthenticator::hs256(&new).unwrap();
    let during = after().and_secret(None, &old).unwrap();
    [("during the rotation", during, shown(true)), ("after the rotation", after(), shown(false))]
}
