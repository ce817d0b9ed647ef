//! Participants.

use async_graphql::{Enum, ID, Object};
use chatcore::model;

use super::{
    scalar::{DateTime, JsonObject},
    user::User,
};

/// What a participant may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ParticipantRole")]
pub(super) enum ParticipantRole {
    /// Made the session; everything is up to them.
    Owner,
    /// Manages it.
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
    /// Names this one membership: who comes back gets a new one.
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

    /// What they may do.
    async fn role(&self) -> ParticipantRole {
        self.0.role.into()
    }

    /// Whether they are the owner.
    async fn is_owner(&self) -> bool {
        self.0.is_owner()
    }

    /// Whether they are in the session now.
    async fn is_active(&self) -> bool {
        self.0.is_active
    }

    /// When this membership began.
    async fn joined_at(&self) -> DateTime {
        DateTime(self.0.joined_at)
    }

    /// When they first came.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Whether they are muted: they read, and neither send, edit, react nor type.
    async fn is_muted(&self) -> bool {
        self.0.muted.is_some()
    }

    /// When the mute ends; null where there is none, or where it has no end.
    async fn muted_until(&self) -> Option<DateTime> {
        self.0.muted.and_then(model::Term::end).map(DateTime)
    }

    /// Data of the host's or the client's own; null where there are none. They go with the membership.
    #[graphql(complexity = 20)]
    async fn metadata(&self) -> Option<JsonObject> {
        self.0.metadata.clone().map(JsonObject)
    }
}
