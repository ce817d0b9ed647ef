//! Drafts and scheduled messages, with their queries and mutations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    Error, chat,
    model::{self, MessageBody, ScheduledId},
};

use super::{
    Fallible as _, Use,
    attachment::{self, Attachment},
    connection::{DraftConnection, List, ScheduledMessageConnection, listed},
    mention,
    message::{EncryptedContent, MessageType, SpeakerRole, ciphertext, named, said, text},
    scalar::{self, DateTime, JsonObject, session_id},
};

/// A scheduled message.
#[derive(Debug, Clone)]
pub(super) struct ScheduledMessage(pub(super) model::ScheduledMessage);

/// A scheduled message.
#[Object]
impl ScheduledMessage {
    /// The id while the message is scheduled. The sent message has another id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The session to which the message is sent.
    async fn session_id(&self) -> ID {
        ID(self.0.session_id.to_string())
    }

    /// The speaker.
    async fn role(&self) -> SpeakerRole {
        self.0.body.role.into()
    }

    /// The type of the message.
    async fn message_type(&self) -> MessageType {
        self.0.body.message_type.into()
    }

    /// The text; null for encrypted content.
    #[graphql(complexity = "child_complexity + 40")]
    async fn content(&self) -> Option<&str> {
        text(&self.0.body.content)
    }

    /// The ciphertext; null for a text.
    #[graphql(complexity = "child_complexity + 40")]
    async fn encrypted_content(&self) -> Option<EncryptedContent> {
        ciphertext(&self.0.body.content)
    }

    /// The id of the message that this message answers; null for a message that answers none.
    async fn reply_to(&self) -> Option<ID> {
        self.0.reply_to.map(|id| ID(id.to_string()))
    }

    /// The ids of further mentioned users, besides the users named in the text.
    #[graphql(complexity = 10)]
    async fn mentions(&self) -> Vec<ID> {
        self.0.mentions.iter().map(|user| ID(user.to_string())).collect()
    }

    /// Whether the message mentions everybody, also without `@all` in the text.
    async fn mentions_everybody(&self) -> bool {
        self.0.mentions_everybody
    }

    /// The files that the message refers to.
    #[graphql(complexity = "10 * child_complexity + 1")]
    async fn attachments(&self) -> Vec<Attachment> {
        self.0.body.attachments.iter().map(Attachment::from).collect()
    }

    /// Custom data of the host or the client; null where there are none.
    #[graphql(complexity = 20)]
    async fn metadata(&self) -> Option<JsonObject> {
        self.0.body.metadata.clone().map(JsonObject)
    }

    /// The client id of the message.
    async fn client_id(&self) -> &str {
        self.0.client_id.as_str()
    }

    /// The send time.
    async fn send_at(&self) -> DateTime {
        DateTime(self.0.send_at)
    }

    /// The time of scheduling.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }
}

/// The caller's draft in a session.
#[derive(Debug, Clone)]
pub(super) struct Draft(pub(super) model::Draft);

/// The caller's draft in a session.
#[Object]
impl Draft {
    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.0.session_id.to_string())
    }

    /// The text; null for encrypted content.
    #[graphql(complexity = "child_complexity + 40")]
    async fn content(&self) -> Option<&str> {
        text(&self.0.content)
    }

    /// The ciphertext; null for a text.
    #[graphql(complexity = "child_complexity + 40")]
    async fn encrypted_content(&self) -> Option<EncryptedContent> {
        ciphertext(&self.0.content)
    }

    /// The time of the last change.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

/// A message to schedule: `content` or `encryptedContent`.
#[derive(InputObject)]
struct ScheduleMessageInput {
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
    /// The message that this message answers, in the same session.
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
    /// The sender's idempotency key for the message: 1 to 128 characters, unique per user and session. A retry with the same key returns the
    /// scheduled message, and the server sends no second message with the same key.
    client_id: Option<String>,
    /// The send time: at most 366 days from now by default.
    send_at: DateTime,
}

impl ScheduleMessageInput {
    fn translate(self) -> chatcore::Result<chat::ScheduleMessage> {
        let Self {
            session_id: _,
            content,
            encrypted_content,
            role,
            message_type,
            reply_to,
            mentions,
            mentions_everybody,
            attachments,
            metadata,
            client_id,
            send_at,
        } = self;
        let body = MessageBody {
            role: role.map(model::SpeakerRole::from).unwrap_or_default(),
            message_type: message_type.map(model::MessageType::from).unwrap_or_default(),
            attachments: attachment::given(attachments.unwrap_or_default()),
            metadata: metadata.map(|JsonObject(metadata)| metadata),
            ..MessageBody::new(said(content, encrypted_content)?)
        };
        let message = chat::SendMessage {
            client_id: scalar::client_id(client_id)?,
            reply_to: reply_to.map(|id| named("reply_to", &id)).transpose()?,
            mentions: mention::users(mentions.unwrap_or_default())?,
            mentions_everybody: mentions_everybody.unwrap_or(false),
            ..chat::SendMessage::new(body)
        };
        Ok(chat::ScheduleMessage { message, send_at: send_at.0 })
    }
}

