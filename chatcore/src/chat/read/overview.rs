//! How far users have read, and what lists of their own sessions show.

use std::{collections::HashMap, sync::Arc};

use futures_util::try_join;

use super::{
    ends::{End, WINDOW},
    profiles, view,
};
use crate::{
    chat::{
        Chat,
        decide::{govern::Viewable, history::Sight},
        mentions::UnreadPart,
    },
    error::{Error, Result},
    identity::Principal,
    model::{Event, Overview, Preferences, ReadState, Seq, SessionId, Unread, UnreadMentions, UserId},
    store::{
        Been, Found, Key, LogRange, PreferenceRecord, ReadMarker, ReadMarkers, SessionPreferences, TypedKey as _, typed,
    },
};

/// A user's marks in a session, as they are stored.
#[derive(Debug)]
pub(in crate::chat) struct Marks {
    /// The marker; `None` where the user never moved it.
    pub(in crate::chat) marker: Option<Found<ReadMarker>>,
    pub(in crate::chat) preferences: Preferences,
    /// The position with which the user came into the session; 0 where it is not known.
    joined: Seq,
}

/// How far a user has read a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Read {
    upto: Seq,
    /// How many messages stand up to there; `None` where the row tells.
    number: Option<u64>,
}

impl Marks {
    /// How far the user has read: to the highest of the marker, the position with which the user came, the position before what the user
    /// sees, and the user's own last message among the last rows.
    fn read(&self, user: &UserId, end: &End, sight: Sight) -> Read {
        let marker = self.marker.as_ref().map(|found| &found.value);
        let (marked, own_upto) = marker.map_or((0, 0), |marker| (marker.seq, marker.own_upto));
        let floor = marked.max(self.joined).max(sight.start());
        let own = end.said_by(user).next().filter(|own| *own > own_upto).unwrap_or(0);
        let upto = floor.max(own).min(sight.head.seq);
        let stored = marker.filter(|marker| marker.seq == upto).map(|marker| marker.number);
        // The first event of a log is no message.
        let number = end.number(upto).or(stored).or((upto <= 1).then_some(0));
        Read { upto, number }
    }
}

impl Read {
    fn state(self, user: &UserId, end: &End, sight: Sight) -> ReadState {
        let (Self { upto, number }, Sight { session_id, head, first: _ }) = (self, sight);
        let own = end.said_by(user).take_while(|own| *own > upto).count() as u64;
        let count = head.number.saturating_sub(number.unwrap_or(0)).saturating_sub(own);
        // Before the last rows, messages of the user may stand that are counted.
        let is_exact = count == 0 || upto >= head.seq.saturating_sub(WINDOW);
        ReadState { session_id, read_upto: upto, unread: Unread { count, is_exact } }
    }
}

