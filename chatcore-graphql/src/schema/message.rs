//! Messages, with their queries and mutations.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use chatcore::{
    Code, Error,
    chat::{self, MessagesOf, SendMessage},
    model::{self, Content, MessageBody, MessageStatus},
};

use super::{
    Fallible as _, Use,
    attachment::{self, Attachment},
    bot::MessageCommand,
    connection::{self, MessageArguments, MessageConnection, listed},
    forward::Origin,
    load::Loads,
    mention::{self, Link, Mention},
    reaction::Reaction,
    scalar::{self, DateTime, JsonObject, Long, message_id, session_id},
    session::Session,
    streamed::MessageStream,
    thread::Thread,
    user::User,
};

/// The speaker of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::SpeakerRole")]
pub(super) enum SpeakerRole {
    /// A person.
    User,
    /// An assistant whose words the sender relays.
    Assistant,
    /// Instructions to an assistant.
    System,
}

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::MessageType")]
pub(super) enum MessageType {
    /// Text.
    Text,
    /// A picture.
    Image,
    /// A file.
    File,
    /// A message of the server; clients cannot send this type.
    System,
}

/// Encrypted content. The server forwards the content without a change.
#[derive(Debug, Clone, SimpleObject, InputObject)]
#[graphql(input_name = "EncryptedContentInput")]
pub(super) struct EncryptedContent {
    /// The ciphertext.
    pub(super) encrypted_data: String,
    /// The initialisation vector.
    pub(super) iv: String,
    /// The version of the key.
    pub(super) key_version: u32,
}

/// An earlier content of an edited message.
#[derive(Debug, Clone)]
pub(super) struct MessageRevision(model::MessageRevision);

/// An earlier content of an edited message.
#[Object]
impl MessageRevision {
    /// The revision of the message with this content: 1 for the message as it was sent.
    async fn revision(&self) -> Long {
        Long(self.0.revision)
    }

    /// The text; null for encrypted content.
    #[graphql(complexity = 40)]
    async fn content(&self) -> Option<&str> {
        text(&self.0.body.content)
    }

    /// The ciphertext; null where the content is text.
    #[graphql(complexity = "child_complexity + 40")]
    async fn encrypted_content(&self) -> Option<EncryptedContent> {
        ciphertext(&self.0.body.content)
    }

    /// The time from which the message had this content.
    async fn since(&self) -> DateTime {
        DateTime(self.0.since)
    }
}

pub(super) const fn text(content: &Content) -> Option<&str> {
    match content {
        Content::Text(text) => Some(text.as_str()),
        Content::Encrypted(_) | Content::Deleted => None,
    }
}

pub(super) fn ciphertext(content: &Content) -> Option<EncryptedContent> {
    match content {
        Content::Text(_) | Content::Deleted => None,
        Content::Encrypted(model::EncryptedContent { encrypted_data, iv, key_version }) => {
            Some(EncryptedContent { encrypted_data: encrypted_data.clone(), iv: iv.clone(), key_version: *key_version })
        }
    }
}

/// A message, with what its session can be loaded by.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) message: model::Message,
    pub(super) loads: Arc<Loads>,
}

impl Message {
    /// The id of a message of the same session.
    fn beside(&self, seq: model::Seq) -> ID {
        ID(model::MessageId { session_id: self.message.session_id, seq }.to_string())
    }
}

