//! What becomes of the changes of a batch: worked out here, one after the other, so that one that is refused takes
//! nothing from its neighbours.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chatcore::{
    StoreError,
    model::{Event, EventKind, Seq, SessionId},
    store::{
        Append, Change, Committed, Conflicting, Expect, Json, Key, Record, Rewrite, Value, Version, Write, WriteKind,
    },
};

use crate::{
    cache::{Generation, Records},
    rows::Known,
    snapshot::TAIL,
};

/// What is known of the database when a batch is planned. What is not known is assumed to be as the changes expect it, and the statement
/// checks that.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// When the oldest of it was read.
    pub(crate) when: Generation,
    pub(crate) ends: HashMap<SessionId, Known>,
    pub(crate) records: Records,
    /// Revisions of rows; 0 where there is no row.
    pub(crate) rows: HashMap<(SessionId, Seq), u64>,
}

/// What becomes of one change, provided that the batch is written.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its events get these places.
    Accepted(Committed),
    /// It is not written.
    Refused(StoreError),
}

/// What becomes of one record, whatever number of changes write it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// What must be there before the batch.
    pub(crate) expect: Expect,
    pub(crate) end: End,
}

/// The end of what a batch does to a record.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Put(Record),
    Removed,
    /// It stays as it is, and no other process may write it meanwhile.
    Held,
    /// A counter grows by this much, and its last writer is this change.
    Added(i64, Version, Seq),
}

/// A row that is rewritten.
#[derive(Debug, Clone)]
pub(crate) struct Rewritten {
    /// The revision before the batch.
    pub(crate) before: u64,
    pub(crate) revision: u64,
    /// The position of the event that rewrites it.
    pub(crate) by: Seq,
    pub(crate) kind: EventKind,
}

/// What becomes of a batch.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// One for each change, in their order.
    pub(crate) verdicts: Vec<Verdict>,
    /// Where the logs that are written end afterwards.
    pub(crate) ends: HashMap<SessionId, Known>,
    /// The ends that are written down.
    pub(crate) checkpoints: Vec<SessionId>,
    pub(crate) records: BTreeMap<Key, Written>,
    pub(crate) rows: BTreeMap<(SessionId, Seq), Rewritten>,
    /// Whether expectations contradict each other, and only the database can tell which of them holds. Such a plan is not written.
    pub(crate) is_unsure: bool,
}

impl Plan {
    /// The first event that is written: where it is, the whole batch is.
    pub(crate) fn first_event(&self) -> Option<&Arc<Event>> {
        self.verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Accepted(committed) => committed.events.first(),
            Verdict::Refused(_) => None,
        })
    }

    /// A record that is put, with its version: where it is, the whole batch is.
    pub(crate) fn first_record(&self) -> Option<(&Key, Version)> {
        self.records.iter().find_map(|(key, written)| match &written.end {
            End::Put(record) => Some((key, record.version)),
            End::Removed | End::Held | End::Added(..) => None,
        })
    }

    /// The records of a session as they are once the batch is written, as far as they are known.
    pub(crate) fn written(&self, session: SessionId) -> Records {
        let known = |(key, written): (&Key, &Written)| match &written.end {
            End::Put(record) => Some((key.clone(), Some(record.clone()))),
            End::Removed => Some((key.clone(), None)),
            End::Held | End::Added(..) => None,
        };
        self.records.iter().filter(|(key, _)| key.session() == Some(session)).filter_map(known).collect()
    }
}

/// Decides on each change as if those before it had been committed.
pub(crate) fn plan<'a>(changes: impl Iterator<Item = &'a Change>, world: &World) -> Plan {
    let mut plan = Plan::default();
    for change in changes {
        let verdict = match decide(&plan, world, change) {
            Ok(step) => Verdict::Accepted(step.apply(&mut plan)),
            Err(Refusal::Of(error)) => Verdict::Refused(error),
            Err(Refusal::Unsure) => {
                plan.is_unsure = true;
                Verdict::Refused(StoreError::Unavailable("it was not looked at".to_owned()))
            }
        };
        plan.verdicts.push(verdict);
    }
    let is_due = |(id, end): (&SessionId, &Known)| {
        let start = world.ends.get(id).copied().unwrap_or_default();
        needs_checkpoint(&start, end).then_some(*id)
    };
    plan.checkpoints = plan.ends.iter().filter_map(is_due).collect();
    plan
}

/// INVARIANT: no log ever ends further than [`TAIL`] behind its checkpoint, whoever wrote it: each batch that passes a
/// multiple of it writes one. So the end of any log is found with two reads.
fn needs_checkpoint(start: &Known, end: &Known) -> bool {
    start.head.seq == 0 || start.governance != end.governance || start.head.seq / TAIL != end.head.seq / TAIL
}

/// Why a change is not a part of a plan.
enum Refusal {
    Of(StoreError),
    /// The database must be asked first.
    Unsure,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Of(error)
    }
}

/// What one change adds to a plan.
struct Step {
    committed: Committed,
    end: Option<(SessionId, Known)>,
    records: BTreeMap<Key, Written>,
    rows: BTreeMap<(SessionId, Seq), Rewritten>,
}

impl Step {
    fn apply(self, plan: &mut Plan) -> Committed {
        plan.ends.extend(self.end);
        plan.records.extend(self.records);
        plan.rows.extend(self.rows);
        self.committed
    }
}

