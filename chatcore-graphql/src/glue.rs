//! The endpoint for poem.

use std::{
    any::Any,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_graphql::Executor;
use chatcore::{
    Authenticator, Chat, Error, Origin, Principal, Result,
    admin::AuditOrigin,
    chat::{Metered, PaidRequest},
    identity::BotAuthenticator,
    trace::{ConnectionSpans, RequestSpan},
};
use chatcore_http::{
    Author, ClientAddress, ClientIp, Cors, Handshake, Options, Outbox, RequestId, Socket, Sockets, Transport,
    begin_span, caller, caller_or_query, check_conditions, check_head, close_code, origin, read_away, read_body,
    secure, show_allowance, span_of,
    tungstenite::{self, Message},
};
use futures_util::{
    FutureExt as _, Sink, SinkExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use poem::{
    Body, Endpoint, Request, Response, Route,
    error::RouteError,
    http::{HeaderName, HeaderValue, Method, StatusCode, Version, header},
};

use crate::{
    ChatSchema,
    wire::{
        ALLOW, Admitted, Close, Expiry, Frame, HttpBody, HttpHead, HttpReply, PROTOCOL, Upkeep, WireOptions, converse,
        graphiql, graphiql_file, token_of,
    },
};

/// Where the endpoint is.
const PATH: &str = "/graphql";

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// GraphQL over one schema, for [poem](https://docs.rs/poem): HTTP, graphql-transport-ws, graphql-sse and the GraphiQL page,
/// all at `/graphql`.
///
/// A [`Principal`] in the extensions of a request, where a middleware of the host puts it, is the caller of that request or socket,
/// and no token is looked for. A host that recognises its users by a cookie has to refuse requests of pages that are not its own.
pub struct GraphqlFrontend<E> {
    state: Arc<State<E>>,
}

struct State<E> {
    executor: E,
    authenticator: Box<dyn Authenticator>,
    options: WireOptions,
    sockets: Sockets,
    /// Whether there are fields that need no token.
    open_fields: &'static [&'static str],
    /// The chat that counts the requests; `None` where the executor is not of this crate.
    chat: Option<Chat>,
}

impl<E> fmt::Debug for GraphqlFrontend<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphqlFrontend").field("sockets", &self.state.sockets).finish_non_exhaustive()
    }
}

impl<E: Executor> GraphqlFrontend<E> {
    /// A frontend over this schema, as a rule a [`ChatSchema`](crate::ChatSchema); it finds the [`Caller`](crate::Caller) in the
    /// data of each request.
    ///
    /// Sizes that the options of the registry leave open follow from the limits of the schema's chat; for another executor,
    /// [`Sockets::fit`] takes the limits of the chat.
    ///
    /// The frontend shares the registry of sockets, and with it their limits in number, size and time, with the server's other frontends;
    /// the limits of the registry override equal limits in `options`.
    pub fn new(executor: E, authenticator: impl Authenticator, sockets: Sockets, options: WireOptions) -> Self {
        let schema = (&executor as &dyn Any).downcast_ref::<ChatSchema>();
        let chat = schema.map(|schema| schema.chat().clone());
        if let Some(chat) = &chat {
            sockets.fit(chat.limits());
        }
        let open_fields = schema.map_or(&[][..], ChatSchema::open_fields);
        let Options { authentication_time, ping_interval, pong_time, write_time, heartbeat, .. } = *sockets.options();
        let options =
            WireOptions { init_time: authentication_time, ping_interval, pong_time, write_time, heartbeat, ..options };
        let authenticator: Box<dyn Authenticator> = match &chat {
            Some(chat) => Box::new(BotAuthenticator::new(chat.clone(), authenticator)),
            None => Box::new(authenticator),
        };
        Self { state: Arc::new(State { executor, chat, authenticator, options, sockets, open_fields }) }
    }

    /// Adds the endpoint to an app at `/graphql`, before an endpoint of the app at that path.
    #[must_use]
    pub fn mount(&self, app: Route) -> Route {
        // A new route has nothing that could be in the way.
        Route::new().at(PATH, self.endpoint()).nest("/", app)
    }

    /// Adds the endpoint to an app at a path.
    ///
    /// # Errors
    /// [`RouteError`] when the app has the path, or when it is no path.
    pub fn mount_at(&self, app: Route, path: &str) -> Result<Route, RouteError> {
        app.try_at(path, self.endpoint())
    }

    fn endpoint(&self) -> GraphqlEndpoint<E> {
        GraphqlEndpoint { state: Arc::clone(&self.state) }
    }
}

struct GraphqlEndpoint<E> {
    state: Arc<State<E>>,
}

