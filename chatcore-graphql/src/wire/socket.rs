//! A WebSocket that speaks graphql-transport-ws: one half reads messages, the other runs the operations and writes.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_graphql::Executor;
use chatcore::{Code, Error, chat::PaidRequest};
use chatcore_http::bearer_token;
use futures_util::{
    FutureExt, Sink, SinkExt, Stream, StreamExt,
    future::OptionFuture,
    stream::{AbortHandle, Abortable, SelectAll, SplitSink, SplitStream},
};
use serde_json::{Map, Value as Json};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, Interval, sleep, timeout},
};

use super::{
    Admitted, WireOptions,
    clock::{at, every, in_time, tick},
    execution::{Execution, Step},
    message::{self, Incoming},
    request::Parameters,
    upkeep::{OwnTimers, Upkeep},
};
use crate::error::request_error;

/// The name of the protocol, for `Sec-WebSocket-Protocol`.
pub const PROTOCOL: &str = "graphql-transport-ws";

/// Orders that wait to be followed; with more, the socket is not read until some are.
const WAITING: usize = 16;

/// Messages that are written before they are sent on.
const BURST: usize = 64;

/// The longest reason that fits into a close frame (RFC 6455, section 5.5).
const REASON_BYTES: usize = 123;

/// How long the other side may take to take the close frame, or to end after its own.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A frame of a WebSocket, whatever library it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message; what is in it does not matter, since the protocol has none.
    Binary,
    /// A ping; the library answers it.
    Ping,
    /// A pong.
    Pong,
    /// The end, and why.
    Close(Option<Close>),
}

/// Why a WebSocket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The close code.
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// Makes one; a reason that is too long is cut.
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
fn cut(text: &str, bytes: usize) -> &str {
    (0..=bytes).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// Why a socket ends; `None` where the other side is gone or has closed.
type End = Option<Close>;

/// Talks over a socket until it ends, and says why it closed it; `None` where the other side is gone or has closed it.
///
/// The socket is what a WebSocket library gives, with its frames as [`Frame`]s. Where what came breaks RFC 6455, it gives an
/// error with what to close with, or without where the connection is gone. The size of messages is for the library to limit.
/// Whoever opens the socket has agreed on the subprotocol [`PROTOCOL`] with the other side. A close frame is sent at the end; the connection is left open for the caller to end.
///
/// `authenticate` gets the payload of `connection_init` and says who it is. If it refuses, the socket is closed with 4403 and
/// the stable code of the error as reason. The socket is closed with 4403 and `AUTH_TOKEN_EXPIRED` when the token of the
/// [`Admitted`] ends, and with 1001 when `stop` is done.
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
    let (sink, mut source) = socket.split();
    let mut out = Out { sink, write_time: Some(options.write_time) };
    tokio::select! {
        () = stop => Some(Close::new(1001, "the server ends")),
        end = talk(executor, &mut out, &mut source, authenticate, options, upkeep) => end,
    }
}

async fn talk<E, S, A, F>(
    executor: &E,
    out: &mut Out<S>,
    source: &mut SplitStream<S>,
    authenticate: A,
    options: &WireOptions,
    upkeep: &dyn Upkeep,
) -> End
where
    E: Executor,
    S: Stream<Item = Result<Frame, Option<Close>>> + Sink<Frame> + Unpin,
    A: FnOnce(Option<Map<String, Json>>) -> F,
    F: Future<Output = Result<Admitted, Error>>,
{
    let caller = match open(out, source, authenticate, options).await {
        Ok(caller) => caller,
        Err(end) => return end,
    };
    let expiry = caller.left().and_then(in_time);
    let is_kept = upkeep.begin(expiry, Error::TokenExpired.code().as_str());
    let (expiry, pings) = if is_kept { (None, None) } else { (expiry, Some(every(options.ping_interval))) };
    if is_kept {
        out.write_time = None;
    }
    let (orders, queue) = mpsc::channel(WAITING);
    let life = Life::default();
    let places = Arc::new(Semaphore::new(options.queries_per_socket.clamp(1, Semaphore::MAX_PERMITS)));
    let operations = Operations { running: SelectAll::new(), open: HashMap::new(), places };
    let writer = Writer { executor, options, caller: &caller, life: &life, out, operations };
    tokio::select! {
        biased;
        () = at(expiry) => expired(),
        end = upkeep.ended() => end,
        end = read(source, orders, (&life, upkeep), options.message_bytes) => end,
        end = writer.write(queue, pings) => end,
    }
}

