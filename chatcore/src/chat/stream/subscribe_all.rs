//! One stream of all of the caller's sessions, and of those that they come into meanwhile.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{
    inbox::{Arrival, Inbox, memberships},
    subscribe::{Delivery, Start, Subscription},
};
use crate::chat::{Chat, decide::policy::Operation};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{Cursor, EventKind, ParticipantEvent, Seq, SessionEvent, SessionId, Standing},
    permission::{Action, Denial},
    store::{Freshness, ParticipantRecord},
};

/// A position in the log of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The session.
    pub session_id: SessionId,
    /// The position in its log.
    pub cursor: Cursor,
}

impl Position {
    /// A position, with its epoch or alone.
    pub fn new(session_id: SessionId, cursor: impl Into<Cursor>) -> Self {
        Self { session_id, cursor: cursor.into() }
    }
}

/// What the stream of all sessions brings.
#[derive(Debug, Clone)]
pub enum AllDelivery {
    /// From now on the stream has the events of this session after this position.
    Subscribed(Position),
    /// An event or a signal of one of the sessions.
    Delivered(Delivery),
    /// One session cannot be followed, or no longer, for another reason than that its last event ended the right to read.
    Ended {
        /// The session.
        session_id: SessionId,
        /// Why.
        error: Error,
    },
    /// The caller is in more sessions than one stream has room for. The stream has the named ones and the most recently active
    /// others.
    LeftOut {
        /// How many sessions the stream does not have.
        sessions: u64,
    },
}

/// The events and signals of all of the caller's sessions: each session's in order, without gap or double.
///
/// First each session is announced with the position after which its events follow. A session that the caller comes into
/// later is announced then, and its first event is the one that brought them in. Where the right to read a session ends, its
/// last event says so and the stream goes on with the others. It ends with the one error that ended it:
/// [`TokenExpired`](Error::TokenExpired), or [`Unavailable`](Error::Unavailable) when the store is away.
pub struct AllSubscription(BoxStream<'static, Result<AllDelivery>>);

impl fmt::Debug for AllSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllSubscription").finish_non_exhaustive()
    }
}