impl<E: Executor> Endpoint for GraphqlEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        read_away(&mut request);
        let options = self.state.sockets.options();
        let cors = Cors::of(&mut request, options);
        let (span, is_first) = begin_span(&mut request);
        let accept = joined(&request, &header::ACCEPT);
        let checked = check_head(&mut request);
        let origin = origin(&request);
        let counts_strangers = request.method() != Method::OPTIONS;
        let refuse = |error: &Error| {
            span.failed(error.name());
            HttpReply::of_error(error, accept.as_deref())
        };
        let answer = async {
            let answered = if let Err(error) = checked {
                Err(refuse(&error))
            } else if opens_socket(&request) {
                span.transport("graphql-ws");
                self.state.open(&request, &span).await.map_err(|error| refuse(&error))
            } else {
                self.state.answer(request, accept.as_deref(), &span).await
            };
            answered.unwrap_or_else(response)
        };
        let metered = async {
            match &self.state.chat {
                Some(chat) => chat.metered(origin, counts_strangers, answer).await,
                None => Metered { output: Ok(answer.await), left: None },
            }
        };
        let Metered { output, left } = if is_first { span.within(metered).await } else { metered.await };
        let mut response = output.unwrap_or_else(|error| response(refuse(&error)));
        show_allowance(&mut response, left.as_ref());
        cors.answer(&mut response);
        secure(&mut response, Author::Frontend, options);
        if is_first {
            let id = HeaderValue::from_str(span.id());
            response.headers_mut().extend(id.map(|id| (HeaderName::from_static("x-request-id"), id)));
            span.end(response.status().as_u16());
        }
        #[cfg(feature = "metrics")]
        response.set_data(chatcore_http::OperationName("graphql"));
        Ok(response)
    }
}

/// Whether a request asks for a WebSocket. A handshake that lacks something gets an error that names the missing part.
///
/// Over HTTP/1.0 an operation in a body is carried out, since `Upgrade` is to be ignored there (RFC 9110, section 7.8).
fn opens_socket(request: &Request) -> bool {
    let upgrade = joined(request, &header::UPGRADE).unwrap_or_default();
    let wants = upgrade.split(',').any(|item| item.trim().eq_ignore_ascii_case("websocket"));
    wants && (request.version() >= Version::HTTP_11 || request.method() != Method::POST)
}

