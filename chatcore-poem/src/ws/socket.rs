//! An open socket: one task reads frames and does what they say; answers and events go out through the socket's outbox.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chatcore::{
    Error, Origin, Principal, Result,
    chat::{Delivery, Encoding, EventView, Outlet, SignalView, Start, Subscription},
    model::SessionId,
    trace::{ConnectionSpans, RequestSpan},
    wire::NoticeFrame,
};
use chatcore_http::{
    End, Expiry, Outbox, Refusals, Socket, TextFrame, UserPlace, close_code,
    tungstenite::{self, Message},
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, OptionFuture},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{task::coop::consume_budget, time::timeout};
use tokio_stream::StreamMap;

use super::{
    frame::{Command, Incoming},
    open::{Joining, Opening},
};
use crate::{
    frame::{Outgoing, encode},
    state::State,
};

/// Frames that are collected before they are written, and their bytes.
const BURST: usize = 64;
const BURST_BYTES: usize = 64 << 10;

/// Serves a socket until it ends. Each socket keeps this future, so the future borrows its parts, and boxes all steps that run once.
#[expect(clippy::manual_async_fn, reason = "an async function keeps a parameter that it changes twice")]
pub(super) fn run(mut socket: Socket, state: Arc<State>, mut opening: Box<Opening>) -> impl Future<Output = ()> + Send {
    async move {
        let end = tokio::select! {
            () = state.sockets.stopping() => Some((1001, "the server ends")),
            end = talk(&state, &mut socket, &mut opening) => end,
        };
        // The place of the user is free while the socket closes.
        opening.who = None;
        if let Some(unknown) = &mut opening.unknown {
            unknown.closing();
        }
        if let Some((code, reason)) = end {
            Box::pin(socket.close(code, reason)).await;
        }
        drop(opening);
    }
}

/// Talks until the socket ends; says why. `None` where the other side is gone or has closed.
async fn talk(state: &State, socket: &mut Socket, opening: &mut Opening) -> Option<End> {
    let Opening { who, origin, session, unknown, spans } = opening;
    let (principal, _) = match who {
        Some(who) => who,
        None => match Box::pin(authenticate(state, socket, *origin, spans)).await {
            Ok(known) => who.insert(known),
            Err(end) => return end,
        },
    };
    *unknown = None;
    socket.known().set();
    let outbox = socket.outbox();
    let expiry = principal.expires_at.map(|end| Expiry::new(end, state.chat.clock()));
    state.sockets.keep(&outbox, expiry.map(|expiry| (expiry, close_for(&Error::TokenExpired))));
    let _device = state.chat.device(principal);
    let outlet = Arc::new(Direct { outbox: outbox.clone(), is_held: AtomicBool::new(false) });
    let mut talk =
        Talk { state, principal, outbox, outlet, sessions: StreamMap::new(), spans, refusals: Refusals::default() };
    if let Some(Joining { session_id, start, shows_presence }) = session.take() {
        match Box::pin(subscribe(state, principal, session_id, start, shows_presence)).await {
            Ok(subscription) => talk.follow(None, session_id, subscription),
            Err(error) => {
                talk.answer(&Outgoing::error(None, &error));
                return Some(close_for(&error));
            }
        }
    }
    talk.run(socket).await
}

fn close_for(error: &Error) -> End {
    (error.code().close(), error.code().title())
}

/// Counts a frame by its event, and by the status that its answer would have over HTTP.
#[cfg(feature = "metrics")]
fn count<T>(state: &State, event: Option<&'static str>, done: &Result<T>) {
    state.frames.count(event, done.as_ref().map_or_else(|error| error.code().status(), |_| 200));
}

fn frame<D: Serialize>(frame: &Outgoing<D>) -> TextFrame {
    TextFrame::new(&encode(frame))
}

