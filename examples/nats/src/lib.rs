//! Several processes, one chat: a [`Notifier`] over [NATS](https://nats.io).
//!
//! Processes that share one store find each other's messages by polling. With this notifier they hear of them in
//! milliseconds, and signals such as typing cross processes, which polling cannot give.
//!
//! ```no_run
//! use chatcore::{Chat, MemoryStore};
//! use nats::NatsNotifier;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let notifier = NatsNotifier::connect("nats://127.0.0.1:4222").await?;
//! // In real life a store that the processes share.
//! let chat = Chat::builder(MemoryStore::new()).notifier(notifier).build();
//! # Ok(())
//! # }
//! ```
//!
//! # What travels
//! One NATS message per hint, as JSON, on the subject `<prefix>.<session id>`, or `<prefix>.user.<user id>` with the bytes of
//! the user's id in hexadecimal digits. A hint of a session carries the committed events, so
//! that readers elsewhere need not ask the store; where they are too many bytes it carries the end of the log only. Core
//! NATS is enough: nothing is stored by it, because the log is the truth.
//!
//! # When NATS is away
//! Nobody waits for it and nothing fails. Readers in this process are told directly, not by way of NATS. Those in other
//! processes find what was committed by polling ([`Limits::poll_interval`](chatcore::Limits::poll_interval)); signals
//! to them are lost. The connection comes back by itself, and with it the subscriptions.
//!
//! # Who can read and write the subjects
//! They carry what people say, and a hint's events are believed where they go on from the log that a reader has seen: who
//! can publish on a session's subject can show its readers what was never said, in place of what was, until they read
//! the log again. So let nobody but chat processes near them: give [`ConnectOptions`] a user and password or a token,
//! and use TLS (`tls://`) where the network is not yours. A user or password within an address is ignored by the client.
//! A process needs the permission to publish and subscribe on `<prefix>.>`, and to subscribe on `_INBOX.>`; without the
//! latter, listening begins a second later.

mod losses;
mod wire;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_nats::{
    Client, Request, Subject, Subscriber, ToServerAddrs, connection::State, message::OutboundMessage, rustls,
};
pub use async_nats::{ConnectError, ConnectOptions};
use async_trait::async_trait;
use chatcore::{
    InProcessNotifier, Notifier,
    notify::{Hint, Topic},
};
use futures_util::{FutureExt, SinkExt, StreamExt, future::ready, stream, stream::BoxStream};
use losses::Losses;

/// Hints of one topic that wait for its listener; one who is further behind misses some and reads the log instead.
const WAITING: usize = 1024;

/// How long `listen` waits until the server has taken a subscription in.
const PATIENCE: Duration = Duration::from_secs(1);

/// Carries hints within this process at once, and to other processes over NATS. Clones share one connection.
#[derive(Clone)]
pub struct NatsNotifier {
    client: Client,
    here: InProcessNotifier,
    prefix: Arc<str>,
    carried_bytes: usize,
    losses: Arc<Losses>,
}

/// A prefix that no subject can begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPrefix(String);

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot begin a subject: it must be words of letters, digits, '-' and '_', between dots", self.0)
    }
}

impl Error for InvalidPrefix {}

impl fmt::Debug for NatsNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsNotifier")
            .field("prefix", &self.prefix)
            .field("carried_bytes", &self.carried_bytes)
            .field("state", &self.client.connection_state())
            .finish_non_exhaustive()
    }
}

impl NatsNotifier {
    /// The first part of the subjects, unless another is given.
    pub const PREFIX: &str = "chatcore";

    /// The most bytes of a hint with events, unless another number is given: 64 KiB.
    pub const CARRIED_BYTES: usize = 64 * 1024;

    /// Connects to a server, or to one of several.
    ///
    /// # Errors
    /// When none of them can be reached now. Afterwards a lost connection is made again without end.
    pub async fn connect(servers: impl ToServerAddrs) -> Result<Self, ConnectError> {
        Self::connect_with(servers, ConnectOptions::new()).await
    }

    /// Connects with options: who one is, TLS, how long to try. With
    /// [`retry_on_initial_connect`](ConnectOptions::retry_on_initial_connect) it returns at once, and a program can
    /// start before its NATS server does.
    ///
    /// For TLS, the program's default provider of cryptography is the one of aws-lc from here on, unless it has one.
    ///
    /// Two options are always set by this: a process does not hear its own messages, and the number of them that may
    /// wait for a listener.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and when the options do not fit each other.
    pub async fn connect_with(servers: impl ToServerAddrs, options: ConnectOptions) -> Result<Self, ConnectError> {
        // The client panics at `tls://` where a program's libraries bring several providers of cryptography and nobody chose
        // one. This changes nothing where somebody did.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = options.no_echo().subscription_capacity(WAITING).connect(servers).await?;
        Ok(Self {
            client,
            here: InProcessNotifier::new(),
            prefix: Self::PREFIX.into(),
            carried_bytes: Self::CARRIED_BYTES,
            losses: Arc::default(),
        })
    }

