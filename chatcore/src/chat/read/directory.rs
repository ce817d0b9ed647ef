//! The public list: the sessions that anybody could join, without those of the reader.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join;
use tokio::sync::Mutex;

use super::{
    lists::{Slice, scan, sessions},
    profiles::is_younger,
};
use crate::{
    chat::Chat,
    model::{Session, SessionId, UserId},
    store::{
        BannedFrom, BannedUntil, Change, ChatStore, ChatStoreExt as _, Directory, Head, Key, KeyPart as _, Memberships,
        Newest, Prefix, Record, Scan, StoreError, TypedKey, Version, Write, WriteKind,
    },
};

/// Entries of a list that are read at once, at most. An entry is a key.
const CHUNK: u64 = 1000;

/// Entries of a list that are read at once, at most, where their sessions are read, too.
const SEARCHED: u64 = 200;

/// Entries of bans that are over, that one reader removes at once.
const FORGOTTEN: usize = 200;

/// How long the number of entries is kept. It misses the changes that other processes make meanwhile.
const COUNTED_FOR: TimeDelta = TimeDelta::seconds(2);

/// The number of entries in the public list. A count costs what it counts, so the number is kept for a while.
#[derive(Default)]
pub(in crate::chat) struct Listings {
    /// How often this process has changed the list.
    changes: AtomicU64,
    counted: Mutex<Option<Counted>>,
}

#[derive(Clone, Copy)]
struct Counted {
    number: u64,
    at: DateTime<Utc>,
    /// The changes before the count began.
    changes: u64,
}

impl Listings {
    /// Notes that this process may have changed the list.
    pub(in crate::chat) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    async fn number(&self, store: &dyn ChatStore, now: DateTime<Utc>) -> Result<u64, StoreError> {
        // Callers that come meanwhile wait for this count and use it.
        let mut counted = self.counted.lock().await;
        let changes = self.changes.load(Ordering::SeqCst);
        if let Some(known) = *counted
            && known.changes == changes
            && is_younger(known.at, now, COUNTED_FOR)
        {
            return Ok(known.number);
        }
        let found = store.count(&[Prefix { table: Directory::TABLE, parts: Vec::new() }]).await?;
        let number = found.first().copied().unwrap_or(0);
        *counted = Some(Counted { number, at: now, changes });
        Ok(number)
    }
}

/// Whether a change puts a session into the public list or takes it out.
pub(in crate::chat) fn relists(before: Option<&Session>, writes: &[Write]) -> bool {
    let is_listed = before.is_some_and(Session::is_joinable);
    writes.iter().any(|write| match &write.kind {
        WriteKind::Put(value) => value.get::<Session>().is_some_and(|after| after.is_joinable() != is_listed),
        WriteKind::Remove | WriteKind::Hold | WriteKind::Add(_) => false,
    })
}

/// A page of the sessions that a user could join.
pub(in crate::chat) struct Joinable {
    pub(in crate::chat) sessions: Vec<(Arc<Session>, Head)>,
    /// How many there are in all.
    pub(in crate::chat) total: u64,
}

/// An entry of the list, with the version at which it was read.
type Entry = (SessionId, Version);

fn entry((key, record): (Key, Record)) -> Option<Entry> {
    Some((Directory::from_parts(&key.parts)?.session.0, record.version))
}

fn own((key, _): (Key, Record)) -> Option<SessionId> {
    Some(Memberships::from_parts(&key.parts)?.session.0)
}

/// The entry of a ban, with its version where the ban is over.
fn banned((key, record): (Key, Record), now: DateTime<Utc>) -> Option<(BannedFrom, Option<Version>)> {
    let BannedUntil { until } = *record.value.get::<BannedUntil>()?;
    let is_over = until.is_some_and(|until| until <= now);
    Some((BannedFrom::from_parts(&key.parts)?, is_over.then_some(record.version)))
}

/// A part of the list that was read.
struct Part {
    entries: Vec<Entry>,
    /// Whether the list ends with it.
    is_last: bool,
}

impl Part {
    fn of(found: Option<Vec<(Key, Record)>>, wanted: u64) -> Self {
        let found = found.unwrap_or_default();
        let is_last = (found.len() as u64) < wanted;
        Self { entries: found.into_iter().filter_map(entry).collect(), is_last }
    }
}