async fn subscribe(
    state: &State,
    principal: &Principal,
    session_id: SessionId,
    start: Start,
    shows_presence: bool,
) -> Result<Box<Subscription>> {
    let mut subscription = state.chat.subscribe(principal, session_id, start).await?;
    if shows_presence {
        subscription.show_presence().await;
    }
    Ok(Box::new(subscription))
}

/// Waits for the first message, which says who it is.
async fn authenticate(
    state: &State,
    socket: &mut Socket,
    origin: Origin,
    spans: &ConnectionSpans,
) -> Result<(Principal, UserPlace), Option<End>> {
    let late = Some((Error::AuthRequired.code().close(), "no token in time"));
    let first = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(frame))) => return Ok(Incoming::read(&frame, state.sockets.frame_bytes())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => return Ok(Incoming::refused(Error::AuthRequired)),
                // Polled once more, the socket has answered it and ends.
                Some(Ok(Message::Close(_))) => {}
                None => return Err(None),
                Some(Err(error)) => return Err(close_code(&error)),
            }
            consume_budget().await;
        }
    };
    let incoming = timeout(state.sockets.options().authentication_time, first).await.map_err(|_| late)??;
    #[cfg(feature = "metrics")]
    let event = incoming.event;
    let Incoming { id, command, .. } = incoming;
    let span = begin(spans, None, &command);
    let admitted = span.within(async {
        match command? {
            Command::Authenticate { token } => admit(state, &token, origin).await,
            Command::Join { .. } | Command::Leave { .. } | Command::Perform(_) => Err(Error::AuthRequired),
        }
    });
    let admitted = admitted.await;
    if let Ok((principal, _)) = &admitted {
        span.caller(principal);
    }
    end(&span, &admitted);
    #[cfg(feature = "metrics")]
    count(state, event, &admitted);
    match admitted {
        Ok((principal, slot)) => {
            let data = json!({ "user_id": principal.user_id });
            socket.outbox().send([frame(&Outgoing::ack(id, None, data))]);
            Ok((principal, slot))
        }
        Err(error) => {
            socket.outbox().send([frame(&Outgoing::error(id, &error))]);
            Err(Some(close_for(&error)))
        }
    }
}

async fn admit(state: &State, token: &str, origin: Origin) -> Result<(Principal, UserPlace)> {
    let caller = state.authenticator.authenticate(token).await.map(Some);
    let principal = state.chat.admit(origin, caller).await?;
    let slot = state.sockets.take_for(&principal.user_id)?;
    state.chat.me(&principal).await?;
    Ok((principal, slot))
}

/// The encoding of events as frames of a WebSocket.
struct EventFrame;

impl Encoding for EventFrame {
    type Output = TextFrame;

    fn encode(view: &EventView) -> TextFrame {
        TextFrame::new(&encode(view))
    }
}

/// Writes the events of a session to a socket that is in step, without its task.
struct Direct {
    outbox: Outbox,
    /// Whether the socket's task has frames that it has not written yet: what is written now would stand before them.
    is_held: AtomicBool,
}

impl Outlet for Direct {
    fn take_events(&self, events: &[Arc<EventView>]) -> usize {
        if self.is_held.load(Ordering::SeqCst) {
            return 0;
        }
        self.outbox.try_send(events.iter().map(|view| view.encoded::<EventFrame>()))
    }

    fn take_signal(&self, signal: &Arc<SignalView>) -> bool {
        !self.is_held.load(Ordering::SeqCst)
            && self.outbox.try_send([signal].map(|signal| TextFrame::new(&encode(&**signal)))) == 1
    }
}

/// Begins the span of a frame.
fn begin(spans: &ConnectionSpans, principal: Option<&Principal>, command: &Result<Command>) -> RequestSpan {
    let span = spans.begin("websocket", principal);
    if let Ok(command) = command {
        span.operation(command.name());
    }
    span
}

/// Ends the span of a frame.
fn end<T>(span: &RequestSpan, outcome: &Result<T>) {
    if let Err(error) = outcome {
        span.failed(error.name());
    }
    span.end_part();
}

