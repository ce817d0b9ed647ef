//! Record ids. They are made of typed values only, never of formatted text: no user's input can become another key.

use std::ops::Bound;

use chatcore::{
    StoreError,
    model::{Seq, SessionId},
    store::{Key, Part, Prefix, Scan, Table},
};
use surrealdb::types::{Array, Number, Range, RecordId, RecordIdKey, RecordIdKeyRange, Value};
use uuid::Uuid;

fn uuid(id: Uuid) -> Value {
    Value::Uuid(id.into())
}

/// The database counts in signed numbers. No log gets there: at a million events a second it takes 290,000 years.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} counts something")))
}

fn int(number: u64) -> Value {
    Value::Number(Number::Int(signed(number)))
}

fn id<const N: usize>(table: &'static str, parts: [Value; N]) -> RecordId {
    RecordId::new(table, RecordIdKey::Array(Array::from(Vec::from(parts))))
}

pub(crate) fn log(SessionId(session): SessionId, seq: Seq) -> RecordId {
    id("log", [uuid(session), int(seq)])
}

/// A part of a log, both ends included.
pub(crate) fn log_range(SessionId(session): SessionId, from: Seq, to: Seq) -> RecordId {
    let key = |seq| Bound::Included(array(vec![uuid(session), int(seq)]));
    RecordId::new("log", RecordIdKeyRange { start: key(from), end: key(to) })
}

pub(crate) fn checkpoint(SessionId(session): SessionId) -> RecordId {
    RecordId::new("checkpoint", RecordIdKey::Uuid(session.into()))
}

fn value(part: &Part) -> Value {
    match part {
        Part::Number(number) => int(*number),
        Part::Text(text) => Value::String(text.clone()),
        Part::Uuid(id) => uuid(*id),
        // A key with such a part is resolved before it is written, and never read.
        Part::Here(_) | Part::NewestHere(_) => Value::None,
    }
}

fn values(parts: &[Part]) -> Vec<Value> {
    parts.iter().map(value).collect()
}

fn array(parts: Vec<Value>) -> RecordIdKey {
    RecordIdKey::Array(Array::from(parts))
}

/// The key of a record: the part itself where there is one, else an array of the parts.
fn key_of(parts: &[Part]) -> RecordIdKey {
    match parts {
        [Part::Uuid(id)] => RecordIdKey::Uuid((*id).into()),
        [Part::Text(text)] => RecordIdKey::String(text.clone()),
        [Part::Number(number)] => RecordIdKey::Number(signed(*number)),
        parts => array(values(parts)),
    }
}

pub(crate) fn record(key: &Key) -> RecordId {
    RecordId::new(key.table.name, key_of(&key.parts))
}

/// The records under a prefix, or those after further parts.
fn range(table: &'static Table, prefix: &[Part], after: Option<&[Part]>) -> RecordId {
    let is_single = table.parts.len() == 1;
    let start = match after {
        Some(after) if is_single => Bound::Excluded(key_of(after)),
        // Parts are an array also where they are not all of the key.
        Some(after) => Bound::Excluded(array(values(&[prefix, after].concat()))),
        None if prefix.is_empty() => Bound::Unbounded,
        None => Bound::Included(key_of(prefix)),
    };
    let end = if prefix.is_empty() {
        Bound::Unbounded
    } else if is_single {
        Bound::Included(key_of(prefix))
    } else {
        let mut parts = values(prefix);
        parts.push(Value::Range(Box::new(Range::unbounded())));
        Bound::Included(array(parts))
    };
    let start = match start {
        // A prefix of one part is an array nevertheless, where keys have more parts.
        Bound::Included(_) if !is_single => Bound::Included(array(values(prefix))),
        start => start,
    };
    RecordId::new(table.name, RecordIdKeyRange { start, end })
}

pub(crate) fn scan(scan: &Scan) -> RecordId {
    range(scan.table, &scan.prefix, scan.after.as_deref())
}

pub(crate) fn prefix(prefix: &Prefix) -> RecordId {
    range(prefix.table, &prefix.parts, None)
}

/// The id of a row.
pub(crate) fn of_row(row: &Value) -> Option<&RecordId> {
    match row {
        Value::Object(fields) => match fields.get("id") {
            Some(Value::RecordId(id)) => Some(id),
            Some(_) | None => None,
        },
        Value::RecordId(id) => Some(id),
        _ => None,
    }
}

/// The session of a row whose key begins with one.
pub(crate) fn session_of(row: &Value) -> Option<SessionId> {
    let id = of_row(row)?;
    match (&id.key, parts(id)) {
        (RecordIdKey::Uuid(session), _) | (_, [Value::Uuid(session), ..]) => Some(SessionId(session.into_inner())),
        _ => None,
    }
}

pub(crate) fn corrupt(id: &RecordId) -> StoreError {
    StoreError::Corrupt(format!("a key of the table {} has another shape", id.table.as_str()))
}

/// The session and the position of a row of a log.
pub(crate) fn as_log(id: &RecordId) -> Result<(SessionId, Seq), StoreError> {
    match parts(id) {
        [Value::Uuid(session), Value::Number(Number::Int(seq))] => {
            Ok((SessionId(session.into_inner()), unsigned(*seq)?))
        }
        _ => Err(corrupt(id)),
    }
}

/// The session that is the key.
pub(crate) fn as_session(id: &RecordId) -> Result<SessionId, StoreError> {
    match &id.key {
        RecordIdKey::Uuid(session) => Ok(SessionId(session.into_inner())),
        _ => Err(corrupt(id)),
    }
}

/// The key of a record of this table.
pub(crate) fn as_key(table: &'static Table, id: &RecordId) -> Result<Key, StoreError> {
    let part = |value: &Value| match value {
        Value::Number(Number::Int(number)) => Ok(Part::Number(unsigned(*number)?)),
        Value::String(text) => Ok(Part::Text(text.clone())),
        Value::Uuid(id) => Ok(Part::Uuid(id.into_inner())),
        _ => Err(corrupt(id)),
    };
    let parts = match &id.key {
        RecordIdKey::Uuid(id) => vec![Part::Uuid(id.into_inner())],
        RecordIdKey::String(text) => vec![Part::Text(text.clone())],
        RecordIdKey::Number(number) => vec![Part::Number(unsigned(*number)?)],
        RecordIdKey::Array(parts) => parts.iter().map(part).collect::<Result<_, _>>()?,
        _ => return Err(corrupt(id)),
    };
    Ok(Key { table, parts })
}

fn parts(id: &RecordId) -> &[Value] {
    match &id.key {
        RecordIdKey::Array(parts) => parts.as_slice(),
        _ => &[],
    }
}
