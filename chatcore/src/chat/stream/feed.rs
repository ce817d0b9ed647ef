//! The inside of a stream of all sessions: which sessions it follows, and what it brings next.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, OptionFuture},
    stream::SelectAll,
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

use super::{
    finder::{Failure, Finder, Found, Opened},
    inbox::{Arrival, Inbox},
    queue::{Came, Entry, Part, Queue, Reader},
    seat::{Reached, Seat},
    standings::Watch,
    subscribe::{Delivery, Start},
    subscribe_all::{AllDelivery, Position},
    tail::Tail,
};
use crate::chat::Chat;
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::SessionId,
};

/// What is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Nothing: the store does not answer.
    Pause,
    /// The caller may be in this session.
    Arrival(SessionId),
    /// The caller made or joined this session: it takes the place of another one where there is no room.
    Own(SessionId),
    /// The caller may have come into any session.
    List,
    /// The caller may be allowed to view a session again.
    Refused,
}

impl Due {
    /// The session that the caller may have come into.
    const fn arrived(&self) -> Option<SessionId> {
        match self {
            Self::Arrival(id) | Self::Own(id) => Some(*id),
            Self::Pause | Self::List | Self::Refused => None,
        }
    }
}

impl From<Arrival> for Due {
    fn from(arrival: Arrival) -> Self {
        match arrival {
            Arrival::Into(id) => Self::Arrival(id),
            Arrival::Own(id) => Self::Own(id),
            Arrival::Unknown => Self::List,
        }
    }
}

/// A session that has a stream.
struct Followed {
    /// The number of the stream: one that ends late says nothing about a newer one.
    number: u64,
    /// Which delivery of the feed it brought last, or began after.
    active: u64,
    entry: Arc<Entry>,
    seat: Arc<Seat>,
    tail: Arc<Tail>,
    /// How far the stream was delivered.
    reached: Reached,
    #[cfg(feature = "metrics")]
    began_at: crate::model::Seq,
}

impl Followed {
    /// Ends the reader, which may wait for news that does not come for a long time.
    fn end(&self) {
        self.entry.end();
        self.seat.wake();
    }
}

/// What is waited for.
enum News {
    /// Something is queued.
    Queued,
    Part(Part),
    Answer(Result<Found>),
    Arrival(Arrival),
    /// The refused sessions are to be looked at again.
    Look,
    /// The token has expired.
    Expiry,
    /// The login has ended.
    LoginEnded,
}

pub(super) struct Feed {
    finder: Arc<Finder>,
    inbox: Inbox,
    watch: Watch,
    /// Done at the end of the token.
    expiry: BoxFuture<'static, ()>,
    /// When the refused sessions are looked at again.
    looks: Interval,
    due: VecDeque<Due>,
    /// The question under way. It is asked beside the deliveries.
    asked: Option<(Due, BoxFuture<'static, Result<Found>>)>,
    /// The readers of the sessions. While a reader is in step, its events go to the queue, and it is not polled.
    streams: SelectAll<Reader>,
    queue: Arc<Queue>,
    /// What the queue and the readers brought.
    parts: VecDeque<Part>,
    streams_begun: u64,
    /// Counts what the streams brought and that they began: it tells which brought nothing for the longest time.
    deliveries: u64,
    /// The sessions that have a stream.
    followed: HashMap<SessionId, Followed>,
    /// Whether there was no room for a session.
    left_out: bool,
    /// Those that ended with an error: their position is the client's to say.
    given_up: HashSet<SessionId>,
    /// Those that the caller is in and may not view: looked at again, and told of once.
    refused: HashSet<SessionId>,
    ready: VecDeque<AllDelivery>,
    shows_presence: Arc<AtomicBool>,
    has_ended: bool,
}

impl Feed {
    pub(super) fn new(chat: &Chat, principal: &Principal, inbox: Inbox, watch: Watch) -> Self {
        // An interval is neither empty nor endless.
        let every = chat.inner.limits.membership_interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        let mut looks = interval_at(Instant::now() + every, every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let finder = Finder { chat: chat.clone(), principal: principal.clone() };
        Self {
            expiry: expiry(&finder),
            finder: Arc::new(finder),
            inbox,
            watch,
            looks,
            due: VecDeque::new(),
            asked: None,
            streams: SelectAll::new(),
            queue: Arc::default(),
            parts: VecDeque::new(),
            streams_begun: 0,
            deliveries: 0,
            followed: HashMap::new(),
            left_out: false,
            given_up: HashSet::new(),
            refused: HashSet::new(),
            ready: VecDeque::new(),
            shows_presence: Arc::default(),
            has_ended: false,
        }
    }

    /// Set where the readers are told of presence.
    pub(super) fn shows_presence(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shows_presence)
    }

