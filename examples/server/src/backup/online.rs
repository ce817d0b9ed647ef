//! A backup of a running server, over its own API.

use std::{fs::File, io::BufWriter, path::Path};

use chatcore::backup::{BackupError, Progress, Stage};

use super::{check, told};
use crate::{
    admin::{client::Client, tokens},
    cli::BackupArgs,
    config::{Config, Failure},
    output::Output,
    secret,
};

/// The operation of the server.
const PATH: &str = "/api/v1/admin/backup";

/// Copies the file of a server while it comes. Where it does not come whole, the error says why.
pub(super) async fn take(
    config: &Config,
    args: &BackupArgs,
    server: String,
    file: &mut File,
    partial: &Path,
    stderr: &Output,
) -> Result<(), Failure> {
    stderr.say(&format!("copying from the server at {server}"));
    let token = tokens::issue(&secret::load(config)?.bytes)?;
    let client = Client::new(server, token, config.tls_cert.as_deref())?;
    let query = [("skip_unreadable", args.skip_unreadable.to_string())];
    let mut tell = told(stderr);
    let mut copied = Progress { stage: Stage::Copying, ..Progress::default() };
    let on_part = |bytes: usize| {
        copied.bytes += bytes as u64;
        tell(copied);
    };
    let mut to = BufWriter::new(file);
    let Err(cut) = client.copy(PATH, &query, &mut to, on_part).await else { return Ok(()) };
    drop(to);
    // Where the server failed, the file says why.
    match check(partial, &mut |_| ()) {
        Err(error @ BackupError::Failed(_)) => Err(error.into()),
        _ => Err(cut),
    }
}
