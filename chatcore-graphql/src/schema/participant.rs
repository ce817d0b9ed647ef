//! Participants.

use async_graphql::{Enum, ID, Object};
use chatcore::model;

use super::{
    scalar::{DateTime, JsonObject},
    user::User,
};

/// The role of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ParticipantRole")]
pub(super) enum ParticipantRole {
    /// Owns the session, with all permissions.
    Owner,
    /// Manages the session.
    Admin,
    /// Reads and writes.
    Member,
    /// Reads.
    Viewer,
}

/// Why a user was removed from a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::RemovalReason")]
pub(super) enum RemovalReason {
    /// A user who manages the session decided so.
    ByManager,
    /// The user's account was banned.
    AccountBanned,
    /// The user's account was deleted.
    AccountDeleted,
}

/// A user's membership of a session.
#[derive(Debug, Clone)]
pub(super) struct Participant(pub(super) model::Participant);

/// A user's membership of a session.
#[Object]
impl Participant {
    /// The id of this membership. A user who comes back gets a new id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.0.session_id.to_string())
    }

    /// The user.
    async fn user(&self) -> User {
        User(self.0.profile.clone())
    }

    /// The role.
    async fn role(&self) -> ParticipantRole {
        self.0.role.into()
    }

    /// Whether the user is the owner.
    async fn is_owner(&self) -> bool {
        self.0.is_owner()
    }

    /// Whether the user is in the session now.
    async fn is_active(&self) -> bool {
        self.0.is_active
    }

    /// The time at which this membership began.
    async fn joined_at(&self) -> DateTime {
        DateTime(self.0.joined_at)
    }

    /// The time of the first join.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Whether the participant is muted: a muted participant reads, and neither sends, edits, reacts nor types.
    async fn is_muted(&self) -> bool {
        self.0.muted.is_some()
    }

    /// The end of the mute; null without a mute, and for a mute without an end.
    async fn muted_until(&self) -> Option<DateTime> {
        self.0.muted.and_then(model::Term::end).map(DateTime)
    }

    /// Custom data of the host or the client; null where there are none. The data end with the membership.
    #[graphql(complexity = 20)]
    async fn metadata(&self) -> Option<JsonObject> {
        self.0.metadata.clone().map(JsonObject)
    }
}
