//! How far each user came lately, and what of that is still to be written and told.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{ReceiptKind, Seq, SessionId, UserId};

/// The time between two writes, and between two signals, of one kind about a user in a session. In between, the last position counts.
pub(super) const PAUSE: TimeDelta = TimeDelta::seconds(1);

/// For how long it is remembered how far a user came.
const KEPT_FOR: TimeDelta = TimeDelta::seconds(60);

/// Entries that are remembered before old ones are dropped early.
const MANY: usize = 100_000;

/// One kind of receipts of a user in a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) session: SessionId,
    pub(super) user: UserId,
    pub(super) kind: ReceiptKind,
}

/// What is to be done with a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the position is known.
    Nothing,
    /// It is written and told now.
    Now,
    /// It is written and told when the pause is over.
    Later,
}

#[derive(Debug, Default)]
struct Track {
    /// The highest position that is written.
    reached: Seq,
    /// A higher position that waits for the end of the pause.
    due: Option<Seq>,
    /// When the last one was written.
    at: Option<DateTime<Utc>>,
    /// Whether readers are told.
    is_told: bool,
}

/// Whether a pause after something is over. A clock that is set back ends it.
pub(super) fn is_over(since: Option<DateTime<Utc>>, pause: TimeDelta, now: DateTime<Utc>) -> bool {
    since.is_none_or(|since| since > now || since + pause <= now)
}

#[derive(Default)]
pub(super) struct Tracks(HashMap<Place, Track>);

impl Tracks {
    /// The highest position that is known of a place; 0 for none.
    pub(super) fn known(&self, place: &Place) -> Seq {
        self.0.get(place).map_or(0, |track| track.reached.max(track.due.unwrap_or(0)))
    }

    /// Takes a position in.
    pub(super) fn note(&mut self, place: Place, seq: Seq, is_told: bool, now: DateTime<Utc>) -> Next {
        if self.known(&place) >= seq {
            return Next::Nothing;
        }
        let track = self.0.entry(place).or_default();
        track.is_told = is_told;
        if track.due.is_none() && is_over(track.at, PAUSE, now) {
            track.at = Some(now);
            return Next::Now;
        }
        track.due = Some(seq);
        Next::Later
    }

    /// A position is written.
    pub(super) fn wrote(&mut self, place: &Place, seq: Seq) {
        if let Some(track) = self.0.get_mut(place) {
            track.reached = track.reached.max(seq);
        }
    }

    /// A position could not be written: the next one is written at once.
    pub(super) fn failed(&mut self, place: &Place) {
        if let Some(track) = self.0.get_mut(place) {
            track.at = None;
        }
    }

    /// Takes the positions whose pause is over, each with whether readers are told.
    pub(super) fn take_due(&mut self, now: DateTime<Utc>) -> Vec<(Place, Seq, bool)> {
        let mut due = Vec::new();
        for (place, track) in &mut self.0 {
            if is_over(track.at, PAUSE, now)
                && let Some(seq) = track.due.take()
            {
                track.at = Some(now);
                due.push((place.clone(), seq, track.is_told));
            }
        }
        due
    }

    /// Gives a position back that could not be written.
    pub(super) fn put_back(&mut self, place: &Place, seq: Seq) {
        if let Some(track) = self.0.get_mut(place) {
            track.due = track.due.max(Some(seq));
        }
    }

    /// Forgets the places that nobody came to lately.
    pub(super) fn prune(&mut self, now: DateTime<Utc>) {
        let kept = if self.0.len() > MANY { PAUSE } else { KEPT_FOR };
        self.0.retain(|_, track| track.due.is_some() || !is_over(track.at, kept, now));
        if self.0.is_empty() {
            self.0 = HashMap::new();
        }
    }

    /// When something is to be done; `None` where nothing is remembered.
    pub(super) fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let at = |track: &Track| match track.due {
            Some(_) => track.at.map_or(now, |at| at + PAUSE),
            None => track.at.unwrap_or(now) + KEPT_FOR,
        };
        self.0.values().map(at).min()
    }
}
