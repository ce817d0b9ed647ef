//! The shapes of the tables, and how they become the model's and back.

use std::sync::Arc;

use chatcore::{
    StoreError,
    model::{Event, SessionId, UserId},
    store::{Head, decode_event, encode_event},
};
use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue, Value};

use crate::keys::{self, signed, unsigned};

/// A value that this crate did not write.
fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} cannot be read"))
}

/// A row that the database gave.
///
/// # Errors
/// [`StoreError::Corrupt`] when it has another shape.
pub(crate) fn row<T: SurrealValue>(value: Value) -> Result<T, StoreError> {
    T::from_value(value).map_err(|error| StoreError::Corrupt(error.message().to_owned()))
}

/// The rows of a list that can be read. A row that cannot be read is left out and logged: it must not take the rest of the
/// list with it.
pub(crate) fn readable<T>(rows: Vec<Value>, decode: impl Fn(Value) -> Result<T, StoreError>) -> Vec<T> {
    let one = |row: Value| {
        let id = keys::of_row(&row).cloned();
        decode(row).inspect_err(|error| tracing::error!(?id, %error, "a list goes without a row")).ok()
    };
    rows.into_iter().filter_map(one).collect()
}

#[derive(Debug, SurrealValue)]
pub(crate) struct LogRow {
    id: RecordId,
    number: i64,
    at: DateTime<Utc>,
    actor: String,
    governance: bool,
    data: String,
    /// Rows of the first version have none.
    batch: Option<i64>,
    /// Only rows that were rewritten have these.
    revision: Option<i64>,
    revised: Option<i64>,
}

/// A row that is new.
#[derive(Debug, SurrealValue)]
pub(crate) struct NewRow {
    id: RecordId,
    number: i64,
    at: DateTime<Utc>,
    actor: String,
    governance: bool,
    data: String,
    batch: i64,
}

impl NewRow {
    pub(crate) fn of(event: &Event, batch: i64) -> Self {
        let Event { session_id, seq, number, created_at, actor, kind, governs, revision: _, revised: _ } = event;
        Self {
            id: keys::log(*session_id, *seq),
            number: signed(*number),
            at: *created_at,
            actor: actor.as_str().to_owned(),
            governance: *governs,
            data: encode_event(kind),
            batch,
        }
    }
}

impl LogRow {
    pub(crate) fn event(self) -> Result<Arc<Event>, StoreError> {
        let Self { id, number, at, actor, governance, data, batch: _, revision, revised } = self;
        let (session_id, seq) = keys::as_log(&id)?;
        let actor = UserId::from_stored(actor).map_err(|_| corrupt("the actor of an event"))?;
        let kind = decode_event(&data).map_err(|_| corrupt("the data of an event"))?;
        Ok(Arc::new(Event {
            session_id,
            seq,
            number: unsigned(number)?,
            created_at: at,
            actor,
            kind,
            governs: governance,
            revision: revision.map_or(Ok(1), unsigned)?,
            revised: revised.map_or(Ok(0), unsigned)?,
        }))
    }
}

/// The batch that wrote a row of a log.
#[derive(Debug, SurrealValue)]
pub(crate) struct BatchRow {
    pub(crate) batch: Option<i64>,
}

/// A row of a log without what happened.
#[derive(Debug, SurrealValue)]
pub(crate) struct TailRow {
    id: RecordId,
    number: i64,
    at: DateTime<Utc>,
    governance: bool,
}

impl TailRow {
    /// The end of the log at this row, and whether the row is a governance event.
    pub(crate) fn end(&self) -> Result<(Head, bool), StoreError> {
        let (_, seq) = keys::as_log(&self.id)?;
        Ok((Head { seq, number: unsigned(self.number)?, at: self.at }, self.governance))
    }
}

/// What is known of the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Known {
    pub(crate) head: Head,
    /// The position of the last governance event; 0 where there is none.
    pub(crate) governance: u64,
}

#[derive(Debug, SurrealValue)]
pub(crate) struct CheckpointRow {
    id: RecordId,
    seq: i64,
    number: i64,
    at: DateTime<Utc>,
    governance: i64,
}

impl CheckpointRow {
    pub(crate) fn of(session: SessionId, known: &Known) -> Self {
        let Known { head: Head { seq, number, at }, governance } = *known;
        let id = keys::checkpoint(session);
        Self { id, seq: signed(seq), number: signed(number), at, governance: signed(governance) }
    }

    pub(crate) fn known(self) -> Result<(SessionId, Known), StoreError> {
        let Self { id, seq, number, at, governance } = self;
        let head = Head { seq: unsigned(seq)?, number: unsigned(number)?, at };
        Ok((keys::as_session(&id)?, Known { head, governance: unsigned(governance)? }))
    }
}
