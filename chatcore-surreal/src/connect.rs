//! Which database: the connection string, the options, and what can be wrong with them.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A user of the database within a database server: one who may write and define tables there, so with the role `EDITOR`.
/// Nobody with more rights is needed to run.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, password: _ } = self;
        f.debug_struct("Credentials").field("username", username).finish_non_exhaustive()
    }
}

/// How a store is opened. The default is good for a server with thousands of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurrealOptions {
    /// The namespace within the database.
    pub namespace: String,
    /// The database within the namespace.
    pub database: String,
    /// Who to sign in as, at a server; a database in this process knows no users.
    pub credentials: Option<Credentials>,
    /// A PEM file with the certificates of the authorities that may vouch for a server at `wss://`, in place of those that browsers trust.
    /// It is read at each connection.
    pub authorities: Option<PathBuf>,
    /// How many changes may wait to be committed before further ones are refused as unavailable.
    pub max_queue: usize,
    /// How many changes are committed together at the most.
    pub max_batch: usize,
    /// Of how many sessions the end of the log and the record are kept in memory.
    pub cached_sessions: u64,
    /// How many participants' records are kept in memory, over all sessions.
    pub cached_participants: u64,
    /// The threads that run queries, at least one. On disk there should be one: a range that is read while surrealkv
    /// 0.21 writes down a flush or a compaction takes the same two locks in the other order, and with two threads both can
    /// wait for ever.
    pub threads: usize,
    /// How long to wait for a folder that is in use, for instance because the store that was just dropped is still being
    /// closed.
    pub lock_patience: Duration,
}

