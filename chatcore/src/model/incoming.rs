//! Incoming webhooks: each webhook has a secret token, and every holder of the token can post messages into the session.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Profile, SessionId, WebhookId};

/// The token of an incoming webhook, or a text that a caller presents as a token. The token is a secret, so the debug form does not show
/// the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncomingToken(String);

impl IncomingToken {
    /// The prefix of each token.
    pub const PREFIX: &'static str = "chook_";

    /// A text that may be a token. Every text is accepted: a wrong token gets the same answer as the token of a deleted webhook.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path for posts without a header, below the base of the REST operations.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/hooks/{}", self.0)
    }
}

impl fmt::Debug for IncomingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IncomingToken(…)")
    }
}

/// An incoming webhook as users who manage the session see it.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingWebhook {
    /// The id. The id alone does not let a client post: a post needs the token.
    pub id: WebhookId,
    /// The session into which the webhook posts.
    pub session_id: SessionId,
    /// The author name of the webhook's messages.
    pub name: String,
    /// The address of the author's picture.
    pub avatar_url: Option<String>,
    /// The user who created the webhook.
    pub created_by: Profile,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last posted message, up to a minute late; `None` for never.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// An incoming webhook that was just created, with its token. No later answer shows the token.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedIncomingWebhook {
    /// The webhook.
    pub webhook: IncomingWebhook,
    /// The token.
    pub token: IncomingToken,
}
