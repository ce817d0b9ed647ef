//! Operations about webhooks.

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

use super::{WebhookGroup, listed, natural, no_idempotency_key, position};
use crate::{
    extract::{Bodyless, Caller, SessionParam, StrictJson, WebhookParam},
    reply::{Answer, Body, Done, OfSession, Paged, Params, Reply},
};

pub(crate) struct Hooks(pub(crate) Webhooks);

#[OpenApi(tag = "WebhookGroup::Webhooks")]
impl Hooks {
    /// Create a webhook
    ///
    /// For owners and admins. The server sends the events of the session to the address from now on, by the specification Standard
    /// Webhooks. Only this answer contains the secret. A session has at most 10 webhooks.
    #[oai(path = "/sessions/:session_id/webhooks", method = "post", operation_id = "createWebhook")]
    async fn create(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<CreateWebhook>,
    ) -> Answer<Reply<CreatedWebhook, 201>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.create(&caller.0, session_id.0.0, body.0.command()).await?))
    }

    /// List the webhooks of a session
    ///
    /// For owners and admins. The oldest first, each with the state of its deliveries, and none with its secret.
    #[oai(path = "/sessions/:session_id/webhooks", method = "get", operation_id = "listWebhooks")]
    async fn list(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
    ) -> Answer<Reply<Vec<Webhook>>, (OfSession, Params)> {
        Ok(Reply::new(self.0.list(&caller.0, session_id.0.0).await?))
    }

    /// Show a webhook
    ///
    /// For owners and admins.
    #[oai(path = "/sessions/:session_id/webhooks/:webhook_id", method = "get", operation_id = "getWebhook")]
    async fn get(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
        webhook_id: Path<WebhookParam>,
    ) -> Answer<Reply<Webhook>, (OfSession, Params)> {
        Ok(Reply::new(self.0.get(&caller.0, session_id.0.0, webhook_id.0.0).await?))
    }

    /// Change a webhook
    ///
    /// For owners and admins. An omitted field does not change.
    #[oai(path = "/sessions/:session_id/webhooks/:webhook_id", method = "put", operation_id = "updateWebhook")]
    async fn update(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        webhook_id: Path<WebhookParam>,
        body: StrictJson<UpdateWebhook>,
    ) -> Answer<Reply<Webhook>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.update(&caller.0, session_id.0.0, webhook_id.0.0, body.0.command()).await?))
    }

    /// Delete a webhook
    ///
    /// For owners and admins. The server sends no further event to the webhook, except an attempt that has begun.
    #[oai(path = "/sessions/:session_id/webhooks/:webhook_id", method = "delete", operation_id = "deleteWebhook")]
    async fn delete(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        webhook_id: Path<WebhookParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.delete(&caller.0, session_id.0.0, webhook_id.0.0).await?;
        Ok(Done)
    }

    /// Rotate the secret of a webhook
    ///
    /// For owners and admins. Only this answer contains the new secret. The previous secret signs beside the new secret for a day.
    #[oai(
        path = "/sessions/:session_id/webhooks/:webhook_id/rotate-secret",
        method = "post",
        operation_id = "rotateWebhookSecret"
    )]
    async fn rotate(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        webhook_id: Path<WebhookParam>,
        _body: Bodyless,
    ) -> Answer<Reply<CreatedWebhook>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.rotate_secret(&caller.0, session_id.0.0, webhook_id.0.0).await?))
    }

    /// List the dead letters of a webhook
    ///
    /// For owners and admins. Dead letters are events that could not be delivered. In the order of their positions. The header `Link` names
    /// the next page.
    #[oai(
        path = "/sessions/:session_id/webhooks/:webhook_id/dead-letters",
        method = "get",
        operation_id = "listDeadLetters"
    )]
    async fn dead_letters(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        webhook_id: Path<WebhookParam>,
        /// The position after which to begin.
        after: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<DeadLetter>>, (OfSession, Params)> {
        let (after, limit) = (natural("after", after.0)?, natural("limit", limit.0)?);
        let page = self.0.dead_letters(&caller.0, session_id.0.0, webhook_id.0.0, after, limit).await?;
        Ok(listed(page, request))
    }

    /// Retry a dead letter
    ///
    /// For owners and admins. The server retries the event beside the queue, as soon as the webhook is active. After a successful delivery,
    /// the event leaves the list.
    #[oai(
        path = "/sessions/:session_id/webhooks/:webhook_id/dead-letters/:seq/retry",
        method = "post",
        operation_id = "retryDeadLetter"
    )]
    async fn retry(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        webhook_id: Path<WebhookParam>,
        /// The position of the event.
        seq: Path<i64>,
        _body: Bodyless,
    ) -> Answer<Reply<DeadLetter, 202>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        let seq = position("seq", seq.0)?;
        Ok(Reply::new(self.0.retry_dead_letter(&caller.0, session_id.0.0, webhook_id.0.0, seq).await?))
    }
}
