//! Presence on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{named, present, time::Time};
use crate::{
    chat,
    error::{Code, Error, Result},
    model::{
        Availability, OwnPresence, ParticipantId, ParticipantPresence, Presence, PresenceState, PresenceStatus,
        Profile, StatusText, UserId,
    },
};

/// The presence of a user.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Presence"))]
pub(super) struct PresenceView<'a> {
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the user is a bot.
    is_bot: bool,
    /// The address of the user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    status: PresenceStatus,
    /// The time at which the last device of the user disconnected; `null` while the user is online, for an unknown time, and for a hidden
    /// user.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_seen: Option<DateTime<Utc>>,
    /// The status text of the user.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    /// The end of the status text; `null` for no end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text_until: Option<DateTime<Utc>>,
}

impl<'a> PresenceView<'a> {
    pub(super) fn of(user: &'a Profile, state: &'a PresenceState) -> Self {
        let Profile { user_id, username, name, email: _, picture, updated_at: _, is_bot } = user;
        let PresenceState { status, last_seen, text } = state;
        let (text, until) = text.as_ref().map(|StatusText { text, until }| (text.as_str(), *until)).unzip();
        Self {
            user_id,
            username,
            name,
            is_bot: *is_bot,
            avatar_url: picture.as_deref(),
            status: *status,
            last_seen: *last_seen,
            text,
            text_until: until.flatten(),
        }
    }
}

impl<'a> From<&'a Presence> for PresenceView<'a> {
    fn from(Presence { user, state }: &'a Presence) -> Self {
        Self::of(user, state)
    }
}

/// The caller's own presence.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "OwnPresence"))]
struct OwnPresenceView<'a> {
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the caller is a bot.
    is_bot: bool,
    /// The address of the caller's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    /// The status that others see, unless the caller is hidden.
    status: PresenceStatus,
    /// The time at which the last device of the caller disconnected; `null` while the caller is online, and for an unknown time.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_seen: Option<DateTime<Utc>>,
    /// The status text of the caller.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    /// The end of the status text; `null` for no end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text_until: Option<DateTime<Utc>>,
    /// The status that others see while a device of the caller is connected.
    availability: Availability,
    /// Whether the caller appears offline to everybody.
    is_hidden: bool,
}

impl<'a> From<&'a OwnPresence> for OwnPresenceView<'a> {
    fn from(own: &'a OwnPresence) -> Self {
        let OwnPresence { user, state, availability, is_hidden } = own;
        let PresenceView { user_id, username, name, is_bot, avatar_url, status, last_seen, text, text_until } =
            PresenceView::of(user, state);
        Self {
            user_id,
            username,
            name,
            is_bot,
            avatar_url,
            status,
            last_seen,
            text,
            text_until,
            availability: *availability,
            is_hidden: *is_hidden,
        }
    }
}

/// The presence of a participant of a session.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ParticipantPresence"))]
struct ParticipantPresenceView<'a> {
    /// The participant: the value of `after` for the next page.
    participant_id: ParticipantId,
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the user is a bot.
    is_bot: bool,
    /// The address of the user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    status: PresenceStatus,
    /// The time at which the last device of the user disconnected; `null` while the user is online, for an unknown time, and for a hidden
    /// user.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_seen: Option<DateTime<Utc>>,
    /// The status text of the user.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    /// The end of the status text; `null` for no end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text_until: Option<DateTime<Utc>>,
}

impl<'a> From<&'a ParticipantPresence> for ParticipantPresenceView<'a> {
    fn from(ParticipantPresence { participant_id, presence }: &'a ParticipantPresence) -> Self {
        let PresenceView { user_id, username, name, is_bot, avatar_url, status, last_seen, text, text_until } =
            presence.into();
        Self {
            participant_id: *participant_id,
            user_id,
            username,
            name,
            is_bot,
            avatar_url,
            status,
            last_seen,
            text,
            text_until,
        }
    }
}

shown_as! {
    Presence => PresenceView;
    ParticipantPresence => ParticipantPresenceView;
    OwnPresence => OwnPresenceView;
}

/// Changes of the caller's own presence. An omitted field does not change.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetPresence {
    /// The status that others see while a device of the caller is connected.
    #[serde(default, deserialize_with = "present")]
    availability: Option<Availability>,
    /// The status text: 1 to 100 characters in one line; `null` removes the text.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    text: Option<Option<String>>,
    /// The end of the status text; no end where not given. Requires `text`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text_until: Option<Time>,
    /// Whether the caller appears offline to everybody, without a last-seen time and a status text. The caller still sees others.
    #[serde(default, deserialize_with = "present")]
    is_hidden: Option<bool>,
}

impl SetPresence {
    /// A change of the presence, for a transport with a form of its own.
    #[must_use]
    pub const fn new(
        availability: Option<Availability>,
        text: Option<Option<String>>,
        text_until: Option<DateTime<Utc>>,
        is_hidden: Option<bool>,
    ) -> Self {
        let text_until = match text_until {
            Some(until) => Some(Time(until)),
            None => None,
        };
        Self { availability, text, text_until, is_hidden }
    }

    /// The command.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for an end without a status text.
    pub fn command(self) -> Result<chat::SetPresence> {
        let Self { availability, text, text_until, is_hidden } = self;
        let until = text_until.map(|Time(until)| until);
        if until.is_some() && !matches!(text, Some(Some(_))) {
            return Err(Error::invalid("text_until", Code::ValidationInvalidValue, "give it together with text"));
        }
        let text = text.map(|text| text.map(|text| StatusText { text, until }));
        Ok(chat::SetPresence { availability, text, is_hidden })
    }
}

/// The users of a query of presence.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QueryPresence {
    /// The users, at most 100.
    user_ids: Vec<String>,
}

impl QueryPresence {
    /// The users.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) when a user id is not valid.
    pub fn users(self) -> Result<Vec<UserId>> {
        let user = |id| {
            UserId::new(id).map_err(|error| Error::invalid("user_ids", Code::ValidationInvalidValue, error.expected))
        };
        self.user_ids.into_iter().map(user).collect()
    }
}
