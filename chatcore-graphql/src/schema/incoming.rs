//! Incoming webhooks, with their queries and mutations.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use chatcore::{
    Chat,
    chat::{self, MAX_INCOMING_WEBHOOKS, PostToWebhook},
    limits::Origin,
    model::{self, IncomingToken},
};

use super::{
    Fallible as _, Use,
    message::{EncryptedContent, SpeakerRole, said},
    mutation::present,
    scalar::{DateTime, Long, client_id, session_id, webhook_id},
    user::User,
};

/// The mutation that needs the token of a webhook, and no other one.
#[cfg(feature = "poem")]
pub(super) const POST: &str = "postToIncomingWebhook";

/// An incoming webhook of a session, without its token.
#[derive(Debug, Clone)]
struct IncomingWebhook(model::IncomingWebhook);

/// An incoming webhook of a session, without its token.
#[Object]
impl IncomingWebhook {
    /// The id. The id alone does not allow posts.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The session.
    async fn session_id(&self) -> ID {
        ID(self.0.session_id.to_string())
    }

    /// The author name of the webhook's messages.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The address of the author's picture.
    async fn avatar_url(&self) -> Option<&str> {
        self.0.avatar_url.as_deref()
    }

    /// The sender id of the messages of the webhook. No user has this id.
    async fn author_id(&self) -> ID {
        ID(self.0.id.author().to_string())
    }

    /// The user who created the webhook.
    async fn created_by(&self) -> User {
        User(self.0.created_by.clone())
    }

    /// The time of creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// The time of the last posted message, up to a minute late; null for never.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(DateTime)
    }
}

/// A new incoming webhook with its token.
#[derive(Debug, Clone)]
struct CreatedIncomingWebhook(model::CreatedIncomingWebhook);

/// A new incoming webhook with its token.
#[Object]
impl CreatedIncomingWebhook {
    /// The token for posts: `chook_` and 43 characters. Only this answer contains the token.
    async fn token(&self) -> &str {
        self.0.token.as_str()
    }

    /// The path for posts over REST without a header, below the base of the REST operations: `/hooks/` and the token. Proxies log paths, so
    /// `/hooks` with the token as bearer token is better.
    async fn path(&self) -> String {
        self.0.token.path()
    }

    /// The webhook.
    async fn webhook(&self) -> IncomingWebhook {
        IncomingWebhook(self.0.webhook.clone())
    }
}

/// An incoming webhook to create.
#[derive(InputObject)]
struct CreateIncomingWebhookInput {
    /// The session.
    session_id: ID,
    /// The author name of the webhook's messages: a line of 1 to 100 characters. The name need not be unique.
    name: String,
    /// The address of the author's picture: `https://…`, at most 2,048 characters.
    avatar_url: Option<String>,
}

/// Changes of an incoming webhook. An omitted field does not change.
#[derive(InputObject)]
struct UpdateIncomingWebhookInput {
    /// The session.
    session_id: ID,
    /// The webhook.
    webhook_id: ID,
    /// The author name of the webhook's messages: a line of 1 to 100 characters. The new name applies to all messages of the webhook.
    name: MaybeUndefined<String>,
    /// The address of the author's picture: `https://…`, at most 2,048 characters; null removes it.
    avatar_url: MaybeUndefined<String>,
}

/// An incoming webhook to delete.
#[derive(InputObject)]
struct DeleteIncomingWebhookInput {
    /// The session.
    session_id: ID,
    /// The webhook.
    webhook_id: ID,
}

/// A message that an incoming webhook posts: `content` or `encryptedContent`.
#[derive(InputObject)]
struct PostToIncomingWebhookInput {
    /// The token of the webhook.
    token: String,
    /// Text of 1 to 8,000 characters by default.
    content: Option<String>,
    /// Ciphertext.
    encrypted_content: Option<EncryptedContent>,
    /// The speaker; `USER` where not given.
    role: Option<SpeakerRole>,
    /// An idempotency key for the message: 1 to 128 characters, unique for each webhook.
    client_id: Option<String>,
}

/// The incoming webhook that was created.
#[derive(SimpleObject)]
struct CreateIncomingWebhookPayload {
    /// The webhook with its token.
    created_incoming_webhook: CreatedIncomingWebhook,
}

/// The incoming webhook that was changed.
#[derive(SimpleObject)]
struct UpdateIncomingWebhookPayload {
    /// The webhook.
    incoming_webhook: IncomingWebhook,
}

/// The incoming webhook that was deleted.
#[derive(SimpleObject)]
struct DeleteIncomingWebhookPayload {
    /// The session.
    session_id: ID,
    /// The id of the webhook.
    webhook_id: ID,
}

/// The message that was posted. The poster cannot query other fields of the message.
#[derive(SimpleObject)]
struct PostToIncomingWebhookPayload {
    /// The session.
    session_id: ID,
    /// The id of the message.
    message_id: ID,
    /// The position of the message in the session's log.
    seq: Long,
    /// The time at which the message was sent.
    created_at: DateTime,
}

