//! The callers of incoming webhooks: who has a token, and needs no other one.

use std::borrow::Cow;

use chatcore::{Error, chat::IncomingCaller, model::IncomingToken};
use chatcore_http::{HeldRequest, bearer, check_conditions, origin};
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use crate::{extract::check_query, problem::ApiError, state::State};

/// The name of the security scheme.
const SCHEME: &str = "webhook";

/// The holder of the token that is the bearer token.
pub(crate) struct BearerHook(pub(crate) IncomingCaller);

/// The holder of the token that is the last part of the path.
pub(crate) struct PathHook(pub(crate) IncomingCaller);

/// Lets the holder of a token in, before the body is read.
async fn admitted(request: &Request, token: &str) -> Result<IncomingCaller, Error> {
    let state = State::of(request)?;
    let caller = state.chat.admit_webhook(origin(request), &IncomingToken::new(token)).await?;
    HeldRequest::take(request, &state.sockets, &caller.author())?;
    check_conditions(request)?;
    check_query(request)?;
    Ok(caller)
}

impl<'a> ApiExtractor<'a> for BearerHook {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("The token of an incoming webhook as bearer token (RFC 6750)."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some("chook_"),
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let caller = async {
            match bearer(request)? {
                Some(token) => admitted(request, token).await,
                None => Err(Error::AuthRequired),
            }
        };
        Ok(Self(caller.await.map_err(ApiError)?))
    }
}

impl<'a> ApiExtractor<'a> for PathHook {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        // A token has no character that a path encodes.
        let last = request.uri().path().rsplit('/').next().unwrap_or_default();
        Ok(Self(admitted(request, last).await.map_err(ApiError)?))
    }
}

/// A segment of a path with the characters of ASCII that are percent-encoded in it.
fn decoded(segment: &str) -> String {
    let mut parts = segment.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
        text.push(byte.map_or('%', char::from));
        text.push_str(if byte.is_some() { part.get(2..).unwrap_or_default() } else { part });
    }
    text
}

/// A path as the log may have it: without the token of a webhook.
pub(crate) fn without_token(path: &str) -> Cow<'_, str> {
    let has_token = |segment: &str| decoded(segment).to_ascii_lowercase().contains(IncomingToken::PREFIX);
    if !path.split('/').any(has_token) {
        return Cow::Borrowed(path);
    }
    let shown = |segment| if has_token(segment) { "…" } else { segment };
    Cow::Owned(path.split('/').map(shown).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_logged_without_a_token() {
        for (path, shown) in [
            ("/api/v1/chat/hooks/chook_abc", "/api/v1/chat/hooks/…"),
            ("/x/api/chat/hooks/chook_abc/", "/x/api/chat/hooks/…/"),
            ("/hooks/%63hook%5Fabc/b", "/hooks/…/b"),
            ("/hooks/CHOOK_abc", "/hooks/…"),
            ("/hookschook_abc", "/…"),
            ("/api/v1/chat/sessions", "/api/v1/chat/sessions"),
            ("*", "*"),
        ] {
            assert_eq!(without_token(path), shown);
        }
    }
}