/// A message.
#[Object]
impl Message {
    /// The id.
    pub(super) async fn id(&self) -> ID {
        ID(self.message.id.to_string())
    }

    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.message.session_id.to_string())
    }

    /// The session, as a list shows it.
    async fn session(&self) -> Result<Option<Session>> {
        let summary = self.loads.session(self.message.session_id).await.or_field_error()?;
        Ok(Some(Session::listed(summary, Arc::clone(&self.loads))))
    }

    /// The position of the message in the session's log.
    async fn seq(&self) -> Long {
        Long(self.message.seq)
    }

    /// The number of messages in the session up to this message, inclusive.
    async fn number(&self) -> Long {
        Long(self.message.number)
    }

    /// The sender.
    async fn sender(&self) -> User {
        User(self.message.sender.clone())
    }

    /// The speaker.
    async fn role(&self) -> SpeakerRole {
        self.message.body.role.into()
    }

    /// The type of the message.
    async fn message_type(&self) -> MessageType {
        self.message.body.message_type.into()
    }

    /// The text; null where the message is encrypted, or was deleted.
    #[graphql(complexity = 40)]
    async fn content(&self) -> Option<&str> {
        text(&self.message.body.content)
    }

    /// The ciphertext; null where the message is text, or was deleted.
    #[graphql(complexity = "child_complexity + 40")]
    async fn encrypted_content(&self) -> Option<EncryptedContent> {
        ciphertext(&self.message.body.content)
    }

    /// The id of the message that a reply answers; null for other messages.
    async fn reply_to(&self) -> Option<ID> {
        self.message.body.reply.map(|reply| self.beside(reply.to))
    }

    /// The id of the message that began the thread of a reply; null for other messages.
    async fn thread_root(&self) -> Option<ID> {
        self.message.body.reply.map(|reply| self.beside(reply.root))
    }

    /// The mentions, in the order of the text.
    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn mentions(&self) -> Vec<Mention> {
        self.message.body.mentions.iter().cloned().map(Mention).collect()
    }

    /// The links to web pages in the text, in the order of the text.
    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn links(&self) -> Vec<Link> {
        self.message.body.links.iter().copied().map(Link).collect()
    }

    /// The files that the message refers to.
    #[graphql(complexity = "10 * child_complexity + 1")]
    async fn attachments(&self) -> Vec<Attachment> {
        self.message.body.attachments.iter().map(Attachment::from).collect()
    }

    /// Custom data of the host or the client; null where there are none.
    #[graphql(complexity = 20)]
    async fn metadata(&self) -> Option<JsonObject> {
        self.message.body.metadata.clone().map(JsonObject)
    }

    /// The origin of a forwarded message; otherwise null.
    async fn forwarded_from(&self) -> Option<Origin> {
        self.message.body.origin.clone().map(Origin)
    }

    /// The progress of a streamed message; otherwise null.
    async fn stream(&self) -> Option<MessageStream> {
        self.message.body.stream.as_ref().map(MessageStream::from)
    }

    /// The command of a bot that the message invokes; otherwise null.
    async fn command(&self) -> Option<MessageCommand> {
        self.message.body.command.as_ref().map(MessageCommand::from)
    }

    /// The replies in the thread that the message began, without deleted replies; null in events.
    async fn thread(&self) -> Option<Thread> {
        self.message.thread.clone().map(Thread)
    }

    /// The time at which the message was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.message.created_at)
    }

    /// 1 for the message as it was sent; each edit and the deletion add 1.
    async fn revision(&self) -> Long {
        Long(self.message.revision)
    }

    /// The earlier contents, oldest first, without the current content. For owners and admins; null with an error for others.
    #[graphql(complexity = "10 * child_complexity + 40")]
    async fn revisions(&self) -> Result<Option<Vec<MessageRevision>>> {
        let found = self.loads.revisions(self.message.id).await.or_field_error()?;
        Ok(Some(found.into_iter().map(MessageRevision).collect()))
    }

    /// The time of the last edit; null for a message that was never edited, or is deleted.
    async fn edited_at(&self) -> Option<DateTime> {
        match self.message.status {
            MessageStatus::Edited { at } => Some(DateTime(at)),
            MessageStatus::AsSent | MessageStatus::Deleted { .. } => None,
        }
    }

    /// The time of the deletion; null for a message that is not deleted.
    async fn deleted_at(&self) -> Option<DateTime> {
        match self.message.status {
            MessageStatus::Deleted { by: _, at } => Some(DateTime(at)),
            MessageStatus::AsSent | MessageStatus::Edited { .. } => None,
        }
    }

    /// Whether the caller has blocked the sender; null in events.
    async fn sender_blocked(&self) -> Option<bool> {
        self.message.sender_blocked
    }

    /// The reactions, the earliest kind first; null in events.
    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn reactions(&self) -> Option<Vec<Reaction>> {
        self.message.reactions.as_ref().map(|reactions| reactions.iter().cloned().map(Reaction).collect())
    }

    /// The id of the user who deleted the message; null for a message that is not deleted, or whose lifetime had ended.
    async fn deleted_by(&self) -> Option<ID> {
        match &self.message.status {
            MessageStatus::Deleted { by, at: _ } => by.as_ref().map(|by| ID(by.to_string())),
            MessageStatus::AsSent | MessageStatus::Edited { .. } => None,
        }
    }
}