/// Mutations of incoming webhooks.
#[derive(Default)]
pub(super) struct IncomingMutation;

/// Mutations of incoming webhooks.
#[Object]
impl IncomingMutation {
    /// Create an incoming webhook. Programs with the token of the webhook can post messages into the session. For owners and admins. A
    /// session has at most 10 incoming webhooks.
    async fn create_incoming_webhook(
        &self,
        context: &Context<'_>,
        input: CreateIncomingWebhookInput,
    ) -> Result<Option<CreateIncomingWebhookPayload>> {
        let call = Use::of(context)?;
        let CreateIncomingWebhookInput { session_id: id, name, avatar_url } = input;
        let id = session_id(&id).or_field_error()?;
        let new = chat::CreateIncomingWebhook { name, avatar_url };
        let created = call.chat.create_incoming_webhook(call.principal, id, new).await.or_field_error()?;
        Ok(Some(CreateIncomingWebhookPayload { created_incoming_webhook: CreatedIncomingWebhook(created) }))
    }

    /// Change an incoming webhook. For owners and admins. All messages of the webhook have the new name and picture.
    async fn update_incoming_webhook(
        &self,
        context: &Context<'_>,
        input: UpdateIncomingWebhookInput,
    ) -> Result<Option<UpdateIncomingWebhookPayload>> {
        let call = Use::of(context)?;
        let UpdateIncomingWebhookInput { session_id: session, webhook_id: webhook, name, avatar_url } = input;
        let session = session_id(&session).or_field_error()?;
        let webhook = webhook_id(&webhook).or_field_error()?;
        let name = present("name", name).or_field_error()?;
        let avatar_url = match avatar_url {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(url) => Some(Some(url)),
        };
        let changes = chat::UpdateIncomingWebhook { name, avatar_url };
        let changed =
            call.chat.update_incoming_webhook(call.principal, session, webhook, changes).await.or_field_error()?;
        Ok(Some(UpdateIncomingWebhookPayload { incoming_webhook: IncomingWebhook(changed) }))
    }

    /// Delete an incoming webhook: the token accepts no further post. For owners and admins. The messages of the webhook stay.
    async fn delete_incoming_webhook(
        &self,
        context: &Context<'_>,
        input: DeleteIncomingWebhookInput,
    ) -> Result<Option<DeleteIncomingWebhookPayload>> {
        let call = Use::of(context)?;
        let session = session_id(&input.session_id).or_field_error()?;
        let webhook = webhook_id(&input.webhook_id).or_field_error()?;
        call.chat.delete_incoming_webhook(call.principal, session, webhook).await.or_field_error()?;
        Ok(Some(DeleteIncomingWebhookPayload { session_id: input.session_id, webhook_id: input.webhook_id }))
    }

    /// Post a message by an incoming webhook, which is the author of the message. For the holder of the webhook's token; no other token is
    /// needed. The answer for a wrong token, and for the token of a deleted webhook or session, is `WEBHOOK_NOT_FOUND`. A retry with the
    /// same client id and content gives the first result again.
    async fn post_to_incoming_webhook(
        &self,
        context: &Context<'_>,
        input: PostToIncomingWebhookInput,
    ) -> Result<Option<PostToIncomingWebhookPayload>> {
        let chat: &Chat = context.data()?;
        let PostToIncomingWebhookInput { token, content, encrypted_content, role, client_id: id } = input;
        let caller = chat.admit_webhook(Origin::UNKNOWN, &IncomingToken::new(token)).await.or_field_error()?;
        let content = said(content, encrypted_content).or_field_error()?;
        let (role, client_id) = (role.map(Into::into).unwrap_or_default(), client_id(id).or_field_error()?);
        let sent = chat.post_to_webhook(caller, PostToWebhook { content, role, client_id }).await.or_field_error()?;
        Ok(Some(PostToIncomingWebhookPayload {
            session_id: ID(sent.id.session_id.to_string()),
            message_id: ID(sent.id.to_string()),
            seq: Long(sent.id.seq),
            created_at: DateTime(sent.created_at),
        }))
    }
}

/// Queries of incoming webhooks.
#[derive(Default)]
pub(super) struct IncomingQuery;

/// Queries of incoming webhooks.
#[Object]
impl IncomingQuery {
    /// The incoming webhooks of a session in the order of creation, without their tokens. For owners and admins.
    #[graphql(complexity = "child_complexity.saturating_mul(MAX_INCOMING_WEBHOOKS)")]
    async fn incoming_webhooks(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
    ) -> Result<Option<Vec<IncomingWebhook>>> {
        let call = Use::of(context)?;
        let session = session_id(&session).or_field_error()?;
        let found = call.chat.incoming_webhooks(call.principal, session).await.or_field_error()?;
        Ok(Some(found.into_iter().map(IncomingWebhook).collect()))
    }
}
