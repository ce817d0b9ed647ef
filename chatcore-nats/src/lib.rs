//! Several processes, one chat: a [`Notifier`] over [NATS](https://nats.io).
//!
//! Processes that share one store find each other's messages by polling. With this notifier they hear of them in
//! milliseconds, and signals such as typing cross processes, which polling cannot give.
//!
//! ```no_run
//! use chatcore::{Chat, MemoryStore};
//! use chatcore_nats::{NatsLogin, NatsNotifier, NatsOptions};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let login = NatsLogin::Password { user: "chat".to_owned(), password: std::env::var("NATS_PASSWORD")? };
//! let options = NatsOptions { login, ..NatsOptions::at(["tls://nats-1:4222", "tls://nats-2:4222"]) };
//! let notifier = NatsNotifier::open(options).await?;
//! // In real life a store that the processes share.
//! let chat = Chat::builder(MemoryStore::new()).notifier(notifier).build();
//! # Ok(())
//! # }
//! ```
//!
//! # What travels
//! One NATS message per hint, as JSON, on the subject `<prefix>.<session id>`, `<prefix>.user.<user id>` with the bytes of
//! the user's id in hexadecimal digits, `<prefix>.standings`, `<prefix>.presence` or `<prefix>.everybody`. A hint of a session carries the committed events, so
//! that readers elsewhere need not ask the store. Where a hint with its events is longer than [`NatsOptions::carried_bytes`], or than the server
//! takes in one message (`max_payload`, 1 MiB unless the server says otherwise), the hint goes without events, and readers elsewhere
//! read the log. A hint that is too long without events, too, is lost. Core NATS is enough: nothing is stored by it, because the log is
//! the truth.
//!
//! # When NATS is away
//! Nobody waits for it and nothing fails. Readers in this process are told directly, not by way of NATS. Those in other
//! processes find what was committed by polling ([`Limits::poll_interval`](chatcore::Limits::poll_interval)); signals
//! to them are lost. The connection comes back by itself, with pauses that grow ([`NatsOptions::pauses`]), and with it the subscriptions.
//! A process can start before its NATS server does.
//!
//! # Bounds
//! Hints that wait to be sent are bounded by [`NatsOptions::outgoing`]; hints that wait for one listener by 1,024. Further hints are
//! lost. Lost hints are counted ([`NatsNotifier::lost`]) and logged, a line in ten seconds. A message of more than 8 MiB is not read.
//!
//! # Who can read and write the subjects
//! They carry what people say, and a hint's events are believed where they go on from the log that a reader has seen: who
//! can publish on a session's subject can show its readers what was never said, in place of what was, until they read
//! the log again. So let nobody but chat processes near them: give each process a [login](NatsLogin), and encrypt connections
//! ([`NatsTls`]) where the network is not yours. A process needs the permission to publish and subscribe on `<prefix>.>`, and to subscribe on
//! `_INBOX.>`; without the latter, listening begins a second later.
//!
//! What is no hint (no JSON, of another version of this crate's form, of another topic, too long) is passed over.

mod losses;
mod options;
mod told;
mod wire;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectErrorKind, Request, Subject, Subscriber, ToServerAddrs, connection::State, message::OutboundMessage,
    rustls,
};
pub use async_nats::{ConnectError, ConnectOptions};
use async_trait::async_trait;
use chatcore::{
    InProcessNotifier, Notifier,
    notify::{Hint, Topic},
};
use futures_util::{FutureExt, SinkExt, StreamExt, future::ready, stream, stream::BoxStream};
use losses::Losses;
pub use options::{NatsError, NatsLogin, NatsOptions, NatsTls};

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

fn check_prefix(prefix: &str) -> Result<(), InvalidPrefix> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_word = |word: &str| !word.is_empty() && word.chars().all(is_plain);
    if prefix.split('.').all(is_word) { Ok(()) } else { Err(InvalidPrefix(prefix.to_owned())) }
}

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

    /// Connects as the options say.
    ///
    /// Where no server can be reached now, or the servers refuse the login, a warning is logged and the notifier works without NATS until one can, unless
    /// the options [require](NatsOptions::required) a connection.
    ///
    /// For TLS, the program's default provider of cryptography is the one of aws-lc from here on, unless it has one.
    ///
    /// # Errors
    /// [`NatsError`]: options that cannot be used, and where a connection is required, why there is none.
    pub async fn open(options: NatsOptions) -> Result<Self, NatsError> {
        options.check()?;
        let (addresses, connect_options) = (options.addresses()?, options.connect_options()?);
        let first = Self::connect_with(&addresses[..], connect_options.clone());
        let first = match tokio::time::timeout(options.patience, first).await {
            Ok(first) => first,
            Err(_) => Err(ConnectErrorKind::TimedOut.into()),
        };
        let notifier = match first {
            Ok(notifier) => notifier,
            Err(source) => {
                let reason = options.reason(&source);
                if options.required {
                    return Err(NatsError::Connect { reason, source });
                }
                tracing::warn!(
                    error = &source as &dyn Error,
                    "{reason}; until it can be used, other processes' messages are found by polling, and signals stay within a process"
                );
                let retrying = connect_options.retry_on_initial_connect();
                let again = Self::connect_with(&addresses[..], retrying).await;
                again.map_err(|source| NatsError::Connect { reason: options.reason(&source), source })?
            }
        };
        Ok(notifier.prefix(&options.prefix)?.carried_bytes(options.carried_bytes))
    }

    /// Connects to a server, or to one of several.
    ///
    /// # Errors
    /// When none of them can be reached now. Afterwards a lost connection is made again without end.
    pub async fn connect(servers: impl ToServerAddrs) -> Result<Self, ConnectError> {
        Self::connect_with(servers, ConnectOptions::new()).await
    }

    /// Connects with options of the client. [`open`](Self::open) has the options that a chat needs. With
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
        check_prefix(prefix)?;
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
            Topic::Standings => format!("{}.standings", self.prefix).into(),
            Topic::Everybody => format!("{}.everybody", self.prefix).into(),
            Topic::Presence => format!("{}.presence", self.prefix).into(),
        }
    }

    /// Whether there is a connection to a server now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// How many hints did not go out since the notifier was made.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.losses.total()
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
