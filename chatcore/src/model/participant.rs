//! A participant: a user's membership of a session.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Metadata, ParticipantId, Profile, SessionId, Term};

/// The role of a participant in a session.
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
    /// Owns the session; each session has exactly one owner.
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

/// The standing of a user in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The user never was in the session.
    Stranger,
    /// The user left or was removed, and had this role at the end.
    Former(ParticipantRole),
    /// The user is in the session, with this role.
    Active(ParticipantRole),
    /// The user is banned from the session.
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

/// A participant for a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// The id of this stay. A user who comes back gets a new id.
    pub id: ParticipantId,
    /// The session.
    pub session_id: SessionId,
    /// The profile of the user. The profile has the e-mail address only on request, and only where the reader may see the address.
    pub profile: Profile,
    /// The role.
    pub role: ParticipantRole,
    /// Whether the participant is in the session now.
    pub is_active: bool,
    /// The time of the last join.
    pub joined_at: DateTime<Utc>,
    /// The time of the first join.
    pub created_at: DateTime<Utc>,
    /// The duration of a mute: a muted participant reads, and neither sends, edits, reacts nor types. `None` without a mute.
    pub muted: Option<Term>,
    /// Custom data of the host or the client. The data end with the stay.
    pub metadata: Option<Metadata>,
}

impl Participant {
    /// Whether this is the session's owner.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.role == ParticipantRole::Owner
    }
}
