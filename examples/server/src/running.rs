//! The address of the server that runs on a data folder, for the commands that talk to it.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
};

use crate::{
    admin::client,
    config::{Config, Failure},
};

/// The file's name in the data folder. The server holds its lock, so the file of a server that was killed counts no more.
const FILE: &str = "address";

/// The note of a running server; it is removed when dropped.
pub(crate) struct Note(Option<(PathBuf, File)>);

impl Note {
    /// Notes where the server listens. A server without a data folder leaves no note, nor does one with TLS,
    /// whose address is not the name in its certificate, or a second one on the same folder.
    pub(crate) fn leave(config: &Config, address: SocketAddr) -> Self {
        let path = config.data.join(FILE);
        if !config.data.is_dir() || config.tls_cert.is_some() {
            return Self(None);
        }
        let write = || -> io::Result<File> {
            let mut file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.try_lock()?;
            file.set_len(0)?;
            writeln!(file, "{}", client::address(address))?;
            Ok(file)
        };
        match write() {
            Ok(file) => Self(Some((path, file))),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "commands will not find the server by themselves");
                Self(None)
            }
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// The server that runs on the data folder.
pub(crate) fn noted(config: &Config) -> Option<String> {
    let mut file = File::open(config.data.join(FILE)).ok()?;
    let Err(TryLockError::WouldBlock) = file.try_lock_shared() else { return None };
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let url = text.trim();
    (!url.is_empty()).then(|| url.to_owned())
}

/// The server to talk to: the one that runs on the data folder, or else the one that these settings describe.
///
/// # Errors
/// With TLS, since only the administrator knows the name in the server's certificate.
pub(crate) fn url(config: &Config) -> Result<String, Failure> {
    if config.tls_cert.is_some() {
        return Err("the server speaks TLS: name it as its certificate does, with --server https://HOST:PORT".into());
    }
    Ok(noted(config).unwrap_or_else(|| client::address(config.listen)))
}
