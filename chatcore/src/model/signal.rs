//! A signal: worth telling and not worth keeping.

use serde::{Deserialize, Serialize};

use super::{SessionId, UserId};

/// Something told to whoever listens at the moment; it is not in the log, has no number and is never replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "snake_case")]
pub enum Signal {
    /// A user started or stopped typing.
    Typing {
        /// Where.
        session_id: SessionId,
        /// Who.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// `true` for started.
        is_typing: bool,
    },
}

impl Signal {
    /// The session whose readers are told.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        match self {
            Self::Typing { session_id, .. } => *session_id,
        }
    }
}
