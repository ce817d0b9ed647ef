//! Reading records, revisions of rows and the ends of logs in one statement, so that all of it held at once.

use std::{collections::HashMap, mem};

use chatcore::{
    StoreError,
    model::{Seq, SessionId},
    store::Key,
};
use surrealdb::types::{RecordId, SurrealValue, Value, Variables};

use crate::{
    cache::{Cache, Generation, Moment, Records},
    engine::{Engine, bind},
    keys, records,
    rows::{CheckpointRow, Known, TailRow, row},
};

const CHECKPOINTS: &str = "SELECT * FROM $ids";

const SNAPSHOT: &str = "RETURN {\
    records: (SELECT * FROM $records),\
    rows: (SELECT id, revision ?? 1 AS revision FROM $rows),\
    tails: $tails.map(|$tail| (SELECT id, number, at, governance FROM $tail)) }";

/// The same of one session, without rows: what every read begins with.
const ONE: &str = "RETURN {\
    records: (SELECT * FROM $records),\
    rows: [],\
    tails: [(SELECT id, number, at, governance FROM $tail)] }";

/// How many positions beyond the known end of a log are looked at first, and at the most. A checkpoint is never
/// further behind than the former.
pub(crate) const TAIL: Seq = 256;
const LONGEST_TAIL: Seq = 4096;

/// How often to look beyond the end. Each time the log had grown by a whole tail.
const ROUNDS: usize = 1_000;

/// What is wanted. The end of every session's log is found.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    pub(crate) sessions: Vec<SessionId>,
    pub(crate) records: Vec<Key>,
    /// Rows of logs whose revisions are wanted.
    pub(crate) rows: Vec<(SessionId, Seq)>,
}

/// What was found, all at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// When the read began.
    pub(crate) when: Generation,
    /// The end of each session's log.
    pub(crate) known: HashMap<SessionId, Known>,
    /// Each record asked for, also where there is none.
    pub(crate) records: Records,
    /// The revision of each row asked for, 0 where there is none.
    pub(crate) rows: HashMap<(SessionId, Seq), u64>,
    /// The sessions of which something cannot be read. Nothing else is said of them.
    unreadable: Unreadable,
}

type Unreadable = HashMap<SessionId, StoreError>;

impl Snapshot {
    /// All of it, or the error of a session that cannot be read.
    pub(crate) fn whole(mut self) -> Result<Self, StoreError> {
        let first = self.unreadable.drain().next();
        first.map_or(Ok(self), |(_, error)| Err(error))
    }

    /// What can be read. The rest is logged: one session must not take the others with it.
    pub(crate) fn readable(mut self) -> Self {
        for (session, error) in self.unreadable.drain() {
            tracing::error!(%session, %error, "a session cannot be read, and is left out");
        }
        self
    }
}

/// Rows are decoded one by one, so that one that cannot be read concerns its own session only.
#[derive(Debug, SurrealValue)]
struct Rows {
    records: Vec<Value>,
    rows: Vec<RevisionRow>,
    tails: Vec<Vec<Value>>,
}

/// The revision of a row of a log.
#[derive(Debug, SurrealValue)]
struct RevisionRow {
    id: RecordId,
    revision: i64,
}

/// How a log went on.
enum Tail {
    /// It ends here.
    Ended,
    /// There may be more.
    Full,
    /// It does not end where it was remembered to.
    Behind,
}

/// Reads what is wanted, and keeps it in the cache.
pub(crate) async fn read(engine: &Engine, cache: &Cache, ask: &Ask) -> Result<Snapshot, StoreError> {
    records::define(engine, ask.records.iter().map(|key| key.table)).await?;
    let now = || ask.sessions.iter().map(|id| (*id, cache.moment(*id))).collect();
    let (mut when, mut moments): (_, HashMap<_, _>) = (cache.generation(), now());
    let (mut known, mut unreadable) = starts(engine, cache, &ask.sessions).await?;
    let mut length = TAIL;
    // A server can be replaced by an older copy of itself: so what is remembered of a log is looked at again there.
    let overlap = Seq::from(engine.is_remote());
    for _ in 0..ROUNDS {
        let text = if ask.sessions.len() == 1 && ask.rows.is_empty() { ONE } else { SNAPSHOT };
        let mut rows: Rows = engine.value(text, binds(ask, &known, length, overlap)).await?;
        let (mut is_full, mut is_behind) = (false, false);
        for (id, tail) in ask.sessions.iter().zip(mem::take(&mut rows.tails)) {
            if unreadable.contains_key(id) {
                continue;
            }
            match go_on(known.entry(*id).or_default(), tail, length, overlap) {
                Ok(Tail::Ended) => {}
                Ok(Tail::Full) => is_full = true,
                Ok(Tail::Behind) => {
                    cache.forget(*id);
                    is_behind = true;
                }
                Err(error) => drop(unreadable.insert(*id, error)),
            }
        }
        if is_behind {
            tracing::error!("the database was replaced by an older copy of itself; going on from what it holds");
            (when, moments) = (cache.generation(), now());
            (known, unreadable) = starts(engine, cache, &ask.sessions).await?;
            continue;
        }
        // The rest of what was read held at the ends of the logs, so only the last round counts.
        if !is_full {
            let snapshot = Snapshot { when, ..decode(ask, known, rows, unreadable)? };
            keep(cache, &snapshot, &moments);
            return Ok(snapshot);
        }
        length = (length * 4).min(LONGEST_TAIL);
    }
    Err(StoreError::Unavailable("a log grows faster than it can be read".to_owned()))
}

