//! The tables of the webhooks, and the forms of their values. A form only grows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Failure, WebhookSecret};
use crate::{
    model::{Seq, SessionId, UserId, WebhookId},
    store::{Json, Part, StoredValue},
    stored::{from_json, to_json},
    tables,
};

tables! {
    /// The webhooks of a session. One record holds them all, so that its version guards their number.
    session plain SessionWebhooks = "webhooks" [
        /// The session.
        session: SessionId,
    ] -> WebhookList = 1;

    /// The progress of the deliveries of a session's events to a webhook. Shared, since deliveries are no events.
    shared plain Deliveries = "webhook_delivery" [
        /// The webhook.
        webhook: WebhookId,
        /// The session.
        session: SessionId,
    ] -> Delivery = 1;

    /// Events that could not be delivered.
    shared plain DeadLetters = "webhook_dead_letter" [
        /// The webhook.
        webhook: WebhookId,
        /// The session.
        session: SessionId,
        /// The position of the event.
        seq: Seq,
    ] -> DeadLetterRecord = 1;

    /// Such events that somebody wants to be tried once more.
    shared plain Replays = "webhook_replay" [
        /// The webhook.
        webhook: WebhookId,
        /// The session.
        session: SessionId,
        /// The position of the event.
        seq: Seq,
    ] -> Replay = 1;

    /// The webhooks of the server. One record holds them all, so that its version guards their number.
    shared plain ServerWebhooks = "server_webhooks" [
        /// Always [`ALL`](ServerWebhooks::ALL).
        scope: String,
    ] -> WebhookList = 1;

    /// Whether events are sent to a webhook of the server, and what came of the last attempts.
    shared plain Endpoints = "server_webhook_endpoint" [
        /// The webhook.
        webhook: WebhookId,
    ] -> Endpoint = 1;

    /// How far the events of a session were delivered to a webhook of the server. There is none before the first event.
    shared plain ServerDeliveries = "server_webhook_delivery" [
        /// The webhook.
        webhook: WebhookId,
        /// The session.
        session: SessionId,
    ] -> Delivery = 1;

    /// The sessions with events that a webhook of the server may not have got. Each change of a log writes it while there is such a webhook.
    shared plain Unsent = "server_webhook_unsent" [
        /// The session.
        session: SessionId,
    ] -> UnsentMark = 1;
}

impl ServerWebhooks {
    /// The scope of the one record.
    pub const ALL: &'static str = "all";

    /// The key of the one record.
    #[must_use]
    pub fn all() -> Self {
        Self { scope: Self::ALL.to_owned() }
    }
}

/// The delivery state of a webhook of the server, with the results of the last attempts. One record serves all sessions, so that the worker
/// does not try an unavailable receiver once for each session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Endpoint {
    /// Whether events are sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub state: DeliveryState,
    /// The number of first attempts of events that failed since the last success. Of attempts that fail at once, one counts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures: u32,
    /// The earliest time of the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The last attempt that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// When an event was last delivered, to within ten seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivery_at: Option<DateTime<Utc>>,
    /// The number of events that were never tried, because the queue of their session was too long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skipped: u64,
}

/// The mark of a session in [`Unsent`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnsentMark {}

/// The webhooks of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WebhookList {
    /// The webhooks, the oldest first.
    pub webhooks: Vec<WebhookRecord>,
}

impl WebhookList {
    /// The webhook of an id.
    #[must_use]
    pub fn find(&self, id: WebhookId) -> Option<&WebhookRecord> {
        self.webhooks.iter().find(|webhook| webhook.id == id)
    }
}

/// The settings of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookRecord {
    /// The webhook.
    pub id: WebhookId,
    /// Where events are sent.
    pub url: String,
    /// The names of the events that are sent; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// The secret that signs. It is kept as it is, since a signature needs it.
    pub secret: WebhookSecret,
    /// The secret before the last rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousSecret>,
    /// The user who created the webhook.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// The first position to send: the first position that is visible to the user who last set the address or activated the webhook.
    #[serde(default, skip_serializing_if = "is_default")]
    pub first: Seq,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its settings last changed.
    pub updated_at: DateTime<Utc>,
}

/// A secret that was rotated. It signs for a while beside the new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: WebhookSecret,
    /// Until when it signs.
    pub until: DateTime<Utc>,
}

/// The progress of the deliveries of a session's events to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Delivery {
    /// The position up to which everything was delivered, left out, or given up.
    pub upto: Seq,
    /// Whether events are sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub state: DeliveryState,
    /// The number of attempts to deliver the next event.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempts: u32,
    /// Whether the event before was given up, and nothing was delivered since.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gave_up: bool,
    /// The earliest time of the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The last attempt that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// When an event was last delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivery_at: Option<DateTime<Utc>>,
    /// The number of dead letters.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dead_letters: u64,
    /// The number of events that were never tried, because the queue was too long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skipped: u64,
    /// Until when a process has the deliveries for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<DateTime<Utc>>,
}

/// Whether events are sent to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Events are sent.
    #[default]
    Active,
    /// Events wait, because a user paused the webhook.
    Paused,
    /// Events wait, because the receiver answered 410.
    Gone,
    /// The webhook was deleted, and the removal of its records is in progress.
    Removed,
    /// A newer version did something that this version does not know. Nothing is sent.
    #[serde(other)]
    Unknown,
}

/// An event that could not be delivered. The event itself stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterRecord {
    /// The last attempt.
    pub failure: Failure,
    /// The number of attempts.
    pub attempts: u32,
}

/// A request to retry a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The time of the request.
    pub at: DateTime<Utc>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

macro_rules! stored_as_json {
    ($($value:ty),+) => {$(
        impl StoredValue for $value {
            fn encode(&self) -> Json {
                to_json(self)
            }

            fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
                from_json(stored)
            }
        }
    )+};
}

stored_as_json!(WebhookList, Delivery, DeadLetterRecord, Replay, Endpoint, UnsentMark);
