//! The secret with which tokens are signed: given, or made at first use and kept beside the data.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::Path,
};

use rand::Rng as _;

use crate::config::{Config, Failure};

/// The environment variable that gives the secret itself. There is no flag: flags are seen by every process.
const VARIABLE: &str = "CHAT_SECRET";

/// The secret of these settings.
pub(crate) fn load(config: &Config) -> Result<Vec<u8>, Failure> {
    if let Ok(secret) = std::env::var(VARIABLE) {
        return Ok(secret.into_bytes());
    }
    if let Some(file) = &config.secret_file {
        return read(file)?.ok_or_else(|| format!("there is no secret at {}", file.display()).into());
    }
    let file = config.data.join("secret");
    if let Some(secret) = read(&file)? {
        return Ok(secret);
    }
    make(&config.data, &file).map_err(|error| format!("cannot make a secret at {}: {error}", file.display()))?;
    read(&file)?.ok_or_else(|| format!("the secret at {} has gone", file.display()).into())
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read_to_string(file) {
        Ok(secret) => {
            owner_only(file)?;
            Ok(Some(secret.trim().as_bytes().to_vec()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read the secret at {}: {error}", file.display()).into()),
    }
}

#[cfg(unix)]
fn owner_only(file: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = fs::metadata(file)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(format!("others may read the secret at {0}; say: chmod 600 {0}", file.display()).into())
}

#[cfg(not(unix))]
fn owner_only(_: &Path) -> Result<(), Failure> {
    Ok(())
}

/// Makes the secret as a whole or not at all: of two processes that start at once, both take the first one's.
fn make(folder: &Path, file: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let mut text = String::with_capacity(65);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');

    let draft = folder.join(format!("secret.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut written = options.open(&draft)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    let linked = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
