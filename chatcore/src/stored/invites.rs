//! Invites.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{InviteId, ParticipantRole, SessionId, UserId},
    store::{Json, Part, StoredValue},
};

/// An invite. Each join by it writes the record, so its version guards the number of uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteRecord {
    /// The SHA-256 digest of its code.
    pub digest: String,
    /// The user who created it.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// The role of users who join by it.
    pub role: ParticipantRole,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// How many users can join by it in all; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// How many users have joined by it, or have asked to.
    pub uses: u32,
    /// Whether its holders have to ask first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_approval: bool,
}

/// An open request to join a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequestRecord {
    /// The user's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The role that the invite grants.
    pub role: ParticipantRole,
    /// When the user asked.
    pub at: DateTime<Utc>,
}

impl StoredValue for JoinRequestRecord {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl InviteRecord {
    /// Whether somebody can still join by it.
    #[must_use]
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        now < self.expires_at && self.max_uses.is_none_or(|max| self.uses < max)
    }
}

/// Where the invite of a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitePlace {
    /// The session.
    pub session: SessionId,
    /// The invite.
    pub invite: InviteId,
}

impl StoredValue for InviteRecord {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl StoredValue for InvitePlace {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
