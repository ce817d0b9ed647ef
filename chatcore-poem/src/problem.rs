//! From here on nothing leaves as an error but problem documents (RFC 9457).

use std::{panic::AssertUnwindSafe, sync::Arc};

use chatcore::{Chat, Code, Error, chat::Metered, trace::RequestSpan, wire::Problem};
use chatcore_http::{
    Author, ClientIp, Cors, HeldRequest, Sockets, begin_span, check_head, error_headers, origin, read_away, secure,
    show_allowance,
};
use chrono::Utc;
use futures_util::FutureExt;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    error::{
        MethodNotAllowedError, NotFoundError, ParseQueryError, ReadBodyError, ResponseError, SizedLimitError,
        WebSocketError,
    },
    http::{HeaderValue, Method, StatusCode, header},
};
use poem_openapi::error::{AuthorizationError, ContentTypeError, ParseParamError, ParsePathError};

#[cfg(feature = "metrics")]
use crate::measured::Asked;
use crate::{hook::without_token, routes::Routes};

pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The one error that travels through poem.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ApiError(pub(crate) Error);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl ResponseError for ApiError {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn as_response(&self) -> Response {
        respond(&self.0, String::new())
    }
}

fn respond(error: &Error, request_id: String) -> Response {
    let problem = Problem::new(error, request_id, Utc::now());
    let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let response = Response::builder().status(status).content_type(PROBLEM_JSON);
    error_headers(error).into_iter().fold(response, |response, (name, value)| response.header(name, value)).body(body)
}

/// What poem itself rejects, as ours.
fn translate(error: &poem::Error) -> Error {
    if let Some(ApiError(error)) = error.downcast_ref::<ApiError>() {
        return error.clone();
    }
    if error.is::<NotFoundError>() {
        return Error::Refused { code: Code::ResourceNotFound, detail: "there is nothing at this path; see /docs" };
    }
    if error.is::<MethodNotAllowedError>() {
        return Error::Refused { code: Code::MethodNotAllowed, detail: "use one of the methods that Allow names" };
    }
    if let Some(param) = error.downcast_ref::<ParseParamError>() {
        return Error::malformed(param.name, "cannot be parsed; see /docs for its type");
    }
    if let Some(ParsePathError { name: _, reason }) = error.downcast_ref() {
        return of_path(reason);
    }
    if error.is::<poem::error::ParsePathError>() {
        return of_path("");
    }
    if error.is::<ParseQueryError>() {
        return Error::malformed("query", "cannot be parsed");
    }
    if error.is::<ContentTypeError>() {
        return Error::Refused { code: Code::UnsupportedMediaType, detail: "send Content-Type: application/json" };
    }
    if error.is::<AuthorizationError>() {
        return Error::AuthRequired;
    }
    if error.is::<WebSocketError>() {
        return Error::Refused { code: Code::UpgradeRequired, detail: "open a WebSocket here (RFC 6455, version 13)" };
    }
    let too_large = matches!(error.downcast_ref::<ReadBodyError>(), Some(ReadBodyError::PayloadTooLarge))
        || matches!(error.downcast_ref::<SizedLimitError>(), Some(SizedLimitError::PayloadTooLarge));
    if too_large {
        return Error::Refused { code: Code::PayloadTooLarge, detail: "the body is too large" };
    }
    of_status(error.status(), error)
}

/// Which id of a path is not valid, and why. poem-openapi calls path parameters by their places, so the id's own words
/// tell its kind.
fn of_path(reason: &str) -> Error {
    let ids = [
        ("session_id", "not a valid session id: "),
        ("user_id", "not a valid user id: "),
        ("login_id", "not a valid login id: "),
    ];
    for (field, invalid) in ids {
        if let Some((_, expected)) = reason.split_once(invalid) {
            return Error::malformed(field, expected);
        }
    }
    Error::malformed("path", "an id in the path is not valid")
}

/// What only tells a status.
fn of_status(status: StatusCode, cause: &dyn std::fmt::Display) -> Error {
    match status {
        StatusCode::BAD_REQUEST => Error::Malformed(Vec::new()),
        StatusCode::UNAUTHORIZED => Error::AuthRequired,
        StatusCode::FORBIDDEN => Error::Refused { code: Code::ResourceAccessDenied, detail: "not allowed" },
        StatusCode::NOT_FOUND => Error::Refused { code: Code::ResourceNotFound, detail: "there is nothing here" },
        StatusCode::METHOD_NOT_ALLOWED => Error::Refused { code: Code::MethodNotAllowed, detail: "use another method" },
        StatusCode::PAYLOAD_TOO_LARGE => Error::Refused { code: Code::PayloadTooLarge, detail: "too large" },
        StatusCode::SERVICE_UNAVAILABLE => Error::Unavailable,
        _ => {
            tracing::error!(%status, %cause, "unexpected error");
            Error::Internal
        }
    }
}

/// Whether an answer is a problem document, or an error that another API tells in JSON of its own.
fn is_json(response: &Response) -> bool {
    let kind = response.content_type().and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let kinds = [PROBLEM_JSON, "application/json", "application/graphql-response+json"];
    kinds.iter().any(|json| kind.eq_ignore_ascii_case(json))
}

