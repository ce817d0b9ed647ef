//! A notice to all users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::NoticeId;

/// A text that an administrator sends to all connected users. Notices are not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// The id of the notice. A client with several streams uses the id to show the notice once.
    pub id: NoticeId,
    /// The text.
    pub text: String,
    /// The time at which the notice was sent.
    pub created_at: DateTime<Utc>,
}
