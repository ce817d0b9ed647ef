//! Operations about incoming webhooks.

use chatcore::{
    model::{CreatedIncomingWebhook, IncomingWebhook},
    wire::{CreateIncomingWebhook, PostToIncomingWebhook, UpdateIncomingWebhook},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path},
};

use super::{Api, Group, idempotency_key, no_idempotency_key};
use crate::{
    extract::{Bodyless, Caller, SessionParam, StrictJson, WebhookParam},
    hook::{BearerHook, PathHook},
    reply::{Answer, Body, Conflict, Done, OfHook, OfSession, Params, Reply, Tagged},
};

pub(crate) struct Incoming(pub(super) Api);

#[OpenApi(tag = "Group::Incoming")]
impl Incoming {
    /// Create an incoming webhook
    ///
    /// For owners and admins. Every holder of the token can post messages into the session. Only this answer contains the token. A session
    /// has at most 10 incoming webhooks.
    #[oai(path = "/sessions/:session_id/incoming-webhooks", method = "post", operation_id = "createIncomingWebhook")]
    async fn create(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<CreateIncomingWebhook>,
    ) -> Answer<Reply<CreatedIncomingWebhook, 201>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        let new = body.0.command();
        Ok(Reply::new(self.0.chat.create_incoming_webhook(&caller.0, session_id.0.0, new).await?))
    }

    /// List the incoming webhooks of a session
    ///
    /// For owners and admins. In the order of creation, without their tokens.
    #[oai(path = "/sessions/:session_id/incoming-webhooks", method = "get", operation_id = "listIncomingWebhooks")]
    async fn list(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
    ) -> Answer<Reply<Vec<IncomingWebhook>>, (OfSession, Params)> {
        Ok(Reply::new(self.0.chat.incoming_webhooks(&caller.0, session_id.0.0).await?))
    }

    /// Change an incoming webhook
    ///
    /// For owners and admins. An omitted field does not change. All messages of the webhook have the new name and picture.
    #[oai(
        path = "/sessions/:session_id/incoming-webhooks/:webhook_id",
        method = "put",
        operation_id = "updateIncomingWebhook"
    )]
    async fn update(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        webhook_id: Path<WebhookParam>,
        body: StrictJson<UpdateIncomingWebhook>,
    ) -> Answer<Reply<IncomingWebhook>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        let (chat, changes) = (&self.0.chat, body.0.command());
        Ok(Reply::new(chat.update_incoming_webhook(&caller.0, session_id.0.0, webhook_id.0.0, changes).await?))
    }

    /// Delete an incoming webhook
    ///
    /// For owners and admins. The token accepts no further post. The messages of the webhook stay.
    #[oai(
        path = "/sessions/:session_id/incoming-webhooks/:webhook_id",
        method = "delete",
        operation_id = "deleteIncomingWebhook"
    )]
    async fn delete(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        webhook_id: Path<WebhookParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.delete_incoming_webhook(&caller.0, session_id.0.0, webhook_id.0.0).await?;
        Ok(Done)
    }

    /// Post a message by an incoming webhook
    ///
    /// For the holder of the webhook's token, which is the bearer token. The webhook is the author of the message. `{"text": "…"}` means
    /// the same as `{"content": "…"}`. A retry with the same client id and body returns the first result. The answer for a wrong token, and
    /// for the token of a deleted webhook or session, is 404 `WEBHOOK_NOT_FOUND`.
    #[oai(path = "/hooks", method = "post", operation_id = "postToIncomingWebhook")]
    async fn post(
        &self,
        request: &Request,
        hook: BearerHook,
        /// The client id, where the body has none.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: StrictJson<PostToIncomingWebhook>,
    ) -> Answer<Tagged<201>, (OfHook, Body, Conflict)> {
        let post = body.0.command(idempotency_key(request)?)?;
        Ok(Tagged::new(self.0.chat.post_to_webhook(hook.0, post).await?))
    }

    /// Post a message by an incoming webhook, with the token in the path
    ///
    /// Like `POST /hooks`, for programs that cannot send headers. Proxies log paths, so the bearer token is better.
    #[oai(path = "/hooks/:token", method = "post", operation_id = "postToIncomingWebhookByPath")]
    async fn post_by_path(
        &self,
        request: &Request,
        hook: PathHook,
        /// The token.
        #[oai(name = "token")]
        _token: Path<String>,
        /// The client id, where the body has none.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: StrictJson<PostToIncomingWebhook>,
    ) -> Answer<Tagged<201>, (OfHook, Body, Conflict)> {
        let post = body.0.command(idempotency_key(request)?)?;
        Ok(Tagged::new(self.0.chat.post_to_webhook(hook.0, post).await?))
    }
}
