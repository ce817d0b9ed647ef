//! Blocks on the wire.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::{BlockedUser, UserId};

/// A user that the caller has blocked.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "BlockedUser"))]
struct BlockedUserView<'a> {
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    blocked_at: DateTime<Utc>,
}

impl<'a> From<&'a BlockedUser> for BlockedUserView<'a> {
    fn from(BlockedUser { user, blocked_at }: &'a BlockedUser) -> Self {
        Self { user_id: &user.user_id, username: &user.username, name: &user.name, blocked_at: *blocked_at }
    }
}

shown_as! { BlockedUser => BlockedUserView; }
