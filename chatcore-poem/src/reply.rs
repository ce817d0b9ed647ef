//! Answers of operations, each with the statuses that it declares in the OpenAPI document.

use std::{collections::BTreeMap, marker::PhantomData};

use chatcore::{Error, chat::EventPage, model::Message, wire::Problem};
use futures_util::{TryStreamExt as _, stream::BoxStream};
use poem::{
    Body as ResponseBody, IntoResponse, Response,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, LINK, VARY},
    },
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    problem::{ApiError, PROBLEM_JSON},
    shape::Shape,
};

/// Newline-delimited JSON.
const JSON_LINES: &str = "application/x-ndjson";

/// What an operation answers: a success, or a problem that it declares.
pub(crate) type Answer<S, P> = std::result::Result<S, Fail<P>>;

/// The statuses with which an operation can fail: a group, or a tuple of groups.
pub(crate) trait Failures: Send + Sync + 'static {
    fn collect(into: &mut BTreeMap<u16, &'static str>);
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $($status:literal $text:literal),+;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Failures for $name {
            fn collect(into: &mut BTreeMap<u16, &'static str>) {
                $(into.entry($status).or_insert($text);)+
            }
        }
    )*};
}

failures! {
    /// Every operation.
    Always = 401 "No token, or not a valid one", 403 "Not allowed", 412 "A precondition that does not hold",
        417 "An expectation other than 100-continue", 429 "Too many requests", 500 "An internal error",
        501 "A transfer coding other than chunked", 503 "Busy: try again";
    /// Operations with parameters.
    Params = 400 "A parameter cannot be parsed", 422 "A parameter is not acceptable";
    /// Operations with a body.
    Body = 400 "The request cannot be parsed", 408 "The body took too long", 413 "The body is too large",
        415 "The body is not application/json, or is compressed", 422 "The request is not acceptable";
    /// Operations on a session.
    OfSession = 400 "An id cannot be parsed", 403 "Not allowed", 404 "Not found, or hidden from the caller";
    /// Operations that can be followed.
    Streams = 406 "Neither JSON nor an event stream is asked for", 410 "The position is outside of the kept log",
        429 "Too many streams";
    /// Operations whose retry may come too late.
    Gone = 404 "The first call succeeded, and its result no longer exists";
    /// Operations on a bot of the caller's.
    NoBot = 400 "An id cannot be parsed", 404 "The caller has no such bot, or the bot no such token";
    /// Operations with another user.
    NoUser = 404 "There is no such user";
    /// Operations with the code of an invite.
    Held = 404 "The code is wrong, or the invite is no longer valid";
    /// Operations with the token of an incoming webhook.
    OfHook = 404 "The token is wrong, or the webhook or its session was deleted";
    /// Operations that go on from a position of a log.
    Kept = 410 "The position is outside of the kept log";
    /// Operations that the state of things can forbid.
    Conflict = 409 "The current state does not allow the operation";
    /// Operations that bring somebody else in.
    Adding = 409 "The current state does not allow the operation", 429 "Too many users were added; nothing was changed";
    /// Operations of administrators.
    Administering = 403 "The caller is no administrator of the system";
    /// Operations of administrators on a user or a session.
    Administered = 403 "The caller is no administrator of the system", 404 "No such user or session";
}

#[cfg(feature = "webhooks")]
failures! {
    /// Operations of administrators on a webhook.
    Hooked = 403 "The caller is no administrator of the system", 404 "No such webhook, or no such event";
}

#[cfg(feature = "accounts")]
failures! {
    /// Operations on users and logins.
    Nobody = 404 "Not found, or the caller has no account here";
    /// Operations that can be tried too often.
    Tried = 429 "Too many attempts, or too many mails";
}

#[cfg(feature = "avatars")]
failures! {
    /// Operations with a form.
    Form = 400 "The form cannot be parsed", 408 "The form took too long", 413 "The picture is too large",
        415 "The body is not multipart/form-data, or the picture is of another type", 422 "The form is not acceptable";
}

macro_rules! tuples {
    ($(($($group:ident),*))*) => {$(
        impl<$($group: Failures),*> Failures for ($($group,)*) {
            fn collect(_into: &mut BTreeMap<u16, &'static str>) {
                $($group::collect(_into);)*
            }
        }
    )*};
}

tuples! { () (A) (A, B) (A, B, C) (A, B, C, D) }

/// An error of an operation that declares `P`.
pub(crate) struct Fail<P>(Error, PhantomData<fn() -> P>);

