//! Tokens of other parties: algorithms, keys that rotate, issuers, claims; and the host's directory of users.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

#[path = "../kit/mod.rs"]
mod kit;
#[path = "../kit/tokens.rs"]
#[allow(dead_code, unreachable_pub, reason = "other crates use it, too")]
mod tokens;

mod directory;
mod sources;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chatcore::{
    Authenticator, Chat, Error, JwtAuthenticator, JwtIssuer, MemoryStore, Principal, Result,
    chat::AddParticipant,
    identity::{
        ClaimMap, Claims, DirectoryUser, InvalidIssuers, Issuer, IssuersAuthenticator, Jwks, JwksSource, KeySet,
        SystemRole, UserDirectory,
    },
    model::UserId,
};
use chrono::Utc;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey};
use kit::{in_time, room, user, user_id};
use serde_json::{Value, json};
use tokens::{AUD, ISS, key, message, with};

fn jwk(name: &str) -> Value {
    key(name)["jwk"].clone()
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn named(names: &[&str]) -> String {
    set(&names.iter().map(|name| jwk(name)).collect::<Vec<_>>())
}

fn algorithm(name: &str) -> Algorithm {
    match name.get(..2) {
        Some("rs") => Algorithm::RS256,
        Some("ec") => Algorithm::ES256,
        _ => Algorithm::EdDSA,
    }
}

fn claims() -> Value {
    json!({ "iss": ISS, "aud": AUD, "sub": "alice", "exp": Utc::now().timestamp() + 600 })
}

/// A token with exactly this header and these claims, signed by a key in the way of the key.
fn signed(name: &str, header: &Value, claims: &Value) -> String {
    let private = STANDARD.decode(key(name)["private"].as_str().unwrap()).unwrap();
    let algorithm = algorithm(name);
    let key = match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_der(&private),
        Algorithm::ES256 => EncodingKey::from_ec_der(&private),
        _ => EncodingKey::from_ed_der(&private),
    };
    let message = message(header, claims);
    format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap())
}

fn header(name: &str) -> Value {
    let alg = match algorithm(name) {
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        _ => "EdDSA",
    };
    json!({ "alg": alg, "typ": "at+jwt", "kid": name })
}

fn token(name: &str, claim_changes: Value) -> String {
    signed(name, &header(name), &with(claims(), claim_changes))
}

fn issuer(names: &[&str]) -> Issuer {
    Issuer::new(ISS, AUD, KeySet::from_jwks(&named(names)).unwrap())
}

fn one(issuer: Issuer) -> IssuersAuthenticator {
    IssuersAuthenticator::new(vec![issuer]).unwrap()
}

async fn user_of(authenticator: &impl Authenticator, token: &str) -> Result<String> {
    authenticator.authenticate(token).await.map(|principal| principal.user_id.to_string())
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T>, what: &str) {
    assert_eq!(result.unwrap_err(), Error::TokenInvalid, "{what}");
}

// ---- Algorithms and keys

