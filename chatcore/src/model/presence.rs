//! The presence of users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ParticipantId, Profile};

/// The availability that a user chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Available.
    #[default]
    Online,
    /// Away for a while.
    Away,
    /// Not to be disturbed.
    DoNotDisturb,
}

/// The status of a user that others see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// A device of the user is connected.
    Online,
    /// A device is connected, and the user is away for a while.
    Away,
    /// A device is connected, and the user is not to be disturbed.
    DoNotDisturb,
    /// No device is connected, or the user is hidden.
    Offline,
}

impl From<Availability> for PresenceStatus {
    fn from(availability: Availability) -> Self {
        match availability {
            Availability::Online => Self::Online,
            Availability::Away => Self::Away,
            Availability::DoNotDisturb => Self::DoNotDisturb,
        }
    }
}

/// A user's status text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusText {
    /// The text: one line.
    pub text: String,
    /// The end of the text; `None` for no end. The end causes no signal.
    pub until: Option<DateTime<Utc>>,
}

/// The presence of a user without the user's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceState {
    /// The presence status.
    pub status: PresenceStatus,
    /// The time at which the last device of the user disconnected; `None` while the user is online, for an unknown time, and for a hidden
    /// user.
    pub last_seen: Option<DateTime<Utc>>,
    /// The status text of the user.
    pub text: Option<StatusText>,
}

impl PresenceState {
    /// The presence of a hidden user, and of a user who was never connected, for others.
    pub const NOTHING: Self = Self { status: PresenceStatus::Offline, last_seen: None, text: None };
}

/// The presence of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// The user.
    pub user: Profile,
    /// The presence status.
    pub state: PresenceState,
}

/// The presence of a participant of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticipantPresence {
    /// The participant, for the next page.
    pub participant_id: ParticipantId,
    /// The presence of the user.
    pub presence: Presence,
}

/// A user's own presence, with what the user chose.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnPresence {
    /// The user.
    pub user: Profile,
    /// The presence that others see unless the user is hidden.
    pub state: PresenceState,
    /// The availability that the user chose for the time when a device is connected.
    pub availability: Availability,
    /// Whether the user appears offline to everybody.
    pub is_hidden: bool,
}
