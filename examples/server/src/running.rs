//! The address of the server that runs on a data folder, for the commands that talk to it.

use std::{fs, net::SocketAddr, path::PathBuf};

use crate::{admin::client, config::Config};

/// The file's name in the data folder.
const FILE: &str = "address";

/// The note of a running server; it is removed when dropped.
pub(crate) struct Note(Option<PathBuf>);

impl Note {
    /// Notes where the server listens. A server without a data folder leaves no note.
    pub(crate) fn leave(config: &Config, address: SocketAddr) -> Self {
        let file = config.data.join(FILE);
        if !config.data.is_dir() {
            return Self(None);
        }
        match fs::write(&file, format!("{}\n", client::address(address))) {
            Ok(()) => Self(Some(file)),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "commands will not find the server by themselves");
                Self(None)
            }
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            let _ = fs::remove_file(file);
        }
    }
}

/// The server to talk to: the one that has noted its address, or else the one that these settings describe.
pub(crate) fn url(config: &Config) -> String {
    let noted = fs::read_to_string(config.data.join(FILE)).ok();
    let noted = noted.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    noted.unwrap_or_else(|| client::address(config.listen))
}