/// Positions at or before the ends of the logs.
async fn starts(
    engine: &Engine,
    cache: &Cache,
    sessions: &[SessionId],
) -> Result<(HashMap<SessionId, Known>, Unreadable), StoreError> {
    let (mut known, mut unreadable) = (HashMap::with_capacity(sessions.len()), Unreadable::new());
    let mut ids = Vec::new();
    for id in sessions {
        match cache.known(*id) {
            Some(end) => drop(known.insert(*id, end)),
            None => ids.push(keys::checkpoint(*id)),
        }
    }
    if !ids.is_empty() {
        let rows = engine.rows(CHECKPOINTS, bind("ids", ids)).await?;
        known.extend(decoded(rows, |value| row::<CheckpointRow>(value)?.known(), &mut unreadable)?);
    }
    Ok((known, unreadable))
}

/// Decodes rows. An error of one concerns its session; where that cannot be told, all of them.
fn decoded<T>(
    rows: Vec<Value>,
    decode: impl Fn(Value) -> Result<T, StoreError>,
    unreadable: &mut Unreadable,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let session = keys::session_of(&row);
        match (decode(row), session) {
            (Ok(row), _) => found.push(row),
            (Err(error), Some(session)) => drop(unreadable.insert(session, error)),
            (Err(error), None) => return Err(error),
        }
    }
    Ok(found)
}

fn binds(ask: &Ask, known: &HashMap<SessionId, Known>, length: Seq, overlap: Seq) -> Variables {
    let tail = |id: &SessionId| {
        let head = known.get(id).map_or(0, |end| end.head.seq);
        keys::log_range(*id, head + 1 - overlap.min(head), head + length)
    };
    let mut binds = Variables::new();
    binds.insert("records", ask.records.iter().map(keys::record).collect::<Vec<_>>());
    binds.insert("rows", ask.rows.iter().map(|(id, seq)| keys::log(*id, *seq)).collect::<Vec<_>>());
    match ask.sessions.as_slice() {
        [one] if ask.rows.is_empty() => binds.insert("tail", tail(one)),
        all => binds.insert("tails", all.iter().map(tail).collect::<Vec<_>>()),
    };
    binds
}

/// Whether a row is the one at which a log was remembered to end.
fn is_there(end: &Known, row: Option<&TailRow>) -> Result<bool, StoreError> {
    row.map_or(Ok(false), |row| Ok(row.end()?.0 == end.head))
}

/// Goes on to the end of the rows of a log that were read.
fn go_on(end: &mut Known, tail: Vec<Value>, length: Seq, overlap: Seq) -> Result<Tail, StoreError> {
    let is_full = tail.len() as Seq >= length;
    let mut tail = tail.into_iter().map(row::<TailRow>);
    if overlap.min(end.head.seq) > 0 && !is_there(end, tail.next().transpose()?.as_ref())? {
        return Ok(Tail::Behind);
    }
    for row in tail {
        follow(end, &row?)?;
    }
    Ok(if is_full { Tail::Full } else { Tail::Ended })
}

/// Goes one row on.
fn follow(end: &mut Known, row: &TailRow) -> Result<(), StoreError> {
    let (head, is_governance) = row.end()?;
    if head.seq != end.head.seq + 1 {
        return Err(StoreError::Corrupt(format!("a log goes on from {} to {}", end.head.seq, head.seq)));
    }
    end.head = head;
    if is_governance {
        end.governance = head.seq;
    }
    Ok(())
}

fn decode(
    ask: &Ask,
    known: HashMap<SessionId, Known>,
    rows: Rows,
    mut unreadable: Unreadable,
) -> Result<Snapshot, StoreError> {
    let Rows { records, rows, tails: _ } = rows;
    let tables = ask.records.iter().map(|key| (key.table.name, key.table)).collect();
    let mut snapshot = Snapshot { known, ..Snapshot::default() };
    snapshot.records = ask.records.iter().map(|key| (key.clone(), None)).collect();
    for (key, record) in decoded(records, |row| records::record_of(&tables, row), &mut unreadable)? {
        snapshot.records.insert(key, Some(record));
    }
    snapshot.rows = ask.rows.iter().map(|row| (*row, 0)).collect();
    for RevisionRow { id, revision } in rows {
        snapshot.rows.insert(keys::as_log(&id)?, keys::unsigned(revision)?);
    }
    snapshot.known.retain(|id, _| !unreadable.contains_key(id));
    snapshot.records.retain(|key, _| key.session().is_none_or(|id| !unreadable.contains_key(&id)));
    snapshot.unreadable = unreadable;
    Ok(snapshot)
}

fn keep(cache: &Cache, snapshot: &Snapshot, moments: &HashMap<SessionId, Moment>) {
    for (id, known) in &snapshot.known {
        if let Some(moment) = moments.get(id) {
            cache.learn(*id, *moment, *known, &snapshot.records);
        }
    }
}