/// A header that is a list, on however many lines.
fn joined(request: &Request, name: &HeaderName) -> Option<String> {
    let lines: Vec<_> = request.headers().get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

impl<E: Executor> State<E> {
    /// Answers what is no WebSocket.
    async fn answer(
        self: &Arc<Self>,
        mut request: Request,
        accept: Option<&str>,
        span: &RequestSpan,
    ) -> Result<Response, HttpReply> {
        if request.method() == Method::OPTIONS {
            return Ok(Response::builder().status(StatusCode::NO_CONTENT).header(header::ALLOW, ALLOW).finish());
        }
        if self.options.graphiql
            && [Method::GET, Method::HEAD].contains(request.method())
            && let Some(file) = graphiql_file(request.uri().query())
        {
            span.operation("graphiqlFile");
            return Ok(response(file));
        }
        let content_type = joined(&request, &header::CONTENT_TYPE);
        let head = HttpHead::read(request.method().as_str(), content_type.as_deref(), accept, &self.options)?;
        if head.wants_page() {
            span.operation("graphiql");
            return Ok(response(graphiql()));
        }
        span.transport(if head.wants_events() { "graphql-sse" } else { "graphql" });
        let refuse = |error: &Error| {
            span.failed(error.name());
            head.refuse(error)
        };
        let caller = caller(&request, &*self.authenticator).await;
        // A request without a valid token counts against its address, also where its fields need none.
        let admitted = self.let_in(origin(&request), caller).await;
        let may_be_open = !self.open_fields.is_empty() && head.has_body();
        if let Err(error) = &admitted
            && (!may_be_open || matches!(error, Error::RateLimited { .. }))
        {
            return Err(refuse(error));
        }
        let place = admitted.as_ref().ok().map(|principal| self.sockets.take_request(&principal.user_id)).transpose();
        let _place = place.map_err(|error| refuse(&error))?;
        check_conditions(&request).map_err(|error| refuse(&error))?;
        if head.has_body() && request.headers().contains_key(IDEMPOTENCY_KEY) {
            // One that is passed over would let a retry be carried out twice.
            let message = "not taken here: mutations that need it take `clientId` in their input";
            return Err(refuse(&Error::malformed(IDEMPOTENCY_KEY, message)));
        }
        let body = if head.has_body() {
            let mut body = poem::RequestBody::new(request.take_body());
            let read = read_body(&request, &mut body, &self.sockets).await;
            read.map_err(|error| refuse(&error))?
        } else {
            bytes::Bytes::new()
        };
        let stop = {
            let sockets = self.sockets.clone();
            async move { sockets.stopping().await }
        };
        let principal = match admitted {
            Ok(principal) => Some(principal),
            Err(_) if may_be_open && HttpHead::asks_only(&body, self.open_fields) => None,
            Err(error) => return Err(refuse(&error)),
        };
        let caller = Visit::of(&request).admitted(principal.clone());
        let url_query = request.uri().query();
        let expiry = caller.expiry(&self.executor).map(Expiry::swept);
        let reply = head.respond(&self.executor, (url_query, &body), caller, (&self.options, true), stop).await;
        let HttpReply { status, headers, body } = reply;
        let body = match body {
            HttpBody::Full(text) => HttpBody::Full(text),
            HttpBody::Events(events) => {
                let (request, mut events, span) = (PaidRequest::current(), events, span.clone());
                let events =
                    stream::poll_fn(move |context| span.poll(|| request.poll(|| events.poll_next_unpin(context))));
                let events = events.boxed();
                let events = self.counted(principal.as_ref(), expiry, events);
                HttpBody::Events(events.map_err(|error| HttpReply::of_error(&error, accept))?)
            }
        };
        Ok(response(HttpReply { status, headers, body }))
    }

    /// Event streams count among the sockets. Nothing has happened yet: their operations begin when they are read.
    fn counted(
        &self,
        principal: Option<&Principal>,
        expiry: Option<chatcore_http::Expiry>,
        events: BoxStream<'static, bytes::Bytes>,
    ) -> Result<BoxStream<'static, bytes::Bytes>> {
        let own = principal.map(|principal| self.sockets.take_for(&principal.user_id)).transpose()?;
        let places = (self.sockets.take(Transport::GraphqlStream)?, own);
        let events = events.inspect(move |_| {
            let _ = &places;
        });
        // They are kept with the sockets of the server.
        Ok(self.sockets.event_queue(expiry).body(events).boxed())
    }

    /// Opens a WebSocket. A token in the head is looked at before that, where there is still a status to answer with.
    async fn open(self: &Arc<Self>, request: &Request, span: &RequestSpan) -> Result<Response> {
        let handshake = Handshake::of(request, self.sockets.options(), Some(PROTOCOL))?;
        let (origin, visit, spans) = (origin(request), Visit::of(request), span.connection());
        let known = match caller_or_query(request, &*self.authenticator).await {
            // The token of a socket without one comes with its first message; until then the request is a stranger's.
            Ok(None) => match self.let_in(origin, Ok(None)).await {
                Err(Error::AuthRequired) => None,
                refused => return Err(refused.err().unwrap_or(Error::Internal)),
            },
            caller => Some(self.admitted(self.let_in(origin, caller).await?, visit.clone(), spans.clone())?),
        };
        let mut unknown =
            if known.is_none() { Some(self.sockets.take_unknown(ClientAddress::of(request))?) } else { None };
        let state = Arc::clone(self);
        handshake.open(request, &self.sockets, move |socket| async move {
            let (state, held) = (&state, &mut unknown);
            let is_known = socket.known();
            if known.is_some() {
                is_known.set();
            }
            let admit = |payload: Option<serde_json::Map<_, _>>| async move {
                let caller = match known {
                    Some(caller) => caller,
                    None => state.admit(origin, token_of(payload.as_ref()), visit, spans).await?,
                };
                *held = None;
                is_known.set();
                Ok(caller)
            };
            let upkeep = Swept { outbox: socket.outbox(), sockets: state.sockets.clone() };
            let mut frames = Frames(socket);
            let stop = state.sockets.stopping();
            let options = WireOptions { message_bytes: state.sockets.frame_bytes(), ..state.options.clone() };
            let end = converse(&state.executor, &mut frames, admit, &options, &upkeep, stop).await;
            if let Some(unknown) = &mut unknown {
                unknown.closing();
            }
            if let Some(Close { code, reason }) = end {
                Box::pin(frames.0.close(code, &reason)).await;
            }
            drop(unknown);
        })
    }

    /// The caller of a request, let in or turned away by the chat.
    async fn let_in(&self, origin: Origin, caller: Result<Option<Principal>>) -> Result<Principal> {
        match &self.chat {
            Some(chat) => chat.admit(origin, caller).await,
            None => caller?.ok_or(Error::AuthRequired),
        }
    }

    /// Somebody with a place among the sockets, by the token of a first message.
    async fn admit(
        &self,
        origin: Origin,
        token: Option<&str>,
        visit: Visit,
        spans: ConnectionSpans,
    ) -> Result<Admitted> {
        let caller = match token {
            Some(token) => self.authenticator.authenticate(token).await.map(Some),
            None => Ok(None),
        };
        self.admitted(self.let_in(origin, caller).await?, visit, spans)
    }

    fn admitted(&self, principal: Principal, visit: Visit, spans: ConnectionSpans) -> Result<Admitted> {
        let place = self.sockets.take_for(&principal.user_id)?;
        let caller = visit.without_span().admitted(Some(principal.clone())).traced(spans).keeping(place);
        Ok(match &self.chat {
            Some(chat) => caller.watched_by(chat, &principal).counted_by(chat.clone(), principal),
            None => caller,
        })
    }
}

