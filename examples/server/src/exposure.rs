//! Files and folders that other users of the machine can read.

use std::{fs, io, path::Path};

use crate::config::Failure;

/// Tells of a file that others may read, by the bits of its mode that say so. It is used all the same: Docker and Kubernetes mount secrets
/// with such modes.
#[cfg(unix)]
pub(crate) fn of(what: &str, file: &Path, others: u32) -> Result<Option<String>, Failure> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = fs::metadata(file)?.permissions().mode();
    Ok((mode & others != 0).then(|| {
        let file = file.display();
        format!(
            "others than the owner may use the {what} at {file}; if it is not mounted that way, say: chmod 600 {file}"
        )
    }))
}

#[cfg(not(unix))]
pub(crate) fn of(_: &str, _: &Path, _: u32) -> Result<Option<String>, Failure> {
    Ok(None)
}

/// Creates a folder that only its owner may enter, with the folders above it. Leaves a folder that exists as it is.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}
