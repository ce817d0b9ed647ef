//! Webhooks, with their queries and mutations.

use async_graphql::{Context, Enum, ID, InputObject, MergedObject, Object, ObjectType, Result, SimpleObject};
use chatcore::{
    Error, Webhooks,
    model::{ListPage, Seq, SessionId, WebhookId},
    webhooks,
};

use super::{
    Fallible as _, Use,
    connection::listed,
    scalar::{DateTime, Long, natural, session_id, webhook_id},
};

/// The fields of other parts, and those of webhooks.
#[derive(Default, MergedObject)]
#[graphql(name = "QueryWithWebhooks")]
pub(super) struct Asking<Q: ObjectType>(Q, WebhookQuery);

/// The fields of other parts, and those of webhooks.
#[derive(Default, MergedObject)]
#[graphql(name = "MutationWithWebhooks")]
pub(super) struct Changing<M: ObjectType>(M, WebhookMutation);

/// The webhooks, and the caller.
pub(super) fn managing<'c>(context: &Context<'c>) -> Result<(&'c Webhooks, Use<'c>)> {
    let webhooks = context.data_opt().ok_or_else(|| crate::field_error(&Error::Internal))?;
    Ok((webhooks, Use::of(context)?))
}

/// The ids of a webhook and of its session.
fn place(session: &ID, webhook: &ID) -> chatcore::Result<(SessionId, WebhookId)> {
    let webhook = webhook_id(webhook)?;
    Ok((session_id(session)?, webhook))
}

/// Whether events are sent to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "webhooks::WebhookState")]
enum WebhookState {
    /// Events are sent.
    Active,
    /// Events wait, because a user paused the webhook.
    Paused,
    /// Events wait, because the receiver answered 410.
    Gone,
}

/// The reason of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "webhooks::FailureReason", name = "WebhookFailureReason")]
enum FailureReason {
    /// The receiver answered with another status than 2xx. A redirect is such a status.
    BadStatus,
    /// The receiver did not answer in time.
    Timeout,
    /// There was no connection: the name is not known, nobody listens, or the certificate is not valid.
    ConnectionFailed,
    /// The name leads to an address to which nothing is sent, such as one of a private network.
    AddressRefused,
    /// The answer cannot be read.
    InvalidResponse,
    /// A newer version knows the reason.
    Unknown,
}

/// An attempt that failed.
#[derive(SimpleObject)]
struct WebhookFailure {
    /// The reason.
    reason: FailureReason,
    /// The status of the answer, where there was one.
    status: Option<u32>,
    /// The time of the attempt.
    at: DateTime,
}

impl From<webhooks::Failure> for WebhookFailure {
    fn from(failure: webhooks::Failure) -> Self {
        let webhooks::Failure { reason, status, at } = failure;
        Self { reason: reason.into(), status: status.map(Into::into), at: DateTime(at) }
    }
}

/// The events that wait for their delivery.
#[derive(SimpleObject)]
struct WebhookQueue {
    /// The position up to which every event was delivered, left out, or given up. During many deliveries, the value is up to a second old.
    /// Null for a webhook of the server, which has a position in each session.
    delivered_upto: Option<Long>,
    /// The number of log positions after `deliveredUpto`. For a webhook of the server: in the first 1,000 sessions with events that wait.
    lag: Long,
    /// The number of attempts to deliver the next event. For a webhook of the server: the number of failed first attempts since the last success.
    attempts: u32,
    /// The earliest time of the next attempt; null without a wait.
    next_attempt_at: Option<DateTime>,
    /// The last attempt that failed.
    last_failure: Option<WebhookFailure>,
    /// The time of the last delivery.
    last_delivery_at: Option<DateTime>,
    /// The number of events that could not be delivered and are kept as dead letters.
    dead_letters: Long,
    /// The number of events that were never tried, because the queue was too long.
    skipped: Long,
}

impl From<webhooks::Queue> for WebhookQueue {
    fn from(queue: webhooks::Queue) -> Self {
        let webhooks::Queue {
            delivered_upto,
            lag,
            attempts,
            next_attempt_at,
            last_failure,
            last_delivery_at,
            dead_letters,
            skipped,
        } = queue;
        Self {
            delivered_upto: delivered_upto.map(Long),
            lag: Long(lag),
            attempts,
            next_attempt_at: next_attempt_at.map(DateTime),
            last_failure: last_failure.map(Into::into),
            last_delivery_at: last_delivery_at.map(DateTime),
            dead_letters: Long(dead_letters),
            skipped: Long(skipped),
        }
    }
}

/// A webhook of a session or of the server, without its secret.
#[derive(SimpleObject)]
pub(super) struct Webhook {
    /// The id.
    id: ID,
    /// The session whose events are sent; null for a webhook of the server, which receives the events of all sessions.
    session_id: Option<ID>,
    /// The receiver of the events.
    url: String,
    /// The names of the events that are sent; empty for all.
    events: Vec<String>,
    /// Whether events are sent.
    state: WebhookState,
    /// The id of the user who created the webhook.
    created_by: ID,
    /// The time of creation.
    created_at: DateTime,
    /// The time of the last change of the settings.
    updated_at: DateTime,
    /// The deliveries.
    queue: WebhookQueue,
}

