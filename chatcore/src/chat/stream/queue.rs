//! The queue of a stream of all sessions: what comes to a session's reader that is in step goes here, and wakes the one task of the
//! stream.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use futures_util::{Stream, StreamExt as _};

use super::{
    seat::Reached,
    subscribe::{Delivery, Subscription},
};
use crate::chat::read::view::{EventView, SignalView};
use crate::{error::Error, model::SessionId};

/// Deliveries that wait in the queue. With more, a session's reader takes the events from the tail or the log.
const QUEUED: usize = 256;

/// What a session's reader brings.
pub(super) struct Part {
    pub(super) session_id: SessionId,
    /// The number of the reader.
    pub(super) number: u64,
    pub(super) came: Came,
}

pub(super) enum Came {
    Event {
        view: Arc<EventView>,
        /// The deletions that the tail was told of before the view was made.
        since: u64,
        /// How far the reader came with it.
        reached: Reached,
    },
    Signal(Arc<SignalView>),
    Failed(Error),
    /// Nothing more.
    End,
}

impl Part {
    pub(super) fn is_of(&self, session_id: SessionId, number: u64) -> bool {
        self.session_id == session_id && self.number == number
    }
}

#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    parts: VecDeque<Part>,
    /// The task of the stream, where it waits.
    task: Option<Waker>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all that is queued.
    pub(super) fn take(&self) -> VecDeque<Part> {
        std::mem::take(&mut self.state().parts)
    }

    /// Drops what a reader brought.
    pub(super) fn drop_parts(&self, session_id: SessionId, number: u64) {
        self.state().parts.retain(|part| !part.is_of(session_id, number));
    }

    /// Waits until something is queued.
    pub(super) async fn filled(&self) {
        poll_fn(|context| {
            let mut state = self.state();
            if !state.parts.is_empty() {
                return Poll::Ready(());
            }
            state.task = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Queues as many as there is room for.
    fn push(&self, parts: impl Iterator<Item = Part>) -> usize {
        let (taken, task) = {
            let mut state = self.state();
            let before = state.parts.len();
            state.parts.extend(parts.take(QUEUED.saturating_sub(before)));
            let taken = state.parts.len() - before;
            (taken, if taken > 0 { state.task.take() } else { None })
        };
        if let Some(task) = task {
            task.wake();
        }
        taken
    }
}

/// The way of one session into the queue.
pub(in crate::chat) struct Entry {
    session_id: SessionId,
    number: u64,
    queue: Arc<Queue>,
    /// The session has given its place to another one.
    is_over: AtomicBool,
}

impl Entry {
    pub(super) fn new(session_id: SessionId, number: u64, queue: &Arc<Queue>) -> Self {
        Self { session_id, number, queue: Arc::clone(queue), is_over: AtomicBool::new(false) }
    }

    /// The reader ends when it is polled next.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn part(&self, came: Came) -> Part {
        Part { session_id: self.session_id, number: self.number, came }
    }

    /// Queues the first of these events, as many as there is room for, and says how many.
    pub(super) fn take_events(&self, events: impl Iterator<Item = (Arc<EventView>, u64, Reached)>) -> usize {
        if self.is_over() {
            return 0;
        }
        self.queue.push(events.map(|(view, since, reached)| self.part(Came::Event { view, since, reached })))
    }

    /// Queues a signal, and says whether there was room.
    pub(super) fn take_signal(&self, signal: &Arc<SignalView>) -> bool {
        !self.is_over() && self.queue.push(std::iter::once(self.part(Came::Signal(Arc::clone(signal))))) == 1
    }
}

/// The reader of one session.
pub(super) struct Reader {
    entry: Arc<Entry>,
    /// `None` after its end.
    subscription: Option<Subscription>,
}

impl Reader {
    pub(super) fn new(entry: Arc<Entry>, mut subscription: Subscription) -> Self {
        // The stream has one timer for all of them.
        subscription.expires_elsewhere();
        subscription.wait_in(Arc::clone(&entry));
        Self { entry, subscription: Some(subscription) }
    }
}

impl Stream for Reader {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Part>> {
        let Self { entry, subscription: place } = &mut *self;
        let Some(subscription) = place.as_mut().filter(|_| !entry.is_over()) else { return Poll::Ready(None) };
        let came = match ready!(subscription.poll_next_unpin(context)) {
            Some(Ok(Delivery::Event(view))) => {
                let (since, reached) = subscription.given();
                Came::Event { view, since, reached }
            }
            Some(Ok(Delivery::Signal(signal))) => Came::Signal(signal),
            Some(Err(error)) => Came::Failed(error),
            None => {
                *place = None;
                Came::End
            }
        };
        Poll::Ready(Some(entry.part(came)))
    }
}
