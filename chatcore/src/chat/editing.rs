//! Editing and deleting messages, and reading the earlier texts of edited messages.
//!
//! Both rewrite the message's row and append an event that names the row and holds no text. The row's revision is checked by the
//! commit, so of two changes of one message the later one is decided on the result of the earlier one.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Chat, govern::Known, validate::Faults, view};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{
        ClientId, Content, Event, EventKind, Message, MessageBody, MessageEvent, MessageId, MessageRevision,
        MessageStatus, MessageType, NewEvent, UserId,
    },
    permission::{Action, Denial},
    store::{
        Change, ChatStoreExt, ClientIdUse, ClientIds, Conflicting, Freshness, KeyPart, LogRange, Revision, Revisions,
        Rewrite, StoreError, TypedKey, Write,
    },
};

/// A new text for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditMessage {
    /// The new content. The speaker and the type of the message stay.
    pub content: Content,
    /// The revision that the caller has seen, where the edit must replace no other; `None` to replace any.
    pub revision: Option<u64>,
}

impl EditMessage {
    /// A text, whatever the message says now.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: Content::Text(text.into()), revision: None }
    }

    /// The same, provided that the message has this revision.
    #[must_use]
    pub const fn of_revision(mut self, revision: u64) -> Self {
        self.revision = Some(revision);
        self
    }
}

/// A change of a message.
#[derive(Debug, Clone, Copy)]
enum Intent<'a> {
    Edit(&'a Content),
    Delete,
}

impl Intent<'_> {
    const fn action(self, own: bool) -> Action {
        match self {
            Self::Edit(_) => Action::EditMessage { own },
            Self::Delete if own => Action::DeleteOwnMessage,
            Self::Delete => Action::DeleteMessage,
        }
    }
}

/// A message with the facts on which something was allowed.
struct Target {
    known: Known,
    freshness: Freshness,
    event: Arc<Event>,
    body: MessageBody,
    client_id: Option<ClientId>,
    status: MessageStatus,
}

impl Target {
    /// Whether the row may be shown: the facts include the change that wrote it.
    fn may_be_shown(&self) -> bool {
        match self.freshness {
            Freshness::Fresh => self.event.revised <= self.known.head.seq,
            Freshness::Cached => false,
        }
    }

    /// The answer without a change, where nothing is to be changed or nothing can be; `None` where the message is to be changed.
    fn settled(&self, intent: Intent<'_>, revision: Option<u64>, edits: u32) -> Option<Result<()>> {
        match (&self.status, intent) {
            (MessageStatus::Deleted { .. }, Intent::Delete) => return Some(Ok(())),
            (MessageStatus::Deleted { .. }, Intent::Edit(_)) => return Some(Err(Error::MessageDeleted)),
            // A retry of an edit finds its own text.
            (_, Intent::Edit(content)) if *content == self.body.content => return Some(Ok(())),
            (MessageStatus::AsSent | MessageStatus::Edited { .. }, Intent::Edit(_) | Intent::Delete) => {}
        }
        let current = self.event.revision;
        if revision.is_some_and(|revision| revision != current) {
            return Some(Err(Error::RevisionConflict { current }));
        }
        match intent {
            Intent::Edit(_) if current > u64::from(edits) => {
                Some(Err(Error::LimitExceeded { what: "the number of edits of one message", limit: u64::from(edits) }))
            }
            Intent::Edit(_) | Intent::Delete => None,
        }
    }

    /// The time since which the message has its content.
    fn since(&self) -> DateTime<Utc> {
        match &self.status {
            MessageStatus::AsSent => self.event.created_at,
            MessageStatus::Edited { at } | MessageStatus::Deleted { by: _, at } => *at,
        }
    }

