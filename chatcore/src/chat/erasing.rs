//! What remains of a user whose account was deleted: the accounts take the user out of each session, and the user's messages.
//!
//! No permission is asked: a deleted account acts no more, and what it wrote is its user's. The log still decides: a change that is stale is
//! planned again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    Chat,
    bulk::{Deleter, Gone, newer_message},
    decide::{
        departures::Departed,
        govern::{keys, participant, understood},
    },
    read::lists::{CHUNK, put_participant},
};
use crate::{
    error::{Error, Result},
    model::{
        Event, EventKind, MessageEvent, MessageStatus, MessageType, ModerationAction, NewEvent, ParticipantEvent,
        RemovalReason, Sanction, Seq, SessionId, Standing, UserId,
    },
    store::{
        BannedFrom, Change, ChatStoreExt as _, ClientIds, DepartureTask, FactsQuery, Freshness, KeyPart as _, LogRange,
        ModerationEntries, ModerationRecord, Newest, ParticipantRecord, SessionFacts, StoreError, TypedKey, Version,
        Write,
    },
};

/// Rows of a log that are read at once, and so rewritten at most in one commit.
const ROWS: Seq = 200;

impl Chat {
    /// The write that has a deleted user taken out of all sessions, for the commit that deletes the account.
    pub(crate) fn deletion(&self, user: &UserId) -> Write {
        self.departure(user, DepartureTask::Remove { by: user.clone(), reason: RemovalReason::AccountDeleted })
    }

    /// Takes a deleted user out of all sessions; `false` while another process does. `claim` is the version of the commit of
    /// [`deletion`](Self::deletion), where this process has made it. A session that fails keeps no other one waiting.
    pub(crate) async fn leave_all(&self, user: &UserId, claim: Option<Version>) -> Result<bool> {
        Ok(self.depart(user, claim, Duration::ZERO).await? == Departed::Done)
    }

    /// Removes what participants' records of a session hold in words about a deleted user, and in words of the user: the user's metadata, the
    /// reasons of the user's ban and mute, and the reasons that the user gave for bans and mutes of others. The bans and mutes stay. The user is
    /// still in the session where the session is deleted: nobody is taken out of such a session, and its owner may restore it.
    pub(crate) async fn erase_notes(&self, user: &UserId, id: SessionId) -> Result<()> {
        self.erase_notes_on(user, id, &BTreeSet::from([user])).await?;
        let mut after = None;
        loop {
            let scan = ModerationEntries::under(vec![id.part()]).after(after.take()).limit(CHUNK);
            let found = self.inner.store.list::<ModerationEntries>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(vec![last.entry.part()]);
            let sanctions = |record: &ModerationRecord| {
                record.actor == *user
                    && matches!(record.action, ModerationAction::UserBanned | ModerationAction::UserMuted)
            };
            let sanctioned = found.iter().map(|(_, found)| &*found.value).filter(|record| sanctions(record));
            let others: BTreeSet<&UserId> = sanctioned.map(|record| &record.user).collect();
            if !others.is_empty() {
                self.erase_notes_on(user, id, &others).await?;
            }
        }
    }

    /// Removes the reasons of a deleted user's bans from sessions, also from those that the user never was in. A session that fails keeps no
    /// other one waiting.
    pub(crate) async fn erase_bans(&self, user: &UserId) -> Result<()> {
        let (mut after, mut done) = (None, Ok(()));
        loop {
            let scan = BannedFrom::under(vec![user.part()]).after(after.take()).limit(CHUNK);
            let found = self.inner.store.list::<BannedFrom>(scan).await?;
            let Some((last, _)) = found.last() else { return done };
            after = Some(vec![last.session.part()]);
            for (BannedFrom { session: Newest(id), .. }, _) in found {
                if let Err(error) = self.erase_notes_on(user, id, &BTreeSet::from([user])).await {
                    tracing::warn!(session = %id, %error, "the reason of a deleted user's ban is not erased yet");
                    done = Err(error);
                }
            }
        }
    }

