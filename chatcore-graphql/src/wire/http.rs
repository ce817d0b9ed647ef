//! GraphQL over HTTP, and server-sent events in place of an answer.

use std::panic::AssertUnwindSafe;

use async_graphql::{Executor, Request, Response, ServerError, parser::types::OperationType};
use bytes::Bytes;
use chatcore::{Code, Error, json::repeated_key};
use chatcore_http::error_headers;
use futures_util::{FutureExt, stream::BoxStream};
use mime::Mime;
use serde_json::Value as Json;

use super::{
    Admitted, WireOptions,
    execution::Execution,
    request::{Operation, Parameters, given_twice},
    response::{Body, is_request_error, json},
    sse::events,
};
use crate::error::{coded, give_codes, request_error};

/// The type of a response whose status tells of the request, not only of HTTP.
const GRAPHQL: &str = "application/graphql-response+json";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const HTML: &str = "text/html";

/// The methods of the endpoint, as the header `Allow` has them.
pub const ALLOW: &str = "GET, HEAD, POST, OPTIONS";

/// Only an execution by another method would be allowed.
const ALLOW_POST: &str = "POST";

/// An answer to an HTTP request.
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// The headers, `Content-Type` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: HttpBody,
}

/// The body of an answer.
pub enum HttpBody {
    /// The complete body.
    Full(Bytes),
    /// Server-sent events. The operation continues until the stream is dropped.
    Events(BoxStream<'static, Bytes>),
}

impl std::fmt::Debug for HttpReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpReply").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The encodings of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Graphql,
    /// For clients from before there was the other: every well-formed request is answered with 200.
    Legacy,
}

impl Media {
    fn content_type(self) -> String {
        let essence = match self {
            Self::Graphql => GRAPHQL,
            Self::Legacy => JSON,
        };
        format!("{essence}; charset=utf-8")
    }
}

/// What the client wants to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Json {
        media: Media,
        /// Whether it takes events too, where there is no single result.
        or_events: bool,
    },
    Events,
    Page,
}

/// The validated head of a request. Checks of the head run before a read of the body.
#[derive(Debug)]
pub struct HttpHead {
    get: bool,
    wanted: Wanted,
}

impl HttpHead {
    /// Checks the method, and the headers `Content-Type` and `Accept` (repeated headers joined with commas).
    ///
    /// # Errors
    /// The answer for an unsupported request: 405, 406 or 415.
    pub fn read(
        method: &str,
        content_type: Option<&str>,
        accept: Option<&str>,
        options: &WireOptions,
    ) -> Result<Self, HttpReply> {
        let refused = |code, detail| HttpReply::of_error(&Error::Refused { code, detail }, accept);
        let get = match method {
            "GET" | "HEAD" => true,
            "POST" => false,
            _ => {
                let reply = refused(Code::MethodNotAllowed, "send POST, or GET for a query");
                return Err(reply.with("Allow", ALLOW));
            }
        };
        let wanted = Accepted::read(accept).choose(get && options.graphiql).ok_or_else(|| {
            let detail = "accept application/graphql-response+json, application/json or text/event-stream";
            refused(Code::NotAcceptable, detail)
        })?;
        if !get && !content_type.is_some_and(is_json) {
            return Err(refused(Code::UnsupportedMediaType, "send Content-Type: application/json, in UTF-8"));
        }
        Ok(Self { get, wanted })
    }

    /// Whether a browser requests the page of [`graphiql`](super::graphiql), which needs no authentication.
    #[must_use]
    pub fn wants_page(&self) -> bool {
        self.wanted == Wanted::Page
    }

    /// Whether nothing but an event stream is accepted.
    #[cfg(feature = "poem")]
    pub(crate) fn wants_events(&self) -> bool {
        self.wanted == Wanted::Events
    }

    /// Whether the request is in the body, and not in the URL.
    #[must_use]
    pub fn has_body(&self) -> bool {
        !self.get
    }

    /// Answers an error from before the checks of the request.
    #[must_use]
    pub fn refuse(&self, error: &Error) -> HttpReply {
        HttpReply::error(error, self.media())
    }

    fn media(&self) -> Media {
        match self.wanted {
            Wanted::Json { media, .. } => media,
            Wanted::Events | Wanted::Page => Media::Graphql,
        }
    }

    /// Whether the body is one request whose operation has no fields but these mutations.
    #[cfg(feature = "poem")]
    pub(crate) fn asks_only(body: &[u8], names: &[&str]) -> bool {
        use async_graphql::{Data, parser::types::Selection};

        let parsed = serde_json::from_slice(body).ok().and_then(|json| Parameters::from_json(json).ok());
        let Some(Ok(Operation { mut request, kind: Some(OperationType::Mutation) })) =
            parsed.map(|parameters| parameters.parse(Data::default()))
        else {
            return false;
        };
        let name = request.operation_name.clone();
        let Ok(document) = request.parsed_query() else { return false };
        let is_named = |selection: &Selection| match selection {
            Selection::Field(field) => names.contains(&field.node.name.node.as_str()),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
        };
        let operation = crate::guard::selected(document, name.as_deref());
        operation
            .is_some_and(|found| found.node.selection_set.node.items.iter().all(|selection| is_named(&selection.node)))
    }

