//! A random history, read from the store and from a model of it that is too simple to be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    kit::{Dice, Store, add, at, governing, hold, new_session_id, put_at, said, same, sheet, total, user, word},
    scans::expected,
    tables::{Latest, Law, Laws, Marks, Names, Notes, TABLES, Tallies, Tally},
};
use crate::{
    model::{Event, EventKind, MessageEvent, NewEvent, Seq, SessionId},
    store::{
        Change, Conflicting, Expect, FactsQuery, Freshness, Head, Key, KeyPart, LogRange, Owner, Part, Prefix, Record,
        Rewrite, Scan, SessionFacts, StoreError, TypedKey, Value, Version, Write, WriteKind,
    },
};

const STEPS: u64 = 400;
const SESSIONS: u64 = 4;
const WORDS: [&str; 4] = ["", "a", "ab", "b"];

/// What was committed, in plain maps.
#[derive(Default)]
struct Model {
    log: BTreeMap<(SessionId, Seq), Event>,
    records: BTreeMap<Key, Record>,
    /// The facts at every position at which a session's log ended, with all governed records of the session.
    past: BTreeMap<(SessionId, Seq), (Seq, BTreeMap<Key, Record>)>,
}

/// How a commit ends.
#[derive(Debug, PartialEq)]
enum Ended {
    Committed(Vec<Event>),
    Stale,
    Conflict(Conflicting),
}

impl Model {
    fn events(&self, id: SessionId) -> impl DoubleEndedIterator<Item = &Event> {
        self.log.range((id, 0)..=(id, Seq::MAX)).map(|(_, event)| event)
    }

    fn head(&self, id: SessionId) -> Head {
        let head = |event: &Event| Head { seq: event.seq, number: event.number, at: event.created_at };
        self.events(id).next_back().map_or_else(Head::default, head)
    }

    fn governance(&self, id: SessionId) -> Seq {
        self.events(id).filter(|event| event.governs).map(|event| event.seq).max().unwrap_or(0)
    }

    fn commit(&mut self, change: &Change) -> Ended {
        let head = change.session().map_or_else(Head::default, |id| self.head(id));
        let first = head.seq + 1;
        if let Some(append) = &change.append {
            if self.governance(append.session_id) > append.decided_at {
                return Ended::Stale;
            }
            for Rewrite { seq, revision, kind: _ } in &append.rewrites {
                let found = self.log.get(&(append.session_id, *seq)).map_or(0, |event| event.revision);
                if found == 0 || found != *revision {
                    return Ended::Conflict(Conflicting::Row { seq: *seq, revision: found });
                }
            }
        }
        let mut records = self.records.clone();
        for write in &change.writes {
            if let Err(found) = apply(&mut records, change, write, first) {
                return Ended::Conflict(found);
            }
        }
        self.records = records;
        Ended::Committed(self.append(change, head))
    }

    fn append(&mut self, change: &Change, head: Head) -> Vec<Event> {
        let Some(append) = &change.append else { return Vec::new() };
        let id = append.session_id;
        for Rewrite { seq, revision, kind } in &append.rewrites {
            let event = self.log.get_mut(&(id, *seq)).expect("it was looked at");
            (event.kind, event.revision, event.revised) = (kind.clone(), revision + 1, head.seq + 1);
        }
        let writes_law = change.writes.iter().any(|write| write.key.table == Laws::TABLE);
        let (mut number, mut time, mut events) = (head.number, head.at, Vec::new());
        for (new, seq) in append.events.iter().zip(head.seq + 1..) {
            let NewEvent { actor, created_at, kind } = new.clone();
            time = if seq == 1 { created_at } else { time.max(created_at) };
            number += u64::from(kind.is_message());
            let is_last = events.len() + 1 == append.events.len();
            let governs = kind.is_governance() || (is_last && writes_law);
            let event =
                Event { session_id: id, seq, number, created_at: time, actor, kind, governs, revision: 1, revised: 0 };
            self.log.insert((id, seq), event.clone());
            events.push(event);
        }
        let laws = self.records.iter().filter(|(key, _)| key.table == Laws::TABLE && key.session() == Some(id));
        let laws = laws.map(|(key, record)| (key.clone(), record.clone())).collect();
        self.past.insert((id, head.seq + events.len() as u64), (self.governance(id), laws));
        events
    }

