//! Messages on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    attachment::{self, NewAttachment},
    bot::CommandView,
    event::events,
    forward::OriginView,
    mention::{LinkView, MentionView},
    named,
    streamed::StreamView,
    thread::ThreadView,
};
use crate::{
    chat::{self, EventView, PinnedMessage},
    error::{Code, Error, Result},
    model::{
        Attachment, ClientId, Content, Emoji, EncryptedContent, InvalidId, Message, MessageBody, MessageEvent,
        MessageId, MessageRevision, MessageStatus, MessageType, Metadata, Profile, Reaction, Reactor, Seq, SessionId,
        SpeakerRole, UserId,
    },
};

/// A message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Message"))]
struct MessageView<'a> {
    id: MessageId,
    session_id: SessionId,
    /// The sender.
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the sender is a bot.
    is_bot: bool,
    /// The address of the sender's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    role: SpeakerRole,
    message_type: MessageType,
    /// The content; `null` after the deletion of the message.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    content: &'a Content,
    /// The message that a reply answers; `null` for other messages.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    reply_to: Option<MessageId>,
    /// The message that began the thread of a reply; `null` for other messages.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    thread_root: Option<MessageId>,
    /// The mentions, in the order of the text.
    mentions: Vec<MentionView<'a>>,
    /// The links to web pages in the text, in the order of the text.
    links: Vec<LinkView>,
    /// The files that the message refers to.
    attachments: &'a [Attachment],
    /// Custom data of the host or the client; `null` where there are none.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    metadata: Option<&'a Metadata>,
    /// The origin of a forwarded message; otherwise `null`.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    forwarded_from: Option<OriginView<'a>>,
    /// The progress of a streamed message; otherwise `null`.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    stream: Option<StreamView<'a>>,
    /// The command of a bot that the message invokes; otherwise `null`.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    command: Option<CommandView<'a>>,
    /// The position of the message in the session's log.
    seq: Seq,
    /// The number of messages in the session up to this message, inclusive.
    number: u64,
    created_at: DateTime<Utc>,
    /// 1 for the message as it was sent; each edit and the deletion add 1.
    revision: u64,
    /// The time of the last edit; `null` for a message that was never edited, or is deleted.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    edited_at: Option<DateTime<Utc>>,
    /// The time of the deletion; `null` for a message that is not deleted.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    deleted_at: Option<DateTime<Utc>>,
    /// The user who deleted the message; `null` for a message that is not deleted, or whose lifetime had ended.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    deleted_by: Option<&'a UserId>,
    /// The reactions, the earliest kind first. Absent in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    reactions: Option<Vec<ReactionView<'a>>>,
    /// The replies in the thread that the message began, without deleted replies. Absent in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<ThreadView>,
    /// Whether the caller has blocked the sender. Absent in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_blocked: Option<bool>,
}

/// The reactions of one kind to a message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Reaction"))]
struct ReactionView<'a> {
    emoji: &'a Emoji,
    /// The number of users who reacted with the emoji.
    count: u64,
    /// Whether the caller reacted with the emoji.
    me: bool,
}

impl<'a> From<&'a Reaction> for ReactionView<'a> {
    fn from(reaction: &'a Reaction) -> Self {
        let Reaction { emoji, count, mine } = reaction;
        Self { emoji, count: *count, me: *mine }
    }
}

/// A user who reacted to a message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Reactor"))]
struct ReactorView<'a> {
    user_id: &'a UserId,
    username: &'a str,
    name: &'a str,
    /// Whether the user is a bot.
    is_bot: bool,
    /// The address of the user's picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    reacted_at: DateTime<Utc>,
}

impl<'a> From<&'a Reactor> for ReactorView<'a> {
    fn from(reactor: &'a Reactor) -> Self {
        let Reactor { user, reacted_at } = reactor;
        let Profile { user_id, username, name, email: _, picture, updated_at: _, is_bot } = user;
        let avatar_url = picture.as_deref();
        Self { user_id, username, name, is_bot: *is_bot, avatar_url, reacted_at: *reacted_at }
    }
}

