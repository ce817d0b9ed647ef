//! A look at a database, which leaves its schema and its data as they are.

use std::path::Path;

use crate::{
    compact,
    connect::{ConnectError, DURABLE, SurrealOptions, Target},
    engine::{Engine, SETTLING},
    schema,
    store::SurrealStore,
};

/// What [`SurrealStore::inspect`] has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inspection {
    /// There is no folder. The first start makes it.
    Missing,
    /// The last process did not close the database, or a compaction was interrupted. The next start puts it in order, and until then
    /// nobody can look inside.
    Unsettled,
    /// It can be read and written.
    Usable {
        /// The version of its schema; 0 where it has none yet.
        schema: i64,
        /// The latest version that this crate knows, which a start brings the database to.
        known: i64,
    },
}

impl SurrealStore {
    /// Looks whether a database can be used, without an upgrade of its schema: it is opened, a row is written and removed, and it is closed.
    ///
    /// # Errors
    /// As [`connect`](Self::connect). A folder that is in use is not waited for: [`ConnectError::Locked`].
    pub async fn inspect(url: &str, options: &SurrealOptions) -> Result<Inspection, ConnectError> {
        inspect(Target::parse(url)?, options).await
    }

    /// The same for a folder, whose path is taken as [`open`](Self::open) takes it.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub async fn inspect_folder(folder: &Path, options: &SurrealOptions) -> Result<Inspection, ConnectError> {
        inspect(Target::folder(folder, DURABLE), options).await
    }
}

async fn inspect(target: Target, options: &SurrealOptions) -> Result<Inspection, ConnectError> {
    if let Some(folder) = target.path() {
        let failed = |source| ConnectError::Folder { path: folder.to_owned(), source };
        if !folder.try_exists().map_err(failed)? {
            return Ok(Inspection::Missing);
        }
        if compact::is_in_use(folder).map_err(failed)? {
            return Err(ConnectError::Locked { path: folder.to_owned() });
        }
        if compact::is_unfinished(folder) || target.was_left_open()? {
            return Ok(Inspection::Unsettled);
        }
    }
    let engine = Engine::open_to_inspect(target.prepare()?, options).await?;
    let found = engine.probe().await;
    // What a look leaves open, the next start would have to put in order.
    engine.close_within(SETTLING).await;
    let (schema, known) = (found?, schema::KNOWN);
    if schema > known {
        return Err(ConnectError::NewerSchema { found: schema, known });
    }
    Ok(Inspection::Usable { schema, known })
}
