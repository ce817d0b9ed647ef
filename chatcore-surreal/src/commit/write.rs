//! The one statement that writes a batch.

use std::collections::{BTreeMap, HashMap};

use chatcore::{
    StoreError,
    model::{Session, SessionId, UserId},
    store::{Change, Head, ParticipantRecord, Write},
};
use surrealdb::types::{RecordId, SurrealValue, Value, Variables};

use super::plan::{Plan, Verdict};
use crate::{
    failure::behind,
    keys, lists,
    rows::{CheckpointRow, ClientRow, Known, LinkRow, LogRow, ParticipantRow, SeatRow, SessionRow},
};

macro_rules! guard {
    () => {
        concat!("IF (SELECT VALUE [number, at] FROM $last) != $ends { THROW '", behind!(), "' };")
    };
}

macro_rules! change {
    () => {
        "LET $left = (SELECT VALUE seat FROM $people WHERE seat != NONE);\
        INSERT $rows RETURN NONE;\
        DELETE $left RETURN NONE;\
        DELETE $gone RETURN NONE;\
        FOR $row IN $put { UPSERT $row.id CONTENT $row RETURN NONE };\
        RETURN NONE }"
    };
}

/// Messages only: the shape that counts.
const INSERT: &str = "INSERT $rows RETURN NONE";

/// The same on a server, which somebody may replace by an older copy of itself at any time: what is remembered of a log
/// must be there, or this would stand behind a hole.
const GUARDED_INSERT: &str = concat!("{", guard!(), "INSERT $rows RETURN NONE; RETURN NONE }");

/// A block is one transaction. What was a participant's seat before is found in it: nobody else can have changed that,
/// since whoever changes a session takes a place in its log, and then the `INSERT` fails.
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
    /// What must not be there yet.
    new: Vec<Value>,
    /// What replaces what is there.
    put: Vec<Value>,
    gone: Vec<RecordId>,
    /// Whose seat may change.
    people: Vec<RecordId>,
    /// What must stand at the ends of the logs, where that is to be looked at.
    guard: Option<(Vec<RecordId>, Vec<Value>)>,
}

/// The statement for a plan; `None` where nothing is written. Its rows tell which batch wrote them.
///
/// # Errors
/// [`StoreError::Backend`] when an event cannot be put into words.
pub(crate) fn statement<'a>(
    plan: &Plan,
    changes: impl Iterator<Item = &'a Change>,
    batch: i64,
    guard: Guard<'_>,
) -> Result<Option<Statement>, StoreError> {
    let mut rows = Rows { guard: guard.map(|known| ends(plan, known)), ..Rows::default() };
    let mut sessions = BTreeMap::<SessionId, &Session>::new();
    let mut people = HashMap::<(SessionId, &UserId), &ParticipantRecord>::new();
    for (verdict, change) in plan.verdicts.iter().zip(changes) {
        let Verdict::Accepted(committed) = verdict else { continue };
        for (place, event) in committed.events.iter().enumerate() {
            let row = LogRow::of(event, change.governs_at(place), batch)
                .map_err(|error| StoreError::Backend(Box::new(error)))?;
            rows.new.push(row.into_value());
        }
        if let (Some(claim), Some(first)) = (&change.claim, committed.events.first()) {
            rows.new.push(ClientRow::of(change.session_id, claim, first.seq).into_value());
        }
        // Of several writes of one record, the last one counts.
        for write in &change.writes {
            match write {
                Write::Session(session) => drop(sessions.insert(session.id, session)),
                Write::Participant(record) => {
                    people.insert((record.session_id, &record.user_id), record);
                }
            }
        }
    }
    if rows.new.is_empty() {
        return Ok(None);
    }
    sessions.into_values().for_each(|session| rows.session(session));
    people.into_values().for_each(|record| rows.participant(record));
    for id in &plan.checkpoints {
        if let Some(end) = plan.ends.get(id) {
            rows.put.push(CheckpointRow::of(*id, end).into_value());
        }
    }
    Ok(Some(rows.statement()))
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
    fn session(&mut self, session: &Session) {
        let listing = keys::listing(session.id);
        if lists::can_be_joined(session) {
            self.put.push(LinkRow { id: listing, session: keys::session(session.id) }.into_value());
        } else {
            self.gone.push(listing);
        }
        self.put.push(SessionRow::of(session.clone()).into_value());
    }

    fn participant(&mut self, record: &ParticipantRecord) {
        let Some(row) = ParticipantRow::of(record) else { return };
        let session = keys::session(record.session_id);
        let participant = keys::participant(record.session_id, &record.user_id);
        let membership = keys::membership(&record.user_id, record.session_id);
        self.people.push(participant.clone());
        if record.standing.role().is_some() {
            let seat = keys::seat(record.session_id, record.id);
            self.put.push(SeatRow { id: seat, participant }.into_value());
            self.put.push(LinkRow { id: membership, session }.into_value());
        } else {
            self.gone.push(membership);
        }
        self.put.push(row.into_value());
    }

    fn statement(self) -> Statement {
        let Self { new, put, gone, people, guard } = self;
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
        if put.is_empty() && gone.is_empty() {
            return Statement { text: insert, binds };
        }
        binds.insert("put", put);
        binds.insert("gone", gone);
        binds.insert("people", people);
        Statement { text: change, binds }
    }
}
