//! Errors in GraphQL's shape.

#[cfg(feature = "accounts")]
use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, ErrorExtensions as _, ServerError, Value};
use chatcore::{Code, Error};

/// An error of the chat as a field's error: its text, and in `extensions` its stable `code`, its `details` as on every transport, and
/// `retryAfter` (seconds) where a retry may succeed.
#[must_use]
pub fn field_error(error: &Error) -> async_graphql::Error {
    async_graphql::Error::new(error.to_string()).extend_with(|_, extensions| describe(error, extensions))
}

/// An error of the chat that concerns a request as a whole.
#[must_use]
pub fn request_error(error: &Error) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    describe(error, &mut extensions);
    ServerError { extensions: Some(extensions), ..ServerError::new(error.to_string(), None) }
}

/// The source of an error that concerns an account which an input names. Whatever its code is, the caller's own token counts.
struct OfInput;

/// An error that concerns an account which an input names, and not the caller.
#[cfg(feature = "accounts")]
pub(crate) fn input_error(error: &Error) -> async_graphql::Error {
    async_graphql::Error { source: Some(Arc::new(OfInput)), ..field_error(error) }
}

/// Whether an error concerns the caller.
pub(crate) fn is_of_caller(error: &ServerError) -> bool {
    error.source::<OfInput>().is_none()
}

fn describe(error: &Error, extensions: &mut ErrorExtensionValues) {
    code(extensions, error.name(), error.details());
    if let Some(seconds) = error.retry_after() {
        extensions.set("retryAfter", seconds);
    }
}

fn code(extensions: &mut ErrorExtensionValues, name: &str, details: serde_json::Value) {
    extensions.set("code", name);
    extensions.set("details", Value::from_json(details).unwrap_or_default());
}

/// An error of a frontend's own.
pub(crate) fn coded(message: impl Into<String>, is: Code) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    code(&mut extensions, is.as_str(), serde_json::Map::new().into());
    ServerError { extensions: Some(extensions), ..ServerError::new(message, None) }
}

/// Gives a code to the errors that have none: those that async-graphql itself makes.
pub(crate) fn give_codes(errors: &mut [ServerError]) {
    for error in errors {
        if error.extensions.as_ref().is_none_or(|extensions| extensions.get("code").is_none()) {
            let is = code_of(error);
            code(error.extensions.get_or_insert_default(), is.as_str(), serde_json::Map::new().into());
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
