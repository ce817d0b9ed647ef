//! Incoming webhooks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{Profile, SessionId, UserId, WebhookId},
    store::{Json, Part, StoredValue},
};

/// An incoming webhook. The token itself is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingRecord {
    /// The SHA-256 digest of its token.
    pub digest: String,
    /// The name of the author of its messages.
    pub name: String,
    /// The address of the author's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// The user who created it.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// The place of the webhook of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingPlace {
    /// The session.
    pub session: SessionId,
    /// The webhook.
    pub webhook: WebhookId,
    /// When it last posted a message, up to a minute late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<DateTime<Utc>>,
}

/// The author of the messages of a webhook. The record stays when the webhook is deleted, since its messages stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookAuthor {
    /// The name to show.
    pub name: String,
    /// The address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// When one of them changed last.
    pub updated_at: DateTime<Utc>,
}

impl WebhookAuthor {
    /// The profile of the author of this id. The name stands for a handle, too.
    #[must_use]
    pub fn profile(&self, author: &UserId) -> Profile {
        let Self { name, avatar_url, updated_at } = self.clone();
        Profile {
            user_id: author.clone(),
            username: name.clone(),
            name,
            email: None,
            picture: avatar_url,
            updated_at,
            is_bot: true,
        }
    }
}

macro_rules! json_values {
    ($($value:ty),*) => {$(
        impl StoredValue for $value {
            fn encode(&self) -> Json {
                to_json(self)
            }

            fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
                from_json(stored)
            }
        }
    )*};
}

json_values!(IncomingRecord, IncomingPlace, WebhookAuthor);