/// A scheduled message to cancel.
#[derive(InputObject)]
struct CancelScheduledMessageInput {
    /// The scheduled message.
    scheduled_id: ID,
}

/// A draft to save: `content` or `encryptedContent`.
#[derive(InputObject)]
struct SetDraftInput {
    /// The session.
    session_id: ID,
    /// Text of 1 to 8,000 characters by default.
    content: Option<String>,
    /// Ciphertext.
    encrypted_content: Option<EncryptedContent>,
}

/// A draft to delete.
#[derive(InputObject)]
struct DeleteDraftInput {
    /// The session.
    session_id: ID,
}

/// The scheduled message.
#[derive(SimpleObject)]
struct ScheduleMessagePayload {
    /// The scheduled message.
    scheduled_message: ScheduledMessage,
}

/// The cancelled message.
#[derive(SimpleObject)]
struct CancelScheduledMessagePayload {
    /// The id of the scheduled message.
    scheduled_id: ID,
}

/// The draft that is kept.
#[derive(SimpleObject)]
struct SetDraftPayload {
    /// The draft.
    draft: Draft,
}

/// The session without a draft.
#[derive(SimpleObject)]
struct DeleteDraftPayload {
    /// The id of the session.
    session_id: ID,
}

fn scheduled_id(id: &ID) -> chatcore::Result<ScheduledId> {
    id.parse().map_err(|_| Error::malformed("scheduled_id", "the id of a scheduled message is a UUID"))
}

/// Mutations of drafts and scheduled messages.
#[derive(Default)]
pub(super) struct LaterMutation;

/// Mutations of drafts and scheduled messages.
#[Object]
impl LaterMutation {
    /// Schedule a message. For everybody in the session but viewers. The server sends the message once, also after a restart. The server
    /// cancels the message if the sender may not send at that time, or has left the session.
    async fn schedule_message(
        &self,
        context: &Context<'_>,
        input: ScheduleMessageInput,
    ) -> Result<Option<ScheduleMessagePayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let schedule = input.translate().or_field_error()?;
        let scheduled = call.chat.schedule_message(call.principal, id, schedule).await.or_field_error()?;
        Ok(Some(ScheduleMessagePayload { scheduled_message: ScheduledMessage(scheduled) }))
    }

    /// Cancel a scheduled message of the caller before it is sent.
    async fn cancel_scheduled_message(
        &self,
        context: &Context<'_>,
        input: CancelScheduledMessageInput,
    ) -> Result<Option<CancelScheduledMessagePayload>> {
        let call = Use::of(context)?;
        let id = scheduled_id(&input.scheduled_id).or_field_error()?;
        call.chat.cancel_scheduled_message(call.principal, id).await.or_field_error()?;
        Ok(Some(CancelScheduledMessagePayload { scheduled_id: input.scheduled_id }))
    }

    /// Save a draft. A session has one draft of each user; a new draft replaces the previous draft.
    async fn set_draft(&self, context: &Context<'_>, input: SetDraftInput) -> Result<Option<SetDraftPayload>> {
        let call = Use::of(context)?;
        let SetDraftInput { session_id: id, content, encrypted_content } = input;
        let id = session_id(&id).or_field_error()?;
        let content = said(content, encrypted_content).or_field_error()?;
        let draft = call.chat.set_draft(call.principal, id, content).await.or_field_error()?;
        Ok(Some(SetDraftPayload { draft: Draft(draft) }))
    }

    /// Delete the caller's draft in a session. Without a draft, nothing changes.
    async fn delete_draft(&self, context: &Context<'_>, input: DeleteDraftInput) -> Result<Option<DeleteDraftPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        call.chat.delete_draft(call.principal, id).await.or_field_error()?;
        Ok(Some(DeleteDraftPayload { session_id: input.session_id }))
    }
}

/// Queries of drafts and scheduled messages.
#[derive(Default)]
pub(super) struct LaterQuery;

/// Queries of drafts and scheduled messages.
#[Object]
impl LaterQuery {
    /// The caller's scheduled messages, in the order of scheduling. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn scheduled_messages(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ScheduledMessageConnection>> {
        let call = Use::of(context)?;
        let list = List::scheduled();
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.scheduled_messages(call.principal, page).await.or_field_error()?;
        Ok(Some(list.of_scheduled(&page, found)))
    }

    /// The caller's draft in a session.
    async fn draft(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
    ) -> Result<Option<Draft>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        call.chat.draft(call.principal, id).await.or_field_error().map(Draft).map(Some)
    }

    /// The caller's drafts, in the order of the sessions' ids. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn drafts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<DraftConnection>> {
        let call = Use::of(context)?;
        let list = List::drafts();
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.drafts(call.principal, page).await.or_field_error()?;
        Ok(Some(list.of_drafts(&page, found)))
    }
}