    /// The message as it is after the change, the event that tells of it, and the earlier text where it is kept.
    fn plan(&self, intent: Intent<'_>, user: &UserId, at: DateTime<Utc>) -> (EventKind, MessageEvent, Option<Write>) {
        let Event { session_id: session, seq: message, revision, .. } = *self.event;
        let MessageBody { role, message_type, content: _ } = self.body.clone();
        let (content, status, event, write) = match intent {
            Intent::Edit(content) => {
                let earlier = Revision { body: self.body.clone(), since: self.since() };
                let kept = Revisions { session, message, revision }.put(earlier);
                let edited = MessageEvent::Edited { message, revision: revision + 1 };
                (content.clone(), MessageStatus::Edited { at }, edited, Some(kept))
            }
            Intent::Delete => {
                let status = MessageStatus::Deleted { by: user.clone(), at };
                // Someone who guesses the text could compare it with the fingerprint.
                let blank = self.client_id.clone().map(|client_id| {
                    let used = ClientIdUse { seq: Some(message), fingerprint: None };
                    ClientIds { session, user: self.event.actor.clone(), client_id }.put(used)
                });
                (Content::Deleted, status, MessageEvent::Deleted { messages: vec![message] }, blank)
            }
        };
        let body = MessageBody { role, message_type, content };
        let sent = MessageEvent::Sent { body, client_id: self.client_id.clone(), status };
        (EventKind::Message(sent), event, write)
    }
}

impl Chat {
    /// Gives a message another text, and returns the message. The earlier text is kept for the owner and the admins. An edit to the
    /// text that the message has changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for content outside of the limits; [`MessageNotFound`](Error::MessageNotFound) as for
    /// [`message`](Self::message); [`Denied`](Error::Denied) when the caller is not the author or may not send;
    /// [`MessageDeleted`](Error::MessageDeleted); [`RevisionConflict`](Error::RevisionConflict) when the message has another
    /// revision than the named one; [`LimitExceeded`](Error::LimitExceeded) after
    /// [`message_edits`](crate::Limits::message_edits) edits.
    pub async fn edit_message(&self, principal: &Principal, id: MessageId, edit: EditMessage) -> Result<Message> {
        let EditMessage { content, revision } = edit;
        let mut faults = Faults::default();
        faults.content(&content, &self.inner.limits);
        faults.finish()?;
        self.rewrite(principal, id, Intent::Edit(&content), revision).await
    }

    /// Deletes a message, and returns it without its content. The earlier texts are deleted, too. Deleting a deleted
    /// message changes nothing.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the
    /// caller neither is an author who may send nor moderates the session; [`RevisionConflict`](Error::RevisionConflict) when
    /// the message has another revision than the named one.
    pub async fn delete_message(&self, principal: &Principal, id: MessageId, revision: Option<u64>) -> Result<Message> {
        self.rewrite(principal, id, Intent::Delete, revision).await
    }

    /// The earlier texts of a message, the oldest first; none for a message that was not edited, or was deleted.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the
    /// caller does not moderate the session.
    pub async fn message_revisions(&self, principal: &Principal, id: MessageId) -> Result<Vec<MessageRevision>> {
        self.enter(principal).await?;
        for _ in 0..self.inner.limits.commit_attempts {
            let target = self.target(principal, id, Freshness::Fresh, |_| Action::ViewRevisions).await?;
            let found = self.inner.store.list::<Revisions>(earlier(id)).await?;
            let head = target.known.head.seq;
            // A text that was written after the decision needs a later decision.
            if target.may_be_shown() && found.iter().all(|(_, found)| found.at <= head) {
                let shown = |(key, found): (Revisions, crate::store::Found<Revision>)| {
                    let Revision { body, since } = Arc::unwrap_or_clone(found.value);
                    MessageRevision { revision: key.revision, body, since }
                };
                return Ok(found.into_iter().map(shown).collect());
            }
        }
        Err(Error::Unavailable)
    }

