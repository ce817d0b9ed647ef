//! Operations of administrators about the webhooks of the server.

use chatcore::{
    Webhooks,
    webhooks::{CreatedWebhook, DeadLetter, Webhook},
    wire::{CreateWebhook, UpdateWebhook},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{AdminGroup, listed, natural, no_idempotency_key, position};
use crate::{
    admin::origin_of,
    extract::{Bodyless, Caller, DeadLetterParam, SessionParam, StrictJson, WebhookParam},
    reply::{Administering, Answer, Body, Done, Hooked, Paged, Params, Reply},
};

pub(crate) struct ServerHooks(pub(crate) Webhooks);

#[OpenApi(tag = "AdminGroup::Administration")]
impl ServerHooks {
    /// Create a webhook of the server
    ///
    /// The server sends the events of all sessions, including private and direct sessions, to the address from now on, by the specification
    /// Standard Webhooks. Only this answer contains the secret. The server has at most 10 such webhooks.
    #[oai(path = "/webhooks", method = "post", operation_id = "adminCreateWebhook")]
    async fn create(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<CreateWebhook>,
    ) -> Answer<Reply<CreatedWebhook, 201>, (Administering, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.create_for_server(&caller.0, &origin_of(request), body.0.command()).await?))
    }

    /// List the webhooks of the server
    ///
    /// The oldest first, each with the state of its deliveries, and none with its secret.
    #[oai(path = "/webhooks", method = "get", operation_id = "adminListWebhooks")]
    async fn list(&self, caller: Caller) -> Answer<Reply<Vec<Webhook>>, (Administering, Params)> {
        Ok(Reply::new(self.0.list_for_server(&caller.0).await?))
    }

    /// Show a webhook of the server
    #[oai(path = "/webhooks/:webhook_id", method = "get", operation_id = "adminGetWebhook")]
    async fn get(&self, caller: Caller, webhook_id: Path<WebhookParam>) -> Answer<Reply<Webhook>, (Hooked, Params)> {
        Ok(Reply::new(self.0.get_for_server(&caller.0, webhook_id.0.0).await?))
    }

    /// Change a webhook of the server
    ///
    /// An omitted field does not change.
    #[oai(path = "/webhooks/:webhook_id", method = "put", operation_id = "adminUpdateWebhook")]
    async fn update(
        &self,
        request: &Request,
        caller: Caller,
        webhook_id: Path<WebhookParam>,
        body: StrictJson<UpdateWebhook>,
    ) -> Answer<Reply<Webhook>, (Hooked, Body)> {
        no_idempotency_key(request)?;
        let changes = body.0.command();
        Ok(Reply::new(self.0.update_for_server(&caller.0, &origin_of(request), webhook_id.0.0, changes).await?))
    }

    /// Delete a webhook of the server
    ///
    /// The server sends no further event to the webhook, except attempts that have begun.
    #[oai(path = "/webhooks/:webhook_id", method = "delete", operation_id = "adminDeleteWebhook")]
    async fn delete(
        &self,
        request: &Request,
        caller: Caller,
        webhook_id: Path<WebhookParam>,
        _body: Bodyless,
    ) -> Answer<Done, (Hooked, Body)> {
        no_idempotency_key(request)?;
        self.0.delete_for_server(&caller.0, &origin_of(request), webhook_id.0.0).await?;
        Ok(Done)
    }

    /// Rotate the secret of a webhook of the server
    ///
    /// Only this answer contains the new secret. The previous secret signs beside the new secret for a day.
    #[oai(path = "/webhooks/:webhook_id/rotate-secret", method = "post", operation_id = "adminRotateWebhookSecret")]
    async fn rotate(
        &self,
        request: &Request,
        caller: Caller,
        webhook_id: Path<WebhookParam>,
        _body: Bodyless,
    ) -> Answer<Reply<CreatedWebhook>, (Hooked, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.rotate_server_secret(&caller.0, &origin_of(request), webhook_id.0.0).await?))
    }

    /// List the dead letters of a webhook of the server
    ///
    /// Dead letters are events that could not be delivered. By session, and within a session in the order of their positions. The header
    /// `Link` names the next page.
    #[oai(path = "/webhooks/:webhook_id/dead-letters", method = "get", operation_id = "adminListDeadLetters")]
    async fn dead_letters(
        &self,
        request: &Request,
        caller: Caller,
        webhook_id: Path<WebhookParam>,
        /// The place after which to begin, from the header `Link`.
        after: Query<Option<DeadLetterParam>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<DeadLetter>>, (Hooked, Params)> {
        let (after, limit) = (after.0.map(|DeadLetterParam(place)| place), natural("limit", limit.0)?);
        Ok(listed(self.0.server_dead_letters(&caller.0, webhook_id.0.0, after, limit).await?, request))
    }

    /// Retry a dead letter of a webhook of the server
    ///
    /// The server retries the event beside the queue, as soon as the webhook is active. After a successful delivery, the event leaves the
    /// list.
    #[oai(
        path = "/webhooks/:webhook_id/dead-letters/:session_id/:seq/retry",
        method = "post",
        operation_id = "adminRetryDeadLetter"
    )]
    async fn retry(
        &self,
        request: &Request,
        caller: Caller,
        webhook_id: Path<WebhookParam>,
        session_id: Path<SessionParam>,
        /// The position of the event.
        seq: Path<i64>,
        _body: Bodyless,
    ) -> Answer<Reply<DeadLetter, 202>, (Hooked, Body)> {
        no_idempotency_key(request)?;
        let seq = position("seq", seq.0)?;
        let letter = self.0.retry_server_dead_letter(&caller.0, webhook_id.0.0, session_id.0.0, seq).await?;
        Ok(Reply::new(letter))
    }
}
