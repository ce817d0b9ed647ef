//! The one way out: a stream of a session's events that replays and goes on live.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll, ready},
};

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, Stream, StreamExt as _, TryFutureExt as _, future::BoxFuture};

use super::{
    presence::Reading,
    queue::Entry,
    rights::{Holding, Outcome, Rights},
    ring::Look,
    seat::{Outlet, Reached, Seat, Waiting, Way},
    standings::Watch,
    tail::{Seated, Tail},
    task::apart,
};
use crate::chat::{
    Chat,
    read::{
        pages::oldest,
        view::{EventView, SignalView},
    },
    streamed::streaming,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{Cursor, MessageId, Seq, SessionId, ShownPart, UserId},
    permission::Action,
    store::Freshness,
    trace::use_case,
};

/// The start of a stream or a page of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// The next committed event.
    Now,
    /// The first event in the kept log.
    Beginning,
    /// The event after this position.
    After(Cursor),
}

impl Start {
    /// After a cursor, or now without a cursor.
    #[must_use]
    pub fn or_now(after: Option<Cursor>) -> Self {
        after.map_or(Self::Now, Self::After)
    }

    /// After a cursor, or with the first event without a cursor.
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

/// A delivery of a stream.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The next event of the log.
    Event(Arc<EventView>),
    /// A signal, which is not in the log.
    Signal(Arc<SignalView>),
}