impl<P, E: Into<Error>> From<E> for Fail<P> {
    fn from(error: E) -> Self {
        Self(error.into(), PhantomData)
    }
}

fn declared<P: Failures>() -> BTreeMap<u16, &'static str> {
    let mut all = BTreeMap::new();
    // First the groups of the operation, whose words are more exact.
    P::collect(&mut all);
    Always::collect(&mut all);
    all
}

impl<P: Failures> From<Fail<P>> for poem::Error {
    fn from(Fail(error, _): Fail<P>) -> Self {
        let status = error.code().status();
        if !declared::<P>().contains_key(&status) {
            tracing::error!(status, code = error.code().as_str(), "the operation does not declare this status");
        }
        ApiError(error).into()
    }
}

fn header<T: Type>(name: &str, description: &str) -> MetaHeader {
    MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        schema: T::schema_ref(),
    }
}

/// Those of each answer, where the caller has a limit.
pub(crate) fn allowance() -> Vec<MetaHeader> {
    vec![
        header::<u32>("X-RateLimit-Limit", "Requests that are allowed at once, after a pause long enough"),
        header::<u32>("X-RateLimit-Remaining", "Requests that are allowed now"),
        header::<u64>("X-RateLimit-Reset", "When all are allowed again, in seconds since the Unix epoch"),
    ]
}

/// These headers and those of each answer.
fn headers(own: Vec<MetaHeader>) -> Vec<MetaHeader> {
    own.into_iter().chain(allowance()).collect()
}

impl<P: Failures> ApiResponse for Fail<P> {
    fn meta() -> MetaResponses {
        let response = |(status, description)| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType { content_type: PROBLEM_JSON, schema: Shape::<Problem<'static>>::reference() }],
            headers: headers(match status {
                401 => vec![header::<String>("WWW-Authenticate", "What to authenticate with")],
                429 | 503 => vec![header::<u32>("Retry-After", "Seconds to wait")],
                _ => Vec::new(),
            }),
        };
        MetaResponses { responses: declared::<P>().into_iter().map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        Shape::<Problem<'static>>::register(registry);
    }
}

/// A success with a JSON body.
pub(crate) struct Reply<T, const STATUS: u16 = 200> {
    body: T,
    headers: HeaderMap,
}

impl<T, const STATUS: u16> Reply<T, STATUS> {
    pub(crate) fn new(body: impl Into<T>) -> Self {
        Self { body: body.into(), headers: HeaderMap::new() }
    }
}

impl<T: Serialize + Send, const STATUS: u16> IntoResponse for Reply<T, STATUS> {
    fn into_response(self) -> Response {
        let Ok(body) = serde_json::to_string(&self.body) else {
            return ApiError(Error::Internal).into_response_now();
        };
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        let mut response = Response::builder().status(status).content_type("application/json").body(body);
        response.headers_mut().extend(self.headers);
        response
    }
}

impl ApiError {
    fn into_response_now(self) -> Response {
        poem::Error::from(self).into_response()
    }
}

impl<T: JsonSchema + Serialize, const STATUS: u16> ApiResponse for Reply<T, STATUS> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Success",
                status: Some(STATUS),
                status_range: None,
                content: vec![MetaMediaType { content_type: "application/json", schema: Shape::<T>::reference() }],
                headers: allowance(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        Shape::<T>::register(registry);
    }
}

/// A success of an operation that makes what it answers with, where it is not there.
pub(crate) struct Made<T> {
    pub(crate) body: T,
    /// Whether it was made by this request.
    pub(crate) is_new: bool,
}

impl<T: Serialize + Send> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        let Self { body, is_new } = self;
        if is_new { Reply::<T, 201>::new(body).into_response() } else { Reply::<T, 200>::new(body).into_response() }
    }
}

impl<T: JsonSchema + Serialize> ApiResponse for Made<T> {
    fn meta() -> MetaResponses {
        let responses = [Reply::<T, 200>::meta(), Reply::<T, 201>::meta()];
        MetaResponses { responses: responses.into_iter().flat_map(|meta| meta.responses).collect() }
    }

    fn register(registry: &mut Registry) {
        Shape::<T>::register(registry);
    }
}

/// The header `Link` (RFC 8288) with this value.
fn link_header(value: String) -> Option<(HeaderName, HeaderValue)> {
    Some((LINK, HeaderValue::try_from(value).ok()?))
}

/// A success of a page, with `Link` to its neighbours.
pub(crate) struct Paged<T>(Reply<T>);

impl<T> Paged<T> {
    /// A page with the value of its `Link`.
    pub(crate) fn linked(body: T, link: Option<String>) -> Self {
        let mut reply = Reply::new(body);
        reply.headers.extend(link.and_then(link_header));
        Self(reply)
    }
}

