//! Record ids. They are made of typed values only, never of formatted text: no user's input can become another key.

use std::ops::Bound;

use chatcore::{
    StoreError,
    model::{ClientId, ParticipantId, Seq, SessionId, UserId},
};
use surrealdb::types::{Array, Number, Range, RecordId, RecordIdKey, RecordIdKeyRange, Value};
use uuid::Uuid;

fn uuid(id: Uuid) -> Value {
    Value::Uuid(id.into())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The database counts in signed numbers. No log gets there: at a million events a second it takes 290,000 years.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} counts something")))
}

/// So that a scan, which only goes forwards, comes to the newest session first.
fn inverted(SessionId(id): SessionId) -> Value {
    uuid(Uuid::from_u128(!id.as_u128()))
}

fn id<const N: usize>(table: &'static str, parts: [Value; N]) -> RecordId {
    RecordId::new(table, RecordIdKey::Array(Array::from(Vec::from(parts))))
}

fn range(table: &'static str, start: Vec<Value>, end: Vec<Value>) -> RecordId {
    let key = |parts| Bound::Included(RecordIdKey::Array(Array::from(parts)));
    RecordId::new(table, RecordIdKeyRange { start: key(start), end: key(end) })
}

/// Every key that begins with this; after a second part, only those with a higher one.
fn below(table: &'static str, first: Value, after: Option<Value>) -> RecordId {
    let key = |parts| RecordIdKey::Array(Array::from(parts));
    let start = match after {
        None => Bound::Included(key(vec![first.clone()])),
        Some(second) => Bound::Excluded(key(vec![first.clone(), second])),
    };
    let end = Bound::Included(key(vec![first, Value::Range(Box::new(Range::unbounded()))]));
    RecordId::new(table, RecordIdKeyRange { start, end })
}

pub(crate) fn log(SessionId(session): SessionId, seq: Seq) -> RecordId {
    id("log", [uuid(session), Value::Number(Number::Int(signed(seq)))])
}

/// A part of a log, both ends included.
pub(crate) fn log_range(SessionId(session): SessionId, from: Seq, to: Seq) -> RecordId {
    let key = |seq| vec![uuid(session), Value::Number(Number::Int(signed(seq)))];
    range("log", key(from), key(to))
}

pub(crate) fn checkpoint(SessionId(session): SessionId) -> RecordId {
    RecordId::new("checkpoint", RecordIdKey::Uuid(session.into()))
}

pub(crate) fn session(SessionId(session): SessionId) -> RecordId {
    RecordId::new("session", RecordIdKey::Uuid(session.into()))
}

pub(crate) fn client(SessionId(session): SessionId, user: &UserId, client: &ClientId) -> RecordId {
    id("client", [uuid(session), text(user.as_str()), text(client.as_str())])
}

pub(crate) fn participant(SessionId(session): SessionId, user: &UserId) -> RecordId {
    id("participant", [uuid(session), text(user.as_str())])
}

pub(crate) fn seat(SessionId(session): SessionId, ParticipantId(stay): ParticipantId) -> RecordId {
    id("seat", [uuid(session), uuid(stay)])
}

/// The seats of a session, or those after a stay.
pub(crate) fn seats(SessionId(session): SessionId, after: Option<ParticipantId>) -> RecordId {
    below("seat", uuid(session), after.map(|ParticipantId(stay)| uuid(stay)))
}

pub(crate) fn membership(user: &UserId, session: SessionId) -> RecordId {
    id("membership", [text(user.as_str()), inverted(session)])
}

/// The memberships of a user, or those in sessions after this one, which are older.
pub(crate) fn memberships(user: &UserId, after: Option<SessionId>) -> RecordId {
    below("membership", text(user.as_str()), after.map(inverted))
}

pub(crate) fn listing(session: SessionId) -> RecordId {
    id("listing", [inverted(session)])
}

/// Every listing, or those of sessions after this one, which are older.
pub(crate) fn listings(after: Option<SessionId>) -> RecordId {
    let key = |part| RecordIdKey::Array(Array::from(vec![part]));
    let start = match after {
        None => Bound::Included(key(uuid(Uuid::nil()))),
        Some(session) => Bound::Excluded(key(inverted(session))),
    };
    RecordId::new("listing", RecordIdKeyRange { start, end: Bound::Included(key(uuid(Uuid::max()))) })
}

pub(crate) fn profile(user: &UserId) -> RecordId {
    RecordId::new("profile", RecordIdKey::String(user.as_str().to_owned()))
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

fn corrupt(id: &RecordId) -> StoreError {
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

/// The session and the user of a participant.
pub(crate) fn as_participant(id: &RecordId) -> Result<(SessionId, UserId), StoreError> {
    match parts(id) {
        [Value::Uuid(session), Value::String(user)] => {
            Ok((SessionId(session.into_inner()), UserId::from_stored(user).map_err(|_| corrupt(id))?))
        }
        _ => Err(corrupt(id)),
    }
}

/// The session, the user and the client id of a claim.
pub(crate) fn as_client(id: &RecordId) -> Result<(SessionId, UserId, ClientId), StoreError> {
    match parts(id) {
        [Value::Uuid(session), Value::String(user), Value::String(client)] => Ok((
            SessionId(session.into_inner()),
            UserId::from_stored(user).map_err(|_| corrupt(id))?,
            ClientId::new(client).map_err(|_| corrupt(id))?,
        )),
        _ => Err(corrupt(id)),
    }
}

/// The user that is the key.
pub(crate) fn as_user(id: &RecordId) -> Result<UserId, StoreError> {
    match &id.key {
        RecordIdKey::String(user) => UserId::from_stored(user).map_err(|_| corrupt(id)),
        _ => Err(corrupt(id)),
    }
}

fn parts(id: &RecordId) -> &[Value] {
    match &id.key {
        RecordIdKey::Array(parts) => parts.as_slice(),
        _ => &[],
    }
}