/// Sessions of the public list that a walk has chosen.
pub(in crate::chat) struct Chosen {
    /// With the ends of their logs.
    pub(in crate::chat) sessions: Vec<(Arc<Session>, Head)>,
    /// The last entry that the walk looked at, where it has looked at all that it may look at and the list goes on.
    pub(in crate::chat) cut_at: Option<SessionId>,
}

/// The sessions that a user is in, newest first, after one of them.
fn own_of(user: &UserId, after: Option<Newest<SessionId>>) -> Scan {
    scan::<Memberships, Newest<SessionId>>(vec![user.part()], Slice { after, skip: 0, limit: CHUNK })
}

/// The sessions that a user is banned from, newest first, after one of them.
fn bans_of(user: &UserId, after: Option<Newest<SessionId>>) -> Scan {
    scan::<BannedFrom, Newest<SessionId>>(vec![user.part()], Slice { after, skip: 0, limit: CHUNK })
}

impl Chat {
    /// The sessions that the list leaves out for a user, with those that were read of the user's sessions and bans already.
    async fn left_out(
        &self,
        user: &UserId,
        mut memberships: Vec<(Key, Record)>,
        mut excluded: Vec<(Key, Record)>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let store = &*self.inner.store;
        let (mut ids, mut over): (Vec<SessionId>, Vec<Write>) = (Vec::new(), Vec::new());
        loop {
            let is_last = (memberships.len() as u64) < CHUNK;
            ids.extend(memberships.into_iter().filter_map(own));
            if is_last {
                break;
            }
            memberships = store.scan(&[own_of(user, ids.last().copied().map(Newest))]).await?.pop().unwrap_or_default();
        }
        loop {
            let last = excluded.last().and_then(|(key, _)| BannedFrom::from_parts(&key.parts)).map(|key| key.session);
            let is_last = (excluded.len() as u64) < CHUNK;
            for (ban, version) in excluded.into_iter().filter_map(|entry| banned(entry, now)) {
                match version {
                    None => ids.push(ban.session.0),
                    Some(version) => over.push(ban.remove().at(version)),
                }
            }
            if is_last {
                break;
            }
            excluded = store.scan(&[bans_of(user, last)]).await?.pop().unwrap_or_default();
        }
        self.forget_over(over).await;
        Ok(ids)
    }

    /// Removes the entries of bans that are over, some at once. An entry that another ban has written meanwhile has another version and stays.
    async fn forget_over(&self, mut over: Vec<Write>) {
        over.truncate(FORGOTTEN);
        // The next reader tries again.
        if !over.is_empty()
            && let Err(error) = self.inner.store.commit(Change::of_records(over)).await
        {
            tracing::debug!(%error, "entries of bans that are over stay");
        }
    }

    /// The first `limit` sessions after one that the user could join and that are wanted, newest first. The walk looks at `examined` entries
    /// at the most.
    pub(in crate::chat) async fn choose_joinable(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: usize,
        examined: u64,
        is_wanted: impl Fn(&Session) -> bool,
    ) -> Result<Chosen, StoreError> {
        let store = &*self.inner.store;
        let mut lists = store.scan(&[own_of(user, None), bans_of(user, None)]).await?;
        let (bans, own) = (lists.pop().unwrap_or_default(), lists.pop().unwrap_or_default());
        let own: HashSet<_> = self.left_out(user, own, bans, self.inner.clock.now()).await?.into_iter().collect();
        let (mut chosen, mut after, mut left) = (Vec::new(), after, examined);
        while left > 0 {
            let wanted = left.min(SEARCHED);
            let slice = Slice { after: after.map(Newest), skip: 0, limit: wanted };
            let part = Part::of(store.scan(&[scan::<Directory, _>(Vec::new(), slice)]).await?.pop(), wanted);
            let others = part.entries.iter().filter(|(id, _)| !own.contains(id));
            let ids: Vec<SessionId> = others.map(|(id, _)| *id).collect();
            let found = sessions(store, &ids).await?.into_iter().flatten();
            chosen.extend(found.filter(|(session, _)| session.is_joinable() && is_wanted(session)));
            if chosen.len() >= limit || part.is_last {
                chosen.truncate(limit);
                return Ok(Chosen { sessions: chosen, cut_at: None });
            }
            after = part.entries.last().map(|(id, _)| *id).or(after);
            left = left.saturating_sub(wanted);
        }
        Ok(Chosen { sessions: chosen, cut_at: after })
    }

