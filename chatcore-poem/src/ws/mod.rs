//! The WebSocket.

mod frame;
mod open;
mod socket;

#[cfg(feature = "metrics")]
pub(crate) use frame::events;
pub(crate) use open::WsEndpoint;
