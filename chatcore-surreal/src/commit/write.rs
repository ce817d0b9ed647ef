//! The one statement that writes a batch.

use std::collections::HashMap;

use chatcore::{
    model::SessionId,
    store::{Expect, Head, encode_event},
};
use surrealdb::types::{Object, RecordId, SurrealValue, Value, Variables};

use super::plan::{End, Plan, Verdict};
use crate::{
    failure::{behind, taken},
    keys, records,
    rows::{CheckpointRow, Known, NewRow},
};

macro_rules! guard {
    () => {
        concat!("IF (SELECT VALUE [number, at] FROM $last) != $ends { THROW '", behind!(), "' };")
    };
}

macro_rules! change {
    () => {
        concat!(
            "IF (SELECT VALUE [id, _version ?? 0] FROM $expected) != $versions \
            OR array::len(SELECT VALUE id FROM $absent) > 0 \
            OR (SELECT VALUE [id, revision ?? 1] FROM $old) != $revisions { THROW '",
            taken!(),
            "' };\
            INSERT $rows RETURN NONE;\
            FOR $row IN $rewritten { \
                UPDATE $row.id SET data = $row.data, revision = $row.revision, revised = $row.revised RETURN NONE };\
            DELETE $gone RETURN NONE;\
            FOR $row IN $put { UPSERT $row.id CONTENT $row RETURN NONE };\
            FOR $row IN $added { UPSERT $row.id SET _value = (_value ?? 0) + $row.number, _version = $row._version, \
                _at = $row._at, _format = $row._format RETURN NONE };\
            UPDATE $held SET _held = $batch RETURN NONE;\
            RETURN NONE }"
        )
    };
}

/// New rows only: the shape that counts. A row that is there already fails it.
const INSERT: &str = "INSERT $rows RETURN NONE";

/// The same on a server, which somebody may replace by an older copy of itself at any time: what is remembered of a log
/// must be there, or this would stand behind a hole.
const GUARDED_INSERT: &str = concat!("{", guard!(), "INSERT $rows RETURN NONE; RETURN NONE }");

/// A block is one transaction.
const CHANGE: &str = concat!("{", change!());
const GUARDED_CHANGE: &str = concat!("{", guard!(), change!());

/// Ends of logs, as they are remembered.
pub(crate) type Guard<'a> = Option<&'a HashMap<SessionId, Known>>;

/// A batch as a statement with its values.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: &'static str,
    pub(crate) binds: Variables,
}

#[derive(Debug, Default)]
struct Rows {
    /// Rows that must not be there yet.
    new: Vec<Value>,
    /// Rows that replace existing rows.
    put: Vec<Value>,
    gone: Vec<RecordId>,
    held: Vec<RecordId>,
    added: Vec<Value>,
    absent: Vec<RecordId>,
    /// Records of which a version is expected.
    expected: Vec<RecordId>,
    versions: Vec<Value>,
    /// Rows of logs that are rewritten.
    old: Vec<RecordId>,
    revisions: Vec<Value>,
    rewritten: Vec<Value>,
    /// What must stand at the ends of the logs, where that is to be looked at.
    guard: Option<(Vec<RecordId>, Vec<Value>)>,
}

/// The statement for a plan; `None` where nothing is written. Its rows tell which batch wrote them.
pub(crate) fn statement(plan: &Plan, batch: i64, guard: Guard<'_>) -> Option<Statement> {
    let mut rows = Rows { guard: guard.map(|known| ends(plan, known)), ..Rows::default() };
    let mut is_empty = true;
    for verdict in &plan.verdicts {
        let Verdict::Accepted(committed) = verdict else { continue };
        is_empty = false;
        rows.new.extend(committed.events.iter().map(|event| NewRow::of(event, batch).into_value()));
    }
    if is_empty {
        return None;
    }
    rows.records(plan);
    for ((id, seq), row) in &plan.rows {
        let place = keys::log(*id, *seq);
        rows.old.push(place.clone());
        rows.revisions.push(pair(&place, row.before));
        rows.rewritten.push(object([
            ("id", place.into_value()),
            ("data", encode_event(&row.kind).into_value()),
            ("revision", keys::signed(row.revision).into_value()),
            ("revised", keys::signed(row.by).into_value()),
        ]));
    }
    for id in &plan.checkpoints {
        if let Some(end) = plan.ends.get(id) {
            rows.put.push(CheckpointRow::of(*id, end).into_value());
        }
    }
    Some(rows.statement(batch))
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut object = Object::new();
    for (name, value) in fields {
        object.insert(name, value);
    }
    Value::Object(object)
}

