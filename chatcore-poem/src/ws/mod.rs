//! The WebSocket.

mod frame;
mod open;
mod socket;

pub(crate) use open::WsEndpoint;