impl<T: Serialize + Send> IntoResponse for Paged<T> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<T: JsonSchema + Serialize> ApiResponse for Paged<T> {
    fn meta() -> MetaResponses {
        let mut meta = Reply::<T>::meta();
        for response in &mut meta.responses {
            response.headers.push(header::<String>("Link", "rel=prev and rel=next, where there is more"));
        }
        meta
    }

    fn register(registry: &mut Registry) {
        Shape::<T>::register(registry);
    }
}

/// A success with a message, and the entity tag of its revision.
pub(crate) struct Tagged<const STATUS: u16 = 200>(Reply<Message, STATUS>);

impl<const STATUS: u16> Tagged<STATUS> {
    pub(crate) fn new(message: Message) -> Self {
        let tag = HeaderValue::try_from(format!("\"{}\"", message.revision));
        let mut reply = Reply::new(message);
        reply.headers.extend(tag.ok().map(|tag| (ETAG, tag)));
        Self(reply)
    }
}

impl<const STATUS: u16> IntoResponse for Tagged<STATUS> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<const STATUS: u16> ApiResponse for Tagged<STATUS> {
    fn meta() -> MetaResponses {
        let mut meta = Reply::<Message, STATUS>::meta();
        for response in &mut meta.responses {
            response.headers.push(header::<String>("ETag", "The revision in double quotes, for If-Match"));
        }
        meta
    }

    fn register(registry: &mut Registry) {
        Reply::<Message, STATUS>::register(registry);
    }
}

/// A page of events, or a stream of them.
pub(crate) enum Events {
    Page { body: String, link: Option<String> },
    Stream(Response),
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        let mut response = match self {
            Self::Page { body, link } => {
                let mut response = Response::builder().content_type("application/json").body(body);
                response.headers_mut().extend(link.and_then(link_header));
                response
            }
            Self::Stream(stream) => stream,
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        response
    }
}

impl ApiResponse for Events {
    fn meta() -> MetaResponses {
        let frames = MetaSchema {
            description: Some("Server-sent events, whose data is an Event each."),
            ..MetaSchema::new_with_format("string", "event-stream")
        };
        let page = MetaMediaType { content_type: "application/json", schema: Shape::<EventPage>::reference() };
        let stream =
            MetaMediaType { content_type: "text/event-stream", schema: MetaSchemaRef::Inline(Box::new(frames)) };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Success",
                status: Some(200),
                status_range: None,
                content: vec![page, stream],
                headers: headers(vec![header::<String>("Link", "Where to go on after a page: rel=next")]),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        Shape::<EventPage>::register(registry);
    }
}

/// A success of lines of JSON, which are sent while they are read. After an error the body ends without its last chunk.
pub(crate) struct Lines(pub(crate) BoxStream<'static, Result<String, Error>>);

impl IntoResponse for Lines {
    fn into_response(self) -> Response {
        let lines = ResponseBody::from_bytes_stream(self.0.map_err(std::io::Error::other));
        let file = "attachment; filename=\"export.jsonl\"";
        Response::builder().content_type(JSON_LINES).header(CONTENT_DISPOSITION, file).body(lines)
    }
}

impl ApiResponse for Lines {
    fn meta() -> MetaResponses {
        let lines = MetaSchema { description: Some("A JSON object in each line."), ..MetaSchema::new("string") };
        let schema = MetaSchemaRef::Inline(Box::new(lines));
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Success",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: JSON_LINES, schema }],
                headers: allowance(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// A success of a file, which is sent while it is read. After an error the body ends without its last chunk.
#[cfg(feature = "backup")]
pub(crate) struct File(pub(crate) BoxStream<'static, Result<Vec<u8>, Error>>);

#[cfg(feature = "backup")]
impl IntoResponse for File {
    fn into_response(self) -> Response {
        let parts = ResponseBody::from_bytes_stream(self.0.map_err(std::io::Error::other));
        let name = "attachment; filename=\"chat.backup\"";
        Response::builder().content_type("application/octet-stream").header(CONTENT_DISPOSITION, name).body(parts)
    }
}

#[cfg(feature = "backup")]
impl ApiResponse for File {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Success",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: "application/octet-stream", schema }],
                headers: allowance(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// A success without a body.
pub(crate) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::NO_CONTENT).finish()
    }
}

impl ApiResponse for Done {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Done",
                status: Some(204),
                status_range: None,
                content: Vec::new(),
                headers: allowance(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
