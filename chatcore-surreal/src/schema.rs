//! Brings a database's schema up to date: embedded files, each applied once, in order.

use surrealdb::{
    Surreal,
    engine::any::Any,
    types::{Error, ErrorDetails, QueryError, RecordId},
};

use crate::{connect::ConnectError, failure::Failure};

/// What leads from each version to the next; the first leads to version 1. Files are never changed once released.
const FILES: [&str; 5] = [
    include_str!("../schema/0001_chat.surql"),
    include_str!("../schema/0002_batch.surql"),
    include_str!("../schema/0003_engaged.surql"),
    include_str!("../schema/0004_profile_parts.surql"),
    include_str!("../schema/0005_records.surql"),
];

/// How often to try again when another process is at the same thing.
const ATTEMPTS: usize = 10;

const VERSION: &str = "DEFINE TABLE IF NOT EXISTS schema_version SCHEMAFULL;\
    DEFINE FIELD IF NOT EXISTS version ON schema_version TYPE int;\
    SELECT VALUE version FROM $id";

/// Applies what is missing.
pub(crate) async fn update(database: &Surreal<Any>) -> Result<(), ConnectError> {
    let mut attempt = 0;
    loop {
        match try_update(database).await {
            Err(Refused::Newer { found, known }) => return Err(ConnectError::NewerSchema { found, known }),
            Err(Refused::Failed(error)) => match Failure::of(error.clone(), false) {
                Failure::Lost if attempt < ATTEMPTS => attempt += 1,
                _ => return Err(error.into()),
            },
            Ok(()) => return Ok(()),
        }
    }
}

enum Refused {
    Newer { found: i64, known: i64 },
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn try_update(database: &Surreal<Any>) -> Result<(), Refused> {
    let id = RecordId::new("schema_version", "current");
    let versions: Vec<i64> = database.query(VERSION).bind(("id", id.clone())).await?.check()?.take(2)?;
    let found = versions.first().copied().unwrap_or(0);
    let known = i64::try_from(FILES.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(Refused::Newer { found, known });
    }
    for (text, version) in FILES.into_iter().zip(1_i64..).filter(|(_, version)| *version > found) {
        tracing::info!(version, "applying the schema");
        // A file may end in a comment, so what follows it stands on a line of its own.
        let text = format!("BEGIN;\n{text}\n;\nUPSERT $id SET version = $version RETURN NONE;\nCOMMIT;");
        let mut results = database.query(text).bind(("id", id.clone())).bind(("version", version)).await?;
        if let Some(error) = cause(&mut results) {
            return Err(error.into());
        }
    }
    Ok(())
}

/// The error that counts: in a failed transaction, every other statement only says that it was not executed.
fn cause(results: &mut surrealdb::IndexedResults) -> Option<Error> {
    let mut errors: Vec<(usize, Error)> = results.take_errors().into_iter().collect();
    errors.sort_by_key(|(statement, error)| {
        let follows = matches!(error.details(), ErrorDetails::Query(Some(QueryError::NotExecuted)));
        (follows, *statement)
    });
    errors.into_iter().next().map(|(_, error)| error)
}
