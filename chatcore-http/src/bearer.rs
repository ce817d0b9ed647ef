//! Who calls.

use chatcore::{Error, Result, identity::bearer_token};
use poem::{Request, http::header};

/// The token of the one `Authorization: Bearer` header (RFC 6750); `None` without such a header. Credentials of other
/// schemes, which proxies need for themselves, are ignored.
///
/// # Errors
/// As [`bearer_token`].
pub fn bearer(request: &Request) -> Result<Option<&str>> {
    bearer_token(request.headers().get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes()))
}

/// The same token, or else the one of the parameter `token` in the URL's query, for clients that cannot send headers.
///
/// # Errors
/// As [`bearer`]; [`TokenInvalid`](Error::TokenInvalid) for more than one such parameter.
pub fn bearer_or_query(request: &Request) -> Result<Option<String>> {
    if let Some(token) = bearer(request)? {
        return Ok(Some(token.to_owned()));
    }
    let parameters = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let mut tokens = parameters.filter(|(name, _)| name == "token").map(|(_, token)| token.into_owned());
    match (tokens.next(), tokens.next()) {
        (token, None) => Ok(token),
        (_, Some(_)) => Err(Error::TokenInvalid),
    }
}
