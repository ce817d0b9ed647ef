//! Lists: the participants of a session, the sessions of a user, the sessions that can be joined.
//!
//! A plain `LIMIT` on a range of keys reads the whole range. Behind `array::first([$range])` it stops when it has
//! enough; a test looks at the plan, since that is the planner's doing.

use chatcore::{
    StoreError,
    model::{Session, SessionId, SessionType, UserId},
    store::{Head, ParticipantRecord, ParticipantsQuery, PublicSessions, Slice},
};
use surrealdb::types::{RecordId, SurrealValue, Value, Variables};

use crate::{
    cache::Cache,
    engine::{Engine, bind},
    keys::{self, signed, unsigned},
    rows::{self, ParticipantRow},
    snapshot::{self, Ask},
};

macro_rules! seats {
    () => {
        "SELECT VALUE participant.* FROM array::first([$list.seats]) LIMIT $list.limit START $list.skip"
    };
}

pub(crate) const SEATS: &str = seats!();

/// The same of many sessions.
const MANY_SEATS: &str = concat!("RETURN $lists.map(|$list| (", seats!(), "))");

pub(crate) const MEMBERSHIPS: &str = "SELECT VALUE session FROM array::first([$memberships]) \
    WHERE session.is_active LIMIT $limit START $skip";

macro_rules! joinable {
    () => {
        "SELECT VALUE session FROM array::first([$listings]) WHERE session NOT IN $own LIMIT $limit START $skip"
    };
}

#[cfg(test)]
pub(crate) const JOINABLE: &str = joinable!();

/// The total is what is listed less what the user is in of it.
const LISTINGS: &str = concat!(
    "{ LET $own = (SELECT VALUE session FROM $memberships ",
    "WHERE session.is_active AND session.session_type = $public ",
    "AND session.participant_count < session.max_participants);",
    "RETURN { page: (",
    joinable!(),
    "), own: array::len($own), listed: (SELECT count() FROM listing GROUP ALL) } }"
);

/// A part of the list of a session's participants.
#[derive(Debug, SurrealValue)]
pub(crate) struct List {
    seats: RecordId,
    skip: i64,
    limit: i64,
}

impl List {
    pub(crate) fn of(query: &ParticipantsQuery) -> Self {
        let ParticipantsQuery { session_id, slice: Slice { after, skip, limit } } = *query;
        // Within a closure the database takes no larger numbers. No session has as many participants.
        let most = |number: u64| signed(number.min(u32::MAX.into()));
        Self { seats: keys::seats(session_id, after), skip: most(skip), limit: most(limit) }
    }
}

#[derive(Debug, SurrealValue)]
struct Listed {
    page: Vec<Value>,
    own: i64,
    listed: Vec<Count>,
}

#[derive(Debug, SurrealValue)]
struct Count {
    count: i64,
}

