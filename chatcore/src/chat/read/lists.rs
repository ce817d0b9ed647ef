//! Lists: each is a table that is written in the same change as the items that it lists.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::chat::{
    Chat, MAX_SEARCHED,
    decide::{
        govern::{Known, keys, understood},
        validate::reached,
    },
};
use crate::{
    error::Result,
    model::{ListPage, ParticipantId, Session, SessionId, Standing, UserId},
    store::{
        BannedFrom, BannedUntil, Bans, Been, ChatStore, ChatStoreExt as _, Directory, FactsQuery, Freshness, Head,
        JoinRequests, Key, KeyPart, Listed, Memberships, Newest, Part, ParticipantRecord, Participants, Record, Scan,
        Seat, Seats, SessionFacts, Sessions, StoreError, TypedKey, Write,
    },
};

/// Entries that are read at once where some of them may be left out.
pub(in crate::chat) const CHUNK: u64 = 200;

/// A part of a list whose entries have ids of the type `K`, by which the list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) struct Slice<K> {
    /// Only the entries that come after this id, whether or not the list has an entry with this id.
    pub(in crate::chat) after: Option<K>,
    /// How many of these to leave out at the start.
    pub(in crate::chat) skip: u64,
    /// How many at most.
    pub(in crate::chat) limit: u64,
}

impl<K> Slice<K> {
    /// The first entries of the list, this many at most.
    pub(in crate::chat) const fn first(limit: u64) -> Self {
        Self { after: None, skip: 0, limit }
    }
}

/// The writes of a session's record, with its place in the public list.
pub(in crate::chat) fn put_session(session: Session) -> [Write; 2] {
    let listing = Directory { session: Newest(session.id) };
    let listing = if session.is_joinable() { listing.put(Listed) } else { listing.remove() };
    [Sessions { session: session.id }.put(session), listing]
}

/// The writes of a participant's record, with its place in the list of the session's participants, in the list of the user's sessions, and in
/// the lists of bans.
pub(in crate::chat) fn put_participant(before: Option<&ParticipantRecord>, record: ParticipantRecord) -> Vec<Write> {
    // A change of the role is no new stay.
    let is_new_stay = before.is_none_or(|before| before.id != record.id);
    // The position of a new stay is that of its record.
    let record = if is_new_stay { ParticipantRecord { since: None, ..record } } else { record };
    let (session, user) = (record.session_id, record.user_id.clone());
    let membership = Memberships { user: user.clone(), session: Newest(session) };
    let seat = |record: &ParticipantRecord| Seats { session, stay: record.id };
    let mut writes = Vec::with_capacity(6);
    let ban_before = before.and_then(|before| before.ban.as_ref());
    if ban_before != record.ban.as_ref() {
        let (listed, from) =
            (Bans { session, user: user.clone() }, BannedFrom { user: user.clone(), session: Newest(session) });
        writes.extend(match &record.ban {
            Some(ban) => [listed.put(Listed), from.put(BannedUntil { until: ban.until })],
            None => [listed.remove(), from.remove()],
        });
    }
    if let Some(before) = before.filter(|before| before.standing.role().is_some()) {
        writes.push(seat(before).remove());
    }
    match record.standing {
        Standing::Active(_) => {
            writes.push(seat(&record).put(Seat { user: user.clone() }));
            writes.push(membership.put(Listed));
            if is_new_stay {
                writes.push(Been { user: user.clone(), session }.put(Listed));
                writes.push(JoinRequests { session, user: user.clone() }.remove());
            }
        }
        Standing::Former(_) | Standing::Stranger | Standing::Banned(_) => writes.push(membership.remove()),
    }
    writes.push(Participants { session, user }.put(record));
    writes
}

/// A scan of a table that is sorted by one key part after its prefix.
pub(in crate::chat) fn scan<K: TypedKey, P: KeyPart>(prefix: Vec<Part>, slice: Slice<P>) -> Scan {
    let after = slice.after.map(|after| vec![after.part()]);
    K::under(prefix).after(after).skip(slice.skip).limit(slice.limit)
}

/// Sessions with the ends of their logs, in the order of the ids. `None` for a session that is unreadable or of a newer version.
pub(in crate::chat) async fn sessions(
    store: &dyn ChatStore,
    ids: &[SessionId],
) -> Result<Vec<Option<(Arc<Session>, Head)>>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = ids.iter().map(|session| Sessions { session: *session }.key()).collect();
    let query = |(id, key): (&SessionId, _)| FactsQuery { session_id: *id, records: std::slice::from_ref(key) };
    let queries: Vec<_> = ids.iter().zip(&keys).map(query).collect();
    let facts = store.facts(&queries, Freshness::Fresh).await?;
    let session = |mut facts: SessionFacts| {
        let session = understood(facts.records.pop().flatten()).ok().flatten()?;
        Some((session, facts.head))
    };
    Ok(facts.into_iter().map(session).collect())
}

