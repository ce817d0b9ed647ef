//! A WebSocket that speaks graphql-transport-ws.

use std::{borrow::Cow, pin::pin, time::Duration};

use async_graphql::Executor;
use chatcore::Error;
use chatcore_http::bearer_token;
use futures_util::{Sink, SinkExt as _, Stream, future::OptionFuture};
use serde_json::{Map, Value as Json};
use tokio::{
    task::coop::consume_budget,
    time::{Instant, sleep, timeout},
};

use super::{
    Admitted, WireOptions,
    line::{Io, Line},
    message::{self, Incoming},
    talk::Talk,
    upkeep::{OwnTimers, Upkeep},
};

/// The name of the protocol, for `Sec-WebSocket-Protocol`.
pub const PROTOCOL: &str = "graphql-transport-ws";

/// The longest reason that fits into a close frame (RFC 6455, section 5.5).
pub(super) const REASON_BYTES: usize = 123;

/// How long the other side may take to take the close frame, or to end after its own.
pub(super) const LAST_WORD: Duration = Duration::from_secs(1);

/// A frame of a WebSocket, for every library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message. The content is irrelevant, since the protocol has no binary messages.
    Binary,
    /// A ping; the library answers it.
    Ping,
    /// A pong.
    Pong,
    /// The close frame, with the reason.
    Close(Option<Close>),
}

/// The code and the reason of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The close code.
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// A close frame. A reason that is too long is truncated.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > REASON_BYTES {
            let text = reason.to_mut();
            text.truncate(cut(text, REASON_BYTES).len());
        }
        Self { code, reason }
    }
}

/// As much of the text as fits.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    (0..=bytes).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// Why a socket ends; `None` where the other side is gone or has closed.
pub(super) type End = Option<Close>;

/// Serves a socket until its end, and returns the reason of the close; `None` where the other side is gone or has closed the socket.
///
/// `socket` is the stream and sink of a WebSocket library, with frames as [`Frame`]s. For a violation of RFC 6455, the stream gives an
/// error with the close frame to send; for a lost connection, an error without a close frame. The library limits the size of messages. The
/// caller has negotiated the subprotocol [`PROTOCOL`] with the other side. The function sends a close frame at the end, and leaves the
/// connection open; the caller ends the connection.
///
/// `authenticate` gets the payload of `connection_init` and returns the caller. For an error of `authenticate`, the socket is closed with
/// 4403 and the stable code of the error as reason. The socket is closed with 4403 and `AUTH_TOKEN_EXPIRED` when the token of the
/// [`Admitted`] ends, with 4403 and the code from [`Admitted::watched_by`], with 4429 and `RATE_LIMIT_EXCEEDED` after more than a hundred
/// consecutive messages beyond the limit of [`Admitted::counted_by`], and with 1001 when `stop` is done.
pub async fn serve_socket<E, S, A, F>(
    executor: &E,
    socket: S,
    authenticate: A,
    options: &WireOptions,
    stop: impl Future<Output = ()>,
) -> Option<Close>
where
    E: Executor,
    S: Stream<Item = Result<Frame, Option<Close>>> + Sink<Frame> + Unpin,
    A: FnOnce(Option<Map<String, Json>>) -> F,
    F: Future<Output = Result<Admitted, Error>>,
{
    let mut socket = socket;
    let end = converse(executor, &mut socket, authenticate, options, &OwnTimers, stop).await;
    if let Some(close) = &end {
        // Who does not take it has not long to do so.
        let _ = timeout(LAST_WORD, socket.send(Frame::Close(Some(close.clone())))).await;
    }
    end
}

