//! The deletion of all messages of a user in a session.
//!
//! One record says how far it has come, and another one is due work, which any process goes on with. Both move in the commit that deletes a
//! few hundred messages, so a process that ends in the middle loses nothing, and two processes delete no message twice.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Chat,
    bulk::{Deleter, Gone, newer_message},
    decide::{
        due::{LEASE, microseconds},
        govern::{Known, Tried},
        turns::behind,
    },
    messages::is_deleted,
    moderation::Done,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Event, EventKind, MessageDeletion, MessageEvent, MessageType, ModerationAction, ScheduledId, Seq, SessionId,
        UserId,
    },
    permission::Action,
    store::{
        Change, ChatStoreExt as _, Due, DueTask, Dues, Found, Freshness, LogRange, Purge, PurgeWork, Purges,
        TypedKey as _, Version, Write,
    },
    trace::use_case,
};

/// Rows of a log that are read at once.
const ROWS: Seq = 200;

/// Messages after which no more rows are read for one commit, so that it rewrites fewer than this and [`ROWS`] together.
const ENOUGH: u64 = 100;

/// Reads for one commit, in a session where the user said little.
const READS: usize = 25;

/// Commits for one deletion, after which the caller gets an answer, or other work has its turn.
const COMMITS: usize = 10;

/// Who asks for a deletion.
#[derive(Debug, Clone, Copy)]
struct Asker<'a> {
    user: &'a UserId,
    is_administrator: bool,
}

/// A deletion that goes on, and the version of the claim on its work.
struct Claimed {
    key: Dues,
    version: Version,
}

impl PurgeWork {
    const fn key(self) -> Dues {
        Dues { at: self.at, id: self.id }
    }
}

fn work(session: SessionId, user: &UserId, leased_until: Option<DateTime<Utc>>) -> Due {
    Due { task: DueTask::Purge { session, user: user.clone() }, leased_until }
}

/// Whether the row is a message that the user wrote, with a content. The server is the author of system messages.
fn is_of(row: &Event, user: &UserId) -> bool {
    let is_own = match &row.kind {
        EventKind::Message(MessageEvent::Sent { body, .. }) => body.message_type != MessageType::System,
        EventKind::Message(_) | EventKind::Session(_) | EventKind::Participant(_) | EventKind::Unknown => false,
    };
    is_own && row.actor == *user && !is_deleted(row)
}

/// The record of a deletion that is asked for: it goes on where the last one stopped, since nothing of the user is left before there.
fn asked(before: Option<&Purge>, by: Asker<'_>, upto: Seq, work: PurgeWork) -> Purge {
    let (done, deleted, noted) = before.map_or((0, 0, 0), |before| (before.done, before.deleted, before.noted));
    // The right of a moderator can end before the work does, that of the administration does not.
    let first = before.filter(|before| before.work.is_some() && before.administrator && !by.is_administrator);
    let Asker { user, is_administrator } = by;
    let (by, administrator) = first.map_or((user, is_administrator), |first| (&first.by, true));
    Purge { by: by.clone(), administrator, done, upto, deleted, noted, work: Some(work) }
}

impl Chat {
    /// Deletes all messages of a user in a session, up to the last one at the time of the call, as [`delete_message`](Self::delete_message)
    /// deletes one message. For many messages, the answer reports an unfinished deletion, and the server continues in the background, also
    /// after the end of this process. A call during a deletion returns the progress. The deletion stops if the caller loses the right.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, the user never was in the session, or the user is the owner and the caller is not
    /// the owner.
    pub async fn delete_messages_of(
        &self,
        principal: &Principal,
        session: SessionId,
        user: &UserId,
    ) -> Result<MessageDeletion> {
        use_case!("delete_messages_of", session, async move {
            self.enter(principal, Use::Request).await?;
            let by = Asker { user: &principal.user_id, is_administrator: false };
            for _ in 0..self.inner.limits.commit_attempts {
                let tried = Tried::upon(user, Action::DeleteMessagesOf);
                let known = self.allowed(session, principal, tried, Freshness::Fresh).await?;
                if let Some(claimed) = self.ask_to_purge(by, &known, session, user, Vec::new()).await? {
                    return self.purge(claimed, session, user).await;
                }
            }
            Err(behind(session, "a deletion of all messages of a user"))
        })
    }

