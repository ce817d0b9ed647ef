//! The writing side of a WebSocket. Any thread may write; frames that the connection does not accept at once wait, in order.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    Connection, Expiry, Known, Options, TextFrame,
    frame::{encode, short},
    sweep::Kept,
};

/// How much may wait, in bytes, before what follows has to wait elsewhere. One frame may be longer.
const ROOM: usize = 64 << 10;

/// How much is written at once where it is in many pieces, in bytes.
const PIECES: usize = 16 << 10;

/// Longer times mean the same as this one.
const LONGEST: Duration = Duration::from_secs(86_400);

fn ping_interval(options: &Options) -> Duration {
    options.ping_interval.clamp(Duration::from_millis(1), LONGEST)
}

/// The close code and the reason of the end of a WebSocket.
pub type End = (u16, &'static str);

/// The writing side of a WebSocket. Clones write to the same WebSocket.
///
/// A frame goes to the connection at once, without a task, if no earlier frame waits. The outbox queues frames that the connection does not
/// accept. The task that reads the socket, or waits for [`ended`](Self::ended) or [`room`](Self::room), writes the queue: all polls of one
/// socket must come from one task.
#[derive(Clone)]
pub struct Outbox(Arc<Mutex<State>>);

struct State {
    io: Connection,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// Since when the connection takes nothing.
    refused_since: Option<Instant>,
    /// The task of the socket.
    task: Option<Waker>,
    /// No frame is taken any more: a close frame is written, or the connection is broken.
    is_closed: bool,
    is_broken: bool,
    end: Option<End>,
    life: Option<Life>,
    /// Something came since the last ping.
    is_heard: bool,
    /// Nothing is read at the moment.
    is_busy: bool,
}

/// When something is due of a socket that is kept.
struct Life {
    ping_due: Instant,
    pong_due: Option<Instant>,
    expiry: Option<(Expiry, End)>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("waiting_bytes", &self.state().waiting_bytes).finish_non_exhaustive()
    }
}

impl Outbox {
    pub(crate) fn new(io: Connection) -> Self {
        Self(Arc::new(Mutex::new(State {
            io,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            refused_since: None,
            task: None,
            is_closed: false,
            is_broken: false,
            end: None,
            life: None,
            is_heard: false,
            is_busy: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0)
    }

    pub(crate) fn kept(&self) -> Arc<dyn Kept> {
        Arc::<Mutex<State>>::clone(&self.0)
    }

    pub(crate) fn known(&self) -> Known {
        self.state().io.known()
    }

    /// Writes frames after the waiting frames, in one write where possible.
    pub fn send(&self, frames: impl IntoIterator<Item = TextFrame>) {
        let mut state = self.state();
        for frame in frames {
            state.push(frame.into_bytes());
        }
        state.write_now();
    }

    /// Writes frames unless earlier frames wait, and returns the number of accepted frames. The outbox queues accepted frames that the
    /// connection does not accept as a whole, in order.
    pub fn try_send(&self, frames: impl IntoIterator<Item = TextFrame>) -> usize {
        let mut state = self.state();
        if !state.waiting.is_empty() {
            return 0;
        }
        let mut taken = 0;
        for frame in frames {
            if state.is_closed || state.end.is_some() || state.waiting_bytes >= ROOM {
                break;
            }
            state.push(frame.into_bytes());
            taken += 1;
        }
        state.write_now();
        taken
    }

    pub(crate) fn push(&self, message: Message) {
        let (head, payload) = encode(message);
        let mut state = self.state();
        state.push(head);
        state.push(payload);
    }

    /// Answers a ping, or a close frame.
    pub(crate) fn answer(&self, message: Message) {
        let is_last = message.is_close();
        let mut state = self.state();
        state.push(short(message));
        state.is_closed |= is_last;
        state.write_now();
    }

    /// Whether the outbox has room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.state().waiting_bytes < ROOM
    }

    /// Waits until the outbox has room, or until the connection is broken.
    pub async fn room(&self) {
        let _ = poll_fn(|context| self.poll_room(context)).await;
    }

    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.remember(context);
        match state.flush(context) {
            Poll::Pending if state.waiting_bytes < ROOM => Poll::Ready(Ok(())),
            flushed => flushed,
        }
    }

    pub(crate) fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.remember(context);
        state.flush(context)
    }