impl Default for SurrealOptions {
    fn default() -> Self {
        Self {
            namespace: "chatcore".to_owned(),
            database: "chatcore".to_owned(),
            credentials: None,
            authorities: None,
            max_queue: 4096,
            max_batch: 512,
            cached_sessions: 10_000,
            cached_participants: 100_000,
            threads: 1,
            lock_patience: Duration::from_millis(2_500),
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connection string names an engine that there is not.
    #[error(
        "`{scheme}` is no known kind of database: use `mem://`, `surrealkv://path`, `ws://host:port` or `wss://host:port`"
    )]
    UnknownScheme {
        /// What stands before `://`; the rest may hold a password.
        scheme: String,
    },
    /// The connection string names a known engine, and what follows is not right.
    #[error("the connection string is not valid: {0}")]
    InvalidUrl(String),
    /// The folder is not there and cannot be made, or cannot be written to.
    #[error("the folder {} cannot be written to", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The engine cannot be told the folder's path: it is not UTF-8, or holds a `?`. On Linux there is a way around that.
    #[error("the database cannot be told the path of the folder {}; choose one without `?`, in UTF-8", .path.display())]
    Path {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is in use, most likely by another process.
    #[error("the database in {} is in use by another process", .path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The server cannot be reached.
    #[error("the database at {address} cannot be reached")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server's certificate is not accepted: it is of another host, of an authority that is not trusted, or too old.
    #[error("the certificate of the database at {address} is not accepted")]
    Certificate {
        /// Where the server is.
        address: String,
        /// What is wrong with the certificate.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file of authorities cannot be used.
    #[error("{} holds no certificates of authorities that can be used: {reason}", .file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The server does not let this user in.
    #[error("the database at {address} refuses the user name or the password")]
    SignIn {
        /// The server.
        address: String,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the last process left unfinished could not be put in order, for instance because the disk is full.
    #[error("the database in {} was not closed, and cannot be put in order; is its disk full?", .path.display())]
    Unsettled {
        /// The folder.
        path: PathBuf,
    },
    /// The files of the database could not be compacted, for instance because the disk has no room for a copy. The database is as it was.
    #[error("the database in {} could not be compacted", .path.display())]
    Compaction {
        /// The folder.
        path: PathBuf,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The compaction took effect, but some old files are not replaced yet, for instance because the disk failed. No data is lost. The next
    /// start finishes the compaction before it opens the folder.
    #[error("the compaction of the database in {} is not finished; the next start finishes it", .path.display())]
    CompactionUnfinished {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The database was written by a later version of this crate.
    #[error("the database has schema version {found}, and this program knows none beyond {known}")]
    NewerSchema {
        /// The version that was found.
        found: i64,
        /// The latest one that is known.
        known: i64,
    },
    /// The threads could not be started.
    #[error("the threads of the store could not be started")]
    Threads(#[source] io::Error),
    /// The database failed.
    #[error("the database failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<surrealdb::Error> for ConnectError {
    fn from(error: surrealdb::Error) -> Self {
        Self::Backend(Box::new(error))
    }
}

/// A database that can be opened.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// In this process, and gone with it.
    Memory,
    /// In a folder.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The engine's parameters.
        parameters: String,
        /// The engine's own words for it, once it is prepared.
        url: String,
        /// What keeps the path in `url` good.
        _alias: Option<Arc<File>>,
    },
    /// A server.
    Server {
        /// `ws://host:port` or `wss://host:port`.
        address: String,
    },
}

const FOLDER: &str = "surrealkv";
const SERVER: &str = "ws";
const SECURE_SERVER: &str = "wss";
/// Every commit reaches the disk before it returns. It is the engine's default as well; here it is a promise.
pub(crate) const DURABLE: &str = "sync=every";

impl Target {
    /// Reads a connection string.
    ///
    /// The engine ignores what it does not know, and a mistyped `sync` would silently be another durability than asked
    /// for: so nothing passes that is not understood here.
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectError> {
        let invalid = |why: &str| Err(ConnectError::InvalidUrl(why.to_owned()));
        let Some((scheme, rest)) = url.split_once("://") else {
            let scheme = url.split(':').next().unwrap_or_default().chars().take(32).collect();
            return Err(ConnectError::UnknownScheme { scheme });
        };
        let (path, parameters) = rest.split_once('?').map_or((rest, None), |(path, rest)| (path, Some(rest)));
        match scheme {
            "mem" if rest.is_empty() => Ok(Self::Memory),
            "mem" => invalid("nothing may follow `mem://`"),
            FOLDER if path.is_empty() => invalid("`surrealkv://` needs the path of a folder"),
            // The engine makes the user's folder of it, and whoever writes it means that; everybody else takes it as a name.
            FOLDER if path == "~" || path.starts_with("~/") => invalid("write out the folder that `~` stands for"),
            FOLDER => {
                let parameters: Vec<&str> =
                    parameters.unwrap_or_default().split('&').filter(|p| !p.is_empty()).collect();
                if let Some(unknown) = parameters.iter().find(|parameter| !is_known(parameter)) {
                    return invalid(&format!(
                        "`{unknown}` is no known parameter: there is `sync=every|never|200ms|1s`"
                    ));
                }
                if parameters.len() > 1 {
                    return invalid("`sync` is given more than once");
                }
                Ok(Self::folder(path, parameters.first().copied().unwrap_or(DURABLE)))
            }
            SERVER | SECURE_SERVER if path.contains('@') => {
                invalid("a name and a password do not belong here, but into the options")
            }
            SERVER | SECURE_SERVER if parameters.is_some() => {
                invalid(&format!("nothing may follow `{scheme}://host:port`"))
            }
            SERVER | SECURE_SERVER => match path.strip_suffix('/').unwrap_or(path) {
                "" => invalid(&format!("`{scheme}://` needs the host and the port of a server")),
                host if host.contains('/') => invalid(&format!("nothing may follow `{scheme}://host:port`")),
                host => Ok(Self::Server { address: format!("{scheme}://{host}") }),
            },
            _ => Err(ConnectError::UnknownScheme { scheme: scheme.chars().take(32).collect() }),
        }
    }

    /// A folder whose path is taken as it is.
    pub(crate) fn folder(path: impl Into<PathBuf>, parameters: &str) -> Self {
        let path = path.into();
        let url = format!("{FOLDER}://{}?{parameters}", path.display());
        Self::Folder { path, parameters: parameters.to_owned(), url, _alias: None }
    }

    /// What the engine opens.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Memory => "mem://",
            Self::Folder { url, .. } => url,
            Self::Server { address } => address,
        }
    }

    /// Where the server is, if it is one.
    pub(crate) fn address(&self) -> Option<&str> {
        match self {
            Self::Memory | Self::Folder { .. } => None,
            Self::Server { address } => Some(address),
        }
    }

    /// Whether the connection to the server is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.address().is_some_and(|address| address.split("://").next() == Some(SECURE_SERVER))
    }

    /// Whether a row that can be read has also been made durable. On disk a commit can be read shortly before it is.
    pub(crate) fn visible_is_durable(&self) -> bool {
        match self {
            // What a server lets others see it has in its log, and keeps when it is killed. Where its disk failed, it
            // says so, and then nobody asks.
            Self::Memory | Self::Server { .. } => true,
            Self::Folder { .. } => false,
        }
    }

    /// Makes the folder, and looks whether it can be written to: the engine's own complaint does not say.
    ///
    /// The engine takes a path apart before it opens it: it ends the path at a `?`, replaces `~`, and takes `..` out without a look at
    /// links. So it is given the whole path of the folder that is there.
    pub(crate) fn prepare(self) -> Result<Self, ConnectError> {
        let Self::Folder { path, parameters, .. } = self else { return Ok(self) };
        let failed = |source| ConnectError::Folder { path: path.clone(), source };
        writable(&path).map_err(failed)?;
        let whole = whole(&path).map_err(failed)?;
        let (whole, alias) = match whole.to_str() {
            Some(text) if !text.contains('?') => (whole, None),
            _ => {
                let (whole, open) =
                    alias(&whole).map_err(failed)?.ok_or_else(|| ConnectError::Path { path: path.clone() })?;
                (whole, Some(Arc::new(open)))
            }
        };
        let url = format!("{FOLDER}://{}?{parameters}", whole.display());
        Ok(Self::Folder { path, parameters, url, _alias: alias })
    }

    /// Whether it is in a folder, written by this process.
    pub(crate) fn is_folder(&self) -> bool {
        match self {
            Self::Folder { .. } => true,
            Self::Memory | Self::Server { .. } => false,
        }
    }

    /// Its folder, if it is in one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Folder { path, .. } => Some(path),
            Self::Memory | Self::Server { .. } => None,
        }
    }

    /// Whether the last process to open it ended without closing it, or still has it open.
    pub(crate) fn was_left_open(&self) -> Result<bool, ConnectError> {
        let Self::Folder { path, .. } = self else { return Ok(false) };
        holds_anything(&path.join("wal")).map_err(|source| ConnectError::Folder { path: path.clone(), source })
    }

    /// The error of not having been able to put it in order.
    pub(crate) fn unsettled(&self) -> ConnectError {
        match self {
            Self::Folder { path, .. } => ConnectError::Unsettled { path: path.clone() },
            Self::Memory | Self::Server { .. } => ConnectError::InvalidUrl("it has nothing to put in order".to_owned()),
        }
    }

    /// The error of opening it.
    pub(crate) fn refused(&self, error: surrealdb::Error) -> ConnectError {
        match self {
            Self::Folder { path, .. } if is_locked(&error) => ConnectError::Locked { path: path.clone() },
            Self::Folder { .. } | Self::Memory => error.into(),
            Self::Server { address } if is_about_certificate(&error) => {
                ConnectError::Certificate { address: address.clone(), source: Box::new(error) }
            }
            Self::Server { address } => ConnectError::Unreachable { address: address.clone(), source: Box::new(error) },
        }
    }
}

