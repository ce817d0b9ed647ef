//! The one way out: a stream of a session's events that replays and goes on live.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Chat,
    read::{oldest, resync},
    ring::Look,
    seat::{Outlet, Rights, Seat, Waiting},
    tail::Seated,
    view::{EventView, SignalView},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{Cursor, Seq, SessionId},
    permission::Action,
    store::Freshness,
};

/// Where a stream or a page of events begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// With the next event that is committed.
    Now,
    /// With the first event that the log keeps.
    Beginning,
    /// With the event after this position.
    After(Cursor),
}

impl Start {
    /// After a cursor, or now where there is none.
    #[must_use]
    pub fn or_now(after: Option<Cursor>) -> Self {
        after.map_or(Self::Now, Self::After)
    }

    /// After a cursor, or with the first event where there is none.
    #[must_use]
    pub fn or_beginning(after: Option<Cursor>) -> Self {
        after.map_or(Self::Beginning, Self::After)
    }
}

impl From<Cursor> for Start {
    fn from(after: Cursor) -> Self {
        Self::After(after)
    }
}

/// A position alone: that its event is still the one that the reader knows is not checked.
impl From<Seq> for Start {
    fn from(after: Seq) -> Self {
        Self::After(after.into())
    }
}

/// A position alone, or now.
impl From<Option<Seq>> for Start {
    fn from(after: Option<Seq>) -> Self {
        Self::or_now(after.map(Cursor::from))
    }
}

/// What a stream brings.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The next event of the log.
    Event(Arc<EventView>),
    /// A signal, not in the log.
    Signal(Arc<SignalView>),
}

/// A session's events after a position, in order, without gap or duplicate, and signals as they come.
///
/// It ends after the event that takes the reader's right to read away, or with the one error that ended it:
/// [`TokenExpired`](Error::TokenExpired); [`Unavailable`](Error::Unavailable) when the store is away; or
/// [`Resync`](Error::Resync) when the log no longer continues after the last event, because it was trimmed, or because the
/// database was replaced by an older copy. The reader continues with a new subscription after the last event. A slow reader costs
/// no memory: it is served from the log.
pub struct Subscription {
    after: Cursor,
    reader: Reader,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Subscription {
    /// The position after which the stream begins.
    #[must_use]
    pub const fn after(&self) -> Cursor {
        self.after
    }

    /// Gives what comes to `outlet` where it can take it at once, and not to this stream. The stream still must be polled: it
    /// gives all that the outlet does not take, and the end. Once it was polled and had nothing, what comes next goes to the
    /// outlet, until the outlet does not take something, or an event ends the stream.
    pub fn deliver_to(&mut self, outlet: Arc<dyn Outlet>) {
        self.reader.place.seat.deliver_to(outlet);
    }

    /// The next event; signals are left out.
    pub async fn next_event(&mut self) -> Option<Result<Arc<EventView>>> {
        loop {
            match self.next().await? {
                Ok(Delivery::Event(event)) => return Some(Ok(event)),
                Ok(Delivery::Signal(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.reader.poll(context)
    }
}

impl Chat {
    /// A session's events from a position on, and then live.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Resync`](Error::Resync) when the position
    /// lies outside of the kept log, or belongs to a history that the log no longer has.
    pub async fn subscribe(
        &self,
        principal: &Principal,
        id: SessionId,
        start: impl Into<Start> + Send,
    ) -> Result<Subscription> {
        let start = start.into();
        self.enter(principal).await?;
        let known = self.allowed(id, &principal.user_id, Action::View, Freshness::Fresh).await?;
        let head = known.head.cursor();
        let tail = self.inner.tails.tail(id, head).await?;
        let after = match start {
            Start::Now => head,
            Start::Beginning => {
                let oldest = oldest(&*self.inner.store, id, head.seq).await?;
                Cursor::from(oldest)
            }
            Start::After(after) => {
                if after.seq > head.seq {
                    return Err(resync(&*self.inner.store, id, head.seq).await);
                }
                tail.goes_on_from(after).await?
            }
        };
        let left =
            |end: chrono::DateTime<chrono::Utc>| (end - self.inner.clock.now()).to_std().unwrap_or(Duration::ZERO);
        // An end beyond what the clock can count is none.
        let deadline = principal.expires_at.and_then(|end| Instant::now().checked_add(left(end)));
        let rights = Rights {
            user: principal.user_id.clone(),
            decided_at: head.seq,
            facts: known.facts(),
            permissions: self.inner.permissions.clone(),
        };
        let place = tail.seat(Seat::new(rights, after, deadline));
        let reader = Reader { place, deadline, timer: None, ready: VecDeque::new(), reading: None, has_ended: false };
        Ok(Subscription { after, reader })
    }
}

struct Reader {
    place: Seated,
    deadline: Option<Instant>,
    /// Begins with the first wait.
    timer: Option<Pin<Box<Sleep>>>,
    ready: VecDeque<Arc<EventView>>,
    reading: Option<BoxFuture<'static, Result<Vec<Arc<EventView>>>>>,
    has_ended: bool,
}

impl Reader {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Delivery>>> {
        // Once for each poll: what cannot be started now is not tried again and again.
        let mut is_revived = false;
        loop {
            if self.has_ended {
                return Poll::Ready(None);
            }
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return self.end(Error::TokenExpired);
            }
            let Seated { tail, seat, .. } = &self.place;
            let position = seat.rise();
            if let Some(view) = self.ready.pop_front() {
                self.has_ended = !seat.pass(&view);
                return Poll::Ready(Some(Ok(Delivery::Event(view))));
            }
            if let Some(reading) = &mut self.reading {
                let Poll::Ready(read) = reading.poll_unpin(context) else {
                    ready!(self.expire(context));
                    continue;
                };
                self.reading = None;
                match read {
                    Ok(views) => self.ready.extend(views),
                    Err(error) => return self.end(error),
                }
                continue;
            }
            match tail.look(position) {
                Look::Events(views) => {
                    self.ready.extend(views);
                    continue;
                }
                Look::Nothing => {}
                look @ (Look::Log(_) | Look::Lost | Look::Corrupt) => {
                    self.reading = Some(Arc::clone(tail).read(position, look).boxed());
                    continue;
                }
            }
            match seat.wait(context.waker()) {
                Waiting::Behind => continue,
                Waiting::Signal(signal) => return Poll::Ready(Some(Ok(Delivery::Signal(signal)))),
                Waiting::Begun => {}
            }
            // Looked at after the wait has begun: what comes from here on wakes it.
            if tail.concerns(position) {
                continue;
            }
            if !is_revived && !tail.is_followed() {
                is_revived = true;
                let revived = Arc::clone(tail).revive();
                self.reading = Some(revived.map(|()| Ok(Vec::new())).boxed());
                continue;
            }
            // A queue that was long once is not kept.
            self.ready = VecDeque::new();
            ready!(self.expire(context));
        }
    }

    /// Done when the token has expired.
    fn expire(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(context)
    }

    fn end<T>(&mut self, error: Error) -> Poll<Option<Result<T>>> {
        self.has_ended = true;
        Poll::Ready(Some(Err(error)))
    }
}