    /// Follows the sessions that the caller names, and the most recently active others.
    pub(super) async fn begin(&mut self, wanted: Vec<(SessionId, Start)>, named: &HashSet<SessionId>) -> Result<()> {
        let room = self.finder.chat.inner.limits.stream_sessions.saturating_sub(wanted.len());
        let opened = self.finder.open(wanted).await;
        self.follow_all(opened)?;
        let found = self.finder.list(named, room).await?;
        self.take_in(found)
    }

    pub(super) async fn next(&mut self) -> Option<Result<AllDelivery>> {
        loop {
            if self.has_ended {
                return None;
            }
            let Finder { chat, principal } = &*self.finder;
            if principal.expires_at.is_some_and(|end| end <= chat.inner.clock.now()) {
                return self.end(Error::TokenExpired);
            }
            if let Some(error) = self.watch.over() {
                return self.end(error);
            }
            if let Some(delivery) = self.ready.pop_front() {
                return Some(Ok(delivery));
            }
            while self.asked.is_none()
                && let Some(due) = self.due.pop_front()
            {
                self.asked = self.ask(due).map(|answer| (due, answer));
            }
            if self.parts.is_empty() {
                self.parts = self.queue.take();
            }
            if let Some(part) = self.parts.pop_front() {
                if let Some(delivery) = self.take_part(part) {
                    return Some(delivery);
                }
                continue;
            }
            match self.news().await {
                News::Queued => {}
                News::Part(part) => {
                    // What was queued of a session stands before what its reader gives after that.
                    self.parts = self.queue.take();
                    self.parts.push_back(part);
                }
                News::Answer(answer) => {
                    let due = self.asked.take().map(|(due, _)| due);
                    match answer.and_then(|found| self.take_in(found)) {
                        Ok(()) => {}
                        Err(error) if error.ends_login() => return self.end(error),
                        Err(error) => {
                            tracing::warn!(%error, "could not look for new sessions; trying again");
                            due.into_iter().chain([Due::Pause]).for_each(|due| self.due.push_front(due));
                        }
                    }
                }
                News::Arrival(arrival) => self.due.push_back(arrival.into()),
                News::Look => self.due.push_back(Due::Refused),
                // A clock that is set back after that needs another wait.
                News::Expiry => self.expiry = expiry(&self.finder),
                News::LoginEnded => {}
            }
        }
    }

    async fn news(&mut self) -> News {
        let is_looked_at = |due: &Due| *due == Due::Refused;
        let looks_again = !self.refused.is_empty()
            && !self.due.iter().chain(self.asked.as_ref().map(|(due, _)| due)).any(is_looked_at);
        let mut answer = OptionFuture::from(self.asked.as_mut().map(|(_, answer)| answer));
        tokio::select! {
            () = self.queue.filled() => News::Queued,
            Some(part) = self.streams.next() => News::Part(part),
            Some(answer) = &mut answer => News::Answer(answer),
            arrival = self.inbox.arrival() => News::Arrival(arrival),
            _ = self.looks.tick(), if looks_again => News::Look,
            () = &mut self.expiry => News::Expiry,
            _ = self.watch.ended() => News::LoginEnded,
        }
    }

    fn end(&mut self, error: Error) -> Option<Result<AllDelivery>> {
        self.has_ended = true;
        Some(Err(error))
    }

