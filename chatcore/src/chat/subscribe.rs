//! The one way out: a stream of a session's events that replays and goes on live.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream, stream::BoxStream};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use super::{
    Chat,
    read::{oldest, resync},
    tail::Tail,
    view::{EventView, SignalView},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{Cursor, EventKind, ParticipantEvent, Seq, SessionEvent, SessionId, Standing, UserId},
    permission::{Action, Facts, PermissionTable},
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
/// A message that was edited or deleted comes as it is now, in its place, and the edit or deletion comes in its own place.
///
/// It ends after the event that takes the reader's right to read away, or with the one error that ended it:
/// [`TokenExpired`](Error::TokenExpired); [`Denied`](Error::Denied) when the reader lost the right to read before a message that
/// comes next got its text; [`Unavailable`](Error::Unavailable) when the store is away; or
/// [`Resync`](Error::Resync) when the log no longer continues after the last event, because it was trimmed, or because the
/// database was replaced by an older copy. The reader continues with a new subscription after the last event. A slow reader costs
/// no memory: it is served from the log.
pub struct Subscription {
    after: Cursor,
    stream: BoxStream<'static, Result<Delivery>>,
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
        self.stream.poll_next_unpin(context)
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
        let reader = Reader {
            chat: self.clone(),
            user: principal.user_id.clone(),
            position: after,
            decided_at: head.seq,
            facts: known.facts(),
            permissions: self.inner.permissions.clone(),
            // An end beyond what the clock can count is none.
            deadline: principal.expires_at.and_then(|end| Instant::now().checked_add(left(end))),
            heads: tail.watch(),
            signals: tail.signals(),
            tail,
            ready: VecDeque::new(),
            since: 0,
            undecided: false,
            held: None,
            ended: false,
        };
        let stream = stream::unfold(reader, |mut reader| async move {
            let delivery = reader.next().await?;
            Some((delivery, reader))
        });
        Ok(Subscription { after, stream: stream.fuse().boxed() })
    }
}

struct Reader {
    chat: Chat,
    user: UserId,
    position: Cursor,
    /// The position at which `facts` held. What a replay brings from before it is history and ends nothing.
    decided_at: Seq,
    facts: Facts,
    permissions: PermissionTable,
    deadline: Option<Instant>,
    tail: Arc<Tail>,
    heads: watch::Receiver<Seq>,
    signals: broadcast::Receiver<Arc<SignalView>>,
    ready: VecDeque<Arc<EventView>>,
    /// The deletions that `tail` was told of before `ready` was read.
    since: u64,
    /// Whether an event of an unknown kind may have changed what the reader may do.
    undecided: bool,
    /// A signal that came before the events that stand before it had been told.
    held: Option<Arc<SignalView>>,
    ended: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<Delivery>> {
        loop {
            if self.ended {
                return None;
            }
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return self.end(Error::TokenExpired);
            }
            if self.undecided {
                match self.decide_again().await {
                    Ok(()) => self.undecided = false,
                    // As after any other event that takes the right away.
                    Err(Error::Denied(_)) => return None,
                    Err(error) => return self.end(error),
                }
                continue;
            }
            if self.is_outdated() {
                self.ready.clear();
            }
            if self.ready.front().is_some_and(|view| self.is_beyond_decision(view)) {
                if let Err(error) = self.decide_again().await {
                    return self.end(error);
                }
                if self.ready.front().is_some_and(|view| self.is_beyond_decision(view)) {
                    // The log was replaced by an older copy meanwhile.
                    return self.end(Error::Unavailable);
                }
                continue;
            }
            if let Some(view) = self.ready.pop_front() {
                self.position = view.event.cursor();
                self.ended = !self.may_go_on_after(&view);
                return Some(Ok(Delivery::Event(view)));
            }
            // Marked as seen before the look, so that news that come during it wake the wait below.
            self.heads.borrow_and_update();
            self.since = self.tail.rewrites.noted();
            match self.tail.after(self.position).await {
                Err(error) => return self.end(error),
                Ok(views) if !views.is_empty() => self.ready.extend(views),
                Ok(_) => {
                    self.tail.revive().await;
                    let signal = match self.held.take() {
                        Some(signal) => Some(signal),
                        None => self.wait().await,
                    };
                    match signal {
                        Some(signal) if signal.actor.user_id == self.user => {}
                        Some(signal) if *self.heads.borrow() <= self.position.seq => {
                            return Some(Ok(Delivery::Signal(signal)));
                        }
                        // Before a signal come the events that stand before it: one may end this stream.
                        signal => self.held = signal,
                    }
                }
            }
        }
    }

    /// Whether a view that was read shows a text that was deleted meanwhile.
    fn is_outdated(&mut self) -> bool {
        let noted = self.tail.rewrites.noted();
        let since = std::mem::replace(&mut self.since, noted);
        noted != since && self.ready.iter().any(|view| self.tail.rewrites.outdate(since, view))
    }

    /// Whether a view shows a row that was rewritten at a position where the rights of the reader are not known.
    fn is_beyond_decision(&self, view: &EventView) -> bool {
        view.revised() > self.decided_at.max(view.event.seq)
    }

    /// Decides on fresh facts.
    async fn decide_again(&mut self) -> Result<()> {
        let known = self.chat.known(self.tail.session_id(), &self.user, None, Freshness::Fresh).await?;
        (self.facts, self.decided_at) = (known.facts(), known.head.seq);
        Ok(self.permissions.decide(&self.facts, Action::View)?)
    }

    fn end(&mut self, error: Error) -> Option<Result<Delivery>> {
        self.ended = true;
        Some(Err(error))
    }

    /// Waits for news, a signal, or the end of the token.
    async fn wait(&mut self) -> Option<Arc<SignalView>> {
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.heads.changed() => None,
            signal = self.signals.recv() => signal.ok(),
            () = deadline => None,
        }
    }

    /// Follows what an event changes for this reader.
    fn may_go_on_after(&mut self, view: &EventView) -> bool {
        let event = &view.event;
        if event.seq <= self.decided_at || !event.governs {
            return true;
        }
        self.undecided = event.kind == EventKind::Unknown;
        let own = |user: &UserId| *user == self.user;
        let (session, actor) = (&mut self.facts.session, &mut self.facts.actor);
        let gone = |actor: &mut Option<Standing>| {
            if let Some(role) = actor.and_then(Standing::role) {
                *actor = Some(Standing::Former(role));
            }
        };
        match &event.kind {
            EventKind::Session(SessionEvent::Updated { changes }) => {
                if let (Some(session), Some(session_type)) = (session, changes.session_type) {
                    session.session_type = session_type;
                }
            }
            EventKind::Session(SessionEvent::Deleted) => {
                if let Some(session) = session {
                    session.is_active = false;
                }
            }
            EventKind::Participant(ParticipantEvent::Left) if own(&event.actor) => gone(actor),
            EventKind::Participant(ParticipantEvent::Removed { user_id }) if own(user_id) => gone(actor),
            EventKind::Participant(ParticipantEvent::RoleChanged { user_id, role, .. }) if own(user_id) => {
                *actor = Some(Standing::Active(*role));
            }
            EventKind::Session(SessionEvent::Created { .. })
            | EventKind::Participant(
                ParticipantEvent::Joined { .. }
                | ParticipantEvent::Added { .. }
                | ParticipantEvent::Left
                | ParticipantEvent::Removed { .. }
                | ParticipantEvent::RoleChanged { .. },
            )
            | EventKind::Message(_)
            | EventKind::Unknown => {}
        }
        self.permissions.decide(&self.facts, Action::View).is_ok()
    }
}