impl Stream for AllSubscription {
    type Item = Result<AllDelivery>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

/// Sessions that are opened at once.
const OPENED_AT_ONCE: usize = 16;

/// Rows that are read at once when a join is looked for.
const CHUNK: u64 = 512;

impl Chat {
    /// All of the caller's sessions in one stream. Those named in `after` continue from there, the others begin now.
    ///
    /// A named session that the caller may not read, or whose log does not continue after that position, is answered by
    /// [`AllDelivery::Ended`], and concerns the others nothing. Where the caller is in more sessions than
    /// [`stream_sessions`](crate::Limits::stream_sessions), the stream takes the named ones and the most recently active others,
    /// and says by [`AllDelivery::LeftOut`] how many it left out: others can add the caller to any number of sessions, and must
    /// not end the stream by it.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a session is named twice; [`LimitExceeded`](Error::LimitExceeded) when more than
    /// [`stream_sessions`](crate::Limits::stream_sessions) are named, or the caller has as many such streams already as
    /// [`streams_per_user`](crate::Limits::streams_per_user) allows in one process.
    pub async fn subscribe_all(&self, principal: &Principal, after: &[Position]) -> Result<AllSubscription> {
        let mut named = HashSet::new();
        if !after.iter().all(|position| named.insert(position.session_id)) {
            return Err(Error::invalid("after", Code::ValidationInvalidValue, "name each session once"));
        }
        if after.len() > self.inner.limits.stream_sessions {
            return Err(self.too_many_sessions());
        }
        self.enter(principal, Use::Request.times(after.len())).await?;
        self.permit(principal, Operation::FollowSessions).await?;
        // Listening begins before the look, so that nothing falls between.
        let inbox = self.inner.inboxes.open(&principal.user_id, self.inner.limits.streams_per_user)?;
        inbox.listen().await;
        // An interval is neither empty nor endless.
        let every = self.inner.limits.membership_interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        let mut looks = interval_at(Instant::now() + every, every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut feed = Feed {
            chat: self.clone(),
            principal: principal.clone(),
            inbox,
            looks,
            due: VecDeque::new(),
            streams: SelectAll::new(),
            streams_begun: 0,
            deliveries: 0,
            followed: HashMap::new(),
            left_out: false,
            given_up: HashSet::new(),
            refused: HashSet::new(),
            ready: VecDeque::new(),
            ended: false,
        };
        let wanted = after.iter().map(|position| (position.session_id, Start::After(position.cursor)));
        feed.open(wanted.collect()).await?;
        feed.take_most_active(&named, self.inner.limits.stream_sessions - after.len()).await?;
        let stream = stream::unfold(feed, |mut feed| async move {
            let delivery = feed.next().await?;
            Some((delivery, feed))
        });
        Ok(AllSubscription(stream.fuse().boxed()))
    }

    fn too_many_sessions(&self) -> Error {
        let limit = self.inner.limits.stream_sessions as u64;
        Error::LimitExceeded { what: "the number of sessions of one stream", limit }
    }

    /// The position of the event with which the caller came into a session; `None` when they are not in it, or the log
    /// no longer has it.
    async fn arrival(&self, principal: &Principal, id: SessionId) -> Result<Option<Seq>> {
        let known = self.known(id, &principal.user_id, None, Freshness::Fresh).await?;
        let Some(ParticipantRecord { id: stay, standing: Standing::Active(_), joined_at, .. }) = known.actor.as_deref()
        else {
            return Ok(None);
        };
        let came = |kind: &EventKind| match kind {
            EventKind::Session(SessionEvent::Created { participant_id, .. })
            | EventKind::Participant(ParticipantEvent::Joined { participant_id, .. })
            | EventKind::Participant(ParticipantEvent::Added { participant_id, .. }) => *participant_id == *stay,
            EventKind::Session(SessionEvent::Updated { .. } | SessionEvent::Deleted)
            | EventKind::Participant(
                ParticipantEvent::Left | ParticipantEvent::Removed { .. } | ParticipantEvent::RoleChanged { .. },
            )
            | EventKind::Message(_)
            | EventKind::Unknown => false,
        };
        // It stands near the end: one is told at once, or looks within seconds.
        let mut to = known.head.seq;
        while to > 0 {
            let from = to.saturating_sub(CHUNK - 1).max(1);
            let rows = self.rows(id, from, to).await?;
            if let Some(event) = rows.iter().find(|event| came(&event.kind)) {
                return Ok(Some(event.seq));
            }
            if rows.first().is_none_or(|event| event.created_at < *joined_at) {
                break;
            }
            to = from - 1;
        }
        Ok(None)
    }
}

/// Whether the caller may not view a session, and may do so later.
const fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Denied(_) | Error::RefusedByHost(_))
}

/// What one of the streams brings, with the number of the stream; `None` at its end.
type Part = (SessionId, u64, Option<Result<Delivery>>);

/// What is done before anything else is waited for.
enum Due {
    /// The caller may be in this session.
    Arrival(SessionId),
    /// The caller made or joined this session: it takes the place of another one where there is no room.
    Own(SessionId),
    /// The caller may have come into any session.
    List,
    /// The caller may be allowed to view a session again.
    Refused,
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
}

struct Feed {
    chat: Chat,
    principal: Principal,
    inbox: Inbox,
    /// When the refused sessions are looked at again.
    looks: Interval,
    due: VecDeque<Due>,
    streams: SelectAll<BoxStream<'static, Part>>,
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
    ended: bool,
}