fn pair(id: &RecordId, number: u64) -> Value {
    vec![id.clone().into_value(), keys::signed(number).into_value()].into_value()
}

/// The last rows of the logs that are written, and what must be in them.
fn ends(plan: &Plan, known: &HashMap<SessionId, Known>) -> (Vec<RecordId>, Vec<Value>) {
    let heads = plan.ends.keys().filter_map(|id| Some((id, known.get(id)?.head))).filter(|(_, head)| head.seq > 0);
    let row = |(id, head): (&SessionId, Head)| {
        (keys::log(*id, head.seq), vec![keys::signed(head.number).into_value(), head.at.into_value()].into_value())
    };
    heads.map(row).unzip()
}

impl Rows {
    fn records(&mut self, plan: &Plan) {
        for (key, written) in &plan.records {
            let id = keys::record(key);
            match (&written.end, written.expect) {
                // The insertion itself fails where the record is there.
                (End::Put(record), Expect::Absent) => {
                    self.new.push(records::row(key, record));
                    continue;
                }
                (End::Put(record), Expect::Anything | Expect::Version(_)) => self.put.push(records::row(key, record)),
                (End::Removed, Expect::Absent) => {}
                (End::Removed, Expect::Anything | Expect::Version(_)) => self.gone.push(id.clone()),
                (End::Held, _) => self.held.push(id.clone()),
                (End::Added(number, version, at), _) => self.added.push(object([
                    ("id", id.clone().into_value()),
                    ("number", (*number).into_value()),
                    ("_version", keys::signed(version.0).into_value()),
                    ("_at", keys::signed(*at).into_value()),
                    ("_format", i64::from(key.table.format).into_value()),
                ])),
            }
            match written.expect {
                Expect::Anything => {}
                Expect::Absent => self.absent.push(id),
                Expect::Version(version) => {
                    self.versions.push(pair(&id, version.0));
                    self.expected.push(id);
                }
            }
        }
    }

    /// Whether rows are inserted and nothing else happens.
    fn only_inserts(&self) -> bool {
        let Self {
            new: _,
            put,
            gone,
            held,
            added,
            absent,
            expected,
            versions: _,
            old,
            revisions: _,
            rewritten: _,
            guard: _,
        } = self;
        put.is_empty()
            && gone.is_empty()
            && held.is_empty()
            && added.is_empty()
            && absent.is_empty()
            && expected.is_empty()
            && old.is_empty()
    }

    fn statement(self, batch: i64) -> Statement {
        let only_inserts = self.only_inserts();
        let Self { new, put, gone, held, added, absent, expected, versions, old, revisions, rewritten, guard } = self;
        let mut binds = Variables::new();
        binds.insert("rows", new);
        let (insert, change) = match guard {
            None => (INSERT, CHANGE),
            Some((last, ends)) => {
                binds.insert("last", last);
                binds.insert("ends", ends);
                (GUARDED_INSERT, GUARDED_CHANGE)
            }
        };
        if only_inserts {
            return Statement { text: insert, binds };
        }
        binds.insert("put", put);
        binds.insert("gone", gone);
        binds.insert("held", held);
        binds.insert("added", added);
        binds.insert("absent", absent);
        binds.insert("expected", expected);
        binds.insert("versions", versions);
        binds.insert("old", old);
        binds.insert("revisions", revisions);
        binds.insert("rewritten", rewritten);
        binds.insert("batch", batch);
        Statement { text: change, binds }
    }
}
