//! Tokens: what is accepted, and everything that is not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod keys;
mod times;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chatcore::{
    Authenticator, Error, JwtAuthenticator, JwtIssuer, Principal, Result,
    identity::{Audience, Claims, MIN_SECRET_BYTES, SystemRole, WeakSecret},
};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

const SECRET: &[u8] = b"the secret of these tests, 32 bytes or more";
const OLD_SECRET: &[u8] = b"the secret that was there before this one";
const OTHER_SECRET: &[u8] = b"a secret that nobody here has ever heard of";

fn authenticator() -> JwtAuthenticator {
    JwtAuthenticator::hs256(SECRET).unwrap()
}

fn in_seconds(seconds: i64) -> i64 {
    Utc::now().timestamp() + seconds
}

/// A token with exactly this header and these claims, signed whatever the header says.
fn signed(header: &Value, claims: &Value, secret: &[u8], algorithm: Algorithm) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret), algorithm).unwrap();
    format!("{message}.{signature}")
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

fn claims() -> Value {
    json!({ "sub": "alice", "exp": in_seconds(600) })
}

/// A value with some of its members replaced, or, by null, taken away.
fn with(mut value: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => value.as_object_mut().unwrap().remove(name),
            change => value.as_object_mut().unwrap().insert(name.clone(), change.clone()),
        };
    }
    value
}

fn token(header_changes: Value, claim_changes: Value) -> String {
    signed(&with(header(), header_changes), &with(claims(), claim_changes), SECRET, Algorithm::HS256)
}

/// A token with these claims as they are written, which need not be what a JSON library writes.
fn raw(claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header().to_string()), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

async fn shown(authenticator: &JwtAuthenticator, token: &str) -> Result<Principal> {
    authenticator.authenticate(token).await
}

async fn user_of(authenticator: &JwtAuthenticator, token: &str) -> Option<String> {
    shown(authenticator, token).await.ok().map(|principal| principal.user_id.to_string())
}

#[track_caller]
fn assert_invalid(result: &Result<Principal>, what: &str) {
    assert_eq!(result.as_ref().unwrap_err(), &Error::TokenInvalid, "{what}");
}

// ---- What is accepted

#[tokio::test]
async fn a_token_of_the_issuer_is_accepted() {
    let issuer = JwtIssuer::hs256(SECRET).unwrap();
    let claims = Claims {
        sub: "alice".to_owned(),
        name: Some("Alice Liddell".to_owned()),
        preferred_username: Some("alice".to_owned()),
        email: Some("alice@example.com".to_owned()),
        picture: Some("https://example.com/alice.png".to_owned()),
        ..Claims::default()
    };
    let before = in_seconds(0);
    let token = issuer.issue(claims, Duration::from_secs(60)).unwrap();
    let after = in_seconds(0);
    let Principal { user_id, username, name, email, picture, system_role, issued_at, login_id: _, expires_at, scope } =
        shown(&authenticator(), &token).await.unwrap();
    assert_eq!(
        (user_id.as_str(), username.as_deref(), name.as_deref()),
        ("alice", Some("alice"), Some("Alice Liddell"))
    );
    assert_eq!(email.as_deref(), Some("alice@example.com"));
    assert_eq!(picture.as_deref(), Some("https://example.com/alice.png"));
    assert_eq!((system_role, scope), (SystemRole::User, None));
    assert!((before..=after).contains(&issued_at.timestamp()));
    assert_eq!(expires_at.unwrap().timestamp(), issued_at.timestamp() + 60);
}

#[tokio::test]
async fn a_subject_and_an_end_are_enough() {
    let exp = in_seconds(600);
    let principal = shown(&authenticator(), &token(json!({}), json!({ "exp": exp }))).await.unwrap();
    let expected = Principal {
        issued_at: DateTime::UNIX_EPOCH,
        expires_at: DateTime::from_timestamp(exp, 0),
        ..Principal::new(principal.user_id.clone())
    };
    assert_eq!(principal, expected, "their age is not known");
}

#[tokio::test]
async fn claims_that_are_not_known_do_no_harm_and_raise_nobody() {
    let extra = json!({ "role": "ADMIN", "system_role": "admin", "admin": true, "scope": ["*"], "jti": "1" });
    let principal = shown(&authenticator(), &token(json!({}), extra)).await.unwrap();
    assert_eq!(principal.system_role, SystemRole::User);
}

