//! Presence: whether a user is there.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ParticipantId, Profile};

/// The availability that a user chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Nothing special.
    #[default]
    Online,
    /// Away for a while.
    Away,
    /// Not to be disturbed.
    DoNotDisturb,
}

/// Whether a user is there, as others see it.
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
    /// No device is connected, or the user hides it.
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

/// A user's own words about what the user is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusText {
    /// The words: one line.
    pub text: String,
    /// When they end; `None` where they do not. Nobody is told of the end.
    pub until: Option<DateTime<Utc>>,
}

/// The presence of a user without the user's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceState {
    /// Whether the user is there.
    pub status: PresenceStatus,
    /// When the last device of the user was gone; `None` while the user is there, where it is not known, and where the user hides it.
    pub last_seen: Option<DateTime<Utc>>,
    /// What the user says.
    pub text: Option<StatusText>,
}

impl PresenceState {
    /// What others see of a user who hides, and of a user who was never there.
    pub const NOTHING: Self = Self { status: PresenceStatus::Offline, last_seen: None, text: None };
}

/// The presence of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// The user.
    pub user: Profile,
    /// Whether the user is there.
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
    /// What others would see if the user did not hide.
    pub state: PresenceState,
    /// What the user chose for the time when a device is connected.
    pub availability: Availability,
    /// Whether the user appears offline to everybody.
    pub is_hidden: bool,
}
