//! Profiles: what is known of a user, with the age of each part.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, part, to_json};
use crate::{
    model::{Profile, UserId},
    store::{Json, Part, StoredValue},
};

/// What is known of a user. Each part has an age of its own, because a token may carry some of them and not others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileRecord {
    /// The user.
    pub user_id: UserId,
    /// A short handle.
    pub username: Option<ProfilePart>,
    /// The name to show.
    pub name: Option<ProfilePart>,
    /// The e-mail address.
    pub email: Option<ProfilePart>,
    /// An address of a picture.
    pub picture: Option<ProfilePart>,
    /// Whether the user is a bot. No claim changes it.
    pub is_bot: bool,
}

/// One part of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfilePart {
    /// The text.
    pub text: String,
    /// As of when it holds, in microseconds at most.
    pub as_of: DateTime<Utc>,
}

impl ProfileRecord {
    /// The record of a user of whom nothing but the id is known, before it is written.
    #[must_use]
    pub const fn unknown(user_id: UserId) -> Self {
        Self { user_id, username: None, name: None, email: None, picture: None, is_bot: false }
    }

    /// How the user is shown: the id stands for a handle that is not known, and the handle for a name.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let Self { user_id, username, name, email, picture, is_bot } = self;
        let text = |part: &Option<ProfilePart>| part.as_ref().map(|part| part.text.clone());
        let newest = [username, name, email, picture].into_iter().flatten().map(|part| part.as_of).max();
        let username = text(username).unwrap_or_else(|| user_id.as_str().to_owned());
        Profile {
            user_id: user_id.clone(),
            name: text(name).unwrap_or_else(|| username.clone()),
            username,
            email: text(email),
            picture: text(picture),
            updated_at: newest.unwrap_or_default(),
            is_bot: *is_bot,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    picture: Option<String>,
    #[serde(default)]
    username_at: Option<DateTime<Utc>>,
    #[serde(default)]
    name_at: Option<DateTime<Utc>>,
    #[serde(default)]
    email_at: Option<DateTime<Utc>>,
    #[serde(default)]
    picture_at: Option<DateTime<Utc>>,
    /// The age of the parts that have none of their own: only in the oldest records.
    #[serde(default, skip_serializing)]
    updated_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_bot: bool,
}

impl StoredValue for ProfileRecord {
    fn encode(&self) -> Json {
        let Self { user_id: _, username, name, email, picture, is_bot } = self.clone();
        let split = |part: Option<ProfilePart>| part.map(|ProfilePart { text, as_of }| (text, as_of)).unzip();
        let (username, username_at) = split(username);
        let (name, name_at) = split(name);
        let (email, email_at) = split(email);
        let (picture, picture_at) = split(picture);
        let updated_at = None;
        to_json(&Form {
            username,
            name,
            email,
            picture,
            username_at,
            name_at,
            email_at,
            picture_at,
            updated_at,
            is_bot,
        })
    }

    fn decode(_: u32, key: &[Part], stored: Json) -> Result<Self, String> {
        let user_id: UserId = part(key, 0)?;
        let form: Form = from_json(stored)?;
        let Form { username, name, email, picture, username_at, name_at, email_at, picture_at, .. } = form;
        let Form { updated_at, is_bot, .. } = form;
        // The oldest records have the id in place of a handle that was not known, and the handle in place of a name.
        let is_old = updated_at.is_some();
        let is_id = is_old && username.as_deref() == Some(user_id.as_str());
        let is_handle = is_old && name == username;
        let part = |text: Option<String>, at: Option<DateTime<Utc>>| {
            text.map(|text| ProfilePart { text, as_of: at.or(updated_at).unwrap_or_default() })
        };
        Ok(Self {
            username: part(username.filter(|_| !is_id), username_at),
            name: part(name.filter(|_| !is_handle), name_at),
            email: part(email, email_at),
            picture: part(picture, picture_at),
            is_bot,
            user_id,
        })
    }
}
