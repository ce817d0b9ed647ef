//! A notice to all users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::NoticeId;

/// Something that an administrator tells all users who are connected. It is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// The id of the notice: a client that has several streams shows it once.
    pub id: NoticeId,
    /// The text.
    pub text: String,
    /// When it was sent.
    pub created_at: DateTime<Utc>,
}
