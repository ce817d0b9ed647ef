//! Use cases about how far a user has read.
//!
//! Markers are stored under the user and raised by compare-and-set: a marker is no part of a session's log, so a session with many readers
//! is not slowed down by them. Other readers are told by receipts.

use std::{cmp::Reverse, str::FromStr};

use super::{
    Chat,
    decide::{govern::Known, history::Sight, policy::Operation, scope::sees},
    finding::{MAX_SEARCHED, cut},
    read::{
        batch::go_on,
        lists::{self, Slice},
    },
    receipts::tells,
    stream::receipts::Came,
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        AllRead, InvalidId, ListPage, MessageId, Overview, ReadState, Seq, Session, SessionId, SessionSummary, Signal,
        Unread, UserId,
    },
    notify::Hint,
    permission::{Action, Denial},
    store::{Change, Found, Freshness, Head, ReadMarker, ReadMarkers, StoreError, TypedKey as _, Write},
    trace::use_case,
};

/// Maximum number of sessions that one call of [`Chat::mark_all_read`] processes.
pub const MAX_MARKED: u64 = 1_000;

/// Maximum number of sessions of a user in a list by activity.
pub const MAX_SORTED: u64 = 1_000;

/// Markers that are written in one commit.
const BATCH: u64 = 100;

/// The position or the message up to which a session is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadUpto {
    /// A position of the session's log, from 1 on.
    Seq(Seq),
    /// A message of the session.
    Message(MessageId),
}

/// The order of a list of the caller's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionOrder {
    /// The newest session first.
    #[default]
    Newest,
    /// The session with the latest event first.
    Activity,
}

impl SessionOrder {
    /// Every order.
    pub const ALL: [Self; 2] = [Self::Newest, Self::Activity];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Activity => "activity",
        }
    }
}

impl FromStr for SessionOrder {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { kind: "order", expected: "newest or activity" };
        Self::ALL.into_iter().find(|order| order.as_str() == text).ok_or(invalid)
    }
}

/// The position beyond a marker up to which the user marked the session as read before; 0 for none.
fn seen(found: Option<&Found<ReadMarker>>, seq: Seq) -> Seq {
    found.map(|found| found.value.highest()).filter(|highest| *highest > seq).unwrap_or(0)
}

/// A write of a marker, provided that it is still the one that was found.
fn write(user: &UserId, session: SessionId, found: Option<&Found<ReadMarker>>, marker: ReadMarker) -> Write {
    let put = ReadMarkers { user: user.clone(), session }.put(marker);
    match found {
        Some(found) => put.at(found.version),
        None => put.absent(),
    }
}

