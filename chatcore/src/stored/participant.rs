//! Participants.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, newer::Known, part, to_json};
use crate::{
    model::{ParticipantId, ParticipantRole, SessionId, Standing, UserId},
    store::{Json, Part, StoredValue},
};

/// A user's membership of a session as it is stored, also of a user who left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantRecord {
    /// The stay; a new one at each join.
    pub id: ParticipantId,
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// How the user stands to the session. [`Standing::Stranger`] stands for a role that only a newer version knows, and is never written.
    pub standing: Standing,
    /// When the user came, the last time.
    pub joined_at: DateTime<Utc>,
    /// When the user came the first time.
    pub created_at: DateTime<Utc>,
    /// Whether the user ever created the session, joined it, or posted in it, as opposed to being added only. Once `true`, it
    /// stays `true`, whatever becomes of the stay. Records of older versions read as `false`.
    pub is_engaged: bool,
}

#[derive(Serialize, Deserialize)]
struct Form {
    stay: ParticipantId,
    is_active: bool,
    role: Known<ParticipantRole>,
    joined_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    is_engaged: Option<bool>,
}

impl StoredValue for ParticipantRecord {
    fn encode(&self) -> Json {
        let Self { id, session_id: _, user_id: _, standing, joined_at, created_at, is_engaged } = self;
        let (is_active, role) = match *standing {
            Standing::Active(role) => (true, role),
            Standing::Former(role) => (false, role),
            // Nothing writes such a record; a reader must not take it for a participant.
            Standing::Stranger => (false, ParticipantRole::Viewer),
        };
        to_json(&Form {
            stay: *id,
            is_active,
            role: role.into(),
            joined_at: *joined_at,
            created_at: *created_at,
            is_engaged: Some(*is_engaged),
        })
    }

    fn decode(_: u32, key: &[Part], stored: Json) -> Result<Self, String> {
        let Form { stay, is_active, role, joined_at, created_at, is_engaged } = from_json(stored)?;
        Ok(Self {
            id: stay,
            session_id: part(key, 0)?,
            user_id: part(key, 1)?,
            standing: match role {
                Known(Some(role)) if is_active => Standing::Active(role),
                Known(Some(role)) => Standing::Former(role),
                Known(None) => Standing::Stranger,
            },
            joined_at,
            created_at,
            is_engaged: is_engaged.unwrap_or(false),
        })
    }
}
