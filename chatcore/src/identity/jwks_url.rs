//! Key sets at an address.

use async_trait::async_trait;
use reqwest::{Client, Url, redirect::Policy};

use super::jwks::{Jwks, JwksOptions, JwksSource, MAX_JWKS_BYTES};
use crate::trace::TraceContext;

/// An address that no key set is read from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwksUrl {
    /// It is no address.
    #[error("not a URL")]
    NoUrl,
    /// Somebody on the way could put keys in.
    #[error("a key set is read over https, or over http from this machine")]
    NotSecure,
    /// The client could not be set up.
    #[error("no HTTP client: {0}")]
    Client(String),
}

impl Jwks {
    /// A key set at an address, for instance the `jwks_uri` of an OpenID provider's configuration. Redirects are not followed, and the
    /// certificate of the server must be valid.
    ///
    /// # Errors
    /// [`InvalidJwksUrl`] for another scheme than `https`; `http` is accepted for the loopback addresses.
    pub fn url(url: &str, options: JwksOptions) -> Result<Self, InvalidJwksUrl> {
        let url: Url = url.parse().map_err(|_| InvalidJwksUrl::NoUrl)?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
            return Err(InvalidJwksUrl::NotSecure);
        }
        let client = Client::builder().redirect(Policy::none()).timeout(options.fetch_timeout).no_proxy();
        let client = if is_here { client } else { client.https_only(true) };
        let client = client.build().map_err(|error| InvalidJwksUrl::Client(error.to_string()))?;
        Ok(Self::with_options(JwksUrl { client, url }, options))
    }
}

struct JwksUrl {
    client: Client,
    url: Url,
}

#[async_trait]
impl JwksSource for JwksUrl {
    async fn fetch(&self) -> Result<String, String> {
        let told = |error: reqwest::Error| error.to_string();
        let request = self.client.get(self.url.clone()).header("accept", "application/jwk-set+json, application/json");
        let request = match TraceContext::current() {
            Some(trace) => {
                let request = request.header("traceparent", trace.to_string());
                trace.state().into_iter().fold(request, |request, state| request.header("tracestate", state))
            }
            None => request,
        };
        let mut response = request.send().await.map_err(told)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("the status is {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_JWKS_BYTES {
                return Err("it is too long".to_owned());
            }
        }
        String::from_utf8(body).map_err(|error| error.to_string())
    }
}