impl Feed {
    async fn next(&mut self) -> Option<Result<AllDelivery>> {
        loop {
            if self.ended {
                return None;
            }
            if self.principal.expires_at.is_some_and(|end| end <= self.chat.inner.clock.now()) {
                return self.end(Error::TokenExpired);
            }
            if let Some(delivery) = self.ready.pop_front() {
                return Some(Ok(delivery));
            }
            if let Some(due) = self.due.pop_front() {
                match self.follow_up(&due).await {
                    Ok(()) => {}
                    Err(Error::TokenExpired) => return self.end(Error::TokenExpired),
                    Err(error) => {
                        tracing::warn!(%error, "could not look for new sessions; trying again");
                        self.due.push_front(due);
                        tokio::time::sleep(self.chat.inner.limits.poll_interval).await;
                    }
                }
                continue;
            }
            let deadline = async {
                match self.principal.expires_at {
                    Some(end) => self.chat.inner.clock.reaches(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((id, number, part)) = self.streams.next() => match part {
                    // The session has given its place to another one, or has a newer stream.
                    _ if self.followed.get(&id).is_none_or(|followed| followed.number != number) => {}
                    Some(Ok(delivery)) => {
                        if let Some(followed) = self.followed.get_mut(&id) {
                            self.deliveries += 1;
                            followed.active = self.deliveries;
                        }
                        return Some(Ok(AllDelivery::Delivered(delivery)));
                    }
                    Some(Err(error)) => {
                        self.followed.remove(&id);
                        if let Err(error) = self.fail(id, error) {
                            return self.end(error);
                        }
                    }
                    None => {
                        self.followed.remove(&id);
                        self.inbox.left(id);
                        // They may be in it again already.
                        self.due.push_back(Due::Arrival(id));
                        if self.left_out {
                            self.due.push_back(Due::List);
                        }
                    }
                },
                arrival = self.inbox.arrival() => self.due.push_back(arrival.into()),
                _ = self.looks.tick(), if !self.refused.is_empty() => self.due.push_back(Due::Refused),
                () = deadline => {}
            }
        }
    }

    fn end(&mut self, error: Error) -> Option<Result<AllDelivery>> {
        self.ended = true;
        Some(Err(error))
    }

    async fn follow_up(&mut self, due: &Due) -> Result<()> {
        match due {
            Due::Arrival(id) => self.arrive(*id, false).await,
            Due::Own(id) => self.arrive(*id, true).await,
            Due::List => {
                // A session that the caller has just come into begins with that event, and not with the list.
                let arrived: Vec<Due> = std::iter::from_fn(|| self.inbox.waiting()).map(Due::from).collect();
                if !arrived.is_empty() {
                    // One after the other, so that an arrival that fails is tried again.
                    self.due.push_front(Due::List);
                    let others = arrived.into_iter().rev().filter(|due| !matches!(due, Due::List));
                    others.for_each(|due| self.due.push_front(due));
                    return Ok(());
                }
                let known = self.given_up.union(&self.refused).copied().collect();
                let room = self.chat.inner.limits.stream_sessions.saturating_sub(self.followed.len());
                self.take_most_active(&known, room).await
            }
            Due::Refused => self.look_at_refused().await,
        }
    }

    /// Begins to follow sessions, or tells why not.
    async fn open(&mut self, wanted: Vec<(SessionId, Start)>) -> Result<()> {
        let (chat, principal) = (self.chat.clone(), self.principal.clone());
        let subscribe = |(id, start): (SessionId, Start)| {
            let (chat, principal) = (&chat, &principal);
            async move { (id, chat.follow(principal, id, start).await) }
        };
        let mut opened = Box::pin(stream::iter(wanted).map(subscribe).buffered(OPENED_AT_ONCE));
        while let Some((id, subscription)) = opened.next().await {
            self.begin(id, subscription)?;
        }
        Ok(())
    }

    /// Follows the most recently active sessions of the caller, as many as there is room for, beside those that are followed or
    /// `known`, and tells how many there is no room for.
    async fn take_most_active(&mut self, known: &HashSet<SessionId>, room: usize) -> Result<()> {
        let mut all = memberships(&*self.chat.inner.store, &self.principal.user_id).await?;
        self.inbox.found(all.iter().map(|(id, _)| *id));
        all.retain(|(id, _)| !self.followed.contains_key(id) && !known.contains(id));
        all.sort_unstable_by_key(|(id, head)| Reverse((head.at, *id)));
        let left_out = all.len().saturating_sub(room) as u64;
        self.left_out = left_out > 0;
        all.truncate(room);
        self.open(all.into_iter().map(|(id, _)| (id, Start::Now)).collect()).await?;
        if left_out > 0 {
            self.ready.push_back(AllDelivery::LeftOut { sessions: left_out });
        }
        Ok(())
    }

    /// Follows a session, or tells why not. An error that concerns all sessions is given back.
    fn begin(&mut self, session_id: SessionId, subscription: Result<Subscription>) -> Result<()> {
        match subscription {
            Ok(subscription) => {
                let position = Position { session_id, cursor: subscription.after() };
                self.ready.push_back(AllDelivery::Subscribed(position));
                self.streams_begun += 1;
                self.deliveries += 1;
                let number = self.streams_begun;
                self.followed.insert(session_id, Followed { number, active: self.deliveries });
                self.refused.remove(&session_id);
                self.given_up.remove(&session_id);
                let parts = subscription.map(move |delivery| (session_id, number, Some(delivery)));
                self.streams.push(parts.chain(stream::iter([(session_id, number, None)])).boxed());
                Ok(())
            }
            Err(error) => self.fail(session_id, error),
        }
    }

    /// Gives up on one session; an error that concerns all of them is given back.
    fn fail(&mut self, session_id: SessionId, error: Error) -> Result<()> {
        match error {
            Error::Denied(_) | Error::RefusedByHost(_) => {
                self.refused.insert(session_id);
            }
            // An internal error is one log or record that cannot be read. The other sessions can be.
            Error::Resync { .. } | Error::Internal => {
                self.given_up.insert(session_id);
            }
            // It is followed once there is room.
            Error::LimitExceeded { .. } => self.left_out = true,
            error => return Err(error),
        }
        self.ready.push_back(AllDelivery::Ended { session_id, error });
        Ok(())
    }

    /// Follows a session that the caller came into, from the event on that brought them in. A session that they made or joined
    /// themselves takes the place of the one that brought nothing for the longest time: sessions that others brought them into
    /// must not keep it out.
    async fn arrive(&mut self, id: SessionId, is_own: bool) -> Result<()> {
        if self.followed.contains_key(&id) {
            return Ok(());
        }
        // The right is looked at first: it costs less than the search for the event.
        match self.chat.allowed(id, &self.principal, Action::View, Freshness::Fresh).await {
            Ok(_) => {}
            // Gone again meanwhile.
            Err(Error::Denied(Denial::Hidden | Denial::NotParticipant)) => {
                self.refused.remove(&id);
                self.given_up.remove(&id);
                self.inbox.left(id);
                return Ok(());
            }
            Err(error) if is_refusal(&error) && self.refused.contains(&id) => return Ok(()),
            Err(error) => return self.fail(id, error),
        }
        if !self.has_room().await? {
            let quietest = self.followed.iter().min_by_key(|(_, followed)| followed.active).map(|(id, _)| *id);
            match quietest.filter(|_| is_own) {
                Some(quietest) => {
                    self.followed.remove(&quietest);
                    self.fail(quietest, self.chat.too_many_sessions())?;
                }
                None => return self.fail(id, self.chat.too_many_sessions()),
            }
        }
        let subscription = match self.chat.arrival(&self.principal, id).await {
            Ok(Some(seq)) => self.chat.follow(&self.principal, id, Start::from(seq - 1)).await,
            Ok(None) => self.chat.follow(&self.principal, id, Start::Now).await,
            Err(error) => Err(error),
        };
        match subscription {
            Err(Error::Denied(Denial::Hidden | Denial::NotParticipant)) => {
                self.inbox.left(id);
                Ok(())
            }
            subscription => self.begin(id, subscription),
        }
    }

    /// Whether one more session can be followed.
    async fn has_room(&mut self) -> Result<bool> {
        let limit = self.chat.inner.limits.stream_sessions;
        if self.followed.len() < limit {
            return Ok(true);
        }
        // Sessions that the caller is out of are about to end: their last events take no room.
        let viewed = self.chat.still_viewable(&self.principal.user_id, self.followed.keys().copied()).await?;
        Ok(viewed.iter().filter(|viewed| viewed.is_ok()).count() < limit)
    }

    /// Follows the sessions that the caller may view again.
    async fn look_at_refused(&mut self) -> Result<()> {
        let refused: Vec<SessionId> = self.refused.iter().copied().collect();
        let viewed = self.chat.still_viewable(&self.principal.user_id, refused.iter().copied()).await?;
        for (id, viewed) in refused.into_iter().zip(viewed) {
            match viewed {
                Ok(_) => {
                    let subscription = self.chat.follow(&self.principal, id, Start::Now).await;
                    if !subscription.as_ref().is_err_and(is_refusal) {
                        self.begin(id, subscription)?;
                    }
                }
                Err(Error::Denied(Denial::Hidden | Denial::NotParticipant)) => {
                    self.refused.remove(&id);
                    self.inbox.left(id);
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
}
