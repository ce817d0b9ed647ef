//! The connection under a WebSocket.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use poem::Upgraded;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much a client may send before it is known who it is, in bytes: room for a token, and not enough for many clients
/// together to fill the memory with messages that are never finished.
const FIRST: usize = 64 << 10;

/// The error of a read beyond that.
pub(crate) const TOO_MUCH: io::ErrorKind = io::ErrorKind::FileTooLarge;

/// An upgraded connection. The connection accepts at most 64 KiB before the authentication of the caller (see [`Known`]).
pub struct Connection {
    io: Upgraded,
    read: usize,
    known: Known,
}

/// Whether the caller at the other end of a connection is authenticated. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Known(Arc<AtomicBool>);

impl Known {
    /// Marks the caller as authenticated.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Connection {
    pub(crate) fn new(io: Upgraded) -> Self {
        Self { io, read: 0, known: Known::default() }
    }

    /// The handle to mark the caller as authenticated.
    #[must_use]
    pub fn known(&self) -> Known {
        self.known.clone()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("known", &self.known).finish_non_exhaustive()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.known.0.load(Ordering::Relaxed) {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        if self.read > FIRST {
            return Poll::Ready(Err(TOO_MUCH.into()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        self.read += buffer.filled().len() - before;
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
