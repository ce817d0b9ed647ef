//! The room on the disk.

use std::path::Path;

/// With less than this a server is not ready: the database stops for good once it cannot write.
pub(crate) const LEAST: u64 = 64 << 20;

/// Whether there is room on the disk of a folder.
pub(crate) fn has_room(folder: &Path) -> Result<(), String> {
    match free(folder) {
        Ok(free) if free < LEAST => Err(format!("{free} bytes are free on the disk of {}", folder.display())),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{} cannot be looked at: {error}", folder.display())),
    }
}

#[cfg(unix)]
pub(crate) fn free(folder: &Path) -> std::io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Elsewhere nothing is known of the disk.
#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> std::io::Result<u64> {
    Ok(u64::MAX)
}
