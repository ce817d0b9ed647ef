//! The database.

use chatcore_surreal::{ConnectError, Inspection, SurrealStore};

use super::{Report, chain, named};
use crate::{config::Config, disk, run};

/// Whether somebody has the database open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A running server has.
    InUse,
    /// Nobody has, or that cannot be told.
    Free,
}

/// Looks at the database, and changes nothing in it.
pub(super) async fn check(config: &Config, report: &mut Report) -> Found {
    let options = match run::database_options(config) {
        Ok(options) => options,
        Err(error) => {
            report.fail("database", error);
            return Found::Free;
        }
    };
    let inspected = match &config.database {
        Some(database) => SurrealStore::inspect(database, &options).await,
        None => SurrealStore::inspect_folder(&config.data.join("db"), &options).await,
    };
    let name = named(config);
    let is_there = !matches!(inspected, Ok(Inspection::Missing));
    let found = if matches!(inspected, Err(ConnectError::Locked { .. })) { Found::InUse } else { Found::Free };
    match inspected {
        Ok(Inspection::Missing) => report.ok("database", format!("{name} is not there yet, and the first start makes it")),
        Ok(Inspection::Unsettled) => report.warn(
            "database",
            format!("{name} was not closed, as after a crash; the next start puts it in order, and nobody can look inside before"),
        ),
        Ok(Inspection::Usable { schema: 0, .. }) => report.ok("database", format!("{name} is empty, and can be written")),
        Ok(Inspection::Usable { schema, known }) if schema < known => report.warn(
            "database",
            format!(
                "{name} has schema version {schema}, and a start brings it to {known}: make a backup before, and stop the servers of the old version"
            ),
        ),
        Ok(Inspection::Usable { schema, .. }) => {
            report.ok("database", format!("{name} has schema version {schema}, and can be written"));
        }
        Ok(_) => report.ok("database", format!("{name} can be opened")),
        Err(ConnectError::Locked { .. }) => report.warn(
            "database",
            format!("{name} is open in a server that runs, so nobody else can look inside; ask that server's /ready, or stop it first"),
        ),
        Err(error) => report.fail("database", format!("{}; {}", chain(&error), advice(&error))),
    }
    if config.database.is_none() {
        let folder = if is_there { config.data.join("db") } else { existing(config) };
        match disk::has_room(&folder) {
            Ok(()) => report.ok("disk", format!("there is room at {}", folder.display())),
            Err(error) => report.fail("disk", format!("{error}; free some, or choose another --data")),
        }
    }
    found
}

/// The folder in which the data folder is, or will be.
fn existing(config: &Config) -> std::path::PathBuf {
    let data = std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone());
    data.ancestors().find(|folder| folder.is_dir()).unwrap_or(&data).to_owned()
}

/// What to do about it.
fn advice(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::UnknownScheme { .. } | ConnectError::InvalidUrl(_) => "correct --database",
        ConnectError::Folder { .. } | ConnectError::Path { .. } => {
            "let the server's user write there, or choose another folder"
        }
        ConnectError::Unreachable { .. } => "start the database server, or correct --database",
        ConnectError::Certificate { .. } => {
            "name the server as its certificate does, and give its authority with --database-ca where it is one of your own"
        }
        ConnectError::Authorities { .. } => "correct --database-ca",
        ConnectError::SignIn { .. } => {
            "correct --database-user and CHAT_DATABASE_PASSWORD, or define the user as the README shows"
        }
        ConnectError::NewerSchema { .. } => "run the newer version of this program",
        _ => "see what the database says, and its disk",
    }
}
