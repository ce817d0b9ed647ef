//! Incoming webhooks on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{message::Said, named, present};
use crate::{
    chat,
    error::{Code, Error, Result},
    model::{Content, CreatedIncomingWebhook, IncomingWebhook, SessionId, SpeakerRole, UserId, WebhookId},
};

/// An incoming webhook of a session, without its token.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "IncomingWebhook"))]
struct IncomingWebhookView<'a> {
    id: WebhookId,
    session_id: SessionId,
    /// The author name of the webhook's messages.
    name: &'a str,
    /// The address of the author's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    /// The sender id of the messages of the webhook. No user has this id.
    author_id: UserId,
    /// The user who created the webhook.
    created_by: &'a UserId,
    created_by_username: &'a str,
    created_at: DateTime<Utc>,
    /// The time of the last posted message, up to a minute late; null for never.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_used_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a IncomingWebhook> for IncomingWebhookView<'a> {
    fn from(webhook: &'a IncomingWebhook) -> Self {
        let IncomingWebhook { id, session_id, name, avatar_url, created_by, created_at, last_used_at } = webhook;
        Self {
            id: *id,
            session_id: *session_id,
            name,
            avatar_url: avatar_url.as_deref(),
            author_id: id.author(),
            created_by: &created_by.user_id,
            created_by_username: &created_by.username,
            created_at: *created_at,
            last_used_at: *last_used_at,
        }
    }
}

/// A new incoming webhook with its token.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CreatedIncomingWebhook"))]
struct CreatedIncomingWebhookView<'a> {
    /// The token for posts: `chook_` and 43 characters. Only this answer contains the token.
    token: &'a str,
    /// The path for posts without a header, below the base of the REST operations: `/hooks/` and the token. Proxies log paths, so `/hooks`
    /// with the token as bearer token is better.
    path: String,
    webhook: &'a IncomingWebhook,
}

impl<'a> From<&'a CreatedIncomingWebhook> for CreatedIncomingWebhookView<'a> {
    fn from(CreatedIncomingWebhook { webhook, token }: &'a CreatedIncomingWebhook) -> Self {
        Self { token: token.as_str(), path: token.path(), webhook }
    }
}

shown_as! {
    IncomingWebhook => IncomingWebhookView;
    CreatedIncomingWebhook => CreatedIncomingWebhookView;
}

/// An incoming webhook to create.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateIncomingWebhook {
    /// The author name of the webhook's messages: a line of 1 to 100 characters. The name need not be unique.
    name: String,
    /// The address of the author's picture: `https://…`, at most 2,048 characters.
    avatar_url: Option<String>,
}

impl CreateIncomingWebhook {
    /// The command.
    #[must_use]
    pub fn command(self) -> chat::CreateIncomingWebhook {
        let Self { name, avatar_url } = self;
        chat::CreateIncomingWebhook { name, avatar_url }
    }
}

/// Changes of an incoming webhook. An omitted field does not change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateIncomingWebhook {
    /// The author name of the webhook's messages: a line of 1 to 100 characters. The new name applies to all messages of the webhook.
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    /// The address of the author's picture: `https://…`, at most 2,048 characters; null removes it.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    avatar_url: Option<Option<String>>,
}

impl UpdateIncomingWebhook {
    /// The command.
    #[must_use]
    pub fn command(self) -> chat::UpdateIncomingWebhook {
        let Self { name, avatar_url } = self;
        chat::UpdateIncomingWebhook { name, avatar_url }
    }
}

/// A message that an incoming webhook posts.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PostToIncomingWebhook {
    /// The content: text of 1 to 8,000 characters by default, or ciphertext. Either `content` or `text` is required.
    content: Option<Said>,
    /// The content as a text, for programs that post to Slack: `{"text": "…"}`.
    text: Option<String>,
    /// The speaker; `user` where not given.
    role: Option<SpeakerRole>,
    /// An idempotency key for the message: 1 to 128 characters, unique for each webhook. The header `Idempotency-Key` means the same.
    client_id: Option<String>,
}

impl PostToIncomingWebhook {
    /// The message. `key` is the client id that stands beside the body, like the header `Idempotency-Key` of HTTP.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a missing content, for two contents, for a client id that is not valid, and for different client ids
    /// in the body and in `key`.
    pub fn command(self, key: Option<String>) -> Result<chat::PostToWebhook> {
        let Self { content, text, role, client_id } = self;
        let content = match (content, text) {
            (Some(Said(content)), None) => content,
            (None, Some(text)) => Content::Text(text),
            (None, None) => return Err(Error::invalid("content", Code::ValidationRequiredField, "required")),
            (Some(_), Some(_)) => {
                return Err(Error::invalid("text", Code::ValidationInvalidValue, "give either content or text"));
            }
        };
        let (role, client_id) = (role.unwrap_or_default(), super::client_id(client_id, key)?);
        Ok(chat::PostToWebhook { content, role, client_id })
    }
}
