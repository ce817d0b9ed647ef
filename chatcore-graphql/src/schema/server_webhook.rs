//! Queries and mutations of the webhooks of the server.

use async_graphql::{Context, ID, InputObject, MergedObject, Object, ObjectType, Result, SimpleObject};
use chatcore::{
    Error,
    model::{InvalidId, ListPage},
    webhooks::{self, DeadLetterPlace},
};

use super::{
    Fallible as _,
    admin::origin_of,
    connection::listed,
    scalar::{Long, natural, session_id, webhook_id},
    webhook::{CreatedWebhook, DeadLetter, Webhook, managing},
};

/// The fields of other parts, and those of webhooks of the server.
#[derive(Default, MergedObject)]
#[graphql(name = "QueryWithServerWebhooks")]
pub(super) struct Asking<Q: ObjectType>(Q, ServerWebhookQuery);

/// The fields of other parts, and those of webhooks of the server.
#[derive(Default, MergedObject)]
#[graphql(name = "MutationWithServerWebhooks")]
pub(super) struct Changing<M: ObjectType>(M, ServerWebhookMutation);

/// Events that could not be delivered to a webhook of the server: by session, and within a session in the order of their positions.
#[derive(SimpleObject)]
struct AdminDeadLetterPage {
    /// The events.
    dead_letters: Vec<DeadLetter>,
    /// The place after which the next page begins; null at the end of the list.
    next: Option<String>,
}

impl From<ListPage<webhooks::DeadLetter, DeadLetterPlace>> for AdminDeadLetterPage {
    fn from(page: ListPage<webhooks::DeadLetter, DeadLetterPlace>) -> Self {
        let next = page.next.map(|place| place.to_string());
        Self { dead_letters: page.entries.into_iter().map(Into::into).collect(), next }
    }
}

/// Queries of the webhooks of the server.
#[derive(Default)]
pub(super) struct ServerWebhookQuery;

/// Queries of the webhooks of the server.
#[Object]
impl ServerWebhookQuery {
    /// The webhooks of the server, the oldest first.
    #[graphql(complexity = "child_complexity.saturating_mul(webhooks::MAX_SERVER_WEBHOOKS)")]
    async fn admin_list_webhooks(&self, context: &Context<'_>) -> Result<Option<Vec<Webhook>>> {
        let (webhooks, call) = managing(context)?;
        let found = webhooks.list_for_server(call.principal).await.or_field_error()?;
        Ok(Some(found.into_iter().map(Into::into).collect()))
    }

    /// A webhook of the server.
    async fn admin_get_webhook(
        &self,
        context: &Context<'_>,
        #[graphql(name = "webhookId", desc = "The webhook.")] webhook: ID,
    ) -> Result<Option<Webhook>> {
        let (webhooks, call) = managing(context)?;
        let webhook = webhook_id(&webhook).or_field_error()?;
        Ok(Some(webhooks.get_for_server(call.principal, webhook).await.or_field_error()?.into()))
    }

    /// The events that could not be delivered to a webhook of the server: by session, and within a session in the order of their positions. At
    /// most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn admin_list_dead_letters(
        &self,
        context: &Context<'_>,
        #[graphql(name = "webhookId", desc = "The webhook.")] webhook: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The place after which to begin.")] after: Option<String>,
    ) -> Result<Option<AdminDeadLetterPage>> {
        let (webhooks, call) = managing(context)?;
        let webhook = webhook_id(&webhook).or_field_error()?;
        let limit = natural("limit", first).or_field_error()?;
        let unknown = |error: InvalidId| Error::malformed("after", error.expected);
        let after = after.map(|place| place.parse().map_err(unknown)).transpose().or_field_error()?;
        let page = webhooks.server_dead_letters(call.principal, webhook, after, limit).await.or_field_error()?;
        Ok(Some(page.into()))
    }
}

/// A webhook of the server to create.
#[derive(InputObject)]
struct AdminCreateWebhookInput {
    /// The receiver of the events: an `https` address of at most 2,000 characters, without a user name, a password and a fragment.
    url: String,
    /// The names of the events that are sent; all events where empty or not given.
    events: Option<Vec<String>>,
    /// `false` lets events wait until the webhook is activated; `true` where not given.
    is_active: Option<bool>,
}

