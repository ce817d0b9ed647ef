//! Background tasks that survive a panic.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    task::{AbortHandle, JoinHandle},
    time::sleep,
};
use tracing::Instrument as _;

use crate::error::{Error, Result};

#[cfg(feature = "metrics")]
use crate::metrics::{Counter, Gauge, Raised, TASK_PANICS, TASKS};

/// Runs work that holds a lock in a task of its own. A stream is not polled while its client reads nothing, and a lock that such a stream holds
/// would keep other readers waiting. A drop of the future ends the work.
///
/// # Errors
/// [`Unavailable`](Error::Unavailable) when the runtime ends.
pub(in crate::chat) async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    struct Abort(AbortHandle);
    impl Drop for Abort {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let task = tokio::spawn(work.in_current_span());
    let _abort = Abort(task.abort_handle());
    task.await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => Error::Unavailable,
    })
}

/// A kind of background tasks.
pub(in crate::chat) struct Kind {
    name: &'static str,
    #[cfg(feature = "metrics")]
    running: Gauge,
    #[cfg(feature = "metrics")]
    panics: Counter,
}

impl Kind {
    pub(in crate::chat) fn new(name: &'static str) -> Self {
        Self {
            name,
            #[cfg(feature = "metrics")]
            running: TASKS.with([name]),
            #[cfg(feature = "metrics")]
            panics: TASK_PANICS.with([name]),
        }
    }
}

/// A background task. It is started again when it panics, and ends when it is dropped.
pub(in crate::chat) struct Task(JoinHandle<()>);

impl Task {
    /// Runs what `start` makes, on the current runtime. After a panic, which is logged, `start` makes it anew, `pause` later.
    pub(in crate::chat) fn spawn<F>(kind: &Kind, pause: Duration, start: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = kind.name;
        #[cfg(feature = "metrics")]
        let (running, panics) = (Raised::by_one(&kind.running), kind.panics.clone());
        Self(tokio::spawn(async move {
            #[cfg(feature = "metrics")]
            let _running = running;
            // What a panic left behind is taken up again only through locks, which are never held across an await.
            while AssertUnwindSafe(async { start().await }).catch_unwind().await.is_err() {
                #[cfg(feature = "metrics")]
                panics.increment(1);
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
