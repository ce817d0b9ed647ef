//! Every limit of the frontends, with its default, in one place.

use std::time::Duration;

use poem::{
    Request,
    http::{Uri, header},
};

/// Which web pages may open a WebSocket. Programs that are not browsers send no `Origin` and are not concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// Pages that came from the host they connect to.
    #[default]
    SameHost,
    /// These, each as `scheme://host[:port]`.
    Listed(Vec<String>),
    /// All. Any page that a user visits can then act with a token that it can get hold of.
    Any,
}

impl Origins {
    /// Whether the page that a request comes from is one of them. Browsers name a page's origin (RFC 6454) and cannot be
    /// made to lie about it.
    #[must_use]
    pub fn allow(&self, request: &Request) -> bool {
        let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)),
            Self::SameHost => {
                let page = origin.parse::<Uri>().ok().and_then(|origin| origin.authority().cloned());
                let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
                page.zip(host).is_some_and(|(page, host)| page.as_str().eq_ignore_ascii_case(host))
            }
        }
    }
}

/// What the frontends of a server allow. Those that share one [`Sockets`](crate::Sockets) share these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Largest body of a request, in bytes.
    pub body_bytes: usize,
    /// How long the body of a request may take.
    pub body_time: Duration,
    /// Which pages may open a WebSocket.
    pub origins: Origins,
    /// Largest message that a WebSocket takes, in bytes.
    pub frame_bytes: usize,
    /// WebSockets and event streams open at once, in all; a request that waits for news counts as a stream.
    pub sockets: usize,
    /// WebSockets open at once whose users have not said who they are.
    pub unknown_sockets: usize,
    /// The same, per network address of the client: an IPv4 address, or 64 bits of an IPv6 address. Many people can share
    /// one address (NAT), but each of them holds such a place for a moment only. Behind a proxy all clients have the
    /// proxy's address: there, raise this limit to `unknown_sockets` and let the proxy limit each client.
    pub unknown_sockets_per_address: usize,
    /// WebSockets and event streams open at once, per user.
    pub sockets_per_user: usize,
    /// Sessions that a WebSocket may be subscribed to at once.
    pub sessions_per_socket: usize,
    /// How long a WebSocket may take to say who it is.
    pub authentication_time: Duration,
    /// How often a WebSocket is pinged.
    pub ping_interval: Duration,
    /// How long it may take to answer.
    pub pong_time: Duration,
    /// How long a WebSocket may refuse to take what is written to it.
    pub write_time: Duration,
    /// How often an event stream that has nothing to say shows that it is there.
    pub heartbeat: Duration,
    /// How long a request may wait for news; in whole seconds.
    pub longest_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            body_time: Duration::from_secs(10),
            origins: Origins::default(),
            frame_bytes: 64 * 1024,
            sockets: 10_000,
            unknown_sockets: 1_000,
            unknown_sockets_per_address: 50,
            sockets_per_user: 5,
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
