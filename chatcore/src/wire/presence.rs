//! Presence on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{named, present};
use crate::{
    chat,
    error::{Code, Error, Result},
    model::{
        Availability, OwnPresence, ParticipantId, ParticipantPresence, Presence, PresenceState, PresenceStatus,
        Profile, StatusText, UserId,
    },
};

/// Whether a user is there.
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
    /// When the last device of the user was gone; `null` while the user is there, where it is not known, and where the user hides it.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_seen: Option<DateTime<Utc>>,
    /// What the user says.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    /// When the text ends; `null` where it does not.
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
    /// What others see, unless the caller hides.
    status: PresenceStatus,
    /// When the last device of the caller was gone; `null` while the caller is there, and where it is not known.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_seen: Option<DateTime<Utc>>,
    /// What the caller says.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    /// When the text ends; `null` where it does not.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text_until: Option<DateTime<Utc>>,
    /// What others see while a device of the caller is connected.
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

/// Whether a participant of a session is there.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ParticipantPresence"))]
struct ParticipantPresenceView<'a> {
    /// The participant: what to give as `after` for the next page.
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
    /// When the last device of the user was gone; `null` while the user is there, where it is not known, and where the user hides it.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_seen: Option<DateTime<Utc>>,
    /// What the user says.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text: Option<&'a str>,
    /// When the text ends; `null` where it does not.
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

/// What to change of the caller's own presence. What is not named stays as it is.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetPresence {
    /// What others see while a device of the caller is connected.
    #[serde(default, deserialize_with = "present")]
    availability: Option<Availability>,
    /// The caller's own words, 1 to 100 characters in one line; `null` takes them back.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    text: Option<Option<String>>,
    /// When the words end; they do not where it is not named. It is named with `text`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    text_until: Option<DateTime<Utc>>,
    /// Whether the caller appears offline to everybody, without a time and without words. The caller goes on seeing others.
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
        Self { availability, text, text_until, is_hidden }
    }

    /// The command.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) when an end is named without words.
    pub fn command(self) -> Result<chat::SetPresence> {
        let Self { availability, text, text_until: until, is_hidden } = self;
        if until.is_some() && !matches!(text, Some(Some(_))) {
            return Err(Error::invalid("text_until", Code::ValidationInvalidValue, "give it together with text"));
        }
        let text = text.map(|text| text.map(|text| StatusText { text, until }));
        Ok(chat::SetPresence { availability, text, is_hidden })
    }
}

/// Users whose presence is asked for.
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