/// What the data of an operation say of its client beside who calls.
#[derive(Clone)]
struct Visit {
    origin: AuditOrigin,
    /// Where all of the request is one operation.
    span: Option<RequestSpan>,
    #[cfg(feature = "accounts")]
    client: chatcore::accounts::Client,
}

impl Visit {
    fn of(request: &Request) -> Self {
        let address = ClientIp::of(request).map(|ClientIp(address)| address);
        let request_id = Some(RequestId::of(request).0);
        Self {
            origin: AuditOrigin { address, request_id },
            span: span_of(request).cloned(),
            #[cfg(feature = "accounts")]
            client: {
                let device = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
                let address = ClientAddress::of(request).map(Into::into);
                chatcore::accounts::Client { address, device: device.map(str::to_owned) }
            },
        }
    }

    /// The same for a socket, of which each operation has a span of its own.
    fn without_span(self) -> Self {
        Self { span: None, ..self }
    }

    fn admitted(self, principal: Option<Principal>) -> Admitted {
        let expires_at = principal.as_ref().and_then(|principal| principal.expires_at);
        let data = move || {
            let mut data = async_graphql::Data::default();
            if let Some(principal) = &principal {
                data.insert(crate::Caller(principal.clone()));
            }
            data.insert(self.origin.clone());
            if let Some(span) = &self.span {
                data.insert(span.clone());
            }
            #[cfg(feature = "accounts")]
            data.insert(self.client.clone());
            data
        };
        Admitted::new(data).expires_at(expires_at)
    }
}

fn response(HttpReply { status, headers, body }: HttpReply) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap_or_default()).finish();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.set_body(match body {
        HttpBody::Full(text) => Body::from(text),
        HttpBody::Events(events) => Body::from_bytes_stream(events.map(Ok::<_, io::Error>)),
    });
    response
}

/// A socket that is kept with all others of the server.
struct Swept {
    outbox: Outbox,
    sockets: Sockets,
}

impl Upkeep for Swept {
    fn begin(&self, expiry: Option<Expiry>, expired: &'static str) -> bool {
        self.sockets.keep(&self.outbox, expiry.map(|expiry| (expiry.swept(), (4403, expired))));
        true
    }

    fn set_busy(&self, is_busy: bool) {
        self.outbox.set_busy(is_busy);
    }

    fn ended(&self) -> BoxFuture<'_, Option<Close>> {
        self.outbox.ended().map(|end| end.map(|(code, reason)| Close::new(code, reason))).boxed()
    }
}

/// A socket whose messages are [`Frame`]s.
struct Frames(Socket);

impl Stream for Frames {
    type Item = Result<Frame, Option<Close>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let close = |(code, reason)| Close::new(code, reason);
        Poll::Ready(ready!(self.0.poll_next_unpin(context)).map(|message| match message {
            Ok(Message::Text(text)) => Ok(Frame::Text(text.as_str().to_owned())),
            Ok(Message::Binary(_)) => Ok(Frame::Binary),
            Ok(Message::Ping(_) | Message::Frame(_)) => Ok(Frame::Ping),
            Ok(Message::Pong(_)) => Ok(Frame::Pong),
            Ok(Message::Close(_)) => Ok(Frame::Close(None)),
            Err(error) => Err(close_code(&error).map(close)),
        }))
    }
}

impl Sink<Frame> for Frames {
    type Error = tungstenite::Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready_unpin(context)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        self.0.start_send_unpin(match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary => Message::binary(tungstenite::Bytes::new()),
            Frame::Ping => Message::Ping(tungstenite::Bytes::new()),
            Frame::Pong => Message::Pong(tungstenite::Bytes::new()),
            Frame::Close(_) => Message::Close(None),
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_flush_unpin(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_close_unpin(context)
    }
}
