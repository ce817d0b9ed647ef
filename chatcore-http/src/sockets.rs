//! Long-lived connections.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[cfg(feature = "metrics")]
use chatcore::metrics::{CONNECTIONS, CONNECTIONS_LIMIT, Gauge, Raised};
use chatcore::{Error, Limits, Result, model::UserId};
use tokio::time::timeout;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    ClientAddress, End, EventQueue, Expiry, Options, Outbox,
    counts::{Counted, Counts},
    sweep::Sweep,
};

/// How long they may take to close at the end.
const CLOSING_TIME: Duration = Duration::from_secs(4);

/// The kind of a long-lived connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A WebSocket with the chat's own frames.
    WebSocket,
    /// A stream of server-sent events.
    EventStream,
    /// A request that waits for events.
    LongPoll,
    /// A WebSocket of GraphQL.
    GraphqlSocket,
    /// A stream of server-sent events of GraphQL.
    GraphqlStream,
}

#[cfg(feature = "metrics")]
impl Transport {
    const ALL: [Self; 5] =
        [Self::WebSocket, Self::EventStream, Self::LongPoll, Self::GraphqlSocket, Self::GraphqlStream];

    const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventStream => "event_stream",
            Self::LongPoll => "long_poll",
            Self::GraphqlSocket => "graphql_socket",
            Self::GraphqlStream => "graphql_stream",
        }
    }
}

/// The registry of a server's WebSockets and event streams: the registry counts the connections, and ends the connections at the end of the
/// server. The value is a handle: clones share the registry, and frontends with clones of one registry count against the same limits.
#[derive(Clone)]
pub struct Sockets(Arc<Shared>);

struct Shared {
    options: Options,
    /// The most bytes that a request needs, as the frontends' chats say; 0 where none has said so.
    needed: AtomicUsize,
    open: TaskTracker,
    unknown: TaskTracker,
    stopping: CancellationToken,
    per_user: Counts<UserId>,
    requests: Counts<UserId>,
    unknown_per_address: Counts<ClientAddress>,
    sweep: Arc<Sweep>,
    /// In the order of [`Transport::ALL`].
    #[cfg(feature = "metrics")]
    connections: [Gauge; Transport::ALL.len()],
    #[cfg(feature = "metrics")]
    _limit: Raised,
}

impl Default for Sockets {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("options", self.options()).field("open", &self.open()).finish_non_exhaustive()
    }
}