/// A session's events after a position, in order, without gap or duplicate, and signals as they come.
///
/// An edited or deleted message comes in its current state at its place, and the edit or deletion comes at its own place.
///
/// The stream ends after the event that revokes the reader's right to read, or with one error: [`TokenExpired`](Error::TokenExpired);
/// [`TokenInvalid`](Error::TokenInvalid), [`AccountBanned`](Error::AccountBanned) or [`AccountDeleted`](Error::AccountDeleted) when the
/// reader's login or account ended meanwhile; [`Denied`](Error::Denied) when the reader lost the right to read before the next message got
/// its text; [`Unavailable`](Error::Unavailable) when the store is unavailable; or [`Resync`](Error::Resync) when the log no longer
/// continues after the last event, because the log was trimmed, because the database was replaced by an older copy, or because a new
/// setting hides the next events from the reader. The reader continues with a new subscription after the last event. A slow reader costs no
/// memory: the stream reads the log for a slow reader.
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

    /// Sends deliveries to `outlet` instead of this stream, as far as the outlet accepts them at once. The caller must still poll the
    /// stream: the stream yields deliveries that the outlet does not accept, and the end. After a poll of the stream without a result, the
    /// next deliveries go to the outlet, until the outlet refuses a delivery, or an event ends the stream.
    pub fn deliver_to(&mut self, outlet: Arc<dyn Outlet>) {
        self.reader.place.seat.deliver_to(Way::Outlet(outlet));
    }

    /// Adds presence signals of the other users in the session from now on. After this call, a reader reads the current presence, so that
    /// the reader misses no change.
    pub async fn show_presence(&mut self) {
        self.reader.presence = Some(self.reader.chat.inner.presences.read().await);
        self.reader.place.seat.show_presence(Arc::new(AtomicBool::new(true)));
    }

    /// Gives what comes to a queue, as [`deliver_to`](Self::deliver_to) gives it to an outlet.
    pub(super) fn wait_in(&mut self, entry: Arc<Entry>) {
        #[cfg(feature = "metrics")]
        {
            self.reader.is_part = true;
        }
        self.reader.place.seat.deliver_to(Way::Queue(entry));
    }

    /// The reader's place, and the tail that it is at.
    pub(super) fn place(&self) -> (Arc<Seat>, Arc<Tail>) {
        (Arc::clone(&self.reader.place.seat), Arc::clone(&self.reader.place.tail))
    }

    /// The head of the log when the stream began. What comes up to there is history.
    #[cfg(feature = "metrics")]
    pub(super) fn began_at(&self) -> Seq {
        self.reader.began_at
    }

    /// Of an event that the stream has just given: how many deletions the tail was told of before it was made, and how far the
    /// reader came with it.
    pub(super) fn given(&self) -> (u64, Reached) {
        (self.reader.since, self.reader.place.seat.reached())
    }

    /// Leaves the wait for the expiry of the token to the caller, so that this stream needs no timer. At the expiry the caller polls or
    /// drops the stream; a poll after the expiry yields the error as usual.
    pub fn expires_elsewhere(&mut self) {
        (self.reader.is_timed, self.reader.timer) = (false, None);
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
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Resync`](Error::Resync) when the position lies outside of the
    /// kept log, before the history that the caller sees, or in a history that the log no longer has.
    pub async fn subscribe(
        &self,
        principal: &Principal,
        id: SessionId,
        start: impl Into<Start> + Send,
    ) -> Result<Subscription> {
        use_case!("subscribe", id, async move {
            let start = start.into();
            self.enter(principal, Use::Request).await?;
            self.follow(principal, id, start).await
        })
    }

    /// A subscription, for a use case that has begun.
    pub(in crate::chat) async fn follow(
        &self,
        principal: &Principal,
        id: SessionId,
        start: Start,
    ) -> Result<Subscription> {
        let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
        let (sight, head) = (known.sight()?, known.head.cursor());
        let watch = self.inner.standings.watch(principal);
        watch.know_blocks().await?;
        let tail = self.inner.tails.tail(id, head).await?;
        let after = match start {
            Start::Now => head,
            Start::Beginning => {
                let oldest = oldest(&*self.inner.store, id, head.seq).await?;
                Cursor::from(oldest.max(sight.start()))
            }
            Start::After(after) => tail.goes_on_from(self.within(sight, after).await?).await?,
        };
        let expires_at = principal.expires_at;
        let rights = Rights {
            user: principal.user_id.clone(),
            decided_at: head.seq,
            holding: Holding::of(&known),
            permissions: self.inner.permissions.clone(),
        };
        let place = tail.seat(Seat::new(rights, after, expires_at, watch.login()));
        let open = self.inner.streams.of(id).into_iter().filter(|seq| *seq <= after.seq);
        let reader = Reader {
            chat: self.clone(),
            session_id: id,
            place,
            expires_at,
            is_timed: true,
            watch,
            timer: None,
            ready: VecDeque::new(),
            since: 0,
            reading: None,
            is_unsure: false,
            deciding: None,
            has_ended: false,
            presence: None,
            joined_at: tail.head(),
            missed: open.map(|seq| (seq, None)).collect(),
            catching_up: None,
            caught_up: HashMap::new(),
            #[cfg(feature = "metrics")]
            began_at: head.seq,
            #[cfg(feature = "metrics")]
            is_part: false,
        };
        Ok(Subscription { after, reader })
    }
}

struct Reader {
    chat: Chat,
    session_id: SessionId,
    place: Seated,
    expires_at: Option<DateTime<Utc>>,
    /// Whether the reader waits for the end of the token itself.
    is_timed: bool,
    watch: Watch,
    /// Begins with the first wait.
    timer: Option<BoxFuture<'static, ()>>,
    ready: VecDeque<Arc<EventView>>,
    /// The deletions that the tail was told of before `ready` was read.
    since: u64,
    /// Whether an event of an unknown kind may have changed what the reader may do.
    is_unsure: bool,
    /// A decision on fresh facts.
    deciding: Option<BoxFuture<'static, Result<(Holding, Seq)>>>,
    reading: Option<BoxFuture<'static, Result<Vec<Arc<EventView>>>>>,
    has_ended: bool,
    /// Held while the reader is told of presence.
    presence: Option<Reading>,
    /// The end of what the tail had when the reader took its place. The reader is told of each part of later messages.
    joined_at: Seq,
    /// Messages that are being written, of which the reader may have missed parts, with their authors where they are known.
    missed: VecDeque<(Seq, Option<UserId>)>,
    /// The text so far of one of them.
    catching_up: Option<BoxFuture<'static, Result<Option<Arc<SignalView>>>>>,
    /// The lengths of the texts that the reader was shown so, in characters. A part within them waited meanwhile.
    caught_up: HashMap<Seq, u64>,
    #[cfg(feature = "metrics")]
    began_at: Seq,
    /// Another stream passes on what this one gives, and counts it.
    #[cfg(feature = "metrics")]
    is_part: bool,
}

impl Reader {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Delivery>>> {
        // Once for each poll: what cannot be started now is not tried again and again.
        let mut is_revived = false;
        loop {
            let (position, is_back) = self.place.seat.rise();
            if is_back {
                self.ready.clear();
                (self.reading, self.deciding) = (None, None);
                (self.missed, self.catching_up) = (VecDeque::new(), None);
                (self.is_unsure, self.has_ended) = (false, false);
            }
            if self.has_ended {
                return Poll::Ready(None);
            }
            if self.expires_at.is_some_and(|end| end <= self.chat.inner.clock.now()) {
                return self.end(Error::TokenExpired);
            }
            if let Some(error) = self.watch.over() {
                return self.end(error);
            }
            if let Some(deciding) = &mut self.deciding {
                let Poll::Ready(decided) = deciding.poll_unpin(context) else {
                    ready!(self.expire(context));
                    continue;
                };
                self.deciding = None;
                match self.decide(decided) {
                    Ok(true) => continue,
                    Ok(false) => return Poll::Ready(None),
                    Err(error) => return self.end(error),
                }
            }
            if let Some(signal) = ready!(self.catch_up(context)) {
                return Poll::Ready(Some(Ok(Delivery::Signal(signal))));
            }
            if self.catching_up.is_some() {
                continue;
            }
            if self.is_outdated() {
                self.ready.clear();
            }
            let Seated { tail, seat, .. } = &self.place;
            let narrowed = tail.rewrites.narrowed();
            let is_open = |view: &Arc<EventView>| seat.is_beyond(view) || seat.is_narrowed(view, narrowed);
            if self.is_unsure || self.ready.front().is_some_and(is_open) {
                self.deciding = Some(self.fresh_facts());
                continue;
            }
            if let Some(view) = self.ready.pop_front() {
                for row in view.event.kind.rewritten() {
                    self.caught_up.remove(row);
                }
                let first = match seat.first_visible(&view) {
                    Ok(first) => first,
                    Err(error) => return self.end(error),
                };
                match seat.pass(&view) {
                    Outcome::GoesOn if view.event.seq <= self.joined_at && streaming(&view.event).is_some() => {
                        self.missed.push_back((view.event.seq, Some(view.event.actor.clone())));
                    }
                    Outcome::GoesOn => {}
                    Outcome::Ends => self.has_ended = true,
                    Outcome::IsUnsure => self.is_unsure = true,
                }
                #[cfg(feature = "metrics")]
                if !self.is_part {
                    let now = || self.chat.inner.clock.now();
                    tail.shared.measures.taken(&view.event, self.began_at, now);
                }
                return Poll::Ready(Some(Ok(Delivery::Event(view.seen_from(first)))));
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
            self.since = tail.rewrites.noted();
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
                Waiting::Signal(signal) if self.has_shown(&signal) => continue,
                Waiting::Signal(signal) => return Poll::Ready(Some(Ok(Delivery::Signal(signal)))),
                Waiting::Begun => {}
            }
            // Looked at after the wait has begun: what comes from here on wakes it.
            if tail.concerns(position) {
                continue;
            }
            if !is_revived && !tail.is_followed() {
                is_revived = true;
                let revived = apart(Arc::clone(tail).revive());
                self.reading = Some(revived.map_ok(|()| Vec::new()).boxed());
                continue;
            }
            // A queue that was long once is not kept.
            self.ready = VecDeque::new();
            ready!(self.expire(context));
        }
    }

    /// The text so far of the next message of which the reader may have missed parts. Ready without one where there is none.
    fn catch_up(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<SignalView>>> {
        loop {
            if let Some(catching_up) = &mut self.catching_up {
                let Poll::Ready(found) = catching_up.poll_unpin(context) else {
                    // Then the caller looks at the end of the token, and comes back.
                    return self.expire(context).map(|()| None);
                };
                self.catching_up = None;
                let found = found.unwrap_or_else(|error| {
                    // The reader notices that parts are missing, and asks for the message.
                    tracing::warn!(session = %self.session_id, %error, "the text of a message so far cannot be read");
                    None
                });
                if let Some(found) = found.filter(|found| !self.has_shown(found)) {
                    let shown = found.signal.shown_part();
                    self.caught_up.extend(shown.map(|ShownPart { message, end }| (message.seq, end)));
                    return Poll::Ready(Some(found));
                }
            }
            let Some((seq, author)) = self.missed.pop_front() else { return Poll::Ready(None) };
            let (chat, user) = (self.chat.clone(), self.place.seat.user());
            let id = MessageId { session_id: self.session_id, seq };
            self.catching_up = Some(async move { chat.part_so_far(&user, author, id).await }.boxed());
        }
    }

    /// Whether a signal is a part of a message that the reader has already, or of a message that was deleted while the signal waited.
    fn has_shown(&self, signal: &SignalView) -> bool {
        signal.signal.shown_part().is_some_and(|ShownPart { message, end }| {
            let is_known = self.caught_up.get(&message.seq).is_some_and(|upto| end <= *upto);
            let position = self.place.seat.reached().seq();
            is_known || self.place.tail.rewrites.is_over(message.seq, position)
        })
    }

    /// Done when the token has expired, or its login may be over.
    fn expire(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.watch.poll_news(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(end) = self.expires_at.filter(|_| self.is_timed) else { return Poll::Pending };
        let clock = &self.chat.inner.clock;
        let timer = || {
            let clock = Arc::clone(clock);
            async move { clock.reaches(end).await }.boxed()
        };
        ready!(self.timer.get_or_insert_with(timer).poll_unpin(context));
        // A clock that is set back after that needs another one.
        self.timer = None;
        Poll::Ready(())
    }

    /// Whether something that was read shows what was deleted meanwhile.
    fn is_outdated(&mut self) -> bool {
        // What is still being read must be compared with the deletions since the read began.
        if self.ready.is_empty() {
            return false;
        }
        let rewrites = &self.place.tail.rewrites;
        let noted = rewrites.noted();
        let since = std::mem::replace(&mut self.since, noted);
        noted != since && self.ready.iter().any(|view| rewrites.outdate(since, view))
    }

    fn fresh_facts(&self) -> BoxFuture<'static, Result<(Holding, Seq)>> {
        let (chat, id, user) = (self.chat.clone(), self.session_id, self.place.seat.user());
        async move {
            let known = chat.known(id, &user, None, Freshness::Fresh).await?;
            Ok((Holding::of(&known), known.head.seq))
        }
        .boxed()
    }

    /// Takes fresh facts in; `false` where they end the stream.
    fn decide(&mut self, decided: Result<(Holding, Seq)>) -> Result<bool> {
        let (holding, decided_at) = decided?;
        let Seated { seat, tail, .. } = &self.place;
        let narrowed = tail.rewrites.narrowed();
        let is_open = |view: &Arc<EventView>| seat.is_beyond(view) || seat.is_narrowed(view, narrowed);
        match (seat.decide(holding, decided_at), std::mem::take(&mut self.is_unsure)) {
            // As after any other event that takes the right away.
            (Err(_), true) => {
                self.has_ended = true;
                Ok(false)
            }
            (Err(denial), false) => Err(denial.into()),
            (Ok(()), true) => Ok(true),
            // Where a row is still beyond the facts, the log was replaced by an older copy meanwhile.
            (Ok(()), false) if self.ready.front().is_some_and(is_open) => Err(Error::Unavailable),
            (Ok(()), false) => Ok(true),
        }
    }

    fn end<T>(&mut self, error: Error) -> Poll<Option<Result<T>>> {
        self.has_ended = true;
        Poll::Ready(Some(Err(error)))
    }
}
