//! Every limit of the frontends, with its default, in one place.

use std::time::Duration;

use crate::Origins;

/// What the frontends of a server allow. Those that share one [`Sockets`](crate::Sockets) share these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Largest body of a request, in bytes. 0, the default, stands for what the longest message of the chat needs:
    /// [`Limits::request_bytes`](chatcore::Limits::request_bytes).
    pub body_bytes: usize,
    /// How long the body of a request may take.
    pub body_time: Duration,
    /// Which pages may open WebSockets, and read answers to requests.
    pub origins: Origins,
    /// Whether the frontends tell browsers so, in the headers of the CORS protocol. A host that puts these headers into
    /// answers by itself switches it off, so that none is there twice.
    pub cors: bool,
    /// For how long a browser must use TLS for this host, as `Strict-Transport-Security` says with every answer. `None`, the default, leaves the
    /// header out: whether there is TLS, here or at a proxy, is for the host to know.
    pub hsts: Option<Duration>,
    /// Largest message that a WebSocket takes, in bytes. 0, the default, stands for what the longest message of the chat
    /// needs, as with bodies. A larger one is answered by an error; one that is larger than four times this limit ends the
    /// WebSocket.
    pub frame_bytes: usize,
    /// WebSockets and event streams open at once, in all; a request that waits for news counts as a stream.
    pub sockets: usize,
    /// WebSockets open at once whose users have not said who they are.
    pub unknown_sockets: usize,
    /// The same, per network address of the client: an IPv4 address, or 64 bits of an IPv6 address. Many people can share
    /// one address (NAT), but each of them holds such a place for a moment only. Behind a proxy, name the proxy in
    /// [`ServeOptions::trusted_proxies`](crate::ServeOptions::trusted_proxies), or all clients have its address.
    pub unknown_sockets_per_address: usize,
    /// WebSockets and event streams open at once, per user.
    pub sockets_per_user: usize,
    /// Requests that are answered at once, per user; further ones are answered with 429. An event stream counts until it begins, a request
    /// that waits for news as long as it waits.
    pub requests_per_user: usize,
    /// Sessions that a WebSocket may be subscribed to at once.
    pub sessions_per_socket: usize,
    /// How long a WebSocket may take to say who it is.
    pub authentication_time: Duration,
    /// How often a WebSocket is pinged.
    pub ping_interval: Duration,
    /// How long it may take to answer.
    pub pong_time: Duration,
    /// How long a WebSocket or an event stream may refuse to take what is written to it.
    pub write_time: Duration,
    /// How often an event stream that has nothing to say shows that it is there.
    pub heartbeat: Duration,
    /// How long a request may wait for news; in whole seconds.
    pub longest_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            body_bytes: 0,
            body_time: Duration::from_secs(10),
            origins: Origins::default(),
            cors: true,
            hsts: None,
            frame_bytes: 0,
            sockets: 10_000,
            unknown_sockets: 1_000,
            unknown_sockets_per_address: 50,
            sockets_per_user: 5,
            requests_per_user: 100,
            sessions_per_socket: 100,
            authentication_time: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_time: Duration::from_secs(10),
            write_time: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
            longest_wait: Duration::from_secs(60),
        }
    }
}