#[tokio::test]
async fn subjects_are_taken_as_they_are() {
    for sub in ["1", "auth0|0123", "üser@example.com", &"ü".repeat(128)] {
        let token = token(json!({}), json!({ "sub": sub }));
        assert_eq!(user_of(&authenticator(), &token).await.as_deref(), Some(sub));
    }
}

// ---- Signatures

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let message = format!("{}.{}", part(json!({ "alg": alg, "typ": "JWT" })), part(claims()));
        let properly_signed = signed(&json!({ "alg": alg }), &claims(), SECRET, Algorithm::HS256);
        for token in [format!("{message}."), message.clone(), format!("{message}.AAAA"), properly_signed] {
            assert_invalid(&shown(&authenticator(), &token).await, &token);
        }
    }
    let good = token(json!({}), json!({}));
    let (message, _) = good.rsplit_once('.').unwrap();
    for token in [format!("{message}."), message.to_owned()] {
        assert_invalid(&shown(&authenticator(), &token).await, "without its signature");
    }
}

#[tokio::test]
async fn only_one_algorithm_is_accepted() {
    for (alg, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
        let token = signed(&with(header(), json!({ "alg": alg })), &claims(), SECRET, algorithm);
        assert_invalid(&shown(&authenticator(), &token).await, alg);
        // Signed by one algorithm, and said to be by another.
        let token = signed(&header(), &claims(), SECRET, algorithm);
        assert_invalid(&shown(&authenticator(), &token).await, alg);
    }
    for alg in ["HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA", "hs256", "HS1"] {
        let token = signed(&with(header(), json!({ "alg": alg })), &claims(), SECRET, Algorithm::HS256);
        assert_invalid(&shown(&authenticator(), &token).await, alg);
    }
    assert_invalid(&shown(&authenticator(), &token(json!({ "alg": null }), json!({}))).await, "no algorithm");
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    let token = signed(&header(), &claims(), OTHER_SECRET, Algorithm::HS256);
    assert_invalid(&shown(&authenticator(), &token).await, "another secret");
    for secret in [&SECRET[1..], &SECRET[..32]] {
        let token = signed(&header(), &claims(), secret, Algorithm::HS256);
        assert_invalid(&shown(&authenticator(), &token).await, "a part of the secret");
    }
}

#[tokio::test]
async fn a_token_that_was_touched_is_refused() {
    let good = token(json!({}), json!({}));
    assert!(shown(&authenticator(), &good).await.is_ok());
    for at in 0..good.len() {
        let mut touched = good.clone().into_bytes();
        touched[at] = if touched[at] == b'A' { b'B' } else { b'A' };
        let touched = String::from_utf8(touched).unwrap();
        assert_invalid(&shown(&authenticator(), &touched).await, &format!("touched at {at}"));
    }
    let other = token(json!({}), json!({ "sub": "mallory" }));
    let (message, _) = other.rsplit_once('.').unwrap();
    let (_, signature) = good.rsplit_once('.').unwrap();
    assert_invalid(&shown(&authenticator(), &format!("{message}.{signature}")).await, "another's signature");
}

#[tokio::test]
async fn garbage_is_refused() {
    let good = token(json!({}), json!({}));
    let mut garbage =
        ["", " ", ".", "..", "...", "a.b.c", "Bearer", "ü.ü.ü", "\0", "{}", "null"].map(str::to_owned).to_vec();
    garbage.extend([
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{good}"),
        format!("Bearer {good}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}="),
        good.replace('.', ""),
        good.to_uppercase(),
    ]);
    for claims in [json!(null), json!([]), json!("alice"), json!(1), json!({})] {
        garbage.push(signed(&header(), &claims, SECRET, Algorithm::HS256));
    }
    for header in [json!(null), json!([]), json!("HS256"), json!({})] {
        garbage.push(signed(&header, &claims(), SECRET, Algorithm::HS256));
    }
    for token in garbage {
        assert_invalid(&shown(&authenticator(), &token).await, &token);
    }
}

#[tokio::test]
async fn a_giant_token_is_refused_however_well_it_is_signed() {
    let long = token(json!({}), json!({ "padding": "x".repeat(5_000) }));
    assert!(long.len() <= 8 * 1024 && shown(&authenticator(), &long).await.is_ok());
    for padding in [6_200, 1_000_000] {
        let giant = token(json!({}), json!({ "padding": "x".repeat(padding) }));
        assert_invalid(&shown(&authenticator(), &giant).await, "giant");
    }
    assert_invalid(&shown(&authenticator(), &"a.".repeat(5_000_000)).await, "giant garbage");
}

// ---- Time

