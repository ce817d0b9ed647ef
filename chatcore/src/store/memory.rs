//! A store in the memory of the process: for tests, demonstrations and chats without persistence.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    Append, Change, ChatStore, Committed, Conflicting, Expect, FactsQuery, Freshness, Head, Json, Key, LogRange, Part,
    Prefix, Record, Rewrite, Scan, SessionFacts, StoreError, Table, Value, Version, Write, WriteKind,
};
use crate::model::{Event, Seq, SessionId};

/// The in-memory store. Nothing survives the process; clones share their contents.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    // A change or a read touches a few map entries, so one lock that is never held across an await is enough.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    logs: HashMap<SessionId, Log>,
    tables: BTreeMap<&'static Table, Records>,
}

type Records = BTreeMap<Vec<Part>, Record>;

#[derive(Debug, Default)]
struct Log {
    events: Vec<Arc<Event>>,
    governance: Seq,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and if it did the maps would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn head(&self) -> Head {
        self.events.last().map_or_else(Head::default, |event| Head {
            seq: event.seq,
            number: event.number,
            at: event.created_at,
        })
    }

    fn event(&self, seq: Seq) -> Option<&Arc<Event>> {
        self.events.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    fn check(&self, append: &Append) -> Result<(), StoreError> {
        if self.governance > append.decided_at {
            return Err(StoreError::Stale);
        }
        for Rewrite { seq, revision, kind: _ } in &append.rewrites {
            let found = self.event(*seq).map_or(0, |event| event.revision);
            if found != *revision || found == 0 {
                return Err(StoreError::Conflict { found: Conflicting::Row { seq: *seq, revision: found } });
            }
        }
        Ok(())
    }

    fn append(&mut self, change: &Change, append: &Append) -> Vec<Arc<Event>> {
        let first = self.head().seq + 1;
        for Rewrite { seq, revision, kind } in &append.rewrites {
            let place = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX);
            if let Some(event) = self.events.get_mut(place) {
                let event = Event { kind: kind.clone(), revision: revision + 1, revised: first, ..Event::clone(event) };
                self.events.splice(place..=place, [Arc::new(event)]);
            }
        }
        let mut events = Vec::with_capacity(append.events.len());
        for (place, new) in append.events.iter().enumerate() {
            let event = Arc::new(self.head().next(append.session_id, new.clone(), change.governs_at(place)));
            if event.governs {
                self.governance = event.seq;
            }
            self.events.push(Arc::clone(&event));
            events.push(event);
        }
        events
    }
}

impl State {
    fn record(&self, key: &Key) -> Option<&Record> {
        self.tables.get(key.table)?.get(&key.parts)
    }

    /// The records as they are after these writes, each of which sees the ones before it; `None` for a removed record.
    fn written(&self, change: &Change, first: Seq) -> Result<BTreeMap<Key, Option<Record>>, StoreError> {
        let (id, at) = (change.id, if change.append.is_some() { first } else { 0 });
        let mut written = BTreeMap::<Key, Option<Record>>::new();
        for Write { key, expect, kind } in &change.writes {
            let place = key.resolved(first);
            let found = written.get(&place).cloned().unwrap_or_else(|| self.record(&place).cloned());
            if !holds(*expect, found.as_ref(), id) {
                let (key, record) = (key.clone(), found);
                return Err(StoreError::Conflict { found: Conflicting::Record { key, record } });
            }
            let record = match kind {
                WriteKind::Put(value) => Some(Record { value: value.clone(), version: id, at }),
                WriteKind::Remove => None,
                WriteKind::Hold => found,
                WriteKind::Add(number) => {
                    Some(Record { value: added(&place, found.as_ref(), *number)?, version: id, at })
                }
            };
            written.insert(place, record);
        }
        Ok(written)
    }
}

/// Whether a record is as it is expected to be. What the change itself wrote before holds for each version.
fn holds(expect: Expect, found: Option<&Record>, own: Version) -> bool {
    match (expect, found) {
        (Expect::Anything, _) | (Expect::Absent, None) => true,
        (Expect::Version(version), Some(record)) => record.version == version || record.version == own,
        (Expect::Absent, Some(_)) | (Expect::Version(_), None) => false,
    }
}

