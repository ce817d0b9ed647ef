//! Signals to all connections of a user, which belong to no session that the connections follow.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::broadcast;

use super::notices::between;
use crate::{
    chat::{
        Chat, Inner,
        decide::scope::is_scoped,
        read::view::{SignalView, signal_view},
    },
    identity::Principal,
    model::Signal,
};

/// The signals to all connections of a user from now on. A connection that is far behind misses signals, and so does a connection of a
/// process without its notifier. The stream does not end.
pub struct OwnSignals(BoxStream<'static, Arc<SignalView>>);

impl fmt::Debug for OwnSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnSignals").finish_non_exhaustive()
    }
}

impl Stream for OwnSignals {
    type Item = Arc<SignalView>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl OwnSignals {
    /// A stream with these signals between its items, converted by `show`. The result ends with `stream`.
    pub fn beside<S: Stream + Unpin>(
        self,
        stream: S,
        show: impl Fn(Arc<SignalView>) -> S::Item,
    ) -> impl Stream<Item = S::Item> {
        between(self.0, stream, show)
    }
}

impl Chat {
    /// The signals to all connections of the caller, from now on. A frontend sends these to each connection with an admitted caller.
    pub async fn own_signals(&self, principal: &Principal) -> OwnSignals {
        if is_scoped(principal) {
            // They belong to no session.
            return OwnSignals(stream::pending().boxed());
        }
        let watch = self.inner.standings.watch(principal);
        let Some(signals) = watch.signals().await else { return OwnSignals(stream::pending().boxed()) };
        let next = |(chat, watch, mut signals): (Self, _, broadcast::Receiver<Arc<Signal>>)| async move {
            loop {
                let signal = match signals.recv().await {
                    Ok(signal) => signal,
                    Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    // The watch holds the sender.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                };
                let Inner { store, profiles, .. } = &*chat.inner;
                // The work on a signal takes no room in a connection that waits.
                match Box::pin(signal_view(&**store, profiles, Arc::unwrap_or_clone(signal))).await {
                    Ok(view) => return Some((Arc::new(view), (chat, watch, signals))),
                    Err(error) => tracing::warn!(%error, "could not show a signal to its user"),
                }
            }
        };
        OwnSignals(stream::unfold((self.clone(), watch, signals), next).boxed())
    }
}
