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
    seat::Outlet,
    subscribe::{Delivery, Subscription},
};
use crate::chat::read::view::{EventView, SignalView};
use crate::{error::Result, model::SessionId};

/// Deliveries that wait in the queue. With more, a session's reader takes the events from the tail or the log.
const QUEUED: usize = 256;

/// What a session's reader brings, with the number of the reader; `None` at its end.
pub(super) type Part = (SessionId, u64, Option<Result<Delivery>>);

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
pub(super) struct Entry {
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

    /// The reader ends when the session has something for it.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn part(&self, delivery: Delivery) -> Part {
        (self.session_id, self.number, Some(Ok(delivery)))
    }
}

impl Outlet for Entry {
    /// Takes none. What waits in the queue may be deleted meanwhile, and the queue hears of no deletion: the reader does, and gives
    /// the events.
    fn take_events(&self, _: &[Arc<EventView>]) -> usize {
        0
    }

    fn take_signal(&self, signal: &Arc<SignalView>) -> bool {
        !self.is_over() && self.queue.push(std::iter::once(self.part(Delivery::Signal(Arc::clone(signal))))) == 1
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
        let outlet: Arc<dyn Outlet> = entry.clone();
        subscription.deliver_to(outlet);
        Self { entry, subscription: Some(subscription) }
    }
}

impl Stream for Reader {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Part>> {
        if self.entry.is_over() {
            return Poll::Ready(None);
        }
        let Some(subscription) = &mut self.subscription else { return Poll::Ready(None) };
        let part = ready!(subscription.poll_next_unpin(context));
        if part.is_none() {
            self.subscription = None;
        }
        Poll::Ready(Some((self.entry.session_id, self.entry.number, part)))
    }
}