impl Chat {
    /// Marks a session as read up to a position, and returns the caller's new read state. A marker only moves forward: an earlier position
    /// changes nothing, so a retry is safe. The caller's other devices receive a [signal](Signal::ReadMarker).
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Invalid`](Error::Invalid) for the position 0;
    /// [`Resync`](Error::Resync) for a position beyond the end of the log; [`MessageNotFound`](Error::MessageNotFound) when the session
    /// has no such message.
    pub async fn mark_read(&self, principal: &Principal, id: SessionId, upto: ReadUpto) -> Result<ReadState> {
        use_case!("mark_read", id, async move {
            self.enter(principal, Use::Request).await?;
            let user = &principal.user_id;
            let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let (sight, is_told) = (known.sight()?, tells(known.session()?));
            let (seq, number) = self.read_place(sight, upto).await?;
            for _ in 0..self.inner.limits.commit_attempts {
                let marks = self.marks(user, std::iter::once(id)).await?.pop().ok_or(Error::Internal)?;
                let found = marks.marker.as_ref();
                if found.is_some_and(|found| found.value.seq >= seq) {
                    return self.read_state(user, sight).await;
                }
                let own_upto = found.map_or(0, |found| found.value.own_upto);
                let seen_upto = seen(found, seq);
                let marker = ReadMarker { seq, number, own_upto, seen_upto, at: self.inner.clock.now() };
                if self.try_commit(Change::of_records(vec![write(user, id, found, marker)])).await?.is_some() {
                    if seen_upto == 0 {
                        self.tell_read(id, user, Came { seq, is_told }).await;
                    }
                    return self.tell_marker(user, sight).await;
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Marks a message and all later messages as unread, and returns the caller's new read state. For an unread message, nothing changes,
    /// so a retry is safe. Messages from before the caller's join stay read. The caller's other devices receive a
    /// [signal](Signal::ReadMarker).
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the caller may not
    /// view the session.
    pub async fn mark_unread_from(&self, principal: &Principal, id: MessageId) -> Result<ReadState> {
        use_case!("mark_unread_from", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            let (user, session) = (&principal.user_id, id.session_id);
            let sight = match self.allowed(session, principal, Action::View, Freshness::Fresh).await {
                Ok(known) => known.sight()?,
                // An id must not tell whether there is such a session.
                Err(Error::Denied(Denial::Hidden)) => return Err(Error::MessageNotFound),
                Err(error) => return Err(error),
            };
            let (head, (seq, number)) = (sight.head, self.read_place(sight, ReadUpto::Message(id)).await?);
            for _ in 0..self.inner.limits.commit_attempts {
                let marks = self.marks(user, std::iter::once(session)).await?;
                let state = self.states_by(user, &marks, &[sight]).await?.pop().ok_or(Error::Internal)?;
                let ((state, _), marks) = (state?, marks.first().ok_or(Error::Internal)?);
                if seq > state.read_upto {
                    return Ok(state);
                }
                let found = marks.marker.as_ref();
                let (seq, number) = (seq.saturating_sub(1), number.saturating_sub(1));
                let (own_upto, seen_upto) = (head.seq, seen(found, seq));
                let marker = ReadMarker { seq, number, own_upto, seen_upto, at: self.inner.clock.now() };
                if found.is_some_and(|found| found.value.seq == seq && found.value.own_upto >= head.seq) {
                    return Ok(state);
                }
                if self.try_commit(Change::of_records(vec![write(user, session, found, marker)])).await?.is_some() {
                    return self.tell_marker(user, sight).await;
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Marks sessions of the caller as read up to the ends of their logs, at most [`MAX_MARKED`] sessions, newest first. The answer names
    /// the session after which the next call continues. A retry is safe.
    ///
    /// # Errors
    /// Those of the host's policy; [`OutcomeUnknown`](Error::OutcomeUnknown) when some of the sessions are marked.
    pub async fn mark_all_read(&self, principal: &Principal, after: Option<SessionId>) -> Result<AllRead> {
        use_case!("mark_all_read", async move {
            self.enter(principal, Use::Request).await?;
            self.permit(principal, Operation::ListSessions).await?;
            let mut all = AllRead { marked: 0, last: None, is_done: false };
            for _ in 0..MAX_MARKED / BATCH {
                let page = self.mark_page(principal, all.last.or(after)).await;
                // Earlier pages are marked: an error must not say that nothing was changed.
                let page = page.map_err(|error| if all.marked > 0 { Error::OutcomeUnknown } else { error })?;
                all.marked += page.marked;
                all.last = page.last.or(all.last);
                if page.is_done {
                    return Ok(AllRead { is_done: true, ..all });
                }
            }
            Ok(all)
        })
    }

    /// Marks one page of the caller's sessions as read.
    async fn mark_page(&self, principal: &Principal, after: Option<SessionId>) -> Result<AllRead> {
        let (user, store) = (&principal.user_id, &*self.inner.store);
        let slice = Slice { after, skip: 0, limit: BATCH };
        let reader = Some((user, self.inner.clock.now()));
        let found =
            lists::known_sessions_of(store, user, (slice, u64::MAX), reader, |session| session.is_active).await?;
        let found = found.sessions;
        let is_done = (found.len() as u64) < BATCH;
        let last = found.last().and_then(|known| known.session.as_ref()).map(|session| session.id);
        let viewed = found.into_iter().map(|known| self.view(known)).collect();
        let viewed = self.permitted(principal, viewed).await?;
        let ends: Vec<_> = viewed.iter().flatten().map(|viewed| viewed.sight).collect();
        let mut page = AllRead { marked: 0, last, is_done };
        for (id, _) in self.mark_to_ends(user, &ends).await? {
            page.marked += 1;
            let read_upto = ends.iter().find(|end| end.session_id == id).map_or(0, |end| end.head.seq);
            let unread = Unread { count: 0, is_exact: true };
            self.signal_marker(user, ReadState { session_id: id, read_upto, unread }).await;
            let is_told = viewed.iter().flatten().any(|viewed| viewed.session.id == id && tells(&viewed.session));
            self.tell_read(id, user, Came { seq: read_upto, is_told }).await;
        }
        Ok(page)
    }

    /// The overviews of these sessions for lists of the caller's own sessions, in the order of the ids; `None` for an unreadable log.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id).
    pub async fn overviews_by_id(
        &self,
        principal: &Principal,
        ids: &[SessionId],
    ) -> Result<Vec<Result<Option<Overview>>>> {
        use_case!("overviews_by_id", async move {
            self.enter_batch(principal, ids).await?;
            let viewed = self.viewable(principal, ids.iter().copied()).await?;
            let overviews = self.overviews(principal, &viewed.iter().flatten().collect::<Vec<_>>()).await?;
            Ok(go_on(viewed, overviews, |_, overview| Ok(overview)))
        })
    }

    /// The position and the number of messages up to there.
    async fn read_place(&self, sight: Sight, upto: ReadUpto) -> Result<(Seq, u64)> {
        let Sight { session_id: id, head, first: _ } = sight;
        let seq = match upto {
            ReadUpto::Seq(0) => {
                return Err(Error::invalid("seq", Code::ValidationInvalidValue, "positions begin at 1"));
            }
            ReadUpto::Seq(seq) if seq > head.seq => return Err(self.resync(sight).await),
            ReadUpto::Seq(seq) => seq,
            ReadUpto::Message(message) => {
                let is_there = message.session_id == id && sight.sees(message.seq);
                if !is_there {
                    return Err(Error::MessageNotFound);
                }
                message.seq
            }
        };
        let row = self.rows(id, seq, seq).await?.into_iter().next();
        match (row, upto) {
            (Some(row), ReadUpto::Message(_)) if !row.kind.is_message() => Err(Error::MessageNotFound),
            (Some(row), ReadUpto::Seq(_) | ReadUpto::Message(_)) => Ok((seq, row.number)),
            (None, ReadUpto::Message(_)) => Err(Error::MessageNotFound),
            // The log was trimmed: no message that it keeps stands up to there.
            (None, ReadUpto::Seq(_)) => Err(self.resync(sight).await),
        }
    }

    /// Tells the user's devices how far the user has read now.
    async fn tell_marker(&self, user: &UserId, sight: Sight) -> Result<ReadState> {
        // The marker has moved: an error here must not say that it has not.
        let state = self.read_state(user, sight).await.map_err(|_| Error::OutcomeUnknown)?;
        self.signal_marker(user, state).await;
        Ok(state)
    }

    async fn signal_marker(&self, user: &UserId, state: ReadState) {
        self.publish(Hint::Signal(Signal::ReadMarker { user_id: user.clone(), state })).await;
    }

    /// Raises the markers of a user to the ends of logs, and gives the sessions whose markers moved.
    async fn mark_to_ends(&self, user: &UserId, ends: &[Sight]) -> Result<Vec<(SessionId, Head)>> {
        for _ in 0..self.inner.limits.commit_attempts {
            let marks = self.marks(user, ends.iter().map(|sight| sight.session_id)).await?;
            let states = self.states_by(user, &marks, ends).await?;
            let mut moved = Vec::new();
            let mut writes = Vec::new();
            for ((marks, state), Sight { session_id: id, head, first: _ }) in marks.iter().zip(states).zip(ends) {
                // What is read already needs no marker.
                let is_read = state.is_ok_and(|(state, _)| state.unread.count == 0);
                if !is_read {
                    let seen_upto = seen(marks.marker.as_ref(), head.seq);
                    let (number, at) = (head.number, self.inner.clock.now());
                    let marker = ReadMarker { seq: head.seq, number, own_upto: 0, seen_upto, at };
                    writes.push(write(user, *id, marks.marker.as_ref(), marker));
                    moved.push((*id, *head));
                }
            }
            if writes.is_empty() {
                return Ok(moved);
            }
            match self.inner.store.commit(Change::of_records(writes)).await {
                Ok(_) => return Ok(moved),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }

    /// The wanted ones of the sessions in which the caller is, with what the caller's lists show of them.
    pub(super) async fn own_sessions(
        &self,
        principal: &Principal,
        limit: u64,
        slice: Slice<SessionId>,
        order: SessionOrder,
        is_wanted: impl Fn(&Session) -> bool,
    ) -> Result<ListPage<SessionSummary, SessionId>> {
        let user = &principal.user_id;
        let is_wanted = |session: &Session| sees(principal, session.id) && is_wanted(session);
        let reader = Some((user, self.inner.clock.now()));
        let store = &*self.inner.store;
        let page = match order {
            SessionOrder::Newest => {
                let most = (slice, MAX_SEARCHED);
                lists::known_sessions_of(store, user, most, reader, is_wanted).await?.page(limit)?
            }
            SessionOrder::Activity => {
                let whole = (Slice::first(MAX_SORTED + 1), u64::MAX);
                let all = lists::known_sessions_of(store, user, whole, reader, is_wanted).await?;
                cut(by_activity(all.sessions, slice)?, limit)
            }
        };
        self.shown_own(principal, page).await
    }

    /// A page of the caller's own sessions, with what the caller's lists show of them.
    pub(super) async fn shown_own(
        &self,
        principal: &Principal,
        page: ListPage<Known, SessionId>,
    ) -> Result<ListPage<SessionSummary, SessionId>> {
        let sessions = page.entries.iter().filter_map(|known| Some((known.session.clone()?, known.head))).collect();
        let viewed = page.entries.into_iter().map(|known| self.view(known)).collect();
        let viewed = self.permitted(principal, viewed).await?;
        let overviews = self.overviews(principal, &viewed.iter().flatten().collect::<Vec<_>>()).await?;
        let overviews = go_on(viewed, overviews, |_, overview| Ok(overview));
        let mut entries = self.summaries(sessions).await?;
        for (summary, overview) in entries.iter_mut().zip(overviews) {
            summary.overview = overview.ok().flatten().map(Box::new);
        }
        Ok(ListPage { entries, next: page.next })
    }
}

/// A part of a list that is sorted by the times of the last events.
pub(super) fn by_activity(mut all: Vec<Known>, Slice { after, skip, limit }: Slice<SessionId>) -> Result<Vec<Known>> {
    if all.len() as u64 > MAX_SORTED {
        return Err(Error::LimitExceeded {
            what: "the number of sessions that are sorted by activity",
            limit: MAX_SORTED,
        });
    }
    let id = |known: &Known| known.session.as_ref().map(|session| session.id);
    all.sort_unstable_by_key(|known| Reverse((known.head.at, id(known))));
    let start = match after {
        None => usize::try_from(skip).unwrap_or(usize::MAX),
        Some(after) => all.iter().position(|known| id(known) == Some(after)).map_or(0, |place| place + 1),
    };
    Ok(all.into_iter().skip(start).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
}