    /// The sessions that the user could join, newest first, with the ends of their logs.
    ///
    /// The first round reads the keys of the page, the keys of the user's sessions, those of the user's bans, and the number of entries; the second round reads the
    /// sessions of the page, and which of the user's own are in the list. What is skipped costs its keys.
    pub(in crate::chat) async fn joinable(
        &self,
        user: &UserId,
        slice: Slice<SessionId>,
    ) -> Result<Joinable, StoreError> {
        let store = &*self.inner.store;
        // Some of them may be the user's own.
        let wanted = slice.limit.saturating_mul(2).saturating_add(slice.skip).min(CHUNK);
        let after = slice.after.map(Newest);
        let first = [
            scan::<Directory, _>(Vec::new(), Slice { after, skip: 0, limit: wanted }),
            own_of(user, None),
            bans_of(user, None),
        ];
        let now = self.inner.clock.now();
        let (mut found, listed) = try_join(store.scan(&first), self.inner.listings.number(store, now)).await?;
        let excluded = found.pop().unwrap_or_default();
        let memberships = found.pop().unwrap_or_default();
        let first = Part::of(found.pop(), wanted);

        let ids = self.left_out(user, memberships, excluded, now).await?;
        let listings: Vec<Directory> = ids.iter().map(|id| Directory { session: Newest(*id) }).collect();
        let own_listed = async { if listings.is_empty() { Ok(Vec::new()) } else { store.get_all(&listings).await } };
        let own = ids.iter().copied().collect();
        let (sessions, own_listed) = try_join(self.page_of_joinable(first, &own, slice), own_listed).await?;
        let total = listed.saturating_sub(own_listed.iter().flatten().count() as u64);
        Ok(Joinable { sessions, total })
    }

    async fn page_of_joinable(
        &self,
        first: Part,
        own: &HashSet<SessionId>,
        slice: Slice<SessionId>,
    ) -> Result<Vec<(Arc<Session>, Head)>, StoreError> {
        let store = &*self.inner.store;
        let Slice { after: _, mut skip, limit } = slice;
        let (mut part, mut found, mut stale) = (first, Vec::new(), Vec::new());
        loop {
            let last = part.entries.last().map(|(id, _)| Newest(*id));
            let mut others = part.entries.iter().filter(|(id, _)| !own.contains(id));
            while skip > 0 && others.next().is_some() {
                skip -= 1;
            }
            loop {
                let missing = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(found.len());
                let entries: Vec<Entry> = others.by_ref().take(missing).copied().collect();
                if entries.is_empty() {
                    break;
                }
                let ids: Vec<SessionId> = entries.iter().map(|(id, _)| *id).collect();
                for (entry, session) in entries.into_iter().zip(sessions(store, &ids).await?) {
                    match session {
                        Some((session, head)) if session.is_joinable() => found.push((session, head)),
                        Some(_) => stale.push(entry),
                        // It cannot be read, or a newer version knows whether it belongs here.
                        None => {}
                    }
                }
            }
            if part.is_last || last.is_none() || found.len() as u64 >= limit {
                break;
            }
            let next = scan::<Directory, _>(Vec::new(), Slice { after: last, skip: 0, limit: CHUNK });
            part = Part::of(store.scan(&[next]).await?.pop(), CHUNK);
        }
        self.unlist(stale).await;
        Ok(found)
    }

    /// Takes entries out of the list that are older than their sessions. A change of a session writes its entry, so an entry that is
    /// written meanwhile has another version and stays.
    async fn unlist(&self, stale: Vec<Entry>) {
        if stale.is_empty() {
            return;
        }
        let remove = |(id, version): (SessionId, _)| Directory { session: Newest(id) }.remove().at(version);
        let change = Change::of_records(stale.into_iter().map(remove).collect());
        // The next reader tries again.
        match self.inner.store.commit(change).await {
            Ok(_) => self.inner.listings.changed(),
            Err(error) => tracing::debug!(%error, "an old entry of the public list stays"),
        }
    }
}