fn binds(slice: Slice<SessionId>, range: (&'static str, RecordId)) -> Variables {
    let mut binds = Variables::new();
    binds.insert("skip", signed(slice.skip));
    binds.insert("limit", signed(slice.limit));
    binds.insert(range.0, range.1);
    binds
}

/// A part of a list of sessions that is read in two steps: which sessions, and then what is told of them.
struct Part {
    found: Vec<(Session, Head)>,
    /// What is still to be read; `None` when all is there.
    rest: Option<Slice<SessionId>>,
}

impl Part {
    const fn of(slice: Slice<SessionId>) -> Self {
        Self { found: Vec::new(), rest: Some(slice) }
    }

    /// Takes what the list named for the slice and is still to be listed. A session may cease to be between the two steps:
    /// what comes after it takes its place, since a part is shorter than asked for only where the list ends.
    async fn take(
        &mut self,
        engine: &Engine,
        cache: &Cache,
        slice: Slice<SessionId>,
        named: Vec<Value>,
        listed: impl Fn(&Session) -> bool,
    ) -> Result<(), StoreError> {
        let id = |row: &Value| keys::as_session(&rows::row(row.clone()).ok()?).ok();
        let (count, last) = (named.len() as u64, named.iter().rev().find_map(id));
        let before = self.found.len();
        self.found.extend(whole(engine, cache, named).await?.into_iter().filter(|(session, _)| listed(session)));
        let missing = slice.limit.saturating_sub((self.found.len() - before) as u64);
        let goes_on = last.is_some() && count == slice.limit && missing > 0;
        self.rest = goes_on.then_some(Slice { after: last, skip: 0, limit: missing });
        Ok(())
    }
}

pub(crate) async fn participants(
    engine: &Engine,
    queries: &[ParticipantsQuery],
) -> Result<Vec<Vec<ParticipantRecord>>, StoreError> {
    let found: Vec<Vec<Value>> = match queries {
        [] => Vec::new(),
        [one] => vec![engine.rows(SEATS, bind("list", List::of(one))).await?],
        many => engine.rows(MANY_SEATS, bind("lists", many.iter().map(List::of).collect::<Vec<_>>())).await?,
    };
    let mut lists = Vec::with_capacity(found.len());
    for (query, rows) in queries.iter().zip(found) {
        lists.push(filled(engine, query, rows).await?);
    }
    Ok(lists)
}

/// The participants that were found. In the place of those that cannot be read come the next ones, since a part is shorter than asked
/// for only where the list ends.
async fn filled(
    engine: &Engine,
    query: &ParticipantsQuery,
    mut rows: Vec<Value>,
) -> Result<Vec<ParticipantRecord>, StoreError> {
    let record = |row| rows::row::<ParticipantRow>(row)?.record();
    let ParticipantsQuery { session_id, slice } = *query;
    let (mut found, mut read, mut wanted) = (Vec::new(), 0_u64, slice.limit);
    loop {
        let count = rows.len() as u64;
        found.extend(rows::readable(rows, record));
        let missing = slice.limit.saturating_sub(found.len() as u64);
        if count < wanted || missing == 0 {
            return Ok(found);
        }
        (read, wanted) = (read + count, missing);
        let slice = Slice { skip: slice.skip.saturating_add(read), limit: missing, ..slice };
        rows = engine.rows(SEATS, bind("list", List::of(&ParticipantsQuery { session_id, slice }))).await?;
    }
}

pub(crate) async fn sessions_of(
    engine: &Engine,
    cache: &Cache,
    user: &UserId,
    slice: Slice<SessionId>,
) -> Result<Vec<(Session, Head)>, StoreError> {
    let mut part = Part::of(slice);
    while let Some(slice) = part.rest {
        // A deleted session keeps its members, of whom there may be any number: it is left out when read.
        let memberships = keys::memberships(user, slice.after);
        let ids = engine.rows(MEMBERSHIPS, binds(slice, ("memberships", memberships))).await?;
        part.take(engine, cache, slice, ids, |session| session.is_active).await?;
    }
    Ok(part.found)
}

pub(crate) async fn public_sessions(
    engine: &Engine,
    cache: &Cache,
    user: &UserId,
    slice: Slice<SessionId>,
) -> Result<PublicSessions, StoreError> {
    let (mut part, mut total) = (Part::of(slice), 0);
    while let Some(slice) = part.rest {
        let mut binds = binds(slice, ("memberships", keys::memberships(user, None)));
        binds.insert("listings", keys::listings(slice.after));
        binds.insert("public", SessionType::Public.as_str().to_owned());
        let Listed { page, own, listed } = engine.value(LISTINGS, binds).await?;
        total = unsigned((listed.first().map_or(0, |listed| listed.count) - own).max(0))?;
        part.take(engine, cache, slice, page, can_be_joined).await?;
    }
    Ok(PublicSessions { sessions: part.found, total })
}

/// Whether a session is in the public list.
pub(crate) fn can_be_joined(session: &Session) -> bool {
    session.session_type == SessionType::Public
        && session.is_active
        && session.participant_count < session.max_participants
}

/// The sessions with the ends of their logs, each as both were at one time, in the order of the ids. Those that cannot be
/// read are left out.
async fn whole(engine: &Engine, cache: &Cache, ids: Vec<Value>) -> Result<Vec<(Session, Head)>, StoreError> {
    let sessions = rows::readable(ids, |id| keys::as_session(&rows::row(id)?));
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let ask = Ask { sessions, records: true, ..Ask::default() };
    let mut found = snapshot::read(engine, cache, &ask).await?.readable();
    let with_head = |id: &SessionId| {
        let head = found.known.get(id).copied().unwrap_or_default().head;
        found.records.remove(id).map(|session| (session, head))
    };
    Ok(ask.sessions.iter().filter_map(with_head).collect())
}