/// A message to send: `content` or `encryptedContent`.
#[derive(InputObject)]
struct SendMessageInput {
    /// The session.
    session_id: ID,
    /// Text of 1 to 8,000 characters by default.
    content: Option<String>,
    /// Ciphertext.
    encrypted_content: Option<EncryptedContent>,
    /// The speaker; `USER` where not given.
    role: Option<SpeakerRole>,
    /// The type of the message; `TEXT` where not given.
    message_type: Option<MessageType>,
    /// The sender's idempotency key for the message: 1 to 128 characters, unique per user and session.
    client_id: Option<String>,
    /// The message that this message answers, in the same session. An answer to a reply belongs to the thread of the reply.
    reply_to: Option<ID>,
    /// The ids of further mentioned users, besides the users that the text names with `@` and a user name: at most 50. The server leaves
    /// out users who are not in the session.
    mentions: Option<Vec<ID>>,
    /// Whether the message mentions everybody in the session, like `@all` in the text. For owners and admins.
    mentions_everybody: Option<bool>,
    /// The files that the message refers to, at most 10. A message with files may have an empty text.
    attachments: Option<Vec<Attachment>>,
    /// Custom data of the host or the client: an object of at most 4,096 bytes of JSON with at most 8 levels.
    metadata: Option<JsonObject>,
}

/// A new content for a message: `content` or `encryptedContent`.
#[derive(InputObject)]
struct EditMessageInput {
    /// The message.
    message_id: ID,
    /// Text of 1 to 8,000 characters by default.
    content: Option<String>,
    /// Ciphertext.
    encrypted_content: Option<EncryptedContent>,
    /// The revision that the edit replaces; any revision where not given. If the message has another revision, the answer is
    /// `REVISION_CONFLICT`.
    revision: Option<Long>,
    /// The ids of further mentioned users, besides the users named in the text; unchanged where not given.
    mentions: Option<Vec<ID>>,
    /// Whether the message mentions everybody, also without `@all` in the text; unchanged where not given, as long as the author may mention
    /// everybody.
    mentions_everybody: Option<bool>,
    /// The files that the message refers to; unchanged where not given.
    attachments: Option<Vec<Attachment>>,
    /// The metadata of the message; null removes the metadata; unchanged where not given.
    metadata: MaybeUndefined<JsonObject>,
}

/// A message to delete.
#[derive(InputObject)]
struct DeleteMessageInput {
    /// The message.
    message_id: ID,
    /// The revision to delete; any revision where not given.
    revision: Option<Long>,
}

/// The message that was sent, by this call or by an earlier attempt.
#[derive(SimpleObject)]
struct SendMessagePayload {
    /// The message.
    message: Message,
}

/// The message that was edited.
#[derive(SimpleObject)]
struct EditMessagePayload {
    /// The message.
    message: Message,
}

/// The message that was deleted.
#[derive(SimpleObject)]
struct DeleteMessagePayload {
    /// The message, without its content.
    message: Message,
}