    /// Edits or deletes a message.
    async fn rewrite(
        &self,
        principal: &Principal,
        id: MessageId,
        intent: Intent<'_>,
        revision: Option<u64>,
    ) -> Result<Message> {
        self.enter(principal).await?;
        let mut freshness = Freshness::Cached;
        for _ in 0..self.inner.limits.commit_attempts {
            let target = self.target(principal, id, freshness, |own| intent.action(own)).await?;
            // Before the commit, because an error after it would say that nothing was changed.
            let sender = self.inner.profiles.one(&target.event.actor).await?;
            if let Some(settled) = target.settled(intent, revision, self.inner.limits.message_edits) {
                if target.may_be_shown() {
                    settled?;
                    return view::message(&target.event, sender).ok_or(Error::Internal);
                }
                freshness = Freshness::Fresh;
                continue;
            }
            let (change, kind) = self.rewriting(&target, intent, &principal.user_id).await?;
            match self.inner.store.commit(change).await {
                Ok(committed) => {
                    // Before anybody hears of it: no reader may get the old text from memory after the answer.
                    self.inner.tails.evict(id.session_id, &committed.events);
                    self.tell(id.session_id, &committed.events).await;
                    let revised = committed.events.first().map(|event| event.seq).ok_or(Error::Internal)?;
                    let revision = target.event.revision + 1;
                    let event = Event { kind, revision, revised, ..Event::clone(&target.event) };
                    return view::message(&event, sender).ok_or(Error::Internal);
                }
                Err(StoreError::Stale | StoreError::Conflict { found: Conflicting::Row { .. } }) => {
                    freshness = Freshness::Fresh;
                }
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(session = %id.session_id, "a change of a message stayed behind others");
        Err(Error::Unavailable)
    }

    /// The change, and the message's row after it.
    async fn rewriting(&self, target: &Target, intent: Intent<'_>, user: &UserId) -> Result<(Change, EventKind)> {
        let Event { session_id, seq, revision, .. } = *target.event;
        let now = self.inner.clock.now().max(target.known.head.at).max(target.since());
        let (kind, event, write) = target.plan(intent, user, now);
        let mut writes: Vec<Write> = write.into_iter().collect();
        match intent {
            Intent::Edit(_) => {}
            Intent::Delete if revision > 1 => {
                // An edit meanwhile changes the row's revision, and the commit fails.
                let found = self.inner.store.list::<Revisions>(earlier(MessageId { session_id, seq })).await?;
                writes.extend(found.iter().map(|(key, _)| key.remove()));
            }
            Intent::Delete => {}
        }
        let event = NewEvent { actor: user.clone(), created_at: now, kind: EventKind::Message(event) };
        let rewrite = Rewrite { seq, revision, kind: kind.clone() };
        let change = Change::of(session_id, target.known.head.seq, vec![event], writes).rewriting(vec![rewrite]);
        Ok((change, kind))
    }

    /// A message with facts on which the action is allowed, given whether the caller is the author. A denial from cached facts is
    /// decided again on fresh ones.
    async fn target(
        &self,
        principal: &Principal,
        id: MessageId,
        freshness: Freshness,
        action: impl Fn(bool) -> Action,
    ) -> Result<Target> {
        match (self.target_as_of(principal, id, freshness, &action).await, freshness) {
            (Err(Error::Denied(_) | Error::MessageNotFound), Freshness::Cached) => {
                self.target_as_of(principal, id, Freshness::Fresh, &action).await
            }
            (found, Freshness::Cached | Freshness::Fresh) => found,
        }
    }

    async fn target_as_of(
        &self,
        principal: &Principal,
        id: MessageId,
        freshness: Freshness,
        action: &impl Fn(bool) -> Action,
    ) -> Result<Target> {
        let MessageId { session_id, seq } = id;
        let user = &principal.user_id;
        let known = self.known(session_id, user, None, freshness).await?;
        let facts = known.facts();
        match self.inner.permissions.decide(&facts, Action::View) {
            Ok(()) => {}
            // An id must not tell whether there is such a session.
            Err(Denial::Hidden) => return Err(Error::MessageNotFound),
            Err(denial) => return Err(denial.into()),
        }
        if seq == 0 || seq > known.head.seq {
            return Err(Error::MessageNotFound);
        }
        let found = self.inner.store.log(&[LogRange { session_id, from: seq, to: seq }]).await?;
        let event = found.into_iter().flatten().next().ok_or(Error::MessageNotFound)?;
        let EventKind::Message(MessageEvent::Sent { body, client_id, status }) = &event.kind else {
            return Err(Error::MessageNotFound);
        };
        // The server is the author of system messages.
        let own = event.actor == *user && body.message_type != MessageType::System;
        self.inner.permissions.decide(&facts, action(own))?;
        let (body, client_id, status) = (body.clone(), client_id.clone(), status.clone());
        Ok(Target { known, freshness, event, body, client_id, status })
    }
}

/// The earlier texts of a message.
fn earlier(id: MessageId) -> crate::store::Scan {
    Revisions::under(vec![id.session_id.part(), id.seq.part()])
}
