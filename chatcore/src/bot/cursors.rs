//! How far the bot has come in each session: in memory at once, and in records now and then.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::Result,
    model::{Cursor, Seq, SessionId, UserId},
    store::{BotCursors, ChatStore, ChatStoreExt as _, KeyPart as _, TypedKey as _},
};

/// Records that are read at once.
const PAGE: u64 = 1_000;

/// How far the bot has come in a session.
struct Place {
    at: Cursor,
    /// The position that the record has.
    written: Seq,
    /// Whether a handler ran since the record was written. An event without a handler costs nothing to pass again, so its position is written
    /// less often.
    has_handled: bool,
}

#[derive(Default)]
pub(super) struct Cursors(Mutex<HashMap<SessionId, Place>>);

impl Cursors {
    fn places(&self) -> MutexGuard<'_, HashMap<SessionId, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the records say in place of what is known.
    pub(super) async fn load(&self, store: &dyn ChatStore, user: &UserId) -> Result<()> {
        let (mut places, mut after) = (HashMap::new(), None);
        loop {
            let scan = BotCursors::under(vec![user.part()]).after(after.take()).limit(PAGE);
            let found = store.list::<BotCursors>(scan).await?;
            let is_last = (found.len() as u64) < PAGE;
            after = found.last().map(|(key, _)| vec![key.session.part()]);
            for (key, found) in found {
                let written = found.value.seq;
                places.insert(key.session, Place { at: Cursor::from(written), written, has_handled: false });
            }
            if is_last {
                *self.places() = places;
                return Ok(());
            }
        }
    }

    pub(super) fn at(&self, session: SessionId) -> Option<Cursor> {
        self.places().get(&session).map(|place| place.at)
    }

    /// All events up to there are done with. `has_handled` says whether a handler ran for the last one.
    pub(super) fn reach(&self, session: SessionId, at: Cursor, has_handled: bool) {
        let mut places = self.places();
        let place = places.entry(session).or_insert(Place { at, written: 0, has_handled: false });
        place.at = at;
        place.has_handled |= has_handled;
    }

    /// The positions to be written: of the sessions in which a handler ran, or all.
    pub(super) fn unwritten(&self, all: bool) -> Vec<(SessionId, Seq)> {
        let is_due = |place: &Place| place.at.seq != place.written && (all || place.has_handled);
        self.places()
            .iter_mut()
            .filter(|(_, place)| is_due(place))
            .map(|(id, place)| {
                // What a handler does from here on is written later.
                place.has_handled = false;
                (*id, place.at.seq)
            })
            .collect()
    }

    /// These positions were written, or were not.
    pub(super) fn written(&self, positions: &[(SessionId, Seq)], is_done: bool) {
        let mut places = self.places();
        for (session, seq) in positions {
            let Some(place) = places.get_mut(session) else { continue };
            if is_done {
                place.written = *seq;
            } else {
                place.has_handled = true;
            }
        }
    }
}
