//! What remains of a user whose account was deleted: the accounts take the user out of each session, and the user's messages.
//!
//! No permission is asked: a deleted account acts no more, and what it wrote is its user's. The log still decides: a change that is stale is
//! planned again.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{
    Chat,
    decide::departures::Departed,
    mentions,
    messages::{a_deletion, is_deleted},
};
use crate::{
    error::{Error, Result},
    model::{
        Event, EventKind, MessageEvent, MessageStatus, MessageType, NewEvent, RemovalReason, Seq, SessionId, Standing,
        UserId,
    },
    store::{
        Change, ClientIds, DepartureTask, Freshness, LogRange, MessageReactions, ParticipantRecord, Revisions, Rewrite,
        StoreError, TypedKey, Version, Write,
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

    /// Deletes the messages of a user among the rows of a session after a position, and returns the position to go on after; `None` at the
    /// end of the log. The texts are gone, the earlier ones and the client ids, too.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) while the user is in the session, since a message may follow until the user is out.
    pub(crate) async fn erase_messages(&self, user: &UserId, id: SessionId, after: Seq) -> Result<Option<Seq>> {
        for _ in 0..self.inner.limits.commit_attempts {
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
            let (mut messages, mut rewrites, mut writes) = (Vec::new(), Vec::new(), Vec::new());
            let mut replies: HashMap<Seq, HashSet<Seq>> = HashMap::new();
            for row in rows.into_iter().flatten().filter(|row| row.actor == *user) {
                if let Some((rewrite, removed)) = erased(&row, user, now) {
                    messages.push(row.seq);
                    if let Some(root) = thread(&row) {
                        replies.entry(root).or_default().insert(row.seq);
                    }
                    rewrites.push(rewrite);
                    writes.extend(removed);
                }
            }
            if messages.is_empty() {
                return Ok((to < head).then_some(to));
            }
            writes.extend(self.without_replies(id, &replies).await?);
            // A pin or a reply that was decided before must not follow.
            writes.push(a_deletion(id));
            let kind = EventKind::Message(MessageEvent::Deleted { messages });
            let event = NewEvent { actor: user.clone(), created_at: now, kind };
            let change = Change::of(id, head, vec![event], writes).rewriting(rewrites);
            match self.inner.store.commit(change).await {
                Ok(committed) => {
                    // Before anybody hears of it: no reader may get an old text from memory after that.
                    self.inner.tails.evict(id, &committed.events);
                    self.inner.ends.evict(id);
                    self.tell(id, &committed.events).await;
                    return Ok(Some(to));
                }
                Err(StoreError::Stale | StoreError::Conflict { found: _ }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }
}

/// The root of the thread that a reply counts in; `None` for a message that is no reply, or that was deleted.
fn thread(row: &Event) -> Option<Seq> {
    let EventKind::Message(MessageEvent::Sent { body, .. }) = &row.kind else { return None };
    body.reply.filter(|_| !is_deleted(row)).map(|reply| reply.root)
}

/// A message of the user without its content, and the writes that go with it; `None` for another row.
fn erased(row: &Event, user: &UserId, at: DateTime<Utc>) -> Option<(Rewrite, Vec<Write>)> {
    let EventKind::Message(MessageEvent::Sent { body, client_id, status }) = &row.kind else { return None };
    // The server is the author of system messages.
    if body.message_type == MessageType::System
        || (matches!(status, MessageStatus::Deleted { .. }) && client_id.is_none())
    {
        return None;
    }
    let (session, message) = (row.session_id, row.seq);
    let earlier = |revision| Revisions { session, message, revision }.remove();
    let mut writes: Vec<Write> = (1..row.revision).map(earlier).collect();
    writes.push(MessageReactions { session, message }.remove());
    writes.extend(mentions::removed(row, body));
    let used = |client_id| ClientIds { session, user: user.clone(), client_id }.remove();
    writes.extend(client_id.clone().map(used));
    let status = match status {
        MessageStatus::Deleted { .. } => status.clone(),
        MessageStatus::AsSent | MessageStatus::Edited { .. } => MessageStatus::Deleted { by: user.clone(), at },
    };
    let kind = EventKind::Message(MessageEvent::Sent { body: body.deleted(), client_id: None, status });
    Some((Rewrite { seq: row.seq, revision: row.revision, kind }, writes))
}
