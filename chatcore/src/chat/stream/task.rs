//! Background tasks that survive a panic.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::{task::JoinHandle, time::sleep};

/// A background task. It is started again when it panics, and ends when it is dropped.
pub(in crate::chat) struct Task(JoinHandle<()>);

impl Task {
    /// Runs what `start` makes, on the current runtime. After a panic, which is logged, `start` makes it anew, `pause` later.
    pub(in crate::chat) fn spawn<F>(
        name: &'static str,
        pause: Duration,
        start: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(tokio::spawn(async move {
            // What a panic left behind is taken up again only through locks, which are never held across an await.
            while AssertUnwindSafe(async { start().await }).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a background task panicked; it starts again");
                sleep(pause).await;
            }
        }))
    }

    /// Whether it still runs. It does not when it is done, or when its runtime has ended.
    pub(in crate::chat) fn runs(&self) -> bool {
        !self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
