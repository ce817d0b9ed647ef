//! Which writes of a folder have reached the disk.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::failure::Failure;

/// Orders the writes to a folder, and holds reads back until the rows that they may have seen are durable.
///
/// surrealkv 0.21 applies a commit in memory first and calls `fsync` afterwards. In between, and for ever after an `fsync`
/// that failed, a read finds rows that the next start may not find.
///
/// INVARIANT: writes go one after the other, and nothing is written after a write that the disk did not take. surrealkv
/// keeps what it could not write, and writes it before what comes next, or a part of it: the former brings back what was
/// refused, the latter makes the next start drop everything from there on, whatever was acknowledged. So the database must
/// be opened again, which takes what is there up to the last whole record.
///
/// INVARIANT: a read is answered only once every write that began before the read ended has reached the disk. A read
/// that may have seen a write which failed is refused, and so is every later read.
#[derive(Debug)]
pub(crate) struct Disk {
    turns: Arc<Mutex<()>>,
    /// How many writes have begun, and how many have ended: the same, or one more while one is under way.
    begun: AtomicU64,
    ended: watch::Sender<u64>,
    failed: watch::Sender<bool>,
}

impl Disk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            turns: Arc::default(),
            begun: AtomicU64::new(0),
            ended: watch::Sender::new(0),
            failed: watch::Sender::new(false),
        })
    }

    /// Tells, now and later, whether a write failed.
    pub(crate) fn failed(&self) -> watch::Receiver<bool> {
        self.failed.subscribe()
    }

    /// Refuses everything from now on.
    pub(crate) fn fail(&self) {
        if !self.failed.send_replace(true) {
            tracing::error!("the database could not write; until it is opened again, every call is refused");
        }
    }

    /// Refuses once a write has failed.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if *self.failed.borrow() { Err(Failure::Unwritable) } else { Ok(()) }
    }

    /// Waits for the writes before, and begins one. The write belongs to the task that executes it, and not to its caller:
    /// a caller may go away meanwhile.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Write, Failure> {
        let turn = Arc::clone(&self.turns).lock_owned().await;
        self.check()?;
        self.begun.fetch_add(1, Ordering::SeqCst);
        Ok(Write { disk: Arc::clone(self), is_whole: false, _turn: turn })
    }

    /// Called when a read has ended: waits until every row that the read can have seen is durable.
    pub(crate) async fn durable(&self) -> Result<(), Failure> {
        // A write that begins later has shown nothing to this read.
        let begun = self.begun.load(Ordering::SeqCst);
        // The sender is in `self`, so the wait does not fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended >= begun).await;
        self.check()
    }

    /// Whether a read waits for a write.
    #[cfg(test)]
    pub(crate) fn holds_back(&self) -> bool {
        self.ended.receiver_count() > 0
    }
}

/// A write that is under way.
#[derive(Debug)]
pub(crate) struct Write {
    disk: Arc<Disk>,
    is_whole: bool,
    _turn: OwnedMutexGuard<()>,
}

impl Write {
    /// Ends it well: it has reached the disk, or it changed nothing.
    pub(crate) fn end(mut self) {
        self.is_whole = true;
    }
}

impl Drop for Write {
    /// A write that did not end well may be seen without being durable. One that panicked counts as such, too: nobody knows
    /// how far it came.
    fn drop(&mut self) {
        if !self.is_whole {
            self.disk.fail();
        }
        self.disk.ended.send_modify(|ended| *ended += 1);
    }
}
