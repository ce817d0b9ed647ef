//! The profiles of users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::UserId;

/// The names and the picture of a user. Stored records have only ids, and the chat looks up profiles on reads, so a rename shows everywhere
/// at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The id of the user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub user_id: UserId,
    /// A short handle; the user id where the host gave none.
    pub username: String,
    /// The name to show; the handle where the host gave none.
    pub name: String,
    /// The e-mail address, shown only to owners, admins and the user.
    pub email: Option<String>,
    /// An address of a picture.
    pub picture: Option<String>,
    /// The time of the newest claim, in microseconds at most; the Unix epoch without claims.
    pub updated_at: DateTime<Utc>,
    /// Whether the user is a bot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_bot: bool,
}

impl Profile {
    /// The profile of a user of whom only the id is known.
    #[must_use]
    pub fn unknown(user_id: UserId) -> Self {
        let name = user_id.as_str().to_owned();
        let (username, updated_at) = (name.clone(), DateTime::UNIX_EPOCH);
        Self { user_id, username, name, email: None, picture: None, updated_at, is_bot: false }
    }
}
