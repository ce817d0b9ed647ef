//! The CORS protocol of the Fetch standard, which lets a page of another origin use a server.

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

use crate::Options;

/// The methods that a page may use. A path that lacks one answers 405, and the page can read that answer.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// The headers that a page may send. The asterisk allows all others, in browsers that know it; it never stands for
/// `Authorization`.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Accept, Idempotency-Key, Last-Event-ID, X-Request-Id, traceparent, tracestate, baggage, \
    Cache-Control, X-Requested-With, Apollo-Require-Preflight, X-Apollo-Operation-Name, X-Apollo-Operation-Id, \
    Apollographql-Client-Name, Apollographql-Client-Version, GraphQL-Preflight, *",
);

/// The headers that a page may read beside those that it always may.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "Link, Location, Allow, Retry-After, WWW-Authenticate, X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, \
    X-RateLimit-Reset",
);

/// For how long a browser may remember a preflight, in seconds. Chromium remembers none for longer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

const ANY: HeaderValue = HeaderValue::from_static("*");

/// Marks a request whose answer is already seen to.
#[derive(Clone, Copy)]
struct SeenTo;

/// The CORS headers for the answer to a request.
///
/// Pages of [`Options::origins`] may read every answer, including errors. Other pages get an answer without these headers, and the browser
/// hides the answer from the page. The server still executes the requests of other pages: requests without a preflight have no token, since
/// browsers store no token of the server. For the same reason there is no `Access-Control-Allow-Credentials`: the bearer token identifies
/// the caller, and never a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Whether the answer depends on the origin, or is somebody else's to see to.
    varies: bool,
    /// For which origin the answer is.
    page: Option<HeaderValue>,
    /// Whether the browser asks first.
    is_preflight: bool,
}

impl Cors {
    /// Reads a request before its handler. If a request passes several frontends, the first frontend handles the answer.
    pub fn of(request: &mut Request, options: &Options) -> Self {
        if !options.cors || request.extensions_mut().insert(SeenTo).is_some() {
            return Self { varies: false, page: None, is_preflight: false };
        }
        let headers = request.headers();
        let origin = headers.get(header::ORIGIN).cloned();
        let is_preflight = request.method() == Method::OPTIONS
            && origin.is_some()
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let (varies, page) = match options.origins {
            crate::Origins::Any => (false, Some(ANY)),
            crate::Origins::SameHost | crate::Origins::Listed(_) => {
                (true, origin.filter(|_| options.origins.allow(request)))
            }
        };
        Self { varies, page, is_preflight }
    }

    /// Adds the headers to an answer, and answers a preflight that has no answer yet. An answer that already has such headers does not
    /// change.
    pub fn answer(&self, response: &mut Response) {
        let is_open = response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        if is_open || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let Self { varies, page, is_preflight } = self;
        if let Some(page) = page {
            if *is_preflight {
                *response = preflight(std::mem::take(response.headers_mut()));
            } else {
                response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
            }
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page.clone());
        }
        if *varies {
            vary(response.headers_mut());
        }
    }
}

/// An answer to a preflight. Of the answer in its place it keeps which methods there are, and the id of the request.
fn preflight(mut headers: HeaderMap) -> Response {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    let kept = [header::ALLOW, header::HeaderName::from_static("x-request-id")];
    let kept = kept.into_iter().filter_map(|name| Some((name.clone(), headers.remove(name)?)));
    response.headers_mut().extend(kept);
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    response.headers_mut().insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Tells caches that the answer is for one origin (RFC 9110, section 12.5.5).
fn vary(headers: &mut HeaderMap) {
    let names = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let mut names = names.flat_map(|value| value.split(',')).map(str::trim);
    if !names.any(|name| name == "*" || name.eq_ignore_ascii_case("origin")) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}
