//! Changes of the settings of a session.

use async_graphql::{Enum, SimpleObject};

use super::{HistoryVisibility, JsonObject, SessionType};

/// New settings of a session; null for those that did not change, and for a description, a lifetime, a picture or metadata that were
/// taken away.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "SessionChanges")]
pub(in crate::schema) struct Changes {
    /// What it is called.
    pub(super) title: Option<String>,
    /// What it is about.
    pub(super) description: Option<String>,
    /// Who may come in.
    pub(super) session_type: Option<SessionType>,
    /// How many may be in it.
    pub(super) max_participants: Option<u32>,
    /// How many seconds lie between two messages of one sender at the least.
    pub(super) slow_mode_seconds: Option<u32>,
    /// How many seconds a message is kept after it was sent.
    pub(super) message_lifetime: Option<u32>,
    /// The part of the history that participants see.
    pub(super) history_visibility: Option<HistoryVisibility>,
    /// Words under which it is found.
    pub(super) tags: Option<Vec<String>>,
    /// The address of a picture, or another reference to one.
    pub(super) avatar_url: Option<String>,
    /// Data of the host's or the client's own.
    pub(super) metadata: Option<JsonObject>,
    /// Whether its users see each other's receipts.
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
