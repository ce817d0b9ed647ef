//! When a WebSocket on which frames come too fast ends.

use chatcore::{Error, Result};

/// Frames in a row that are refused for being too many, before the socket ends.
const REFUSED: usize = 100;

/// Counts the frames of one WebSocket that were refused one after the other for being too many, whatever the protocol.
///
/// Each message of the client is a frame, and is counted by [`Chat::begin_frame`](chatcore::Chat::begin_frame) before the message is
/// carried out. Pings and pongs of the WebSocket protocol (RFC 6455, section 5.5) are no frames.
#[derive(Debug, Default)]
pub struct Refusals(usize);

impl Refusals {
    /// Notes how a frame ended. `true` where the socket is to end, with the close code of the error: more than a hundred frames in a
    /// row were refused with [`RateLimited`](Error::RateLimited).
    #[must_use]
    pub fn note<T>(&mut self, outcome: &Result<T>) -> bool {
        self.0 = if matches!(outcome, Err(Error::RateLimited { .. })) { self.0.saturating_add(1) } else { 0 };
        self.0 > REFUSED
    }
}
