//! A schema to try the transports with, and a socket without a network.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test takes what it needs")]

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use async_graphql::{Data, EmptySubscription, Object, Schema, Subscription};
use chatcore::{Code, Error};
use chatcore_graphql::{Admitted, Caller, Close, Frame, WireOptions, serve_socket};
use chrono::{DateTime, Utc};
use futures_util::{Sink, SinkExt, Stream, StreamExt, stream};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, PollSender};

/// What happened in the schema.
#[derive(Default)]
pub struct Seen {
    /// Mutations that were executed.
    pub bumps: AtomicUsize,
    /// Sources of subscriptions that are there.
    pub sources: AtomicUsize,
    /// Each [`Admitted`]'s operations.
    pub operations: AtomicUsize,
    /// Lets `slow` go on.
    pub gate: Notify,
}

/// The data of one operation.
pub struct Operation(pub usize);

#[derive(Clone)]
pub struct Query;

fn coded() -> async_graphql::Error {
    let mut extensions = async_graphql::ErrorExtensionValues::default();
    extensions.set("code", "SESSION_FULL");
    async_graphql::Error { extensions: Some(extensions), ..async_graphql::Error::new("full") }
}

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
    async fn nested(&self) -> Self {
        self.clone()
    }
    async fn echo(&self, text: String) -> String {
        text
    }
    async fn number(&self, value: i32) -> i32 {
        value
    }
    /// Null, with an error.
    async fn full(&self) -> Option<async_graphql::Result<i32>> {
        Some(Err(coded()))
    }
    /// No data at all, with an error.
    async fn needed(&self) -> async_graphql::Result<i32> {
        Err(async_graphql::Error::new("nobody gave this a code"))
    }
    async fn boom(&self) -> i32 {
        "boom".parse().unwrap()
    }
    async fn operation(&self, context: &async_graphql::Context<'_>) -> async_graphql::Result<usize> {
        let named = |caller: &Caller| caller.0.user_id.as_str().len();
        Ok(context.data_opt::<Operation>().map(|operation| operation.0).or(context.data_opt().map(named)).unwrap_or(0))
    }
    async fn slow(&self, context: &async_graphql::Context<'_>) -> async_graphql::Result<i32> {
        context.data::<Arc<Seen>>()?.gate.notified().await;
        Ok(1)
    }
    async fn headed(&self, context: &async_graphql::Context<'_>) -> i32 {
        context.append_http_header("x-toy", "yes");
        1
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn bump(&self, context: &async_graphql::Context<'_>) -> async_graphql::Result<usize> {
        Ok(context.data::<Arc<Seen>>()?.bumps.fetch_add(1, Ordering::SeqCst) + 1)
    }
    async fn slow_bump(&self, context: &async_graphql::Context<'_>) -> async_graphql::Result<usize> {
        let seen = context.data::<Arc<Seen>>()?;
        seen.gate.notified().await;
        Ok(seen.bumps.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// A source of events, which counts while it is there.
struct Source(Arc<Seen>);

impl Source {
    fn new(context: &async_graphql::Context<'_>) -> async_graphql::Result<Self> {
        let seen = Arc::clone(context.data::<Arc<Seen>>()?);
        seen.sources.fetch_add(1, Ordering::SeqCst);
        Ok(Self(seen))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.0.sources.fetch_sub(1, Ordering::SeqCst);
    }
}

pub struct Subscriptions;

#[Subscription]
impl Subscriptions {
    async fn count(
        &self,
        context: &async_graphql::Context<'_>,
        to: i32,
    ) -> async_graphql::Result<impl Stream<Item = i32> + use<>> {
        let source = Source::new(context)?;
        Ok(stream::iter(1..=to).inspect(move |_| {
            let _ = &source;
        }))
    }
    /// One, and then nothing for ever.
    async fn quiet(
        &self,
        context: &async_graphql::Context<'_>,
    ) -> async_graphql::Result<impl Stream<Item = i32> + use<>> {
        let source = Source::new(context)?;
        Ok(stream::iter([1]).chain(stream::pending()).inspect(move |_| {
            let _ = &source;
        }))
    }
    /// Always ready.
    async fn flood(
        &self,
        context: &async_graphql::Context<'_>,
    ) -> async_graphql::Result<impl Stream<Item = i32> + use<>> {
        let source = Source::new(context)?;
        Ok(stream::iter(1..).inspect(move |_| {
            let _ = &source;
        }))
    }
    /// Its source cannot be made.
    async fn sourceless(&self) -> async_graphql::Result<impl Stream<Item = i32> + use<>> {
        Err::<stream::Pending<i32>, _>(coded())
    }
    /// Its first event is an error.
    async fn stumbles(&self) -> impl Stream<Item = async_graphql::Result<i32>> + use<> {
        stream::iter([Err(coded()), Ok(2)])
    }
    /// Its first event is an error, and the next comes late.
    async fn stumbles_slowly(&self) -> impl Stream<Item = async_graphql::Result<i32>> + use<> {
        stream::once(async { Err(coded()) }).chain(stream::once(async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            Ok(2)
        }))
    }
    async fn breaks(&self) -> impl Stream<Item = i32> + use<> {
        stream::iter([1, 2]).inspect(|number| assert_ne!(*number, 2, "boom"))
    }
}

pub type Toy = Schema<Query, Mutation, Subscriptions>;

pub fn toy(seen: &Arc<Seen>) -> Toy {
    Schema::build(Query, Mutation, Subscriptions)
        .data(Arc::clone(seen))
        .limit_depth(5)
        .limit_complexity(20)
        .limit_directives(2)
        .finish()
}

#[allow(dead_code, reason = "kept for schemas without subscriptions")]
pub type Silent = Schema<Query, Mutation, EmptySubscription>;

/// Somebody, whose operations are numbered.
pub fn caller(seen: &Arc<Seen>, expires_at: Option<DateTime<Utc>>) -> Admitted {
    let seen = Arc::clone(seen);
    let data = move || {
        let mut data = Data::default();
        data.insert(Operation(seen.operations.fetch_add(1, Ordering::SeqCst) + 1));
        data
    };
    Admitted::new(data).expires_at(expires_at)
}

/// The server's end of a socket.
pub struct Pipe {
    source: ReceiverStream<Result<Frame, Option<Close>>>,
    sink: PollSender<Frame>,
}

impl Stream for Pipe {
    type Item = Result<Frame, Option<Close>>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.source.poll_next_unpin(context)
    }
}

impl Sink<Frame> for Pipe {
    type Error = ();
    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.sink.poll_ready_unpin(context).map_err(drop)
    }
    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), ()> {
        self.sink.start_send_unpin(frame).map_err(drop)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.sink.poll_flush_unpin(context).map_err(drop)
    }
    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.sink.poll_close_unpin(context).map_err(drop)
    }
}

