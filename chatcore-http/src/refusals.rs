//! The end of a WebSocket with too many frames.

use chatcore::{Error, Result};

/// Frames in a row that are refused for being too many, before the socket ends.
const REFUSED: usize = 100;

/// Counts the consecutive frames of one WebSocket that the rate limits refused, for every protocol.
///
/// Each message of the client is a frame, and [`Chat::begin_frame`](chatcore::Chat::begin_frame) counts the message before its execution.
/// Pings and pongs of the WebSocket protocol (RFC 6455, section 5.5) do not count.
#[derive(Debug, Default)]
pub struct Refusals(usize);

impl Refusals {
    /// Records the outcome of a frame. `true` if the socket must end, with the close code of the error: more than a hundred consecutive
    /// frames were refused with [`RateLimited`](Error::RateLimited).
    #[must_use]
    pub fn note<T>(&mut self, outcome: &Result<T>) -> bool {
        self.0 = if matches!(outcome, Err(Error::RateLimited { .. })) { self.0.saturating_add(1) } else { 0 };
        self.0 > REFUSED
    }
}
