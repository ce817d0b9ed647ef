//! Blocks on the wire.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::{BlockedUser, Profile, UserId};

/// A user that the caller has blocked.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "BlockedUser"))]
struct BlockedUserView<'a> {
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the user is a bot.
    is_bot: bool,
    /// The address of the user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    blocked_at: DateTime<Utc>,
}

impl<'a> From<&'a BlockedUser> for BlockedUserView<'a> {
    fn from(BlockedUser { user, blocked_at }: &'a BlockedUser) -> Self {
        let Profile { user_id, username, name, email: _, picture, updated_at: _, is_bot } = user;
        let avatar_url = picture.as_deref();
        Self { user_id, username, name, is_bot: *is_bot, avatar_url, blocked_at: *blocked_at }
    }
}

shown_as! { BlockedUser => BlockedUserView; }
