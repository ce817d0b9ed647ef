//! What remains of a user whose account was deleted: the accounts take the user out of each session, and the user's messages.
//!
//! No permission is asked: a deleted account acts no more, and what it wrote is its user's. The log still decides: a change that is stale is
//! planned again.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    Chat,
    bulk::{Deleter, Gone},
    decide::departures::Departed,
    read::lists::put_participant,
};
use crate::{
    error::{Error, Result},
    model::{
        Event, EventKind, MessageEvent, MessageStatus, MessageType, NewEvent, ParticipantEvent, RemovalReason, Seq,
        SessionId, Standing, UserId,
    },
    store::{
        Change, ClientIds, DepartureTask, Freshness, LogRange, ParticipantRecord, StoreError, TypedKey, Version, Write,
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

    /// Removes the metadata of a deleted user in a session, which the user is still in where the session is deleted: nobody is taken out of
    /// such a session, and its owner may restore it.
    pub(crate) async fn erase_metadata(&self, user: &UserId, id: SessionId) -> Result<()> {
        let gate = self.inner.gates.pass(id).await;
        for _ in 0..self.inner.limits.commit_attempts {
            let known = self.known(id, user, None, Freshness::Fresh).await?;
            let Some(before) = known.actor.as_deref().filter(|record| record.metadata.is_some()) else { return Ok(()) };
            let writes = put_participant(Some(before), ParticipantRecord { metadata: None, ..before.clone() });
            let kind = EventKind::Participant(ParticipantEvent::MetadataChanged { user_id: user.clone() });
            let created_at = self.inner.clock.now().max(known.head.at);
            let event = NewEvent { actor: user.clone(), created_at, kind };
            match self.inner.store.commit(Change::of(id, known.head.seq, vec![event], writes)).await {
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
    /// [`Unavailable`](Error::Unavailable) while the user is in the session, since a message may follow until the user is out.
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
            let rows = self.inner.store.log(&[LogRange { session_id: id, from, to }]).await?;
            let now = self.inner.clock.now().max(known.head.at);
            let mut gone = Gone::default();
            for row in rows.into_iter().flatten().filter(|row| row.actor == *user) {
                erase(&mut gone, &row, user, now);
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
