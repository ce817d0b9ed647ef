//! Editing and deleting messages, and what edited messages said before.
//!
//! Both rewrite the message's row and append an event that names the row and holds no text. The row's revision is checked by the
//! commit, so of two changes of one message the later one is decided on what the earlier one left.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use super::{
    Chat,
    decide::{
        govern::Pass,
        review::Verdict,
        target::Target,
        turns::{MessageTurns, behind},
        validate::Faults,
    },
    followers::added,
    mentions::{Beside, Changed, removed},
    messages::a_deletion,
    moderation::Done,
    read::{
        batch::{go_on, only},
        view,
    },
    send::refusal,
    spans::links,
    streamed,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::{Limits, Use},
    model::{
        Attachment, Content, Event, EventKind, Message, MessageBody, MessageEvent, MessageId, MessageRevision,
        MessageStatus, Metadata, ModerationAction, NewEvent, Seq, UserId,
    },
    permission::{Action, Denial},
    store::{
        Change, ClientIdUse, ClientIds, Freshness, Key, KeyPart, MessageReactions, Record, Revision, Revisions,
        Rewrite, Scan, TypedKey, Write,
    },
    trace::use_case,
};

/// An edit of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditMessage {
    /// The new content. The speaker and the type do not change.
    pub content: Content,
    /// The expected revision of the message; `None` for any revision.
    pub revision: Option<u64>,
    /// Further mentioned users, besides the users in the text. `None` keeps the further users of the message.
    pub mentions: Option<Vec<UserId>>,
    /// Whether the message mentions everybody in the session, also without `@all` in the text; `None` keeps the value, as long as the author
    /// may mention everybody.
    pub mentions_everybody: Option<bool>,
    /// The files that the message refers to; `None` keeps the files.
    pub attachments: Option<Vec<Attachment>>,
    /// The metadata of the message: the inner `None` removes the metadata, the outer `None` keeps the metadata.
    pub metadata: Option<Option<Metadata>>,
}

impl EditMessage {
    /// An edit to this content, for any current revision.
    #[must_use]
    pub const fn new(content: Content) -> Self {
        Self { content, revision: None, mentions: None, mentions_everybody: None, attachments: None, metadata: None }
    }

    /// An edit to this text, for any current revision.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    /// Sets the expected revision of the message.
    #[must_use]
    pub const fn of_revision(mut self, revision: u64) -> Self {
        self.revision = Some(revision);
        self
    }

    /// The message as it would be, with the mentions and the links that it had.
    fn applied_to(&self, before: &MessageBody) -> MessageBody {
        let Self { content, revision: _, mentions: _, mentions_everybody: _, attachments, metadata } = self;
        let attachments = attachments.as_ref().unwrap_or(&before.attachments).clone();
        let metadata = metadata.as_ref().unwrap_or(&before.metadata).clone();
        MessageBody { content: content.clone(), attachments, metadata, ..before.clone() }
    }
}

