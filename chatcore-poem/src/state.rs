//! What all endpoints share.

use std::sync::Arc;

use chatcore::{Authenticator, Chat, Error, Principal, Result};
use poem::{Request, http::header};

use crate::{Options, ws::Sockets};

pub(crate) struct State {
    pub(crate) chat: Chat,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) options: Options,
    pub(crate) sockets: Sockets,
}

impl State {
    /// What the frontend put into the request.
    pub(crate) fn of(request: &Request) -> Result<&Arc<Self>> {
        request.data::<Arc<Self>>().ok_or(Error::Internal)
    }

    /// Who calls, by the one `Authorization: Bearer` header (RFC 6750).
    pub(crate) async fn principal(&self, request: &Request) -> Result<Principal> {
        let token = bearer(request)?.ok_or(Error::AuthRequired)?;
        self.authenticator.authenticate(token).await
    }
}

/// The token in the `Authorization` header; `None` without such a header.
pub(crate) fn bearer(request: &Request) -> Result<Option<&str>> {
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