    /// Takes what one of the streams brings.
    fn take_part(&mut self, Part { session_id: id, number, came }: Part) -> Option<Result<AllDelivery>> {
        // Otherwise the session has given its place to another one, or has a newer stream.
        let followed = self.followed.get_mut(&id).filter(|followed| followed.number == number)?;
        match came {
            Came::Event { view, since, .. } if followed.tail.rewrites.outdate(since, &view) => {
                // It waited here while a text in it was deleted. What came after it would leave a gap.
                followed.seat.go_back(followed.reached);
                self.queue.drop_parts(id, number);
                self.parts.retain(|part| !part.is_of(id, number));
            }
            Came::Event { view, since: _, reached } => {
                followed.reached = reached;
                return self.delivered(id, Delivery::Event(view));
            }
            Came::Signal(signal)
                if signal
                    .signal
                    .shown_part()
                    .is_some_and(|part| followed.tail.rewrites.is_over(part.message.seq, followed.reached.seq())) => {}
            Came::Signal(signal) => return self.delivered(id, Delivery::Signal(signal)),
            Came::Failed(error) => {
                self.followed.remove(&id);
                if let Err(error) = self.fail(id, error.into()) {
                    return self.end(error);
                }
            }
            Came::End => {
                self.followed.remove(&id);
                self.inbox.left(id);
                // They may be in it again already.
                self.due.push_back(Due::Arrival(id));
                if self.left_out {
                    self.due.push_back(Due::List);
                }
            }
        }
        None
    }

    fn delivered(&mut self, id: SessionId, delivery: Delivery) -> Option<Result<AllDelivery>> {
        self.deliveries += 1;
        if let Some(followed) = self.followed.get_mut(&id) {
            followed.active = self.deliveries;
            #[cfg(feature = "metrics")]
            if let Delivery::Event(view) = &delivery {
                let now = || self.finder.chat.inner.clock.now();
                followed.tail.shared.measures.taken(&view.event, followed.began_at, now);
            }
        }
        Some(Ok(AllDelivery::Delivered(delivery)))
    }

    /// Asks; `None` where there is nothing to ask.
    fn ask(&mut self, due: Due) -> Option<BoxFuture<'static, Result<Found>>> {
        let limits = &self.finder.chat.inner.limits;
        let room = limits.stream_sessions.saturating_sub(self.followed.len());
        let finder = Arc::clone(&self.finder);
        match due {
            Due::Pause => {
                let pause = sleep(limits.poll_interval);
                Some(pause.map(|()| Ok(Found::Nothing)).boxed())
            }
            Due::Arrival(id) | Due::Own(id) if self.followed.contains_key(&id) => None,
            Due::Arrival(id) | Due::Own(id) => {
                let full = (room == 0).then(|| self.followed.keys().copied().collect());
                Some(async move { finder.arrive(id, due == Due::Own(id), full).await }.boxed())
            }
            Due::List => {
                self.hear_arrivals();
                if self.due.iter().any(|due| due.arrived().is_some()) {
                    // After the arrivals, of which one that fails is tried again.
                    self.due.retain(|due| *due != Due::List);
                    self.due.push_back(Due::List);
                    return None;
                }
                let known = self.followed.keys().chain(&self.given_up).chain(&self.refused).copied().collect();
                Some(async move { finder.list(&known, room).await }.boxed())
            }
            Due::Refused => {
                let refused = self.refused.iter().copied().collect();
                Some(async move { finder.look_again(refused, room).await }.boxed())
            }
        }
    }

    /// Notes the arrivals that wait: a session that the caller has just come into begins with that event, and not with the list.
    fn hear_arrivals(&mut self) {
        let arrived = std::iter::from_fn(|| self.inbox.waiting()).map(Due::from);
        self.due.extend(arrived);
    }

