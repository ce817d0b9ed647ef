//! The shared parts of the [poem](https://docs.rs/poem) frontends of [`chatcore`], for authors of further frontends. Users of a frontend
//! need only [`Options`] and [`Sockets`], which the frontends re-export.
//!
//! | topic | items |
//! |---|---|
//! | limits | [`Options`], in one place with their defaults |
//! | long-lived connections | [`Sockets`]: one registry for all frontends of a server, with shared limits and a shared shutdown |
//! | WebSockets | [`Handshake`], then the open [`Socket`] with its [`Outbox`], kept by [`Sockets::keep`] until an [`Expiry`], then [`Socket::close`] |
//! | event streams | [`Sockets::event_queue`], then [`EventQueue::body`] |
//! | requests | [`check_head`], [`check_conditions`], [`revision_condition`], [`ClientIp`], [`ClientAddress`], [`RequestId`], [`caller`], [`bearer`], [`read_body`], [`read_body_within`], [`read_away`] |
//! | concurrent requests of a user | [`HeldRequest`], [`Sockets::take_request`] |
//! | rate limits | [`origin`], [`show_allowance`] |
//! | responses | [`Compression`], [`secure`] |
//! | logs and traces | [`begin_span`], [`span_of`], [`trace_context`] |
//! | any web framework | [`bearer_token`], [`error_headers`], [`allowance_headers`], [`page_headers`], [`Refusals`]: all items without the feature `poem` |
//! | web pages | [`Origins`], [`Cors`], [`page_headers`] |
//! | a server | [`serve`], [`TrustedProxies`], with the feature `tls` also `Tls` |

#[cfg(feature = "poem")]
mod address;
mod allowance;
#[cfg(feature = "poem")]
mod bearer;
#[cfg(feature = "poem")]
mod body;
#[cfg(feature = "poem")]
mod close;
#[cfg(feature = "poem")]
mod compress;
#[cfg(feature = "poem")]
mod connection;
#[cfg(feature = "poem")]
mod cors;
#[cfg(feature = "poem")]
mod counts;
#[cfg(feature = "poem")]
mod drain;
mod error;
#[cfg(feature = "poem")]
mod events;
#[cfg(feature = "poem")]
mod expiry;
#[cfg(feature = "poem")]
mod forwarded;
#[cfg(feature = "poem")]
mod frame;
#[cfg(feature = "poem")]
mod half;
#[cfg(feature = "poem")]
mod head;
#[cfg(feature = "poem")]
mod idle;
#[cfg(feature = "poem")]
mod options;
#[cfg(feature = "poem")]
mod origin;
#[cfg(feature = "poem")]
mod outbox;
mod pages;
#[cfg(feature = "poem")]
mod proxied;
#[cfg(feature = "poem")]
mod proxies;
mod refusals;
#[cfg(feature = "poem")]
mod request_id;
#[cfg(feature = "poem")]
mod requests;
#[cfg(feature = "poem")]
mod secure;
#[cfg(feature = "poem")]
mod serve;
#[cfg(feature = "poem")]
mod socket;
#[cfg(feature = "poem")]
mod sockets;
#[cfg(feature = "poem")]
mod sweep;
#[cfg(feature = "tls")]
mod tls;
mod token;
#[cfg(feature = "poem")]
mod trace;
#[cfg(feature = "poem")]
mod upgrade;

#[cfg(feature = "poem")]
pub use address::{ClientAddress, ClientIp};
pub use allowance::allowance_headers;
#[cfg(feature = "poem")]
pub use allowance::{origin, show_allowance};
#[cfg(feature = "poem")]
pub use bearer::{bearer, bearer_or_query, caller, caller_or_query};
#[cfg(feature = "poem")]
pub use body::{read_body, read_body_within};
#[cfg(feature = "poem")]
pub use close::close_code;
#[cfg(feature = "poem")]
pub use compress::{Compression, CompressionEndpoint};
#[cfg(feature = "poem")]
pub use connection::{Connection, Known};
#[cfg(feature = "poem")]
pub use cors::Cors;
#[cfg(feature = "poem")]
pub use drain::read_away;
pub use error::error_headers;
#[cfg(feature = "poem")]
pub use events::{EventBody, EventQueue};
#[cfg(feature = "poem")]
pub use expiry::Expiry;
#[cfg(feature = "poem")]
pub use frame::TextFrame;
#[cfg(feature = "poem")]
pub use head::{check_conditions, check_head, revision_condition};
/// The name under which a request is counted, in the data of its response.
#[cfg(feature = "metrics")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationName(pub &'static str);
#[cfg(feature = "poem")]
pub use options::Options;
#[cfg(feature = "poem")]
pub use origin::{InvalidOrigin, Origins};
#[cfg(feature = "poem")]
pub use outbox::{End, Outbox};
pub use pages::{PageStyles, page_headers};
#[cfg(feature = "poem")]
pub use proxies::{InvalidProxy, TrustedProxies};
pub use refusals::Refusals;
#[cfg(feature = "poem")]
pub use request_id::RequestId;
#[cfg(feature = "poem")]
pub use requests::{HeldRequest, RequestPlace};
#[cfg(feature = "poem")]
pub use secure::{Author, secure};
#[cfg(feature = "poem")]
pub use serve::{ServeOptions, serve};
#[cfg(feature = "poem")]
pub use socket::Socket;
#[cfg(feature = "poem")]
pub use sockets::{Place, Sockets, Transport, UnknownPlace, UserPlace};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};
pub use token::bearer_token;
#[cfg(feature = "poem")]
/// The WebSocket library. A [`Socket`] uses the messages and errors of this library.
pub use tokio_tungstenite::tungstenite;
#[cfg(feature = "poem")]
pub use trace::{begin_span, span_of, trace_context};
#[cfg(feature = "poem")]
pub use upgrade::Handshake;
