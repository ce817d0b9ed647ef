//! Clients that end their side of a connection before they have the answer.
//!
//! Such a client (half-closed: RFC 9293, section 3.6) is indistinguishable from a disconnected client. hyper offers two ways: hyper drops
//! the answer at once, or does not notice a disconnected client while a request waits or an event stream is silent. So the transport keeps
//! the end from hyper while a request is being answered, for a bounded time. An event stream ends with the client's side, since an event
//! stream has no other end.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream, task::AtomicWaker};
use hyper::body::{Body, Frame, SizeHint};
use poem::{
    Request, Response,
    http::{HeaderValue, Version, header},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// What the transport and the requests of one connection tell each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchanges(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// A request is being answered.
    answering: AtomicBool,
    /// The client has ended its side, and hyper does not know yet.
    ended: AtomicBool,
    /// The reader of a request's body.
    reader: AtomicWaker,
}

/// A request that is being answered, until the answer is written or dropped.
pub(crate) struct Exchange {
    state: Arc<State>,
    /// Whether the body is read, for a client that waits for `100 Continue` before it sends the body.
    continued: Option<Arc<AtomicBool>>,
}

impl Exchanges {
    /// Begins to answer a request. A connection has one at a time.
    pub(crate) fn begin(&self, request: &mut Request) -> Exchange {
        let Self(state) = self;
        state.answering.store(true, Ordering::Relaxed);
        let expects = request.version() >= Version::HTTP_11 && request.headers().contains_key(header::EXPECT);
        let mut exchange = Exchange { state: Arc::clone(state), continued: None };
        let body = request.take_body();
        request.set_body(if body.is_empty() {
            body
        } else {
            let read = Arc::<AtomicBool>::default();
            exchange.continued = expects.then(|| Arc::clone(&read));
            let rest = body.into_bytes_stream().boxed();
            poem::Body::from_bytes_stream(Incoming { rest, state: Arc::clone(state), read })
        });
        exchange
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.state.answering.store(false, Ordering::Relaxed);
    }
}

impl Exchange {
    /// The answer, with which the exchange ends.
    pub(crate) fn answer(
        self,
        mut response: Response,
    ) -> hyper::Response<Answer<impl Body<Data = Bytes, Error = io::Error> + Send + Unpin + 'static>> {
        // After a final answer some of these clients send the body, and others the next request (RFC 9110, section 10.1.1).
        if self.continued.as_ref().is_some_and(|read| !read.load(Ordering::Relaxed)) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let kind = response.content_type().and_then(|kind| kind.split(';').next()).unwrap_or_default();
        let endless = kind.trim().eq_ignore_ascii_case("text/event-stream");
        let exchange = if endless { None } else { Some(self) };
        hyper::Response::from(response).map(|body| Answer { body, _exchange: exchange })
    }
}

/// The body of a request. hyper does not know that the client has ended its side, so it waits for the rest of a body that
/// ends early.
struct Incoming {
    rest: BoxStream<'static, io::Result<Bytes>>,
    state: Arc<State>,
    read: Arc<AtomicBool>,
}

impl Stream for Incoming {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.read.store(true, Ordering::Relaxed);
        self.state.reader.register(context.waker());
        match self.rest.poll_next_unpin(context) {
            Poll::Pending if self.state.ended.load(Ordering::Acquire) => {
                Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
            }
            item => item,
        }
    }
}

/// The body of an answer.
pub(crate) struct Answer<B> {
    body: B,
    _exchange: Option<Exchange>,
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A transport that keeps the end of the client's side from its reader while a request is being answered.
pub(crate) struct HalfClosable<S> {
    inner: S,
    exchanges: Exchanges,
    longest: Duration,
    ended: Option<Pin<Box<Sleep>>>,
}

impl<S> HalfClosable<S> {
    /// The end is kept for `longest` at the most.
    pub(crate) const fn new(inner: S, exchanges: Exchanges, longest: Duration) -> Self {
        Self { inner, exchanges, longest, ended: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HalfClosable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, exchanges: Exchanges(state), longest, ended } = &mut *self;
        if ended.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(inner).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        if !state.answering.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let left = ended.get_or_insert_with(|| Box::pin(sleep(*longest)));
        if !state.ended.swap(true, Ordering::AcqRel) {
            state.reader.wake();
        }
        left.as_mut().poll(context).map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HalfClosable<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
