//! The claims of a token as others write them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::jwt::Audience;

/// The claims that are read from a token whose signature is right.
#[derive(Debug, Deserialize)]
pub(super) struct Received {
    pub(super) sub: String,
    pub(super) exp: NumericDate,
    #[serde(default)]
    pub(super) nbf: Option<NumericDate>,
    #[serde(default)]
    pub(super) iat: Option<NumericDate>,
    #[serde(default, deserialize_with = "shown")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "shown")]
    pub(super) preferred_username: Option<String>,
    #[serde(default, deserialize_with = "shown")]
    pub(super) email: Option<String>,
    #[serde(default, deserialize_with = "shown")]
    pub(super) picture: Option<String>,
    #[serde(default, deserialize_with = "shown")]
    pub(super) sid: Option<String>,
    /// Checked by the library where one of ours is configured. Here, what is no issuer or no audience is refused.
    #[serde(default, rename = "iss")]
    _iss: Option<String>,
    #[serde(default, rename = "aud")]
    _aud: Option<Audience>,
}

/// A time as a number of seconds since 1970, with or without a fraction (RFC 7519, section 2).
#[derive(Debug, Clone, Copy)]
pub(super) struct NumericDate(pub(super) DateTime<Utc>);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        time(seconds).map(Self).ok_or_else(|| D::Error::custom("no number of seconds since 1970"))
    }
}

/// The time that a number of seconds means, to the microsecond; `None` for one before 1970 or beyond all times.
fn time(seconds: f64) -> Option<DateTime<Utc>> {
    // Beyond this a number of microseconds has gaps that are wider than a second.
    const MOST: f64 = 1e13;
    if !(0.0..MOST).contains(&seconds) {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "it is below 1e19 microseconds, and a fraction of one is dropped"
    )]
    let micros = (seconds.fract() * 1e6) as u32;
    #[allow(clippy::cast_possible_truncation, reason = "it is below 1e13")]
    let whole = seconds.trunc() as i64;
    DateTime::from_timestamp(whole, micros.saturating_mul(1000))
}

/// Text, or a number as its digits.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A claim that is only shown: whatever is no text says nothing, and makes no token invalid.
fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Value::deserialize(deserializer).map(text)
}