    /// The facts when the log ended there; `None` where it never did.
    fn facts_at(&self, seq: Seq, query: &FactsQuery<'_>) -> Option<SessionFacts> {
        let FactsQuery { session_id: id, records } = *query;
        if seq == 0 {
            return Some(SessionFacts { head: Head::default(), governance: 0, records: vec![None; records.len()] });
        }
        let event = self.log.get(&(id, seq))?;
        let (governance, laws) = self.past.get(&(id, seq))?;
        let head = Head { seq, number: event.number, at: event.created_at };
        let records = records.iter().map(|key| laws.get(key).cloned()).collect();
        Some(SessionFacts { head, governance: *governance, records })
    }
}

/// Does one write, or tells what stands against it.
fn apply(records: &mut BTreeMap<Key, Record>, change: &Change, write: &Write, first: Seq) -> Result<(), Conflicting> {
    let key = write.key.resolved(first);
    let found = records.get(&key).cloned();
    let is_own = |record: &Record| record.version == change.id;
    let is_met = match write.expect {
        Expect::Anything => true,
        Expect::Absent => found.is_none(),
        Expect::Version(version) => found.as_ref().is_some_and(|found| found.version == version || is_own(found)),
    };
    if !is_met {
        return Err(Conflicting::Record { key: write.key.clone(), record: found });
    }
    let at = if change.append.is_some() { first } else { 0 };
    let value = match &write.kind {
        WriteKind::Put(value) => value.clone(),
        WriteKind::Remove => {
            records.remove(&key);
            return Ok(());
        }
        WriteKind::Hold => return Ok(()),
        WriteKind::Add(number) => {
            let before = found.map_or(0, |found| found.typed::<Tally>().expect("a counter").value.0);
            Value::of::<Tallies>(Tally(before + number))
        }
    };
    // A counter's value belongs to the counter's table.
    let value = if key.table == Tallies::TABLE || matches!(write.kind, WriteKind::Put(_)) {
        value
    } else {
        Value::decode(&key, key.table.format, value.encode()).expect("a counter")
    };
    records.insert(key, Record { value, version: change.id, at });
    Ok(())
}

/// What happens at random.
struct History {
    dice: Dice,
    ids: Vec<SessionId>,
    versions: Vec<Version>,
}

impl History {
    fn id(&mut self) -> SessionId {
        *self.dice.one_of(&self.ids)
    }