    /// Answers the request: with `url_query` (the part after the `?`), or with `body` where the request [has a body](Self::has_body). The
    /// host limits the size of the body while reading. Events end when `stop` is done.
    pub async fn answer<E: Executor>(
        self,
        executor: &E,
        url_query: Option<&str>,
        body: &[u8],
        caller: Admitted,
        options: &WireOptions,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> HttpReply {
        self.respond(executor, (url_query, body), caller, (options, false), stop).await
    }

    /// As [`answer`](Self::answer). Events that are kept need no timers: something else sends the heartbeats, and polls them at the
    /// end of the token.
    pub(crate) async fn respond<E: Executor>(
        self,
        executor: &E,
        (url_query, body): (Option<&str>, &[u8]),
        caller: Admitted,
        (options, is_kept): (&WireOptions, bool),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> HttpReply {
        let media = self.media();
        let many = match self.parameters(url_query, body, options) {
            Ok(many) => many,
            Err(message) => return HttpReply::errors(400, &[coded(message, Code::ValidationInvalidFormat)], media),
        };
        match many {
            Many::One(parameters) => self.answer_one(executor, parameters, caller, (options, is_kept), stop).await,
            Many::Batch(batch) => {
                let mut answers = Vec::with_capacity(batch.len());
                for parameters in batch {
                    answers.push(match parameters.parse(caller.data()) {
                        Ok(Operation { kind: Some(OperationType::Subscription), .. }) => {
                            Response::from_errors(vec![other_transport()])
                        }
                        Ok(operation) => execute(executor, operation.request).await,
                        Err(errors) => Response::from_errors(errors),
                    });
                }
                let bodies: Vec<_> = answers.iter().map(Body::of).collect();
                let mut reply = HttpReply::new(200, media, json(&bodies));
                reply.keep_as_it_is();
                reply
            }
        }
    }

    fn parameters(&self, url_query: Option<&str>, body: &[u8], options: &WireOptions) -> Result<Many, String> {
        if self.get {
            return Parameters::from_url(url_query.unwrap_or_default()).map(Many::One);
        }
        let json = serde_json::from_slice(body);
        if let (Ok(_), Some(key)) = (&json, repeated_key(body)) {
            return Err(given_twice(&key));
        }
        match json.map_err(|error| format!("the body is not JSON: {error}"))? {
            Json::Array(_) if options.batch <= 1 => {
                Err("several requests in one are not taken; send each alone".into())
            }
            Json::Array(_) if self.wanted == Wanted::Events => Err("events are of one request; send each alone".into()),
            Json::Array(batch) if batch.is_empty() => Err("there is no request in the array".into()),
            Json::Array(batch) if batch.len() > options.batch => {
                Err(format!("at most {} requests are taken in one", options.batch))
            }
            Json::Array(batch) => {
                batch.into_iter().map(Parameters::from_json).collect::<Result<_, _>>().map(Many::Batch)
            }
            one => Parameters::from_json(one).map(Many::One),
        }
    }

    async fn answer_one<E: Executor>(
        self,
        executor: &E,
        parameters: Parameters,
        caller: Admitted,
        options: (&WireOptions, bool),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> HttpReply {
        let media = self.media();
        let operation = parameters.parse(caller.data());
        let kind = operation.as_ref().ok().and_then(|operation| operation.kind);
        if self.get && kind == Some(OperationType::Mutation) {
            let error = Error::Refused { code: Code::MethodNotAllowed, detail: "send mutations with POST" };
            return HttpReply::error(&error, media).with("Allow", ALLOW_POST);
        }
        let as_events = match self.wanted {
            Wanted::Events => true,
            Wanted::Json { or_events, .. } => or_events && kind == Some(OperationType::Subscription),
            Wanted::Page => false,
        };
        if as_events {
            let execution = match operation {
                Ok(operation) => Execution::start(executor, operation),
                Err(errors) => Execution::failed(errors),
            };
            let expiry = caller.expiry(executor);
            return HttpReply::events(events(execution, caller, expiry, options, stop));
        }
        let response = match operation {
            Ok(_) if kind == Some(OperationType::Subscription) => {
                let status = if media == Media::Legacy { 200 } else { Code::NotAcceptable.status() };
                return HttpReply::errors(status, &[other_transport()], media);
            }
            Ok(operation) => execute(executor, operation.request).await,
            Err(errors) => Response::from_errors(errors),
        };
        let status = if media == Media::Graphql && is_request_error(&response) { 400 } else { 200 };
        let mut reply = HttpReply::new(status, media, json(&Body::of(&response)));
        if kind == Some(OperationType::Mutation) {
            reply.keep_as_it_is();
        }
        response.http_headers.iter().fold(reply, |reply, (name, value)| match value.to_str() {
            Ok(value) => reply.with(name.as_str(), value),
            Err(_) => reply,
        })
    }
}

/// What a body holds.
enum Many {
    One(Parameters),
    Batch(Vec<Parameters>),
}

/// Executes what has one result. A panic is a fault of ours, not the end of the connection.
async fn execute<E: Executor>(executor: &E, request: Request) -> Response {
    let response = AssertUnwindSafe(executor.execute(request)).catch_unwind().await;
    let mut response = response.unwrap_or_else(|_| Response::from_errors(vec![request_error(&Error::Internal)]));
    give_codes(&mut response.errors);
    response
}

fn other_transport() -> ServerError {
    let message = "subscribe over a WebSocket (graphql-transport-ws), or with Accept: text/event-stream";
    coded(message, Code::NotAcceptable)
}

/// `application/json`, in UTF-8.
fn is_json(content_type: &str) -> bool {
    media(content_type).is_some_and(|mime| mime.essence_str() == JSON && in_utf8(&mime))
}

/// A media type. White space around the semicolons, and parameters that are empty, are allowed (RFC 9110, section 5.6.6), and the
/// library knows neither.
fn media(text: &str) -> Option<Mime> {
    let parts: Vec<&str> = text.split(';').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.join(";").parse().ok()
}

fn in_utf8(mime: &Mime) -> bool {
    // Both are names of it in the Encoding standard.
    mime.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8 || charset == "utf8")
}

/// How much the client wants each type, in thousandths; 0 not at all (RFC 9110, section 12.5.1).
#[derive(Debug, Default, PartialEq, Eq)]
struct Accepted {
    graphql: u16,
    json: u16,
    events: u16,
    html: u16,
}

impl Accepted {
    fn read(accept: Option<&str>) -> Self {
        // Without the header, what the specification says since 2025.
        let Some(accept) = accept else { return Self { graphql: 1000, ..Self::default() } };
        let ranges: Vec<(Mime, u16)> = accept
            .split(',')
            .filter_map(media)
            .filter(in_utf8)
            .map(|range| {
                let quality = range.get_param("q").map_or(Some(1000), |q| quality(q.as_str()));
                (range, quality.unwrap_or(0))
            })
            .collect();
        // The most specific range counts. Wildcards mean JSON: whoever wants anything else names it.
        let of = |names: &[&str]| {
            let find = |name: &&str| ranges.iter().find(|(range, _)| range.essence_str() == *name);
            names.iter().find_map(find).map_or(0, |(_, quality)| *quality)
        };
        Self {
            graphql: of(&[GRAPHQL, "application/*", "*/*"]),
            json: of(&[JSON, "application/*", "*/*"]),
            events: of(&[EVENTS]),
            html: of(&[HTML]),
        }
    }

    /// The most wanted of what there is; what serves more clients, where several are wanted as much.
    fn choose(&self, page: bool) -> Option<Wanted> {
        let Self { graphql, json, events, html } = *self;
        let html = if page { html } else { 0 };
        let most = graphql.max(json).max(events).max(html);
        if most == 0 {
            None
        } else if html == most {
            Some(Wanted::Page)
        } else if graphql.max(json) == most {
            let media = if graphql == most { Media::Graphql } else { Media::Legacy };
            Some(Wanted::Json { media, or_events: events > 0 })
        } else {
            Some(Wanted::Events)
        }
    }
}

/// A weight: a number from 0 to 1 with at most three decimals.
fn quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let plain = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = if plain { format!("{decimals:0<3}").parse().ok()? } else { return None };
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

impl HttpReply {
    fn new(status: u16, media: Media, body: String) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            ("Content-Type".to_owned(), media.content_type()),
            header("Cache-Control", "no-store"),
            header("Vary", "Accept"),
        ];
        Self { status, headers, body: HttpBody::Full(body.into()) }
    }

