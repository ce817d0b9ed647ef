//! The files of a folder are replaced by those of a copy, wholly or not at all.
//!
//! The copy is made in [`COPY`], within the folder, since the folder itself may be a mount that cannot be renamed. Its new name
//! [`DONE`] is the decision: a copy under the first name is taken away at the next start, and one under the second name takes the
//! place of the old files, at once or at the next start. The old files go to [`OLD`] first.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    path::Path,
};

pub(crate) const COPY: &str = "compacting";
pub(crate) const DONE: &str = "compacted";
pub(crate) const OLD: &str = "replaced";
/// What the engine keeps in its folder.
const PARTS: [&str; 5] = ["manifest", "sstables", "vlog", "versioned_index", "wal"];
/// The file that the engine locks while it has a folder open.
const LOCK: &str = "LOCK";

/// Is asked before each step; a test lets one fail.
pub(crate) type Step<'a> = &'a mut dyn FnMut() -> io::Result<()>;

/// Keeps the engine, in every process, from the folder.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is locked for as long as it is open")] File);

impl Lock {
    /// Takes the lock; `None` where another process has it.
    pub(crate) fn take(folder: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
        Self::of(file)
    }

    /// Takes the lock of a folder in which nothing may be made. A folder in which the engine never made its file has no lock to take, and no
    /// process that uses it.
    pub(crate) fn take_existing(folder: &Path) -> io::Result<Result<Option<Self>, InUse>> {
        match File::open(folder.join(LOCK)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Ok(None)),
            file => Ok(Self::of(file?)?.map(Some).ok_or(InUse)),
        }
    }

    fn of(file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Another process has the folder.
#[derive(Debug)]
pub(crate) struct InUse;

/// The engine's manifests. A process that opens the database and writes changes a manifest, at the latest when it closes the database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    manifests: Vec<(std::ffi::OsString, Vec<u8>)>,
    /// Whether there is a file with entries.
    pub(crate) has_tables: bool,
    /// Whether there are writes that the other files do not have.
    pub(crate) is_open: bool,
}

pub(crate) fn state(folder: &Path) -> io::Result<State> {
    let mut manifests = Vec::new();
    for entry in fs::read_dir(folder.join("manifest"))? {
        let entry = entry?;
        manifests.push((entry.file_name(), fs::read(entry.path())?));
    }
    manifests.sort();
    let (has_tables, is_open) = (bytes(&folder.join("sstables"))? > 0, bytes(&folder.join("wal"))? > 0);
    Ok(State { manifests, has_tables, is_open })
}

/// Whether there is something of a compaction in a folder.
pub(crate) fn is_unfinished(folder: &Path) -> bool {
    [COPY, DONE, OLD].iter().any(|name| folder.join(name).exists())
}

/// Brings to its end what a compaction that was interrupted began. `false` where another process has the folder.
pub(crate) fn finish(folder: &Path) -> io::Result<bool> {
    if !is_unfinished(folder) {
        return Ok(true);
    }
    let Some(lock) = Lock::take(folder)? else { return Ok(false) };
    tracing::info!("a compaction was interrupted; bringing it to its end");
    remove(&folder.join(COPY))?;
    switch(folder, &lock, &mut || Ok(()))?;
    Ok(true)
}

/// Whether a copy was decided on and has not taken its place everywhere.
pub(crate) fn is_decided(folder: &Path) -> bool {
    folder.join(DONE).exists()
}

/// Decides that the copy, which is complete, takes the place of the old files.
pub(crate) fn commit(folder: &Path, _: &Lock, step: Step<'_>) -> io::Result<()> {
    let copy = folder.join(COPY);
    remove_file(&copy.join(LOCK))?;
    for part in PARTS {
        // Whatever the old files have a part for, the copy has one for.
        if folder.join(part).exists() && !copy.join(part).exists() {
            fs::create_dir(copy.join(part))?;
        }
    }
    sync_all(&copy)?;
    step()?;
    fs::rename(copy, folder.join(DONE))?;
    step()?;
    sync(folder)
}

/// Puts the copy in the place of the old files, part by part, and removes the old files. Each step can be the last one of a process.
pub(crate) fn switch(folder: &Path, _: &Lock, step: Step<'_>) -> io::Result<()> {
    let (done, old) = (folder.join(DONE), folder.join(OLD));
    if done.exists() {
        fs::create_dir_all(&old)?;
        // A part that is no longer in the copy is in its place.
        for part in PARTS.into_iter().filter(|part| done.join(part).exists()) {
            if folder.join(part).exists() {
                step()?;
                fs::rename(folder.join(part), old.join(part))?;
                sync(&old)?;
                sync(folder)?;
            }
            step()?;
            fs::rename(done.join(part), folder.join(part))?;
            sync(folder)?;
        }
        step()?;
        remove(&done)?;
    }
    step()?;
    remove(&old)?;
    sync(folder)
}

/// Removes a folder, if it is there.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn remove_file(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// The bytes of all files below a folder.
pub(crate) fn bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        sum += if found.is_dir() { bytes(&entry.path())? } else { found.len() };
    }
    Ok(sum)
}

/// Syncs everything below a folder, and the folder. The engine syncs only the file that it writes to last.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            fs::OpenOptions::new().write(true).open(entry.path())?.sync_all()?;
        }
    }
    sync(folder)
}

/// Makes the names in a folder durable. Windows has no such call for a folder, and needs none.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "tests panic on purpose")]
mod tests;
