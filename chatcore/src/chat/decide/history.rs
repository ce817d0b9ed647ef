//! The part of a session's log that a reader sees. The rule is here alone: each read asks it, and none has one of its own.
//!
//! A position is seen or not, whatever stands there. So an event is seen by its own position, and what it shows of another message by the
//! position of that message.

use std::{borrow::Cow, collections::HashSet};

use super::govern::Known;
use crate::chat::{
    Chat,
    read::{pages::resync, view::EventView},
};
use crate::{
    error::{Error, Result},
    model::{Cursor, HistoryVisibility, Seq, Session, SessionChanges, SessionId, UserId},
    store::{ChatStoreExt as _, Found, Head, ParticipantRecord, Participants},
};
use std::sync::Arc;

/// What decides which positions a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) struct History {
    visibility: HistoryVisibility,
    /// The position with which the reader came into the session, the last time; 1 for the user who made it, `None` where it is not known.
    since: Option<Seq>,
}

impl History {
    /// Of a session and the record of its reader.
    pub(in crate::chat) fn of(session: Option<&Session>, reader: Option<&ParticipantRecord>) -> Self {
        let visibility = session.map_or(HistoryVisibility::SinceJoining, |session| session.settings.history_visibility);
        let since = reader.and_then(|record| if record.is_creator { Some(1) } else { record.since });
        Self { visibility, since }
    }

    /// The first position that the reader sees. What is not known hides.
    pub(in crate::chat) const fn first_visible(self) -> Seq {
        match (self.visibility, self.since) {
            (HistoryVisibility::All, _) => 1,
            (HistoryVisibility::SinceJoining, Some(since)) => since,
            (HistoryVisibility::SinceJoining, None) => Seq::MAX,
        }
    }

    /// The same after a change of the session's settings.
    pub(in crate::chat) fn after(self, changes: &SessionChanges) -> Self {
        Self { visibility: changes.history_visibility.unwrap_or(self.visibility), ..self }
    }
}

/// What a reader sees of a session's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) struct Sight {
    pub(in crate::chat) session_id: SessionId,
    /// The end of the log when this was decided. Nothing beyond it is shown.
    pub(in crate::chat) head: Head,
    /// The first position that the reader sees, from 1 on. Where the reader sees nothing yet, it is the position after the end.
    pub(in crate::chat) first: Seq,
}

impl Sight {
    fn new(session_id: SessionId, head: Head, history: History) -> Self {
        let first = history.first_visible().clamp(1, head.seq.saturating_add(1));
        Self { session_id, head, first }
    }

    /// Whether the reader sees a position.
    pub(in crate::chat) fn sees(self, seq: Seq) -> bool {
        (self.first..=self.head.seq).contains(&seq)
    }

    /// The position after which the log begins for the reader.
    pub(in crate::chat) const fn start(self) -> Seq {
        self.first.saturating_sub(1)
    }
}

impl Known {
    /// The rule for the actor.
    pub(in crate::chat) fn history(&self) -> History {
        History::of(self.session.as_deref(), self.actor.as_deref())
    }

    /// What the actor sees of the session's log, where a decision has allowed the actor to view it.
    pub(in crate::chat) fn sight(&self) -> Result<Sight> {
        Ok(Sight::new(self.session()?.id, self.head, self.history()))
    }
}

/// Events as a reader gets them who sees the log from a position on.
pub(in crate::chat) fn shown_from(first: Seq, views: &[Arc<EventView>]) -> Cow<'_, [Arc<EventView>]> {
    if first <= 1 || views.iter().all(|view| view.is_whole_from(first)) {
        return Cow::Borrowed(views);
    }
    Cow::Owned(views.iter().map(|view| EventView::seen_from(view, first)).collect())
}

impl Chat {
    /// The error for a position after which the log does not continue for a reader.
    pub(in crate::chat) async fn resync(&self, sight: Sight) -> Error {
        match resync(&*self.inner.store, sight.session_id, sight.head.seq).await {
            Error::Resync { oldest, head } => Error::Resync { oldest: oldest.max(sight.start()), head },
            error => error,
        }
    }

    /// Those of the users who do not see a position of a session's log.
    pub(in crate::chat) async fn blind<'a>(
        &self,
        session: &Session,
        seq: Seq,
        users: impl IntoIterator<Item = &'a UserId>,
    ) -> Result<HashSet<UserId>> {
        let users: HashSet<&UserId> = users.into_iter().collect();
        if users.is_empty() || session.settings.history_visibility == HistoryVisibility::All {
            return Ok(HashSet::new());
        }
        let key = |user: &UserId| Participants { session: session.id, user: user.clone() };
        let keys: Vec<Participants> = users.into_iter().map(key).collect();
        let found = self.inner.store.get_all(&keys).await?;
        let sees = |found: Option<Found<ParticipantRecord>>| {
            let record = found.map(ParticipantRecord::placed);
            History::of(Some(session), record.as_deref()).first_visible() <= seq
        };
        Ok(keys.into_iter().zip(found).filter_map(|(key, found)| (!sees(found)).then_some(key.user)).collect())
    }

    /// A cursor after which a reader follows a log.
    ///
    /// # Errors
    /// [`Resync`](Error::Resync) for one beyond the end, and for one before the log begins for the reader, as for a log that was trimmed:
    /// a reader that went on from there unnoticed would take what it kept for complete.
    pub(in crate::chat) async fn within(&self, sight: Sight, after: Cursor) -> Result<Cursor> {
        let is_within = (sight.start()..=sight.head.seq).contains(&after.seq);
        if is_within { Ok(after) } else { Err(self.resync(sight).await) }
    }
}
