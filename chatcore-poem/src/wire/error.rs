//! Problem documents (RFC 9457).

use chatcore::Error;
use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::Serialize;
use serde_json::Value;

/// What went wrong, as RFC 9457 has it, with a stable `code`.
#[derive(Debug, Clone, Serialize, Object)]

pub(crate) struct Problem {
    /// A URI reference that names the kind of problem.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) kind: String,
    /// A short text, the same for every problem of this kind.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened and what to do.
    pub(crate) detail: String,
    /// The stable name of the error.
    pub(crate) code: String,
    /// More of it: `fields` for the offending ones, `oldest` and `head` for `RESYNC`.
    pub(crate) details: Value,
    /// The request's id, also in `X-Request-Id`.
    pub(crate) request_id: String,
    /// When it happened.
    pub(crate) timestamp: DateTime<Utc>,
}

impl Problem {
    pub(crate) fn new(error: &Error, request_id: String) -> Self {
        let code = error.code();
        Self {
            kind: format!("urn:chatcore:error:{}", error.name()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: error.to_string(),
            code: error.name().to_owned(),
            details: error.details(),
            request_id,
            timestamp: Utc::now(),
        }
    }
}