impl Sockets {
    /// A registry with these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        #[cfg(feature = "metrics")]
        let limit = Raised::by(&CONNECTIONS_LIMIT.handle(), options.sockets);
        Self(Arc::new(Shared {
            options,
            needed: AtomicUsize::new(0),
            open: TaskTracker::new(),
            unknown: TaskTracker::new(),
            stopping: CancellationToken::new(),
            per_user: Counts::default(),
            requests: Counts::default(),
            unknown_per_address: Counts::default(),
            sweep: Arc::default(),
            #[cfg(feature = "metrics")]
            connections: Transport::ALL.map(|transport| CONNECTIONS.with([transport.name()])),
            #[cfg(feature = "metrics")]
            _limit: limit,
        }))
    }

    /// The options of all frontends that share the registry.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Sets the default sizes from the limits of the chat that a frontend serves. With several chats, the chat with the longest requests
    /// counts.
    pub fn fit(&self, limits: &Limits) {
        self.0.needed.fetch_max(limits.request_bytes(), Ordering::Relaxed);
    }

    /// Maximum size of the body of a request, in bytes: [`Options::body_bytes`], or the size from the chat's limits.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.or_needed(self.options().body_bytes)
    }

    /// Maximum size of a message on a WebSocket, in bytes: [`Options::frame_bytes`], or the size from the chat's limits.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.or_needed(self.options().frame_bytes)
    }

    fn or_needed(&self, chosen: usize) -> usize {
        match (chosen, self.0.needed.load(Ordering::Relaxed)) {
            (0, 0) => Limits::default().request_bytes(),
            (0, needed) => needed,
            (chosen, _) => chosen,
        }
    }

    pub(crate) fn requests(&self) -> &Counts<UserId> {
        &self.0.requests
    }

    /// The number of open connections.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.len()
    }

    /// Takes a place for one more connection, within [`Options::sockets`].
    ///
    /// # Errors
    /// [`TooManyConnections`](Error::TooManyConnections), and [`Unavailable`](Error::Unavailable) after the start of the shutdown.
    pub fn take(&self, transport: Transport) -> Result<Place> {
        if self.0.stopping.is_cancelled() {
            return Err(Error::Unavailable);
        }
        let place = place(&self.0.open, self.options().sockets)?;
        #[cfg(feature = "metrics")]
        return Ok(Place { _open: self.0.connections.get(transport as usize).map(Raised::by_one), ..place });
        #[cfg(not(feature = "metrics"))]
        {
            let _ = transport;
            Ok(place)
        }
    }

    /// Takes a place for one more connection without a user, within [`Options::unknown_sockets`] and, where the client's address is known,
    /// within [`Options::unknown_sockets_per_address`]. The place is additional to the place of [`take`](Self::take). Drop the place after
    /// the authentication of the client, or after the end of the connection.
    ///
    /// # Errors
    /// [`TooManyConnections`](Error::TooManyConnections).
    pub fn take_unknown(&self, address: Option<ClientAddress>) -> Result<UnknownPlace> {
        let options = self.options();
        let of_address = match address {
            Some(address) => {
                let place = self.0.unknown_per_address.take(&address, options.unknown_sockets_per_address);
                Some(place.ok_or(Error::TooManyConnections)?)
            }
            None => None,
        };
        let of_all = place(&self.0.unknown, options.unknown_sockets)?;
        Ok(UnknownPlace { of_all: Some(of_all), _of_address: of_address })
    }

    /// Takes a place for one more connection of this user, within [`Options::sockets_per_user`]. The place is additional to the place of
    /// [`take`](Self::take).
    ///
    /// # Errors
    /// [`TooManyConnections`](Error::TooManyConnections).
    pub fn take_for(&self, user: &UserId) -> Result<UserPlace> {
        let place = self.0.per_user.take(user, self.options().sockets_per_user).ok_or(Error::TooManyConnections)?;
        Ok(UserPlace { _place: place })
    }

    /// Keeps an open WebSocket from now on, without its own timer or task: pings the WebSocket at [`Options::ping_interval`],
    /// [ends](Outbox::ended) the WebSocket with 4408 without a pong within [`Options::pong_time`] or without an accepted write for
    /// [`Options::write_time`], and ends the WebSocket at `expiry` with the given end. One task keeps all sockets, with a delay of at most
    /// a quarter of a second.
    pub fn keep(&self, outbox: &Outbox, expiry: Option<(Expiry, End)>) {
        outbox.live(self.options(), expiry);
        self.0.sweep.add(&outbox.kept(), self.options());
    }

    /// The queue of an event stream. The registry keeps the stream from now on, without its own timer or task. See
    /// [`EventBody`](crate::EventBody).
    #[must_use]
    pub fn event_queue(&self, expiry: Option<Expiry>) -> EventQueue {
        let queue = EventQueue::new(expiry);
        self.0.sweep.add(&queue.kept(), self.options());
        queue
    }

    /// Completes at the end of the server: a WebSocket then closes with 1001, and a stream ends.
    pub async fn stopping(&self) {
        self.0.stopping.cancelled().await;
    }

    /// Refuses new connections, ends all open connections, and waits until the connections are closed, for at most four seconds.
    pub async fn close(&self) {
        self.0.stopping.cancel();
        self.0.open.close();
        if timeout(CLOSING_TIME, self.0.open.wait()).await.is_err() {
            tracing::warn!(open = self.open(), "sockets were cut at the end");
        }
    }
}

fn place(tracker: &TaskTracker, limit: usize) -> Result<Place> {
    // Taken before it is counted, so that of many at once none slips past the limit.
    let place = Place {
        _token: tracker.token(),
        #[cfg(feature = "metrics")]
        _open: None,
    };
    if tracker.len() > limit { Err(Error::TooManyConnections) } else { Ok(place) }
}

/// The place of an open connection. A drop releases the place.
#[derive(Debug)]
pub struct Place {
    _token: TaskTrackerToken,
    #[cfg(feature = "metrics")]
    _open: Option<Raised>,
}

/// The place of an open connection without authentication. A drop releases the place.
#[derive(Debug)]
pub struct UnknownPlace {
    of_all: Option<Place>,
    _of_address: Option<Counted<ClientAddress>>,
}

impl UnknownPlace {
    /// Releases the place of [`Options::unknown_sockets`] while the connection is being closed, and keeps the place of its address. The
    /// client decides the time of the close, up to a few seconds, and the connection holds a place of [`Options::sockets`] meanwhile:
    /// without the limit per address, a client with repeated refusals could take all of these places.
    pub fn closing(&mut self) {
        self.of_all = None;
    }
}

/// The place of an open connection of a user. A drop releases the place.
#[derive(Debug)]
pub struct UserPlace {
    _place: Counted<UserId>,
}
