//! Close codes of faulty frames.

use tokio_tungstenite::tungstenite::{
    self,
    error::{CapacityError, ProtocolError},
};

use crate::connection::TOO_MUCH;

/// The code and the reason with which a faulty frame ends a socket (RFC 6455, section 7.4.1); `None` where the other side
/// is gone or has closed.
#[must_use]
pub fn close_code(error: &tungstenite::Error) -> Option<(u16, &'static str)> {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => Some((1009, "message too large")),
        tungstenite::Error::Io(error) if error.kind() == TOO_MUCH => Some((1009, "too much before a token")),
        tungstenite::Error::Utf8(_) => Some((1007, "not UTF-8")),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) => Some((1002, "illegal frame")),
        _ => None,
    }
}
