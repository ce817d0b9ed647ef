//! Who calls.

use chatcore::{Error, Result};
use poem::{Request, http::header};

/// The token of the one `Authorization: Bearer` header (RFC 6750); `None` without such a header.
///
/// # Errors
/// [`AuthRequired`](Error::AuthRequired) for a header that holds no bearer token, [`TokenInvalid`](Error::TokenInvalid)
/// for more than one.
pub fn bearer(request: &Request) -> Result<Option<&str>> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        // Two of them could mean one thing to a proxy and another to us.
        (Some(_), Some(_)) => return Err(Error::TokenInvalid),
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty());
    token.map(Some).ok_or(Error::AuthRequired)
}
