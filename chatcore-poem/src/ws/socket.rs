//! An open socket: one half reads frames and does what they say, the other writes answers and events.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chatcore::{
    Error, Principal, Result,
    chat::{Delivery, Start, Subscription},
    model::SessionId,
};
use chatcore_http::{
    Known, Options, Socket, UnknownPlace, UserPlace, close, close_code,
    tungstenite::{self, Message, Utf8Bytes},
};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at, sleep_until, timeout},
};
use tokio_stream::StreamMap;

use super::{
    frame::{Command, Incoming},
    open::Opening,
};
use crate::{
    frame::{Outgoing, encode, encoded},
    state::State,
};

/// Answers that wait to be written; with more, the socket is not read until it has taken some.
const WAITING: usize = 32;

/// Frames that are written before they are sent on.
const BURST: usize = 64;

/// Why a socket ends; `None` where the other side is gone or has closed.
type End = Option<(u16, &'static str)>;

/// What the reading half wants of the writing half. In one queue, so that an answer stands before the events that it
/// announces.
enum Order {
    Write(Outgoing),
    Subscribe { id: Option<Value>, session_id: SessionId, subscription: Subscription },
    Unsubscribe { id: Option<Value>, session_id: SessionId },
}

/// What the reading half tells the writing half, which sends the pings.
#[derive(Default)]
struct Life {
    /// Something came since the last ping.
    heard: AtomicBool,
    /// A command is being carried out.
    busy: AtomicBool,
}

pub(super) async fn run(stream: Socket, state: Arc<State>, opening: Opening) {
    let known = stream.get_ref().known();
    let (mut sink, mut source) = stream.split();
    let Opening { who, session, mut unknown } = opening;
    let end = tokio::select! {
        () = state.sockets.stopping() => Some((1001, "the server ends")),
        end = talk(&state, &mut sink, &mut source, who, session, (&mut unknown, &known)) => end,
    };
    if let Some(unknown) = &mut unknown {
        unknown.closing();
    }
    if let Some((code, reason)) = end {
        close(sink, source, code, reason).await;
    }
    drop(unknown);
}

async fn talk(
    state: &State,
    sink: &mut SplitSink<Socket, Message>,
    source: &mut SplitStream<Socket>,
    who: Option<(Principal, UserPlace)>,
    session: Option<(SessionId, Start)>,
    (unknown, known): (&mut Option<UnknownPlace>, &Known),
) -> End {
    let (principal, _slot) = match who {
        Some(who) => who,
        None => match authenticate(state, sink, source).await {
            Ok(who) => who,
            Err(end) => return end,
        },
    };
    *unknown = None;
    known.set();
    let (orders, queue) = mpsc::channel(WAITING);
    if let Some((session_id, start)) = session {
        match state.chat.subscribe(&principal, session_id, start).await {
            Ok(subscription) => {
                let order = Order::Subscribe { id: None, session_id, subscription };
                // The queue is empty, and its reader is still here.
                let _ = orders.try_send(order);
            }
            Err(error) => {
                let _ = sink.send(text(Outgoing::error(None, &error).encode())).await;
                return close_for(&error);
            }
        }
    }
    let life = Life::default();
    let writer = Writer { options: state.sockets.options(), principal: &principal, life: &life, sink };
    tokio::select! {
        end = read(state, &principal, source, orders, &life) => end,
        end = writer.write(queue) => end,
    }
}

fn close_for(error: &Error) -> End {
    Some((error.code().close(), error.code().title()))
}

fn text(frame: impl Into<Utf8Bytes>) -> Message {
    Message::Text(frame.into())
}

/// Waits for the first message, which says who it is.
async fn authenticate(
    state: &State,
    sink: &mut SplitSink<Socket, Message>,
    source: &mut SplitStream<Socket>,
) -> Result<(Principal, UserPlace), End> {
    let late = Some((Error::AuthRequired.code().close(), "no token in time"));
    let first = async {
        loop {
            match source.next().await {
                Some(Ok(Message::Text(frame))) => return Ok(Incoming::read(&frame, state.sockets.frame_bytes())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => return Ok(Incoming::refused(Error::AuthRequired)),
                // Polled once more, the library answers it and ends.
                Some(Ok(Message::Close(_))) => {}
                None => return Err(None),
                Some(Err(error)) => return Err(close_code(&error)),
            }
        }
    };
    let Incoming { id, command } =
        timeout(state.sockets.options().authentication_time, first).await.map_err(|_| late)??;
    let admitted = match command {
        Ok(Command::Authenticate { token }) => admit(state, &token).await,
        Ok(Command::Join { .. } | Command::Leave { .. } | Command::Perform(_)) => Err(Error::AuthRequired),
        Err(error) => Err(error),
    };
    let (answer, result) = match admitted {
        Ok((principal, slot)) => {
            let data = json!({ "user_id": principal.user_id });
            (Outgoing::ack(id, None, data), Ok((principal, slot)))
        }
        Err(error) => (Outgoing::error(id, &error), Err(close_for(&error))),
    };
    let written = timeout(state.sockets.options().write_time, sink.send(text(answer.encode()))).await;
    if matches!(written, Ok(Ok(()))) { result } else { Err(None) }
}

async fn admit(state: &State, token: &str) -> Result<(Principal, UserPlace)> {
    let principal = state.authenticator.authenticate(token).await?;
    let slot = state.sockets.take_for(&principal.user_id)?;
    state.chat.me(&principal).await?;
    Ok((principal, slot))
}

/// Reads frames until the socket ends.
async fn read(
    state: &State,
    principal: &Principal,
    source: &mut SplitStream<Socket>,
    orders: mpsc::Sender<Order>,
    Life { heard, busy }: &Life,
) -> End {
    loop {
        let incoming = match source.next().await {
            Some(Ok(Message::Text(frame))) => Incoming::read(&frame, state.sockets.frame_bytes()),
            Some(Ok(Message::Binary(_))) => {
                Incoming::refused(Error::malformed("", "send JSON in text messages, not in binary ones"))
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                heard.store(true, Ordering::Relaxed);
                continue;
            }
            // Polled once more, the library answers it and ends.
            Some(Ok(Message::Close(_))) => continue,
            Some(Err(error)) => return close_code(&error),
            None => return None,
        };
        let Incoming { id, command } = incoming;
        // While a command is carried out nothing is read, and so no pong heard: that is not the other side's fault.
        busy.store(true, Ordering::Relaxed);
        let order = match command {
            Ok(command) => perform(state, principal, id.clone(), command).await,
            Err(error) => Err(error),
        };
        heard.store(true, Ordering::Relaxed);
        busy.store(false, Ordering::Relaxed);
        let order = match order {
            Err(Error::TokenExpired) => return close_for(&Error::TokenExpired),
            Err(error) => Order::Write(Outgoing::error(id, &error)),
            Ok(order) => order,
        };
        if orders.send(order).await.is_err() {
            return None;
        }
    }
}

async fn perform(state: &State, principal: &Principal, id: Option<Value>, command: Command) -> Result<Order> {
    match command {
        Command::Authenticate { .. } => {
            Err(Error::malformed("event", "this socket is authenticated already; open another one"))
        }
        Command::Join { session_id, after } => {
            let subscription = state.chat.subscribe(principal, session_id, Start::or_now(after)).await?;
            Ok(Order::Subscribe { id, session_id, subscription })
        }
        Command::Leave { session_id } => Ok(Order::Unsubscribe { id, session_id }),
        Command::Perform(command) => {
            let answer = command.perform(&state.chat, principal).await?;
            Ok(Order::Write(Outgoing::ack(id, answer.cursor(), answer)))
        }
    }
}

struct Writer<'a> {
    options: &'a Options,
    principal: &'a Principal,
    life: &'a Life,
    sink: &'a mut SplitSink<Socket, Message>,
}

impl Writer<'_> {
    async fn write(self, queue: mpsc::Receiver<Order>) -> End {
        match self.follow_all(queue).await {
            Ok(end) | Err(end) => end,
        }
    }

    /// Writes answers and events until the socket ends.
    async fn follow_all(mut self, mut queue: mpsc::Receiver<Order>) -> Result<End, End> {
        let mut sessions: StreamMap<SessionId, Subscription> = StreamMap::new();
        // An interval is neither empty nor endless.
        let every = self.options.ping_interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        let mut pings = interval_at(Instant::now() + every, every);
        let mut pong_due = None;
        let expiry = self.principal.expires_at.and_then(|end| {
            let left = end - chrono::Utc::now();
            Instant::now().checked_add(left.to_std().unwrap_or(Duration::ZERO))
        });
        loop {
            tokio::select! {
                order = queue.recv() => match order {
                    Some(order) => self.follow(order, &mut sessions).await?,
                    None => return Ok(None),
                },
                Some(first) = sessions.next() => self.deliver(first, &mut sessions).await?,
                // A ping that is still unanswered is not asked again: that would put its end off.
                _ = pings.tick(), if pong_due.is_none() => {
                    self.life.heard.store(false, Ordering::Relaxed);
                    self.send(Message::Ping(tungstenite::Bytes::new())).await?;
                    pong_due = Some(Instant::now() + self.options.pong_time);
                }
                () = at(pong_due) => {
                    let Life { heard, busy } = self.life;
                    pong_due = if heard.load(Ordering::Relaxed) {
                        None
                    } else if busy.load(Ordering::Relaxed) {
                        Some(Instant::now() + self.options.pong_time)
                    } else {
                        return Ok(Some((4408, "no answer to a ping")));
                    };
                }
                () = at(expiry) => return Ok(close_for(&Error::TokenExpired)),
            }
        }
    }

    async fn follow(&mut self, order: Order, sessions: &mut StreamMap<SessionId, Subscription>) -> Result<(), End> {
        match order {
            Order::Write(frame) => self.send(text(frame.encode())).await,
            Order::Subscribe { id, session_id, subscription } => {
                let limit = self.options.sessions_per_socket;
                if sessions.len() >= limit && !sessions.contains_key(&session_id) {
                    let what = "the number of sessions of this socket";
                    let error = Error::LimitExceeded { what, limit: limit as u64 };
                    return self.send(text(Outgoing::error(id, &error).encode())).await;
                }
                let after = subscription.after();
                sessions.insert(session_id, subscription);
                let data = json!({ "session_id": session_id, "seq": after.seq });
                self.send(text(Outgoing::ack(id, Some(after), data).encode())).await
            }
            Order::Unsubscribe { id, session_id } => {
                sessions.remove(&session_id);
                self.send(text(Outgoing::ack(id, None, json!({ "session_id": session_id })).encode())).await
            }
        }
    }

    /// Writes what a session has, and what is ready besides, before sending it on.
    async fn deliver(
        &mut self,
        first: (SessionId, Result<Delivery>),
        sessions: &mut StreamMap<SessionId, Subscription>,
    ) -> Result<(), End> {
        let mut burst = 1;
        let mut next = Some(first);
        while let Some((session_id, delivery)) = next {
            let frame = match delivery {
                Ok(delivery) => frame_of(&delivery),
                Err(Error::TokenExpired) => return Err(close_for(&Error::TokenExpired)),
                // Where a stream ended for another reason, the client joins again after the last event it saw.
                Err(error) => text(Outgoing::ended(session_id, &error).encode()),
            };
            self.in_time(|sink| sink.feed(frame)).await?;
            burst += 1;
            next = if burst > BURST { None } else { sessions.next().now_or_never().flatten() };
        }
        self.in_time(SinkExt::flush).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        self.in_time(|sink| sink.send(message)).await
    }

    /// Writes, for as long as the other side may take to take it.
    async fn in_time<'s, W, F>(&'s mut self, write: W) -> Result<(), End>
    where
        W: FnOnce(&'s mut SplitSink<Socket, Message>) -> F,
        F: Future<Output = Result<(), tungstenite::Error>>,
    {
        match timeout(self.options.write_time, write(self.sink)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some((4408, "what was written was not taken"))),
        }
    }
}

fn frame_of(delivery: &Delivery) -> Message {
    match delivery {
        Delivery::Event(view) => text(encoded(view)),
        Delivery::Signal(view) => text(encode(&**view)),
    }
}

/// Done at a time, or never.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