#[tokio::test]
async fn a_claim_that_is_only_shown_makes_no_token_invalid() {
    for name in ["name", "preferred_username", "email", "picture"] {
        for (value, expected) in [
            (json!("text"), Some("text")),
            (json!(42), Some("42")),
            (json!(-1.5), Some("-1.5")),
            (json!(u64::MAX), Some("18446744073709551615")),
            (json!(true), None),
            (json!({ "given": "Alice" }), None),
            (json!(["Alice"]), None),
        ] {
            let principal = shown(&authenticator(), &token(json!({}), json!({ name: value }))).await.unwrap();
            let said = [principal.name, principal.username, principal.email, principal.picture];
            assert_eq!(said.iter().flatten().map(String::as_str).next(), expected, "{name}: {value}");
        }
        let null = format!(r#"{{"sub":"alice","exp":{},"{name}":null}}"#, in_seconds(600));
        assert!(shown(&authenticator(), &raw(&null)).await.is_ok());
    }
}

// ---- Subjects

#[tokio::test]
async fn the_subject_is_required_and_must_be_a_user_id() {
    let long = "x".repeat(129);
    let unsafe_ids = [".", "..", "%2e%2E", "a/b", "a\\b", "..%2f", " alice", "alice ", "\u{200b}"].map(Value::from);
    let others = [json!(null), json!(""), json!(long), json!("a\nb"), json!("nul\u{0}"), json!(1), json!(["alice"])];
    for sub in others.into_iter().chain(unsafe_ids) {
        let token = token(json!({}), json!({ "sub": sub }));
        assert_invalid(&shown(&authenticator(), &token).await, &sub.to_string());
    }
}

// ---- For whom, by whom

#[tokio::test]
async fn the_issuer_must_be_ours_where_one_is_wanted() {
    let strict = authenticator().issuer("https://id.example.com");
    let good = token(json!({}), json!({ "iss": "https://id.example.com" }));
    assert!(shown(&strict, &good).await.is_ok());
    assert!(shown(&authenticator(), &good).await.is_ok(), "where none is wanted, any is as good");
    for iss in [json!(null), json!(""), json!("https://id.example.com/"), json!("https://evil.example"), json!(7)] {
        let token = token(json!({}), json!({ "iss": iss }));
        assert_invalid(&shown(&strict, &token).await, &iss.to_string());
    }
}

#[tokio::test]
async fn the_audience_must_name_us_where_one_is_wanted() {
    let strict = authenticator().audience("chat");
    for aud in [json!("chat"), json!(["chat"]), json!(["other", "chat"])] {
        assert!(shown(&strict, &token(json!({}), json!({ "aud": aud }))).await.is_ok(), "{aud}");
    }
    for aud in [json!(null), json!(""), json!("Chat"), json!("chats"), json!(["other"]), json!([]), json!(7)] {
        let token = token(json!({}), json!({ "aud": aud }));
        assert_invalid(&shown(&strict, &token).await, &aud.to_string());
    }
}

#[tokio::test]
async fn a_token_made_for_another_service_is_refused() {
    for aud in [json!("other"), json!(["other"]), json!(["other", "another"]), json!(7)] {
        let token = token(json!({}), json!({ "aud": aud }));
        assert_invalid(&shown(&authenticator(), &token).await, &aud.to_string());
    }
}

#[tokio::test]
async fn the_issuer_can_name_itself_and_an_audience() {
    let issuer = JwtIssuer::hs256(SECRET).unwrap();
    let strict = authenticator().issuer("us").audience("chat");
    for aud in [Audience::One("chat".to_owned()), Audience::Several(vec!["x".to_owned(), "chat".to_owned()])] {
        let claims =
            Claims { sub: "alice".to_owned(), iss: Some("us".to_owned()), aud: Some(aud), ..Claims::default() };
        let token = issuer.issue(claims, Duration::from_secs(60)).unwrap();
        assert!(shown(&strict, &token).await.is_ok());
    }
}

// ---- Headers

#[tokio::test]
async fn what_is_wrong_with_a_token_is_not_told() {
    let texts: std::collections::BTreeSet<String> = [
        token(json!({ "typ": "refresh" }), json!({})),
        token(json!({}), json!({ "aud": "other" })),
        token(json!({}), json!({ "sub": "" })),
        signed(&header(), &claims(), OTHER_SECRET, Algorithm::HS256),
        "garbage".to_owned(),
    ]
    .iter()
    .map(|token| {
        let runtime = futures_util::FutureExt::now_or_never(authenticator().authenticate(token));
        runtime.unwrap().unwrap_err().to_string()
    })
    .collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
}
