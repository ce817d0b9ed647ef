//! Responses, from what the schema gives to what is written.

use std::collections::BTreeMap;

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use chatcore::{Code, Error};
use serde::Serialize;

/// An error of ours.
pub(crate) fn coded(message: impl Into<String>, code: Code) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code.as_str());
    let mut error = ServerError::new(message, None);
    error.extensions = Some(extensions);
    error
}

/// What went wrong before there was anything to execute.
pub(crate) fn error_of(error: &Error) -> ServerError {
    let mut coded = coded(error.to_string(), error.code());
    let details = Value::from_json(error.details())
        .ok()
        .filter(|details| !matches!(details, Value::Object(map) if map.is_empty()));
    if let Some(details) = details {
        coded.extensions.get_or_insert_default().set("details", details);
    }
    coded
}

/// Whether nothing was executed: then a response has no `data` at all.
pub(crate) fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Gives a code to the errors that have none: those that async-graphql itself makes.
pub(crate) fn give_codes(errors: &mut [ServerError]) {
    for error in errors {
        if error.extensions.as_ref().is_none_or(|extensions| extensions.get("code").is_none()) {
            let code = code_of(error);
            error.extensions.get_or_insert_default().set("code", code.as_str());
        }
    }
}

/// Limits and values are only told apart by their texts.
fn code_of(error: &ServerError) -> Code {
    const LIMITS: [&str; 4] = [
        "The recursion depth of the query cannot be greater than",
        "The number of directives on the field",
        "Query is too complex.",
        "Query is nested too deep.",
    ];
    const VALUES: [&str; 2] = ["Failed to parse ", "Expected input type "];
    let begins = |texts: &[&str]| texts.iter().any(|text| error.message.starts_with(text));
    if begins(&LIMITS) {
        Code::ResourceLimitExceeded
    } else if error.path.is_empty() || begins(&VALUES) {
        Code::ValidationInvalidValue
    } else {
        // A resolver's error that nobody gave a code to.
        Code::InternalError
    }
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
