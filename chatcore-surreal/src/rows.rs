//! The shapes of the tables, and how they become the model's and back.

use std::sync::Arc;

use chatcore::{
    StoreError,
    model::{Event, EventKind, ParticipantId, ParticipantRole, Session, SessionId, SessionType, Standing, UserId},
    store::{ClientIdClaim, Head, ParticipantRecord, ProfilePart, ProfileRecord},
};
use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue, Value};
use uuid::Uuid;

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
    batch: Option<i64>,
}

impl LogRow {
    /// `governs` says whether older decisions are stale behind this row.
    pub(crate) fn of(event: &Event, governs: bool, batch: i64) -> Result<Self, serde_json::Error> {
        let Event { session_id, seq, number, created_at, actor, kind } = event;
        Ok(Self {
            id: keys::log(*session_id, *seq),
            number: signed(*number),
            at: *created_at,
            actor: actor.as_str().to_owned(),
            governance: governs,
            data: serde_json::to_string(kind)?,
            batch: Some(batch),
        })
    }

    pub(crate) fn event(self) -> Result<Arc<Event>, StoreError> {
        let Self { id, number, at, actor, governance: _, data, batch: _ } = self;
        let (session_id, seq) = keys::as_log(&id)?;
        let actor = UserId::from_stored(actor).map_err(|_| corrupt("the actor of an event"))?;
        let kind: EventKind = serde_json::from_str(&data).map_err(|_| corrupt("the data of an event"))?;
        Ok(Arc::new(Event { session_id, seq, number: unsigned(number)?, created_at: at, actor, kind }))
    }
}

/// Who wrote a row of a log.
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

#[derive(Debug, SurrealValue)]
pub(crate) struct ClientRow {
    pub(crate) id: RecordId,
    pub(crate) seq: i64,
    pub(crate) fingerprint: String,
}

impl ClientRow {
    pub(crate) fn of(session: SessionId, claim: &ClientIdClaim, seq: u64) -> Self {
        let ClientIdClaim { user_id, client_id, fingerprint } = claim;
        let id = keys::client(session, user_id, client_id);
        Self { id, seq: signed(seq), fingerprint: fingerprint.clone() }
    }
}

#[derive(Debug, SurrealValue)]
pub(crate) struct SessionRow {
    id: RecordId,
    title: String,
    description: Option<String>,
    session_type: String,
    max_participants: u32,
    participant_count: u32,
    owner: String,
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl SessionRow {
    pub(crate) fn of(session: Session) -> Self {
        let Session {
            id,
            title,
            description,
            session_type,
            max_participants,
            participant_count,
            owner,
            is_active,
            created_at,
            updated_at,
        } = session;
        Self {
            id: keys::session(id),
            title,
            description,
            session_type: session_type.as_str().to_owned(),
            max_participants,
            participant_count,
            owner: owner.as_str().to_owned(),
            is_active,
            created_at,
            updated_at,
        }
    }

    pub(crate) fn session(self) -> Result<Session, StoreError> {
        let Self {
            id,
            title,
            description,
            session_type,
            max_participants,
            participant_count,
            owner,
            is_active,
            created_at,
            updated_at,
        } = self;
        let known = SessionType::ALL.into_iter().find(|known| known.as_str() == session_type);
        Ok(Session {
            id: keys::as_session(&id)?,
            title,
            description,
            session_type: known.ok_or_else(|| corrupt("the type of a session"))?,
            max_participants,
            participant_count,
            owner: UserId::from_stored(owner).map_err(|_| corrupt("the owner of a session"))?,
            is_active,
            created_at,
            updated_at,
        })
    }
}

#[derive(Debug, SurrealValue)]
pub(crate) struct ParticipantRow {
    id: RecordId,
    stay: Uuid,
    is_active: bool,
    role: String,
    joined_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    seat: Option<RecordId>,
    /// Rows of before have none.
    is_engaged: Option<bool>,
}

impl ParticipantRow {
    /// `None` for somebody who never was a participant: that is no record.
    pub(crate) fn of(record: &ParticipantRecord) -> Option<Self> {
        let ParticipantRecord { id, session_id, user_id, standing, joined_at, created_at, is_engaged } = record;
        let (is_active, role) = match standing {
            Standing::Active(role) => (true, role),
            Standing::Former(role) => (false, role),
            Standing::Stranger => return None,
        };
        Some(Self {
            id: keys::participant(*session_id, user_id),
            stay: id.0,
            is_active,
            role: role.as_str().to_owned(),
            joined_at: *joined_at,
            created_at: *created_at,
            seat: is_active.then(|| keys::seat(*session_id, *id)),
            is_engaged: Some(*is_engaged),
        })
    }

