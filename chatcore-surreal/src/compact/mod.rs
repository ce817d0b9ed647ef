//! Compaction of a folder: what was deleted leaves the disk.
//!
//! surrealkv 0.21 keeps the old values of a record in its files until it merges these files, and it merges a file only when its
//! level is full. A value of 4 KiB or more stands in a file of its own kind (`vlog`), which a merge does not rewrite at all. The
//! engine has no call for either, and `ALTER SYSTEM COMPACT` fails on it. So compaction copies what can be read into new files,
//! and replaces the old files by the new ones.

pub(crate) mod switch;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use surrealkv::{Durability, LSMIterator as _, Mode, Options, ReadOptions, Tree, TreeBuilder};
use tokio::runtime::Runtime;

pub(crate) use self::switch::is_unfinished;
use self::switch::{COPY, Lock, Step, bytes};
use crate::{connect::ConnectError, link};

/// How much is copied in one transaction at the most, unless one value is larger.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_ENTRIES: usize = 10_000;
/// The memory of the copy before it is written to a file, in bytes. One transaction must fit.
const MEMTABLE: usize = 64 << 20;
const CACHE: u64 = 16 << 20;
/// How values are kept, as SurrealDB has it.
const VALUE_THRESHOLD: usize = 4 << 10;
const VALUE_FILE: u64 = 128 << 20;
/// After every key of SurrealDB, which all begin with `/`.
const BEYOND: &[u8] = &[u8::MAX];
/// How often the log tells how far it is.
const TELLING: Duration = Duration::from_secs(5);

/// What a compaction did to the size of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// The bytes of the database's files before.
    pub before: u64,
    /// The bytes of the database's files after.
    pub after: u64,
}

/// Why a folder was not compacted. It is as it was, unless the compaction is only unfinished.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("another process has opened the database")]
    InUse,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Engine(#[from] surrealkv::Error),
    #[error("the copy differs from the database")]
    Differs,
    #[error("the copy has not taken the place of all files yet")]
    Unfinished(#[source] io::Error),
}

impl Failure {
    fn of(self, path: &Path) -> ConnectError {
        let path = path.to_owned();
        match self {
            Self::InUse => ConnectError::Locked { path },
            // The engine has no type for it.
            Self::Engine(error) if error.to_string().contains("already locked") => ConnectError::Locked { path },
            Self::Io(source) => ConnectError::Compaction { path, source: Box::new(source) },
            Self::Engine(source) => ConnectError::Compaction { path, source: Box::new(source) },
            Self::Unfinished(source) => ConnectError::CompactionUnfinished { path, source },
            Self::Differs => ConnectError::Compaction { path, source: Box::new(Self::Differs) },
        }
    }
}

/// Rewrites the database in a folder that was closed in order. It goes on to its end, or to a state that
/// [`finish`] puts in order, also when its caller goes away.
pub(crate) async fn rewrite(folder: PathBuf) -> Result<Compaction, ConnectError> {
    let (path, task) = (folder.clone(), move || blocking(&folder, &mut || Ok(())));
    match tokio::task::spawn_blocking(task).await {
        Ok(outcome) => outcome.map_err(|failure| failure.of(&path)),
        Err(error) => Err(ConnectError::Backend(Box::new(error))),
    }
}

/// Whether another process has a folder open.
pub(crate) fn is_in_use(folder: &Path) -> io::Result<bool> {
    Ok(Lock::take(folder)?.is_none())
}

/// Brings a compaction that was interrupted to its end.
pub(crate) async fn finish(folder: PathBuf) -> Result<(), ConnectError> {
    if !is_unfinished(&folder) {
        return Ok(());
    }
    let (path, task) = (folder.clone(), move || switch::finish(&folder));
    match tokio::task::spawn_blocking(task).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(Failure::InUse.of(&path)),
        Ok(Err(error)) => Err(ConnectError::Folder { path, source: error }),
        Err(error) => Err(ConnectError::Backend(Box::new(error))),
    }
}

fn blocking(folder: &Path, step: Step<'_>) -> Result<Compaction, Failure> {
    let before = bytes(folder)?;
    let outcome = copy(folder).and_then(|seen| {
        // Once the copy is in its place, nothing may fail any more that does not belong to the switch.
        let after = bytes(&folder.join(COPY))?;
        replace(folder, &seen, step)?;
        Ok(Compaction { before, after })
    });
    match outcome {
        Ok(_) | Err(Failure::Unfinished(_)) => outcome,
        Err(failure) => {
            // A disk that is full needs the room now. What stays is taken away at the next start.
            if let Err(error) = switch::finish(folder) {
                tracing::warn!(%error, "the unfinished copy of the database is still there");
            }
            Err(failure)
        }
    }
}

/// Puts the copy in the place of the files of a folder that is still as it was seen. A failure after the decision is tried once more: the
/// compaction takes effect in any case.
fn replace(folder: &Path, seen: &switch::State, step: Step<'_>) -> Result<(), Failure> {
    let lock = Lock::take(folder)?.ok_or(Failure::InUse)?;
    // Between the copy and the lock another process can have written.
    if switch::state(folder)? != *seen {
        return Err(Failure::InUse);
    }
    if let Err(error) = switch::commit(folder, &lock, step)
        && !switch::is_decided(folder)
    {
        return Err(error.into());
    }
    let Err(error) = switch::switch(folder, &lock, step) else { return Ok(()) };
    tracing::warn!(%error, "the copy of the database has not taken its place; trying again");
    switch::switch(folder, &lock, step).map_err(Failure::Unfinished)
}

