//! Server-sent events, as graphql-sse has them in its distinct connections mode: one operation to each stream.

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::time::Interval;

use super::{
    Admitted, WireOptions,
    admitted::Expiry,
    clock::{every, tick},
    execution::{Execution, Step},
    response::{Body, json},
};

/// Results that are written together where they are there together.
const BURST: usize = 64;

struct Events {
    execution: Execution,
    /// `None` where something else keeps the stream.
    heartbeat: Option<Interval>,
    expiry: BoxFuture<'static, ()>,
    expired: bool,
    stop: BoxFuture<'static, ()>,
    /// Ends with the stream.
    _caller: Admitted,
}

/// The events of an operation. The stream ends without `complete` when `stop` is done or the token ends: then the
/// client may connect again, and shows its new token. A stream that is kept has no timers: something else sends the heartbeats, and
/// polls the stream at the end of the token.
pub(crate) fn events(
    execution: Execution,
    caller: Admitted,
    expiry: Option<Expiry>,
    (options, is_kept): (&WireOptions, bool),
    stop: impl Future<Output = ()> + Send + 'static,
) -> BoxStream<'static, Bytes> {
    let heartbeat = (!is_kept).then(|| every(options.heartbeat));
    let expiry = if is_kept { Expiry::seen(expiry) } else { Expiry::reached(expiry) };
    let events = Events { execution, heartbeat, expiry, expired: false, stop: stop.boxed(), _caller: caller };
    stream::unfold(events, |mut events| async { events.next().await.map(|text| (Bytes::from(text), events)) }).boxed()
}

impl Events {
    async fn next(&mut self) -> Option<String> {
        if self.expired {
            return None;
        }
        let first = tokio::select! {
            biased;
            () = &mut self.stop => return None,
            () = &mut self.expiry => return None,
            step = self.execution.next() => step?,
            () = tick(&mut self.heartbeat) => return Some(":\n\n".to_owned()),
        };
        let mut text = String::new();
        let (mut burst, mut next) = (1, Some(first));
        while let Some(step) = next {
            // The chat may notice before this stream's own clock does.
            if step.login_ended().is_some() {
                self.expired = true;
                return (!text.is_empty()).then_some(text);
            }
            write(&mut text, &step);
            burst += 1;
            next = if burst > BURST { None } else { self.execution.next().now_or_never().flatten() };
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.reset();
        }
        Some(text)
    }
}

fn write(text: &mut String, step: &Step) {
    // JSON as serde_json writes it holds no line break.
    let mut next = |body: String| {
        text.push_str("event: next\ndata: ");
        text.push_str(&body);
        text.push_str("\n\n");
    };
    match step {
        Step::Next(response) => next(json(&Body::executed(response))),
        Step::Failed(errors) => next(json(&Body::refused(errors))),
        Step::Complete => {}
    }
    match step {
        Step::Next(_) => {}
        // A browser tells nobody of an event without data.
        Step::Failed(_) | Step::Complete => text.push_str("event: complete\ndata:\n\n"),
    }
}