pub(super) fn said(content: Option<String>, encrypted: Option<EncryptedContent>) -> chatcore::Result<Content> {
    match (content, encrypted) {
        (Some(text), None) => Ok(Content::Text(text)),
        (None, Some(EncryptedContent { encrypted_data, iv, key_version })) => {
            Ok(Content::Encrypted(model::EncryptedContent { encrypted_data, iv, key_version }))
        }
        (None, None) => Err(Error::invalid("content", Code::ValidationRequiredField, "needed, or encryptedContent")),
        (Some(_), Some(_)) => {
            Err(Error::invalid("content", Code::ValidationInvalidValue, "give content or encryptedContent"))
        }
    }
}

impl SendMessageInput {
    fn translate(self) -> chatcore::Result<SendMessage> {
        let Self {
            session_id: _,
            content,
            encrypted_content,
            role,
            message_type,
            client_id,
            reply_to,
            mentions,
            mentions_everybody,
            attachments,
            metadata,
        } = self;
        let content = said(content, encrypted_content)?;
        let role = role.map(model::SpeakerRole::from).unwrap_or_default();
        let message_type = message_type.map(model::MessageType::from).unwrap_or_default();
        let attachments = attachment::given(attachments.unwrap_or_default());
        let metadata = metadata.map(|JsonObject(metadata)| metadata);
        let body = MessageBody { role, message_type, attachments, metadata, ..MessageBody::new(content) };
        let client_id = scalar::client_id(client_id)?;
        let reply_to = reply_to.map(|id| named("reply_to", &id)).transpose()?;
        let mentions = mention::users(mentions.unwrap_or_default())?;
        let mentions_everybody = mentions_everybody.unwrap_or(false);
        Ok(SendMessage { client_id, reply_to, mentions, mentions_everybody, ..SendMessage::new(body) })
    }
}

/// A message that a field of an input names.
pub(super) fn named(field: &str, id: &ID) -> chatcore::Result<model::MessageId> {
    id.parse().map_err(|error: model::InvalidId| Error::invalid(field, Code::ValidationInvalidValue, error.expected))
}

/// A message to pin.
#[derive(InputObject)]
struct PinMessageInput {
    /// The message.
    message_id: ID,
}

/// A message to unpin.
#[derive(InputObject)]
struct UnpinMessageInput {
    /// The message.
    message_id: ID,
}

/// The message that is pinned.
#[derive(SimpleObject)]
struct PinMessagePayload {
    /// The id of the message.
    message_id: ID,
}

/// The message that is not pinned.
#[derive(SimpleObject)]
struct UnpinMessagePayload {
    /// The id of the message.
    message_id: ID,
}

/// A pinned message.
#[derive(SimpleObject)]
struct PinnedMessage {
    /// The message.
    message: Message,
    /// The user who pinned the message.
    pinned_by: User,
    /// The time of the pin.
    pinned_at: DateTime,
}

/// Mutations of messages.
#[derive(Default)]
pub(super) struct MessageMutation;

/// Mutations of messages.
#[Object]
impl MessageMutation {
    /// Send a message. For everybody in the session but viewers. A retry with the same client id and content gives the first
    /// result again.
    async fn send_message(&self, context: &Context<'_>, input: SendMessageInput) -> Result<Option<SendMessagePayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let message = call.chat.send(call.principal, id, input.translate().or_field_error()?).await.or_field_error()?;
        Ok(Some(SendMessagePayload { message: Message { message, loads: call.loads() } }))
    }

    /// Edit a message. For its author, while the author may send. An edit to the current content changes nothing, so a retry is safe.
    async fn edit_message(&self, context: &Context<'_>, input: EditMessageInput) -> Result<Option<EditMessagePayload>> {
        let call = Use::of(context)?;
        let EditMessageInput {
            message_id: id,
            content,
            encrypted_content,
            revision,
            mentions,
            mentions_everybody,
            attachments,
            metadata,
        } = input;
        let id = message_id(&id).or_field_error()?;
        let content = said(content, encrypted_content).or_field_error()?;
        let mentions = mentions.map(mention::users).transpose().or_field_error()?;
        let revision = revision.map(|Long(revision)| revision);
        let attachments = attachments.map(attachment::given);
        let metadata = match metadata {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(JsonObject(metadata)) => Some(Some(metadata)),
        };
        let edit = chat::EditMessage { content, revision, mentions, mentions_everybody, attachments, metadata };
        let message = call.chat.edit_message(call.principal, id, edit).await.or_field_error()?;
        Ok(Some(EditMessagePayload { message: Message { message, loads: call.loads() } }))
    }