fn decide(plan: &Plan, world: &World, change: &Change) -> Result<Step, Refusal> {
    let mut step = Step {
        committed: Committed { events: Vec::new() },
        end: None,
        records: BTreeMap::new(),
        rows: BTreeMap::new(),
    };
    let mut at = 0;
    if let Some(append) = &change.append {
        let id = append.session_id;
        let end = plan.ends.get(&id).or_else(|| world.ends.get(&id)).copied().unwrap_or_default();
        // Staleness first: what a conflict shows is for callers whose decision still holds.
        if end.governance > append.decided_at {
            return Err(StoreError::Stale.into());
        }
        at = end.head.seq + 1;
        for rewrite in &append.rewrites {
            let row = rewritten(plan, &step, world, (id, rewrite), at)?;
            step.rows.insert((id, rewrite.seq), row);
        }
        let (events, end) = numbered(change, append, end);
        step.committed = Committed { events };
        step.end = Some((id, end));
    }
    for write in &change.writes {
        let key = write.key.resolved(at);
        let written = written(plan, &step, world, change.id, (&key, write), at)?;
        step.records.insert(key, written);
    }
    Ok(step)
}

fn rewritten(
    plan: &Plan,
    step: &Step,
    world: &World,
    (id, rewrite): (SessionId, &Rewrite),
    by: Seq,
) -> Result<Rewritten, StoreError> {
    let Rewrite { seq, revision, kind } = rewrite;
    let place = (id, *seq);
    let earlier = step.rows.get(&place).or_else(|| plan.rows.get(&place));
    let found = earlier.map(|row| row.revision).or_else(|| world.rows.get(&place).copied());
    if let Some(found) = found.filter(|found| found != revision || *found == 0) {
        return Err(StoreError::Conflict { found: Conflicting::Row { seq: *seq, revision: found } });
    }
    let before = earlier.map_or(*revision, |row| row.before);
    Ok(Rewritten { before, revision: revision + 1, by, kind: kind.clone() })
}

/// What is at a key before a write; the outer `None` where that is not known.
type Before = Option<Option<Record>>;

fn written(
    plan: &Plan,
    step: &Step,
    world: &World,
    id: Version,
    (key, write): (&Key, &Write),
    at: Seq,
) -> Result<Written, Refusal> {
    let Write { key: named, expect, kind } = write;
    let earlier = step.records.get(key).or_else(|| plan.records.get(key));
    let original = world.records.get(key).cloned();
    let before: Before = match earlier.map(|earlier| &earlier.end) {
        Some(End::Put(record)) => Some(Some(record.clone())),
        Some(End::Removed) => Some(None),
        Some(End::Held) | None => original.clone(),
        Some(End::Added(number, version, at)) => match &original {
            Some(original) => Some(Some(counted(key, original.as_ref(), *number, (*version, *at))?)),
            None => None,
        },
    };
    let is_conflict = match (expect, &before) {
        (Expect::Anything, _) | (Expect::Absent, Some(None)) => false,
        (Expect::Version(version), Some(Some(record))) => record.version != *version && record.version != id,
        (Expect::Absent, Some(Some(_))) | (Expect::Version(_), Some(None)) => true,
        // What is not known is as it is expected, unless it was expected to be something else before.
        (Expect::Absent | Expect::Version(_), None) => match earlier {
            None => false,
            Some(Written { expect: before, end: End::Held }) if before == expect => false,
            Some(_) => return Err(Refusal::Unsure),
        },
    };
    if is_conflict {
        let found = Conflicting::Record { key: named.clone(), record: before.flatten() };
        return Err(StoreError::Conflict { found }.into());
    }
    // The first expectation of the batch is what the database must satisfy. Later ones follow from the plan.
    let expect = earlier.map_or(*expect, |earlier| earlier.expect);
    let end = match (kind, earlier.map(|earlier| &earlier.end)) {
        (WriteKind::Put(value), _) => End::Put(Record { value: value.clone(), version: id, at }),
        (WriteKind::Remove, _) => End::Removed,
        (WriteKind::Hold, Some(earlier)) => earlier.clone(),
        (WriteKind::Hold, None) => End::Held,
        (WriteKind::Add(number), Some(End::Put(record))) => End::Put(counted(key, Some(record), *number, (id, at))?),
        (WriteKind::Add(number), Some(End::Removed)) => End::Put(counted(key, None, *number, (id, at))?),
        (WriteKind::Add(number), Some(End::Added(sum, ..))) => End::Added(sum.saturating_add(*number), id, at),
        (WriteKind::Add(number), Some(End::Held) | None) => End::Added(*number, id, at),
    };
    Ok(Written { expect, end })
}

/// A counter with this much added.
fn counted(
    key: &Key,
    before: Option<&Record>,
    number: i64,
    (version, at): (Version, Seq),
) -> Result<Record, StoreError> {
    let sum = before.and_then(|record| record.value.encode().as_i64()).unwrap_or(0).saturating_add(number);
    let value = Value::decode(key, key.table.format, Json::from(sum))
        .map_err(|error| StoreError::Corrupt(format!("a counter of {}: {error}", key.table.name)))?;
    Ok(Record { value, version, at })
}

fn numbered(change: &Change, append: &Append, mut end: Known) -> (Vec<Arc<Event>>, Known) {
    let mut events = Vec::with_capacity(append.events.len());
    for (place, new) in append.events.iter().enumerate() {
        let event = end.head.next(append.session_id, new.clone(), change.governs_at(place));
        end.head = chatcore::store::Head { seq: event.seq, number: event.number, at: event.created_at };
        if event.governs {
            end.governance = event.seq;
        }
        events.push(Arc::new(event));
    }
    (events, end)
}

#[cfg(test)]
mod tests;
