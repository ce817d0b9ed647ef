//! One stream of all of the caller's sessions, and of those that they come into meanwhile.

use std::{
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
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::{
    Chat,
    inbox::Inbox,
    subscribe::{Delivery, Subscription},
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    model::{EventKind, Seq, SessionId, Standing},
    permission::Denial,
    store::{Freshness, ParticipantRecord, Slice},
};

/// A position in the log of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which session.
    pub session_id: SessionId,
    /// Where in its log.
    pub seq: Seq,
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
        /// Which session.
        session_id: SessionId,
        /// Why.
        error: Error,
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
    /// All of the caller's sessions in one stream. Those named in `after` go on from there, the others from now.
    ///
    /// A named session that the caller may not read, or whose log no longer has that position, is answered by
    /// [`AllDelivery::Ended`], and concerns the others nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a session is named twice; [`LimitExceeded`](Error::LimitExceeded) when there are more than
    /// [`stream_sessions`](crate::Limits::stream_sessions) of them, or the caller has as many such streams already as
    /// [`streams_per_user`](crate::Limits::streams_per_user) allows in one process.
    pub async fn subscribe_all(&self, principal: &Principal, after: &[Position]) -> Result<AllSubscription> {
        let mut named = HashMap::new();
        for position in after {
            if named.insert(position.session_id, position.seq).is_some() {
                let message = "name each session once";
                return Err(Error::invalid("after", Code::ValidationInvalidValue, message));
            }
        }
        let limit = self.inner.limits.stream_sessions;
        if after.len() > limit {
            return Err(self.too_many_sessions());
        }
        self.enter(principal).await?;
        // Listening begins before the look, so that nothing falls between.
        let inbox = self.inner.inboxes.open(&principal.user_id, self.inner.limits.streams_per_user)?;
        let mut wanted: Vec<(SessionId, Option<Seq>)> =
            after.iter().map(|position| (position.session_id, Some(position.seq))).collect();
        wanted.extend(
            self.present(principal).await?.into_iter().filter(|id| !named.contains_key(id)).map(|id| (id, None)),
        );
        if wanted.len() > limit {
            return Err(self.too_many_sessions());
        }
        let left =
            |end: chrono::DateTime<chrono::Utc>| (end - self.inner.clock.now()).to_std().unwrap_or(Duration::ZERO);
        // An interval is neither empty nor endless.
        let every = self.inner.limits.membership_interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        let mut looks = interval_at(Instant::now() + every, every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut feed = Feed {
            chat: self.clone(),
            principal: principal.clone(),
            deadline: principal.expires_at.and_then(|end| Instant::now().checked_add(left(end))),
            inbox,
            looks,
            look: false,
            streams: SelectAll::new(),
            followed: HashSet::new(),
            given_up: HashSet::new(),
            refused: HashSet::new(),
            ready: VecDeque::new(),
            ended: false,
        };
        let opened =
            stream::iter(wanted).map(|(id, after)| async move { (id, self.subscribe(principal, id, after).await) });
        let mut opened = Box::pin(opened.buffered(OPENED_AT_ONCE));
        while let Some((id, subscription)) = opened.next().await {
            feed.begin(id, subscription)?;
        }
        drop(opened);
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

    /// The sessions that the caller is in; one more than a stream may have, where there are more.
    async fn present(&self, principal: &Principal) -> Result<Vec<SessionId>> {
        let slice = Slice::first(self.inner.limits.stream_sessions as u64 + 1);
        let sessions = self.inner.store.sessions_of(&principal.user_id, slice).await?;
        Ok(sessions.into_iter().map(|(session, _)| session.id).collect())
    }

    /// The position of the event with which the caller came into a session; `None` when they are not in it, or the log
    /// no longer has it.
    async fn arrival(&self, principal: &Principal, id: SessionId) -> Result<Option<Seq>> {
        let known = self.known(id, &principal.user_id, None, Freshness::Fresh).await?;
        let Some(ParticipantRecord { id: stay, standing: Standing::Active(_), joined_at, .. }) = known.actor else {
            return Ok(None);
        };
        let came = |kind: &EventKind| match kind {
            EventKind::SessionCreated { participant_id, .. }
            | EventKind::ParticipantJoined { participant_id, .. }
            | EventKind::ParticipantAdded { participant_id, .. } => *participant_id == stay,
            EventKind::SessionUpdated { .. }
            | EventKind::SessionDeleted
            | EventKind::ParticipantLeft
            | EventKind::ParticipantRemoved { .. }
            | EventKind::ParticipantRoleChanged { .. }
            | EventKind::MessageSent { .. } => false,
        };
        // It stands near the end: one is told at once, or looks within seconds.
        let mut to = known.head.seq;
        while to > 0 {
            let from = to.saturating_sub(CHUNK - 1).max(1);
            let rows = self.rows(id, from, to).await?;
            if let Some(event) = rows.iter().find(|event| came(&event.kind)) {
                return Ok(Some(event.seq));
            }
            if rows.first().is_none_or(|event| event.created_at < joined_at) {
                break;
            }
            to = from - 1;
        }
        Ok(None)
    }
}

/// What one of the streams brings; `None` at its end.
type Part = (SessionId, Option<Result<Delivery>>);

struct Feed {
    chat: Chat,
    principal: Principal,
    deadline: Option<Instant>,
    inbox: Inbox,
    /// Sessions come into through other processes are seen by looking.
    looks: Interval,
    /// Whether to look before anything else is waited for.
    look: bool,
    streams: SelectAll<BoxStream<'static, Part>>,
    followed: HashSet<SessionId>,
    /// Those that ended with an error: their place is the client's to say.
    given_up: HashSet<SessionId>,
    /// Those that the caller is in and may not read: looked at again, and told of once.
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
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return self.end(Error::TokenExpired);
            }
            if let Some(delivery) = self.ready.pop_front() {
                return Some(Ok(delivery));
            }
            if self.look {
                self.look = false;
                if let Err(error) = self.look_for_more().await {
                    match error {
                        Error::TokenExpired => return self.end(error),
                        error => tracing::warn!(%error, "could not look for new sessions; trying again"),
                    }
                }
                continue;
            }
            let deadline = async {
                match self.deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((id, part)) = self.streams.next() => match part {
                    Some(Ok(delivery)) => return Some(Ok(AllDelivery::Delivered(delivery))),
                    Some(Err(error)) => {
                        if let Err(error) = self.fail(id, error) {
                            return self.end(error);
                        }
                    }
                    None => {
                        // They may be in it again already.
                        self.followed.remove(&id);
                        self.look = true;
                    }
                },
                () = self.inbox.news() => self.look = true,
                _ = self.looks.tick() => self.look = true,
                () = deadline => {}
            }
        }
    }

    fn end(&mut self, error: Error) -> Option<Result<AllDelivery>> {
        self.ended = true;
        Some(Err(error))
    }

    /// Follows a session, or tells why not. An error that concerns all sessions is given back.
    fn begin(&mut self, session_id: SessionId, subscription: Result<Subscription>) -> Result<()> {
        match subscription {
            Ok(subscription) => {
                let position = Position { session_id, seq: subscription.after() };
                self.ready.push_back(AllDelivery::Subscribed(position));
                self.followed.insert(session_id);
                self.refused.remove(&session_id);
                let parts = subscription.map(move |delivery| (session_id, Some(delivery)));
                self.streams.push(parts.chain(stream::iter([(session_id, None)])).boxed());
                Ok(())
            }
            Err(error) => self.fail(session_id, error),
        }
    }

    /// Gives up on one session; an error that concerns all of them is given back.
    fn fail(&mut self, session_id: SessionId, error: Error) -> Result<()> {
        match error {
            Error::Denied(_) => {
                self.refused.insert(session_id);
            }
            Error::Resync { .. } | Error::LimitExceeded { .. } => {
                self.given_up.insert(session_id);
            }
            error => return Err(error),
        }
        self.ready.push_back(AllDelivery::Ended { session_id, error });
        Ok(())
    }

    /// Begins to follow the sessions that the caller came into.
    async fn look_for_more(&mut self) -> Result<()> {
        let sessions = self.chat.present(&self.principal).await?;
        let present: HashSet<_> = sessions.iter().copied().collect();
        // Who went and comes again is told so again.
        self.given_up.retain(|id| present.contains(id));
        self.refused.retain(|id| present.contains(id));
        for id in sessions {
            if self.followed.contains(&id) || self.given_up.contains(&id) {
                continue;
            }
            // Those that the caller is out of are about to end: their last events take no place.
            let followed = self.followed.iter().filter(|id| present.contains(id)).count();
            if followed >= self.chat.inner.limits.stream_sessions {
                self.fail(id, self.chat.too_many_sessions())?;
                continue;
            }
            let arrival = self.chat.arrival(&self.principal, id).await?;
            let subscription = self.chat.subscribe(&self.principal, id, arrival.map(|seq| seq - 1)).await;
            match subscription {
                // Gone again meanwhile.
                Err(Error::Denied(Denial::Hidden | Denial::NotParticipant)) => {}
                Err(Error::Denied(_)) if self.refused.contains(&id) => {}
                subscription => self.begin(id, subscription)?,
            }
        }
        Ok(())
    }
}
