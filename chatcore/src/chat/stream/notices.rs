//! Notices to all users: signals that concern no session. One listener serves all connections of a process.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    FutureExt as _, Stream, StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{broadcast, watch},
    time::{sleep, timeout},
};

use super::task::{Kind, Task};
use crate::{
    chat::Chat,
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::Notice,
    notify::{Hint, Notifier, Topic},
    trace::use_case,
};

/// Notices that wait for a connection. A connection that is further behind misses the oldest ones.
const WAITING: usize = 16;

/// How long a notifier may take to give a stream.
const LISTEN_WAIT: Duration = Duration::from_secs(5);

/// Hears of notices for all connections of the process.
pub(in crate::chat) struct Hub(Arc<Shared>);

struct Shared {
    notifier: Arc<dyn Notifier>,
    /// How long until a notifier that ended its stream is asked again.
    listen_again: Duration,
    notices: broadcast::Sender<Arc<Notice>>,
    /// Whether the notifier has been asked for the hints.
    listens: watch::Sender<bool>,
    kind: Kind,
    listener: Mutex<Option<Task>>,
}

impl Hub {
    pub(in crate::chat) fn new(notifier: Arc<dyn Notifier>, listen_again: Duration) -> Self {
        let (notices, listens) = (broadcast::Sender::new(WAITING), watch::Sender::new(false));
        let kind = Kind::new("listener for notices");
        Self(Arc::new(Shared { notifier, listen_again, notices, listens, kind, listener: Mutex::default() }))
    }

    /// Starts the listener where none runs.
    fn keep_listening(&self) {
        let mut listener = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if !listener.as_ref().is_some_and(Task::runs) {
            self.0.listens.send_replace(false);
            let shared = Arc::downgrade(&self.0);
            let start = move || listen(Weak::clone(&shared));
            *listener = Some(Task::spawn(&self.0.kind, self.0.listen_again, start));
        }
    }
}

impl Shared {
    /// The hints; none from a notifier that does not answer, which is then asked again.
    async fn hints(&self) -> BoxStream<'static, Hint> {
        let listening = AssertUnwindSafe(async { self.notifier.listen(Topic::Everybody).await }).catch_unwind();
        match timeout(LISTEN_WAIT, listening).await {
            Ok(Ok(hints)) => hints,
            Ok(Err(_)) => {
                tracing::error!("the notifier panicked; it is asked again");
                stream::empty().boxed()
            }
            Err(_) => stream::empty().boxed(),
        }
    }
}

async fn listen(shared: Weak<Shared>) {
    loop {
        let Some(now) = shared.upgrade() else { return };
        let mut hints = now.hints().await;
        now.listens.send_replace(true);
        let pause = now.listen_again;
        drop(now);
        while let Some(hint) = hints.next().await {
            let Some(now) = shared.upgrade() else { return };
            match hint {
                // An error means that nobody is connected.
                Hint::Notice(notice) => drop(now.notices.send(Arc::new(notice))),
                Hint::Revoked { .. }
                | Hint::Arrived { .. }
                | Hint::Committed { .. }
                | Hint::Signal(_)
                | Hint::Presence { .. } => {}
            }
        }
        sleep(pause).await;
    }
}

/// The notices that are broadcast from now on. A connection that is far behind misses notices, and so does a connection of a process
/// without its notifier. The stream does not end.
pub struct Notices(BoxStream<'static, Arc<Notice>>);

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

impl Stream for Notices {
    type Item = Arc<Notice>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl Notices {
    /// A stream with these notices between its items, converted by `show`. The result ends with `stream`.
    pub fn beside<S: Stream + Unpin>(
        self,
        stream: S,
        show: impl Fn(Arc<Notice>) -> S::Item,
    ) -> impl Stream<Item = S::Item> {
        between(self.0, stream, show)
    }
}

/// A stream with the items of another one between its own. It ends where the stream ends.
pub(super) fn between<T, S: Stream + Unpin>(
    mut others: BoxStream<'static, T>,
    mut stream: S,
    show: impl Fn(T) -> S::Item,
) -> impl Stream<Item = S::Item> {
    stream::poll_fn(move |context| match stream.poll_next_unpin(context) {
        Poll::Ready(item) => Poll::Ready(item),
        Poll::Pending => match others.poll_next_unpin(context) {
            Poll::Ready(Some(other)) => Poll::Ready(Some(show(other))),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        },
    })
}

impl Chat {
    /// The [notices](crate::Administration::broadcast) to all users, from now on. A frontend sends these to each connection with an
    /// admitted caller.
    pub async fn notices(&self) -> Notices {
        let hub = &self.inner.notices;
        let notices = hub.0.notices.subscribe();
        hub.keep_listening();
        let mut listens = hub.0.listens.subscribe();
        // The hub holds the sender.
        let _ = listens.wait_for(|listens| *listens).await;
        let next = |mut notices: broadcast::Receiver<Arc<Notice>>| async move {
            loop {
                match notices.recv().await {
                    Ok(notice) => return Some((notice, notices)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        Notices(stream::unfold(notices, next).boxed())
    }

    /// The notices to all users, from now on, for a caller. The stream ends with an error when the caller's token expires or the login ends.
    ///
    /// # Errors
    /// Those of a token.
    pub async fn follow_notices(&self, principal: &Principal) -> Result<BoxStream<'static, Result<Arc<Notice>>>> {
        use_case!("follow_notices", async move {
            self.enter_unscoped(principal, Use::Request).await?;
            let (chat, principal) = (self.clone(), principal.clone());
            let ended = async move {
                let clock = chat.clock();
                let expired = async {
                    match principal.expires_at {
                        Some(end) => clock.reaches(end).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    error = chat.login_ended(&principal) => error,
                    () = expired => Error::TokenExpired,
                }
            };
            let next = |following: Option<(Notices, BoxFuture<'static, Error>)>| async move {
                let (mut notices, mut ended) = following?;
                tokio::select! {
                    biased;
                    error = &mut ended => Some((Err(error), None)),
                    notice = notices.next() => Some((Ok(notice?), Some((notices, ended)))),
                }
            };
            Ok(stream::unfold(Some((self.notices().await, ended.boxed())), next).boxed())
        })
    }

    /// Tells all connections.
    #[cfg(feature = "admin")]
    pub(crate) async fn tell_everybody(&self, notice: Notice) {
        self.publish(Hint::Notice(notice)).await;
    }
}
