//! Messages that wait for approval in JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{bot::CommandView, forward::OriginView};
use crate::model::{
    Attachment, Content, HeldId, HeldMessage, MessageBody, MessageId, MessageType, Metadata, SessionId, SpeakerRole,
    UserId,
};

/// A message that waits for approval.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "HeldMessage"))]
struct HeldView<'a> {
    /// The id while the message is held. The sent message has another id.
    id: HeldId,
    session_id: SessionId,
    /// The author.
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the author is a bot.
    is_bot: bool,
    /// The address of the author's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    role: SpeakerRole,
    message_type: MessageType,
    /// The text or ciphertext.
    content: &'a Content,
    /// The message that this message answers; `null` for a message that answers none.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    reply_to: Option<MessageId>,
    /// Further mentioned users, besides the users named in the text.
    mentions: &'a [UserId],
    /// Whether the message mentions everybody, also without `@all` in the text.
    mentions_everybody: bool,
    /// The files that the message refers to.
    attachments: &'a [Attachment],
    /// Custom data of the host or the client; `null` where there are none.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    metadata: Option<&'a Metadata>,
    /// The origin of a forwarded message; otherwise `null`.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    forwarded_from: Option<OriginView<'a>>,
    /// The command of a bot that the message invokes; otherwise `null`.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    command: Option<CommandView<'a>>,
    /// The reason of the policy; `null` where the policy gives no reason.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    reason: Option<&'a str>,
    /// The time at which the policy held the message.
    held_at: DateTime<Utc>,
}

impl<'a> From<&'a HeldMessage> for HeldView<'a> {
    fn from(held: &'a HeldMessage) -> Self {
        let HeldMessage { id, session_id, author, body, reply_to, mentions, mentions_everybody, reason, held_at } =
            held;
        let MessageBody { role, message_type, content, attachments, metadata, origin, command, .. } = body;
        Self {
            id: *id,
            session_id: *session_id,
            user_id: &author.user_id,
            username: &author.username,
            name: &author.name,
            is_bot: author.is_bot,
            avatar_url: author.picture.as_deref(),
            role: *role,
            message_type: *message_type,
            content,
            reply_to: *reply_to,
            mentions,
            mentions_everybody: *mentions_everybody,
            attachments,
            metadata: metadata.as_ref(),
            forwarded_from: origin.as_ref().map(OriginView::from),
            command: command.as_ref().map(CommandView::from),
            reason: reason.as_deref(),
            held_at: *held_at,
        }
    }
}

shown_as! {
    HeldMessage => HeldView;
}