    /// Delete a message. For its author, while the author may send, and for owners and admins. A repeated call changes nothing.
    async fn delete_message(
        &self,
        context: &Context<'_>,
        input: DeleteMessageInput,
    ) -> Result<Option<DeleteMessagePayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        let revision = input.revision.map(|Long(revision)| revision);
        let message = call.chat.delete_message(call.principal, id, revision).await.or_field_error()?;
        Ok(Some(DeleteMessagePayload { message: Message { message, loads: call.loads() } }))
    }

    /// Pin a message. For owners and admins. A session has at most 50 pinned messages; deleted messages do not count. Pinning a pinned
    /// message changes nothing.
    async fn pin_message(&self, context: &Context<'_>, input: PinMessageInput) -> Result<Option<PinMessagePayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        call.chat.pin_message(call.principal, id).await.or_field_error()?;
        Ok(Some(PinMessagePayload { message_id: input.message_id }))
    }

    /// Unpin a message. For owners and admins. Unpinning a message that is not pinned changes nothing.
    async fn unpin_message(
        &self,
        context: &Context<'_>,
        input: UnpinMessageInput,
    ) -> Result<Option<UnpinMessagePayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        call.chat.unpin_message(call.principal, id).await.or_field_error()?;
        Ok(Some(UnpinMessagePayload { message_id: input.message_id }))
    }
}

/// Queries of messages.
#[derive(Default)]
pub(super) struct MessageQuery;

/// Queries of messages.
#[Object]
impl MessageQuery {
    /// The messages of a session, oldest first. `last` gives the newest messages, `before` and `after` take a cursor, a position or an RFC
    /// 3339 time, `skip` counts from the oldest message. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "a field has the arguments that it has")]
    async fn messages(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries, from the oldest or after a place.")] first: Option<i32>,
        #[graphql(desc = "The place after which to begin.")] after: Option<String>,
        #[graphql(desc = "The maximum number of entries, up to the newest or before a place.")] last: Option<i32>,
        #[graphql(desc = "The place before which to end.")] before: Option<String>,
        #[graphql(desc = "The number of entries to skip.")] skip: Option<Long>,
    ) -> Result<Option<MessageConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let arguments = MessageArguments { first, after, last, before, skip };
        let MessagesOf { session_id, window, limit } = arguments.read(id).or_field_error()?;
        let page = call.chat.messages(call.principal, session_id, window, limit).await.or_field_error()?;
        let loads = call.loads();
        Ok(Some(connection::messages(page, |message| Message { message, loads: Arc::clone(&loads) })))
    }

    /// A message.
    async fn message(&self, context: &Context<'_>, #[graphql(desc = "The id.")] id: ID) -> Result<Option<Message>> {
        let call = Use::of(context)?;
        let id =
            id.parse().map_err(|_| crate::field_error(&Error::malformed("id", "an id as the server gave it out")))?;
        let loads = call.loads();
        let message = loads.message(id).await.or_field_error()?;
        Ok(Some(Message { message, loads }))
    }

    /// The pinned messages of a session, the newest pin first. Deleted messages are left out.
    #[graphql(complexity = "chat::MAX_PINS.saturating_mul(child_complexity).saturating_add(1)")]
    async fn pins(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
    ) -> Result<Option<Vec<PinnedMessage>>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let pins = call.chat.pins(call.principal, id).await.or_field_error()?;
        let loads = call.loads();
        let shown = |chat::PinnedMessage { message, pinned_by, pinned_at }| PinnedMessage {
            message: Message { message, loads: Arc::clone(&loads) },
            pinned_by: User(pinned_by),
            pinned_at: DateTime(pinned_at),
        };
        Ok(Some(pins.into_iter().map(shown).collect()))
    }
}
