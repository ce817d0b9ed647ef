//! Deliveries over HTTP.

use std::{error::Error as _, fmt, net::SocketAddr, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::{
    Client, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::RETRY_AFTER,
    redirect::Policy,
};
use tokio::{net::lookup_host, time::timeout};

use super::{FailureReason, Sent, WebhookOptions, WebhookRequest, WebhookSender, address::AddressRules};

/// How much of an answer is read, so that its connection can be used again. Nothing of it is kept.
const ANSWER_BYTES: usize = 16 * 1024;

/// How long the rest of an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// How long a connection without a request is kept for the next event; it is closed at most as long after that. Users choose the hosts, so the
/// number of hosts has no bound, and this time bounds the number of connections.
const IDLE: Duration = Duration::from_secs(1);

/// Sends deliveries over HTTP.
///
/// The sender resolves names itself, checks every resolved address, and connects only to these addresses. A name with one forbidden address
/// is refused completely. The sender follows no redirect, uses no proxy, and sends no cookie.
#[derive(Debug, Clone)]
pub struct HttpSender {
    client: Client,
    rules: AddressRules,
}

/// The setup of the HTTP client failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no HTTP client: {0}")]
pub struct NoHttpClient(String);

impl HttpSender {
    /// A sender with these options.
    ///
    /// # Errors
    /// [`NoHttpClient`], for instance where the system has no certificates of authorities.
    pub fn new(options: &WebhookOptions) -> Result<Self, NoHttpClient> {
        let rules = options.rules();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(options.timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(4)
            .https_only(!rules.allows_http)
            .user_agent(concat!("chatcore/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Checked { rules: rules.clone() })
            .build()
            .map_err(|error| NoHttpClient(error.to_string()))?;
        Ok(Self { client, rules })
    }
}

#[async_trait]
impl WebhookSender for HttpSender {
    async fn send(&self, request: WebhookRequest) -> Sent {
        let WebhookRequest { url, id, timestamp, signature, body } = request;
        let Ok(url) = url.parse::<Url>() else { return Sent::Failed(FailureReason::ConnectionFailed) };
        // A client resolves no address that is written as one, so it is checked here.
        if self.rules.check(&url).is_err() {
            return Sent::Failed(FailureReason::AddressRefused);
        }
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(response) => answered(response).await,
            Err(error) => Sent::Failed(reason(&error)),
        }
    }
}

/// Why a request has no answer.
fn reason(error: &reqwest::Error) -> FailureReason {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<AddressRefused>() {
            return FailureReason::AddressRefused;
        }
        cause = error.source();
    }
    if error.is_timeout() {
        FailureReason::Timeout
    } else if error.is_connect() {
        FailureReason::ConnectionFailed
    } else {
        FailureReason::InvalidResponse
    }
}

async fn answered(mut response: Response) -> Sent {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(pause);
    let rest = async {
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > ANSWER_BYTES {
                break;
            }
        }
    };
    // The status says everything, whatever comes of the rest.
    let _ = timeout(ANSWER_TIME, rest).await;
    Sent::Answered { status, retry_after }
}

/// The value of `Retry-After`: seconds, or a time (RFC 9110, section 10.2.3).
fn pause(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = DateTime::parse_from_rfc2822(value.trim()).ok()?;
    (time.to_utc() - Utc::now()).to_std().ok()
}

/// Resolves names, and lets through only names all of whose addresses may be sent to.
struct Checked {
    rules: AddressRules,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.rules.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            if !rules.allows_all(&found) {
                return Err(AddressRefused.into());
            }
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

/// A name leads to an address to which nothing is sent.
#[derive(Debug)]
struct AddressRefused;

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to an address that is not public")
    }
}

impl std::error::Error for AddressRefused {}
