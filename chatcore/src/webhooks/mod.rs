//! Webhooks: the events of a session, sent to another system over HTTP by the specification [Standard
//! Webhooks](https://www.standardwebhooks.com).
//!
//! Every use case is a method of one cloneable handle, [`Webhooks`], and takes the calling [`Principal`](crate::Principal) first. The users
//! who manage a session create its webhooks ([`Action::ManageWebhooks`](crate::permission::Action::ManageWebhooks)). A webhook belongs to
//! the session: the webhook stays when its creator leaves.
//!
//! **The log is the queue.** A send writes nothing for a webhook. Each webhook has one record with the position of the session's log up to
//! which all events are delivered. A [worker](Webhooks::start) in each process sees the commits of its own process at once. A sweep every
//! [`sweep_interval`](WebhookOptions::sweep_interval) finds other commits: of a process without a worker, and of a process that ended. A
//! process leases the record before a delivery, so one process delivers at a time. After the expiry of the lease another process continues.
//!
//! **At least once, in order.** The events of a session come in the order of their positions. The worker retries an event until the
//! receiver has answered 2xx, also after the end of a process, and always with the same id. An edited or deleted event is sent in its
//! current state, so a deleted text is no longer sent.
//!
//! **Webhooks of the server** receive the events of all sessions. Administrators create them (`Webhooks::create_for_server`, with the
//! feature `admin`). With such a webhook, each change of a session's log also writes a mark for the session, by which a worker finds the
//! sessions with events to deliver. Each session has its own order and its own queue. For a failing receiver, the worker tries one event of
//! one session at a time, with the same backoff, and all sessions wait; a single event that fails blocks only its own session, since only
//! the first failure of an event prolongs the backoff of all sessions. Every process that writes to the store needs a worker; otherwise its
//! events are delivered with the next event of their session.
//!
//! **Failures.** Any other answer, and no answer within [`timeout`](WebhookOptions::timeout), is a failure. The worker retries the event
//! after [`retry_delays`](WebhookOptions::retry_delays), and later events wait. After the last attempt the event becomes a dead letter, and
//! the queue continues. Later events get one attempt each until a delivery succeeds. The status 410 stops the webhook until a user
//! activates it.
//!
//! ```
//! use chatcore::chat::CreateSession;
//! use chatcore::model::UserId;
//! use chatcore::webhooks::{CreateWebhook, HttpSender, WebhookOptions};
//! use chatcore::{Chat, Principal, Webhooks};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let chat = Chat::in_memory();
//!     let alice = Principal::new(UserId::new("alice")?);
//!     let session = chat.create_session(&alice, CreateSession::titled("Lobby")).await?.summary.session.id;
//!
//!     let options = WebhookOptions::default();
//!     let sender = HttpSender::new(&options)?;
//!     let webhooks = Webhooks::new(chat, options);
//!     let worker = webhooks.start(sender);
//!
//!     let url = "https://example.com/chat".to_owned();
//!     let events = vec!["message_received".to_owned()];
//!     let created = webhooks.create(&alice, session, CreateWebhook { url, events, is_paused: false }).await?;
//!     assert!(created.secret.as_str().starts_with("whsec_"));
//!     worker.stop().await;
//!     Ok(())
//! }
//! ```

mod address;
mod dead;
mod deliver;
mod endpoint;
mod endpoints;
mod http;
#[cfg(feature = "metrics")]
mod measured;
mod model;
mod secret;
mod sender;
#[cfg(feature = "admin")]
mod server;
mod stored;
mod sweep;
mod target;
mod worker;

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
pub use http::{HttpSender, NoHttpClient};
pub use ipnet::IpNet;
pub use model::{
    CreateWebhook, CreatedWebhook, DeadLetter, DeadLetterPlace, Failure, FailureReason, Queue, UpdateWebhook, Webhook,
    WebhookState,
};
pub use secret::WebhookSecret;
pub use sender::{Sent, WebhookRequest, WebhookSender};
pub use stored::*;
pub(crate) use target::Marker;
pub use worker::WebhookWorker;

use crate::{Chat, store::ChatStore};
use address::AddressRules;

/// Maximum number of webhooks of a session.
pub const MAX_WEBHOOKS: usize = 10;

/// Maximum number of webhooks of the server.
pub const MAX_SERVER_WEBHOOKS: usize = 10;

/// Maximum length of the address of a webhook, in characters.
pub const MAX_URL_CHARS: usize = 2_000;

/// The backoff before each retry, as Standard Webhooks proposes: about three days in total.
pub const RETRY_DELAYS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(10 * 3_600),
    Duration::from_secs(14 * 3_600),
    Duration::from_secs(20 * 3_600),
    Duration::from_secs(24 * 3_600),
];

