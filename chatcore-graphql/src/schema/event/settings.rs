//! Changes of the settings of a session.

use async_graphql::{Enum, SimpleObject};

use super::{HistoryVisibility, JsonObject, SessionType};

/// New settings of a session; null for unchanged settings, and for a removed description, lifetime, picture or metadata.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "SessionChanges")]
pub(in crate::schema) struct Changes {
    /// The title.
    pub(super) title: Option<String>,
    /// The description.
    pub(super) description: Option<String>,
    /// The type.
    pub(super) session_type: Option<SessionType>,
    /// The maximum number of participants.
    pub(super) max_participants: Option<u32>,
    /// The minimum number of seconds between two messages of one sender.
    pub(super) slow_mode_seconds: Option<u32>,
    /// The lifetime of a message in seconds.
    pub(super) message_lifetime: Option<u32>,
    /// The part of the history that participants see.
    pub(super) history_visibility: Option<HistoryVisibility>,
    /// The tags: words by which a search finds the session.
    pub(super) tags: Option<Vec<String>>,
    /// The address of a picture, or another reference to one.
    pub(super) avatar_url: Option<String>,
    /// Custom data of the host or the client.
    pub(super) metadata: Option<JsonObject>,
    /// Whether the users of the session see each other's receipts.
    pub(super) receipts: Option<bool>,
}

/// A setting of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(in crate::schema) enum SessionSetting {
    /// `title`.
    Title,
    /// `description`.
    Description,
    /// `sessionType`.
    SessionType,
    /// `maxParticipants`.
    MaxParticipants,
    /// `slowModeSeconds`.
    SlowModeSeconds,
    /// `messageLifetime`.
    MessageLifetime,
    /// `historyVisibility`.
    HistoryVisibility,
    /// `tags`.
    Tags,
    /// `avatarUrl`.
    AvatarUrl,
    /// `metadata`.
    Metadata,
    /// `receipts`.
    Receipts,
}
