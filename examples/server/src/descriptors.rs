//! How many connections the process has descriptors for.

/// Raises the limit of descriptors as far as the process may, and gives the number of connections that leave the database enough.
///
/// The embedded database takes up to half of them: `sysinfo`, by which it measures the machine, keeps as many files of `/proc` open. An eighth
/// is for its own files. Without a descriptor the database cannot open what it reads and writes.
#[cfg(unix)]
pub(crate) fn connections() -> Option<usize> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    // Some systems refuse a limit without an end.
    let is_raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    let limit = if is_raised { hard } else { soft };
    usize::try_from(limit / 8 * 3).ok()
}

#[cfg(not(unix))]
pub(crate) fn connections() -> Option<usize> {
    None
}
