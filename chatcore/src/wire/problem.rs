//! Errors on the wire.

use std::borrow::Cow;

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// A problem document (RFC 9457) with a stable `code`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem<'a> {
    /// A URI reference that names the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// A short text, the same for every problem of this kind.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The description of the error, with a remedy.
    detail: String,
    /// The stable name of the error.
    code: &'a str,
    /// Machine-readable details: `fields` for invalid fields, `oldest` and `head` for `RESYNC`, `retry_after` for `RATE_LIMIT_EXCEEDED`.
    details: Value,
    /// The request's id, also in `X-Request-Id`.
    request_id: Cow<'a, str>,
    /// The time of the error.
    timestamp: DateTime<Utc>,
}

impl<'a> Problem<'a> {
    /// The problem document of an error of a request at this time.
    #[must_use]
    pub fn new(error: &'a Error, request_id: impl Into<Cow<'a, str>>, timestamp: DateTime<Utc>) -> Self {
        let code = error.code();
        Self {
            kind: format!("urn:chatcore:error:{}", error.name()),
            title: code.title(),
            status: code.status(),
            detail: error.to_string(),
            code: error.name(),
            details: error.details(),
            request_id: request_id.into(),
            // As precise as every other time.
            timestamp: timestamp.trunc_subsecs(6),
        }
    }
}

/// The data of an error frame.
#[derive(Debug, Serialize)]
pub struct ErrorData<'a> {
    /// The stable name of the error.
    code: &'a str,
    /// The description of the error, with a remedy.
    message: String,
    /// The machine-readable part, as in a [`Problem`].
    details: Value,
}

impl<'a> From<&'a Error> for ErrorData<'a> {
    fn from(error: &'a Error) -> Self {
        Self { code: error.name(), message: error.to_string(), details: error.details() }
    }
}
