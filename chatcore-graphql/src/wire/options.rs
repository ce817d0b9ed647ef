//! Every limit of the transports, with its default, in one place.

use std::time::Duration;

/// The limits of the transports. The host that reads a body from the network limits its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireOptions {
    /// Requests that one body may hold, as a JSON array. With 1, arrays are refused.
    pub batch: usize,
    /// Whether `GET` with `Accept: text/html` gives the GraphiQL page.
    pub graphiql: bool,
    /// How often an event stream says that it is still there.
    pub heartbeat: Duration,
    /// How long a WebSocket may take to say who it is.
    pub init_time: Duration,
    /// Largest message of a WebSocket, in bytes. The host passes larger messages on, up to its own bound, so that the protocol can
    /// answer them with an error.
    pub message_bytes: usize,
    /// Operations that a WebSocket may have open at once.
    pub operations_per_socket: usize,
    /// Queries and mutations of a WebSocket that are carried out at once; further ones wait for their turn.
    pub queries_per_socket: usize,
    /// How often a WebSocket is pinged.
    pub ping_interval: Duration,
    /// How long it may take to answer.
    pub pong_time: Duration,
    /// How long a WebSocket may refuse to take what is written to it.
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
