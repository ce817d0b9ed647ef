//! Headers of security for browsers.

use std::time::Duration;

use poem::{
    Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};

use crate::Options;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a response that is no page may do where somebody shows it as one.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The author of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// A frontend: the responses hold tokens and private data, and only the frontend's own pages are pages.
    Frontend,
    /// The rest of a host's app: the pages have their own policies, and caches may store the files.
    Host,
}

/// Adds the missing headers to a response. Call this function for each response, including errors.
///
/// | header | value | why |
/// |---|---|---|
/// | `X-Content-Type-Options` | `nosniff` | a browser never treats a text of a user as a script or a page |
/// | `Referrer-Policy` | `no-referrer` | paths have ids, and the path of a WebSocket can have a token |
/// | `Strict-Transport-Security` | with [`Options::hsts`] | |
/// | of a frontend: | | |
/// | `Cache-Control` | `no-store` | answers hold tokens or private data |
/// | `Cross-Origin-Resource-Policy` | `same-origin` | pages of other origins cannot load an answer as a picture or a script; requests by CORS are not affected |
/// | `Content-Security-Policy`, `X-Frame-Options` | no loads, no frames | pages have [their own headers](crate::page_headers) |
pub fn secure(response: &mut Response, author: Author, options: &Options) {
    // The headers of a handshake belong to the protocol that follows.
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let headers = response.headers_mut();
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::REFERRER_POLICY, "no-referrer");
    if author == Author::Frontend {
        add(header::CACHE_CONTROL, "no-store");
        add(RESOURCE_POLICY, "same-origin");
        add(header::CONTENT_SECURITY_POLICY, POLICY);
        add(header::X_FRAME_OPTIONS, "DENY");
    }
    if let Some(value) = options.hsts.and_then(hsts) {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
}

/// The value for a time (RFC 6797, section 6.1.1).
fn hsts(time: Duration) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("max-age={}", time.as_secs())).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use poem::Response;

    use super::{Author, secure};
    use crate::Options;

    #[test]
    fn what_a_response_says_itself_stays() {
        let mut response = Response::builder()
            .header("cache-control", "public, max-age=60")
            .header("content-security-policy", "default-src 'self'")
            .header("cross-origin-resource-policy", "cross-origin")
            .finish();
        secure(&mut response, Author::Frontend, &Options::default());
        assert_eq!(response.header("cache-control"), Some("public, max-age=60"));
        assert_eq!(response.header("content-security-policy"), Some("default-src 'self'"));
        assert_eq!(response.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("strict-transport-security"), None);
    }

    #[test]
    fn of_a_host_only_what_harms_no_page_is_added() {
        let mut response = Response::builder().finish();
        let options = Options { hsts: Some(Duration::from_secs(31_536_000)), ..Options::default() };
        secure(&mut response, Author::Host, &options);
        let names: Vec<_> = response.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["x-content-type-options", "referrer-policy", "strict-transport-security"]);
        assert_eq!(response.header("strict-transport-security"), Some("max-age=31536000"));
    }
}