    fn word(&mut self) -> &'static str {
        self.dice.one_of::<&str>(&WORDS)
    }

    /// Mostly the version that is there, sometimes another one.
    fn version(&mut self, model: &Model, key: &Key) -> Version {
        match model.records.get(key) {
            Some(record) if !self.dice.one_in(4) => record.version,
            _ => *self.dice.one_of(&self.versions),
        }
    }

    fn shared_write(&mut self, model: &Model, step: i64) -> Write {
        let key = Names { name: word(self.word()) };
        if self.dice.one_in(3) {
            return add(&total(self.word()), step - 100);
        }
        self.write_of(model, &key, key.put(sheet(step)))
    }

    fn write(&mut self, model: &Model, id: SessionId, step: i64) -> Write {
        let word = word(self.word());
        let text = Part::Text(word.0.clone());
        let (law, note) = (Laws { session: id, name: word.clone() }, Notes { session: id, name: word.clone() });
        match self.dice.below(8) {
            0 => self.write_of(model, &law, law.put(Law { key: law.parts(), says: step })),
            1 | 2 => self.write_of(model, &note, note.put(sheet(step))),
            3 => put_at::<Marks>(vec![id.part(), Part::Here(0), text], sheet(step)),
            4 => put_at::<Latest>(vec![id.part(), Part::NewestHere(0)], sheet(step)),
            5 => add(&Tallies { session: id, name: word }, step),
            6 => {
                let mark = Marks { session: id, at: self.dice.below(model.head(id).seq + 2), name: word };
                self.write_of(model, &mark, mark.put(sheet(step)))
            }
            _ => self.shared_write(model, step),
        }
    }

    fn write_of<K: TypedKey>(&mut self, model: &Model, key: &K, put: Write) -> Write {
        let version = self.version(model, &key.key());
        match self.dice.below(8) {
            0..=2 => put,
            3 => put.absent(),
            4 => put.at(version),
            5 => key.remove(),
            6 => key.remove().at(version),
            _ => hold(key, version),
        }
    }

    fn event(&mut self, step: u64) -> NewEvent {
        let kind = match self.dice.below(12) {
            0 => governing(),
            1 => EventKind::Unknown,
            2 => EventKind::Message(MessageEvent::Edited { message: step, revision: 2 }),
            _ => said(format!("message {step}")),
        };
        // Mostly a little later each time, and sometimes earlier: clocks differ.
        let micros = 1000 * step + self.dice.below(5000);
        NewEvent { actor: user("ana"), created_at: at(i64::try_from(micros).expect("a small number")), kind }
    }

    fn rewrites(&mut self, model: &Model, id: SessionId, step: u64) -> Vec<Rewrite> {
        let head = model.head(id).seq;
        let seqs: BTreeSet<Seq> = (0..self.dice.below(3)).map(|_| self.dice.below(head + 2)).collect();
        let mut rewrite = |seq| {
            let revision = model.log.get(&(id, seq)).map_or(0, |event| event.revision);
            let revision = if self.dice.one_in(8) { self.dice.below(3) } else { revision };
            Rewrite { seq, revision, kind: said(format!("rewritten {step}")) }
        };
        // Mostly rows that are there.
        seqs.into_iter().filter(|seq| *seq % 16 == 0 || (1..=head).contains(seq)).map(&mut rewrite).collect()
    }

    /// A change as some process might make it, on facts that may be old.
    fn change(&mut self, model: &Model, step: u64) -> Change {
        let signed = i64::try_from(step).expect("a small number");
        if self.dice.one_in(8) {
            return Change::of_records((0..=self.dice.below(3)).map(|_| self.shared_write(model, signed)).collect());
        }
        let id = self.id();
        let head = model.head(id).seq;
        let decided_at = if self.dice.one_in(3) { head.saturating_sub(self.dice.below(6)) } else { head };
        let events = (0..=self.dice.below(3)).map(|_| self.event(step)).collect();
        let writes = (0..self.dice.below(4)).map(|_| self.write(model, id, signed)).collect();
        let change = Change::of(id, decided_at, events, writes);
        if self.dice.one_in(4) { change.rewriting(self.rewrites(model, id, step)) } else { change }
    }

    /// A prefix of keys of some table, and parts that may follow it.
    fn prefix(&mut self, model: &Model) -> (Prefix, Option<Vec<Part>>) {
        let table = *self.dice.one_of(TABLES);
        let keys: Vec<&Key> = model.records.keys().filter(|key| key.table == table).collect();
        let mut parts = match table.owner {
            Owner::Session => vec![self.id().part()],
            Owner::Shared => vec![],
        };
        if keys.is_empty() || self.dice.one_in(3) {
            return (Prefix { table, parts }, None);
        }
        // Like a key that is there, in this session or in another one.
        let key = &self.dice.one_of(&keys).parts;
        if self.dice.one_in(3) {
            parts = key[..usize::try_from(self.dice.below(key.len() as u64)).expect("a place")].to_vec();
        }
        let after = self.dice.one_in(2).then(|| key[parts.len()..].to_vec());
        (Prefix { table, parts }, after)
    }

    /// Reads something of everything.
    async fn compare(&mut self, store: &Store, model: &Model, step: u64) {
        let what = |what: &str| format!("{what} after step {step}");
        let asked: Vec<(SessionId, Vec<Key>)> = (0..=self.dice.below(3))
            .map(|_| {
                let id = self.id();
                let law = |word: &str| Laws { session: id, name: super::kit::word(word) }.key();
                (id, (0..self.dice.below(4)).map(|_| law(self.word())).collect())
            })
            .collect();
        let queries: Vec<_> = asked.iter().map(|(id, records)| FactsQuery { session_id: *id, records }).collect();
        let fresh = store.facts(&queries, Freshness::Fresh).await.expect("fresh facts");
        let then = |query: &FactsQuery<'_>, seq| model.facts_at(seq, query);
        let facts: Vec<_> = queries.iter().map(|query| then(query, model.head(query.session_id).seq)).collect();
        same(what("fresh facts"), fresh.into_iter().map(Some).collect::<Vec<_>>(), facts);
        let cached = store.facts(&queries, Freshness::Cached).await.expect("cached facts");
        let facts: Vec<_> = queries.iter().zip(&cached).map(|(query, cached)| then(query, cached.head.seq)).collect();
        same(what("cached facts"), cached.into_iter().map(Some).collect::<Vec<_>>(), facts);

        let mut range = || {
            let session_id = self.id();
            let from = self.dice.below(model.head(session_id).seq + 3);
            LogRange { session_id, from, to: (from + self.dice.below(12)).saturating_sub(1) }
        };
        let ranges = [range(), range(), range()];
        let found = store.log(&ranges).await.expect("parts of logs");
        let found = found.iter().map(|part| part.iter().map(|event| (**event).clone()).collect::<Vec<Event>>());
        let within = |range: &LogRange, event: &Event| (range.from..=range.to).contains(&event.seq);
        let part =
            |range: &LogRange| model.events(range.session_id).filter(|event| within(range, event)).cloned().collect();
        let parts: Vec<Vec<Event>> = ranges.iter().map(part).collect();
        same(what("the log"), found.collect::<Vec<_>>(), parts);

        let (mut scans, mut prefixes, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..4 {
            let (prefix, after) = self.prefix(model);
            let (skip, limit) = (self.dice.below(3), self.dice.below(6));
            keys.push(Key {
                table: prefix.table,
                parts: [&prefix.parts[..], after.as_deref().unwrap_or_default()].concat(),
            });
            scans.push(Scan {
                table: prefix.table,
                prefix: prefix.parts.clone(),
                after,
                skip,
                limit,
                shows_unreadable: false,
            });
            prefixes.push(prefix);
        }
        let wanted: Vec<_> = scans.iter().map(|scan| expected(&model.records, scan)).collect();
        same(what(&format!("{scans:?}")), store.scan(&scans).await.expect("records"), wanted);
        let all = |prefix: &Prefix| {
            model.records.keys().filter(|key| key.table == prefix.table && key.parts.starts_with(&prefix.parts)).count()
        };
        let wanted: Vec<_> = prefixes.iter().map(|prefix| all(prefix) as u64).collect();
        same(what(&format!("{prefixes:?}")), store.count(&prefixes).await.expect("counts"), wanted);
        let is_whole = |key: &Key| {
            model.records.keys().any(|known| known.table == key.table && known.parts.len() == key.parts.len())
        };
        keys.retain(is_whole);
        let wanted: Vec<_> = keys.iter().map(|key| model.records.get(key).cloned()).collect();
        same(what(&format!("{keys:?}")), store.records(&keys).await.expect("records"), wanted);
    }
}

