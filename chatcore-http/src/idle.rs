//! Timeouts of idle connections and of heads of requests.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// The timer of one connection's heads.
///
/// hyper knows one time limit for both, which begins when it waits for a head. It reads before it looks at its timer, so a timer
/// that knows of what was read can tell the two apart:
///
/// - The first head must be there within `header_time` of the start of the connection: one on which nothing was asked yet is not idle.
/// - From then on the connection may be idle for `idle_time`.
/// - With the first byte of a further head `header_time` begins.
///
/// Of a head that a client began to send before the last answer the time begins with the next byte, so such a head has
/// `idle_time` and `header_time` together.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    header_time: Duration,
    idle_time: Duration,
    is_used: AtomicBool,
    begun: Arc<AtomicBool>,
}

impl HeadTimer {
    pub(crate) fn new(header_time: Duration, idle_time: Duration) -> Self {
        Self { header_time, idle_time, is_used: AtomicBool::new(false), begun: Arc::default() }
    }

    /// To be called with everything that is read from the connection.
    pub(crate) fn reader(&self) -> impl FnMut(&[u8]) + Send + use<> {
        let begun = Arc::clone(&self.begun);
        move |bytes| {
            // Empty lines before a head are no part of it (RFC 9112, section 2.2).
            if bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                begun.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        // A head is waited for. The time is this timer's own.
        let is_first = !self.is_used.swap(true, Ordering::Relaxed);
        self.begun.store(false, Ordering::Relaxed);
        Box::pin(Waiting {
            timer: Box::pin(time::sleep(if is_first { self.header_time } else { self.idle_time })),
            header_time: self.header_time,
            is_head_begun: is_first,
            begun: Arc::clone(&self.begun),
        })
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }
}

/// Ends when the head, or its beginning, has been waited for long enough.
struct Waiting {
    timer: Pin<Box<time::Sleep>>,
    header_time: Duration,
    is_head_begun: bool,
    begun: Arc<AtomicBool>,
}

impl Sleep for Waiting {}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_head_begun && self.begun.load(Ordering::Relaxed) {
            self.is_head_begun = true;
            self.timer = Box::pin(time::sleep(self.header_time));
        }
        self.timer.as_mut().poll(cx)
    }
}
