//! Webhooks on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::present;
use crate::{
    model::{Seq, SessionId, UserId, WebhookId},
    webhooks::{self, CreatedWebhook, DeadLetter, Failure, FailureReason, Queue, Webhook, WebhookState},
};

/// A webhook of a session or of the server, without its secret.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Webhook"))]
struct WebhookView<'a> {
    id: WebhookId,
    /// The session whose events are sent; null for a webhook of the server, which receives the events of all sessions.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    session_id: Option<SessionId>,
    /// The receiver of the events.
    url: &'a str,
    /// The names of the events that are sent; empty for all.
    events: &'a [String],
    /// `ACTIVE`: events are sent. `PAUSED`: events wait, because a user paused the webhook. `GONE`: events wait, because the receiver
    /// answered 410.
    state: WebhookState,
    /// The user who created the webhook.
    created_by: &'a UserId,
    created_at: DateTime<Utc>,
    /// The time of the last change of the settings.
    updated_at: DateTime<Utc>,
    queue: QueueView,
}

impl<'a> From<&'a Webhook> for WebhookView<'a> {
    fn from(webhook: &'a Webhook) -> Self {
        let Webhook { id, session_id, url, events, created_by, created_at, updated_at, state, queue } = webhook;
        Self {
            id: *id,
            session_id: *session_id,
            url,
            events,
            state: *state,
            created_by,
            created_at: *created_at,
            updated_at: *updated_at,
            queue: queue.into(),
        }
    }
}

/// The events that wait for their delivery.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "WebhookQueue"))]
struct QueueView {
    /// The position up to which every event was delivered, left out, or given up. During many deliveries, the value is up to a second old.
    /// Null for a webhook of the server, which has a position in each session.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    delivered_upto: Option<Seq>,
    /// The number of log positions after `delivered_upto`. For a webhook of the server: in the first 1,000 sessions with events that wait.
    lag: u64,
    /// The number of attempts to deliver the next event. For a webhook of the server: the number of failed first attempts since the last success.
    attempts: u32,
    /// The earliest time of the next attempt; null without a wait.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    next_attempt_at: Option<DateTime<Utc>>,
    /// The last attempt that failed.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_failure: Option<FailureView>,
    /// When an event was last delivered.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_delivery_at: Option<DateTime<Utc>>,
    /// The number of events that could not be delivered and are kept as dead letters.
    dead_letters: u64,
    /// The number of events that were never tried, because the queue was too long.
    skipped: u64,
}

impl From<&Queue> for QueueView {
    fn from(queue: &Queue) -> Self {
        let Queue {
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
            delivered_upto: *delivered_upto,
            lag: *lag,
            attempts: *attempts,
            next_attempt_at: *next_attempt_at,
            last_failure: last_failure.map(Into::into),
            last_delivery_at: *last_delivery_at,
            dead_letters: *dead_letters,
            skipped: *skipped,
        }
    }
}

/// An attempt that failed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "WebhookFailure"))]
struct FailureView {
    reason: FailureReason,
    /// The status of the answer, where there was one.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    status: Option<u16>,
    at: DateTime<Utc>,
}

impl From<Failure> for FailureView {
    fn from(failure: Failure) -> Self {
        let Failure { reason, status, at } = failure;
        Self { reason, status, at }
    }
}

/// A webhook with its secret.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CreatedWebhook"))]
struct CreatedWebhookView<'a> {
    /// The secret that signs from now on: `whsec_` and base64. Only this answer contains the secret.
    secret: &'a str,
    webhook: &'a Webhook,
}

impl<'a> From<&'a CreatedWebhook> for CreatedWebhookView<'a> {
    fn from(CreatedWebhook { webhook, secret }: &'a CreatedWebhook) -> Self {
        Self { secret: secret.as_str(), webhook }
    }
}

/// A dead letter: an event that could not be delivered. The log has the event at its position.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "DeadLetter"))]
struct DeadLetterView<'a> {
    webhook_id: WebhookId,
    session_id: SessionId,
    /// The position of the event in the session's log.
    seq: Seq,
    /// The `webhook-id` of each attempt.
    delivery_id: &'a str,
    /// The last attempt.
    failure: FailureView,
    /// The number of attempts.
    attempts: u32,
    /// Whether the event waits for a retry.
    is_requested: bool,
}

impl<'a> From<&'a DeadLetter> for DeadLetterView<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        let DeadLetter { webhook_id, session_id, seq, delivery_id, failure, attempts, is_requested } = letter;
        Self {
            webhook_id: *webhook_id,
            session_id: *session_id,
            seq: *seq,
            delivery_id,
            failure: (*failure).into(),
            attempts: *attempts,
            is_requested: *is_requested,
        }
    }
}

shown_as! {
    Webhook => WebhookView;
    CreatedWebhook => CreatedWebhookView;
    DeadLetter => DeadLetterView;
}

/// A webhook to create.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// The receiver of the events: an `https` address of at most 2,000 characters, without a user name, a password and a fragment.
    url: String,
    /// The names of the events that are sent; all events where empty or not given.
    events: Option<Vec<String>>,
    /// `false` lets events wait until the webhook is activated; `true` where not given.
    is_active: Option<bool>,
}

impl CreateWebhook {
    /// The command.
    #[must_use]
    pub fn command(self) -> webhooks::CreateWebhook {
        let Self { url, events, is_active } = self;
        webhooks::CreateWebhook { url, events: events.unwrap_or_default(), is_paused: is_active == Some(false) }
    }
}

/// Changes of a webhook. An omitted field does not change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhook {
    /// The receiver of the events, including events that wait.
    #[serde(default, deserialize_with = "present")]
    url: Option<String>,
    /// The names of the events that are sent; empty for all.
    #[serde(default, deserialize_with = "present")]
    events: Option<Vec<String>>,
    /// `false` lets events wait. `true` resumes the deliveries, also after the receiver answered 410, and tries the next event at once.
    #[serde(default, deserialize_with = "present")]
    is_active: Option<bool>,
}

impl UpdateWebhook {
    /// The command.
    #[must_use]
    pub fn command(self) -> webhooks::UpdateWebhook {
        let Self { url, events, is_active } = self;
        webhooks::UpdateWebhook { url, events, is_active }
    }
}