impl<'a> From<&'a Message> for MessageView<'a> {
    fn from(message: &'a Message) -> Self {
        let Message { id, session_id, seq, number, sender, body, created_at, revision, .. } = message;
        let Message { status, reactions, thread, sender_blocked, .. } = message;
        let Profile { user_id, username, name, email: _, picture, updated_at: _, is_bot } = sender;
        let MessageBody { role, message_type, content, reply, mentions, links, attachments, metadata, .. } = body;
        let MessageBody { origin, stream, command, .. } = body;
        let (edited_at, deleted) = match status {
            MessageStatus::AsSent => (None, None),
            MessageStatus::Edited { at } => (Some(*at), None),
            MessageStatus::Deleted { by, at } => (None, Some((*at, by.as_ref()))),
        };
        let (deleted_at, deleted_by) = (deleted.map(|(at, _)| at), deleted.and_then(|(_, by)| by));
        Self {
            id: *id,
            session_id: *session_id,
            user_id,
            username,
            name,
            is_bot: *is_bot,
            avatar_url: picture.as_deref(),
            role: *role,
            message_type: *message_type,
            content,
            reply_to: reply.map(|reply| MessageId { session_id: *session_id, seq: reply.to }),
            thread_root: reply.map(|reply| MessageId { session_id: *session_id, seq: reply.root }),
            mentions: mentions.iter().map(MentionView::from).collect(),
            links: links.iter().map(LinkView::from).collect(),
            attachments,
            metadata: metadata.as_ref(),
            forwarded_from: origin.as_ref().map(OriginView::from),
            stream: stream.as_ref().map(StreamView::from),
            command: command.as_ref().map(CommandView::from),
            seq: *seq,
            number: *number,
            created_at: *created_at,
            revision: *revision,
            edited_at,
            deleted_at,
            deleted_by,
            reactions: reactions.as_ref().map(|reactions| reactions.iter().map(ReactionView::from).collect()),
            thread: thread.as_ref().map(ThreadView::from),
            sender_blocked: *sender_blocked,
        }
    }
}

/// An earlier content of an edited message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "MessageRevision"))]
struct RevisionView<'a> {
    /// The revision of the message with this content: 1 for the message as it was sent.
    revision: u64,
    content: &'a Content,
    /// The time from which the message had this content.
    since: DateTime<Utc>,
}

impl<'a> From<&'a MessageRevision> for RevisionView<'a> {
    fn from(earlier: &'a MessageRevision) -> Self {
        let MessageRevision { revision, body: MessageBody { content, .. }, since } = earlier;
        Self { revision: *revision, content, since: *since }
    }
}

/// A pinned message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PinnedMessage"))]
struct PinnedView<'a> {
    message: &'a Message,
    /// The user who pinned the message.
    pinned_by: &'a UserId,
    pinned_by_username: &'a str,
    pinned_by_name: &'a str,
    pinned_by_is_bot: bool,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    pinned_by_avatar_url: Option<&'a str>,
    pinned_at: DateTime<Utc>,
}

impl<'a> From<&'a PinnedMessage> for PinnedView<'a> {
    fn from(pinned: &'a PinnedMessage) -> Self {
        let PinnedMessage { message, pinned_by, pinned_at } = pinned;
        let Profile { user_id, username, name, email: _, picture, updated_at: _, is_bot } = pinned_by;
        Self {
            message,
            pinned_by: user_id,
            pinned_by_username: username,
            pinned_by_name: name,
            pinned_by_is_bot: *is_bot,
            pinned_by_avatar_url: picture.as_deref(),
            pinned_at: *pinned_at,
        }
    }
}

shown_as! {
    Message => MessageView;
    MessageRevision => RevisionView;
    PinnedMessage => PinnedView;
    Reactor => ReactorView;
}

