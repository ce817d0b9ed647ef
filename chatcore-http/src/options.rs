//! Every limit of the frontends, with its default, in one place.

use std::time::Duration;

use crate::Origins;

/// The limits of the frontends of a server. Frontends with the same [`Sockets`](crate::Sockets) share the options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Maximum size of the body of a request, in bytes. 0, the default, stands for the size of the longest message of the chat:
    /// [`Limits::request_bytes`](chatcore::Limits::request_bytes).
    pub body_bytes: usize,
    /// Timeout for the body of a request.
    pub body_time: Duration,
    /// The origins whose pages may open WebSockets, and read answers to requests.
    pub origins: Origins,
    /// Whether the frontends send the headers of the CORS protocol. A host that adds these headers itself disables the option, to prevent
    /// duplicate headers.
    pub cors: bool,
    /// The `max-age` of `Strict-Transport-Security` in every answer: the time for which a browser must use TLS for this host. `None`, the
    /// default, leaves the header out: only the host knows whether the server or a proxy has TLS.
    pub hsts: Option<Duration>,
    /// Maximum size of a message on a WebSocket, in bytes. 0, the default, stands for the size of the longest message of the chat, as with
    /// bodies. A larger message is answered by an error; a message larger than four times this limit ends the WebSocket.
    pub frame_bytes: usize,
    /// Maximum number of open WebSockets and event streams; a request that waits for events counts as a stream.
    pub sockets: usize,
    /// Maximum number of open WebSockets without authentication.
    pub unknown_sockets: usize,
    /// Maximum number of open WebSockets without authentication per network address of the client: an IPv4 address, or 64 bits of an IPv6
    /// address. Many users can share one address (NAT), but each user holds such a place for a moment only. Behind a proxy, name the proxy
    /// in [`ServeOptions::trusted_proxies`](crate::ServeOptions::trusted_proxies); otherwise all clients have the address of the proxy.
    pub unknown_sockets_per_address: usize,
    /// Maximum number of open WebSockets and event streams per user.
    pub sockets_per_user: usize,
    /// Maximum number of concurrent requests per user; further requests get 429. An event stream counts until its start, and a request that
    /// waits for events counts during the wait.
    pub requests_per_user: usize,
    /// Maximum number of subscribed sessions of a WebSocket.
    pub sessions_per_socket: usize,
    /// Timeout for the authentication of a WebSocket.
    pub authentication_time: Duration,
    /// Interval of the pings of a WebSocket.
    pub ping_interval: Duration,
    /// Timeout for a pong.
    pub pong_time: Duration,
    /// Timeout for a write to a WebSocket or an event stream that accepts no data.
    pub write_time: Duration,
    /// Interval of the heartbeat of an event stream without events.
    pub heartbeat: Duration,
    /// Maximum time for which a request may wait for events, in whole seconds.
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
