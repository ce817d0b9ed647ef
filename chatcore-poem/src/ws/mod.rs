//! The WebSocket.

mod frame;
mod open;
mod socket;

#[cfg(feature = "metrics")]
pub(crate) use frame::events;
pub(crate) use open::WsEndpoint;

/// The name of the request that opens a WebSocket, which is not in the OpenAPI document.
pub(crate) const OPEN: &str = "webSocket";
