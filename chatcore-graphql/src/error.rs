//! Errors in GraphQL's shape.

use async_graphql::{ErrorExtensionValues, ErrorExtensions as _, Name, PathSegment, Response, ServerError, Value};
use chatcore::{Code, Error};

/// An error of the chat as a field's error: its text, and in `extensions` its stable `code`, its `details` as on every
/// transport, and `retryAfter` (seconds) where trying again may help.
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

fn describe(error: &Error, extensions: &mut ErrorExtensionValues) {
    extensions.set("code", error.code().as_str());
    extensions.set("details", Value::from_json(error.details()).unwrap_or_default());
    if let Some(seconds) = error.retry_after() {
        extensions.set("retryAfter", seconds);
    }
}

/// Makes an answer of the engine what the specification wants: it leaves fields that failed out of the data, where they must
/// be null, and its own errors, which are about what was asked, have no codes.
pub(crate) fn complete(response: &mut Response) {
    for error in &mut response.errors {
        put_null(&mut response.data, &error.path);
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            let too_much = matches!(error.message.as_str(), "Query is too complex." | "Query is nested too deep.");
            let code = if too_much { Code::ResourceLimitExceeded } else { Code::ValidationInvalidValue };
            extensions.set("code", code.as_str());
            extensions.set("details", Value::Object(Default::default()));
        }
    }
}

/// Puts a null where a field failed. All fields that can fail may be null.
fn put_null(mut data: &mut Value, path: &[PathSegment]) {
    for segment in path {
        let inner = match (data, segment) {
            (object @ Value::Null, PathSegment::Field(name)) => {
                *object = Value::Object(std::iter::once((Name::new(name), Value::Null)).collect());
                return;
            }
            (Value::Object(fields), PathSegment::Field(name)) => fields.entry(Name::new(name)).or_insert(Value::Null),
            (Value::List(items), PathSegment::Index(index)) => match items.get_mut(*index) {
                Some(item) => item,
                None => return,
            },
            _ => return,
        };
        data = inner;
    }
}
