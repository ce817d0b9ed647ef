//! Event streams whose connection takes nothing.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use chatcore_http::{EventBody, EventQueue, Options, Sockets};
use futures_util::{Stream, StreamExt as _, poll, stream, stream::BoxStream};
use tokio::time::sleep;

const TIMES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// A kept event stream of a source that holds something, and what it holds.
fn opened(
    source: impl Stream<Item = Bytes> + Send + 'static,
) -> (EventBody<BoxStream<'static, Bytes>>, EventQueue, Arc<()>) {
    let (write_time, heartbeat) = TIMES;
    let sockets = Sockets::new(Options { write_time, heartbeat, ..Options::default() });
    let (queue, held) = (sockets.event_queue(None), Arc::new(()));
    let holds = (Arc::clone(&held), sockets);
    let source = source.inspect(move |_| {
        let _ = &holds;
    });
    (queue.body(source.boxed()), queue, held)
}

fn event() -> Bytes {
    Bytes::from_static(b"data: x\n\n")
}

fn is_held(held: &Arc<()>) -> bool {
    Arc::strong_count(held) > 1
}

#[tokio::test(start_paused = true)]
async fn a_source_with_more_is_dropped_when_nobody_comes_for_it() {
    let (mut body, _, held) = opened(stream::repeat_with(event));
    for _ in 0..5 {
        assert_eq!(body.next().await, Some(event()));
        sleep(TIMES.0 / 2).await;
    }
    assert!(is_held(&held));
    // From here on the connection polls nothing, as hyper does while its buffer is full.
    sleep(TIMES.0).await;
    assert!(!is_held(&held));
    assert_eq!(body.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_ever_polls_is_dropped() {
    let (_body, _, held) = opened(stream::pending());
    sleep(TIMES.0 + Duration::from_secs(1)).await;
    assert!(!is_held(&held));
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_taken_in_time_or_ends_the_stream() {
    let (mut body, queue, held) = opened(stream::pending());
    assert!(poll!(body.next()).is_pending());
    for _ in 0..3 {
        // Nothing is refused where there is nothing.
        sleep(TIMES.0 * 3).await;
        assert_eq!(queue.try_send([event()]), 1);
        sleep(TIMES.0 / 2).await;
        assert_eq!(body.next().await, Some(event()));
        assert!(poll!(body.next()).is_pending());
    }
    assert!(is_held(&held));
    assert_eq!(queue.try_send([event()]), 1);
    sleep(TIMES.0 + Duration::from_secs(1)).await;
    assert!(!is_held(&held));
    assert_eq!(queue.try_send([event()]), 0);
    assert_eq!(poll!(body.next()), Poll::Ready(None));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_nothing_to_say_stays() {
    let (mut body, _, held) = opened(stream::pending());
    for _ in 0..5 {
        assert_eq!(body.next().await.unwrap(), ":\n\n");
        assert!(poll!(body.next()).is_pending());
    }
    assert!(is_held(&held));
}
