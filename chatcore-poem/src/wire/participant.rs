//! Participants on the wire.

use chatcore::{
    chat::AddParticipant,
    model::{InvalidId, Participant, ParticipantRole, Profile, UserId},
};
use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

/// What a participant is in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[oai(rename = "ParticipantRole", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum WireRole {
    /// Made the session.
    Owner,
    /// Manages the session and its participants.
    Admin,
    /// Reads and writes.
    Member,
    /// Reads only.
    Viewer,
}

impl From<WireRole> for ParticipantRole {
    fn from(wire: WireRole) -> Self {
        match wire {
            WireRole::Owner => Self::Owner,
            WireRole::Admin => Self::Admin,
            WireRole::Member => Self::Member,
            WireRole::Viewer => Self::Viewer,
        }
    }
}

impl From<ParticipantRole> for WireRole {
    fn from(model: ParticipantRole) -> Self {
        match model {
            ParticipantRole::Owner => Self::Owner,
            ParticipantRole::Admin => Self::Admin,
            ParticipantRole::Member => Self::Member,
            ParticipantRole::Viewer => Self::Viewer,
        }
    }
}

/// Whom to bring in.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "AddParticipant")]
pub(crate) struct AddParticipantRequest {
    /// Whom: a user who was seen before.
    user_id: String,
    /// As what: `MEMBER` where not given; never `OWNER`.
    role: Option<WireRole>,
}

impl TryFrom<AddParticipantRequest> for AddParticipant {
    type Error = InvalidId;

    fn try_from(request: AddParticipantRequest) -> Result<Self, InvalidId> {
        let AddParticipantRequest { user_id, role } = request;
        Ok(Self { user_id: UserId::new(user_id)?, role: role.map(Into::into) })
    }
}

/// A new role.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "ChangeRole")]
pub(crate) struct RoleRequest {
    /// The role; never `OWNER`.
    pub(crate) role: WireRole,
}

/// A participant of a session.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Participant")]
pub(crate) struct ParticipantResponse {
    /// Names this stay; whoever comes back gets a new one.
    id: String,
    session_id: String,
    user_id: String,
    username: String,
    name: String,
    /// Only where it was asked for and the caller may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    email: Option<String>,
    role: WireRole,
    is_owner: bool,
    is_active: bool,
    /// When they came, the last time.
    joined_at: DateTime<Utc>,
    /// When they came the first time.
    created_at: DateTime<Utc>,
}

impl From<Participant> for ParticipantResponse {
    fn from(participant: Participant) -> Self {
        let is_owner = participant.is_owner();
        let Participant { id, session_id, profile, role, is_active, joined_at, created_at } = participant;
        let Profile { user_id, username, name, email, picture: _, updated_at: _ } = profile;
        Self {
            id: id.to_string(),
            session_id: session_id.to_string(),
            user_id: user_id.to_string(),
            username,
            name,
            email,
            role: role.into(),
            is_owner,
            is_active,
            joined_at,
            created_at,
        }
    }
}

/// The answer to joining.
#[derive(Debug, Serialize, Object)]

pub(crate) struct JoinResponse {
    pub(crate) message: String,
    pub(crate) participant_id: String,
}

/// The answer to leaving and removing.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Confirmation")]
pub(crate) struct MessageOnly {
    pub(crate) message: String,
}
