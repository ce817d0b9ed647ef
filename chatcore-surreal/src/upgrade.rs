//! A database to look at, of which nothing is changed.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    compact::switch::{self, InUse, Lock},
    connect::{ConnectError, DURABLE, Target},
};

/// What stands behind the name of a folder in the name of its copy.
const COPY: &str = ".looking";

/// What can be opened in place of a database.
#[derive(Debug)]
pub(crate) enum Looked {
    /// The database itself, which opening does not change; for a folder that is not there, an empty one.
    Itself(Target),
    /// A copy of its folder, which goes with this.
    Copy(PathBuf),
}

impl Looked {
    pub(crate) fn target(&self) -> Target {
        match self {
            Self::Itself(target) => target.clone(),
            Self::Copy(folder) => Target::folder(folder, DURABLE),
        }
    }
}

impl Drop for Looked {
    fn drop(&mut self) {
        if let Self::Copy(folder) = self
            && let Err(error) = switch::remove(folder)
        {
            tracing::warn!(folder = %folder.display(), %error, "the copy of the database is still there; remove it");
        }
    }
}

/// Copies a database that is in a folder.
pub(crate) async fn copy(target: &Target) -> Result<Looked, ConnectError> {
    let Some(folder) = target.path().map(Path::to_owned) else { return Ok(Looked::Itself(target.clone())) };
    let copying = tokio::task::spawn_blocking(move || copy_of(&folder));
    copying.await.map_err(|error| ConnectError::Backend(Box::new(error)))?
}

fn copy_of(folder: &Path) -> Result<Looked, ConnectError> {
    if !folder.exists() {
        return Ok(Looked::Itself(Target::Memory));
    }
    let failed = |source| ConnectError::Folder { path: folder.to_owned(), source };
    // From here on no other process has the folder.
    let lock = Lock::take_existing(folder).map_err(failed)?;
    let lock = lock.map_err(|InUse| ConnectError::Locked { path: folder.to_owned() })?;
    // A link leads to the folder, and not to the place for its copy.
    let whole = folder.canonicalize().map_err(failed)?;
    let mut name = whole.file_name().map_or_else(|| OsString::from("database"), OsString::from);
    name.push(COPY);
    let to = whole.with_file_name(name);
    // One that was interrupted may have left a part.
    switch::remove(&to).map_err(|source| ConnectError::Folder { path: to.clone(), source })?;
    let copy = Looked::Copy(to.clone());
    copy_all(&whole, &to).map_err(|source| ConnectError::Folder { path: to, source })?;
    drop(lock);
    Ok(copy)
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