/// Middleware that turns every error into a problem document, except errors in another JSON format. The middleware adds `Allow`,
/// `X-Request-Id`, the `X-RateLimit-…` headers and [headers of security](secure), answers `OPTIONS`, adds the headers of CORS ([`Cors`]),
/// and runs each request within its [span](RequestSpan). The span logs the request without the query, which can contain tokens.
#[derive(Clone)]
pub struct Problems {
    pub(crate) routes: Arc<Routes>,
    /// What stands before the paths that the inner endpoint sees, in the paths of `routes`.
    pub(crate) base: &'static str,
    pub(crate) sockets: Sockets,
    pub(crate) chat: Chat,
    #[cfg(feature = "metrics")]
    pub(crate) requests: chatcore::metrics::Requests,
    /// Whether requests without a known caller count against their addresses: those to the frontend's own paths do, apart
    /// from its documents.
    pub(crate) counts_strangers: bool,
    /// Whose paths are behind it.
    pub(crate) author: Author,
    /// The name of what is behind it, where that is no operation of `routes`.
    pub(crate) name: Option<&'static str>,
    /// Whether its requests come all the time.
    pub(crate) is_routine: bool,
}

impl Problems {
    /// Says what a request asks for, as far as that is known here.
    fn describe(&self, span: &RequestSpan, name: Option<&str>) {
        if let Some(name) = name {
            span.operation(name);
        }
        if self.is_routine {
            span.routine();
        }
    }
}

impl std::fmt::Debug for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Problems").finish_non_exhaustive()
    }
}

impl<E: Endpoint> Middleware<E> for Problems {
    type Output = ProblemsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ProblemsEndpoint { inner, problems: self.clone() }
    }
}

/// An endpoint behind [`Problems`].
pub struct ProblemsEndpoint<E> {
    inner: E,
    problems: Problems,
}

impl<E> std::fmt::Debug for ProblemsEndpoint<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProblemsEndpoint").finish_non_exhaustive()
    }
}

impl<E: Endpoint> Endpoint for ProblemsEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let (span, is_first) = begin_span(&mut request);
        let id = span.id().to_owned();
        let method = request.method().clone();
        // Without what the app stripped from it: the frontend may be mounted anywhere.
        let route = format!("{}{}", self.problems.base, request.uri().path());
        let cors = Cors::of(&mut request, self.problems.sockets.options());
        let operation = self.problems.routes.operation(&route, &method);
        let name = self.problems.name.or_else(|| operation.map(|operation| &*operation.id));
        self.problems.describe(&span, name);
        if let Some(operation) = operation.filter(|_| request.uri().query().is_some()) {
            request.extensions_mut().insert(operation.parameters.clone());
        }

        read_away(&mut request);
        let origin = origin(&request);
        if is_first {
            let client = ClientIp::of(&request).map(|ClientIp(address)| tracing::field::display(address));
            let path = without_token(request.original_uri().path());
            span.poll(|| tracing::debug!(client, path = &*path, "a request came"));
        }
        let _held = HeldRequest::begin(&mut request);
        let called = async {
            check_head(&mut request).map_err(ApiError)?;
            if request.original_uri().path() == "*" {
                // OPTIONS * asks whether the server is there (RFC 9110, section 9.3.7).
                return Ok::<_, poem::Error>(Response::builder().status(StatusCode::NO_CONTENT).finish());
            }
            Ok(self.inner.call(request).await?.into_response())
        };
        let called = AssertUnwindSafe(called).catch_unwind();
        // What only asks which methods there are, as browsers do before a request, costs nothing.
        let counts_strangers = self.problems.counts_strangers && method != Method::OPTIONS;
        let metered = self.problems.chat.metered(origin, counts_strangers, called);
        let Metered { output, left } = if is_first { span.within(metered).await } else { metered.await };
        let fail = |error: &Error| {
            span.failed(error.name());
            respond(error, id.clone())
        };
        let mut response = match output.unwrap_or_else(|error| Ok(Err(ApiError(error).into()))) {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is::<MethodNotAllowedError>() => {
                let allow = self.problems.routes.allow(&route);
                let mut response = if method == Method::OPTIONS && allow.is_some() {
                    Response::builder().status(StatusCode::NO_CONTENT).finish()
                } else {
                    fail(&translate(&error))
                };
                if let Some(allow) = allow {
                    response.headers_mut().insert(header::ALLOW, allow);
                }
                response
            }
            Ok(Err(error)) => fail(&translate(&error)),
            Err(_) => fail(&Error::Internal),
        };
        #[cfg(feature = "metrics")]
        let asked = Asked::of(name, &response);
        let status = response.status();
        let is_error = status.is_client_error() || status.is_server_error();
        if is_error && !is_json(&response) {
            response = fail(&of_status(status, &"an answer without a problem"));
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", id);
        }
        show_allowance(&mut response, left.as_ref());
        cors.answer(&mut response);
        // This middleware replaces the answers of a host to errors and to OPTIONS.
        let is_own = self.problems.author == Author::Frontend || is_error || method == Method::OPTIONS;
        secure(&mut response, if is_own { Author::Frontend } else { Author::Host }, self.problems.sockets.options());
        #[cfg(feature = "metrics")]
        asked.count(&mut response, &self.problems.requests);
        if is_first {
            span.end(response.status().as_u16());
        }
        Ok(response)
    }
}
