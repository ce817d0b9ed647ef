//! Reading sessions, participants, client ids and the ends of logs in one statement, so that all of it held at once.

use std::collections::HashMap;

use chatcore::{
    StoreError,
    model::{ClientId, Seq, Session, SessionId, UserId},
};
use surrealdb::types::{SurrealValue, Variables};

use crate::{
    cache::{Cache, People},
    engine::{Engine, bind},
    keys,
    rows::{CheckpointRow, ClientRow, Known, ParticipantRow, SessionRow, TailRow},
};

/// Names the use of a client id.
pub(crate) type ClaimKey = (SessionId, UserId, ClientId);

const CHECKPOINTS: &str = "SELECT * FROM $ids";

const SNAPSHOT: &str = "RETURN {\
    sessions: (SELECT * FROM $sessions),\
    people: (SELECT * FROM $people),\
    clients: (SELECT * FROM $clients),\
    tails: $tails.map(|$tail| (SELECT id, number, at, governance FROM $tail)) }";

/// The same of one session, without client ids: what every read begins with.
const ONE: &str = "RETURN {\
    sessions: (SELECT * FROM $sessions),\
    people: (SELECT * FROM $people),\
    clients: [],\
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
    /// Whether the sessions' records are wanted too.
    pub(crate) records: bool,
    pub(crate) people: Vec<(SessionId, UserId)>,
    pub(crate) claims: Vec<ClaimKey>,
}

/// What was found, all at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The end of each session's log.
    pub(crate) known: HashMap<SessionId, Known>,
    pub(crate) records: HashMap<SessionId, Session>,
    /// Everybody asked for, also who was not found.
    pub(crate) people: People,
    /// The client ids that are in use: where, and for what.
    pub(crate) claims: HashMap<ClaimKey, (Seq, String)>,
}

#[derive(Debug, SurrealValue)]
struct Rows {
    sessions: Vec<SessionRow>,
    people: Vec<ParticipantRow>,
    clients: Vec<ClientRow>,
    tails: Vec<Vec<TailRow>>,
}

/// Reads what is wanted, and keeps it in the cache.
pub(crate) async fn read(engine: &Engine, cache: &Cache, ask: &Ask) -> Result<Snapshot, StoreError> {
    let mut known = starts(engine, cache, &ask.sessions).await?;
    let mut length = TAIL;
    // A server can be replaced by an older copy of itself: so what is remembered of a log is looked at again there.
    let overlap = Seq::from(engine.is_remote());
    for _ in 0..ROUNDS {
        let text = if ask.sessions.len() == 1 && ask.claims.is_empty() { ONE } else { SNAPSHOT };
        let rows: Rows = engine.value(text, binds(ask, &known, length, overlap)).await?;
        let (mut is_full, mut is_behind) = (false, false);
        for (id, tail) in ask.sessions.iter().zip(&rows.tails) {
            let end = known.entry(*id).or_default();
            let mut tail = tail.iter();
            is_full |= tail.len() as Seq >= length;
            if overlap.min(end.head.seq) > 0 && !is_there(end, tail.next())? {
                cache.forget(*id);
                is_behind = true;
                continue;
            }
            for row in tail {
                follow(end, row)?;
            }
        }
        if is_behind {
            tracing::error!("the database was replaced by an older copy of itself; going on from what it holds");
            known = starts(engine, cache, &ask.sessions).await?;
            continue;
        }
        // The rest of what was read held at the ends of the logs, so only the last round counts.
        if !is_full {
            let snapshot = decode(ask, known, rows)?;
            keep(cache, ask, &snapshot);
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
) -> Result<HashMap<SessionId, Known>, StoreError> {
    let mut known = HashMap::with_capacity(sessions.len());
    let mut ids = Vec::new();
    for id in sessions {
        match cache.known(*id) {
            Some(end) => drop(known.insert(*id, end)),
            None => ids.push(keys::checkpoint(*id)),
        }
    }
    if !ids.is_empty() {
        let rows: Vec<CheckpointRow> = engine.rows(CHECKPOINTS, bind("ids", ids)).await?;
        for row in rows {
            let (id, end) = row.known()?;
            known.insert(id, end);
        }
    }
    Ok(known)
}

fn binds(ask: &Ask, known: &HashMap<SessionId, Known>, length: Seq, overlap: Seq) -> Variables {
    let tail = |id: &SessionId| {
        let head = known.get(id).map_or(0, |end| end.head.seq);
        keys::log_range(*id, head + 1 - overlap.min(head), head + length)
    };
    let records: &[SessionId] = if ask.records { &ask.sessions } else { &[] };
    let mut binds = Variables::new();
    binds.insert("sessions", records.iter().map(|id| keys::session(*id)).collect::<Vec<_>>());
    binds.insert("people", ask.people.iter().map(|(id, user)| keys::participant(*id, user)).collect::<Vec<_>>());
    binds.insert(
        "clients",
        ask.claims.iter().map(|(id, user, client)| keys::client(*id, user, client)).collect::<Vec<_>>(),
    );
    match ask.sessions.as_slice() {
        [one] if ask.claims.is_empty() => binds.insert("tail", tail(one)),
        all => binds.insert("tails", all.iter().map(tail).collect::<Vec<_>>()),
    };
    binds
}

/// Whether a row is the one at which a log was remembered to end.
fn is_there(end: &Known, row: Option<&TailRow>) -> Result<bool, StoreError> {
    row.map_or(Ok(false), |row| Ok(row.end()?.0 == end.head))
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

fn decode(ask: &Ask, known: HashMap<SessionId, Known>, rows: Rows) -> Result<Snapshot, StoreError> {
    let mut snapshot = Snapshot { known, ..Snapshot::default() };
    for row in rows.sessions {
        let session = row.session()?;
        snapshot.records.insert(session.id, session);
    }
    snapshot.people = ask.people.iter().map(|key| (key.clone(), None)).collect();
    for row in rows.people {
        let record = row.record()?;
        snapshot.people.insert((record.session_id, record.user_id.clone()), Some(record));
    }
    for row in rows.clients {
        let ClientRow { id, seq, fingerprint } = row;
        snapshot.claims.insert(keys::as_client(&id)?, (keys::unsigned(seq)?, fingerprint));
    }
    Ok(snapshot)
}

fn keep(cache: &Cache, ask: &Ask, snapshot: &Snapshot) {
    for (id, known) in &snapshot.known {
        let record = ask.records.then(|| snapshot.records.get(id).cloned());
        cache.learn(*id, *known, record.as_ref(), &snapshot.people);
    }
}