/// What the client got.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    Message(Value),
    Ping,
    Closed(u16, String),
    Gone,
}

/// The client's end of a socket.
pub struct Client {
    pub out: mpsc::Sender<Result<Frame, Option<Close>>>,
    incoming: mpsc::Receiver<Frame>,
    pub seen: Arc<Seen>,
    pub stop: CancellationToken,
    pub server: JoinHandle<Option<Close>>,
}

/// How the toy finds out who it is: `{"refuse": true}`, `{"wait": true}`, `{"expires": <seconds>}`.
async fn authenticate(payload: Option<Map<String, Value>>, seen: Arc<Seen>) -> Result<Admitted, Error> {
    let payload = payload.unwrap_or_default();
    if payload.contains_key("refuse") {
        return Err(Error::TokenInvalid);
    }
    if payload.contains_key("wait") {
        seen.gate.notified().await;
    }
    let expires = payload.get("expires").and_then(Value::as_i64);
    Ok(caller(&seen, expires.map(|seconds| Utc::now() + chrono::Duration::seconds(seconds))))
}

impl Client {
    /// A socket over which `room` frames fit each way before one waits.
    pub fn open(options: WireOptions, room: usize) -> Self {
        let (out, source) = mpsc::channel(room);
        let (sink, incoming) = mpsc::channel(room);
        let (seen, stop) = (Arc::new(Seen::default()), CancellationToken::new());
        let pipe = Pipe { source: ReceiverStream::new(source), sink: PollSender::new(sink) };
        let server = {
            let (seen, stop) = (Arc::clone(&seen), stop.clone());
            tokio::spawn(async move {
                let schema = toy(&seen);
                let admit = |payload| authenticate(payload, Arc::clone(&seen));
                serve_socket(&schema, pipe, admit, &options, stop.cancelled_owned()).await
            })
        };
        Self { out, incoming, seen, stop, server }
    }

    pub fn plain() -> Self {
        Self::open(WireOptions::default(), 64)
    }

    /// One that has said who it is.
    pub async fn admitted(options: WireOptions, room: usize) -> Self {
        let mut client = Self::open(options, room);
        client.send(json!({ "type": "connection_init" })).await;
        assert_eq!(client.message().await, json!({ "type": "connection_ack" }));
        client
    }

    pub async fn frame(&self, frame: Frame) {
        let _ = self.out.send(Ok(frame)).await;
    }

    pub async fn text(&self, text: impl Into<String>) {
        self.frame(Frame::Text(text.into())).await;
    }

    pub async fn send(&self, message: Value) {
        self.text(message.to_string()).await;
    }

    pub async fn subscribe(&self, id: &str, query: &str) {
        self.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
    }

    pub async fn complete(&self, id: &str) {
        self.send(json!({ "id": id, "type": "complete" })).await;
    }

    /// The next frame.
    pub async fn raw(&mut self) -> Got {
        match self.incoming.recv().await {
            Some(Frame::Text(text)) => Got::Message(serde_json::from_str(&text).unwrap()),
            Some(Frame::Ping) => Got::Ping,
            Some(Frame::Close(Some(Close { code, reason }))) => {
                assert!(reason.len() <= 123, "{reason}");
                Got::Closed(code, reason.into_owned())
            }
            Some(other) => panic!("the server sent {other:?}"),
            None => Got::Gone,
        }
    }

    /// The next frame that is no ping; pings are answered.
    pub async fn next(&mut self) -> Got {
        let next = async {
            loop {
                match self.raw().await {
                    Got::Ping => self.frame(Frame::Pong).await,
                    got => return got,
                }
            }
        };
        // In the time of the tests: what has not come by then never will.
        tokio::time::timeout(std::time::Duration::from_secs(300), next).await.expect("nothing comes")
    }

    pub async fn message(&mut self) -> Value {
        match self.next().await {
            Got::Message(message) => message,
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// Everything up to the answer to a ping sent now.
    pub async fn settled(&mut self) -> Vec<Value> {
        let mark = json!({ "type": "pong", "payload": { "mark": true } });
        self.send(json!({ "type": "ping", "payload": { "mark": true } })).await;
        let mut messages = Vec::new();
        loop {
            let message = self.message().await;
            if message == mark {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Why the server closed, without a further message before it.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Got::Closed(code, reason) => {
                assert_eq!(self.next().await, Got::Gone);
                (code, reason)
            }
            other => panic!("{other:?} instead of the end"),
        }
    }
}

pub fn code(code: Code) -> Value {
    json!(code.as_str())
}
