//! Every limit of the transports, with its default, in one place.

use std::time::Duration;

/// The limits of the transports. The host that reads a body from the network limits its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireOptions {
    /// Maximum number of requests in one body, as a JSON array. With 1, arrays are refused.
    pub batch: usize,
    /// Whether `GET` with `Accept: text/html` gives the GraphiQL page.
    pub graphiql: bool,
    /// Interval of the heartbeat of an event stream.
    pub heartbeat: Duration,
    /// Timeout for the authentication of a WebSocket.
    pub init_time: Duration,
    /// Largest message of a WebSocket, in bytes. The host passes larger messages on, up to its own bound, so that the protocol can
    /// answer them with an error.
    pub message_bytes: usize,
    /// Maximum number of open operations of a WebSocket.
    pub operations_per_socket: usize,
    /// Maximum number of concurrent queries and mutations of a WebSocket; further operations wait.
    pub queries_per_socket: usize,
    /// Interval of the pings of a WebSocket.
    pub ping_interval: Duration,
    /// Timeout for a pong.
    pub pong_time: Duration,
    /// Timeout for a write to a WebSocket that accepts no data.
    pub write_time: Duration,
}

impl Default for WireOptions {
    fn default() -> Self {
        Self {
            batch: 1,
            graphiql: true,
            heartbeat: Duration::from_secs(15),
            init_time: Duration::from_secs(10),
            message_bytes: chatcore::Limits::default().request_bytes(),
            operations_per_socket: 100,
            queries_per_socket: 8,
            ping_interval: Duration::from_secs(25),
            pong_time: Duration::from_secs(10),
            write_time: Duration::from_secs(10),
        }
    }
}