/// The token in the payload of `connection_init`: `{"Authorization": "Bearer <token>"}`, with the key in any case, or
/// `{"token": "<token>"}`. Credentials of other schemes than `Bearer` are ignored; of two bearer tokens none is taken.
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
async fn open<S, A, F>(
    out: &mut Out<S>,
    source: &mut SplitStream<S>,
    authenticate: A,
    options: &WireOptions,
) -> Result<Admitted, End>
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
        let message = tokio::select! {
            biased;
            Some(admitted) = &mut asked => {
                let caller = admitted.map_err(|error| refused(&error))?;
                out.send(Frame::Text(message::ack())).await?;
                return Ok(caller);
            }
            () = &mut deadline => {
                // Either nothing was asked, or the answer does not come.
                return Err(match authenticate {
                    Some(_) => Some(Close::new(4408, "Connection initialisation timeout")),
                    None => refused(&Error::Unavailable),
                });
            }
            message = receive(source, options.message_bytes) => message?,
        };
        match message {
            None | Some(Incoming::Pong) => {}
            Some(Incoming::Init(payload)) => {
                let Some(authenticate) = authenticate.take() else { return Err(too_many_inits()) };
                asked.set(OptionFuture::from(Some(authenticate(payload))));
                deadline.as_mut().reset(Instant::now() + time);
            }
            Some(Incoming::Ping(payload)) => out.send(Frame::Text(message::pong(payload.as_ref()))).await?,
            Some(Incoming::Subscribe { .. } | Incoming::TooLarge { .. }) => {
                return Err(Some(Close::new(4401, "Unauthorized")));
            }
            // Of an operation that is not there.
            Some(Incoming::Complete { .. }) => {}
        }
    }
}

fn expired() -> End {
    refused(&Error::TokenExpired)
}

fn refused(error: &Error) -> End {
    Some(Close::new(4403, error.name().to_owned()))
}

fn too_many_inits() -> End {
    Some(Close::new(4429, "Too many initialisation requests"))
}

/// The next message; `None` for a frame that is none.
async fn receive<S>(source: &mut S, most: usize) -> Result<Option<Incoming>, End>
where
    S: Stream<Item = Result<Frame, Option<Close>>> + Unpin,
{
    let bad = |reason: String| Some(Close::new(4400, reason));
    match source.next().await {
        Some(Ok(Frame::Text(text))) if text.len() > most => {
            Incoming::too_large(&text).map(Some).ok_or_else(|| Some(Close::new(1009, "message too large")))
        }
        Some(Ok(Frame::Text(text))) => Incoming::read(&text).map(Some).map_err(bad),
        Some(Ok(Frame::Binary)) => Err(bad("send JSON in text messages, not in binary ones".to_owned())),
        Some(Ok(Frame::Ping | Frame::Pong)) => Ok(None),
        Some(Ok(Frame::Close(_))) => {
            // Polled once more, the library answers it.
            let _ = timeout(LAST_WORD, source.next()).await;
            Err(None)
        }
        None => Err(None),
        Some(Err(end)) => Err(end),
    }
}

/// What the reading half wants of the writing half. In one queue, so that it happens in the order in which it was asked.
enum Order {
    Pong(Option<Map<String, Json>>),
    Subscribe {
        id: String,
        parameters: Box<Parameters>,
    },
    Complete {
        id: String,
    },
    /// A `subscribe` that is too large.
    Refuse {
        id: String,
    },
}

/// What the reading half tells the writing half, which sends the pings.
#[derive(Default)]
struct Life {
    /// Something came since the last ping.
    heard: AtomicBool,
    /// Nothing is read, because too many orders wait.
    busy: AtomicBool,
}

