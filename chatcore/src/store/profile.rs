//! A profile as it is stored: what is known of a user, with the age of each part.

use chrono::{DateTime, Utc};

use crate::model::{Profile, UserId};

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
        Self { user_id, username: None, name: None, email: None, picture: None }
    }

    /// How the user is shown: the id stands for a handle that is not known, and the handle for a name.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let Self { user_id, username, name, email, picture } = self;
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
        }
    }
}
