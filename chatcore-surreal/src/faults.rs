//! What goes wrong in tests.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use surrealdb::types::Error;
use tokio::sync::Semaphore;

use crate::failure::Failure;

/// What goes wrong with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done, and fails all the same.
    AfterDone,
    /// It is not done.
    NotDone,
    /// It is not done, and nobody can tell.
    Unclear,
    /// It is done, and the connection breaks before that is said.
    CutAfterDone,
    /// It is not done, and the connection breaks.
    Cut,
    /// The disk did not take it.
    Broke,
    /// It can be read, and its `fsync` ends when it is told to, well.
    SlowDisk,
    /// It can be read, and its `fsync` ends when it is told to, with a failure.
    SlowDiskBroke,
    /// It can be read, and what executes it panics.
    PanicAfterDone,
    /// What asks for it panics.
    PanicInCaller,
}

/// The faults of the next writes.
#[derive(Debug)]
pub(crate) struct Faults {
    next: Mutex<VecDeque<Fault>>,
    /// Has a permit for each write that can be read and waits for its `fsync`.
    pub(crate) visible: Semaphore,
    /// Takes a permit for each `fsync` that may end.
    pub(crate) synced: Semaphore,
}

impl Default for Faults {
    fn default() -> Self {
        Self { next: Mutex::default(), visible: Semaphore::new(0), synced: Semaphore::new(0) }
    }
}

fn injected() -> Error {
    Error::internal("injected".to_owned())
}

impl Faults {
    pub(crate) fn extend(&self, faults: &[Fault]) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// The fault of the write that begins.
    pub(crate) fn next(&self) -> Option<Fault> {
        let fault = self.next.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        assert!(fault != Some(Fault::PanicInCaller), "a panic on purpose");
        fault
    }

    /// Executes a write as its fault wants it.
    pub(crate) async fn around<T>(
        &self,
        fault: Option<Fault>,
        write: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match fault {
            None => write.await,
            Some(Fault::AfterDone) => Err(write.await.map(|_| Failure::Failed(injected()))?),
            Some(Fault::CutAfterDone) => Err(write.await.map(|_| Failure::Cut(injected()))?),
            Some(Fault::NotDone) => Err(Failure::Failed(injected())),
            Some(Fault::Unclear) => Err(Failure::Unclear(injected())),
            Some(Fault::Cut) => Err(Failure::Cut(injected())),
            Some(Fault::Broke) => Err(Failure::Broke(injected())),
            Some(fault @ (Fault::SlowDisk | Fault::SlowDiskBroke)) => {
                let done = write.await?;
                self.visible.add_permits(1);
                self.synced.acquire().await.expect("it is never closed").forget();
                if fault == Fault::SlowDisk { Ok(done) } else { Err(Failure::Broke(injected())) }
            }
            Some(fault @ (Fault::PanicAfterDone | Fault::PanicInCaller)) => {
                write.await?;
                panic!("on purpose: {fault:?}");
            }
        }
    }
}