impl From<webhooks::Webhook> for Webhook {
    fn from(webhook: webhooks::Webhook) -> Self {
        let webhooks::Webhook { id, session_id, url, events, created_by, created_at, updated_at, state, queue } =
            webhook;
        Self {
            id: ID(id.to_string()),
            session_id: session_id.map(|id| ID(id.to_string())),
            url,
            events,
            state: state.into(),
            created_by: ID(created_by.to_string()),
            created_at: DateTime(created_at),
            updated_at: DateTime(updated_at),
            queue: queue.into(),
        }
    }
}

/// A webhook with its secret.
#[derive(SimpleObject)]
pub(super) struct CreatedWebhook {
    /// The secret that signs from now on. Only this answer contains the secret.
    secret: String,
    /// The webhook.
    webhook: Webhook,
}

impl From<webhooks::CreatedWebhook> for CreatedWebhook {
    fn from(created: webhooks::CreatedWebhook) -> Self {
        let webhooks::CreatedWebhook { webhook, secret } = created;
        Self { secret: secret.as_str().to_owned(), webhook: webhook.into() }
    }
}

/// An event that could not be delivered.
#[derive(SimpleObject)]
pub(super) struct DeadLetter {
    /// The webhook.
    webhook_id: ID,
    /// The session.
    session_id: ID,
    /// The position of the event in the session's log, which has the event.
    seq: Long,
    /// The `webhook-id` of each attempt.
    delivery_id: String,
    /// The last attempt.
    failure: WebhookFailure,
    /// The number of attempts.
    attempts: u32,
    /// Whether the event waits for a retry.
    is_requested: bool,
}

impl From<webhooks::DeadLetter> for DeadLetter {
    fn from(letter: webhooks::DeadLetter) -> Self {
        let webhooks::DeadLetter { webhook_id, session_id, seq, delivery_id, failure, attempts, is_requested } = letter;
        Self {
            webhook_id: ID(webhook_id.to_string()),
            session_id: ID(session_id.to_string()),
            seq: Long(seq),
            delivery_id,
            failure: failure.into(),
            attempts,
            is_requested,
        }
    }
}

/// Events that could not be delivered, in the order of their positions.
#[derive(SimpleObject)]
struct DeadLetterPage {
    /// The events.
    dead_letters: Vec<DeadLetter>,
    /// The position after which the next page begins; null at the end of the list.
    next: Option<Long>,
}

impl From<ListPage<webhooks::DeadLetter, Seq>> for DeadLetterPage {
    fn from(page: ListPage<webhooks::DeadLetter, Seq>) -> Self {
        Self { dead_letters: page.entries.into_iter().map(Into::into).collect(), next: page.next.map(Long) }
    }
}

/// Queries of webhooks.
#[derive(Default)]
pub(super) struct WebhookQuery;

/// Queries of webhooks.
#[Object]
impl WebhookQuery {
    /// The webhooks of a session, the oldest first. For owners and admins.
    #[graphql(complexity = "child_complexity.saturating_mul(webhooks::MAX_WEBHOOKS)")]
    async fn webhooks(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
    ) -> Result<Option<Vec<Webhook>>> {
        let (webhooks, call) = managing(context)?;
        let session = session_id(&session).or_field_error()?;
        let found = webhooks.list(call.principal, session).await.or_field_error()?;
        Ok(Some(found.into_iter().map(Into::into).collect()))
    }

    /// A webhook of a session. For owners and admins.
    async fn webhook(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(name = "webhookId", desc = "The webhook.")] webhook: ID,
    ) -> Result<Option<Webhook>> {
        let (webhooks, call) = managing(context)?;
        let (session, webhook) = place(&session, &webhook).or_field_error()?;
        Ok(Some(webhooks.get(call.principal, session, webhook).await.or_field_error()?.into()))
    }

    /// The events that could not be delivered to a webhook, in the order of their positions. For owners and admins. At most 100 at a time, 50
    /// by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn dead_letters(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(name = "webhookId", desc = "The webhook.")] webhook: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The position after which to begin.")] after: Option<Long>,
    ) -> Result<Option<DeadLetterPage>> {
        let (webhooks, call) = managing(context)?;
        let (session, webhook) = place(&session, &webhook).or_field_error()?;
        let limit = natural("limit", first).or_field_error()?;
        let after = after.map(|Long(seq)| seq);
        let page = webhooks.dead_letters(call.principal, session, webhook, after, limit).await.or_field_error()?;
        Ok(Some(page.into()))
    }
}

/// A webhook to create.
#[derive(InputObject)]
struct CreateWebhookInput {
    /// The session.
    session_id: ID,
    /// The receiver of the events: an `https` address of at most 2,000 characters, without a user name, a password and a fragment.
    url: String,
    /// The names of the events that are sent; all events where empty or not given.
    events: Option<Vec<String>>,
    /// `false` lets events wait until the webhook is activated; `true` where not given.
    is_active: Option<bool>,
}

