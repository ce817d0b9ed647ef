//! Who acts, and in which room.

use chatcore::model::SessionType;

/// Who acts. All but the last three are users, called by how they stand to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Made it.
    Owner,
    /// Is its admin; in a private session, was.
    Admin,
    /// Is a member; in a private session, was.
    Member,
    /// Is a viewer; in a private session, was.
    Viewer,
    /// Was a viewer and left.
    Left,
    /// Was an admin and was removed.
    Removed,
    /// Never was in it.
    Stranger,
    /// Has no token.
    Nobody,
    /// Has a token of the owner that has expired.
    Expired,
    /// Has a token that nobody signed.
    Forged,
}

impl Actor {
    /// Those who are somebody.
    pub const USERS: [Self; 7] =
        [Self::Owner, Self::Admin, Self::Member, Self::Viewer, Self::Left, Self::Removed, Self::Stranger];

    /// Those who are nobody.
    pub const UNKNOWN: [Self; 3] = [Self::Nobody, Self::Expired, Self::Forged];

    /// The user's name among the `PEOPLE`; `None` for who is none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Owner => Some("owner"),
            Self::Admin => Some("admin"),
            Self::Member => Some("member"),
            Self::Viewer => Some("viewer"),
            Self::Left => Some("left"),
            Self::Removed => Some("removed"),
            Self::Stranger => Some("stranger"),
            Self::Nobody | Self::Expired | Self::Forged => None,
        }
    }
}

/// Everybody who was seen: the actors, and a second member to whom things are done.
pub const PEOPLE: [&str; 8] = ["owner", "admin", "member", "peer", "viewer", "left", "removed", "stranger"];

/// Somebody who was never seen.
pub const GHOST: &str = "ghost";

/// In which state the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// With room for more.
    Fresh,
    /// Without.
    Full,
    /// Deleted.
    Deleted,
    /// There never was one of that id.
    Never,
    /// The id is none.
    Malformed,
}

/// The room in which attempts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Of which type.
    pub session_type: SessionType,
    /// In which state.
    pub state: State,
}

/// Every stage.
#[must_use]
pub fn stages() -> Vec<Stage> {
    let types = [SessionType::Public, SessionType::InviteOnly, SessionType::Private];
    let on = |state| move |session_type| Stage { session_type, state };
    let real = [State::Fresh, State::Full, State::Deleted].into_iter().flat_map(|state| types.map(on(state)));
    real.chain([State::Never, State::Malformed].map(|state| Stage { session_type: SessionType::Private, state }))
        .collect()
}
