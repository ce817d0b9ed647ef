//! The deletion of many messages of a session in one commit, with one event that names them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{
    Chat, mentions,
    messages::{a_deletion, is_deleted},
    streamed,
};
use crate::{
    error::Result,
    model::{
        ClientId, Event, EventKind, MessageBody, MessageEvent, MessageId, MessageStatus, NewEvent, Seq, SessionId,
        UserId,
    },
    store::{Change, ClientIdUse, ClientIds, Committed, MessageReactions, Revisions, Rewrite, TypedKey, Write},
};

/// The first message after a position that only a newer version understands, among those that matter. This version cannot delete its text.
/// The rows follow each other, from the position on: only a message raises the number, so the row before tells whether a row is one.
pub(super) fn newer_message(rows: &[Arc<Event>], after: Seq, matters: impl Fn(&Event) -> bool) -> Option<&Arc<Event>> {
    let before = |at: usize| at.checked_sub(1).and_then(|at| rows.get(at)).map_or(0, |row| row.number);
    let is_newer = |(at, row): &(usize, &Arc<Event>)| {
        row.seq > after && row.kind == EventKind::Unknown && row.number > before(*at) && matters(row)
    };
    rows.iter().enumerate().find(is_newer).map(|(_, row)| row)
}

/// Messages that are deleted together, with all that goes with them.
#[derive(Default)]
pub(super) struct Gone {
    messages: Vec<Seq>,
    rewrites: Vec<Rewrite>,
    writes: Vec<Write>,
    /// The replies among them, by the roots of their threads.
    replies: HashMap<Seq, HashSet<Seq>>,
}

impl Gone {
    /// Adds a message, which is left with this client id and this status. The rows come in the order of the log.
    pub(super) fn add(&mut self, row: &Event, body: &MessageBody, client_id: Option<ClientId>, status: MessageStatus) {
        let (session, message) = (row.session_id, row.seq);
        // A reply that was deleted before does not count any more.
        if let Some(reply) = body.reply.filter(|_| !is_deleted(row)) {
            self.replies.entry(reply.root).or_default().insert(message);
        }
        let earlier = |revision| Revisions { session, message, revision }.remove();
        self.writes.extend((1..row.revision).map(earlier));
        self.writes.push(MessageReactions { session, message }.remove());
        self.writes.extend(mentions::removed(row, body));
        let id = MessageId { session_id: session, seq: message };
        self.writes.extend(body.is_streaming().then(|| streamed::forgotten(id)));
        let kind = EventKind::Message(MessageEvent::Sent { body: body.deleted(), client_id, status });
        self.rewrites.push(Rewrite { seq: message, revision: row.revision, kind });
        self.messages.push(message);
    }

    /// Deletes a message in the name of a user. `by` is `None` where the lifetime of the message is over. A row that is no message, or is deleted
    /// already, stays as it is.
    pub(super) fn delete(&mut self, row: &Event, by: Option<&UserId>, at: DateTime<Utc>) {
        let EventKind::Message(MessageEvent::Sent { body, client_id, status: _ }) = &row.kind else { return };
        if is_deleted(row) {
            return;
        }
        // The client id stays taken, without the fingerprint, from which a guessed text could be recognised.
        let used = |client_id| {
            let used = ClientIdUse { seq: Some(row.seq), fingerprint: None };
            ClientIds { session: row.session_id, user: row.actor.clone(), client_id }.put(used)
        };
        self.also(client_id.clone().map(used));
        self.add(row, body, client_id.clone(), MessageStatus::Deleted { by: by.cloned(), at });
    }

    /// Adds writes.
    pub(super) fn also(&mut self, writes: impl IntoIterator<Item = Write>) {
        self.writes.extend(writes);
    }

    /// Whether there is no message.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> u64 {
        self.messages.len() as u64
    }
}

/// The actor and the time of a deletion of messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deleter<'a> {
    pub(super) actor: &'a UserId,
    /// Whether the server deletes them because their lifetime is over.
    pub(super) expired: bool,
    pub(super) at: DateTime<Utc>,
}

impl Chat {
    /// The change that deletes messages, at least one, as decided at a position of the log.
    pub(super) async fn deleting(&self, id: SessionId, head: Seq, gone: Gone, by: Deleter<'_>) -> Result<Change> {
        let Gone { messages, rewrites, mut writes, replies } = gone;
        let Deleter { actor, expired, at } = by;
        writes.extend(self.without_replies(id, &replies).await?);
        // A pin or a reply that was decided before must not follow.
        writes.push(a_deletion(id));
        let kind = EventKind::Message(MessageEvent::Deleted { messages, expired });
        let event = NewEvent { actor: actor.clone(), created_at: at, kind };
        Ok(Change::of(id, head, vec![event], writes).rewriting(rewrites))
    }

    /// Commits the deletion and tells readers of it; `None` where it has to be decided again.
    pub(super) async fn try_delete(&self, id: SessionId, change: Change) -> Result<Option<Committed>> {
        let Some(committed) = self.try_commit(change).await? else { return Ok(None) };
        // Before anybody hears of it: no reader may get an old text from memory after that.
        self.inner.tails.evict(id, &committed.events);
        self.inner.ends.evict(id);
        self.inner.streams.evict(id, &committed.events);
        self.tell(id, &committed.events).await;
        Ok(Some(committed))
    }
}