pub(super) async fn a_random_history_reads_as_a_naive_model_does(store: Store) {
    let ids = (0..SESSIONS).map(|_| new_session_id()).collect();
    let mut history = History { dice: Dice(20), ids, versions: vec![Version::new()] };
    let mut model = Model::default();
    let mut refused = [0, 0];
    for step in 0..STEPS {
        let change = history.change(&model, step);
        let ended = match store.commit(change.clone()).await {
            Ok(committed) => Ended::Committed(committed.events.into_iter().map(Arc::unwrap_or_clone).collect()),
            Err(StoreError::Stale) => Ended::Stale,
            Err(StoreError::Conflict { found }) => Ended::Conflict(found),
            Err(error) => panic!("step {step} failed with {error:?}: {change:?}"),
        };
        refused[0] += u64::from(matches!(ended, Ended::Stale));
        refused[1] += u64::from(matches!(ended, Ended::Conflict(_)));
        same(format!("step {step}: {change:?}"), ended, model.commit(&change));
        history.versions.push(change.id);
        history.compare(&store, &model, step).await;
    }
    let sizes = [model.log.len() as u64, model.records.len() as u64, refused[0], refused[1]];
    assert!(sizes.iter().zip([200, 60, 20, 40]).all(|(size, least)| *size >= least), "the history is poor: {sizes:?}");
}
