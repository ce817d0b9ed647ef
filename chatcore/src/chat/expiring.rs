//! Messages with a lifetime: the server deletes them when it is over.
//!
//! A send knows nothing of that. Each session that keeps its messages for a time has one record of due work, whose time is that of the oldest
//! message that is left. A sweep deletes what is over, a few hundred rows in a commit, and moves the record in the same commit. So a process
//! that ends in the middle loses nothing, and two processes delete no message twice.

use std::{iter, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Chat,
    bulk::{Deleter, Gone, newer_message},
    decide::{
        due::{LEASE, microseconds},
        govern::{Known, keys},
        turns::behind,
    },
    messages::is_deleted,
    read::pages::oldest,
};
use crate::{
    error::{Error, Result},
    model::{Event, ScheduledId, Seq, Session, SessionId},
    store::{
        Change, ChatStoreExt as _, Due, DueTask, Dues, Expiries, Expiry, FactsQuery, Found, Freshness, LogRange,
        TypedKey, Version, Write,
    },
};

/// Rows of a log that are read at once, and so rewritten at most in one commit.
const ROWS: Seq = 200;

/// Commits for one session, after which other work has its turn.
const COMMITS: usize = 10;

/// A message stays this part of its lifetime longer at the most, so that a session has no more sweeps in one lifetime.
const SWEEPS: i32 = 60;

/// The longest that a message stays beyond its lifetime while a process runs.
const LATEST: TimeDelta = TimeDelta::hours(1);

fn due(session: SessionId, at: u64) -> Dues {
    Dues { at, id: ScheduledId(session.0) }
}

fn work(session: SessionId, leased_until: Option<DateTime<Utc>>) -> Due {
    Due { task: DueTask::Expire { session }, leased_until }
}

/// The write that has a session swept for the first time since it keeps its messages for a time.
pub(super) fn expiry(session: SessionId, now: DateTime<Utc>) -> Write {
    due(session, microseconds(now)).put(work(session, None))
}

/// What is known of a session that is swept.
struct Swept {
    known: Known,
    before: Option<Found<Expiry>>,
    /// A record of due work other than the one that is worked on, of before the setting was changed.
    other: Option<(Dues, Version)>,
}

/// How a sweep goes on.
enum Next {
    /// There are more rows.
    Now,
    /// The oldest message that is left has to go then, or one may be there that has to.
    At(DateTime<Utc>),
    /// Messages are kept for ever.
    Never,
}

/// What a sweep does to a part of a log.
struct Part {
    gone: Gone,
    /// The position up to which no message is left.
    upto: Seq,
    next: Next,
}

fn lifetime(session: &Session) -> Option<TimeDelta> {
    session.settings.message_lifetime.map(|seconds| TimeDelta::seconds(seconds.into()))
}

/// Whether the row is a message with a content.
fn is_left(row: &Event) -> bool {
    row.kind.is_message() && !is_deleted(row)
}

/// What is to be done to rows that follow each other, the last of them at the end of the log where `is_end`. `at` is the time of the
/// deletion in the log, and `held_until` that of the first held message whose lifetime is over.
///
/// # Errors
/// [`Unavailable`](Error::Unavailable) where the next message to delete is one that only a newer version can delete.
fn part(
    rows: &[Arc<Event>],
    upto: Seq,
    is_end: bool,
    (session, held_until): (&Session, Option<DateTime<Utc>>),
    now: DateTime<Utc>,
    at: DateTime<Utc>,
) -> Result<Part> {
    let mut gone = Gone::default();
    let Some(lifetime) = lifetime(session) else { return Ok(Part { gone, upto, next: Next::Never }) };
    // Times never fall along a log.
    let over = rows.partition_point(|row| row.created_at + lifetime <= now);
    let (old, left) = rows.split_at(over);
    let newer = newer_message(rows, upto, |_| true).map(|row| row.seq);
    // This version goes as far as it understands the messages. A newer one goes on.
    let known = old.partition_point(|row| newer.is_none_or(|newer| row.seq < newer));
    let (old, left, is_end) =
        if known < over { (old.split_at(known).0, left.split_at(0).0, false) } else { (old, left, is_end) };
    if known < over && old.last().is_none_or(|row| row.seq <= upto) {
        return Err(Error::Unavailable);
    }
    let is_left = |row: &Event| is_left(row) || newer == Some(row.seq);
    old.iter().for_each(|row| gone.delete(row, None, at));
    let upto = old.last().map_or(upto, |row| row.seq);
    let oldest = left.iter().find(|row| is_left(row)).or_else(|| left.last().filter(|_| !is_end));
    let next = match oldest {
        Some(row) => Next::At(row.created_at + lifetime),
        None if !is_end => Next::Now,
        // A message that is sent from now on.
        None if session.is_active => Next::At(now + lifetime),
        None => Next::Never,
    };
    let pause = (lifetime / SWEEPS).min(LATEST);
    let next = match next {
        Next::At(at) => Next::At(at.min(held_until.unwrap_or(at)).max(now + pause)),
        Next::Never => held_until.map_or(Next::Never, |at| Next::At(at.max(now + pause))),
        Next::Now => Next::Now,
    };
    Ok(Part { gone, upto, next })
}

