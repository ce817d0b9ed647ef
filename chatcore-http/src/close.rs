//! Ending a WebSocket so that the other side learns why.

use std::time::Duration;

use futures_util::{
    SinkExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    self, Message,
    error::{CapacityError, ProtocolError},
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::{Socket, connection::TOO_MUCH};

/// How long the other side may take to take the close frame, and to end.
const LAST_WORD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));

/// How much is still read at the end. Unread input makes the kernel reset the connection, which can eat the close frame.
const READ_AWAY: usize = 16 << 20;

/// The longest reason that a close frame has room for, in bytes (RFC 6455, section 5.5).
const LONGEST_REASON: usize = 123;

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

/// Sends a close frame and lingers, for at most three seconds, until the other side has ended too. Of a reason that is
/// longer than 123 bytes the beginning is sent.
pub async fn close(sink: SplitSink<Socket, Message>, source: SplitStream<Socket>, code: u16, reason: &str) {
    let Ok(mut stream) = sink.reunite(source) else { return };
    let fits = |(start, letter): &(usize, char)| start + letter.len_utf8() <= LONGEST_REASON;
    let reason: String = reason.char_indices().take_while(fits).map(|(_, letter)| letter).collect();
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    let (to_take, to_end) = LAST_WORD;
    let _ = timeout(to_take, stream.send(Message::Close(Some(frame)))).await;
    let io = stream.get_mut();
    // What is read from here on is not kept.
    io.known().set();
    let _ = timeout(to_end, async {
        io.shutdown().await?;
        let (mut away, mut left) = ([0_u8; 4096], READ_AWAY);
        loop {
            match io.read(&mut away).await? {
                0 => return std::io::Result::Ok(()),
                read => left = left.saturating_sub(read),
            }
            if left == 0 {
                return Ok(());
            }
        }
    })
    .await;
}
