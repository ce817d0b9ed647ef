//! Incoming webhooks: each has a secret token, and whoever has the token posts messages into the session.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Profile, SessionId, WebhookId};

/// The token of an incoming webhook, or a text that a caller takes for one. It is a secret, so its debug form does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncomingToken(String);

impl IncomingToken {
    /// What each token begins with.
    pub const PREFIX: &'static str = "chook_";

    /// A text that may be a token. Any text is taken: a wrong one gets the same answer as the token of a deleted webhook.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its holder posts without a header, below the base of the REST operations.
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
    /// Its id. Who knows the id cannot post: that takes the token.
    pub id: WebhookId,
    /// The session into which it posts.
    pub session_id: SessionId,
    /// The name of the author of its messages.
    pub name: String,
    /// The address of the author's picture.
    pub avatar_url: Option<String>,
    /// The user who created it.
    pub created_by: Profile,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last posted a message, up to a minute late; `None` for never.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// An incoming webhook that was just created, with its token, which is shown this once.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedIncomingWebhook {
    /// The webhook.
    pub webhook: IncomingWebhook,
    /// The token.
    pub token: IncomingToken,
}