/// Changes of a webhook. An omitted field does not change.
#[derive(InputObject)]
struct UpdateWebhookInput {
    /// The session.
    session_id: ID,
    /// The webhook.
    webhook_id: ID,
    /// The receiver of the events, including events that wait.
    url: Option<String>,
    /// The names of the events that are sent; empty for all.
    events: Option<Vec<String>>,
    /// `false` lets events wait. `true` resumes the deliveries, also after the receiver answered 410, and tries the next event at once.
    is_active: Option<bool>,
}

/// A webhook of a session.
#[derive(InputObject)]
struct WebhookInput {
    /// The session.
    session_id: ID,
    /// The webhook.
    webhook_id: ID,
}

/// A dead letter to retry.
#[derive(InputObject)]
struct RetryDeadLetterInput {
    /// The session.
    session_id: ID,
    /// The webhook.
    webhook_id: ID,
    /// The position of the event.
    seq: Long,
}

/// The webhook with its new secret.
#[derive(SimpleObject)]
struct CreatedWebhookPayload {
    /// The webhook with its secret.
    created_webhook: CreatedWebhook,
}

/// The webhook that was changed.
#[derive(SimpleObject)]
struct UpdateWebhookPayload {
    /// The webhook.
    webhook: Webhook,
}

/// The webhook that was deleted.
#[derive(SimpleObject)]
struct DeleteWebhookPayload {
    /// The session.
    session_id: ID,
    /// The id of the webhook.
    webhook_id: ID,
}

/// The dead letter that is retried.
#[derive(SimpleObject)]
struct RetryDeadLetterPayload {
    /// The event.
    dead_letter: DeadLetter,
}

/// Mutations of webhooks.
#[derive(Default)]
pub(super) struct WebhookMutation;

/// Mutations of webhooks.
#[Object]
impl WebhookMutation {
    /// Create a webhook. For owners and admins. The server sends the events of the session to the address from now on, by the specification
    /// Standard Webhooks. A session has at most 10 webhooks.
    async fn create_webhook(
        &self,
        context: &Context<'_>,
        input: CreateWebhookInput,
    ) -> Result<Option<CreatedWebhookPayload>> {
        let (webhooks, call) = managing(context)?;
        let CreateWebhookInput { session_id: session, url, events, is_active } = input;
        let session = session_id(&session).or_field_error()?;
        let new =
            webhooks::CreateWebhook { url, events: events.unwrap_or_default(), is_paused: is_active == Some(false) };
        let created = webhooks.create(call.principal, session, new).await.or_field_error()?;
        Ok(Some(CreatedWebhookPayload { created_webhook: created.into() }))
    }

    /// Change a webhook. For owners and admins.
    async fn update_webhook(
        &self,
        context: &Context<'_>,
        input: UpdateWebhookInput,
    ) -> Result<Option<UpdateWebhookPayload>> {
        let (webhooks, call) = managing(context)?;
        let UpdateWebhookInput { session_id, webhook_id, url, events, is_active } = input;
        let (session, webhook) = place(&session_id, &webhook_id).or_field_error()?;
        let changes = webhooks::UpdateWebhook { url, events, is_active };
        let webhook = webhooks.update(call.principal, session, webhook, changes).await.or_field_error()?;
        Ok(Some(UpdateWebhookPayload { webhook: webhook.into() }))
    }

    /// Delete a webhook. For owners and admins. The server sends no further event to the webhook, except an attempt that has begun.
    async fn delete_webhook(&self, context: &Context<'_>, input: WebhookInput) -> Result<Option<DeleteWebhookPayload>> {
        let (webhooks, call) = managing(context)?;
        let WebhookInput { session_id, webhook_id } = input;
        let (session, webhook) = place(&session_id, &webhook_id).or_field_error()?;
        webhooks.delete(call.principal, session, webhook).await.or_field_error()?;
        Ok(Some(DeleteWebhookPayload { session_id, webhook_id }))
    }

    /// Rotate the secret of a webhook. For owners and admins. The previous secret signs beside the new secret for a day.
    async fn rotate_webhook_secret(
        &self,
        context: &Context<'_>,
        input: WebhookInput,
    ) -> Result<Option<CreatedWebhookPayload>> {
        let (webhooks, call) = managing(context)?;
        let (session, webhook) = place(&input.session_id, &input.webhook_id).or_field_error()?;
        let rotated = webhooks.rotate_secret(call.principal, session, webhook).await.or_field_error()?;
        Ok(Some(CreatedWebhookPayload { created_webhook: rotated.into() }))
    }

    /// Retry a dead letter, beside the queue. For owners and admins.
    async fn retry_dead_letter(
        &self,
        context: &Context<'_>,
        input: RetryDeadLetterInput,
    ) -> Result<Option<RetryDeadLetterPayload>> {
        let (webhooks, call) = managing(context)?;
        let RetryDeadLetterInput { session_id, webhook_id, seq: Long(seq) } = input;
        let (session, webhook) = place(&session_id, &webhook_id).or_field_error()?;
        let letter = webhooks.retry_dead_letter(call.principal, session, webhook, seq).await.or_field_error()?;
        Ok(Some(RetryDeadLetterPayload { dead_letter: letter.into() }))
    }
}
