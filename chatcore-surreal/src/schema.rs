//! Brings a database's schema up to date: embedded files, each applied once, in order.

use std::{
    ops::Bound,
    pin::Pin,
    time::{Duration, Instant},
};

use surrealdb::{
    Surreal,
    engine::any::Any,
    types::{Error, ErrorDetails, QueryError, RecordId, RecordIdKeyRange},
};

use crate::{
    connect::ConnectError,
    failure::{Failure, taken},
};

/// What leads from each version to the next; the first leads to version 1. Files are never changed once released.
const FILES: [&str; 6] = [
    include_str!("../schema/0001_chat.surql"),
    include_str!("../schema/0002_batch.surql"),
    include_str!("../schema/0003_engaged.surql"),
    include_str!("../schema/0004_profile_parts.surql"),
    include_str!("../schema/0005_records.surql"),
    include_str!("../schema/0006_outdated.surql"),
];

/// Whether the schema defines a table. A table that the core has had only since then is defined when it is first used.
pub(crate) fn defines(table: &str) -> bool {
    let mut lines = FILES.iter().flat_map(|text| text.lines());
    lines.any(|line| {
        let name = line.strip_prefix("DEFINE TABLE IF NOT EXISTS ").and_then(|rest| rest.split(' ').next());
        name == Some(table)
    })
}

/// How often to try again when another process is at the same thing.
const ATTEMPTS: usize = 10;

const VERSION: &str = "DEFINE TABLE IF NOT EXISTS schema_version SCHEMAFULL;\
    DEFINE FIELD IF NOT EXISTS version ON schema_version TYPE int;\
    SELECT VALUE version FROM $id";

/// Before this version is applied, the rows of version 4 are converted.
const CONVERTED: i64 = 6;
/// How many rows are converted in one transaction. A process that ends in between has converted whole pieces, and the next one goes on
/// with the rest.
const PIECE: usize = 1_000;
/// How often the log tells how far the conversion is.
const TELLING: Duration = Duration::from_secs(5);

/// What leads from a table of version 4 to one of later versions: the table, and the statement for some of its rows. A row that is
/// converted already stays as it is.
const CONVERSIONS: [(&str, &str); 2] = [
    (
        "seat",
        "UPDATE $rows SET user = record::id(participant)[1], participant = NONE \
            WHERE user = NONE AND participant != NONE RETURN NONE",
    ),
    (
        "listing",
        "{ FOR $row IN $rows { UPSERT type::record('directory', record::id($row)[0]) RETURN NONE }; DELETE $rows RETURN NONE }",
    ),
];
/// Databases of version 5 do not have it any more.
const LISTING: &str = "DEFINE TABLE IF NOT EXISTS listing SCHEMALESS";
/// Fails while there is a row that is not converted. A process of version 4 may have written one during the conversion.
const ALL_CONVERTED: &str = concat!(
    "IF array::len(SELECT VALUE id FROM listing LIMIT 1) > 0 \
    OR array::len(SELECT VALUE id FROM seat WHERE user = NONE AND participant != NONE LIMIT 1) > 0 { THROW '",
    taken!(),
    "' }"
);
/// See [`SCAN`](crate::records::SCAN) for the shape.
const NEXT: &str = "SELECT VALUE id FROM array::first([$range]) LIMIT $limit";

/// Whether to go on, once that is known.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;
/// Is asked after each piece whether to go on.
type GoOn<'a> = dyn Fn() -> Answer<'a> + Sync + 'a;

/// The latest version that is known.
pub(crate) fn known() -> i64 {
    i64::try_from(FILES.len()).unwrap_or(i64::MAX)
}

/// Whether the database can be written: a row is written and removed again. Its id is no version's.
const PROBE: &str = "BEGIN; UPSERT $id SET version = 0 RETURN NONE; DELETE $id RETURN NONE; COMMIT";

