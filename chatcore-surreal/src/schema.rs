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

/// What each file changes, in words for whoever runs the database, and whether processes of the version before it can go on meanwhile.
const STEPS: [(&str, bool); 6] = [
    ("makes the tables of logs, sessions, participants, lists and profiles", true),
    ("lets each row of a log say which batch of changes wrote it; the rows stay as they are", true),
    ("adds to participants whether they ever posted or joined by themselves; the rows stay as they are", true),
    ("gives each part of a profile an age of its own; the rows stay as they are", true),
    (
        "makes records of sessions, participants, lists and profiles; the rows stay as they are, or are converted by the next step",
        false,
    ),
    ("converts seats and the list of public sessions, and refuses what processes of version 4 write", false),
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

/// What an upgrade would do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upgrade {
    /// The schema version of the database, 0 where there is none yet.
    pub found: i64,
    /// The schema version of this program, to which [`connect`](crate::SurrealStore::connect) brings a database.
    pub known: i64,
    /// What leads from the one to the other, in order. Empty where the versions are the same.
    pub steps: Vec<UpgradeStep>,
}

/// One step of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpgradeStep {
    /// The schema version to which it leads.
    pub version: i64,
    /// What it changes, in English, as what follows "this step".
    pub changes: &'static str,
    /// Whether processes of the version before it can stay connected and go on. They cannot open the database again.
    pub is_additive: bool,
    /// How many rows it converts, for each table of which it converts any. Other steps change definitions only, which takes the same
    /// short time for a database of any size.
    pub rows: Vec<(&'static str, u64)>,
}

/// How many rows of version 4 there are to convert.
const TO_CONVERT: [(&str, &str); 2] = [
    ("seat", "SELECT VALUE n FROM (SELECT count() AS n FROM seat WHERE user = NONE AND participant != NONE GROUP ALL)"),
    ("listing", "SELECT VALUE n FROM (SELECT count() AS n FROM listing GROUP ALL)"),
];

/// Finds out what [`update`] would do, and changes nothing.
pub(crate) async fn look(database: &Surreal<Any>) -> Result<Upgrade, ConnectError> {
    let found = number(database, "SELECT VALUE version FROM schema_version:current").await?;
    let known = KNOWN;
    if found > known {
        return Err(ConnectError::NewerSchema { found, known });
    }
    let mut steps = Vec::new();
    for ((changes, is_additive), version) in STEPS.into_iter().zip(1..).filter(|(_, version)| *version > found) {
        let mut rows = Vec::new();
        for (table, text) in TO_CONVERT.into_iter().filter(|_| version == CONVERTED) {
            let count = u64::try_from(number(database, text).await?).unwrap_or_default();
            rows.extend((count > 0).then_some((table, count)));
        }
        steps.push(UpgradeStep { version, changes, is_additive, rows });
    }
    Ok(Upgrade { found, known, steps })
}

/// The one number that a statement gives; 0 where it gives none, or there is no such table yet.
async fn number(database: &Surreal<Any>, text: &str) -> Result<i64, Error> {
    let found: Result<Vec<i64>, Error> = async { database.query(text).await?.check()?.take(0) }.await;
    match found {
        Ok(found) => Ok(found.first().copied().unwrap_or(0)),
        Err(error) if matches!(error.details(), ErrorDetails::NotFound(_)) => Ok(0),
        Err(error) => Err(error),
    }
}

/// The version to which the files lead.
pub(crate) const KNOWN: i64 = FILES.len() as i64;

/// Applies what is missing. Gives the version that was found.
pub(crate) async fn update(database: &Surreal<Any>) -> Result<i64, ConnectError> {
    update_by(database, PIECE, &|| Box::pin(async { Ok(()) })).await
}

/// The same with pieces of this many rows.
async fn update_by(database: &Surreal<Any>, piece: usize, go_on: &GoOn<'_>) -> Result<i64, ConnectError> {
    let mut attempt = 0;
    loop {
        match try_update(database, piece, go_on).await {
            Err(Refused::Newer { found, known }) => return Err(ConnectError::NewerSchema { found, known }),
            Err(Refused::Failed(error)) => match Failure::of(error.clone(), false) {
                Failure::Lost if attempt < ATTEMPTS => attempt += 1,
                _ => return Err(error.into()),
            },
            Ok(found) => return Ok(found),
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

async fn try_update(database: &Surreal<Any>, piece: usize, go_on: &GoOn<'_>) -> Result<i64, Refused> {
    let id = RecordId::new("schema_version", "current");
    let versions: Vec<i64> = database.query(VERSION).bind(("id", id.clone())).await?.check()?.take(2)?;
    let found = versions.first().copied().unwrap_or(0);
    let known = KNOWN;
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
    Ok(found)
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
