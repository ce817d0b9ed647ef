//! Which keys a token may be signed with.

use super::*;

#[tokio::test]
async fn keys_that_a_header_names_are_refused() {
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(OTHER_SECRET) });
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("jwk", jwk),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
    ] {
        let header = with(header(), json!({ name: value }));
        // Signed rightly, or by the key that the header brings along.
        for secret in [SECRET, OTHER_SECRET] {
            let token = signed(&header, &claims(), secret, Algorithm::HS256);
            assert_invalid(&shown(&authenticator(), &token).await, name);
        }
    }
}

#[tokio::test]
async fn tokens_for_other_purposes_are_refused() {
    let others =
        ["application/", "application/refresh+jwt", "application/application/jwt", "text/jwt", "/jwt", "jwt;x=1"];
    for typ in ["refresh+jwt", "rt+jwt", "refresh", "dpop+jwt", "logout+jwt", "JWT2", ""].into_iter().chain(others) {
        let token = token(json!({ "typ": typ }), json!({}));
        assert_invalid(&shown(&authenticator(), &token).await, typ);
    }
    let long = ["application/jwt", "application/JWT", "Application/at+JWT", "application/at+jwt"].map(Value::from);
    for typ in [json!("JWT"), json!("jwt"), json!("at+jwt"), json!("AT+JWT"), json!(null)].into_iter().chain(long) {
        assert!(shown(&authenticator(), &token(json!({ "typ": typ }), json!({}))).await.is_ok(), "{typ}");
    }
}

// ---- Keys

#[tokio::test]
async fn a_key_id_is_told_apart_where_there_are_several_keys() {
    let named = authenticator().and_secret(Some("2"), OTHER_SECRET).unwrap();
    let unnamed = authenticator().and_secret(None, OTHER_SECRET).unwrap();
    for kid in ["1", "", "3", "../../secret", "2 "] {
        let token = token(json!({ "kid": kid }), json!({}));
        assert!(shown(&authenticator(), &token).await.is_ok(), "{kid}: a single key is meant by any name");
        for several in [&named, &unnamed] {
            assert_invalid(&shown(several, &token).await, kid);
        }
    }
    let other = signed(&with(header(), json!({ "kid": "1" })), &claims(), OTHER_SECRET, Algorithm::HS256);
    assert_invalid(&shown(&authenticator(), &other).await, "a name is no signature");
}

#[tokio::test]
async fn old_and_new_secret_are_accepted_during_a_rotation() {
    let old = signed(&header(), &with(claims(), json!({ "sub": "old" })), OLD_SECRET, Algorithm::HS256);
    let new = signed(&header(), &with(claims(), json!({ "sub": "new" })), SECRET, Algorithm::HS256);
    let both = authenticator().and_secret(None, OLD_SECRET).unwrap();
    assert_eq!(user_of(&both, &old).await.as_deref(), Some("old"));
    assert_eq!(user_of(&both, &new).await.as_deref(), Some("new"));
    assert_eq!(user_of(&authenticator(), &old).await, None, "after the overlap");
    let other = signed(&header(), &claims(), OTHER_SECRET, Algorithm::HS256);
    assert_invalid(&shown(&both, &other).await, "neither");
    let expired = with(claims(), json!({ "exp": in_seconds(-60) }));
    for secret in [SECRET, OLD_SECRET] {
        let expired = signed(&header(), &expired, secret, Algorithm::HS256);
        assert_eq!(shown(&both, &expired).await.unwrap_err(), Error::TokenExpired);
    }
}

#[tokio::test]
async fn a_key_with_an_id_is_for_the_tokens_that_name_it() {
    let both = authenticator().and_secret(Some("2"), OLD_SECRET).unwrap();
    let by =
        |kid: Value, secret: &[u8]| signed(&with(header(), json!({ "kid": kid })), &claims(), secret, Algorithm::HS256);
    assert!(shown(&both, &by(json!(null), SECRET)).await.is_ok());
    assert!(shown(&both, &by(json!("2"), OLD_SECRET)).await.is_ok());
    assert_invalid(&shown(&both, &by(json!("2"), SECRET)).await, "the other key's id");
    assert_invalid(&shown(&both, &by(json!(null), OLD_SECRET)).await, "without its id");
    // Two keys may share an id while one gives way to the other.
    let three = both.and_secret(Some("2"), OTHER_SECRET).unwrap();
    for secret in [OLD_SECRET, OTHER_SECRET] {
        assert!(shown(&three, &by(json!("2"), secret)).await.is_ok());
    }
}

#[test]
fn a_weak_secret_is_refused() {
    for length in [0, 1, MIN_SECRET_BYTES - 1] {
        let weak = vec![b'x'; length];
        assert_eq!(JwtAuthenticator::hs256(&weak).unwrap_err(), WeakSecret(length));
        assert_eq!(JwtIssuer::hs256(&weak).unwrap_err(), WeakSecret(length));
        assert_eq!(authenticator().and_secret(None, &weak).unwrap_err(), WeakSecret(length));
        assert_eq!(authenticator().and_secret(Some("2"), &weak).unwrap_err(), WeakSecret(length));
    }
    assert_eq!(MIN_SECRET_BYTES, 32);
    assert!(JwtAuthenticator::hs256(&[b'x'; 32]).is_ok() && JwtIssuer::hs256(&[b'x'; 32]).is_ok());
}

#[test]
fn no_key_shows_in_a_log() {
    let authenticator = authenticator().and_secret(Some("kid"), OLD_SECRET).unwrap();
    let shown = format!("{authenticator:?} {authenticator:#?} {:?}", JwtIssuer::hs256(SECRET).unwrap());
    for secret in [SECRET, OLD_SECRET] {
        assert!(!shown.contains(std::str::from_utf8(secret).unwrap()));
        let bytes = format!("{:?}", &secret[..8]);
        assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
    }
    assert!(shown.starts_with("JwtAuthenticator"));
}