    fn events(events: BoxStream<'static, Bytes>) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            header("Content-Type", "text/event-stream; charset=utf-8"),
            header("Cache-Control", "no-store"),
            // nginx would keep events until it has a buffer full of them.
            header("X-Accel-Buffering", "no"),
        ];
        Self { status: 200, headers, body: HttpBody::Events(events) }
    }

    fn errors(status: u16, errors: &[ServerError], media: Media) -> Self {
        Self::new(status, media, json(&Body::refused(errors)))
    }

    /// The answer to an error from before the checks of the request, in the format of the header `Accept`.
    #[must_use]
    pub fn of_error(error: &Error, accept: Option<&str>) -> Self {
        let media = match Accepted::read(accept).choose(false) {
            Some(Wanted::Json { media, .. }) => media,
            Some(Wanted::Events | Wanted::Page) | None => Media::Graphql,
        };
        Self::error(error, media)
    }

    fn error(error: &Error, media: Media) -> Self {
        let reply = Self::errors(error.code().status(), &[request_error(error)], media);
        error_headers(error).iter().fold(reply, |reply, (name, value)| reply.with(name, value))
    }

    /// Lets nobody compress it: a mutation can answer with a token beside text that the client chose, and then the compressed length
    /// tells of the token (CRIME, BREACH).
    fn keep_as_it_is(&mut self) {
        for (name, value) in &mut self.headers {
            if name == "Cache-Control" {
                value.push_str(", no-transform");
            }
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}
