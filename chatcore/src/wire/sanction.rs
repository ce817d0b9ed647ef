//! Bans and mutes on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::{
    chat::SanctionUser,
    model::{SessionBan, UserId},
};

/// A ban of a user from a session.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SessionBan"))]
struct BanView<'a> {
    /// The banned user.
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the user is a bot.
    is_bot: bool,
    /// The address of the user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    banned_by: &'a UserId,
    banned_by_username: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    reason: Option<&'a str>,
    banned_at: DateTime<Utc>,
    /// When the ban ends; `null` for never.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    until: Option<DateTime<Utc>>,
}

impl<'a> From<&'a SessionBan> for BanView<'a> {
    fn from(ban: &'a SessionBan) -> Self {
        let SessionBan { user, banned_by, reason, banned_at, until } = ban;
        Self {
            user_id: &user.user_id,
            username: &user.username,
            name: &user.name,
            is_bot: user.is_bot,
            avatar_url: user.picture.as_deref(),
            banned_by: &banned_by.user_id,
            banned_by_username: &banned_by.username,
            reason: reason.as_deref(),
            banned_at: *banned_at,
            until: *until,
        }
    }
}

shown_as! { SessionBan => BanView; }

/// A ban or a mute.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sanction {
    /// The reason: at most 500 characters. Users who manage the session see the reason.
    reason: Option<String>,
    /// The end of the ban or the mute; no end where not given.
    until: Option<Time>,
}

impl Sanction {
    /// The command.
    #[must_use]
    pub fn command(self) -> SanctionUser {
        let Self { reason, until } = self;
        SanctionUser { reason, until: until.map(|Time(until)| until) }
    }
}