/// Whether somebody has the folder open. The engine has no typed error for it.
fn is_locked(error: &surrealdb::Error) -> bool {
    error.message().contains("already locked")
}

/// Whether the server's certificate was refused. The client passes on the words of rustls, and no typed error.
fn is_about_certificate(error: &surrealdb::Error) -> bool {
    error.message().contains("invalid peer certificate")
}

fn is_known(parameter: &str) -> bool {
    let Some(("sync", value)) = parameter.split_once('=') else { return false };
    let is_interval = |unit| value.strip_suffix(unit).is_some_and(|number| number.parse::<u32>().is_ok_and(|n| n > 0));
    value == "every" || value == "never" || is_interval("ms") || is_interval("s")
}

/// Whether a file in a folder holds anything.
fn holds_anything(folder: &Path) -> io::Result<bool> {
    let files = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        files => files?,
    };
    for file in files {
        match file?.metadata() {
            // The caller that closes the database takes the handle away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(found) if found.len() > 0 => return Ok(true),
            Ok(_) => {}
        }
    }
    Ok(false)
}

/// The path of a folder from the root, without links.
#[cfg(not(windows))]
fn whole(folder: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(folder)
}

/// The path of a folder from the root. The one without links would begin with `\\?\`.
#[cfg(windows)]
fn whole(folder: &Path) -> io::Result<PathBuf> {
    std::path::absolute(folder)
}

/// Another path of a folder, good for as long as the folder is open here.
#[cfg(target_os = "linux")]
fn alias(folder: &Path) -> io::Result<Option<(PathBuf, File)>> {
    use std::os::fd::AsRawFd as _;

    let open = File::open(folder)?;
    let alias = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    // Where /proc is not mounted there is none.
    Ok(alias.is_dir().then_some((alias, open)))
}

#[cfg(not(target_os = "linux"))]
fn alias(_: &Path) -> io::Result<Option<(PathBuf, File)>> {
    Ok(None)
}

fn writable(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let probe = folder.join(format!(".writable-{}", uuid::Uuid::now_v7()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}

#[cfg(test)]
mod tests;
