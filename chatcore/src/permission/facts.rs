//! What a decision is taken from.

use crate::model::{Session, SessionType, Standing, Term};

/// What is known when a decision is taken. What is missing denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Facts {
    /// The session; `None` where there is none.
    pub session: Option<SessionState>,
    /// How the actor stands to it; `None` where that is not known.
    pub actor: Option<Standing>,
    /// How the person acted upon stands to it; `None` where there is none or it is not known.
    pub target: Option<Standing>,
    /// How long the actor is muted; `None` where the actor is not.
    pub muted: Option<Term>,
}

/// The part of a session that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionState {
    /// Who may come in.
    pub session_type: SessionType,
    /// `false` once it was deleted.
    pub is_active: bool,
    /// `true` while it is archived.
    pub is_archived: bool,
    /// Whether its owner deleted it, and may restore it.
    pub is_restorable: bool,
    /// How many are in it.
    pub participant_count: u32,
    /// How many may be in it.
    pub max_participants: u32,
}

impl From<&Session> for SessionState {
    fn from(session: &Session) -> Self {
        Self {
            session_type: session.session_type,
            is_active: session.is_active,
            is_archived: session.archived_at.is_some(),
            is_restorable: session.deletion.as_ref().is_some_and(|deletion| deletion.by == session.owner),
            participant_count: session.participant_count,
            max_participants: session.max_participants,
        }
    }
}
