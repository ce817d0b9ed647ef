//! The secret with which tokens are signed: given, or made at the server's first start and kept beside the data.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::Path,
};

use chatcore::identity::{MIN_SECRET_BYTES, WeakSecret};
use rand::Rng as _;

use crate::{
    config::{Config, Failure},
    environment, exposure,
};

/// The secret's name in the data folder.
const FILE: &str = "secret";

/// A signing secret.
pub(crate) struct Secret {
    pub(crate) bytes: Vec<u8>,
    /// What is to be told of how it is kept.
    pub(crate) warning: Option<String>,
}

/// The secret of these settings, made where there is none.
pub(crate) fn load_or_make(config: &Config) -> Result<Secret, Failure> {
    if let Some(secret) = find(config)? {
        return Ok(secret);
    }
    let file = config.data.join(FILE);
    make(&config.data, &file).map_err(|error| format!("cannot make a secret at {}: {error}", file.display()))?;
    tracing::info!(file = %file.display(), "made a new signing secret");
    read(&file)?.ok_or_else(|| format!("the secret at {} has gone", file.display()).into())
}

/// The secret of these settings. Where there is none, nothing is made: a token of a new secret would be of no use.
pub(crate) fn load(config: &Config) -> Result<Secret, Failure> {
    find(config)?.ok_or_else(|| {
        let file = config.data.join(FILE);
        format!(
            "there is no secret at {}: start the server first, which makes one, or give the server's with --secret-file or {}",
            file.display(),
            environment::SECRET
        )
        .into()
    })
}

/// The secret of these settings, if there is one.
pub(crate) fn find(config: &Config) -> Result<Option<Secret>, Failure> {
    match (environment::secret()?, &config.secret_file) {
        (Some((name, _)), Some(file)) => Err(format!(
            "{name} and --secret-file ({}) are both set, and only one can be the secret: unset one",
            file.display()
        )
        .into()),
        (Some((name, text)), None) => Ok(Some(Secret { bytes: checked(&text, name)?, warning: None })),
        (None, Some(file)) => {
            let secret = read(file)?;
            Ok(Some(secret.ok_or_else(|| format!("there is no secret at {} (--secret-file)", file.display()))?))
        }
        (None, None) => read(&config.data.join(FILE)),
    }
}

/// Cuts off the ASCII white space around a secret, which editors and `echo` add. White space inside belongs to the secret.
fn checked(text: &str, source: &str) -> Result<Vec<u8>, Failure> {
    let bytes = text.trim_ascii().as_bytes();
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(format!("{source}: {}", WeakSecret(bytes.len())).into());
    }
    Ok(bytes.to_vec())
}

fn read(file: &Path) -> Result<Option<Secret>, Failure> {
    match fs::read_to_string(file) {
        Ok(text) => {
            let bytes = checked(&text, &file.display().to_string())?;
            Ok(Some(Secret { bytes, warning: exposure::of("secret", file, 0o077)? }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read the secret at {}: {error}", file.display()).into()),
    }
}

/// Makes the secret as a whole or not at all: of two processes that start at once, both take the first one's.
fn make(folder: &Path, file: &Path) -> io::Result<()> {
    exposure::create_folder(folder)?;
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let mut text = String::with_capacity(65);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');

    // A name of its own: in two containers that share the folder, both processes can have the same id.
    let draft = folder.join(format!("secret.{:016x}", rand::random::<u64>()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
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
