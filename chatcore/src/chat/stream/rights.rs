//! What a reader of a stream may do and sees, event by event.

use crate::chat::{
    decide::{govern::Known, history::History},
    read::view::EventView,
};
use crate::{
    model::{EventKind, ParticipantEvent, ParticipantRole, Seq, SessionEvent, Standing, UserId},
    permission::{Action, Facts, PermissionTable},
};

/// What holds for a reader at a position: what the reader may do, and what the reader sees.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Holding {
    pub(in crate::chat) facts: Facts,
    pub(in crate::chat) history: History,
}

impl Holding {
    pub(in crate::chat) fn of(known: &Known) -> Self {
        Self { facts: known.facts(), history: known.history() }
    }
}

/// What a reader may do, as far as the log up to its position says.
pub(in crate::chat) struct Rights {
    pub(in crate::chat) user: UserId,
    /// The position at which `holding` held. What a replay brings from before it is history and ends nothing.
    pub(in crate::chat) decided_at: Seq,
    pub(in crate::chat) holding: Holding,
    pub(in crate::chat) permissions: PermissionTable,
}

/// What an event means for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) enum Outcome {
    /// The reader goes on after it.
    GoesOn,
    /// It took the right to read away.
    Ends,
    /// It governs in a way that is not known: the reader goes on after a decision on fresh facts.
    IsUnsure,
}

impl Rights {
    /// Whether a view shows a row that was rewritten where it is not known what the reader was allowed to do.
    pub(in crate::chat) fn is_beyond(&self, view: &EventView) -> bool {
        view.revised() > self.decided_at.max(view.event.seq)
    }

    /// What holds after an event, and whether the reader may go on with it.
    pub(in crate::chat) fn after(&self, view: &EventView) -> (Holding, Outcome) {
        let (event, mut holding) = (&view.event, self.holding);
        if event.seq <= self.decided_at || !event.governs {
            return (holding, Outcome::GoesOn);
        }
        let Holding { facts, history } = &mut holding;
        let own = |user: &UserId| *user == self.user;
        let Facts { session, actor, target: _, muted: _ } = facts;
        let gone = |actor: &mut Option<Standing>| {
            if let Some(role) = actor.and_then(Standing::role) {
                *actor = Some(Standing::Former(role));
            }
        };
        match &event.kind {
            EventKind::Session(SessionEvent::Updated { changes }) => {
                *history = history.after(changes);
                if let (Some(session), Some(session_type)) = (session, changes.session_type) {
                    session.session_type = session_type;
                }
            }
            EventKind::Session(SessionEvent::Restored) => {
                if let Some(session) = session {
                    session.is_active = true;
                }
            }
            EventKind::Session(SessionEvent::Deleted) => {
                if let Some(session) = session {
                    session.is_active = false;
                }
            }
            EventKind::Participant(ParticipantEvent::Left) if own(&event.actor) => gone(actor),
            EventKind::Participant(ParticipantEvent::Removed { user_id, .. }) if own(user_id) => gone(actor),
            EventKind::Participant(ParticipantEvent::RoleChanged { user_id, role, .. }) if own(user_id) => {
                *actor = Some(Standing::Active(*role));
            }
            EventKind::Participant(ParticipantEvent::Banned { user_id, term, .. }) if own(user_id) => {
                *actor = Some(Standing::Banned(*term));
            }
            EventKind::Participant(ParticipantEvent::OwnerChanged { user_id, .. }) if own(user_id) => {
                *actor = Some(Standing::Active(ParticipantRole::Owner));
            }
            EventKind::Participant(ParticipantEvent::OwnerChanged { .. }) if own(&event.actor) => {
                *actor = Some(Standing::Active(ParticipantRole::Admin));
            }
            EventKind::Unknown => return (holding, Outcome::IsUnsure),
            EventKind::Session(
                SessionEvent::Created { .. }
                | SessionEvent::InviteCreated { .. }
                | SessionEvent::InviteRevoked { .. }
                | SessionEvent::EmojiAdded { .. }
                | SessionEvent::EmojiRemoved { .. }
                | SessionEvent::JoinRequested
                | SessionEvent::JoinRequestClosed { .. }
                | SessionEvent::WebhookChanged { .. }
                // An archived session is read as before.
                | SessionEvent::Archived
                | SessionEvent::Unarchived,
            )
            | EventKind::Participant(
                ParticipantEvent::Joined { .. }
                | ParticipantEvent::Added { .. }
                | ParticipantEvent::Left
                | ParticipantEvent::Removed { .. }
                | ParticipantEvent::RoleChanged { .. }
                // A ban that is lifted brings nobody back, and a mute takes no right to read.
                | ParticipantEvent::Banned { .. }
                | ParticipantEvent::Unbanned { .. }
                | ParticipantEvent::Muted { .. }
                | ParticipantEvent::Unmuted { .. }
                | ParticipantEvent::MetadataChanged { .. }
                | ParticipantEvent::OwnerChanged { .. },
            )
            | EventKind::Message(_) => {}
        }
        let may_go_on = self.permissions.decide(facts, Action::View).is_ok();
        (holding, if may_go_on { Outcome::GoesOn } else { Outcome::Ends })
    }
}