/// Reads messages until the socket ends.
async fn read<S>(
    source: &mut S,
    orders: mpsc::Sender<Order>,
    (Life { heard, busy }, upkeep): (&Life, &dyn Upkeep),
    most: usize,
) -> End
where
    S: Stream<Item = Result<Frame, Option<Close>>> + Unpin,
{
    loop {
        let message = match receive(source, most).await {
            Ok(message) => message,
            Err(end) => return end,
        };
        heard.store(true, Ordering::Relaxed);
        let order = match message {
            None | Some(Incoming::Pong) => continue,
            Some(Incoming::Init(_)) => return too_many_inits(),
            Some(Incoming::Ping(payload)) => Order::Pong(payload),
            Some(Incoming::Subscribe { id, parameters }) => Order::Subscribe { id, parameters },
            Some(Incoming::Complete { id }) => Order::Complete { id },
            Some(Incoming::TooLarge { id }) => Order::Refuse { id },
        };
        // While nothing is read no pong is heard: that is not the other side's fault.
        busy.store(true, Ordering::Relaxed);
        upkeep.set_busy(true);
        if orders.send(order).await.is_err() {
            return None;
        }
        heard.store(true, Ordering::Relaxed);
        busy.store(false, Ordering::Relaxed);
        upkeep.set_busy(false);
    }
}

/// The way out, which does not wait for ever.
struct Out<S> {
    sink: SplitSink<S, Frame>,
    /// `None` where something else ends a socket that takes nothing.
    write_time: Option<Duration>,
}

impl<S: Sink<Frame> + Unpin> Out<S> {
    async fn send(&mut self, frame: Frame) -> Result<(), End> {
        self.in_time(|sink| sink.send(frame)).await
    }

    /// Writes, for as long as the other side may take to take it.
    async fn in_time<'s, W, F>(&'s mut self, write: W) -> Result<(), End>
    where
        W: FnOnce(&'s mut SplitSink<S, Frame>) -> F,
        F: Future<Output = Result<(), S::Error>>,
    {
        let Some(time) = self.write_time else { return write(&mut self.sink).await.map_err(|_| None) };
        match timeout(time, write(&mut self.sink)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some(Close::new(4408, "what was written was not taken"))),
        }
    }
}

/// An operation with its id.
struct Named {
    id: Arc<str>,
    execution: Execution,
    /// The request that was counted for it.
    paid: Option<PaidRequest>,
}

impl Stream for Named {
    type Item = (Arc<str>, Step);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { execution, paid, .. } = &mut *self;
        let step = match paid {
            Some(paid) => paid.poll(|| execution.poll_next_unpin(context)),
            None => execution.poll_next_unpin(context),
        };
        step.map(|step| step.map(|step| (Arc::clone(&self.id), step)))
    }
}

/// The operations of a socket. An id is open until the message that ends it is written, or the client ends it.
struct Operations {
    running: SelectAll<Abortable<Named>>,
    open: HashMap<Arc<str>, AbortHandle>,
    /// Places of queries and mutations: each holds its answer until that is written.
    places: Arc<Semaphore>,
}

struct Writer<'a, E, S> {
    executor: &'a E,
    options: &'a WireOptions,
    caller: &'a Admitted,
    life: &'a Life,
    out: &'a mut Out<S>,
    operations: Operations,
}

