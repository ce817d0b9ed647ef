//! Who may see whose e-mail address.

use crate::{
    identity::SystemRole,
    model::{ParticipantRole, Standing},
};

/// What is known when somebody asks for a participant's e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressFacts {
    /// What the reader is in the whole system.
    pub system_role: SystemRole,
    /// How the reader stands to the session in which the participant is shown.
    pub reader: Standing,
    /// Whether the reader is the participant.
    pub is_own: bool,
    /// Whether the participant created the session, joined it, or has posted in it. Being added does not count: a stranger
    /// can add anybody to a session of the stranger's own.
    pub is_engaged: bool,
}

/// Whether the reader may see the participant's e-mail address: the user, an administrator of the system, and the owner and
/// the admins of a session in which the user is engaged. Pure and total. The reader's right to view the session is decided
/// by [`decide`](super::decide).
#[must_use]
pub const fn may_see_address(facts: &AddressFacts) -> bool {
    let AddressFacts { system_role, reader, is_own, is_engaged } = *facts;
    if is_own {
        return true;
    }
    match system_role {
        SystemRole::Admin => return true,
        SystemRole::User => {}
    }
    match reader {
        Standing::Active(ParticipantRole::Owner | ParticipantRole::Admin) => is_engaged,
        Standing::Active(ParticipantRole::Member | ParticipantRole::Viewer)
        | Standing::Former(_)
        | Standing::Banned(_)
        | Standing::Stranger => false,
    }
}
