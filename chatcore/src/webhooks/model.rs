//! The inputs and outputs of the webhooks.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{WebhookSecret, stored::DeliveryState};
use crate::model::{InvalidId, Seq, SessionId, UserId, WebhookId};

/// The settings of a new webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateWebhook {
    /// The receiver of the events: an address of at most [`MAX_URL_CHARS`](super::MAX_URL_CHARS) characters, without a user name, a
    /// password and a fragment.
    pub url: String,
    /// The names of the events that are sent; empty for all.
    pub events: Vec<String>,
    /// Whether events wait until the webhook is activated.
    pub is_paused: bool,
}

/// Changes of a webhook. A field with `None` does not change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateWebhook {
    /// As [`CreateWebhook::url`]. The new address also applies to events that wait.
    pub url: Option<String>,
    /// As [`CreateWebhook::events`].
    pub events: Option<Vec<String>>,
    /// `false` lets events wait. `true` resumes the deliveries, also after the receiver answered 410, and tries the next event at once.
    pub is_active: Option<bool>,
}

/// Whether events are sent to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WebhookState {
    /// Events are sent.
    Active,
    /// Events wait, because a user paused the webhook.
    Paused,
    /// Events wait, because the receiver answered 410.
    Gone,
}

impl From<DeliveryState> for WebhookState {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Active => Self::Active,
            DeliveryState::Gone => Self::Gone,
            // Of the last two nothing is sent either.
            DeliveryState::Paused | DeliveryState::Removed | DeliveryState::Unknown => Self::Paused,
        }
    }
}

/// The reason of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureReason {
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
    #[serde(other)]
    Unknown,
}

/// An attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The reason.
    pub reason: FailureReason,
    /// The status of the answer, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The time of the attempt.
    pub at: DateTime<Utc>,
}

/// A webhook without its secret, for users who manage the session, or for administrators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The id.
    pub id: WebhookId,
    /// The session whose events are sent; `None` for a webhook of the server, which receives the events of all sessions.
    pub session_id: Option<SessionId>,
    /// The receiver of the events.
    pub url: String,
    /// The names of the events that are sent; empty for all.
    pub events: Vec<String>,
    /// The user who created the webhook.
    pub created_by: UserId,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change of the settings.
    pub updated_at: DateTime<Utc>,
    /// Whether events are sent.
    pub state: WebhookState,
    /// The deliveries.
    pub queue: Queue,
}

/// The events that wait for their delivery. Only the session's log contains these events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    /// The position up to which every event was delivered, left out, or given up. During many deliveries, the value is up to a second old.
    /// `None` for a webhook of the server, which has a position in each session.
    pub delivered_upto: Option<Seq>,
    /// The number of log positions after `delivered_upto`. For a webhook of the server: in the first 1,000 sessions with events that wait.
    pub lag: u64,
    /// The number of attempts to deliver the next event. For a webhook of the server: the number of failed first attempts since the last success.
    pub attempts: u32,
    /// The earliest time of the next attempt.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The last attempt that failed.
    pub last_failure: Option<Failure>,
    /// The time of the last delivery.
    pub last_delivery_at: Option<DateTime<Utc>>,
    /// The number of events that could not be delivered and are kept as dead letters.
    pub dead_letters: u64,
    /// The number of events that were never tried, because the queue was too long.
    pub skipped: u64,
}

/// A webhook with its secret. Only this answer contains the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that signs from now on.
    pub secret: WebhookSecret,
}

/// A dead letter: an event that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The session.
    pub session_id: SessionId,
    /// The position of the event in the session's log, which has the event.
    pub seq: Seq,
    /// The id of the delivery: the same in each attempt.
    pub delivery_id: String,
    /// The last attempt.
    pub failure: Failure,
    /// The number of attempts.
    pub attempts: u32,
    /// Whether the event waits for a retry.
    pub is_requested: bool,
}

/// The place of an event in the list of the dead letters of a webhook of the server, which has the dead letters of all sessions. Opaque to
/// clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeadLetterPlace {
    /// The session.
    pub session_id: SessionId,
    /// The position of the event in the session's log.
    pub seq: Seq,
}

impl fmt::Display for DeadLetterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.session_id, self.seq)
    }
}

impl FromStr for DeadLetterPlace {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid =
            || InvalidId { kind: "place in a list of dead letters", expected: "a place as the server gave it out" };
        let (session, seq) = text.split_once(':').ok_or_else(invalid)?;
        let place =
            Self { session_id: session.parse().map_err(|_| invalid())?, seq: seq.parse().map_err(|_| invalid())? };
        // One spelling for one place.
        if place.to_string() == text { Ok(place) } else { Err(invalid()) }
    }
}
