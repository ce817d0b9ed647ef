//! Bearer tokens among credentials.

use chatcore::{Error, Result};

/// The token of the only bearer credential (RFC 6750); `None` without a bearer credential. Each credential is the value of an
/// `Authorization` field (RFC 9110, section 11.6.2), from any place of the request.
///
/// The function ignores credentials of other schemes: a proxy's `Basic` does not identify the caller of the chat. The name of the scheme
/// may be in any case, and any number of spaces and tabs may stand around the token.
///
/// # Errors
/// [`AuthRequired`](Error::AuthRequired) for a bearer credential without a token, [`TokenInvalid`](Error::TokenInvalid) for
/// a token that is not text and for more than one bearer credential.
pub fn bearer_token<'a>(credentials: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a str>> {
    let mut found = None;
    for token in credentials.into_iter().filter_map(token) {
        // Two tokens could mean one caller to a proxy and another caller to the chat.
        if found.replace(token).is_some() {
            return Err(Error::TokenInvalid);
        }
    }
    match found {
        None => Ok(None),
        Some([]) => Err(Error::AuthRequired),
        Some(token) => std::str::from_utf8(token).map(Some).map_err(|_| Error::TokenInvalid),
    }
}

/// The token of a credential of the scheme `Bearer`.
fn token(credential: &[u8]) -> Option<&[u8]> {
    let credential = credential.trim_ascii();
    let end = credential.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(credential.len());
    let (scheme, token) = credential.split_at_checked(end)?;
    scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_bearer_token_counts() {
        for (credentials, expected) in [
            (&[][..], Ok(None)),
            (&["Bearer abc"], Ok(Some("abc"))),
            (&["bEARER \t abc \t"], Ok(Some("abc"))),
            (&["\tBearer\tabc"], Ok(Some("abc"))),
            (&["Basic YTpi"], Ok(None)),
            (&["Digest username=\"Bearer abc\""], Ok(None)),
            (&["Negotiate"], Ok(None)),
            (&[""], Ok(None)),
            (&["abc"], Ok(None)),
            (&["Bearerabc"], Ok(None)),
            (&["Basic YTpi", "Bearer abc"], Ok(Some("abc"))),
            (&["Bearer abc", "Negotiate x", "Basic YTpi"], Ok(Some("abc"))),
            (&["Bearer"], Err(Error::AuthRequired)),
            (&["Bearer  "], Err(Error::AuthRequired)),
            (&["Basic YTpi", "Bearer "], Err(Error::AuthRequired)),
            (&["Bearer abc", "bearer abc"], Err(Error::TokenInvalid)),
            (&["Bearer ", "Bearer abc"], Err(Error::TokenInvalid)),
        ] {
            assert_eq!(bearer_token(credentials.iter().map(|text| text.as_bytes())), expected, "{credentials:?}");
        }
        assert_eq!(bearer_token([&b"Bearer \xff"[..]]), Err(Error::TokenInvalid));
        assert_eq!(bearer_token([&b"Basic \xff"[..], b"Bearer abc"]), Ok(Some("abc")));
    }
}
