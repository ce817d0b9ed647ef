//! Invites: each has a code that lets its holder into a session.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{InviteId, ParticipantRole, Profile, SessionId, SessionType};

/// The code of an invite, or a text that a caller presents as a code. The code is a secret, so the debug form does not show the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InviteCode(String);

impl InviteCode {
    /// A text that may be a code. Every text is accepted: a wrong code gets the same answer as an expired code.
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
    /// The id.
    pub id: InviteId,
    /// The session that the invite leads to.
    pub session_id: SessionId,
    /// The role of users who join by the invite.
    pub role: ParticipantRole,
    /// The user who created the invite.
    pub created_by: Profile,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time at which the invite expires.
    pub expires_at: DateTime<Utc>,
    /// The maximum number of users who join by the invite; `None` for no limit.
    pub max_uses: Option<u32>,
    /// The number of users who have joined by the invite, or have requested to join.
    pub uses: u32,
    /// Whether a holder of the code must request to join. See [`JoinRequest`].
    pub needs_approval: bool,
}

/// An invite that was just created, with its code. No later answer shows the code.
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
    /// The title of the session.
    pub title: String,
    /// The description of the session.
    pub description: Option<String>,
    /// The type of the session.
    pub session_type: SessionType,
    /// The number of users in the session.
    pub participant_count: u32,
    /// The user who created the invite.
    pub invited_by: Profile,
    /// The role that the holder gets.
    pub role: ParticipantRole,
    /// When the invite ends.
    pub expires_at: DateTime<Utc>,
    /// Whether the holder of the code must request to join.
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
    /// The role of the user, unless the approval names another role.
    pub role: ParticipantRole,
    /// The time of the request.
    pub requested_at: DateTime<Utc>,
}