/// What is to become of a message.
#[derive(Debug, Clone, Copy)]
enum Intent<'a> {
    Edit(&'a EditMessage),
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

impl Target {
    /// The answer without a change, where nothing is to be changed or nothing can be; `None` where the message is to be changed.
    fn settled(
        &self,
        intent: Intent<'_>,
        edited: Option<&MessageBody>,
        revision: Option<u64>,
        edits: u32,
    ) -> Option<Result<()>> {
        match (&self.status, intent) {
            (MessageStatus::Deleted { .. }, Intent::Delete) => return Some(Ok(())),
            (MessageStatus::Deleted { .. }, Intent::Edit(_)) => return Some(Err(Error::MessageDeleted)),
            (_, Intent::Edit(_)) if self.body.is_streaming() => return Some(Err(Error::MessageStreaming)),
            (_, Intent::Edit(_)) if edited == Some(&self.body) => return Some(Ok(())),
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

    /// Checks that an edit leaves no message that says nothing.
    fn says_enough(&self, intent: Intent<'_>, limits: &Limits) -> Result<()> {
        let Intent::Edit(edit) = intent else { return Ok(()) };
        if matches!(self.status, MessageStatus::Deleted { .. }) {
            // Its files are gone. The answer is that it is deleted.
            return Ok(());
        }
        let MessageBody { content, attachments, .. } = edit.applied_to(&self.body);
        let mut faults = Faults::default();
        faults.content_beside(&content, !attachments.is_empty(), limits);
        faults.finish()
    }

    /// Since when the message says what it says.
    fn since(&self) -> DateTime<Utc> {
        match &self.status {
            MessageStatus::AsSent => self.event.created_at,
            MessageStatus::Edited { at } | MessageStatus::Deleted { by: _, at } => *at,
        }
    }

    /// The message as it is after the change, the event that tells of it, and the earlier text where it is kept.
    fn plan(
        &self,
        edited: Option<MessageBody>,
        user: &UserId,
        at: DateTime<Utc>,
    ) -> (EventKind, MessageEvent, Option<Write>) {
        let Event { session_id: session, seq: message, revision, .. } = *self.event;
        let (body, status, event, write) = match edited {
            Some(body) => {
                let earlier = Revision { body: self.body.clone(), since: self.since() };
                let kept = Revisions { session, message, revision }.put(earlier);
                let edited = MessageEvent::Edited { message, revision: revision + 1 };
                (body, MessageStatus::Edited { at }, edited, Some(kept))
            }
            None => {
                let status = MessageStatus::Deleted { by: Some(user.clone()), at };
                // Someone who guesses the text could compare it with the fingerprint.
                let blank = self.client_id.clone().map(|client_id| {
                    let used = ClientIdUse { seq: Some(message), fingerprint: None };
                    ClientIds { session, user: self.event.actor.clone(), client_id }.put(used)
                });
                (self.body.deleted(), status, MessageEvent::Deleted { messages: vec![message], expired: false }, blank)
            }
        };
        let sent = MessageEvent::Sent { body, client_id: self.client_id.clone(), status };
        (EventKind::Message(sent), event, write)
    }
}

impl Chat {
    /// Edits a message, and returns the message. The chat keeps the earlier text for moderators. An edit to the current text changes
    /// nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for content outside of the limits; [`MessageNotFound`](Error::MessageNotFound) as for
    /// [`message`](Self::message); [`Denied`](Error::Denied) when the caller is not the author, forwarded the message, or may not send;
    /// [`MessageDeleted`](Error::MessageDeleted); [`MessageStreaming`](Error::MessageStreaming) before the end of a streamed message;
    /// [`RevisionConflict`](Error::RevisionConflict) when the message has another revision than the expected revision;
    /// [`LimitExceeded`](Error::LimitExceeded) after [`message_edits`](crate::Limits::message_edits) edits.
    pub async fn edit_message(&self, principal: &Principal, id: MessageId, edit: EditMessage) -> Result<Message> {
        use_case!("edit_message", id.session_id, async move {
            self.enter(principal, Use::Message).await?;
            let mut faults = Faults::default();
            // The files that an edit keeps are known with the message.
            let may_have_files = edit.attachments.as_ref().is_none_or(|files| !files.is_empty());
            faults.content_beside(&edit.content, may_have_files, &self.inner.limits);
            faults.mentions(edit.mentions.as_deref().unwrap_or_default());
            faults.attachments(edit.attachments.as_deref().unwrap_or_default());
            if let Some(Some(metadata)) = &edit.metadata {
                faults.metadata(metadata);
            }
            faults.finish()?;
            self.rewrite(principal, id, Intent::Edit(&edit), edit.revision).await
        })
    }

    /// Deletes a message, and returns the message without its content. The chat also deletes the earlier texts. Deleting a deleted message
    /// changes nothing.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the caller neither is
    /// an author who may send nor moderates the session; [`RevisionConflict`](Error::RevisionConflict) when the message has another
    /// revision than the expected revision.
    pub async fn delete_message(&self, principal: &Principal, id: MessageId, revision: Option<u64>) -> Result<Message> {
        use_case!("delete_message", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            self.rewrite(principal, id, Intent::Delete, revision).await
        })
    }

    /// The earlier texts of a message, the oldest text first; empty for a message that was not edited, or was deleted.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the
    /// caller does not moderate the session.
    pub async fn message_revisions(&self, principal: &Principal, id: MessageId) -> Result<Vec<MessageRevision>> {
        use_case!("message_revisions", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            only(self.each_revisions(principal, &[id]).await?)
        })
    }

    pub(in crate::chat) async fn each_revisions(
        &self,
        principal: &Principal,
        ids: &[MessageId],
    ) -> Result<Vec<Result<Vec<MessageRevision>>>> {
        let action = Action::ViewRevisions;
        let targets = self.targets(principal, ids, Freshness::Fresh, &|_| action).await?;
        let permit = async |target: Result<Target>| {
            let target = target?;
            self.permit_on(principal, &target, action, None).await?;
            Ok(target)
        };
        let targets: Vec<Result<Target>> = join_all(targets.into_iter().map(permit)).await;
        let scans: Vec<Scan> = targets.iter().flatten().map(|target| earlier(&target.event)).collect();
        let lists = if scans.is_empty() { Vec::new() } else { self.inner.store.scan(&scans).await? };
        let found = go_on(targets, lists, |target, list| Ok((target, list)));
        // What was written after the decision is for readers who are decided on after it.
        let late = |(target, list): &(Target, Vec<(Key, Record)>)| {
            let written = list.iter().map(|(_, record)| record.at).fold(target.event.revised, Seq::max);
            (written > target.known.head.seq).then(|| target.id())
        };
        let again: Vec<MessageId> = found.iter().flatten().filter_map(late).collect();
        let again = match again.as_slice() {
            [] => Vec::new(),
            again => self.targets(principal, again, Freshness::Fresh, &|_| action).await?,
        };
        let mut again = again.into_iter();
        let mut decided = |entry| {
            if late(&entry).is_some() {
                again.next().ok_or(Error::Internal)??;
            }
            Ok(revisions(entry.1))
        };
        Ok(found.into_iter().map(|entry| entry.and_then(&mut decided)).collect())
    }

    /// Edits or deletes a message.
    async fn rewrite(
        &self,
        principal: &Principal,
        id: MessageId,
        intent: Intent<'_>,
        revision: Option<u64>,
    ) -> Result<Message> {
        let mut turns = self.turns_of(id);
        while let Some(freshness) = turns.next().await {
            let target = self.target(principal, id, freshness, |own| intent.action(own)).await?;
            if let Err(error) = target.says_enough(intent, &self.inner.limits) {
                if target.may_be_shown() {
                    return Err(error);
                }
                continue;
            }
            self.permit_change(principal, &target, intent).await?;
            if let Intent::Edit(_) = intent {
                self.may_write_to(principal, &target.known).await?;
            }
            let (edited, entries) = match self.edited(principal, &target, intent, &mut turns).await {
                // A denial is never given from cached facts.
                Err(Error::Denied(_)) if freshness == Freshness::Cached => continue,
                edited => edited?,
            };
            // Before the commit, because an error after it would say that nothing was changed.
            let sender = self.inner.profiles.one(&target.event.actor).await?;
            let rows = std::slice::from_ref(&target.event);
            let extras = self.extras(principal, &[rows]).await?;
            if let Some(settled) = target.settled(intent, edited.as_ref(), revision, self.inner.limits.message_edits) {
                if target.may_be_shown() && extras.written([&*target.event]) <= target.known.head.seq {
                    settled?;
                    let message = view::message(&target.event, sender).ok_or(Error::Internal)?;
                    return Ok(extras.shown_in(message));
                }
                continue;
            }
            let (_thread, mut writes) = self.leaving_thread(&target, intent).await?;
            let followers = added(&entries);
            writes.extend(entries);
            let (change, kind) = self.rewriting(&target, edited, &principal.user_id, writes);
            let Some(committed) = self.try_commit(change).await? else { continue };
            // Before anybody hears of it: no reader may get the old text from memory after the answer.
            self.inner.tails.evict(id.session_id, &committed.events);
            self.inner.ends.evict(id.session_id);
            self.inner.streams.evict(id.session_id, &committed.events);
            drop(turns);
            self.tell(id.session_id, &committed.events).await;
            self.tell_followers(&followers).await;
            let revised = committed.events.first().map(|event| event.seq).ok_or(Error::Internal)?;
            let revision = target.event.revision + 1;
            let event = Event { kind, revision, revised, ..Event::clone(&target.event) };
            let message = view::message(&event, sender).ok_or(Error::Internal)?;
            return Ok(match intent {
                Intent::Edit(_) => extras.shown_in(message),
                Intent::Delete => extras.of_deleted().shown_in(message),
            });
        }
        Err(behind(id.session_id, "a change of a message"))
    }

    /// Asks the host's policy about a change of a message, which it is shown as it would be.
    async fn permit_change(&self, principal: &Principal, target: &Target, intent: Intent<'_>) -> Result<()> {
        let action = intent.action(target.is_of(&principal.user_id));
        let body = match intent {
            Intent::Edit(edit) => Some(edit.applied_to(&target.body)),
            Intent::Delete => None,
        };
        self.permit_on(principal, target, action, body.as_ref()).await
    }

    /// The message as an edit makes it, and the changes of the lists of those whom it mentions; `None` for a deletion.
    async fn edited(
        &self,
        principal: &Principal,
        target: &Target,
        intent: Intent<'_>,
        turns: &mut MessageTurns<'_>,
    ) -> Result<(Option<MessageBody>, Vec<Write>)> {
        let Intent::Edit(edit) = intent else { return Ok((None, Vec::new())) };
        if target.body.origin.is_some() {
            // Another user wrote it.
            return Err(Denial::NotAuthor.into());
        }
        let body = edit.applied_to(&target.body);
        let changes_mentions = edit.mentions.is_some() || edit.mentions_everybody.is_some();
        // A retry of an edit finds its own message.
        let is_same = body == target.body && !changes_mentions;
        if is_same || matches!(target.status, MessageStatus::Deleted { .. }) {
            return Ok((Some(body), Vec::new()));
        }
        let body = self.reviewed_edit(principal, target, body, turns).await?;
        if body.content == target.body.content && !changes_mentions {
            return Ok((Some(body), Vec::new()));
        }
        let kept = Beside::by(&target.body);
        let beside = Beside {
            users: edit.mentions.clone().unwrap_or(kept.users),
            everybody: edit.mentions_everybody.unwrap_or(kept.everybody),
        };
        let changed = Some(Changed { seq: target.event.seq, keeps_everybody: edit.mentions_everybody.is_none() });
        let addressed = self.addressed(principal, &target.known, &body.content, &beside, changed).await?;
        let mut entries = addressed.changes(&target.event, &target.body.mentions);
        entries.extend(self.named_by_edit(&target.event, &target.body, &addressed).await?);
        let (links, mentions) = (links(&body.content), addressed.mentions);
        Ok((Some(MessageBody { mentions, links, ..body }), entries))
    }

    /// The message of an edit after the review by the host's message policy.
    async fn reviewed_edit(
        &self,
        principal: &Principal,
        target: &Target,
        body: MessageBody,
        turns: &mut MessageTurns<'_>,
    ) -> Result<MessageBody> {
        if !self.has_message_policy() {
            return Ok(body);
        }
        if let Some(reviewed) = turns.reviewed(&body) {
            return Ok(reviewed);
        }
        let asked = body.clone();
        let session = target.known.session.as_ref().ok_or(Error::Internal)?;
        let body = match self.review(principal, session, &body, true).await? {
            Verdict::Allow => body,
            Verdict::Change(content) => {
                let mut faults = Faults::default();
                faults.content_beside(&content, !body.attachments.is_empty(), &self.inner.limits);
                faults.finish()?;
                MessageBody { content, ..body }
            }
            // The message stands already, so the edit cannot wait.
            Verdict::Hold(_) => {
                return Err(refusal("a moderator would have to approve this text; send it as a new message"));
            }
            Verdict::Refuse(refusal) => return Err(Error::RefusedByHost(refusal)),
        };
        turns.keep_review(asked, body.clone());
        Ok(body)
    }

    /// The writes that take a reply that is deleted out of the number of its thread's replies, with the gate of the thread.
    async fn leaving_thread(
        &self,
        target: &Target,
        intent: Intent<'_>,
    ) -> Result<(Option<Pass<MessageId>>, Vec<Write>)> {
        let (Intent::Delete, Some(reply)) = (intent, target.body.reply) else { return Ok((None, Vec::new())) };
        let Event { session_id, seq, .. } = *target.event;
        let gate = self.inner.message_gates.pass(MessageId { session_id, seq: reply.root }).await;
        let gone = HashMap::from([(reply.root, HashSet::from([seq]))]);
        Ok((Some(gate), self.without_replies(session_id, &gone).await?))
    }

    /// The change, and the message's row after it. `writes` go with it.
    fn rewriting(
        &self,
        target: &Target,
        edited: Option<MessageBody>,
        user: &UserId,
        mut writes: Vec<Write>,
    ) -> (Change, EventKind) {
        let Event { session_id, seq, revision, .. } = *target.event;
        let now = self.inner.clock.now().max(target.known.head.at).max(target.since());
        let is_deletion = edited.is_none();
        let (kind, event, write) = target.plan(edited, user, now);
        writes.extend(write);
        if is_deletion {
            // A pin or a reply that was decided before must not follow.
            writes.push(a_deletion(session_id));
            // All that can be there, also what this version could not read. An edit meanwhile changes the row's revision, and the commit
            // fails.
            let earlier = |revision| Revisions { session: session_id, message: seq, revision }.remove();
            writes.extend((1..revision).map(earlier));
            writes.push(MessageReactions { session: session_id, message: seq }.remove());
            writes.extend(removed(&target.event, &target.body));
            let id = MessageId { session_id, seq };
            writes.extend(target.body.is_streaming().then(|| streamed::forgotten(id)));
            if !target.is_of(user) {
                let done = Done::upon(user, ModerationAction::MessageDeleted, &target.event.actor, now);
                writes.push(self.noting(session_id, done.of_message(seq)));
            }
        }
        let event = NewEvent { actor: user.clone(), created_at: now, kind: EventKind::Message(event) };
        let rewrite = Rewrite { seq, revision, kind: kind.clone() };
        let change = Change::of(session_id, target.known.head.seq, vec![event], writes).rewriting(vec![rewrite]);
        (change, kind)
    }
}

/// The earlier texts of a message.
fn earlier(message: &Event) -> Scan {
    Revisions::under(vec![message.session_id.part(), message.seq.part()])
}

fn revisions(list: Vec<(Key, Record)>) -> Vec<MessageRevision> {
    let shown = |(key, record): (Key, Record)| {
        let revision = Revisions::from_parts(&key.parts)?.revision;
        let Revision { body, since } = record.value.get::<Revision>()?.clone();
        Some(MessageRevision { revision, body, since })
    };
    list.into_iter().filter_map(shown).collect()
}