/// The options of webhooks. All processes of one store have the same options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOptions {
    /// Whether addresses with `http` are accepted beside those with `https`. Default: no.
    pub allow_http: bool,
    /// Allowed networks that are not public, for receivers in the server's own network. Default: none.
    pub allowed_networks: Vec<IpNet>,
    /// Timeout of an attempt. Default: 15 s. Another process takes over the deliveries of an ended process after four times this timeout,
    /// so the clocks of all processes must agree to within this time.
    pub timeout: Duration,
    /// The backoff before each retry, with a random jitter of up to a fifth. Default: [`RETRY_DELAYS`]. Without delays, an event gets one
    /// attempt.
    pub retry_delays: Vec<Duration>,
    /// Maximum pause from a receiver's `Retry-After`, where that pause is longer than the backoff. Default: a day.
    pub retry_after_max: Duration,
    /// Maximum number of concurrent attempts of a process. At most 8 of them are for webhooks of sessions that one user created, and
    /// [`server_concurrency`](Self::server_concurrency), up to half of the number, are kept for webhooks of the server. Default: 256.
    pub concurrency: usize,
    /// Maximum number of concurrent attempts for one webhook of the server, each for another session. Default: 32.
    pub server_concurrency: usize,
    /// Interval at which a process looks for missed events and due attempts. A sweep costs two reads for each 200 webhooks. Default: 5 s.
    pub sweep_interval: Duration,
    /// Maximum length of the queue of a webhook, in positions of the log. Older events are never tried. These events stay in the log, and
    /// [`Queue::skipped`] counts these events. Default: 100,000.
    pub queue_max: u64,
    /// Maximum number of dead letters of a webhook. A further dead letter evicts the dead letter with the lowest position. Default: 1,000.
    pub dead_letters_max: u64,
    /// Time for which the previous secret signs after a rotation. Default: a day.
    pub rotation_overlap: Duration,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            allow_http: false,
            allowed_networks: Vec::new(),
            timeout: Duration::from_secs(15),
            retry_delays: RETRY_DELAYS.to_vec(),
            retry_after_max: Duration::from_secs(24 * 3_600),
            concurrency: 256,
            server_concurrency: 32,
            sweep_interval: Duration::from_secs(5),
            queue_max: 100_000,
            dead_letters_max: 1_000,
            rotation_overlap: Duration::from_secs(24 * 3_600),
        }
    }
}

impl WebhookOptions {
    fn rules(&self) -> AddressRules {
        AddressRules { allowed: self.allowed_networks.clone(), allows_http: self.allow_http }
    }

    /// A pause with its share of chance, or the longer one that the receiver asks for.
    fn pause(&self, pause: Duration, retry_after: Option<Duration>) -> TimeDelta {
        let by_turn = pause.mul_f64(0.8 + 0.4 * f64::from(rand::random::<u16>()) / f64::from(u16::MAX));
        let asked = retry_after.map(|asked| asked.min(self.retry_after_max));
        delta(asked.map_or(by_turn, |asked| asked.max(by_turn)))
    }

    /// How long a process has the deliveries of a webhook for itself.
    fn lease(&self) -> Duration {
        self.timeout.saturating_mul(4)
    }
}

/// A duration as a difference of times. One that is too long is a century.
fn delta(duration: Duration) -> TimeDelta {
    const CENTURY: TimeDelta = TimeDelta::days(36_525);
    TimeDelta::from_std(duration).unwrap_or(CENTURY).min(CENTURY)
}

/// The webhooks: one handle for every use case, cheap to clone.
///
/// All use cases fail with the one [`Error`](crate::Error): [`Denied`](crate::Error::Denied) for a caller who does not manage the session.
/// If the future of a method is dropped, its use case is executed completely or not at all.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    chat: Chat,
    options: WebhookOptions,
    #[cfg(feature = "metrics")]
    measured: measured::Measured,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Webhooks {
    /// The webhooks of a chat. Nothing is delivered before [`start`](Self::start).
    #[must_use]
    pub fn new(chat: Chat, options: WebhookOptions) -> Self {
        let inner = Inner {
            chat,
            options,
            #[cfg(feature = "metrics")]
            measured: measured::Measured::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The chat of the webhooks.
    #[must_use]
    pub fn chat(&self) -> &Chat {
        &self.inner.chat
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &WebhookOptions {
        &self.inner.options
    }

    fn store(&self) -> &Arc<dyn ChatStore> {
        self.inner.chat.store()
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.chat.now()
    }
}
