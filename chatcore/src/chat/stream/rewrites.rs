//! The rows of a log that were deleted lately, so that no reader gets a copy that was read before the deletion.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::chat::read::view::EventView;
use crate::model::{Event, EventKind, MessageEvent, Seq, SessionEvent};

/// The number of recent deletions that a tail keeps. A reader that missed more of them reads the log again.
const REMEMBERED: usize = 1024;

/// An event that rewrote rows.
#[derive(Debug, Clone)]
pub(in crate::chat) struct Rewritten {
    /// Its position.
    by: Seq,
    /// The rows; `None` for an event of an unknown kind, which may have rewritten any row.
    rows: Option<Vec<Seq>>,
    /// Whether it took texts away.
    deletes: bool,
    /// Whether it ended a streamed message.
    ends: bool,
}

impl Rewritten {
    /// The rows that an event rewrote; `None` for an event that rewrote nothing.
    pub(in crate::chat) fn of(event: &Event) -> Option<Self> {
        let rows = match &event.kind {
            EventKind::Unknown => None,
            kind @ (EventKind::Session(_) | EventKind::Participant(_) | EventKind::Message(_)) => {
                Some(kind.rewritten())
            }
        };
        if rows.is_some_and(<[Seq]>::is_empty) {
            return None;
        }
        let ends = matches!(event.kind, EventKind::Message(MessageEvent::Finished { .. }));
        Some(Self { by: event.seq, rows: rows.map(<[Seq]>::to_vec), deletes: event.kind.is_deletion(), ends })
    }

    /// Whether a row may be one of those that were rewritten.
    pub(in crate::chat) fn names(&self, row: Seq) -> bool {
        self.rows.as_ref().is_none_or(|rows| rows.contains(&row))
    }

    /// Whether a view shows a row as it was before.
    pub(in crate::chat) fn outdates(&self, view: &EventView) -> bool {
        view.rows().any(|row| row.seq < self.by && row.revised < self.by && self.names(row.seq))
    }
}

/// The deletions that a tail was told of, and the last change of what readers see.
#[derive(Debug, Default)]
pub(in crate::chat) struct Rewrites {
    /// How many there were. It changes while `recent` is locked.
    noted: AtomicU64,
    /// The position of the last event after which readers may see less of what stands before it; 0 for none.
    narrowed: AtomicU64,
    /// Whether a streamed message has ended.
    has_ends: AtomicBool,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    deletions: VecDeque<Rewritten>,
    /// Ends of streamed messages, which take no texts away.
    ends: VecDeque<Rewritten>,
    last: Seq,
    /// Whether the tail has ended, so that it hears of no later deletion.
    is_over: bool,
    /// Whether the log was read since the tail began to be told.
    has_read: bool,
}

impl Rewrites {
    fn recent(&self) -> MutexGuard<'_, Recent> {
        // Nothing panics while it is held.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many deletions there were. A read that begins afterwards is newer than these.
    pub(in crate::chat) fn noted(&self) -> u64 {
        self.noted.load(Ordering::SeqCst)
    }

    /// The position of the last event after which readers may see less of what stands before it. What was decided on before that
    /// position is decided on again.
    pub(in crate::chat) fn narrowed(&self) -> Seq {
        self.narrowed.load(Ordering::SeqCst)
    }

    /// Takes note of an event, which may narrow what readers see. The same one may be told of more than once.
    pub(in crate::chat) fn heed(&self, event: &Event) {
        let narrows = match &event.kind {
            EventKind::Session(SessionEvent::Updated { changes }) => changes.history_visibility.is_some(),
            EventKind::Unknown => event.governs,
            EventKind::Session(
                SessionEvent::Created { .. }
                | SessionEvent::InviteCreated { .. }
                | SessionEvent::InviteRevoked { .. }
                | SessionEvent::EmojiAdded { .. }
                | SessionEvent::EmojiRemoved { .. }
                | SessionEvent::JoinRequested
                | SessionEvent::JoinRequestClosed { .. }
                | SessionEvent::WebhookChanged { .. }
                | SessionEvent::Deleted
                | SessionEvent::Archived
                | SessionEvent::Unarchived
                | SessionEvent::Restored,
            )
            | EventKind::Participant(_)
            | EventKind::Message(_) => false,
        };
        if narrows {
            self.narrowed.fetch_max(event.seq, Ordering::SeqCst);
        }
    }

    /// Takes note of a deletion, or of the end of a streamed message. The same one may be told of more than once.
    pub(in crate::chat) fn note(&self, rewritten: &Rewritten) {
        let mut recent = self.recent();
        if rewritten.ends && recent.ends.back().is_none_or(|last| last.by < rewritten.by) {
            recent.ends.push_back(rewritten.clone());
            if recent.ends.len() > REMEMBERED {
                recent.ends.pop_front();
            }
            self.has_ends.store(true, Ordering::SeqCst);
        }
        if !rewritten.deletes || recent.deletions.iter().rev().any(|known| known.by == rewritten.by) {
            return;
        }
        recent.last = recent.last.max(rewritten.by);
        recent.deletions.push_back(rewritten.clone());
        if recent.deletions.len() > REMEMBERED {
            recent.deletions.pop_front();
        }
        self.noted.fetch_add(1, Ordering::SeqCst);
    }

    /// Marks the tail as ended. Each view that was made before is outdated, since a later deletion would not reach it.
    pub(in crate::chat) fn end(&self) {
        let mut recent = self.recent();
        recent.is_over = true;
        self.noted.fetch_add(1, Ordering::SeqCst);
    }

    /// Says that the log was read since the tail began to be told.
    pub(in crate::chat) fn has_read(&self) {
        self.recent().has_read = true;
    }

    /// Whether a hint's copy of the event at a position may be one from before a deletion.
    pub(in crate::chat) fn distrusts(&self, seq: Seq) -> bool {
        let recent = self.recent();
        !recent.has_read || seq < recent.last
    }

    /// Whether a row may have been deleted.
    pub(in crate::chat) fn deleted(&self, row: Seq) -> bool {
        if self.noted() == 0 {
            return false;
        }
        let recent = self.recent();
        recent.is_over || recent.deletions.iter().any(|deletion| deletion.names(row))
    }

    /// Whether a reader at a position knows that no part of a message follows: it ended before, or may have been deleted.
    pub(in crate::chat) fn is_over(&self, row: Seq, position: Seq) -> bool {
        let has_ended = || self.recent().ends.iter().any(|end| end.by <= position && end.names(row));
        self.deleted(row) || (self.has_ends.load(Ordering::SeqCst) && has_ended())
    }

    /// Whether a view that was made after `since` deletions shows a row as it was before a later one.
    pub(in crate::chat) fn outdate(&self, since: u64, view: &EventView) -> bool {
        if self.noted() == since {
            return false;
        }
        let recent = self.recent();
        let missed = usize::try_from(self.noted().saturating_sub(since)).unwrap_or(usize::MAX);
        recent.is_over
            || missed > recent.deletions.len()
            || recent.deletions.iter().rev().take(missed).any(|deletion| deletion.outdates(view))
    }
}