    pub(crate) fn poll_read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.remember(context);
        Pin::new(&mut state.io).poll_read(context, buffer)
    }

    pub(crate) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.remember(context);
        Pin::new(&mut state.io).poll_shutdown(context)
    }

    /// Writes waiting frames until the socket must end, and returns the reason; `None` where the connection is broken.
    pub async fn ended(&self) -> Option<End> {
        poll_fn(|context| {
            let mut state = self.state();
            state.remember(context);
            if let Some(end) = state.end {
                return Poll::Ready(Some(end));
            }
            match state.flush(context) {
                Poll::Ready(Err(_)) => Poll::Ready(None),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Sets whether the server pauses reads, for example during a command. During a pause, a missing pong does not end the socket.
    pub fn set_busy(&self, is_busy: bool) {
        let mut state = self.state();
        (state.is_busy, state.is_heard) = (is_busy, true);
    }

    pub(crate) fn heard(&self) {
        self.state().is_heard = true;
    }

    /// Begins to keep the socket: see [`Sockets::keep`](crate::Sockets::keep).
    pub(crate) fn live(&self, options: &Options, expiry: Option<(Expiry, End)>) {
        let ping_due = Instant::now() + ping_interval(options);
        self.state().life = Some(Life { ping_due, pong_due: None, expiry });
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept for Mutex<State> {
    fn keep(&self, now: Instant, options: &Options) {
        let task = {
            let mut state = locked(self);
            let Some(end) = state.due(now, options) else { return };
            state.end.get_or_insert(end);
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl State {
    fn remember(&mut self, context: &Context<'_>) {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            self.task = Some(context.waker().clone());
        }
    }

    fn push(&mut self, bytes: Bytes) {
        if !self.is_closed && !bytes.is_empty() {
            self.waiting_bytes += bytes.len();
            self.waiting.push_back(bytes);
        }
    }

    /// Writes what can be written at once. What cannot is written by the socket's task, which is woken when it can.
    fn write_now(&mut self) {
        let task = self.task.take();
        let waker = task.as_ref().unwrap_or(Waker::noop());
        let _ = self.flush(&mut Context::from_waker(waker));
        if self.is_broken
            && let Some(task) = &task
        {
            task.wake_by_ref();
        }
        self.task = task;
    }

    /// Writes what waits.
    fn flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.write_all(context);
        match &written {
            Poll::Ready(Err(_)) => {
                (self.is_closed, self.is_broken) = (true, true);
                (self.waiting, self.waiting_bytes, self.refused_since) = (VecDeque::new(), 0, None);
            }
            Poll::Ready(Ok(())) => self.refused_since = None,
            Poll::Pending => {
                self.refused_since.get_or_insert_with(Instant::now);
            }
        }
        written
    }

    fn write_all(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        while let Some(first) = self.waiting.front() {
            let io = Pin::new(&mut self.io);
            let written = if self.waiting.len() == 1 || first.len() >= PIECES {
                ready!(io.poll_write(context, first))?
            } else {
                let mut together = Vec::with_capacity(self.waiting_bytes.min(PIECES));
                for piece in &self.waiting {
                    let room = PIECES - together.len();
                    together.extend_from_slice(piece.get(..room).unwrap_or(piece));
                    if together.len() >= PIECES {
                        break;
                    }
                }
                ready!(io.poll_write(context, &together))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refused_since = None;
            self.advance(written);
        }
        if self.waiting.capacity() > 0 {
            // An idle socket has no buffer.
            self.waiting = VecDeque::new();
        }
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn advance(&mut self, mut written: usize) {
        self.waiting_bytes = self.waiting_bytes.saturating_sub(written);
        while let Some(first) = self.waiting.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.waiting.pop_front();
        }
    }

    /// Pings where a ping is due; says why the socket is to end, where it is.
    fn due(&mut self, now: Instant, options: &Options) -> Option<End> {
        if self.is_broken {
            return None;
        }
        if self.refused_since.is_some_and(|since| now.duration_since(since) >= options.write_time) {
            return Some((4408, "what was written was not taken"));
        }
        let pong_time = options.pong_time.min(LONGEST);
        let Life { ping_due, pong_due, expiry } = self.life.as_mut()?;
        if let Some((_, end)) = expiry.as_ref().filter(|(expiry, _)| expiry.is_reached()) {
            return Some(*end);
        }
        // A close frame ends the pings. A client that does not take it is ended as any other.
        if self.is_closed {
            return None;
        }
        match *pong_due {
            Some(due) if due <= now => {
                if !mem::take(&mut self.is_heard) {
                    // While much waits, nothing is read, and so no pong heard.
                    if !self.is_busy && self.waiting_bytes < ROOM {
                        return Some((4408, "no answer to a ping"));
                    }
                    *pong_due = Some(now + pong_time);
                } else {
                    *pong_due = None;
                }
            }
            // A ping that is still unanswered is not asked again: that would put its end off.
            Some(_) => {}
            None if *ping_due <= now => {
                (*ping_due, *pong_due) = (now + ping_interval(options), Some(now + pong_time));
                self.is_heard = false;
                self.push(short(Message::Ping(Bytes::new())));
                self.write_now();
            }
            None => {}
        }
        None
    }
}