/// What a command has done.
enum Done {
    Answered(TextFrame),
    Subscribed(SessionId, Box<Subscription>),
    Left(SessionId),
}

struct Talk<'a> {
    state: &'a State,
    principal: &'a Principal,
    outbox: Outbox,
    outlet: Arc<Direct>,
    sessions: StreamMap<SessionId, Box<Subscription>>,
    spans: &'a ConnectionSpans,
    refusals: Refusals,
}

impl<'a> Talk<'a> {
    /// Reads frames and does what they say, one after the other, and writes what the sessions have meanwhile.
    async fn run(&mut self, socket: &mut Socket) -> Option<End> {
        let mut running: OptionFuture<BoxFuture<'a, (Option<Value>, Result<Done>)>> = None.into();
        let mut is_running = false;
        let outbox = self.outbox.clone();
        let mut login_ended = self.state.chat.login_ended(self.principal).boxed();
        let mut notices = Box::pin(self.state.notices()).await;
        let shows_notices = notices.is_some();
        let mut own_signals = Box::pin(self.state.chat.own_signals(self.principal)).await;
        loop {
            // What is always ready would else keep other tasks from their turn.
            consume_budget().await;
            let has_room = outbox.has_room();
            tokio::select! {
                end = outbox.ended() => return end,
                error = &mut login_ended => return Some(close_for(&error)),
                Some((id, done)) = &mut running, if is_running => {
                    (running, is_running) = (None.into(), false);
                    outbox.set_busy(false);
                    if let Err(end) = self.finish(id, done) {
                        return Some(end);
                    }
                }
                message = socket.next(), if !is_running => match self.command(message) {
                    Ok(Some(incoming)) => {
                        #[cfg(feature = "metrics")]
                        let event = incoming.event;
                        let Incoming { id, command, .. } = incoming;
                        let (state, principal) = (self.state, self.principal);
                        // While a command is carried out nothing is read, and so no pong heard: that is not the other side's fault.
                        outbox.set_busy(true);
                        let span = begin(self.spans, Some(principal), &command);
                        let perform = async move {
                            let done = span.within(async {
                                let paid = state.chat.begin_frame(principal).await?;
                                paid.run(async { perform(state, principal, id.clone(), command?).await }).await
                            });
                            let done = done.await;
                            end(&span, &done);
                            #[cfg(feature = "metrics")]
                            count(state, event, &done);
                            (id, done)
                        };
                        (running, is_running) = (Some(perform.boxed()).into(), true);
                    }
                    Ok(None) => {}
                    Err(end) => return end,
                },
                Some(first) = self.sessions.next(), if has_room => {
                    if let Err(end) = self.deliver(first) {
                        return Some(end);
                    }
                }
                Some(Some(notice)) = OptionFuture::from(notices.as_mut().map(StreamExt::next)), if shows_notices && has_room => {
                    self.outbox.send([TextFrame::new(&encode(&NoticeFrame::from(&*notice)))]);
                }
                Some(signal) = own_signals.next(), if has_room => {
                    self.outbox.send([TextFrame::new(&encode(&*signal))]);
                }
                () = outbox.room(), if !has_room => {}
            }
        }
    }

    /// The command in what came, if there is one.
    fn command(&self, message: Option<Result<Message, tungstenite::Error>>) -> Result<Option<Incoming>, Option<End>> {
        match message {
            Some(Ok(Message::Text(frame))) => Ok(Some(Incoming::read(&frame, self.state.sockets.frame_bytes()))),
            Some(Ok(Message::Binary(_))) => {
                let error = Error::malformed("", "send JSON in text messages, not in binary ones");
                Ok(Some(Incoming::refused(error)))
            }
            // After a close frame, the socket ends when it is polled once more.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_))) => Ok(None),
            Some(Err(error)) => Err(close_code(&error)),
            None => Err(None),
        }
    }