impl<E: Executor, S: Sink<Frame> + Unpin> Writer<'_, E, S> {
    async fn write(self, queue: mpsc::Receiver<Order>, pings: Option<Interval>) -> End {
        match self.follow_all(queue, pings).await {
            Ok(end) | Err(end) => end,
        }
    }

    /// Runs operations and writes what they tell until the socket ends.
    async fn follow_all(mut self, mut queue: mpsc::Receiver<Order>, mut pings: Option<Interval>) -> Result<End, End> {
        let mut pong_due = None;
        // Those that were ended stay until they are polled once more.
        let most = self.options.operations_per_socket.saturating_mul(2);
        loop {
            tokio::select! {
                order = queue.recv(), if self.operations.running.len() < most.max(1) => match order {
                    Some(order) => self.follow(order).await?,
                    None => return Ok(None),
                },
                Some(first) = self.operations.running.next() => self.deliver(first).await?,
                // A ping that is still unanswered is not asked again: that would put its end off.
                () = tick(&mut pings), if pong_due.is_none() => {
                    self.life.heard.store(false, Ordering::Relaxed);
                    self.out.send(Frame::Ping).await?;
                    pong_due = in_time(self.options.pong_time);
                }
                () = at(pong_due) => {
                    let Life { heard, busy } = self.life;
                    pong_due = if heard.load(Ordering::Relaxed) {
                        None
                    } else if busy.load(Ordering::Relaxed) {
                        in_time(self.options.pong_time)
                    } else {
                        return Ok(Some(Close::new(4408, "no answer to a ping")));
                    };
                }
            }
        }
    }

    async fn follow(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Pong(payload) => self.out.send(Frame::Text(message::pong(payload.as_ref()))).await,
            Order::Complete { id } => {
                if let Some(handle) = self.operations.open.remove(id.as_str()) {
                    handle.abort();
                }
                Ok(())
            }
            Order::Subscribe { id, parameters } => self.subscribe(id.into(), *parameters).await,
            Order::Refuse { id } if self.operations.open.contains_key(id.as_str()) => Err(Some(exists(&id))),
            Order::Refuse { id } => {
                let detail = "the message is too large; nothing of it was done";
                let error = request_error(&Error::Refused { code: Code::PayloadTooLarge, detail });
                self.out.send(Frame::Text(message::error(&id, &[error]))).await
            }
        }
    }

    async fn subscribe(&mut self, id: Arc<str>, parameters: Parameters) -> Result<(), End> {
        let Operations { running, open, places } = &mut self.operations;
        let (limit, len) = (self.options.operations_per_socket, open.len());
        match open.entry(id) {
            Entry::Occupied(entry) => Err(Some(exists(entry.key()))),
            Entry::Vacant(entry) if len >= limit => {
                let what = "the number of operations open on this socket";
                let error = request_error(&Error::LimitExceeded { what, limit: limit as u64 });
                let text = message::error(entry.key(), &[error]);
                self.out.send(Frame::Text(text)).await
            }
            Entry::Vacant(entry) => {
                let paid = match self.caller.begin().await {
                    Ok(paid) => paid,
                    Err(error) => {
                        let text = message::error(entry.key(), &[request_error(&error)]);
                        return self.out.send(Frame::Text(text)).await;
                    }
                };
                let execution = match parameters.parse(self.caller.data()) {
                    Ok(operation) => Execution::start_in_turn(self.executor, operation, Arc::clone(places)),
                    Err(errors) => Execution::failed(errors),
                };
                let (handle, registration) = AbortHandle::new_pair();
                let named = Named { id: Arc::clone(entry.key()), execution, paid };
                running.push(Abortable::new(named, registration));
                entry.insert(handle);
                Ok(())
            }
        }
    }

    /// Writes what an operation tells, and what is ready besides, before sending it on.
    async fn deliver(&mut self, first: (Arc<str>, Step)) -> Result<(), End> {
        let mut burst = 1;
        let mut next = Some(first);
        while let Some((id, step)) = next {
            // The chat may notice before this socket's own clock does.
            if step.token_expired() {
                return Err(expired());
            }
            let text = match step {
                Step::Next(response) => message::next(&id, &response),
                Step::Failed(errors) => {
                    self.operations.open.remove(&id);
                    message::error(&id, &errors)
                }
                Step::Complete => {
                    self.operations.open.remove(&id);
                    message::complete(&id)
                }
            };
            self.out.in_time(|sink| sink.feed(Frame::Text(text))).await?;
            // What is always ready would else keep the reading half, and other tasks, from their turn.
            tokio::task::coop::consume_budget().await;
            burst += 1;
            next = if burst > BURST { None } else { self.operations.running.next().now_or_never().flatten() };
        }
        self.out.in_time(SinkExt::flush).await
    }
}

/// The reason names the id, shortened where it would not fit.
fn exists(id: &str) -> Close {
    let (before, after) = ("Subscriber for ", " already exists");
    let room = REASON_BYTES - before.len() - after.len();
    let id = if id.len() <= room {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(format!("{}…", cut(id, room - '…'.len_utf8())))
    };
    Close::new(4409, format!("{before}{id}{after}"))
}