/// As [`serve_socket`], without the close frame.
pub(crate) async fn converse<E, S, A, F>(
    executor: &E,
    socket: S,
    authenticate: A,
    options: &WireOptions,
    upkeep: &dyn Upkeep,
    stop: impl Future<Output = ()>,
) -> End
where
    E: Executor,
    S: Stream<Item = Result<Frame, Option<Close>>> + Sink<Frame> + Unpin,
    A: FnOnce(Option<Map<String, Json>>) -> F,
    F: Future<Output = Result<Admitted, Error>>,
{
    let talk = async {
        let mut line = Line::new(socket, options);
        // What is done once takes no room in a socket that waits.
        let caller = match Box::pin(open(&mut line, authenticate, options)).await {
            Ok(caller) => caller,
            Err(end) => return end,
        };
        Talk::new(executor, line, &caller, options, upkeep).run().await
    };
    tokio::select! {
        () = stop => Some(Close::new(1001, "the server ends")),
        end = talk => end,
    }
}

/// The token in the payload of `connection_init`: `{"Authorization": "Bearer <token>"}`, with the key in any case, or `{"token":
/// "<token>"}`. Credentials of other schemes than `Bearer` are ignored; with two bearer tokens the result is `None`.
#[must_use]
pub fn token_of(payload: Option<&Map<String, Json>>) -> Option<&str> {
    let payload = payload?;
    let authorization =
        payload.iter().filter(|(key, value)| key.eq_ignore_ascii_case("authorization") && !value.is_null());
    let credentials: Option<Vec<_>> = authorization.map(|(_, value)| value.as_str().map(str::as_bytes)).collect();
    let bearer = bearer_token(credentials?).ok()?;
    let alone = || payload.get("token")?.as_str().map(str::trim).filter(|token| !token.is_empty());
    bearer.or_else(alone)
}

/// Waits for the message that says who it is.
async fn open<S, A, F>(line: &mut Line<S>, authenticate: A, options: &WireOptions) -> Result<Admitted, End>
where
    S: Stream<Item = Result<Frame, Option<Close>>> + Sink<Frame> + Unpin,
    A: FnOnce(Option<Map<String, Json>>) -> F,
    F: Future<Output = Result<Admitted, Error>>,
{
    let time = options.init_time;
    let mut authenticate = Some(authenticate);
    let mut asked = pin!(OptionFuture::<F>::from(None));
    let mut deadline = pin!(sleep(time));
    loop {
        consume_budget().await;
        let reads = line.has_room();
        let io = tokio::select! {
            biased;
            Some(admitted) = &mut asked => {
                let caller = admitted.map_err(|error| refused(&error))?;
                line.send(message::ack());
                return Ok(caller);
            }
            () = &mut deadline => {
                // Either nothing was asked, or the answer does not come.
                return Err(match authenticate {
                    Some(_) => Some(Close::new(4408, "Connection initialisation timeout")),
                    None => refused(&Error::Unavailable),
                });
            }
            io = line.next(reads) => io?,
        };
        match io {
            Io::Written | Io::Message(None | Some(Incoming::Pong)) => {}
            Io::Closed => return Err(line.answer_close().await),
            Io::Message(Some(Incoming::Init(payload))) => {
                let Some(authenticate) = authenticate.take() else { return Err(too_many_inits()) };
                asked.set(OptionFuture::from(Some(authenticate(payload))));
                deadline.as_mut().reset(Instant::now() + time);
            }
            Io::Message(Some(Incoming::Ping(payload))) => line.answer(message::pong(payload.as_ref())),
            Io::Message(Some(Incoming::Subscribe { .. } | Incoming::TooLarge { .. })) => {
                return Err(Some(Close::new(4401, "Unauthorized")));
            }
            // Of an operation that is not there.
            Io::Message(Some(Incoming::Complete { .. })) => {}
        }
    }
}

pub(super) fn expired() -> End {
    refused(&Error::TokenExpired)
}

pub(super) fn refused(error: &Error) -> End {
    Some(Close::new(4403, error.name().to_owned()))
}

pub(super) fn too_fast(error: &Error) -> End {
    Some(Close::new(error.code().close(), error.name().to_owned()))
}

pub(super) fn too_many_inits() -> End {
    Some(Close::new(4429, "Too many initialisation requests"))
}
