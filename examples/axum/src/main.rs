//! The GraphQL schema in an axum app, without poem: queries and mutations, subscriptions over a WebSocket or as server-sent
//! events, and GraphiQL.
//!
//! `cargo run -p axum-graphql`, then open <http://127.0.0.1:8000/graphql> and put `{"Authorization": "Bearer alice"}` under
//! Headers. For the example every name is its own token; a program of yours implements `Authenticator`, or takes the
//! `JwtAuthenticator`. A server that faces the world also bounds how many sockets there are, looks at their `Origin`, and ends them
//! when it ends (the `pending()` below is what to wait for).

use std::{future::pending, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{
        FromRequestParts as _, Request, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use chatcore::{Authenticator, Chat, Code, Error, Principal, Result, async_trait, model::UserId};
use chatcore_graphql::{
    ALLOW, Admitted, ChatSchema, Close, Frame, HttpBody, HttpHead, HttpReply, PROTOCOL, SchemaOptions, WireOptions,
    graphiql, graphiql_file, schema, serve_socket, token_of,
};
use chatcore_http::bearer_token;
use futures_util::{SinkExt as _, StreamExt as _, future};

struct App {
    schema: ChatSchema,
    authenticator: Names,
    options: WireOptions,
}

/// Takes everybody for who they say they are.
struct Names;

#[async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, token: &str) -> Result<Principal> {
        Ok(Principal::new(UserId::new(token).map_err(|_| Error::TokenInvalid)?))
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let schema = schema(Chat::in_memory(), SchemaOptions::default());
    let app = Arc::new(App { schema, authenticator: Names, options: WireOptions::default() });
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/graphql", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/graphql", any(graphql)).with_state(app)).await
}

async fn graphql(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
        // Larger ones than allowed are read, so that they can be answered.
        let read = 4 * app.options.message_bytes;
        let upgrade = upgrade.max_message_size(read).max_frame_size(read).protocols([PROTOCOL]);
        return match upgrade.selected_protocol() {
            Some(_) => upgrade.on_upgrade(|socket| talk(app, socket)),
            None => {
                (StatusCode::BAD_REQUEST, "this endpoint speaks the subprotocol graphql-transport-ws").into_response()
            }
        };
    }
    if parts.method == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, [(header::ALLOW, ALLOW)]).into_response();
    }
    let joined = |name: HeaderName| {
        let lines: Vec<_> = parts.headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    };
    if app.options.graphiql
        && [Method::GET, Method::HEAD].contains(&parts.method)
        && let Some(file) = graphiql_file(parts.uri.query())
    {
        return response(file);
    }
    let (content_type, accept) = (joined(header::CONTENT_TYPE), joined(header::ACCEPT));
    let head = match HttpHead::read(parts.method.as_str(), content_type.as_deref(), accept.as_deref(), &app.options) {
        Ok(head) => head,
        Err(reply) => return response(reply),
    };
    if head.wants_page() {
        return response(graphiql());
    }
    let caller = match app.caller(&parts.headers).await {
        Ok(principal) => Admitted::from(principal),
        Err(error) => return response(head.refuse(&error)),
    };
    let Ok(body) = to_bytes(body, app.options.message_bytes).await else {
        let (code, detail) = (Code::PayloadTooLarge, "the body is too large, or ended early");
        return response(head.refuse(&Error::Refused { code, detail }));
    };
    response(head.answer(&app.schema, parts.uri.query(), &body, caller, &app.options, pending()).await)
}

impl App {
    async fn caller(&self, headers: &HeaderMap) -> Result<Principal> {
        let credentials = headers.get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes());
        let token = bearer_token(credentials)?.ok_or(Error::AuthRequired)?;
        self.authenticator.authenticate(token).await
    }
}

/// GraphQL over a WebSocket: axum's messages as frames, and back.
async fn talk(app: Arc<App>, socket: WebSocket) {
    let frames = socket.map(|message| match message {
        Ok(Message::Text(text)) => Ok(Frame::Text(text.as_str().to_owned())),
        Ok(Message::Binary(_)) => Ok(Frame::Binary),
        Ok(Message::Ping(_)) => Ok(Frame::Ping),
        Ok(Message::Pong(_)) => Ok(Frame::Pong),
        Ok(Message::Close(_)) => Ok(Frame::Close(None)),
        Err(_) => Err(None),
    });
    let frames = frames.with(|frame| {
        future::ok::<_, axum::Error>(match frame {
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Binary => Message::Binary(Default::default()),
            Frame::Ping => Message::Ping(Default::default()),
            Frame::Pong => Message::Pong(Default::default()),
            Frame::Close(close) => Message::Close(
                close.map(|Close { code, reason }| CloseFrame { code, reason: reason.into_owned().into() }),
            ),
        })
    });
    let authenticate = async |payload: Option<serde_json::Map<_, _>>| {
        let token = token_of(payload.as_ref()).ok_or(Error::AuthRequired)?;
        let principal = app.authenticator.authenticate(token).await?;
        Ok(Admitted::from(principal.clone()).watched_by(app.schema.chat(), &principal))
    };
    serve_socket(&app.schema, frames, authenticate, &app.options, pending()).await;
}

fn response(HttpReply { status, headers, body }: HttpReply) -> Response {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let body = match body {
        HttpBody::Full(text) => Body::from(text),
        HttpBody::Events(events) => Body::from_stream(events.map(Ok::<_, std::convert::Infallible>)),
    };
    builder.body(body).unwrap_or_default()
}