/// Changes of a webhook of the server. An omitted field does not change.
#[derive(InputObject)]
struct AdminUpdateWebhookInput {
    /// The webhook.
    webhook_id: ID,
    /// The receiver of the events, including events that wait.
    url: Option<String>,
    /// The names of the events that are sent; empty for all.
    events: Option<Vec<String>>,
    /// `false` lets events wait. `true` resumes the deliveries, also after the receiver answered 410, and tries the next event at once.
    is_active: Option<bool>,
}

/// A webhook of the server.
#[derive(InputObject)]
struct AdminWebhookInput {
    /// The webhook.
    webhook_id: ID,
}

/// A dead letter to retry.
#[derive(InputObject)]
struct AdminRetryDeadLetterInput {
    /// The webhook.
    webhook_id: ID,
    /// The session.
    session_id: ID,
    /// The position of the event.
    seq: Long,
}

/// The webhook that was deleted.
#[derive(SimpleObject)]
struct AdminDeleteWebhookPayload {
    /// The id of the webhook.
    webhook_id: ID,
}

/// Mutations of the webhooks of the server.
#[derive(Default)]
pub(super) struct ServerWebhookMutation;

/// Mutations of the webhooks of the server.
#[Object]
impl ServerWebhookMutation {
    /// Create a webhook of the server. The server sends the events of all sessions, including private and direct sessions, to the address
    /// from now on, by the specification Standard Webhooks. The server has at most 10 such webhooks.
    async fn admin_create_webhook(
        &self,
        context: &Context<'_>,
        input: AdminCreateWebhookInput,
    ) -> Result<Option<CreatedWebhook>> {
        let (webhooks, call) = managing(context)?;
        let AdminCreateWebhookInput { url, events, is_active } = input;
        let new =
            webhooks::CreateWebhook { url, events: events.unwrap_or_default(), is_paused: is_active == Some(false) };
        let created = webhooks.create_for_server(call.principal, &origin_of(context), new).await;
        Ok(Some(created.or_field_error()?.into()))
    }

    /// Change a webhook of the server.
    async fn admin_update_webhook(
        &self,
        context: &Context<'_>,
        input: AdminUpdateWebhookInput,
    ) -> Result<Option<Webhook>> {
        let (webhooks, call) = managing(context)?;
        let AdminUpdateWebhookInput { webhook_id: webhook, url, events, is_active } = input;
        let webhook = webhook_id(&webhook).or_field_error()?;
        let changes = webhooks::UpdateWebhook { url, events, is_active };
        let changed = webhooks.update_for_server(call.principal, &origin_of(context), webhook, changes).await;
        Ok(Some(changed.or_field_error()?.into()))
    }

    /// Delete a webhook of the server. The server sends no further event to the webhook, except attempts that have begun.
    async fn admin_delete_webhook(
        &self,
        context: &Context<'_>,
        input: AdminWebhookInput,
    ) -> Result<Option<AdminDeleteWebhookPayload>> {
        let (webhooks, call) = managing(context)?;
        let webhook = webhook_id(&input.webhook_id).or_field_error()?;
        webhooks.delete_for_server(call.principal, &origin_of(context), webhook).await.or_field_error()?;
        Ok(Some(AdminDeleteWebhookPayload { webhook_id: input.webhook_id }))
    }

    /// Rotate the secret of a webhook of the server. The previous secret signs beside the new secret for a day.
    async fn admin_rotate_webhook_secret(
        &self,
        context: &Context<'_>,
        input: AdminWebhookInput,
    ) -> Result<Option<CreatedWebhook>> {
        let (webhooks, call) = managing(context)?;
        let webhook = webhook_id(&input.webhook_id).or_field_error()?;
        let rotated = webhooks.rotate_server_secret(call.principal, &origin_of(context), webhook).await;
        Ok(Some(rotated.or_field_error()?.into()))
    }

    /// Retry a dead letter of a webhook of the server, beside the queue.
    async fn admin_retry_dead_letter(
        &self,
        context: &Context<'_>,
        input: AdminRetryDeadLetterInput,
    ) -> Result<Option<DeadLetter>> {
        let (webhooks, call) = managing(context)?;
        let AdminRetryDeadLetterInput { webhook_id: webhook, session_id: session, seq: Long(seq) } = input;
        let webhook = webhook_id(&webhook).or_field_error()?;
        let session = session_id(&session).or_field_error()?;
        let letter = webhooks.retry_server_dead_letter(call.principal, webhook, session, seq).await;
        Ok(Some(letter.or_field_error()?.into()))
    }
}
