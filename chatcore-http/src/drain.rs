//! Unread bodies of requests.
//!
//! A client that still sends when its connection ends sees a reset, and loses the answer. So the server drains the rest of an unread body
//! beside the answer, within bounds.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use poem::{
    Body, Request,
    http::{Version, header},
};
use tokio::{runtime::Handle, time::timeout};

/// How much is read away at the most, in bytes.
const MOST: usize = 16 << 20;

/// For how long.
const LONGEST: Duration = Duration::from_secs(5);

/// Marks a request whose body is already seen to.
#[derive(Clone, Copy)]
struct SeenTo;

/// A body that is read away when it is dropped before its end.
struct Watched {
    rest: Option<BoxStream<'static, io::Result<Bytes>>>,
    /// Who sent `Expect: 100-continue` sends nothing before the first read.
    sending: bool,
}

/// Drains the unread rest of the request's body beside the answer, for at most five seconds and 16 MiB. A client that still sends when its
/// connection ends sees a reset, and loses the answer. A second call changes nothing.
pub fn read_away(request: &mut Request) {
    if request.extensions_mut().insert(SeenTo).is_some() {
        return;
    }
    let body = request.take_body();
    // HTTP/1.0 has no expectations (RFC 9110, section 10.1.1).
    let sending = request.version() < Version::HTTP_11 || !request.headers().contains_key(header::EXPECT);
    request.set_body(if body.is_empty() {
        body
    } else {
        Body::from_bytes_stream(Watched { rest: Some(body.into_bytes_stream().boxed()), sending })
    });
}

impl Stream for Watched {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.sending = true;
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let item = rest.poll_next_unpin(context);
        if matches!(item, Poll::Ready(None | Some(Err(_)))) {
            self.rest = None;
        }
        item
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let (Some(mut rest), true, Ok(runtime)) = (self.rest.take(), self.sending, Handle::try_current()) else {
            return;
        };
        runtime.spawn(timeout(LONGEST, async move {
            let mut left = MOST;
            while let Some(Ok(chunk)) = rest.next().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    break;
                }
            }
        }));
    }
}