/// Runs something on a runtime of its own. An engine that is dropped closes itself once more in the background, and
/// that must not happen to the files that come next: so it ends with the runtime.
fn alone<T>(task: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(task)
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(link::runtime("chat-store-compact", 2).map_err(|error| io::Error::other(error.to_string()))?)
}

/// Copies the database of a folder, and gives the state of the folder that the copy stands for.
fn copy(folder: &Path) -> Result<switch::State, Failure> {
    // It only reads: nothing is merged, and nothing is written at the end.
    let mut unchanged = options(folder).with_flush_on_close(false);
    (unchanged.level0_max_files, unchanged.l0_stall_threshold) = (usize::MAX, usize::MAX);
    unchanged.max_bytes_for_level = u64::MAX;
    let runtime = runtime()?;
    // From here on no other process has the folder.
    let source = runtime.block_on(async { TreeBuilder::with_options(unchanged).build() })?;
    let copied = copy_of(&source, folder);
    runtime.block_on(async move { source.close().await })?;
    copied
}

fn copy_of(source: &Tree, folder: &Path) -> Result<switch::State, Failure> {
    let seen = switch::state(folder)?;
    if seen.is_open {
        return Err(Failure::InUse);
    }
    let target = folder.join(COPY);
    switch::remove(&target)?;
    let copied = alone(async {
        let copy = TreeBuilder::with_options(options(&target)).build()?;
        let copied = transfer(source, &copy).await;
        copy.close().await?;
        copied
    })?;
    let is_same = alone(async {
        let copy = TreeBuilder::with_options(options(&target)).build()?;
        let is_same = compare(source, &copy);
        copy.close().await?;
        is_same
    })?;
    // Files without an entry would mean that the entries are not found.
    if !is_same || (copied == 0 && seen.has_tables) {
        return Err(Failure::Differs);
    }
    tracing::info!(entries = copied, "the database is copied");
    Ok(seen)
}

fn options(folder: &Path) -> Options {
    Options::new()
        .with_path(folder.to_owned())
        .with_enable_vlog(true)
        .with_vlog_value_threshold(VALUE_THRESHOLD)
        .with_vlog_max_file_size(VALUE_FILE)
        .with_max_memtable_size(MEMTABLE)
        .with_block_cache_capacity(CACHE)
}

/// Writes every entry of one tree into another, and counts them.
async fn transfer(source: &Tree, copy: &Tree) -> Result<u64, Failure> {
    let mut pages = Pages::of(source)?;
    let (mut copied, mut told) = (0, Instant::now());
    while let Some(page) = pages.next()? {
        copied += page.len() as u64;
        let mut write = copy.begin_with_mode(Mode::WriteOnly)?;
        // All of it is made durable in the end, before it counts.
        write.set_durability(Durability::Eventual);
        for (key, value) in page {
            write.set(key, value)?;
        }
        write.commit().await?;
        if told.elapsed() > TELLING {
            told = Instant::now();
            tracing::info!(entries = copied, "copying the database");
        }
    }
    Ok(copied)
}

/// Whether two trees hold the same entries.
fn compare(one: &Tree, other: &Tree) -> Result<bool, Failure> {
    let (mut ones, mut others) = (Pages::of(one)?, Pages::of(other)?);
    loop {
        match (ones.next()?, others.next()?) {
            (None, None) => return Ok(true),
            (one, other) if one == other => {}
            _ => return Ok(false),
        }
    }
}

/// The entries of a tree, page after page, all as of one time.
struct Pages {
    snapshot: surrealkv::Transaction,
    /// The first key of the next page; `None` after the last one.
    from: Option<Vec<u8>>,
}

type Page = Vec<(Vec<u8>, Vec<u8>)>;

impl Pages {
    fn of(tree: &Tree) -> Result<Self, Failure> {
        Ok(Self { snapshot: tree.begin_with_mode(Mode::ReadOnly)?, from: Some(Vec::new()) })
    }

    fn next(&mut self) -> Result<Option<Page>, Failure> {
        let Some(from) = self.from.take() else { return Ok(None) };
        let mut bounds = ReadOptions::new();
        // Without an upper bound the engine finds nothing.
        bounds.set_iterate_upper_bound(Some(BEYOND.to_vec()));
        bounds.set_iterate_lower_bound(Some(from));
        let mut entries = self.snapshot.range_with_options(&bounds)?;
        let (mut page, mut size) = (Page::new(), 0);
        entries.seek_first()?;
        while entries.valid() {
            let (key, value) = (entries.key().user_key().to_vec(), entries.value()?);
            if page.len() >= BATCH_ENTRIES || (size + key.len() + value.len() > BATCH_BYTES && !page.is_empty()) {
                self.from = Some(key);
                break;
            }
            size += key.len() + value.len();
            page.push((key, value));
            entries.next()?;
        }
        Ok((!page.is_empty()).then_some(page))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "tests panic on purpose")]
mod tests;