/// Gives the version of the schema, 0 for none, and makes sure that the database can be written.
pub(crate) async fn probe(database: &Surreal<Any>) -> Result<i64, ConnectError> {
    let id = RecordId::new("schema_version", "current");
    let versions: Vec<i64> = database.query(VERSION).bind(("id", id)).await?.check()?.take(2)?;
    let mut results = database.query(PROBE).bind(("id", RecordId::new("schema_version", "probe"))).await?;
    match cause(&mut results) {
        Some(error) => Err(error.into()),
        None => Ok(versions.first().copied().unwrap_or(0)),
    }
}

/// Applies what is missing.
pub(crate) async fn update(database: &Surreal<Any>) -> Result<(), ConnectError> {
    update_by(database, PIECE, &|| Box::pin(async { Ok(()) })).await
}

/// The same with pieces of this many rows.
async fn update_by(database: &Surreal<Any>, piece: usize, go_on: &GoOn<'_>) -> Result<(), ConnectError> {
    let mut attempt = 0;
    loop {
        match try_update(database, piece, go_on).await {
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

async fn try_update(database: &Surreal<Any>, piece: usize, go_on: &GoOn<'_>) -> Result<(), Refused> {
    let id = RecordId::new("schema_version", "current");
    let versions: Vec<i64> = database.query(VERSION).bind(("id", id.clone())).await?.check()?.take(2)?;
    let found = versions.first().copied().unwrap_or(0);
    let known = known();
    if found > known {
        return Err(Refused::Newer { found, known });
    }
    for (text, version) in FILES.into_iter().zip(1_i64..).filter(|(_, version)| *version > found) {
        tracing::info!(version, "applying the schema");
        let text = if version == CONVERTED {
            convert(database, piece, go_on).await?;
            // The file ends all writes of version 4. The rows that came before it are looked for in the next transaction, which sees
            // them all, and fails: then this begins again, and nobody adds to the rows any more.
            transaction(database, text, &id, None).await?;
            ALL_CONVERTED
        } else {
            text
        };
        transaction(database, text, &id, Some(version)).await?;
    }
    Ok(())
}

/// Carries out a text and writes the version, all or nothing.
async fn transaction(database: &Surreal<Any>, text: &str, id: &RecordId, version: Option<i64>) -> Result<(), Error> {
    let written = if version.is_some() { "UPSERT $id SET version = $version RETURN NONE;" } else { "" };
    // A file may end in a comment, so what follows it stands on a line of its own.
    let text = format!("BEGIN;\n{text}\n;\n{written}\nCOMMIT;");
    let mut results = database.query(text).bind(("id", id.clone())).bind(("version", version)).await?;
    cause(&mut results).map_or(Ok(()), Err)
}

/// Converts the rows of version 4, a piece at a time.
async fn convert(database: &Surreal<Any>, piece: usize, go_on: &GoOn<'_>) -> Result<(), Error> {
    database.query(LISTING).await?.check()?;
    for (table, statement) in CONVERSIONS {
        let (mut start, mut rows, mut told) = (Bound::Unbounded, 0, Instant::now());
        loop {
            let range = RecordId::new(table, RecordIdKeyRange { start, end: Bound::Unbounded });
            let limit = i64::try_from(piece).unwrap_or(i64::MAX);
            let next = database.query(NEXT).bind(("range", range)).bind(("limit", limit));
            let next: Vec<RecordId> = next.await?.check()?.take(0)?;
            let Some(last) = next.last().cloned() else { break };
            rows += next.len();
            database.query(statement).bind(("rows", next)).await?.check()?;
            if told.elapsed() > TELLING {
                told = Instant::now();
                tracing::info!(table, rows, "converting the rows of an earlier version");
            }
            start = Bound::Excluded(last.key);
            go_on().await?;
        }
        if rows > 0 {
            tracing::info!(table, rows, "the rows of an earlier version are converted");
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

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests panic on purpose")]
mod tests;
