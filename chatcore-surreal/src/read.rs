//! Facts and logs.

use std::sync::Arc;

use chatcore::{
    StoreError,
    model::{Event, Seq, SessionId},
    store::{FactsQuery, Freshness, Key, LogRange, SessionFacts},
};
use surrealdb::types::{RecordId, Value};

use crate::{
    cache::Cache,
    engine::{Engine, bind},
    keys,
    rows::{self, BatchRow, LogRow},
    snapshot::{self, Ask},
};

const RANGE: &str = "SELECT * FROM $range";
const RANGES: &str = "RETURN $ranges.map(|$range| (SELECT * FROM $range))";
const FIRSTS: &str = "SELECT VALUE id FROM $ids";
const BATCH: &str = "SELECT batch FROM $ids";

/// From how many ranges on it is worthwhile to ask first which of them hold anything. Who polls many sessions
/// finds news in few.
const MANY: usize = 8;

pub(crate) async fn facts(
    engine: &Engine,
    cache: &Cache,
    queries: &[FactsQuery<'_>],
    freshness: Freshness,
) -> Result<Vec<SessionFacts>, StoreError> {
    let mut answers = kept(engine, cache, queries, freshness)?;
    let missing = || queries.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(query, _)| query);
    let mut sessions: Vec<SessionId> = missing().map(|query| query.session_id).collect();
    if sessions.is_empty() {
        return Ok(answers.into_iter().flatten().collect());
    }
    let mut records: Vec<Key> = missing().flat_map(|query| query.records.iter().cloned()).collect();
    sessions.sort_unstable();
    sessions.dedup();
    records.sort_unstable();
    records.dedup();
    let is_alone = queries.iter().all(|query| sessions.as_slice() == [query.session_id]);
    let ask = Ask { sessions, records, rows: Vec::new() };
    let found = snapshot::read(engine, cache, &ask).await?;
    // Of several sessions, one that cannot be read does not exist, which gives nobody a right.
    let found = if is_alone { found.whole()? } else { found.readable() };
    let facts = |FactsQuery { session_id, records }: &FactsQuery<'_>| {
        let known = found.known.get(session_id).copied().unwrap_or_default();
        SessionFacts {
            head: known.head,
            governance: known.governance,
            records: records.iter().map(|key| found.records.get(key).cloned().flatten()).collect(),
        }
    };
    for (answer, query) in answers.iter_mut().zip(queries) {
        answer.get_or_insert_with(|| facts(query));
    }
    Ok(answers.into_iter().flatten().collect())
}

/// The facts that are in memory. Where no other process writes to the database, current ones are as good as fresh ones.
fn kept(
    engine: &Engine,
    cache: &Cache,
    queries: &[FactsQuery<'_>],
    freshness: Freshness,
) -> Result<Vec<Option<SessionFacts>>, StoreError> {
    let must_be_current = match freshness {
        Freshness::Cached => false,
        Freshness::Fresh if engine.is_shared() => return Ok(vec![None; queries.len()]),
        // A store that was closed has nothing that is fresh.
        Freshness::Fresh => {
            engine.check_open()?;
            true
        }
    };
    // What is kept is durable, but nothing renews it any more.
    engine.disk.check()?;
    Ok(queries.iter().map(|query| cache.facts(query.session_id, query.records, must_be_current)).collect())
}

pub(crate) async fn log(engine: &Engine, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
    let mut answers = vec![Vec::new(); ranges.len()];
    // The places of the ranges that can hold something; no position is 0 or beyond what the database counts.
    let wanted = |range: &LogRange| range.from <= range.to && range.to > 0 && i64::try_from(range.from).is_ok();
    let mut places: Vec<usize> = (0..).zip(ranges).filter(|(_, range)| wanted(range)).map(|(place, _)| place).collect();
    if places.len() > MANY {
        places = filled(engine, ranges, places).await?;
    }
    let asked = places.iter().filter_map(|place| ranges.get(*place)).map(key);
    let found: Vec<Vec<Value>> = match asked.collect::<Vec<_>>().as_slice() {
        [] => Vec::new(),
        [one] => vec![engine.rows(RANGE, bind("range", one.clone())).await?],
        many => engine.rows(RANGES, bind("ranges", many.to_vec())).await?,
    };
    for (place, rows) in places.into_iter().zip(found) {
        let Some((answer, range)) = answers.get_mut(place).zip(ranges.get(place)) else { continue };
        match rows.into_iter().map(event).collect() {
            Ok(events) => *answer = events,
            Err(error) if ranges.len() == 1 => return Err(error),
            // The others can be read. A part that is missing is noticed by whoever needs it.
            Err(error) => tracing::error!(?range, %error, "a part of a log cannot be read, and is left out"),
        }
    }
    Ok(answers)
}

fn event(row: Value) -> Result<Arc<Event>, StoreError> {
    rows::row::<LogRow>(row)?.event()
}

fn key(range: &LogRange) -> RecordId {
    let LogRange { session_id, from, to } = *range;
    keys::log_range(session_id, from.max(1), to)
}

/// Which batch wrote an event; the inner `None` for one from before batches were noted.
pub(crate) async fn batch(engine: &Engine, id: SessionId, seq: Seq) -> Result<Option<Option<i64>>, StoreError> {
    let found: Vec<BatchRow> = engine.rows(BATCH, bind("ids", vec![keys::log(id, seq)])).await?;
    Ok(found.into_iter().next().map(|BatchRow { batch }| batch))
}

/// The places of those that hold something. Logs are dense: a range holds something where its first row is.
async fn filled(engine: &Engine, ranges: &[LogRange], places: Vec<usize>) -> Result<Vec<usize>, StoreError> {
    let first = |place: &usize| ranges.get(*place).map(|range| (range.session_id, range.from.max(1)));
    let ids: Vec<_> = places.iter().filter_map(first).map(|(id, seq)| keys::log(id, seq)).collect();
    let found: Vec<RecordId> = engine.rows(FIRSTS, bind("ids", ids)).await?;
    let found: std::collections::HashSet<_> = found.iter().map(keys::as_log).collect::<Result<_, _>>()?;
    Ok(places.into_iter().filter(|place| first(place).is_some_and(|row| found.contains(&row))).collect())
}
