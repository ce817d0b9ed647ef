//! The transport of deliveries.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::FailureReason;

/// A delivery: a `POST` with the headers of Standard Webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    /// The receiver.
    pub url: String,
    /// The header `webhook-id`: the same in each attempt.
    pub id: String,
    /// The header `webhook-timestamp`: when this attempt began, in seconds since the Unix epoch.
    pub timestamp: i64,
    /// The header `webhook-signature`: a signature by each secret, with a space between them.
    pub signature: String,
    /// The event, in JSON.
    pub body: Vec<u8>,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The receiver answered.
    Answered {
        /// The status.
        status: u16,
        /// The pause that the receiver requests.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    Failed(FailureReason),
}

/// Sends deliveries. [`HttpSender`](super::HttpSender) sends deliveries over the network.
///
/// # Contract
/// A sender makes each attempt once: the worker retries. A sender follows no redirect. The worker drops an attempt that takes longer than
/// [`WebhookOptions::timeout`](super::WebhookOptions::timeout).
#[async_trait]
pub trait WebhookSender: Send + Sync + 'static {
    /// Makes one attempt.
    async fn send(&self, request: WebhookRequest) -> Sent;
}

#[async_trait]
impl<S: WebhookSender + ?Sized> WebhookSender for Arc<S> {
    async fn send(&self, request: WebhookRequest) -> Sent {
        (**self).send(request).await
    }
}