impl Chat {
    /// The marks of a user in sessions, in the order of the ids.
    pub(in crate::chat) async fn marks(
        &self,
        user: &UserId,
        ids: impl Iterator<Item = SessionId>,
    ) -> Result<Vec<Marks>> {
        let both = |session| {
            let user = || user.clone();
            [
                ReadMarkers { user: user(), session }.key(),
                SessionPreferences { user: user(), session }.key(),
                Been { user: user(), session }.key(),
            ]
        };
        let keys: Vec<Key> = ids.flat_map(both).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.inner.store.records(&keys).await? };
        let mut found = found.into_iter();
        let (now, mut marks) = (self.inner.clock.now(), Vec::with_capacity(keys.len() / 3));
        while let (Some(marker), Some(preferences), Some(been)) = (found.next(), found.next(), found.next()) {
            let preferences = typed::<PreferenceRecord>(preferences)?;
            let preferences = preferences.map(|found| Preferences::from(*found.value).at(now)).unwrap_or_default();
            marks.push(Marks { marker: typed(marker)?, preferences, joined: been.map_or(0, |been| been.at) });
        }
        Ok(marks)
    }

    /// How far a user has read of what the user sees of sessions, in the same order, and the ends of their logs. A log that cannot be read
    /// is an error of its own.
    pub(in crate::chat) async fn read_states(
        &self,
        user: &UserId,
        wanted: &[Sight],
    ) -> Result<Vec<Result<(ReadState, Arc<End>)>>> {
        let marks = self.marks(user, wanted.iter().map(|sight| sight.session_id)).await?;
        self.states_by(user, &marks, wanted).await
    }

    /// The same by marks that were read before.
    pub(in crate::chat) async fn states_by(
        &self,
        user: &UserId,
        marks: &[Marks],
        wanted: &[Sight],
    ) -> Result<Vec<Result<(ReadState, Arc<End>)>>> {
        let heads: Vec<_> = wanted.iter().map(|sight| (sight.session_id, sight.head)).collect();
        let ends = self.ends(&heads).await?;
        let read = |((end, marks), sight): ((Result<Arc<End>>, &Marks), &Sight)| {
            let end = end?;
            Ok((marks.read(user, &end, *sight), end))
        };
        let read: Vec<Result<_>> = ends.into_iter().zip(marks).zip(wanted).map(read).collect();
        let is_missing = |read: &Result<(Read, _)>| read.as_ref().is_ok_and(|(read, _)| read.number.is_none());
        let range = |(read, sight): (&Result<(Read, _)>, &Sight)| {
            let (Read { upto, .. }, _) = read.as_ref().ok().filter(|_| is_missing(read))?;
            Some(LogRange { session_id: sight.session_id, from: *upto, to: *upto })
        };
        let ranges: Vec<LogRange> = read.iter().zip(wanted).filter_map(range).collect();
        let rows = if ranges.is_empty() { Vec::new() } else { self.inner.store.log(&ranges).await? };
        let mut rows = rows.into_iter();
        let state = |(read, sight): (Result<(Read, Arc<End>)>, &Sight)| {
            let row = is_missing(&read).then(|| rows.next().and_then(|rows| rows.into_iter().next()));
            let (read, end) = read?;
            let number = match row {
                None => read.number,
                // The log begins later: all messages that it keeps are unread.
                Some(row) => row.map(|row| row.number),
            };
            Ok((Read { number, ..read }.state(user, &end, *sight), end))
        };
        Ok(read.into_iter().zip(wanted).map(state).collect())
    }

    /// How far a user has read one session.
    pub(in crate::chat) async fn read_state(&self, user: &UserId, sight: Sight) -> Result<ReadState> {
        let found = self.read_states(user, &[sight]).await?.pop().ok_or(Error::Internal)?;
        Ok(found?.0)
    }

    /// The unread messages that mention a user in sessions of which it is known how far the user has read, each session with the last
    /// position of which the count tells. A session without an unread message may be left out.
    pub(in crate::chat) async fn mentions_by(
        &self,
        user: &UserId,
        states: &[Result<(ReadState, Arc<End>)>],
        wanted: &[Sight],
    ) -> Result<HashMap<SessionId, (UnreadMentions, Seq)>> {
        let part = |(state, sight): (&Result<(ReadState, Arc<End>)>, &Sight)| {
            let (ReadState { read_upto, unread, .. }, _) = state.as_ref().ok()?;
            Some(UnreadPart { sight: *sight, read_upto: *read_upto, has_unread: unread.count > 0 })
        };
        let parts: Vec<_> = states.iter().zip(wanted).filter_map(part).collect();
        self.unread_mentions(user, &parts).await
    }

    /// What a user's own lists show of sessions that the user may view. `None` for a log that cannot be read, and for a session that the
    /// user may not view any more.
    pub(in crate::chat) async fn overviews(
        &self,
        principal: &Principal,
        viewed: &[&Viewable],
    ) -> Result<Vec<Option<Overview>>> {
        let user = &principal.user_id;
        let wanted: Vec<Sight> = viewed.iter().map(|viewed| viewed.sight).collect();
        let marks = self.marks(user, wanted.iter().map(|sight| sight.session_id)).await?;
        let found = self.states_by(user, &marks, &wanted).await?;
        // Where the user does not see the newest message, the user sees none.
        let last = |end: &End, sight: &Sight| end.last.clone().filter(|last| sight.sees(last.seq));
        let shown: Vec<Arc<Event>> =
            found.iter().zip(&wanted).filter_map(|(found, sight)| last(&found.as_ref().ok()?.1, sight)).collect();
        let (mentions, extras) =
            try_join!(self.mentions_by(user, &found, &wanted), self.extras_of_last(principal, &shown))?;
        let written = |id: &SessionId| mentions.get(id).map_or(0, |(_, written)| *written);
        let seen = |(found, sight): (Result<(ReadState, Arc<End>)>, &Sight)| {
            let (reading, end) = found?;
            let last = last(&end, sight);
            Ok((reading, last))
        };
        let found: Vec<Result<_>> = found.into_iter().zip(&wanted).map(seen).collect();
        let revised = |found: &Result<(ReadState, Option<Arc<Event>>)>| {
            found.as_ref().ok().and_then(|(_, last)| last.as_ref().map(|last| last.revised)).unwrap_or(0)
        };
        let read =
            found.iter().zip(&wanted).map(|(found, sight)| (*sight, revised(found).max(written(&sight.session_id))));
        let decided = self.decided_upto(user, read.collect::<Vec<_>>()).await?;
        let senders = found.iter().flatten().filter_map(|(_, last)| last.as_ref()).map(|last| &last.actor);
        let profiles: HashMap<_, _> = self.inner.profiles.find(senders.collect()).await?;
        #[expect(clippy::type_complexity, reason = "the parts of several lists")]
        let overview = |(((found, decided), marks), viewed): (
            ((Result<(ReadState, Option<Arc<Event>>)>, Result<()>), &Marks),
            &&Viewable,
        )| {
            let (reading, last) = found.and_then(|found| decided.map(|()| found)).ok()?;
            let last_message = last.as_ref().and_then(|last| view::message(last, profiles::of(&profiles, &last.actor)));
            let last_message = last_message.map(|message| extras.shown_last(message));
            let unread_mentions = mentions.get(&reading.session_id).map_or(UnreadMentions::NONE, |(unread, _)| *unread);
            let (preferences, stay) = (marks.preferences, viewed.stay().ok()?);
            Some(Overview { last_message, reading, unread_mentions, preferences, stay })
        };
        Ok(found.into_iter().zip(decided).zip(&marks).zip(viewed).map(overview).collect())
    }
}
