//! Forwarding on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    model::{ClientId, MessageId, Origin, SessionId, UserId},
};

/// The origin of a forwarded message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Origin"))]
pub(super) struct OriginView<'a> {
    /// The session; `null` for readers who may not view it, and in events.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    session_id: Option<SessionId>,
    /// The message; `null` for readers who may not view its session, and in events.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    message_id: Option<MessageId>,
    /// The author.
    user_id: &'a UserId,
    /// The time at which the message was sent.
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a Origin> for OriginView<'a> {
    fn from(origin: &'a Origin) -> Self {
        let Origin { message, author, sent_at } = origin;
        let session_id = message.map(|message| message.session_id);
        Self { session_id, message_id: *message, user_id: author, created_at: *sent_at }
    }
}

/// A session into which a message is forwarded.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ForwardMessage {
    /// The session.
    to: SessionId,
    /// The sender's idempotency key for the copy, as for a message that is sent. The header `Idempotency-Key` means the same.
    client_id: Option<String>,
}

impl ForwardMessage {
    /// The session, and the client id of the copy. `key` is the client id that stands beside the body, like the header `Idempotency-Key` of
    /// HTTP.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when the client id is not valid, or when the body and `key` name different client ids.
    pub fn command(self, key: Option<String>) -> Result<(SessionId, Option<ClientId>)> {
        Ok((self.to, super::client_id(self.client_id, key)?))
    }
}
