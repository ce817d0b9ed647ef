//! The caller of a request.

use std::borrow::Cow;

use chatcore::{Authenticator, Error, Principal, Result};
use poem::{Request, http::header};

use crate::{bearer_token, span_of};

/// The caller of a request: the [`Principal`] among the request's extensions, where a middleware of the host put a principal, and else the
/// user of the [`bearer`] token. With a principal, the function reads no token. `None` without a principal and a token.
///
/// A middleware that authenticates users by a cookie, or by another value that browsers add automatically, must refuse pages of other
/// origins itself.
///
/// # Errors
/// As [`bearer`], and those of the authenticator.
pub async fn caller(request: &Request, authenticator: &dyn Authenticator) -> Result<Option<Principal>> {
    authenticated(request, authenticator, || bearer(request).map(|token| token.map(Cow::Borrowed))).await
}

/// Like [`caller`], with the token of [`bearer_or_query`].
///
/// # Errors
/// As [`bearer_or_query`], and those of the authenticator.
pub async fn caller_or_query(request: &Request, authenticator: &dyn Authenticator) -> Result<Option<Principal>> {
    authenticated(request, authenticator, || bearer_or_query(request).map(|token| token.map(Cow::Owned))).await
}

/// Authenticates the caller by the principal of the host or by the token, and records the user in the span of the request.
async fn authenticated<'a>(
    request: &'a Request,
    authenticator: &dyn Authenticator,
    token: impl FnOnce() -> Result<Option<Cow<'a, str>>>,
) -> Result<Option<Principal>> {
    let principal = match request.extensions().get::<Principal>() {
        Some(principal) => Some(principal.clone()),
        None => match token()? {
            Some(token) => Some(authenticator.authenticate(&token).await?),
            None => None,
        },
    };
    if let (Some(span), Some(principal)) = (span_of(request), &principal) {
        span.caller(principal);
    }
    Ok(principal)
}

/// The token of the one `Authorization: Bearer` header (RFC 6750); `None` without such a header. The function ignores credentials of other
/// schemes, which are for proxies.
///
/// # Errors
/// As [`bearer_token`].
pub fn bearer(request: &Request) -> Result<Option<&str>> {
    bearer_token(request.headers().get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes()))
}

/// The token of [`bearer`], or else the token in the parameter `token` of the URL's query, for clients that cannot send headers.
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