    /// Removes the words about a deleted user, and those of the user, from the records of these users in a session, in one commit.
    async fn erase_notes_on(&self, user: &UserId, id: SessionId, users: &BTreeSet<&UserId>) -> Result<()> {
        let gate = self.inner.gates.pass(id).await;
        let keys = keys(id, users.iter().copied());
        for _ in 0..self.inner.limits.commit_attempts {
            let query = FactsQuery { session_id: id, records: &keys };
            let facts = self.inner.store.facts(&[query], Freshness::Fresh).await?;
            let SessionFacts { head, governance: _, records } = facts.into_iter().next().ok_or(Error::Internal)?;
            let mut records = records.into_iter();
            understood(records.next().flatten())?;
            let mut writes = Vec::new();
            for record in records {
                let Some(before) = participant(record)? else { continue };
                if let Some(after) = without_words(&before, user) {
                    writes.extend(put_participant(Some(&*before), after));
                }
            }
            if writes.is_empty() {
                return Ok(());
            }
            // An event has to govern the change of the records, and this one says nothing of the others.
            let kind = EventKind::Participant(ParticipantEvent::MetadataChanged { user_id: user.clone() });
            let created_at = self.inner.clock.now().max(head.at);
            let event = NewEvent { actor: user.clone(), created_at, kind };
            match self.inner.store.commit(Change::of(id, head.seq, vec![event], writes)).await {
                Ok(committed) => {
                    drop(gate);
                    self.tell(id, &committed.events).await;
                    return Ok(());
                }
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }

    /// Deletes the messages of a user among the rows of a session after a position, and returns the position to go on after; `None` at the
    /// end of the log. The texts are gone, the earlier ones and the client ids, too.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) while the user is in the session, since a message may follow until the user is out. Also where the
    /// next message of the user is one that only a newer version can delete.
    pub(crate) async fn erase_messages(&self, user: &UserId, id: SessionId, after: Seq) -> Result<Option<Seq>> {
        for turn in 0..self.inner.limits.commit_attempts {
            let _gate = self.turn_at_gate(id, turn).await;
            let known = self.known(id, user, None, Freshness::Fresh).await?;
            let is_in = |record: &ParticipantRecord| matches!(record.standing, Standing::Active(_));
            if known.actor.as_deref().is_some_and(is_in) && known.session().is_ok_and(|session| session.is_active) {
                return Err(Error::Unavailable);
            }
            let (head, from) = (known.head.seq, after.saturating_add(1));
            let to = after.saturating_add(ROWS).min(head);
            if from > head {
                return Ok(None);
            }
            let range = LogRange { session_id: id, from: after.max(1), to };
            let rows: Vec<_> = self.inner.store.log(&[range]).await?.into_iter().flatten().collect();
            let newer = newer_message(&rows, after, |row| row.actor == *user).map(|row| row.seq);
            let to = newer.map_or(to, |newer| newer.saturating_sub(1));
            if to < from {
                return Err(Error::Unavailable);
            }
            let now = self.inner.clock.now().max(known.head.at);
            let mut gone = Gone::default();
            let is_known = |row: &&Arc<Event>| row.actor == *user && (from..=to).contains(&row.seq);
            for row in rows.iter().filter(is_known) {
                erase(&mut gone, row, user, now);
            }
            if gone.is_empty() {
                return Ok((to < head).then_some(to));
            }
            let change = self.deleting(id, head, gone, Deleter { actor: user, expired: false, at: now }).await?;
            if self.try_delete(id, change).await?.is_some() {
                return Ok(Some(to));
            }
        }
        Err(Error::Unavailable)
    }
}

/// The record without the words of a user, and the user's own record also without the words of others; `None` where it has none.
fn without_words(record: &ParticipantRecord, user: &UserId) -> Option<ParticipantRecord> {
    let is_own = record.user_id == *user;
    let bare = |sanction: &Sanction| {
        let reason = sanction.reason.clone().filter(|_| !is_own && sanction.by != *user);
        Sanction { reason, ..sanction.clone() }
    };
    let metadata = record.metadata.clone().filter(|_| !is_own);
    let (ban, mute) = (record.ban.as_ref().map(bare), record.mute.as_ref().map(bare));
    let after = ParticipantRecord { metadata, ban, mute, ..record.clone() };
    (after != *record).then_some(after)
}

/// Adds a message of the user, also one that was deleted and still has a client id.
fn erase(gone: &mut Gone, row: &Event, user: &UserId, at: DateTime<Utc>) {
    let EventKind::Message(MessageEvent::Sent { body, client_id, status }) = &row.kind else { return };
    // The server is the author of system messages.
    if body.message_type == MessageType::System
        || (matches!(status, MessageStatus::Deleted { .. }) && client_id.is_none())
    {
        return;
    }
    let used = |client_id| ClientIds { session: row.session_id, user: user.clone(), client_id }.remove();
    gone.also(client_id.clone().map(used));
    let status = match status {
        MessageStatus::Deleted { .. } => status.clone(),
        MessageStatus::AsSent | MessageStatus::Edited { .. } => MessageStatus::Deleted { by: Some(user.clone()), at },
    };
    gone.add(row, body, None, status);
}
