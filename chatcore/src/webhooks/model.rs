//! What callers give, and what they get.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{WebhookSecret, stored::DeliveryState};
use crate::model::{InvalidId, Seq, SessionId, UserId, WebhookId};

/// What a webhook is created with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateWebhook {
    /// Where events are sent: an address of at most [`MAX_URL_CHARS`](super::MAX_URL_CHARS) characters, without a user name, a password and a fragment.
    pub url: String,
    /// The names of the events that are sent; empty for all.
    pub events: Vec<String>,
    /// Whether events wait until the webhook is activated.
    pub is_paused: bool,
}

/// Changes of a webhook. What is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateWebhook {
    /// As [`CreateWebhook::url`]. It counts for events that wait, too.
    pub url: Option<String>,
    /// As [`CreateWebhook::events`].
    pub events: Option<Vec<String>>,
    /// `false` lets events wait. `true` goes on with those that wait, also after the receiver answered 410, and tries the next one at once.
    pub is_active: Option<bool>,
}

/// Whether events are sent to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WebhookState {
    /// They are.
    Active,
    /// They wait, because a user said so.
    Paused,
    /// They wait, because the receiver answered 410.
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

/// Why an attempt failed.
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
    /// Why.
    pub reason: FailureReason,
    /// The status of the answer, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A webhook as users who manage the session see it, or administrators: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The session whose events are sent; `None` for a webhook of the server, which gets those of all sessions.
    pub session_id: Option<SessionId>,
    /// Where they are sent.
    pub url: String,
    /// The names of the events that are sent; empty for all.
    pub events: Vec<String>,
    /// The user who created it.
    pub created_by: UserId,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its settings last changed.
    pub updated_at: DateTime<Utc>,
    /// Whether events are sent.
    pub state: WebhookState,
    /// The deliveries.
    pub queue: Queue,
}

/// The events that wait for their delivery. They stand in the session's log, and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    /// The position up to which everything was delivered, left out, or given up. While many events are delivered, it is up to a second old.
    /// `None` for a webhook of the server, which has a position in each session.
    pub delivered_upto: Option<Seq>,
    /// How many positions of the log come after it. For a webhook of the server: in the first 1,000 sessions with events that wait.
    pub lag: u64,
    /// How often the next event was tried. For a webhook of the server: how many attempts failed since the last success.
    pub attempts: u32,
    /// Before this time nothing is tried.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The last attempt that failed.
    pub last_failure: Option<Failure>,
    /// When an event was last delivered.
    pub last_delivery_at: Option<DateTime<Utc>>,
    /// The number of events that could not be delivered and are kept as dead letters.
    pub dead_letters: u64,
    /// The number of events that were never tried, because the queue was too long.
    pub skipped: u64,
}

/// A webhook with its secret, which no other answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that signs from now on.
    pub secret: WebhookSecret,
}

/// An event that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The session.
    pub session_id: SessionId,
    /// The position of the event in the session's log, where it can be read.
    pub seq: Seq,
    /// The id of the delivery: the same in each attempt.
    pub delivery_id: String,
    /// The last attempt.
    pub failure: Failure,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether it waits for another attempt.
    pub is_requested: bool,
}

/// The place of an event in the list of the dead letters of a webhook of the server, which has those of all sessions. Opaque to clients.
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