    /// Deletes all messages of a user in a session in the name of an administrator of the server. `writes` makes the writes of the
    /// administration that go with it.
    #[cfg(feature = "admin")]
    pub(crate) async fn purge_attested<'a>(
        &self,
        by: &UserId,
        session: SessionId,
        user: &UserId,
        authority: super::decide::govern::Authority<'a>,
        entry: impl Fn() -> Write,
    ) -> Result<MessageDeletion> {
        let by = Asker { user: by, is_administrator: true };
        for _ in 0..self.inner.limits.commit_attempts {
            let known = self.known(session, by.user, Some(user), Freshness::Fresh).await?;
            known.session()?;
            // The record of a user who never was there holds a ban.
            if known.target.as_ref().is_none_or(|record| record.standing == crate::model::Standing::Stranger) {
                return Err(crate::permission::Denial::TargetNotParticipant.into());
            }
            let mut writes = authority().await?;
            writes.push(entry());
            if let Some(claimed) = self.ask_to_purge(by, &known, session, user, writes).await? {
                return self.purge(claimed, session, user).await;
            }
        }
        Err(behind(session, "a deletion of all messages of a user"))
    }

    /// Writes down that a deletion is wanted, with the writes that go with it; `None` where somebody else was faster. Gives the claim on the
    /// work, where this process has it.
    async fn ask_to_purge(
        &self,
        by: Asker<'_>,
        known: &Known,
        session: SessionId,
        user: &UserId,
        others: Vec<Write>,
    ) -> Result<Option<Option<Claimed>>> {
        let (key, head, now) = (Purges { session, user: user.clone() }, known.head.seq, self.inner.clock.now());
        let found = self.inner.store.get(&key).await?;
        let before = found.as_ref().map(|found| &*found.value);
        let running = match before.and_then(|before| before.work) {
            Some(work) if self.inner.store.get(&work.key()).await?.is_some() => Some(work),
            // A record without its work, as a restored backup can have it: nobody goes on. Where the work has just ended, the record has
            // another version now.
            Some(_) | None => None,
        };
        let is_same = before.is_some_and(|before| {
            before.upto >= head && before.by == *by.user && before.administrator == by.is_administrator
        });
        if running.is_some() && is_same {
            // The running deletion does what the call asks for.
            return Ok(Some(None));
        }
        let fresh = PurgeWork { at: microseconds(now), id: ScheduledId(self.inner.clock.new_id()) };
        let purge = key.put(asked(before, by, head, running.unwrap_or(fresh)));
        let mut writes = others;
        writes.push(match &found {
            Some(found) => purge.at(found.version),
            None => purge.absent(),
        });
        if running.is_none() {
            writes.push(fresh.key().put(work(session, user, Some(now + LEASE))).absent());
        }
        let change = Change::of_records(writes);
        let version = change.id;
        let is_done = self.try_commit(change).await?.is_some();
        Ok(is_done.then(|| running.is_none().then(|| Claimed { key: fresh.key(), version })))
    }

    /// Deletes at once what a call may wait for, and says how far it is.
    async fn purge(&self, claimed: Option<Claimed>, session: SessionId, user: &UserId) -> Result<MessageDeletion> {
        if let Some(Claimed { key, version }) = claimed {
            self.purge_due(&key, version, session, user).await;
        }
        let found = self.inner.store.get(&Purges { session, user: user.clone() }).await;
        let purge = found.ok().flatten().ok_or(Error::OutcomeUnknown)?.value;
        let Purge { deleted, work, by: _, administrator: _, done: _, upto: _, noted: _ } = &*purge;
        Ok(MessageDeletion { session_id: session, user_id: user.clone(), deleted: *deleted, is_done: work.is_none() })
    }

    /// Goes on with a deletion, and returns how many messages it deleted. What fails is done later, by any process.
    pub(super) async fn purge_due(&self, key: &Dues, claim: Version, session: SessionId, user: &UserId) -> u64 {
        let (mut deleted, mut claim) = (0, Some(claim));
        for turn in 1..=COMMITS {
            let Some(held) = claim else { break };
            match self.purge_some(key, held, (session, user), turn == COMMITS).await {
                Ok((more, next)) => {
                    deleted += more;
                    claim = next;
                }
                Err(error) => {
                    tracing::warn!(%session, %error, "a deletion of all messages of a user is left for later");
                    break;
                }
            }
        }
        deleted
    }

    /// Deletes a part. Gives the number of messages, and the version of the claim to go on with, where there are more and this is not the last
    /// turn.
    async fn purge_some(
        &self,
        key: &Dues,
        claim: Version,
        (session, user): (SessionId, &UserId),
        is_last: bool,
    ) -> Result<(u64, Option<Version>)> {
        let place = Purges { session, user: user.clone() };
        for (turn, _) in (0..).zip(self.turns()) {
            let _gate = self.turn_at_gate(session, turn).await;
            let Some(found) = self.claimed(key, claim, &place).await? else { return Ok((0, None)) };
            let before = &*found.value;
            // After the records: the facts are not older than the wish.
            let known = self.known(session, &before.by, Some(user), Freshness::Fresh).await?;
            let head = known.head;
            let may = known.session.is_some()
                && (before.administrator
                    || self.inner.permissions.decide(&known.facts(), Action::DeleteMessagesOf).is_ok());
            let now = self.inner.clock.now().max(head.at);
            let upto = before.upto.min(head.seq);
            let (gone, done) = if may {
                self.rows_of(&before.by, user, (session, before.done, upto), now).await?
            } else {
                (Gone::default(), before.done)
            };
            let deleted = gone.len();
            let has_ended = !may || done >= upto;
            if may && has_ended {
                self.forget_held(user, session).await?;
            }
            let purge = Purge { done, deleted: before.deleted.saturating_add(deleted), ..before.clone() };
            let goes_on = !has_ended && !is_last;
            let mut writes = Vec::new();
            if has_ended {
                let count = purge.deleted.saturating_sub(purge.noted);
                if count > 0 {
                    let entry = Done::upon(&purge.by, ModerationAction::MessagesDeleted, user, now);
                    writes.push(self.noting(session, entry.of_messages(count)));
                }
                let ended = Purge { noted: purge.deleted, work: None, ..purge };
                writes.extend([place.put(ended).at(found.version), key.remove().at(claim)]);
            } else {
                let leased_until = goes_on.then(|| now + LEASE);
                let due = key.put(work(session, user, leased_until)).at(claim);
                writes.extend([place.put(purge).at(found.version), due]);
            }
            let change =
                self.purging(session, head.seq, gone, writes, Deleter { actor: &before.by, expired: false, at: now });
            let change = change.await?;
            let version = change.id;
            let committed = match change.append {
                Some(_) => self.try_delete(session, change).await?,
                None => self.try_commit(change).await?,
            };
            if committed.is_some() {
                return Ok((deleted, goes_on.then_some(version)));
            }
        }
        Err(behind(session, "a deletion of all messages of a user"))
    }

    /// The change of a part, with an event where messages go.
    async fn purging(
        &self,
        session: SessionId,
        head: Seq,
        mut gone: Gone,
        writes: Vec<Write>,
        by: Deleter<'_>,
    ) -> Result<Change> {
        if gone.is_empty() {
            return Ok(Change::of_records(writes));
        }
        gone.also(writes);
        self.deleting(session, head, gone, by).await
    }

    /// The record of a deletion whose work this process has; `None` where another process has taken the work over.
    async fn claimed(&self, key: &Dues, claim: Version, place: &Purges) -> Result<Option<Found<Purge>>> {
        let store = &self.inner.store;
        let found = store.get(place).await?;
        let due = store.get(key).await?;
        if due.is_none_or(|due| due.version != claim) {
            return Ok(None);
        }
        let is_its = |found: &Found<Purge>| found.value.work.is_some_and(|work| work.key() == *key);
        let found = found.filter(is_its);
        if found.is_none() {
            // Work without its record, as a restored backup can have it.
            self.try_commit(Change::of_records(vec![key.remove().at(claim)])).await?;
        }
        Ok(found)
    }

    /// The messages of a user after a position, as many as one commit takes, and the position up to which none is left then.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) where the next message of the user is one that only a newer version can delete.
    async fn rows_of(
        &self,
        by: &UserId,
        user: &UserId,
        (session_id, done, upto): (SessionId, Seq, Seq),
        at: DateTime<Utc>,
    ) -> Result<(Gone, Seq)> {
        let (mut gone, first, mut done) = (Gone::default(), done, done);
        for _ in 0..READS {
            if done >= upto || gone.len() >= ENOUGH {
                break;
            }
            let to = done.saturating_add(ROWS).min(upto);
            let range = LogRange { session_id, from: done.max(1), to };
            let rows: Vec<_> = self.inner.store.log(&[range]).await?.into_iter().flatten().collect();
            let newer = newer_message(&rows, done, |row| row.actor == *user).map(|row| row.seq);
            let known = newer.map_or(to, |newer| newer.saturating_sub(1));
            let is_known = |row: &&Arc<Event>| row.seq > done && row.seq <= known;
            let own = rows.iter().filter(is_known).filter(|row| is_of(row, user));
            own.for_each(|row| gone.delete(row, Some(by), at));
            if newer.is_some() && known <= first {
                return Err(Error::Unavailable);
            }
            done = known;
            if newer.is_some() {
                break;
            }
        }
        Ok((gone, done))
    }
}