    /// Takes in an answer. An error that concerns all sessions is given back.
    fn take_in(&mut self, found: Found) -> Result<()> {
        match found {
            Found::Nothing => Ok(()),
            Found::Gone(id) => {
                self.forget(id);
                Ok(())
            }
            Found::NoRoom(id) => self.fail(id, self.finder.chat.too_many_sessions().into()),
            Found::Arrived { id, opened: Err(failure), .. } if failure.is_refusal() && self.refused.contains(&id) => {
                Ok(())
            }
            Found::Arrived { id, opened, is_one_too_many } => {
                // Sessions that others brought the caller into must not keep out one that the caller chose.
                let quietest = self.followed.iter().min_by_key(|(_, followed)| followed.active).map(|(id, _)| *id);
                if let Some(quietest) = quietest.filter(|_| is_one_too_many && opened.is_ok()) {
                    if let Some(followed) = self.followed.remove(&quietest) {
                        followed.end();
                    }
                    self.fail(quietest, self.finder.chat.too_many_sessions().into())?;
                }
                self.follow(id, opened)
            }
            Found::Listed { all, mut opened, left_out } => {
                self.hear_arrivals();
                let arrived: HashSet<SessionId> = self.due.iter().filter_map(Due::arrived).collect();
                opened.retain(|(id, _)| !arrived.contains(id));
                self.inbox.found(all.into_iter());
                self.left_out = left_out > 0;
                self.follow_all(opened)?;
                if left_out > 0 {
                    self.ready.push_back(AllDelivery::LeftOut { sessions: left_out });
                }
                Ok(())
            }
            Found::Allowed { opened, gone } => {
                gone.into_iter().for_each(|id| self.forget(id));
                self.follow_all(opened)
            }
        }
    }

    /// The caller is out of a session that has no stream.
    fn forget(&mut self, id: SessionId) {
        self.refused.remove(&id);
        self.given_up.remove(&id);
        self.inbox.left(id);
    }

    fn follow_all(&mut self, opened: Vec<(SessionId, Opened)>) -> Result<()> {
        opened.into_iter().try_for_each(|(id, opened)| self.follow(id, opened))
    }

    /// Follows a session, or tells why not. An error that concerns all sessions is given back.
    fn follow(&mut self, session_id: SessionId, opened: Opened) -> Result<()> {
        let subscription = match opened {
            Ok(subscription) => subscription,
            Err(failure) => return self.fail(session_id, failure),
        };
        let position = Position { session_id, cursor: subscription.after() };
        self.ready.push_back(AllDelivery::Subscribed(position));
        self.streams_begun += 1;
        self.deliveries += 1;
        let number = self.streams_begun;
        let entry = Arc::new(Entry::new(session_id, number, &self.queue));
        let (seat, tail) = subscription.place();
        seat.show_presence(Arc::clone(&self.shows_presence));
        let (active, reached) = (self.deliveries, seat.reached());
        let followed = Followed {
            number,
            active,
            entry: Arc::clone(&entry),
            seat,
            tail,
            reached,
            #[cfg(feature = "metrics")]
            began_at: subscription.began_at(),
        };
        self.followed.insert(session_id, followed);
        self.refused.remove(&session_id);
        self.given_up.remove(&session_id);
        self.streams.push(Reader::new(entry, *subscription));
        Ok(())
    }

    /// Gives up on one session; an error that concerns all of them is given back.
    fn fail(&mut self, session_id: SessionId, failure: Failure) -> Result<()> {
        let is_refusal = failure.is_refusal();
        let error = match failure {
            Failure::Alone => Error::Unavailable,
            Failure::Other(error) => error,
        };
        match error {
            _ if is_refusal => {
                self.refused.insert(session_id);
            }
            // An internal error is one log or record that cannot be read. The other sessions can be. A scope stays as it is.
            Error::Resync { .. } | Error::Internal | Error::OutOfScope => {
                self.given_up.insert(session_id);
            }
            // It is followed once there is room.
            Error::LimitExceeded { .. } => self.left_out = true,
            error => return Err(error),
        }
        self.ready.push_back(AllDelivery::Ended { session_id, error });
        Ok(())
    }
}

/// Done at the end of the token.
fn expiry(Finder { chat, principal }: &Finder) -> BoxFuture<'static, ()> {
    let (clock, end) = (Arc::clone(&chat.inner.clock), principal.expires_at);
    async move {
        match end {
            Some(end) => clock.reaches(end).await,
            None => std::future::pending().await,
        }
    }
    .boxed()
}