#[tokio::test]
async fn each_algorithm_is_accepted_with_its_key_and_with_no_other() {
    let names = ["rsa", "ec", "ed"];
    let authenticator = one(issuer(&names));
    for name in names {
        assert_eq!(user_of(&authenticator, &token(name, json!({}))).await.as_deref(), Ok("alice"), "{name}");
        let other = format!("{name}_other");
        let forged = signed(&other, &with(header(&other), json!({ "kid": name })), &claims());
        assert_invalid(user_of(&authenticator, &forged).await, &other);
        for alg in ["none", "HS256", "RS512", "PS256", "ES384", "RS256", "ES256", "EdDSA"] {
            if header(name)["alg"] == alg {
                continue;
            }
            let lying = signed(name, &with(header(name), json!({ "alg": alg })), &claims());
            assert_invalid(user_of(&authenticator, &lying).await, alg);
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    for name in ["rsa", "ec", "ed"] {
        let authenticator = one(issuer(&[name]));
        let jwk = jwk(name);
        let modulus = jwk["n"].as_str().or(jwk["x"].as_str()).unwrap();
        for secret in [jwk.to_string(), named(&[name]), modulus.to_owned()] {
            let header = json!({ "alg": "HS256", "typ": "JWT", "kid": name });
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let message = format!("{}.{}", part(&header), part(&claims()));
            for secret in [secret.clone().into_bytes(), URL_SAFE_NO_PAD.decode(&secret).unwrap_or_default()] {
                let secret = EncodingKey::from_secret(&secret);
                let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
                assert_invalid(user_of(&authenticator, &format!("{message}.{signature}")).await, name);
            }
        }
    }
}

#[tokio::test]
async fn keys_in_a_header_are_never_used() {
    let authenticator = one(issuer(&["rsa", "ec"]));
    for extra in [
        json!({ "jku": "https://id.example.com/keys" }),
        json!({ "x5u": "https://id.example.com/cert" }),
        json!({ "x5c": ["AAAA"] }),
        json!({ "jwk": jwk("ec_other") }),
        json!({ "crit": ["exp"] }),
    ] {
        let honest = signed("ec", &with(header("ec"), extra.clone()), &claims());
        assert_invalid(user_of(&authenticator, &honest).await, &extra.to_string());
        let forged = signed("ec_other", &with(header("ec_other"), extra.clone()), &claims());
        assert_invalid(user_of(&authenticator, &forged).await, &extra.to_string());
    }
}

#[tokio::test]
async fn a_token_names_its_key_where_there_are_several() {
    let several = one(issuer(&["rsa", "ec", "ed"]));
    let single = one(issuer(&["ec"]));
    for kid in [json!(null), json!("unknown")] {
        let token = signed("ec", &with(header("ec"), json!({ "kid": kid })), &claims());
        assert_invalid(user_of(&several, &token).await, "several keys");
        assert_eq!(user_of(&single, &token).await.as_deref(), Ok("alice"), "a single key is for every token");
    }
}

#[test]
fn keys_that_must_not_be_used_are_passed_over() {
    let with_change = |name: &str, change: Value| with(jwk(name), change);
    let bad = [
        json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256", "kid": "s" }),
        jwk("rsa_short"),
        with_change("rsa", json!({ "use": "enc" })),
        with_change("rsa", json!({ "alg": "RSA-OAEP" })),
        with_change("rsa", json!({ "alg": "RS512" })),
        with_change("ec", json!({ "crv": "P-384", "alg": "ES384" })),
        with_change("ed", json!({ "key_ops": ["sign"], "use": null })),
        json!({ "kty": "future", "kid": "f" }),
        json!("no key"),
    ];
    for key in &bad {
        assert!(KeySet::from_jwks(&set(std::slice::from_ref(key))).is_err(), "{key}");
        // One key that is not understood does not hide the others.
        assert!(KeySet::from_jwks(&set(&[key.clone(), jwk("ec")])).is_ok(), "{key}");
    }
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#] {
        assert!(KeySet::from_jwks(text).is_err(), "{text}");
    }
}

// ---- Issuers and claims

#[tokio::test]
async fn issuer_and_audience_must_be_ours() {
    let authenticator = one(issuer(&["rsa", "ec"]));
    for change in [
        json!({ "iss": null }),
        json!({ "iss": "https://id.example.com/" }),
        json!({ "iss": ["https://id.example.com"] }),
        json!({ "aud": null }),
        json!({ "aud": "other" }),
        json!({ "aud": ["other", "more"] }),
        json!({ "sub": null }),
        json!({ "exp": null }),
        json!({ "exp": "soon" }),
        json!({ "nbf": Utc::now().timestamp() + 60 }),
    ] {
        assert_invalid(user_of(&authenticator, &token("ec", change.clone())).await, &change.to_string());
    }
    let expired = token("ec", json!({ "exp": Utc::now().timestamp() - 60 }));
    assert_eq!(user_of(&authenticator, &expired).await.unwrap_err(), Error::TokenExpired);
    let one_of_many = token("ec", json!({ "aud": ["other", AUD] }));
    assert_eq!(user_of(&authenticator, &one_of_many).await.as_deref(), Ok("alice"));
    let refresh = signed("ec", &with(header("ec"), json!({ "typ": "refresh+jwt" })), &claims());
    assert_invalid(user_of(&authenticator, &refresh).await, "a refresh token");
}

#[tokio::test]
async fn an_issuer_speaks_for_its_own_users_only() {
    const OTHER: &str = "https://other.example.com";
    let other = || Issuer::new(OTHER, AUD, KeySet::from_jwks(&named(&["ed"])).unwrap());
    assert_eq!(
        IssuersAuthenticator::new(vec![issuer(&["ec"]), other()]).unwrap_err(),
        InvalidIssuers::SamePrefix(ISS.to_owned(), OTHER.to_owned())
    );
    assert!(matches!(
        IssuersAuthenticator::new(vec![issuer(&["ec"]), issuer(&["ed"]).user_prefix("x:")]),
        Err(InvalidIssuers::SameName(_))
    ));
    let both = IssuersAuthenticator::new(vec![issuer(&["ec"]), other().user_prefix("other:")]).unwrap();
    assert_eq!(user_of(&both, &token("ec", json!({}))).await.as_deref(), Ok("alice"));
    assert_eq!(user_of(&both, &token("ed", json!({ "iss": OTHER }))).await.as_deref(), Ok("other:alice"));
    // Nor does an issuer whose users have the shorter prefix name users of the other.
    assert_invalid(user_of(&both, &token("ec", json!({ "sub": "other:alice" }))).await, "a user of another issuer");
    // The key of one does not sign for the other.
    assert_invalid(user_of(&both, &token("ed", json!({}))).await, "a key of another issuer");
    assert_invalid(user_of(&both, &token("ec", json!({ "iss": OTHER }))).await, "a key of another issuer");
}

#[tokio::test]
async fn the_hosts_own_tokens_stand_beside_those_of_an_issuer() {
    const SECRET: &[u8] = &[7; 32];
    let own = JwtAuthenticator::hs256(SECRET).unwrap();
    let both = one(issuer(&["ec"]).user_prefix("corp:")).or(own);
    let issue = |claims| JwtIssuer::hs256(SECRET).unwrap().issue(claims, Duration::from_secs(60)).unwrap();
    let mine = issue(Claims { sub: "bob".to_owned(), ..Claims::default() });
    assert_eq!(user_of(&both, &mine).await.as_deref(), Ok("bob"));
    assert_eq!(user_of(&both, &token("ec", json!({}))).await.as_deref(), Ok("corp:alice"));
    let claims = Claims { sub: "bob".to_owned(), iss: Some(ISS.to_owned()), ..Claims::default() };
    assert_invalid(user_of(&both, &issue(claims)).await, "our secret does not speak for the issuer");
    assert_invalid(user_of(&both, "rubbish").await, "rubbish");
}

#[tokio::test]
async fn claims_are_mapped_and_only_a_mapped_claim_makes_an_administrator() {
    let extra = json!({
        "name": "Alice", "email": "alice@example.com", "nick": "al", "profile": { "mail": "a@x.org", "face": 7 },
        "roles": ["user", "root"], "role": "root", "realm": { "roles": ["root"] }, "https://x.org/role": "root",
        "sid": "018f2f5e-7c1a-7abc-8def-0123456789ab",
    });
    let shown = async |map| one(issuer(&["ec"]).claims(map)).authenticate(&token("ec", extra.clone())).await.unwrap();
    let plain = shown(ClaimMap::default()).await;
    assert_eq!((plain.name.as_deref(), plain.email.as_deref()), (Some("Alice"), Some("alice@example.com")));
    assert_eq!(plain.system_role, SystemRole::User);
    assert_eq!(plain.login_id.unwrap().to_string(), "018f2f5e-7c1a-7abc-8def-0123456789ab");
    let map = ClaimMap {
        name: "missing".to_owned(),
        username: "nick".to_owned(),
        email: "/profile/mail".to_owned(),
        picture: "/profile/face".to_owned(),
        admin: None,
    };
    let Principal { name, username, email, picture, .. } = shown(map).await;
    assert_eq!((name, username.as_deref()), (None, Some("al")));
    assert_eq!((email.as_deref(), picture.as_deref()), (Some("a@x.org"), Some("7")));
    for (claim, value, is_admin) in [
        ("roles", "root", true),
        ("role", "root", true),
        ("/realm/roles", "root", true),
        ("https://x.org/role", "root", true),
        ("roles", "ROOT", false),
        ("role", "roo", false),
        ("missing", "root", false),
        ("realm", "root", false),
    ] {
        let admin = Some((claim.to_owned(), value.to_owned()));
        let role = shown(ClaimMap { admin, ..ClaimMap::default() }).await.system_role;
        assert_eq!(role == SystemRole::Admin, is_admin, "{claim}");
    }
}

// ---- Keys that rotate