/// A counter with this much added.
fn added(key: &Key, found: Option<&Record>, number: i64) -> Result<Value, StoreError> {
    let before = found.and_then(|record| record.value.encode().as_i64()).unwrap_or(0);
    let sum = Json::from(before.saturating_add(number));
    Value::decode(key, key.table.format, sum).map_err(|error| StoreError::Corrupt(format!("{key:?}: {error}")))
}

fn under<'a>(records: &'a Records, prefix: &'a [Part]) -> impl Iterator<Item = (&'a Vec<Part>, &'a Record)> {
    let from = (Bound::Included(prefix), Bound::Unbounded);
    records.range::<[Part], _>(from).take_while(move |(parts, _)| parts.starts_with(prefix))
}

#[async_trait]
impl ChatStore for MemoryStore {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        change.check().map_err(|malformed| StoreError::Backend(Box::new(malformed)))?;
        let mut state = self.state();
        let log = change.session().and_then(|id| state.logs.get(&id));
        let first = log.map_or(0, |log| log.head().seq) + 1;
        if let Some(append) = &change.append {
            log.unwrap_or(&Log::default()).check(append)?;
        }
        let written = state.written(&change, first)?;
        for (key, record) in written {
            let records = state.tables.entry(key.table).or_default();
            match record {
                Some(record) => drop(records.insert(key.parts, record)),
                None => drop(records.remove(&key.parts)),
            }
        }
        let events = match &change.append {
            Some(append) => state.logs.entry(append.session_id).or_default().append(&change, append),
            None => Vec::new(),
        };
        Ok(Committed { events })
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], _: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        let state = self.state();
        let facts = |FactsQuery { session_id, records }: &FactsQuery<'_>| {
            let log = state.logs.get(session_id);
            SessionFacts {
                head: log.map_or_else(Head::default, Log::head),
                governance: log.map_or(0, |log| log.governance),
                records: records.iter().map(|key| state.record(key).cloned()).collect(),
            }
        };
        Ok(queries.iter().map(facts).collect())
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        let state = self.state();
        let part = |range: &LogRange| {
            let log = state.logs.get(&range.session_id).map_or(&[][..], |log| log.events.as_slice());
            let from = usize::try_from(range.from.max(1) - 1).unwrap_or(usize::MAX).min(log.len());
            let to = usize::try_from(range.to).unwrap_or(usize::MAX).min(log.len());
            log.get(from..to).unwrap_or_default().to_vec()
        };
        Ok(ranges.iter().map(part).collect())
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let state = self.state();
        let readable = |record: &&Record| record.value.fault().is_none();
        Ok(keys.iter().map(|key| state.record(key).filter(readable).cloned()).collect())
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        let state = self.state();
        let empty = Records::new();
        let part = |Scan { table, prefix, after, skip, limit, shows_unreadable }: &Scan| {
            let records = state.tables.get(table).unwrap_or(&empty);
            let skip = usize::try_from(*skip).unwrap_or(usize::MAX);
            let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
            let start = [prefix.as_slice(), after.as_deref().unwrap_or_default()].concat();
            let from = if after.is_some() { Bound::Excluded(start) } else { Bound::Included(start) };
            let found = records.range((from, Bound::Unbounded)).take_while(|(parts, _)| parts.starts_with(prefix));
            let entry = |(parts, record): (&Vec<Part>, &Record)| (Key { table, parts: parts.clone() }, record.clone());
            let shown = found.filter(|(_, record)| *shows_unreadable || record.value.fault().is_none());
            shown.skip(skip).take(limit).map(entry).collect()
        };
        Ok(scans.iter().map(part).collect())
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        let state = self.state();
        let empty = Records::new();
        let number =
            |Prefix { table, parts }: &Prefix| under(state.tables.get(table).unwrap_or(&empty), parts).count() as u64;
        Ok(prefixes.iter().map(number).collect())
    }
}
