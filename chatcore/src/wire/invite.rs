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
    /// The role of users who join by the invite.
    role: ParticipantRole,
    /// The user who created the invite.
    created_by: &'a UserId,
    created_by_username: &'a str,
    created_by_name: &'a str,
    created_by_is_bot: bool,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    created_by_avatar_url: Option<&'a str>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// The maximum number of users who join by the invite; null for no limit.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    max_uses: Option<u32>,
    /// The number of users who have joined by the invite, or have requested to join.
    uses: u32,
    /// Whether a holder of the code must request to join.
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
            created_by_name: &created_by.name,
            created_by_is_bot: created_by.is_bot,
            created_by_avatar_url: created_by.picture.as_deref(),
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
    /// The code of the invite. Only this answer contains the code. Put the code into the fragment of a link: browsers send no fragment to a
    /// server.
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
    invited_by_is_bot: bool,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    invited_by_avatar_url: Option<&'a str>,
    /// The role that the holder gets.
    role: ParticipantRole,
    expires_at: DateTime<Utc>,
    /// Whether the holder of the code must request to join.
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
            invited_by_is_bot: invited_by.is_bot,
            invited_by_avatar_url: invited_by.picture.as_deref(),
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
    /// The role of the user, unless the approval names another role.
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

/// The settings of a new invite.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateInvite {
    /// The role of users who join by the invite: `MEMBER` where not given; never `OWNER`.
    role: Option<ParticipantRole>,
    /// The maximum number of users who join by the invite: 1 to 100,000; no limit where not given.
    max_uses: Option<u32>,
    /// The lifetime in seconds: 1 to 31,536,000 (365 days); 604,800 (7 days) where not given.
    expires_in: Option<u32>,
    /// Whether a holder of the code must request to join; `false` where not given.
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

/// The code of an invite. The body has the code, since proxies log paths.
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
    /// The user's role; the role of the invite where not given; never `OWNER`.
    pub role: Option<ParticipantRole>,
}