/// What is known of sessions and of a reader in them, without those that are unreadable or of a newer version.
pub(in crate::chat) async fn known_sessions(
    store: &dyn ChatStore,
    ids: &[SessionId],
    reader: Option<(&UserId, DateTime<Utc>)>,
) -> Result<Vec<Known>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<_> = ids.iter().map(|id| (*id, keys(*id, reader.map(|(user, _)| user)))).collect();
    let queries: Vec<_> = keys.iter().map(|(id, records)| FactsQuery { session_id: *id, records }).collect();
    let facts = store.facts(&queries, Freshness::Fresh).await?;
    // Without a reader nothing is decided.
    let now = reader.map_or(DateTime::UNIX_EPOCH, |(_, now)| now);
    Ok(facts.into_iter().filter_map(|facts| Known::of(facts, false, now).ok()).collect())
}

/// Sessions of a user that were found.
pub(in crate::chat) struct OwnSessions {
    pub(in crate::chat) sessions: Vec<Known>,
    /// The session after which the search goes on, where it ended before the list did.
    cut_at: Option<SessionId>,
    /// How many sessions were still to be left out.
    rest: u64,
}

impl OwnSessions {
    /// A page of at most `limit` sessions, out of a search for one session more.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) where the search ended before all sessions were left out that were to be.
    pub(in crate::chat) fn page(self, limit: u64) -> Result<ListPage<Known, SessionId>> {
        let Self { sessions, cut_at, rest } = self;
        if cut_at.is_some() {
            reached(rest, MAX_SEARCHED)?;
        }
        let page = ListPage::cut(sessions, limit, |known| known.session.as_ref().map(|session| session.id));
        Ok(ListPage { entries: page.entries, next: page.next.flatten().or(cut_at) })
    }
}

/// The sessions in which the user is that are wanted, newest first, with the ends of their logs.
pub(in crate::chat) async fn sessions_of(
    store: &dyn ChatStore,
    user: &UserId,
    slice: Slice<SessionId>,
    is_wanted: impl Fn(&Session) -> bool,
) -> Result<Vec<(Arc<Session>, Head)>, StoreError> {
    let found = known_sessions_of(store, user, (slice, u64::MAX), None, is_wanted).await?;
    let session = |known: Known| Some((Arc::clone(known.session.as_ref()?), known.head));
    Ok(found.sessions.into_iter().filter_map(session).collect())
}

/// The same sessions, each with the record of a reader as of the end of its log, to be decided on at a time. `most` is how many sessions are
/// read at the most.
pub(in crate::chat) async fn known_sessions_of(
    store: &dyn ChatStore,
    user: &UserId,
    (slice, most): (Slice<SessionId>, u64),
    reader: Option<(&UserId, DateTime<Utc>)>,
    is_wanted: impl Fn(&Session) -> bool,
) -> Result<OwnSessions, StoreError> {
    let Slice { mut after, mut skip, limit } = slice;
    let (mut listed, mut left) = (Vec::new(), most);
    while (listed.len() as u64) < limit {
        if left == 0 {
            return Ok(OwnSessions { sessions: listed, cut_at: after, rest: skip });
        }
        let wanted = limit.saturating_sub(listed.len() as u64).saturating_add(skip).min(CHUNK.max(limit)).min(left);
        let part = Slice { after: after.map(Newest), skip: 0, limit: wanted };
        let keys = store.list::<Memberships>(scan::<Memberships, _>(vec![user.part()], part)).await?;
        let ids: Vec<SessionId> = keys.iter().map(|(key, _)| key.session.0).collect();
        let ended = (ids.len() as u64) < wanted;
        left -= wanted;
        after = ids.last().copied().or(after);
        let is_wanted = |known: &Known| known.session.as_deref().is_some_and(&is_wanted);
        for entry in known_sessions(store, &ids, reader).await?.into_iter().filter(is_wanted) {
            if skip > 0 {
                skip -= 1;
            } else if (listed.len() as u64) < limit {
                listed.push(entry);
            }
        }
        if ended {
            break;
        }
    }
    Ok(OwnSessions { sessions: listed, cut_at: None, rest: skip })
}

