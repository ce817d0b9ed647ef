//! Invites: each has a code that lets its holder into a session.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{InviteId, ParticipantRole, Profile, SessionId, SessionType};

/// The code of an invite, or a text that a caller takes for one. It is a secret, so its debug form does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InviteCode(String);

impl InviteCode {
    /// A text that may be a code. Any text is taken: a wrong one gets the same answer as a code that is over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(…)")
    }
}

/// An invite as users who manage the session see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// The session into which it lets.
    pub session_id: SessionId,
    /// The role of users who join by it.
    pub role: ParticipantRole,
    /// The user who created it.
    pub created_by: Profile,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// How many users can join by it in all; `None` for no limit.
    pub max_uses: Option<u32>,
    /// How many users have joined by it, or have asked to.
    pub uses: u32,
    /// Whether its holders have to ask first. See [`JoinRequest`].
    pub needs_approval: bool,
}

/// An invite that was just created, with its code, which is shown this once.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedInvite {
    /// The invite.
    pub invite: Invite,
    /// The code.
    pub code: InviteCode,
}

/// A preview of a session for the holder of a code.
#[derive(Debug, Clone, PartialEq)]
pub struct InvitePreview {
    /// The session.
    pub session_id: SessionId,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// Its type.
    pub session_type: SessionType,
    /// How many users are in it.
    pub participant_count: u32,
    /// The user who created the invite.
    pub invited_by: Profile,
    /// The role that the holder gets.
    pub role: ParticipantRole,
    /// When the invite ends.
    pub expires_at: DateTime<Utc>,
    /// Whether the holder has to ask first.
    pub needs_approval: bool,
}

/// A user's open request to join a session.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinRequest {
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user: Profile,
    /// The user's text.
    pub text: Option<String>,
    /// The role that the user gets where the answer names no other.
    pub role: ParticipantRole,
    /// When the user asked.
    pub requested_at: DateTime<Utc>,
}
