//! Invites on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    chat,
    model::{
        CreatedInvite, Invite, InviteCode, InviteId, InvitePreview, JoinRequest, ParticipantRole, SessionId,
        SessionType, UserId,
    },
};

/// An invite into a session, without its code.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Invite"))]
struct InviteView<'a> {
    id: InviteId,
    session_id: SessionId,
    /// The role of users who join by it.
    role: ParticipantRole,
    /// The user who created it.
    created_by: &'a UserId,
    created_by_username: &'a str,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// How many users can join by it in all; null for no limit.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    max_uses: Option<u32>,
    /// How many users have joined by it, or have asked to.
    uses: u32,
    /// Whether its holders have to ask first.
    needs_approval: bool,
}

impl<'a> From<&'a Invite> for InviteView<'a> {
    fn from(invite: &'a Invite) -> Self {
        let Invite { id, session_id, role, created_by, created_at, expires_at, max_uses, uses, needs_approval } =
            invite;
        Self {
            id: *id,
            session_id: *session_id,
            role: *role,
            created_by: &created_by.user_id,
            created_by_username: &created_by.username,
            created_at: *created_at,
            expires_at: *expires_at,
            max_uses: *max_uses,
            uses: *uses,
            needs_approval: *needs_approval,
        }
    }
}

/// A new invite with its code.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CreatedInvite"))]
struct CreatedInviteView<'a> {
    /// The code to join with. No other answer shows it. In a link it belongs into the fragment, which browsers send to no server.
    code: &'a str,
    invite: &'a Invite,
}

impl<'a> From<&'a CreatedInvite> for CreatedInviteView<'a> {
    fn from(CreatedInvite { invite, code }: &'a CreatedInvite) -> Self {
        Self { code: code.as_str(), invite }
    }
}

/// A preview of a session for the holder of a code.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "InvitePreview"))]
struct InvitePreviewView<'a> {
    session_id: SessionId,
    title: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    description: Option<&'a str>,
    session_type: SessionType,
    participant_count: u32,
    /// The user who created the invite.
    invited_by: &'a UserId,
    invited_by_username: &'a str,
    invited_by_name: &'a str,
    /// The role that the holder gets.
    role: ParticipantRole,
    expires_at: DateTime<Utc>,
    /// Whether the holder has to ask first.
    needs_approval: bool,
}

impl<'a> From<&'a InvitePreview> for InvitePreviewView<'a> {
    fn from(preview: &'a InvitePreview) -> Self {
        let InvitePreview {
            session_id,
            title,
            description,
            session_type,
            participant_count,
            invited_by,
            role,
            expires_at,
            needs_approval,
        } = preview;
        Self {
            session_id: *session_id,
            title,
            description: description.as_deref(),
            session_type: *session_type,
            participant_count: *participant_count,
            invited_by: &invited_by.user_id,
            invited_by_username: &invited_by.username,
            invited_by_name: &invited_by.name,
            role: *role,
            expires_at: *expires_at,
            needs_approval: *needs_approval,
        }
    }
}

/// A user's open request to join a session.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "JoinRequest"))]
struct JoinRequestView<'a> {
    session_id: SessionId,
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the user is a bot.
    is_bot: bool,
    /// The address of the user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    /// The user's text.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    /// The role that the user gets where the answer names no other.
    role: ParticipantRole,
    requested_at: DateTime<Utc>,
}

impl<'a> From<&'a JoinRequest> for JoinRequestView<'a> {
    fn from(request: &'a JoinRequest) -> Self {
        let JoinRequest { session_id, user, text, role, requested_at } = request;
        Self {
            session_id: *session_id,
            user_id: &user.user_id,
            username: &user.username,
            name: &user.name,
            is_bot: user.is_bot,
            avatar_url: user.picture.as_deref(),
            text: text.as_deref(),
            role: *role,
            requested_at: *requested_at,
        }
    }
}

shown_as! {
    Invite => InviteView;
    CreatedInvite => CreatedInviteView;
    InvitePreview => InvitePreviewView;
    JoinRequest => JoinRequestView;
}

/// What an invite is created with.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateInvite {
    /// The role of users who join by it: `MEMBER` where not given; never `OWNER`.
    role: Option<ParticipantRole>,
    /// How many users can join by it in all: 1 to 100,000; no limit where not given.
    max_uses: Option<u32>,
    /// For how many seconds it lasts: 1 to 31,536,000 (365 days); 604,800 (7 days) where not given.
    expires_in: Option<u32>,
    /// Whether its holders have to ask first; `false` where not given.
    needs_approval: Option<bool>,
}

impl CreateInvite {
    /// The command.
    #[must_use]
    pub fn command(self) -> chat::CreateInvite {
        let Self { role, max_uses, expires_in, needs_approval } = self;
        chat::CreateInvite { role, max_uses, expires_in, needs_approval: needs_approval.unwrap_or_default() }
    }
}

/// The code of an invite. It is in the body, because paths are logged on their way.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UseInvite {
    /// The code.
    pub code: InviteCode,
}

/// A request to join.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RequestToJoin {
    /// The code of an invite.
    pub code: InviteCode,
    /// A text for the users who answer the request: at most 500 characters.
    pub text: Option<String>,
}

/// The approval of a request to join.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApproveJoinRequest {
    /// The user's role: that of the invite where not given; never `OWNER`.
    pub role: Option<ParticipantRole>,
}
