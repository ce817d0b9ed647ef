//! Responses, from what the schema gives to what is written.

use std::collections::BTreeMap;

use async_graphql::{Response, ServerError, Value};
use serde::Serialize;

/// Whether nothing was executed: then a response has no `data` at all.
pub(crate) fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// A response as it is written (GraphQL, section 7.1).
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    #[serde(skip_serializing_if = "<[ServerError]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

static NO_EXTENSIONS: BTreeMap<String, Value> = BTreeMap::new();

impl<'a> Body<'a> {
    /// The result of an execution.
    pub(crate) fn executed(response: &'a Response) -> Self {
        Self { errors: &response.errors, data: Some(&response.data), extensions: &response.extensions }
    }

    /// What there is instead of an execution.
    pub(crate) fn refused(errors: &'a [ServerError]) -> Self {
        Self { errors, data: None, extensions: &NO_EXTENSIONS }
    }

    /// Either, as the response has it.
    pub(crate) fn of(response: &'a Response) -> Self {
        let data = (!is_request_error(response)).then_some(&response.data);
        Self { errors: &response.errors, data, extensions: &response.extensions }
    }
}

/// JSON as text. What we write has no maps with keys that are no strings, so it cannot fail.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a response could not be encoded");
        String::new()
    })
}
