//! A participant: a user's membership of a session.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Metadata, ParticipantId, Profile, SessionId, Term};

/// What a participant is in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ParticipantRole {
    /// Reads only.
    Viewer,
    /// Reads and writes.
    Member,
    /// Manages the session and its participants.
    Admin,
    /// Made the session; there is exactly one.
    Owner,
}

impl ParticipantRole {
    /// Every role, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Admin => "ADMIN",
            Self::Member => "MEMBER",
            Self::Viewer => "VIEWER",
        }
    }
}

impl fmt::Display for ParticipantRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a user stands to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Never was in it.
    Stranger,
    /// Was in it, left or was removed, and had this role at the end.
    Former(ParticipantRole),
    /// Is in it.
    Active(ParticipantRole),
    /// Is not in it, and is kept out of it.
    Banned(Term),
}

impl Standing {
    /// The role, if the user is in the session now.
    #[must_use]
    pub const fn role(self) -> Option<ParticipantRole> {
        match self {
            Self::Active(role) => Some(role),
            Self::Stranger | Self::Former(_) | Self::Banned(_) => None,
        }
    }
}

/// A participant as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Names this stay; a new one is made when somebody comes back.
    pub id: ParticipantId,
    /// The session.
    pub session_id: SessionId,
    /// Who it is. The e-mail address is there only when the reader asked for it and may see it.
    pub profile: Profile,
    /// What they are.
    pub role: ParticipantRole,
    /// Whether they are in the session now.
    pub is_active: bool,
    /// When they came, the last time.
    pub joined_at: DateTime<Utc>,
    /// When they came the first time.
    pub created_at: DateTime<Utc>,
    /// How long they are muted: they read, and neither send, edit, react nor type. `None` where they are not.
    pub muted: Option<Term>,
    /// Data of the host's or the client's own. They go with the stay.
    pub metadata: Option<Metadata>,
}

impl Participant {
    /// Whether this is the session's owner.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.role == ParticipantRole::Owner
    }
}