    /// Uses another prefix, so that several chats can share one NATS. All processes of one chat need the same.
    ///
    /// # Errors
    /// [`InvalidPrefix`] unless it is one or more words of ASCII letters, digits, `-` and `_`, with dots between them.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, InvalidPrefix> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !prefix.split('.').all(|word| !word.is_empty() && word.chars().all(is_plain)) {
            return Err(InvalidPrefix(prefix.to_owned()));
        }
        self.prefix = prefix.into();
        Ok(self)
    }

    /// Lets hints carry their events up to so many bytes of JSON each. 0 for never: listeners then read the log at every
    /// hint, and NATS sees nothing of what people say. What the server takes in one message is a bound in any case.
    #[must_use]
    pub const fn carried_bytes(mut self, most: usize) -> Self {
        self.carried_bytes = most;
        self
    }

    fn subject(&self, topic: &Topic) -> Subject {
        match topic {
            Topic::Session(session_id) => format!("{}.{session_id}", self.prefix).into(),
            // In hexadecimal digits, since a dot, a space or a wildcard means something in a subject.
            Topic::User(user_id) => {
                let digits: String = user_id.as_str().bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("{}.user.{digits}", self.prefix).into()
            }
            Topic::Everybody => format!("{}.everybody", self.prefix).into(),
        }
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Hands a hint to the connection, or fails at once.
    fn send(&self, hint: &Hint) -> Result<(), Box<dyn Error + Send + Sync>> {
        // What is handed over now would arrive when the connection is back, and be old news.
        if !self.is_connected() {
            return Err("not connected to NATS".into());
        }
        let payload = wire::encode(hint, self.carried_bytes.min(self.client.max_payload()))?.into();
        let message = OutboundMessage { subject: self.subject(&hint.topic()), reply: None, payload, headers: None };
        // The client's own `publish` waits while its queue is full, that is, for as long as the server takes nothing. Polled
        // once this fails instead; unconstrained, since a task that has used its turn up would be told "full" as well.
        let mut client = self.client.clone();
        match tokio::task::unconstrained(client.feed(message)).now_or_never() {
            Some(sent) => Ok(sent?),
            None => Err("NATS takes nothing at the moment".into()),
        }
    }

    /// What other processes publish on a topic.
    async fn elsewhere(&self, topic: Topic) -> BoxStream<'static, Hint> {
        let (client, subject) = (self.client.clone(), self.subject(&topic));
        let asked = subject.clone();
        let mut subscribing = async move { client.subscribe(asked).await }.boxed();
        let patience = if self.is_connected() { PATIENCE } else { Duration::ZERO };
        let messages = match tokio::time::timeout(patience, &mut subscribing).await {
            Ok(Ok(subscriber)) => {
                self.taken_in(&subject).await;
                subscriber.boxed()
            }
            Ok(Err(error)) => {
                tracing::warn!(%subject, %error, "hears no other process");
                stream::empty().boxed()
            }
            // The client's queue is full. The subscription is made when there is room, by whoever reads the stream.
            Err(_) => stream::once(subscribing).filter_map(|made| ready(made.ok())).flat_map(Subscriber::boxed).boxed(),
        };
        let hints = messages.filter_map(move |message| {
            let hint = wire::decode(&topic, &message.payload).inspect_err(|error| {
                tracing::debug!(?topic, %error, "a message that is no hint");
            });
            ready(hint.ok())
        });
        hints.boxed()
    }

    /// Waits until the server has taken in what the client asked for so far, but not for long.
    ///
    /// A flush would only say that it was written to the socket. A server answers a request that nobody serves at
    /// once, and works off one connection in order.
    async fn taken_in(&self, subject: &Subject) {
        if self.is_connected() {
            let request = Request::new().inbox(self.client.new_inbox()).timeout(Some(PATIENCE));
            // No matter what the answer is, and without one hints begin a moment later.
            let _ = self.client.send_request(format!("{subject}.nobody"), request).await;
        }
    }
}

#[async_trait]
impl Notifier for NatsNotifier {
    async fn publish(&self, hint: Hint) {
        self.here.publish(hint.clone()).await;
        if let Err(reason) = self.send(&hint) {
            self.losses.note(&reason);
        }
    }

    /// Does not end: what this process publishes goes on to be heard when NATS is gone for good.
    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        let here = self.here.listen(topic.clone()).await;
        let elsewhere = self.elsewhere(topic).await;
        stream::select(here, elsewhere).boxed()
    }
}
