//! Headers of errors.

use chatcore::{Code, Error};

/// The headers that belong to the HTTP status of an error (RFC 9110, sections 7.8, 10.2.3, 11.6.1, 15.5.9, 15.5.16; RFC 6455, section
/// 4.2.2), by name: the authentication scheme, the accepted formats, the upgrade, and the time of a retry.
#[must_use]
pub fn error_headers(error: &Error) -> Vec<(&'static str, String)> {
    let code = error.code();
    let named: &[_] = if code == Code::AuthRequired {
        &[("WWW-Authenticate", "Bearer")]
    } else if code.status() == 401 {
        &[("WWW-Authenticate", "Bearer error=\"invalid_token\"")]
    } else if code == Code::UpgradeRequired {
        &[("Connection", "upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    } else if code == Code::UnsupportedMediaType {
        &[("Accept", "application/json")]
    } else if code == Code::UnsupportedContentEncoding {
        &[("Accept-Encoding", "identity")]
    } else if code == Code::RequestTimeout {
        &[("Connection", "close")]
    } else {
        &[]
    };
    let again = error.retry_after().map(|seconds| ("Retry-After", seconds.to_string()));
    named.iter().map(|(name, value)| (*name, (*value).to_owned())).chain(again).collect()
}
