//! The two directions of a socket, in one task: what is written waits here, so that a slow reader does not keep messages from being
//! read.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::time::{Instant, timeout};

use super::{
    WireOptions,
    clock::{at, in_time},
    message::Incoming,
    socket::{Close, End, Frame, LAST_WORD},
};

/// Answers that wait to be written; with more, the socket is not read until some are. What operations tell does not count:
/// it keeps no other operation from being ended, and no close frame from being read.
const ANSWERS: usize = 16;

/// What happened on a socket.
pub(super) enum Io {
    /// Everything is written, or some of it is.
    Written,
    /// A message came; `None` for a frame that is none.
    Message(Option<Incoming>),
    /// The other side closes; see [`Line::answer_close`].
    Closed,
}

struct Waiting {
    frame: Frame,
    /// Answers a message, so that the other side decides how many there are.
    is_answer: bool,
}

pub(super) struct Line<S> {
    socket: S,
    /// The largest message, in bytes.
    most: usize,
    waiting: VecDeque<Waiting>,
    /// Answers among those that wait.
    answers: usize,
    is_flushed: bool,
    /// How long the other side may take nothing; `None` where something else ends a socket that takes nothing.
    write_time: Option<Duration>,
    write_due: Option<Instant>,
}

impl<S> Line<S>
where
    S: Stream<Item = Result<Frame, Option<Close>>> + Sink<Frame> + Unpin,
{
    pub(super) fn new(socket: S, options: &WireOptions) -> Self {
        Self {
            socket,
            most: options.message_bytes,
            waiting: VecDeque::new(),
            answers: 0,
            is_flushed: true,
            write_time: Some(options.write_time),
            write_due: None,
        }
    }

    /// From now on something else ends a socket that takes nothing.
    pub(super) fn trust(&mut self) {
        (self.write_time, self.write_due) = (None, None);
    }

    /// Writes a message behind those that wait.
    pub(super) fn send(&mut self, text: String) {
        self.push(Frame::Text(text), false);
    }

    /// Writes the answer to a message behind those that wait.
    pub(super) fn answer(&mut self, text: String) {
        self.push(Frame::Text(text), true);
    }

    pub(super) fn ping(&mut self) {
        self.push(Frame::Ping, false);
    }

    fn push(&mut self, frame: Frame, is_answer: bool) {
        self.waiting.push_back(Waiting { frame, is_answer });
        self.answers += usize::from(is_answer);
        self.is_flushed = false;
        self.write_due = self.write_due.or_else(|| self.write_time.and_then(in_time));
    }

    /// Whether everything is written.
    pub(super) fn is_idle(&self) -> bool {
        self.is_flushed
    }

    /// Whether there is room for an answer.
    pub(super) fn has_room(&self) -> bool {
        self.answers < ANSWERS
    }

    /// Lets the library answer the close frame of the other side, for which it is polled once more.
    ///
    /// This takes time, so it does not belong into [`next`](Self::next): a caller that drops `next` for another event
    /// would lose the close frame.
    pub(super) async fn answer_close(&mut self) -> End {
        let _ = timeout(LAST_WORD, self.socket.next()).await;
        None
    }

    /// Writes as much of what waits as the socket takes at once.
    pub(super) async fn write_now(&mut self) {
        poll_fn(|context| {
            let _ = self.poll_write(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Writes what waits, and reads a message where it may. Nothing is lost where this is dropped.
    pub(super) async fn next(&mut self, reads: bool) -> Result<Io, End> {
        let due = self.write_due;
        let came = tokio::select! {
            biased;
            came = poll_fn(|context| self.poll(context, reads)) => came?,
            () = at(due) => {
                // What was taken meanwhile has put the end off.
                let is_over = self.write_due.is_some_and(|due| due <= Instant::now());
                let slow = || Some(Close::new(4408, "what was written was not taken"));
                return if is_over { Err(slow()) } else { Ok(Io::Written) };
            }
        };
        let bad = |reason: String| Some(Close::new(4400, reason));
        match came {
            None => Ok(Io::Written),
            Some(Some(Ok(Frame::Text(text)))) if text.len() > self.most => {
                let answered = Incoming::too_large(&text).map(|message| Io::Message(Some(message)));
                answered.ok_or_else(|| Some(Close::new(1009, "message too large")))
            }
            Some(Some(Ok(Frame::Text(text)))) => {
                Incoming::read(&text).map(|message| Io::Message(Some(message))).map_err(bad)
            }
            Some(Some(Ok(Frame::Binary))) => Err(bad("send JSON in text messages, not in binary ones".to_owned())),
            Some(Some(Ok(Frame::Ping | Frame::Pong))) => Ok(Io::Message(None)),
            Some(Some(Ok(Frame::Close(_)))) => Ok(Io::Closed),
            Some(None) => Err(None),
            Some(Some(Err(end))) => Err(end),
        }
    }

    /// What came; the inner `None` at the end of the other side, the outer one where everything is written.
    #[allow(clippy::type_complexity, reason = "what a socket gives")]
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        reads: bool,
    ) -> Poll<Result<Option<Option<Result<Frame, End>>>, End>> {
        if !self.is_flushed && self.poll_write(context)?.is_ready() {
            return Poll::Ready(Ok(None));
        }
        if reads {
            return self.socket.poll_next_unpin(context).map(|came| Ok(Some(came)));
        }
        Poll::Pending
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        while !self.waiting.is_empty() {
            ready!(self.socket.poll_ready_unpin(context)).map_err(gone)?;
            if let Some(Waiting { frame, is_answer }) = self.waiting.pop_front() {
                self.answers -= usize::from(is_answer);
                self.socket.start_send_unpin(frame).map_err(gone)?;
            }
            self.write_due = self.write_time.and_then(in_time);
        }
        // An idle socket has no buffer.
        self.waiting = VecDeque::new();
        ready!(self.socket.poll_flush_unpin(context)).map_err(gone)?;
        (self.is_flushed, self.write_due) = (true, None);
        Poll::Ready(Ok(()))
    }
}

/// The end of a socket to which nothing can be written.
fn gone<T>(_: T) -> End {
    None
}