events! {
    /// Messages and changes of messages.
    MessageData<'a> of MessageEvent, seen as view:

    "message_received" = Sent { client_id, .. } => {
        message: Option<Message> = view.message(),
        client_id: Option<&'a ClientId> = client_id.as_ref(),
    }
    "message_edited" = Edited { message, .. } => {
        seq: Seq = view.event.seq,
        message_id: MessageId = MessageId { session_id: view.event.session_id, seq: *message },
        message: Option<Message> = view.message(),
    }
    "message_finished" = Finished { message, .. } => {
        seq: Seq = view.event.seq,
        message_id: MessageId = MessageId { session_id: view.event.session_id, seq: *message },
        message: Option<Message> = view.message(),
    }
    "message_deleted" = Deleted { messages, expired } => {
        seq: Seq = view.event.seq,
        messages: Vec<MessageId> = ids(view, messages),
        deleted_by: Option<&'a UserId> = (!expired).then_some(&view.actor.user_id),
        deleted_at: DateTime<Utc> = view.event.created_at,
    }
    "message_pinned" = Pinned { message } => {
        seq: Seq = view.event.seq,
        message_id: MessageId = MessageId { session_id: view.event.session_id, seq: *message },
        pinned_by: &'a UserId = &view.actor.user_id,
    }
    "message_unpinned" = Unpinned { message } => {
        seq: Seq = view.event.seq,
        message_id: MessageId = MessageId { session_id: view.event.session_id, seq: *message },
        unpinned_by: &'a UserId = &view.actor.user_id,
    }
    "reaction_added" = Reacted { message, emoji, count } => {
        seq: Seq = view.event.seq,
        message_id: MessageId = MessageId { session_id: view.event.session_id, seq: *message },
        emoji: &'a Emoji = emoji,
        count: u64 = *count,
        user_id: &'a UserId = &view.actor.user_id,
    }
    "reaction_removed" = Unreacted { message, emoji, count } => {
        seq: Seq = view.event.seq,
        message_id: MessageId = MessageId { session_id: view.event.session_id, seq: *message },
        emoji: &'a Emoji = emoji,
        count: u64 = *count,
        user_id: &'a UserId = &view.actor.user_id,
    }
}

fn ids(view: &EventView, positions: &[Seq]) -> Vec<MessageId> {
    positions.iter().map(|seq| MessageId { session_id: view.event.session_id, seq: *seq }).collect()
}

/// A message to send.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    /// The speaker; `user` where not given.
    role: Option<SpeakerRole>,
    /// The type of the message; `text` where not given.
    message_type: Option<MessageType>,
    /// The content: text of 1 to 8,000 characters by default, or ciphertext.
    content: Said,
    /// The sender's idempotency key for the message: 1 to 128 characters, unique per user and session. The header `Idempotency-Key` means
    /// the same.
    client_id: Option<String>,
    /// The message that this message answers, in the same session. An answer to a reply belongs to the thread of the reply.
    reply_to: Option<String>,
    /// The ids of further mentioned users, besides the users that the text names with `@` and a user name: at most 50. The server leaves
    /// out users who are not in the session.
    #[serde(default)]
    mentions: Vec<String>,
    /// Whether the message mentions everybody in the session, like `@all` in the text. For owners and admins.
    mentions_everybody: Option<bool>,
    /// The files that the message refers to, at most 10. A message with files may have an empty text.
    #[serde(default)]
    attachments: Vec<NewAttachment>,
    /// Custom data of the host or the client: an object of at most 4,096 bytes of JSON with at most 8 levels.
    metadata: Option<Metadata>,
}

impl SendMessage {
    /// The message. `key` is the client id that stands beside the body, like the header `Idempotency-Key` of HTTP.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when an id is not valid, or when the body and `key` name different client ids.
    pub fn command(self, key: Option<String>) -> Result<chat::SendMessage> {
        let Self {
            role,
            message_type,
            content: Said(content),
            client_id,
            reply_to,
            mentions,
            mentions_everybody,
            attachments,
            metadata,
        } = self;
        let (role, message_type) = (role.unwrap_or_default(), message_type.unwrap_or_default());
        let attachments = attachment::given(attachments);
        let body = MessageBody { role, message_type, attachments, metadata, ..MessageBody::new(content) };
        let reply_to = reply_to.map(|id| message_id("reply_to", &id)).transpose()?;
        Ok(chat::SendMessage {
            client_id: super::client_id(client_id, key)?,
            reply_to,
            mentions: users(mentions)?,
            mentions_everybody: mentions_everybody.unwrap_or(false),
            ..chat::SendMessage::new(body)
        })
    }
}