    pub(crate) fn record(self) -> Result<ParticipantRecord, StoreError> {
        let Self { id, stay, is_active, role, joined_at, created_at, seat: _, is_engaged } = self;
        let (session_id, user_id) = keys::as_participant(&id)?;
        let known = ParticipantRole::ALL.into_iter().find(|known| known.as_str() == role);
        let role = known.ok_or_else(|| corrupt("the role of a participant"))?;
        let standing = if is_active { Standing::Active(role) } else { Standing::Former(role) };
        let (id, is_engaged) = (ParticipantId(stay), is_engaged.unwrap_or(false));
        Ok(ParticipantRecord { id, session_id, user_id, standing, joined_at, created_at, is_engaged })
    }
}

#[derive(Debug, SurrealValue)]
pub(crate) struct SeatRow {
    pub(crate) id: RecordId,
    pub(crate) participant: RecordId,
}

/// A row of a list of sessions.
#[derive(Debug, SurrealValue)]
pub(crate) struct LinkRow {
    pub(crate) id: RecordId,
    pub(crate) session: RecordId,
}

#[derive(Debug, SurrealValue)]
pub(crate) struct ProfileRow {
    id: RecordId,
    username: Option<String>,
    name: Option<String>,
    email: Option<String>,
    picture: Option<String>,
    username_at: Option<DateTime<Utc>>,
    name_at: Option<DateTime<Utc>>,
    email_at: Option<DateTime<Utc>>,
    picture_at: Option<DateTime<Utc>>,
    version: Option<i64>,
    /// As of when the parts hold that have no time of their own: only in rows of earlier versions.
    updated_at: Option<DateTime<Utc>>,
}

impl ProfileRow {
    pub(crate) fn of(record: ProfileRecord) -> Self {
        let ProfileRecord { user_id, username, name, email, picture, version } = record;
        let split = |part: Option<ProfilePart>| part.map(|ProfilePart { text, as_of }| (text, as_of)).unzip();
        let (username, username_at) = split(username);
        let (name, name_at) = split(name);
        let (email, email_at) = split(email);
        let (picture, picture_at) = split(picture);
        Self {
            id: keys::profile(&user_id),
            username,
            name,
            email,
            picture,
            username_at,
            name_at,
            email_at,
            picture_at,
            version: Some(signed(version)),
            updated_at: None,
        }
    }

    pub(crate) fn record(self) -> Result<ProfileRecord, StoreError> {
        let Self { id, username, name, email, picture, .. } = self;
        let user_id = keys::as_user(&id)?;
        // Earlier versions wrote the id down in place of a handle that was not known, and the handle in place of a name.
        let is_old = self.version.is_none();
        let is_id = is_old && username.as_deref() == Some(user_id.as_str());
        let is_handle = is_old && name == username;
        let part = |text: Option<String>, at: Option<DateTime<Utc>>| {
            text.map(|text| ProfilePart { text, as_of: at.or(self.updated_at).unwrap_or_default() })
        };
        Ok(ProfileRecord {
            user_id,
            username: part(username.filter(|_| !is_id), self.username_at),
            name: part(name.filter(|_| !is_handle), self.name_at),
            email: part(email, self.email_at),
            picture: part(picture, self.picture_at),
            version: self.version.map_or(Ok(OLD_VERSION), unsigned)?,
        })
    }
}

/// The version of a profile that an earlier version of this crate wrote. [`crate::profiles`] has it in a statement, too.
const OLD_VERSION: u64 = 1;
