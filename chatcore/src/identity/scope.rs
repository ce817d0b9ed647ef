//! What a token is good for.

use std::collections::{BTreeSet, HashSet};

use crate::{model::SessionId, permission::ActionKind};

/// Narrows what a caller may do, whatever the caller's user may do. It only forbids.
///
/// A caller with a scope acts in sessions: a use case that belongs to no session, or to no action, is refused with
/// [`OutOfScope`](crate::Error::OutOfScope). That includes the caller's settings, drafts, scheduled messages, blocks and account,
/// the creation of sessions and of bots, and the administration. Lists of the caller's sessions and mentions, and the stream of all sessions,
/// show sessions in the scope in which the scope allows [`View`](ActionKind::View). [`Chat::me`](crate::Chat::me) is always allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The sessions; `None` for all.
    pub sessions: Option<BTreeSet<SessionId>>,
    /// The actions; `None` for all.
    pub actions: Option<HashSet<ActionKind>>,
}

impl Scope {
    /// Whether there is anything that it forbids.
    #[must_use]
    pub const fn is_restricted(&self) -> bool {
        let Self { sessions, actions } = self;
        sessions.is_some() || actions.is_some()
    }

    /// Whether it allows anything in a session.
    #[must_use]
    pub fn has(&self, session: SessionId) -> bool {
        self.sessions.as_ref().is_none_or(|sessions| sessions.contains(&session))
    }

    /// Whether it allows an action in a session.
    #[must_use]
    pub fn allows(&self, session: SessionId, action: ActionKind) -> bool {
        self.has(session) && self.actions.as_ref().is_none_or(|actions| actions.contains(&action))
    }
}