/// A mention in a message.
pub(super) fn users(ids: Vec<String>) -> Result<Vec<UserId>> {
    let user =
        |id| UserId::new(id).map_err(|error| Error::invalid("mentions", Code::ValidationInvalidValue, error.expected));
    ids.into_iter().map(user).collect()
}

/// A message that a field of a body names.
pub(super) fn message_id(field: &str, id: &str) -> Result<MessageId> {
    id.parse().map_err(|error: InvalidId| Error::invalid(field, Code::ValidationInvalidValue, error.expected))
}

/// A new content for a message.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EditMessage {
    /// The new content: text of 1 to 8,000 characters by default, or ciphertext.
    content: Said,
    /// The revision that the edit replaces; any revision where not given. If the message has another revision, the answer is
    /// `REVISION_CONFLICT`. The header `If-Match` means the same.
    revision: Option<u64>,
    /// The ids of further mentioned users, besides the users named in the text; unchanged where not given.
    mentions: Option<Vec<String>>,
    /// Whether the message mentions everybody, also without `@all` in the text; unchanged where not given, as long as the author may mention
    /// everybody.
    mentions_everybody: Option<bool>,
    /// The files that the message refers to; unchanged where not given.
    attachments: Option<Vec<NewAttachment>>,
    /// The metadata of the message; `null` removes the metadata; unchanged where not given.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Metadata>", extend("nullable" = true)))]
    metadata: Option<Option<Metadata>>,
}

impl EditMessage {
    /// The edit. `tag` is the revision that stands beside the body, like the header `If-Match` of HTTP.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) when an id is not valid, or when the body and `tag` name two revisions.
    pub fn command(self, tag: Option<u64>) -> Result<chat::EditMessage> {
        let Self { content: Said(content), revision, mentions, mentions_everybody, attachments, metadata } = self;
        if tag.is_some() && revision.is_some() && tag != revision {
            let message = "the header If-Match names another one";
            return Err(Error::invalid("revision", Code::ValidationInvalidValue, message));
        }
        let mentions = mentions.map(users).transpose()?;
        let attachments = attachments.map(attachment::given);
        Ok(chat::EditMessage {
            content,
            revision: revision.or(tag),
            mentions,
            mentions_everybody,
            attachments,
            metadata,
        })
    }
}

/// The deletion of a message.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteMessage {
    /// The revision to delete; any revision where not given.
    pub revision: Option<u64>,
}

/// Content from a client.
#[derive(Debug)]
pub(super) struct Said(pub(super) Content);

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        // Read by hand, so that an error says what is wrong instead of that no variant matched.
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(Content::Text(text))),
            object @ Value::Object(_) => EncryptedContent::deserialize(object)
                .map(|content| Self(Content::Encrypted(content)))
                .map_err(serde::de::Error::custom),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(serde::de::Error::custom("expected text or {encrypted_data, iv, key_version}"))
            }
        }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::Said;
    use crate::model::{Content, EncryptedContent, Metadata};

    impl JsonSchema for Metadata {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "Metadata".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "object" })
        }
    }

    impl JsonSchema for Content {
        fn schema_name() -> Cow<'static, str> {
            "Content".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "Text, or ciphertext that the server passes on without reading it.",
                "anyOf": [generator.subschema_for::<String>(), generator.subschema_for::<EncryptedContent>()],
            })
        }
    }

    impl JsonSchema for Said {
        fn schema_name() -> Cow<'static, str> {
            Content::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            Content::json_schema(generator)
        }
    }
}
