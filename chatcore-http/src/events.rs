//! The queue of an event stream (WHATWG HTML, section 9.2), as the body of an answer over HTTP. Any thread may write; the connection reads
//! the queue in its own task.

use std::{
    collections::VecDeque,
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

use crate::{Expiry, Options, sweep::Kept};

/// How much may wait, in bytes, before what follows has to wait elsewhere. One event may be longer.
const ROOM: usize = 64 << 10;

/// A comment, which shows that the stream is there.
const HEARTBEAT: &[u8] = b":\n\n";

/// The queue of an event stream. Clones write to the same queue.
#[derive(Clone)]
pub struct EventQueue(Arc<Mutex<State>>);

struct State {
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// Since when the connection takes nothing of what there may be for it.
    refused_since: Option<Instant>,
    /// When something was written last.
    written: Instant,
    is_heartbeat_due: bool,
    expiry: Option<Expiry>,
    /// The connection took nothing for too long.
    is_over: bool,
    /// The task of the connection.
    task: Option<Waker>,
    source: Option<Weak<dyn Ends>>,
}

/// The source of a body. A connection that takes nothing does not poll the body, so the source can be ended without a poll.
struct Source<S>(Mutex<Option<S>>);

trait Ends: Send + Sync {
    fn end(&self);
}

impl<S> Source<S> {
    fn get(&self) -> MutexGuard<'_, Option<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Send> Ends for Source<S> {
    fn end(&self) {
        let source = self.get().take();
        // The lock is free: what is dropped may be the last to hold something with a lock of its own.
        drop(source);
    }
}

/// The body of an answer: the events of a source and of the queue.
///
/// An event of the queue precedes later events of the source. After [`Options::heartbeat`] without an event the body sends a comment. The
/// body ends with the source, and after [`Options::write_time`] without a read of the connection. In the latter case the source is dropped
/// at once without a poll of the body, so that a client that reads nothing holds no resources of the chat. The server of the host limits
/// the time for which such a client keeps the connection itself; events that the server had read before still reach the client. At its
/// [`Expiry`] the source is polled, and ends by itself.
pub struct EventBody<S> {
    source: Arc<Source<S>>,
    queue: EventQueue,
    /// What the source gave, behind what waits.
    held: Option<Bytes>,
}

impl fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventQueue").field("waiting_bytes", &self.state().waiting_bytes).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for EventBody<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBody").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl EventQueue {
    pub(crate) fn new(expiry: Option<Expiry>) -> Self {
        Self(Arc::new(Mutex::new(State {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            refused_since: None,
            written: Instant::now(),
            is_heartbeat_due: false,
            expiry,
            is_over: false,
            task: None,
            source: None,
        })))
    }

    pub(crate) fn kept(&self) -> Arc<dyn Kept> {
        Arc::<Mutex<State>>::clone(&self.0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0)
    }

    /// Queues events while the queue has room, and returns the number of queued events.
    pub fn try_send(&self, events: impl IntoIterator<Item = Bytes>) -> usize {
        let (taken, task) = {
            let mut state = self.state();
            let mut taken = 0;
            for event in events {
                if state.is_over || state.waiting_bytes >= ROOM {
                    break;
                }
                state.waiting_bytes += event.len();
                state.waiting.push_back(event);
                taken += 1;
            }
            if taken > 0 {
                state.refused_since.get_or_insert_with(Instant::now);
            }
            (taken, if taken > 0 { state.task.take() } else { None })
        };
        if let Some(task) = task {
            task.wake();
        }
        taken
    }

    /// The body with the events of the queue and of the source.
    pub fn body<S: Send + 'static>(&self, source: S) -> EventBody<S> {
        let source = Arc::new(Source(Mutex::new(Some(source))));
        let mut state = self.state();
        let ends: Weak<dyn Ends> = Arc::<Source<S>>::downgrade(&source);
        (state.source, state.refused_since) = (Some(ends), Some(Instant::now()));
        drop(state);
        EventBody { source, queue: self.clone(), held: None }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn pop(&mut self) -> Option<Bytes> {
        let Some(event) = self.waiting.pop_front() else {
            // An idle stream has no buffer.
            self.waiting = VecDeque::new();
            return None;
        };
        self.waiting_bytes = self.waiting_bytes.saturating_sub(event.len());
        Some(self.written(event))
    }

    /// The connection takes this, and comes for more when there is room.
    fn written(&mut self, event: Bytes) -> Bytes {
        let now = Instant::now();
        (self.written, self.refused_since, self.is_heartbeat_due) = (now, Some(now), false);
        event
    }
}

impl Kept for Mutex<State> {
    fn keep(&self, now: Instant, options: &Options) {
        let (task, source) = {
            let mut state = locked(self);
            let mut ended = None;
            let is_slow = state.refused_since.is_some_and(|since| now.duration_since(since) >= options.write_time);
            if is_slow {
                state.is_over = true;
                (state.waiting, state.waiting_bytes, state.refused_since) = (VecDeque::new(), 0, None);
                ended = state.source.take();
            } else if state.expiry.as_ref().is_some_and(Expiry::is_reached) {
                state.expiry = None;
            } else if now.duration_since(state.written) >= options.heartbeat {
                state.is_heartbeat_due = true;
            } else {
                return;
            }
            (state.task.take(), ended)
        };
        // The lock is free: the source may hold a lock of its own while it writes to the queue.
        if let Some(source) = source.and_then(|source| source.upgrade()) {
            source.end();
        }
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<S: Stream<Item = Bytes> + Unpin + Send> Stream for EventBody<S> {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Self { source, queue, held } = &mut *self;
        let is_over = {
            let mut state = queue.state();
            if !state.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
                state.task = Some(context.waker().clone());
            }
            if !state.is_over {
                if let Some(event) = state.pop() {
                    return Poll::Ready(Some(event));
                }
                if let Some(event) = held.take() {
                    return Poll::Ready(Some(state.written(event)));
                }
            }
            state.is_over
        };
        if is_over {
            source.end();
        }
        let came = match &mut *source.get() {
            Some(source) => source.poll_next_unpin(context),
            None => return Poll::Ready(None),
        };
        if let Poll::Ready(None) = came {
            source.end();
        }
        let mut state = queue.state();
        // What was queued before the source gave this stands before it.
        match (state.pop(), came) {
            (Some(event), came) => {
                if let Poll::Ready(came) = came {
                    *held = came;
                }
                Poll::Ready(Some(event))
            }
            (None, Poll::Pending) if mem::take(&mut state.is_heartbeat_due) => {
                Poll::Ready(Some(state.written(Bytes::from_static(HEARTBEAT))))
            }
            (None, came) => {
                state.refused_since = None;
                Poll::Ready(ready!(came).map(|event| state.written(event)))
            }
        }
    }
}
