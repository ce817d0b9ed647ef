//! Participants on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Person, event::events};
use crate::{
    chat::{self, EventView},
    error::Result,
    model::{
        Metadata, Participant, ParticipantEvent, ParticipantId, ParticipantRole, Profile, RemovalReason, SessionId,
        Term, UserId,
    },
};

/// A participant of a session.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Participant"))]
struct ParticipantView<'a> {
    /// The id of this stay. A user who comes back gets a new id.
    id: ParticipantId,
    session_id: SessionId,
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the user is a bot.
    is_bot: bool,
    /// The address of the user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    /// The e-mail address; only on request, and only where the caller may see the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    role: ParticipantRole,
    is_owner: bool,
    is_active: bool,
    /// The time of the last join.
    joined_at: DateTime<Utc>,
    /// The time of the first join.
    created_at: DateTime<Utc>,
    /// Whether the participant is muted: a muted participant reads, and neither sends, edits, reacts nor types.
    is_muted: bool,
    /// The end of the mute; `null` without a mute, and for a mute without an end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    muted_until: Option<DateTime<Utc>>,
    /// Custom data of the host or the client; `null` where there are none. The data end with the stay.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    metadata: Option<&'a Metadata>,
}

impl<'a> From<&'a Participant> for ParticipantView<'a> {
    fn from(participant: &'a Participant) -> Self {
        let is_owner = participant.is_owner();
        let Participant { id, session_id, profile, role, is_active, joined_at, created_at, muted, metadata } =
            participant;
        let Profile { user_id, username, name, email, picture, updated_at: _, is_bot } = profile;
        Self {
            id: *id,
            session_id: *session_id,
            user_id,
            username,
            name,
            is_bot: *is_bot,
            avatar_url: picture.as_deref(),
            email: email.as_deref(),
            role: *role,
            is_owner,
            is_active: *is_active,
            joined_at: *joined_at,
            created_at: *created_at,
            is_muted: muted.is_some(),
            muted_until: muted.and_then(Term::end),
            metadata: metadata.as_ref(),
        }
    }
}

shown_as! { Participant => ParticipantView; }

events! {
    /// Changes of the participants.
    ParticipantData<'a> of ParticipantEvent, seen as view:

    "user_joined" = Joined { participant_id, role } => {
        user: Person<'a> = (&view.actor).into(),
        participant_id: ParticipantId = *participant_id,
        role: ParticipantRole = *role,
        added_by: Option<&'a UserId> = None,
    }
    "user_joined" = Added { participant_id, role, .. } => {
        user: Person<'a> = view.subject.as_ref().unwrap_or(&view.actor).into(),
        participant_id: ParticipantId = *participant_id,
        role: ParticipantRole = *role,
        added_by: Option<&'a UserId> = Some(&view.actor.user_id),
    }
    "user_left" = Left {} => {
        user_id: &'a UserId = &view.actor.user_id,
    }
    "participant_removed" = Removed { user_id, reason } => {
        user_id: &'a UserId = user_id,
        removed_by: &'a UserId = &view.actor.user_id,
        reason: RemovalReason = *reason,
    }
    "participant_role_changed" = RoleChanged { user_id, previous, role } => {
        user_id: &'a UserId = user_id,
        role: ParticipantRole = *role,
        previous_role: ParticipantRole = *previous,
        changed_by: &'a UserId = &view.actor.user_id,
    }
    "participant_banned" = Banned { user_id, term, was_active } => {
        user_id: &'a UserId = user_id,
        banned_by: &'a UserId = &view.actor.user_id,
        until: Option<DateTime<Utc>> = term.end(),
        was_active: bool = *was_active,
    }
    "participant_unbanned" = Unbanned { user_id } => {
        user_id: &'a UserId = user_id,
        unbanned_by: &'a UserId = &view.actor.user_id,
    }
    "participant_muted" = Muted { user_id, term } => {
        user_id: &'a UserId = user_id,
        muted_by: &'a UserId = &view.actor.user_id,
        until: Option<DateTime<Utc>> = term.end(),
    }
    "participant_unmuted" = Unmuted { user_id } => {
        user_id: &'a UserId = user_id,
        unmuted_by: &'a UserId = &view.actor.user_id,
    }
    "participant_metadata_changed" = MetadataChanged { user_id } => {
        user_id: &'a UserId = user_id,
        metadata: Option<&'a Metadata> = view.metadata(),
        changed_by: &'a UserId = &view.actor.user_id,
    }
    "ownership_transferred" = OwnerChanged { user_id, previous } => {
        user_id: &'a UserId = user_id,
        previous_role: ParticipantRole = *previous,
        transferred_by: &'a UserId = &view.actor.user_id,
    }
}

/// A user to add to a session.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AddParticipant {
    /// A user who was seen before.
    user_id: String,
    /// The role; `MEMBER` where not given; never `OWNER`.
    role: Option<ParticipantRole>,
}

impl AddParticipant {
    /// The command.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when the user id is not valid.
    pub fn command(self) -> Result<chat::AddParticipant> {
        let Self { user_id, role } = self;
        Ok(chat::AddParticipant { user_id: super::user_id("user_id", user_id)?, role })
    }
}

/// A new role.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeRole {
    /// The role; never `OWNER`.
    pub role: ParticipantRole,
}

/// New metadata of a participant.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("required" = ["metadata"])))]
#[serde(deny_unknown_fields)]
pub struct SetParticipantMetadata {
    /// The complete metadata: an object of at most 4,096 bytes of JSON with at most 8 levels; `null` removes the metadata.
    #[serde(deserialize_with = "Option::deserialize")]
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    pub metadata: Option<Metadata>,
}

/// The answer to a join.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "JoinResponse"))]
pub struct Joined {
    /// A text that confirms the operation.
    message: &'static str,
    /// The id of the stay.
    participant_id: ParticipantId,
}

impl From<Participant> for Joined {
    fn from(participant: Participant) -> Self {
        Self { message: "Successfully joined the chat session", participant_id: participant.id }
    }
}

/// The answer to a leave or a removal.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Confirmation {
    /// A text that confirms the operation.
    message: &'static str,
}

impl Confirmation {
    /// The caller left a session.
    pub const LEFT: Self = Self { message: "Successfully left the chat session" };
    /// The caller's login ended.
    pub const LOGGED_OUT: Self = Self { message: "Logged out successfully" };
    /// A participant was removed from a session.
    pub const REMOVED: Self = Self { message: "Participant removed successfully" };
}