    fn finish(&mut self, id: Option<Value>, done: Result<Done>) -> Result<(), End> {
        let is_too_fast = self.refusals.note(&done);
        match done {
            Err(error) if is_too_fast => {
                self.answer(&Outgoing::error(id, &error));
                return Err(close_for(&error));
            }
            Ok(Done::Answered(frame)) => self.outbox.send([frame]),
            Ok(Done::Subscribed(session_id, subscription)) => self.follow(id, session_id, subscription),
            Ok(Done::Left(session_id)) => {
                self.sessions.remove(&session_id);
                self.answer(&Outgoing::ack(id, None, json!({ "session_id": session_id })));
            }
            Err(error) if error.ends_login() => return Err(close_for(&error)),
            Err(error) => self.answer(&Outgoing::error(id, &error)),
        }
        Ok(())
    }

    fn answer<D: Serialize>(&self, answer: &Outgoing<D>) {
        self.outbox.send([frame(answer)]);
    }

    /// Follows a session; the answer stands before its events.
    fn follow(&mut self, id: Option<Value>, session_id: SessionId, mut subscription: Box<Subscription>) {
        let limit = self.state.sockets.options().sessions_per_socket;
        if self.sessions.len() >= limit && !self.sessions.contains_key(&session_id) {
            let what = "the number of sessions of this socket";
            let error = Error::LimitExceeded { what, limit: limit as u64 };
            return self.answer(&Outgoing::error(id, &error));
        }
        let after = subscription.after();
        let outlet: Arc<dyn Outlet> = self.outlet.clone();
        // The sweep ends the socket at the end of the token.
        subscription.expires_elsewhere();
        subscription.deliver_to(outlet);
        self.sessions.insert(session_id, subscription);
        let data = json!({ "session_id": session_id, "seq": after.seq });
        self.answer(&Outgoing::ack(id, Some(after), data));
    }

    /// Writes what a session has, and what is ready besides, in one go.
    fn deliver(&mut self, first: (SessionId, Result<Delivery>)) -> Result<(), End> {
        // A session that has nothing more waits, and may be offered its next event before these frames are written.
        self.outlet.is_held.store(true, Ordering::SeqCst);
        let (mut frames, mut bytes) = (Vec::new(), 0);
        let mut next = Some(first);
        let mut end = Ok(());
        while let Some((session_id, delivery)) = next {
            frames.push(match delivery {
                Ok(Delivery::Event(view)) => view.encoded::<EventFrame>(),
                Ok(Delivery::Signal(view)) => TextFrame::new(&encode(&*view)),
                Err(error) if error.ends_login() => {
                    end = Err(close_for(&error));
                    break;
                }
                // Where a stream ended for another reason, the client joins again after the last event it saw.
                Err(error) => frame(&Outgoing::ended(session_id, &error)),
            });
            bytes += frames.last().map_or(0, TextFrame::size);
            let is_full = frames.len() >= BURST || bytes >= BURST_BYTES;
            next = if is_full { None } else { self.sessions.next().now_or_never().flatten() };
        }
        self.outbox.send(frames);
        self.outlet.is_held.store(false, Ordering::SeqCst);
        end
    }
}

async fn perform(state: &State, principal: &Principal, id: Option<Value>, command: Command) -> Result<Done> {
    match command {
        Command::Authenticate { .. } => {
            Err(Error::malformed("event", "this socket is authenticated already; open another one"))
        }
        Command::Join { session_id, after, shows_presence } => {
            let subscription = subscribe(state, principal, session_id, Start::or_now(after), shows_presence).await?;
            Ok(Done::Subscribed(session_id, subscription))
        }
        Command::Leave { session_id } => Ok(Done::Left(session_id)),
        Command::Perform(command) => {
            let answer = command.perform(&state.chat, principal).await?;
            Ok(Done::Answered(frame(&Outgoing::ack(id, answer.cursor(), answer))))
        }
    }
}
