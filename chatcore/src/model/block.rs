//! Blocks: users whom a user has blocked.

use chrono::{DateTime, Utc};

use super::Profile;

/// A user that the caller has blocked.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockedUser {
    /// The user.
    pub user: Profile,
    /// The time of the block.
    pub blocked_at: DateTime<Utc>,
}
