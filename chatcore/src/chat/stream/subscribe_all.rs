//! One stream of all of the caller's sessions, including later joins.

use std::{
    collections::HashSet,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};

use super::{
    feed::Feed,
    presence::Reading,
    subscribe::{Delivery, Start},
};
use crate::chat::{Chat, decide::policy::Operation};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{Cursor, Event, Seq, SessionId, Standing},
    store::{Freshness, ParticipantRecord},
    trace::use_case,
};

/// A position in the log of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The session.
    pub session_id: SessionId,
    /// The position in the log of the session.
    pub cursor: Cursor,
}

impl Position {
    /// A position, with its epoch or alone.
    pub fn new(session_id: SessionId, cursor: impl Into<Cursor>) -> Self {
        Self { session_id, cursor: cursor.into() }
    }
}

/// A delivery of the stream of all sessions.
#[derive(Debug, Clone)]
pub enum AllDelivery {
    /// From now on the stream has the events of this session after this position.
    Subscribed(Position),
    /// An event or a signal of one of the sessions.
    Delivered(Delivery),
    /// The subscription to one session failed or ended, for another reason than an event that revoked the right to read.
    Ended {
        /// The session.
        session_id: SessionId,
        /// The reason.
        error: Error,
    },
    /// The caller is in more sessions than the limit of one stream. The stream has the named sessions and the most recently active other
    /// sessions.
    LeftOut {
        /// The number of sessions that the stream leaves out.
        sessions: u64,
    },
}

/// The events and signals of all of the caller's sessions: for each session in order, without gap or duplicate.
///
/// The stream first announces each session with the position after which its events follow. The stream announces a later join at the time
/// of the join, and the first event of that session is the join. If the right to read a session ends, the last event of the session shows
/// the reason, and the stream continues with the other sessions. The stream ends with one error: [`TokenExpired`](Error::TokenExpired);
/// [`TokenInvalid`](Error::TokenInvalid), [`AccountBanned`](Error::AccountBanned) or [`AccountDeleted`](Error::AccountDeleted) when the
/// caller's login or account ended meanwhile; or [`Unavailable`](Error::Unavailable) when the store is unavailable.
pub struct AllSubscription {
    deliveries: BoxStream<'static, Result<AllDelivery>>,
    chat: Chat,
    /// Whether the sessions' readers are told of presence.
    shows_presence: Arc<AtomicBool>,
    presence: Option<Reading>,
}

impl AllSubscription {
    /// Adds presence signals of users who share a session with the caller from now on: once for each shared session. After this call, a
    /// reader reads the current presence, so that the reader misses no change.
    pub async fn show_presence(&mut self) {
        self.presence = Some(self.chat.inner.presences.read().await);
        self.shows_presence.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for AllSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllSubscription").finish_non_exhaustive()
    }
}

impl Stream for AllSubscription {
    type Item = Result<AllDelivery>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.deliveries.poll_next_unpin(context)
    }
}

/// Rows that are read at once when a join is looked for.
const CHUNK: u64 = 512;

impl Chat {
    /// All of the caller's sessions in one stream. The sessions in `after` continue after their positions, the other sessions begin now.
    ///
    /// A named session that the caller may not read, or whose log does not continue after that position, is answered by
    /// [`AllDelivery::Ended`], without an effect on the other sessions. If the caller is in more sessions than
    /// [`stream_sessions`](crate::Limits::stream_sessions), the stream has the named sessions and the most recently active other sessions,
    /// and [`AllDelivery::LeftOut`] gives the number of left-out sessions: other users can add the caller to any number of sessions, and
    /// must not end the stream by these adds.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a session is named twice; [`LimitExceeded`](Error::LimitExceeded) when more than
    /// [`stream_sessions`](crate::Limits::stream_sessions) are named, or the caller already has the maximum of
    /// [`streams_per_user`](crate::Limits::streams_per_user) such streams in one process.
    pub async fn subscribe_all(&self, principal: &Principal, after: &[Position]) -> Result<AllSubscription> {
        use_case!("subscribe_all", async move {
            let is_long = after.len() > self.inner.limits.stream_sessions;
            // Each session is one use. Too many of them are one use, and refused.
            self.enter(principal, Use::Request.times(if is_long { 1 } else { after.len() })).await?;
            if is_long {
                return Err(self.too_many_sessions());
            }
            let mut named = HashSet::new();
            if !after.iter().all(|position| named.insert(position.session_id)) {
                return Err(Error::invalid("after", Code::ValidationInvalidValue, "name each session once"));
            }
            self.permit(principal, Operation::FollowSessions).await?;
            // Listening begins before the look, so that nothing falls between.
            let inbox = self.inner.inboxes.open(&principal.user_id, self.inner.limits.streams_per_user)?;
            inbox.listen().await;
            let watch = self.inner.standings.watch(principal);
            // Once for all of the sessions.
            watch.know_blocks().await?;
            let mut feed = Feed::new(self, principal, inbox, watch);
            let wanted = after.iter().map(|position| (position.session_id, Start::After(position.cursor)));
            feed.begin(wanted.collect(), &named).await?;
            let shows_presence = feed.shows_presence();
            let stream = stream::unfold(feed, |mut feed| async move {
                let delivery = feed.next().await?;
                Some((delivery, feed))
            });
            let deliveries = stream.fuse().boxed();
            Ok(AllSubscription { deliveries, chat: self.clone(), shows_presence, presence: None })
        })
    }

    pub(super) fn too_many_sessions(&self) -> Error {
        let limit = self.inner.limits.stream_sessions as u64;
        Error::LimitExceeded { what: "the number of sessions of one stream", limit }
    }

    /// The position of the event with which the caller came into a session; `None` when they are not in it, or the log
    /// no longer has it.
    pub(super) async fn arrival(&self, principal: &Principal, id: SessionId) -> Result<Option<Seq>> {
        let known = self.known(id, &principal.user_id, None, Freshness::Fresh).await?;
        let first = known.sight()?.first;
        let Some(ParticipantRecord { id: stay, standing: Standing::Active(_), joined_at, .. }) = known.actor.as_deref()
        else {
            return Ok(None);
        };
        let came = |event: &Event| event.kind.admission(&event.actor).is_some_and(|(_, began)| began == *stay);
        // It stands near the end: one is told at once, or looks within seconds.
        let mut to = known.head.seq;
        while to > 0 {
            let from = to.saturating_sub(CHUNK - 1).max(1);
            let rows = self.rows(id, from, to).await?;
            if let Some(event) = rows.iter().find(|event| came(event)) {
                return Ok(Some(event.seq.max(first)));
            }
            if rows.first().is_none_or(|event| event.created_at < *joined_at) {
                break;
            }
            to = from - 1;
        }
        Ok(None)
    }
}
