//! Held messages, with their queries and mutations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    Error,
    model::{self, HeldId},
};

use super::{
    Fallible as _, Use,
    attachment::Attachment,
    bot::MessageCommand,
    connection::{HeldMessageConnection, List, listed},
    forward::Origin,
    message::{EncryptedContent, Message, MessageType, SpeakerRole, ciphertext, text},
    scalar::{DateTime, JsonObject, session_id},
    user::User,
};

/// A message that waits for approval.
#[derive(Debug, Clone)]
pub(super) struct HeldMessage(pub(super) model::HeldMessage);

/// A message that waits for approval.
#[Object]
impl HeldMessage {
    /// The id while the message is held. The sent message has another id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The session of the message.
    async fn session_id(&self) -> ID {
        ID(self.0.session_id.to_string())
    }

    /// The author.
    async fn author(&self) -> User {
        User(self.0.author.clone())
    }

    /// The speaker.
    async fn role(&self) -> SpeakerRole {
        self.0.body.role.into()
    }

    /// The kind of message.
    async fn message_type(&self) -> MessageType {
        self.0.body.message_type.into()
    }

    /// The text; null for an encrypted message.
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

    /// The origin of a forwarded message; otherwise null.
    async fn forwarded_from(&self) -> Option<Origin> {
        self.0.body.origin.clone().map(Origin)
    }

    /// The command of a bot that the message invokes; otherwise null.
    async fn command(&self) -> Option<MessageCommand> {
        self.0.body.command.as_ref().map(MessageCommand::from)
    }

    /// The reason of the policy; null where the policy gives no reason.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The time at which the policy held the message.
    async fn held_at(&self) -> DateTime {
        DateTime(self.0.held_at)
    }
}

/// A held message to approve.
#[derive(InputObject)]
struct ApproveMessageInput {
    /// The session.
    session_id: ID,
    /// The held message.
    held_id: ID,
}

/// A held message to reject.
#[derive(InputObject)]
struct RejectMessageInput {
    /// The session.
    session_id: ID,
    /// The held message.
    held_id: ID,
}

/// The message that was sent.
#[derive(SimpleObject)]
struct ApproveMessagePayload {
    /// The message.
    message: Message,
}

/// The held message that was removed.
#[derive(SimpleObject)]
struct RejectMessagePayload {
    /// The session.
    session_id: ID,
    /// The id of the held message.
    held_id: ID,
}

fn held_id(id: &ID) -> chatcore::Result<HeldId> {
    id.parse().map_err(|_| Error::malformed("held_id", "the id of a held message is a UUID"))
}

/// Mutations of held messages.
#[derive(Default)]
pub(super) struct HeldMutation;

/// Mutations of held messages.
#[Object]
impl HeldMutation {
    /// Approve a held message: the server sends the message in the name of its author, at the time of the approval. For owners and admins.
    async fn approve_message(
        &self,
        context: &Context<'_>,
        input: ApproveMessageInput,
    ) -> Result<Option<ApproveMessagePayload>> {
        let call = Use::of(context)?;
        let (session, id) =
            (session_id(&input.session_id).or_field_error()?, held_id(&input.held_id).or_field_error()?);
        let message = call.chat.approve_message(call.principal, session, id).await.or_field_error()?;
        Ok(Some(ApproveMessagePayload { message: Message { message, loads: call.loads() } }))
    }

    /// Reject a held message: the server removes the message, and never sends the message. For owners and admins.
    async fn reject_message(
        &self,
        context: &Context<'_>,
        input: RejectMessageInput,
    ) -> Result<Option<RejectMessagePayload>> {
        let call = Use::of(context)?;
        let (session, id) =
            (session_id(&input.session_id).or_field_error()?, held_id(&input.held_id).or_field_error()?);
        call.chat.reject_message(call.principal, session, id).await.or_field_error()?;
        Ok(Some(RejectMessagePayload { session_id: input.session_id, held_id: input.held_id }))
    }
}

/// Queries of held messages.
#[derive(Default)]
pub(super) struct HeldQuery;

/// Queries of held messages.
#[Object]
impl HeldQuery {
    /// The messages of a session that wait for approval, the oldest first, without the caller's own. For owners and admins. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn held_messages(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<HeldMessageConnection>> {
        let call = Use::of(context)?;
        let session = session_id(&session).or_field_error()?;
        let list = List::held_messages(session);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.held_messages(call.principal, session, page).await.or_field_error()?;
        Ok(Some(list.of_held_messages(&page, found)))
    }
}