impl Chat {
    /// Deletes the messages of a session whose lifetime is over, and returns how many. What fails is done later, by any process.
    pub(super) async fn expire_due(&self, key: &Dues, claim: Version, session: SessionId) -> u64 {
        let (mut deleted, mut claim) = (0, Some(claim));
        for turn in 1..=COMMITS {
            let Some(held) = claim else { break };
            match self.expire_some(key, held, session, turn == COMMITS).await {
                Ok((more, next)) => {
                    deleted += more;
                    claim = next;
                }
                Err(error) => {
                    tracing::warn!(%session, %error, "messages whose lifetime is over are left for later");
                    break;
                }
            }
        }
        deleted
    }

    /// Deletes a part of these messages. Gives their number, and the version of the claim to go on with, where there are more and this is
    /// not the last turn.
    async fn expire_some(
        &self,
        key: &Dues,
        claim: Version,
        id: SessionId,
        is_last: bool,
    ) -> Result<(u64, Option<Version>)> {
        for (turn, _) in (0..).zip(self.turns()) {
            let _gate = self.turn_at_gate(id, turn).await;
            let Some(swept) = self.swept(key, claim, id).await? else { return Ok((0, None)) };
            let Swept { known, before, other } = swept;
            let now = self.inner.clock.now();
            let upto = before.as_ref().map_or(0, |before| before.value.upto);
            let Some(session) = known.session.as_deref() else {
                self.try_commit(Change::of_records(vec![key.remove().at(claim)])).await?;
                return Ok((0, None));
            };
            let (rows, upto, held_until) = match lifetime(session) {
                Some(lifetime) => {
                    let held_until = self.expire_held(id, lifetime, now).await?;
                    let (rows, upto) = self.rows_after(id, upto, known.head.seq).await?;
                    (rows, upto, held_until)
                }
                None => (Vec::new(), upto, None),
            };
            let is_end = rows.last().is_none_or(|row| row.seq >= known.head.seq);
            let at = now.max(known.head.at);
            let Part { mut gone, upto, next } = part(&rows, upto, is_end, (session, held_until), now, at)?;
            let goes_on = matches!(next, Next::Now) && !is_last;
            let next = match next {
                Next::Now if goes_on => Some((key.at, Some(now + LEASE))),
                Next::Now => Some((microseconds(now), None)),
                Next::At(at) => Some((microseconds(at), None)),
                Next::Never => None,
            };
            let mut writes = vec![key.remove().at(claim)];
            writes.extend(other.map(|(key, version)| key.remove().at(version)));
            writes.extend(next.map(|(at, leased_until)| due(id, at).put(work(id, leased_until))));
            let record = Expiries { session: id }.put(Expiry { upto, due: next.map(|(at, _)| at) });
            writes.push(match &before {
                Some(before) => record.at(before.version),
                None => record.absent(),
            });
            let deleted = gone.len();
            let change = if gone.is_empty() {
                Change::of_records(writes)
            } else {
                gone.also(writes);
                self.deleting(id, known.head.seq, gone, Deleter { actor: &session.owner, expired: true, at }).await?
            };
            let version = change.id;
            let done = match change.append {
                Some(_) => self.try_delete(id, change).await?,
                None => self.try_commit(change).await?,
            };
            if done.is_some() {
                return Ok((deleted, goes_on.then_some(version)));
            }
        }
        Err(behind(id, "the deletion of old messages"))
    }

    /// What decides about a sweep; `None` where another process has taken the work over.
    async fn swept(&self, key: &Dues, claim: Version, id: SessionId) -> Result<Option<Swept>> {
        let store = &self.inner.store;
        let before = store.get(&Expiries { session: id }).await?;
        let other = before.as_ref().and_then(|before| before.value.due).filter(|at| *at != key.at);
        let other = other.map(|at| due(id, at));
        let dues = store.get_all(&iter::once(key.clone()).chain(other.clone()).collect::<Vec<_>>()).await?;
        let mut dues = dues.into_iter();
        if dues.next().flatten().is_none_or(|mine| mine.version != claim) {
            return Ok(None);
        }
        let other = other.zip(dues.next().flatten().map(|found| found.version));
        // After the records: a setting that is newer than the facts has put another record.
        let records = keys(id, []);
        let query = FactsQuery { session_id: id, records: &records };
        let facts = store.facts(&[query], Freshness::Fresh).await?;
        let known = Known::of(facts.into_iter().next().ok_or(Error::Internal)?, false, self.inner.clock.now())?;
        Ok(Some(Swept { known, before, other }))
    }

    /// The row at a position and the next rows after it, and that position, or a later one where the log was trimmed.
    async fn rows_after(&self, id: SessionId, upto: Seq, head: Seq) -> Result<(Vec<Arc<Event>>, Seq)> {
        let read = async |upto: Seq| {
            let range = LogRange { session_id: id, from: upto.max(1), to: upto.saturating_add(ROWS).min(head) };
            Ok::<_, Error>(self.inner.store.log(&[range]).await?.into_iter().flatten().collect::<Vec<_>>())
        };
        if upto >= head {
            return Ok((Vec::new(), upto));
        }
        let rows = read(upto).await?;
        if rows.iter().any(|row| row.seq == upto.saturating_add(1)) {
            return Ok((rows, upto));
        }
        let upto = upto.max(oldest(&*self.inner.store, id, head).await?);
        Ok((read(upto).await?, upto))
    }
}