/// Memberships that are read at once of each user.
const MEMBERSHIPS: u64 = 500;

/// The sessions of users that are wanted, deleted ones included, in the order of the users.
pub(in crate::chat) async fn sessions_with(
    store: &dyn ChatStore,
    users: &[UserId],
    is_wanted: impl Fn(&SessionId) -> bool,
) -> Result<Vec<Vec<SessionId>>, StoreError> {
    let mut found = vec![Vec::new(); users.len()];
    let mut open: Vec<_> = users.iter().zip(&mut found).map(|(user, found)| (user, found, None)).collect();
    while !open.is_empty() {
        let slice = |after: &Option<SessionId>| Slice { after: after.map(Newest), skip: 0, limit: MEMBERSHIPS };
        let scans: Vec<Scan> =
            open.iter().map(|(user, _, after)| scan::<Memberships, _>(vec![user.part()], slice(after))).collect();
        let lists = store.scan(&scans).await?;
        for ((_, found, after), list) in open.iter_mut().zip(lists) {
            let ids: Vec<SessionId> = list
                .iter()
                .filter_map(|(key, _)| Memberships::from_parts(&key.parts))
                .map(|key| key.session.0)
                .collect();
            *after = ids.last().copied().filter(|_| list.len() as u64 == MEMBERSHIPS);
            found.extend(ids.into_iter().filter(&is_wanted));
        }
        open.retain(|(_, _, after)| after.is_some());
    }
    Ok(found)
}

/// The part of a session's participants that a slice names, by the ids of their stays.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Seated<K> {
    pub(in crate::chat) session_id: SessionId,
    pub(in crate::chat) slice: Slice<K>,
}

/// A list of participants that is being read.
struct Reading<'a> {
    query: &'a Seated<ParticipantId>,
    found: Vec<Arc<ParticipantRecord>>,
    /// What is still to be read; `None` when all is there.
    rest: Option<Slice<ParticipantId>>,
}

impl Chat {
    /// Active participants of sessions, each list in the order in which they came.
    pub(in crate::chat) async fn seats_of(
        &self,
        queries: &[Seated<ParticipantId>],
    ) -> Result<Vec<Vec<Arc<ParticipantRecord>>>> {
        let start = |query| Reading { query, found: Vec::new(), rest: Some(query.slice) };
        let mut lists: Vec<Reading<'_>> = queries.iter().map(start).collect();
        loop {
            let mut open: Vec<_> = lists.iter_mut().filter(|list| list.rest.is_some()).collect();
            if open.is_empty() {
                return Ok(lists.into_iter().map(|list| list.found).collect());
            }
            take_seats(&*self.inner.store, &mut open).await?;
        }
    }
}

/// Reads on in the lists that are not complete. In the place of a seat that was taken or left between the two reads comes the next one,
/// since a list is shorter than asked for only where it ends.
async fn take_seats(store: &dyn ChatStore, lists: &mut [&mut Reading<'_>]) -> Result<()> {
    let scan = |list: &&mut Reading<'_>| {
        let Seated { session_id, slice } = *list.query;
        scan::<Seats, _>(vec![session_id.part()], list.rest.unwrap_or(Slice { limit: 0, ..slice }))
    };
    let scans: Vec<Scan> = lists.iter().map(scan).collect();
    let seats = store.scan(&scans).await?;
    let seated = |(key, record): &(Key, Record)| {
        let Seats { session, stay } = Seats::from_parts(&key.parts)?;
        let user = record.value.get::<Seat>()?.user.clone();
        Some((stay, Participants { session, user }))
    };
    let seats: Vec<Vec<_>> = seats.iter().map(|seats| seats.iter().map(seated).collect()).collect();
    let keys: Vec<_> = seats.iter().flatten().flatten().map(|(_, key)| key.clone()).collect();
    let mut records = store.get_all(&keys).await?.into_iter();
    for (list, seats) in lists.iter_mut().zip(seats) {
        let wanted = list.rest.map_or(0, |rest| rest.limit);
        let (count, before) = (seats.len() as u64, list.found.len());
        let mut last = None;
        for (stay, _) in seats.into_iter().flatten() {
            let record = records.next().flatten().map(|found| found.value);
            list.found.extend(record.filter(|record| record.id == stay && record.standing.role().is_some()));
            last = Some(stay);
        }
        let missing = wanted.saturating_sub((list.found.len() - before) as u64);
        let goes_on = count == wanted && missing > 0 && last.is_some();
        list.rest = goes_on.then_some(Slice { after: last, skip: 0, limit: missing });
    }
    Ok(())
}
