//! An open WebSocket.

use std::{
    fmt,
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Sink, Stream};
use tokio::{io::ReadBuf, time::timeout};
use tokio_tungstenite::tungstenite::{
    self, Message,
    error::ProtocolError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::{Connection, Known, Outbox, frame::Decoder};

/// How much is read at once, in bytes. It is read to the stack: a socket that waits has no buffer.
const READ: usize = 4 << 10;

/// How long the other side may take to take the close frame, and to end.
const LAST_WORD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));

/// How much is still read at the end. Unread input makes the kernel reset the connection, which can eat the close frame.
const READ_AWAY: usize = 16 << 20;

/// The longest reason that a close frame has room for, in bytes (RFC 6455, section 5.5).
const LONGEST_REASON: usize = 123;

/// An open WebSocket. The stream yields the client's messages, and answers pings and the client's close frame automatically. While many
/// written frames wait, the socket reads nothing.
pub struct Socket {
    outbox: Outbox,
    decoder: Decoder,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The client has closed it, and is answered.
    Closing,
    Ended,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Socket {
    /// A socket that takes messages of at most so many bytes.
    pub(crate) fn new(io: Connection, most: usize) -> Self {
        Self { outbox: Outbox::new(io), decoder: Decoder::new(most), stage: Stage::Open }
    }

    /// The handle to mark the caller as authenticated.
    #[must_use]
    pub fn known(&self) -> Known {
        self.outbox.known()
    }

    /// The writing side, for any thread.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    /// Sends a close frame and lingers, for at most three seconds, until the other side has ended, too. A reason longer than 123 bytes is
    /// truncated.
    pub async fn close(self, code: u16, reason: &str) {
        let fits = |(start, letter): &(usize, char)| start + letter.len_utf8() <= LONGEST_REASON;
        let reason: String = reason.char_indices().take_while(fits).map(|(_, letter)| letter).collect();
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        let (to_take, to_end) = LAST_WORD;
        self.outbox.answer(Message::Close(Some(frame)));
        let _ = timeout(to_take, poll_fn(|context| self.outbox.poll_flush(context))).await;
        // What is read from here on is not kept.
        self.known().set();
        let _ = timeout(to_end, self.read_away()).await;
    }

    async fn read_away(&self) -> io::Result<()> {
        poll_fn(|context| self.outbox.poll_shutdown(context)).await?;
        let mut left = READ_AWAY;
        while left > 0 {
            let read = poll_fn(|context| {
                let mut room = [const { MaybeUninit::uninit() }; READ];
                let mut buffer = ReadBuf::uninit(&mut room);
                ready!(self.outbox.poll_read(context, &mut buffer))?;
                Poll::Ready(io::Result::Ok(buffer.filled().len()))
            });
            match read.await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok(())
    }

    fn fail<T>(&mut self, error: tungstenite::Error) -> Poll<Option<Result<T, tungstenite::Error>>> {
        self.stage = Stage::Ended;
        Poll::Ready(Some(Err(error)))
    }

    /// Reads what came; `false` at the end of the other side.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut room = [const { MaybeUninit::uninit() }; READ];
        let mut buffer = ReadBuf::uninit(&mut room);
        ready!(self.outbox.poll_read(context, &mut buffer))?;
        self.decoder.push(buffer.filled());
        Poll::Ready(Ok(!buffer.filled().is_empty()))
    }
}

impl Stream for Socket {
    type Item = Result<Message, tungstenite::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.stage {
                Stage::Open => {}
                Stage::Closing => {
                    let _ = ready!(self.outbox.poll_flush(context));
                    self.stage = Stage::Ended;
                    return Poll::Ready(None);
                }
                Stage::Ended => return Poll::Ready(None),
            }
            if let Err(error) = ready!(self.outbox.poll_room(context)) {
                return self.fail(error.into());
            }
            match self.decoder.next() {
                Ok(Some(message)) => {
                    self.outbox.heard();
                    match &message {
                        Message::Ping(payload) => self.outbox.answer(Message::Pong(payload.clone())),
                        Message::Close(frame) => {
                            self.outbox.answer(Message::Close(frame.clone()));
                            self.stage = Stage::Closing;
                        }
                        Message::Text(_) | Message::Binary(_) | Message::Pong(_) | Message::Frame(_) => {}
                    }
                    return Poll::Ready(Some(Ok(message)));
                }
                Ok(None) => {}
                Err(error) => return self.fail(error),
            }
            match ready!(self.poll_fill(context)) {
                Ok(true) => {}
                Ok(false) => return self.fail(ProtocolError::ResetWithoutClosingHandshake.into()),
                Err(error) => return self.fail(error.into()),
            }
        }
    }
}

impl Sink<Message> for Socket {
    type Error = tungstenite::Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.outbox.poll_room(context).map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        self.outbox.push(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.outbox.poll_flush(context).map_err(Into::into)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.outbox.poll_flush(context).map_err(Into::into)
    }
}
