//! When a token counts.

use super::*;

#[tokio::test]
async fn an_expired_token_is_told_apart() {
    for ago in [60, 3_600, 10_000_000] {
        let token = token(json!({}), json!({ "exp": in_seconds(-ago) }));
        assert_eq!(shown(&authenticator(), &token).await.unwrap_err(), Error::TokenExpired);
    }
    // Only by whoever could have had it: a wrong signature says nothing about time.
    let expired = with(claims(), json!({ "exp": in_seconds(-60) }));
    let token = signed(&header(), &expired, OTHER_SECRET, Algorithm::HS256);
    assert_invalid(&shown(&authenticator(), &token).await, "expired and wrong");
}

#[tokio::test]
async fn the_end_is_required_and_must_be_a_time() {
    for exp in [json!(null), json!("soon"), json!("4102444800"), json!(true), json!([1]), json!({}), json!(-1)] {
        let token = token(json!({}), json!({ "exp": exp }));
        assert_invalid(&shown(&authenticator(), &token).await, &exp.to_string());
    }
    for exp in [json!(i64::MAX), json!(u64::MAX), json!(1e300), json!(10_000_000_000_000_000_i64)] {
        let token = token(json!({}), json!({ "exp": exp }));
        assert_invalid(&shown(&authenticator(), &token).await, "an end beyond all times");
    }
    let literally_null = signed(&header(), &json!({ "sub": "alice", "exp": null }), SECRET, Algorithm::HS256);
    assert_invalid(&shown(&authenticator(), &literally_null).await, "null");
}

#[tokio::test]
async fn a_token_is_not_accepted_before_its_time() {
    for nbf in [json!(in_seconds(600)), json!(in_seconds(30)), json!(i64::MAX), json!("now"), json!(-1), json!(1e300)] {
        let token = token(json!({}), json!({ "nbf": nbf }));
        assert_invalid(&shown(&authenticator(), &token).await, &nbf.to_string());
    }
    let token = token(json!({}), json!({ "nbf": in_seconds(-600) }));
    assert!(shown(&authenticator(), &token).await.is_ok());
}

#[tokio::test]
async fn times_may_have_a_fraction() {
    // As Python's `time.time()` gives them.
    let (now, exp) = (in_seconds(0), in_seconds(600));
    let claims = format!(r#"{{"sub":"alice","iat":{now}.123456,"nbf":{now}.5,"exp":{exp}.875}}"#);
    let principal = shown(&authenticator(), &raw(&claims)).await.unwrap();
    assert_eq!(principal.expires_at.unwrap().timestamp_millis(), exp * 1000 + 875);
    assert_eq!(principal.issued_at.timestamp_micros() / 10, (now * 1_000_000 + 123_456) / 10);
    for written in [format!("{exp}.0"), format!("{}e3", in_seconds(600_000) / 1000), format!("{exp}.999999999")] {
        let claims = format!(r#"{{"sub":"alice","exp":{written}}}"#);
        assert!(shown(&authenticator(), &raw(&claims)).await.is_ok(), "{claims}");
    }
    let expired = format!(r#"{{"sub":"alice","exp":{}.5}}"#, in_seconds(-60));
    assert_eq!(shown(&authenticator(), &raw(&expired)).await.unwrap_err(), Error::TokenExpired);
}

#[tokio::test]
async fn a_time_that_is_none_is_refused() {
    for time in ["1e400", "-1e400", "NaN", "Infinity", "-1", "-0.5", "1e300", "\"1\"", "true", "[1]", "{}", "1e15"] {
        for name in ["exp", "iat", "nbf"] {
            let claims = json!({ "sub": "alice", "exp": in_seconds(600) }).to_string();
            let claims = match name {
                "exp" => format!(r#"{{"sub":"alice","exp":{time}}}"#),
                name => claims.replacen('{', &format!(r#"{{"{name}":{time},"#), 1),
            };
            assert_invalid(&shown(&authenticator(), &raw(&claims)).await, &claims);
        }
    }
}

#[tokio::test]
async fn all_times_have_the_same_leeway() {
    let chat = chatcore::Chat::in_memory();
    // Far enough from the bounds for a machine that is slow.
    for claims in [json!({ "exp": in_seconds(-1) }), json!({ "nbf": in_seconds(4) })] {
        let principal = shown(&authenticator(), &token(json!({}), claims.clone())).await.unwrap();
        assert!(chat.me(&principal).await.is_ok(), "{claims}: the use cases agree");
    }
    let late = shown(&authenticator(), &token(json!({}), json!({ "exp": in_seconds(-7) }))).await;
    assert_eq!(late.unwrap_err(), Error::TokenExpired);
    assert_invalid(&shown(&authenticator(), &token(json!({}), json!({ "nbf": in_seconds(20) }))).await, "early");
    // A clock that is ahead, by a little or by a unit: nobody can tell what an `iat` in the future is good for.
    for iat in [in_seconds(3), in_seconds(3_600), in_seconds(0) * 1000] {
        assert!(shown(&authenticator(), &token(json!({}), json!({ "iat": iat }))).await.is_ok(), "{iat}");
    }
    // A stream ends with its token, not with the leeway.
    let exp = in_seconds(600);
    let principal = shown(&authenticator(), &token(json!({}), json!({ "exp": exp }))).await.unwrap();
    assert_eq!(principal.expires_at.unwrap().timestamp(), exp);
}

// ---- What is shown
