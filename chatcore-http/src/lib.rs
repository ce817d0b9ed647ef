//! What the [poem](https://docs.rs/poem) frontends of [`chatcore`] share, for whoever writes another one. Users of a
//! frontend need nothing of it but [`Options`] and [`Sockets`], which the frontends re-export.
//!
//! | for | what |
//! |---|---|
//! | limits | [`Options`], in one place with their defaults |
//! | connections that last | [`Sockets`]: one registry for all frontends of a server, counted together, ended together |
//! | WebSockets | [`Handshake`], then the open [`Socket`] with its [`Outbox`], kept by [`Sockets::keep`], then [`Socket::close`] |
//! | requests | [`check_head`], [`check_conditions`], [`ClientAddress`], [`bearer`], [`read_body`], [`read_away`] |
//! | web pages | [`Origins`], [`Cors`] |
//! | a server | [`serve`] |

mod address;
mod bearer;
mod body;
mod close;
mod connection;
mod cors;
mod counts;
mod drain;
mod frame;
mod half;
mod head;
mod idle;
mod options;
mod origin;
mod outbox;
mod serve;
mod socket;
mod sockets;
mod sweep;
mod upgrade;

pub use address::ClientAddress;
pub use bearer::{bearer, bearer_or_query};
pub use body::read_body;
pub use close::close_code;
pub use connection::{Connection, Known};
pub use cors::Cors;
pub use drain::read_away;
pub use frame::TextFrame;
pub use head::{check_conditions, check_head};
pub use options::Options;
pub use origin::{InvalidOrigin, Origins};
pub use outbox::{End, Outbox};
pub use serve::{ServeOptions, serve};
pub use socket::Socket;
pub use sockets::{Place, Sockets, UnknownPlace, UserPlace};
/// The WebSocket library: its messages and errors are what a [`Socket`] takes and gives.
pub use tokio_tungstenite::tungstenite;
pub use upgrade::Handshake;
