//! What somebody wants to do in a session.

use crate::model::{ParticipantRole, SessionType};

/// Something that somebody wants to do in a session, with what the decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read the session, its messages, events and participants; be told what happens.
    View,
    /// Send a message, or show that one is being typed.
    Send,
    /// Change settings.
    Update {
        /// The new type, where it changes.
        session_type: Option<SessionType>,
        /// The new cap, where it changes.
        max_participants: Option<u32>,
    },
    /// Delete the session.
    Delete,
    /// Bring the target in.
    Invite {
        /// As what.
        role: ParticipantRole,
    },
    /// Take the target out.
    Remove,
    /// Change the target's role.
    ChangeRole {
        /// To what.
        role: ParticipantRole,
    },
    /// Go.
    Leave,
    /// Come in without being invited.
    Join,
}

/// An [`Action`] without its particulars: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionKind {
    /// [`Action::View`]
    View,
    /// [`Action::Send`]
    Send,
    /// [`Action::Update`]
    Update,
    /// [`Action::Delete`]
    Delete,
    /// [`Action::Invite`]
    Invite,
    /// [`Action::Remove`]
    Remove,
    /// [`Action::ChangeRole`]
    ChangeRole,
    /// [`Action::Leave`]
    Leave,
    /// [`Action::Join`]
    Join,
}

impl ActionKind {
    /// Every kind, in the order of the matrix.
    pub const ALL: [Self; 9] = [
        Self::View,
        Self::Send,
        Self::Update,
        Self::Delete,
        Self::Invite,
        Self::Remove,
        Self::ChangeRole,
        Self::Leave,
        Self::Join,
    ];

    /// The row's name in the matrix.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::View => "View messages",
            Self::Send => "Send messages",
            Self::Update => "Update session",
            Self::Delete => "Delete session",
            Self::Invite => "Invite users",
            Self::Remove => "Remove participants",
            Self::ChangeRole => "Change roles",
            Self::Leave => "Leave session",
            Self::Join => "Join session",
        }
    }
}

impl Action {
    /// The row of the table.
    #[must_use]
    pub const fn kind(self) -> ActionKind {
        match self {
            Self::View => ActionKind::View,
            Self::Send => ActionKind::Send,
            Self::Update { .. } => ActionKind::Update,
            Self::Delete => ActionKind::Delete,
            Self::Invite { .. } => ActionKind::Invite,
            Self::Remove => ActionKind::Remove,
            Self::ChangeRole { .. } => ActionKind::ChangeRole,
            Self::Leave => ActionKind::Leave,
            Self::Join => ActionKind::Join,
        }
    }
}
