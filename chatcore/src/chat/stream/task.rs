//! Background tasks that survive a panic.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::{task::JoinHandle, time::sleep};

#[cfg(feature = "metrics")]
use crate::metrics::{Counter, Gauge, Raised, TASK_PANICS, TASKS};

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
