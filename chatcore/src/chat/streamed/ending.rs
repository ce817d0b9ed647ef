//! The end of a streamed message: by its author, or by the server where the author is gone.
//!
//! The end rewrites the message's row with the whole text, and appends an event that names the row. The text, the list of open messages and the
//! work at the end go in the same commit. The text is taken at the version that was read, so no part that was recorded is lost, and of two ends
//! one happens.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{continuing, live::Live, text_of};
use crate::{
    chat::{
        Chat,
        decide::{
            due::microseconds,
            govern::{Known, keys},
            review::Verdict,
            target::Target,
            turns::{MessageTurns, behind},
            validate::Faults,
        },
        followers::added,
        mentions::{Addressed, Beside, Changed},
        read::{extras::Extras, view},
        spans::links,
    },
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Content, Event, EventKind, Message, MessageBody, MessageEvent, MessageId, MessageStatus, NewEvent, Profile,
        SessionId, StreamFailure, StreamState,
    },
    store::{
        Change, ChatStoreExt as _, Due, DueTask, Dues, FactsQuery, Freshness, KeyPart as _, LogRange, Rewrite,
        StreamedText, StreamedTexts, TypedKey as _, Version, Write,
    },
    trace::use_case,
};

/// Maximum length of the explanation of a failed message; the minimum is 1 character.
pub const MAX_FAILURE_CHARS: usize = 200;

/// How long the server tries to have a message reviewed whose author is gone. After that its text is taken away.
const REVIEW_PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// The end of an incomplete streamed message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailMessage {
    /// The explanation of the failure for the readers, at most [`MAX_FAILURE_CHARS`] characters.
    pub detail: Option<String>,
}

/// How an author ends a message.
#[derive(Debug, Clone, Copy)]
enum End<'a> {
    /// With all of its parts, which have so many characters together.
    Finish {
        length: u64,
    },
    Fail(&'a FailMessage),
}

impl End<'_> {
    fn state(self) -> StreamState {
        match self {
            Self::Finish { length: _ } => StreamState::Complete,
            Self::Fail(FailMessage { detail }) => {
                StreamState::Failed { reason: StreamFailure::Aborted, detail: detail.clone() }
            }
        }
    }

    /// Whether a message that has ended has ended like this.
    fn is_of(self, body: &MessageBody) -> bool {
        match (self, &body.stream) {
            // A message policy may have changed the text, so its length says nothing.
            (Self::Finish { .. }, Some(StreamState::Complete))
            | (Self::Fail(_), Some(StreamState::Failed { reason: StreamFailure::Aborted, .. }))
            | (_, Some(StreamState::Failed { reason: StreamFailure::Refused, .. })) => true,
            (Self::Finish { .. } | Self::Fail(_), _) => false,
        }
    }
}

impl Target {
    /// The answer without a change; `None` where the message is to be ended.
    fn ended(&self, end: End<'_>) -> Option<Result<()>> {
        match self.takes_parts() {
            Ok(()) => None,
            Err(Error::MessageNotStreaming) if end.is_of(&self.body) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    }
}

/// A message as it ends.
struct Ending {
    body: MessageBody,
    /// What is written with it.
    writes: Vec<Write>,
}

impl Chat {
    /// Completes a streamed message of the caller, and returns the message. The chat extracts the mentions and links at this time. `length`
    /// is the number of characters of all parts, which detects a missing part. Finishing a finished message changes nothing, so a retry is
    /// safe.
    ///
    /// # Errors
    /// [`OffsetConflict`](Error::OffsetConflict) where the text has another length; [`Invalid`](Error::Invalid) for a message without a
    /// text; [`MessageNotStreaming`](Error::MessageNotStreaming) for a message that has ended in another way, or was not streamed;
    /// otherwise as for [`append_to_message`](Self::append_to_message).
    pub async fn finish_message(&self, principal: &Principal, id: MessageId, length: u64) -> Result<Message> {
        use_case!("finish_message", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            self.end_streamed(principal, id, End::Finish { length }).await
        })
    }

    /// Ends an incomplete streamed message of the caller as failed, and returns the message. The message keeps its text, and mentions
    /// nobody. Failing a failed message changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a detail outside of the limits; otherwise as for [`finish_message`](Self::finish_message).
    pub async fn fail_message(&self, principal: &Principal, id: MessageId, fail: FailMessage) -> Result<Message> {
        use_case!("fail_message", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            let mut faults = Faults::default();
            if let Some(detail) = &fail.detail {
                faults.line("detail", detail, MAX_FAILURE_CHARS);
            }
            faults.finish()?;
            self.end_streamed(principal, id, End::Fail(&fail)).await
        })
    }

    async fn end_streamed(&self, principal: &Principal, id: MessageId, end: End<'_>) -> Result<Message> {
        let mut is_lost = false;
        let mut turns = self.turns_of(id);
        while let Some(freshness) = turns.next().await {
            let target = self.target(principal, id, freshness, continuing).await?;
            self.may_write_to(principal, &target.known).await?;
            // Before the commit, because an error after it would say that nothing was changed.
            let sender = self.inner.profiles.one(&target.event.actor).await?;
            let extras = self.extras(principal, &[std::slice::from_ref(&target.event)]).await?;
            if let Some(ended) = target.ended(end) {
                if target.may_be_shown() && extras.written([&*target.event]) <= target.known.head.seq {
                    ended?;
                    return shown(&target.event, sender, &extras);
                }
                continue;
            }
            let now = self.inner.clock.now();
            let live = self.live(id, now).await?;
            if live.is_none() && !is_lost {
                // It may just have ended.
                is_lost = true;
                continue;
            }
            let ending = match self.ending(principal, &target, (live.as_ref(), end), &mut turns).await {
                // A denial is never given from cached facts, and neither is what a message lacks that may have ended.
                Err(Error::Denied(_) | Error::OffsetConflict { .. }) if freshness == Freshness::Cached => continue,
                ending => ending?,
            };
            let action = continuing(target.is_of(&principal.user_id));
            self.permit_on(principal, &target, action, Some(&ending.body)).await?;
            if let Some(event) = self.commit_end(&target, ending, live.as_ref(), now).await? {
                return shown(&event, sender, &extras);
            }
        }
        Err(behind(id.session_id, "the end of a message"))
    }

    /// The message as its author ends it.
    async fn ending(
        &self,
        principal: &Principal,
        target: &Target,
        (live, end): (Option<&Live>, End<'_>),
        turns: &mut MessageTurns<'_>,
    ) -> Result<Ending> {
        let text = live.map(|live| live.record.text.clone()).unwrap_or_default();
        let current = live.map_or(0, |live| live.length);
        let content = Content::Text(text);
        match end {
            End::Finish { length } if length != current => return Err(Error::OffsetConflict { current }),
            End::Finish { length: 0 } => {
                let message = "at least 1: a message has a text; fail it or delete it";
                return Err(Error::invalid("length", Code::ValidationInvalidValue, message));
            }
            End::Finish { length: _ } | End::Fail(_) => {}
        }
        let body = MessageBody { content, stream: Some(end.state()), ..target.body.clone() };
        let body = self.reviewed_end(principal, &target.known, body, turns).await?;
        let addressed = if body.stream == Some(StreamState::Complete) {
            let changed = Some(Changed { seq: target.event.seq, keeps_everybody: false });
            self.addressed(principal, &target.known, &body.content, &Beside::default(), changed).await?
        } else {
            Addressed::default()
        };
        let mut writes = addressed.changes(&target.event, &target.body.mentions);
        writes.extend(self.named_by_edit(&target.event, &target.body, &addressed).await?);
        let body = MessageBody { links: links(&body.content), mentions: addressed.mentions, ..body };
        Ok(Ending { body, writes })
    }

    /// The message at its end, after the review by the host's message policy. Readers have seen the parts by then. So a text that does not pass
    /// is taken away, and the message ends as failed.
    async fn reviewed_end(
        &self,
        principal: &Principal,
        known: &Known,
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
        let body = self.with_reviewed_detail(principal, known, body).await?;
        let body = self.with_reviewed_text(principal, known, body).await?;
        turns.keep_review(asked, body.clone());
        Ok(body)
    }

    async fn with_reviewed_text(&self, principal: &Principal, known: &Known, body: MessageBody) -> Result<MessageBody> {
        if matches!(&body.content, Content::Text(text) if text.is_empty()) {
            return Ok(body);
        }
        let session = known.session.as_ref().ok_or(Error::Internal)?;
        match self.review(principal, session, &body, false).await? {
            Verdict::Allow => Ok(body),
            Verdict::Change(content) => {
                let mut faults = Faults::default();
                faults.content(&content, &self.inner.limits);
                faults.finish()?;
                Ok(MessageBody { content, ..body })
            }
            // A message that stands in the log cannot wait.
            Verdict::Hold(_) => Ok(refused(body, None)),
            Verdict::Refuse(refusal) => Ok(refused(body, Some(refusal.detail()))),
        }
    }

    /// The message with the author's words about its failure, as far as the host's message policy lets them pass. It is asked about them as
    /// about the text of a message.
    async fn with_reviewed_detail(
        &self,
        principal: &Principal,
        known: &Known,
        body: MessageBody,
    ) -> Result<MessageBody> {
        let Some(StreamState::Failed { reason, detail: Some(detail) }) = &body.stream else { return Ok(body) };
        let session = known.session.as_ref().ok_or(Error::Internal)?;
        let draft = MessageBody { content: Content::Text(detail.clone()), ..body.clone() };
        let detail = match self.review(principal, session, &draft, false).await? {
            Verdict::Allow => return Ok(body),
            Verdict::Change(Content::Text(text)) => {
                let mut faults = Faults::default();
                faults.line("detail", &text, MAX_FAILURE_CHARS);
                faults.finish().is_ok().then_some(text)
            }
            Verdict::Change(Content::Encrypted(_) | Content::Deleted) | Verdict::Hold(_) | Verdict::Refuse(_) => None,
        };
        let stream = Some(StreamState::Failed { reason: *reason, detail });
        Ok(MessageBody { stream, ..body })
    }

    /// Commits the end of a message and tells readers of it. Gives the message's row after it; `None` where it has to be decided again.
    async fn commit_end(
        &self,
        target: &Target,
        ending: Ending,
        live: Option<&Live>,
        now: DateTime<Utc>,
    ) -> Result<Option<Event>> {
        let Ending { body, mut writes } = ending;
        let followers = added(&writes);
        let id = target.id();
        let MessageId { session_id, seq } = id;
        // All ends in a session write the list of the open messages, so two at once would only make each other fail.
        let gate = self.inner.stream_gates.pass(session_id).await;
        if let Some(Live { record: StreamedText { id: writing, due, .. }, version, .. }) = live {
            writes.push(text_of(id).remove().at(*version));
            writes.push(Dues { at: *due, id: *writing }.remove());
            let (mut list, write) = self.open_streams(session_id).await?;
            let before = list.open.len();
            list.open.retain(|open| open.id != *writing);
            writes.extend((list.open.len() < before).then(|| write(list)));
        }
        let Event { revision, ref actor, .. } = *target.event;
        let at = now.max(target.known.head.at);
        let finished = EventKind::Message(MessageEvent::Finished { message: seq, revision: revision + 1 });
        let event = NewEvent { actor: actor.clone(), created_at: at, kind: finished };
        let (client_id, status) = (target.client_id.clone(), target.status.clone());
        let kind = EventKind::Message(MessageEvent::Sent { body, client_id, status });
        let rewrite = Rewrite { seq, revision, kind: kind.clone() };
        let change = Change::of(session_id, target.known.head.seq, vec![event], writes).rewriting(vec![rewrite]);
        let Some(committed) = self.try_commit(change).await? else {
            self.forget_where_changed(id, live).await?;
            return Ok(None);
        };
        self.inner.streams.forget(id);
        self.inner.tails.evict(session_id, &committed.events);
        self.inner.ends.evict(session_id);
        drop(gate);
        self.tell(session_id, &committed.events).await;
        self.tell_followers(&followers).await;
        let revised = committed.events.first().map(|event| event.seq).ok_or(Error::Internal)?;
        Ok(Some(Event { kind, revision: revision + 1, revised, ..Event::clone(&target.event) }))
    }

    /// Forgets what this process has of a message whose record another one has changed.
    async fn forget_where_changed(&self, id: MessageId, live: Option<&Live>) -> Result<()> {
        let Some(live) = live else { return Ok(()) };
        let found = self.inner.store.get(&text_of(id)).await?;
        if found.is_none_or(|found| found.version != live.version) {
            self.inner.streams.forget(id);
        }
        Ok(())
    }

    /// Ends a message whose author is gone, where its time is over. Gives how many messages were ended.
    pub(in crate::chat) async fn end_due(&self, key: &Dues, claim: Version, session: SessionId) -> u64 {
        match self.end_where_over(key, claim, session).await {
            Ok(is_ended) => u64::from(is_ended),
            Err(error) => {
                tracing::warn!(%session, %error, "the end of a message is left for later");
                0
            }
        }
    }

    async fn end_where_over(&self, key: &Dues, claim: Version, session: SessionId) -> Result<bool> {
        let texts = self.inner.store.list::<StreamedTexts>(StreamedTexts::under(vec![session.part()])).await?;
        let Some((text, _)) = texts.into_iter().find(|(_, found)| found.value.id == key.id) else {
            return self.clean(key, claim, session).await.map(|()| false);
        };
        let id = MessageId { session_id: session, seq: text.message };
        let mut turns = self.turns_of(id);
        while turns.next().await.is_some() {
            let now = self.inner.clock.now();
            let live = self.live(id, now).await?.filter(|live| live.record.id == key.id);
            let Some(live) = live else { return self.clean(key, claim, session).await.map(|()| false) };
            let ends_at = live.record.ends_at;
            if ends_at > now {
                let next = Dues { at: microseconds(ends_at), id: key.id };
                let work = Due { task: DueTask::EndStream { session }, leased_until: None };
                let writes = vec![key.remove().at(claim), next.put(work)];
                self.try_commit(Change::of_records(writes)).await?;
                return Ok(false);
            }
            let Some(target) = self.abandoned(id).await? else {
                // The row is no message that is being written: its text is of before a restored backup.
                let writes = vec![text_of(id).remove().at(live.version)];
                self.try_commit(Change::of_records(writes)).await?;
                continue;
            };
            let time_limit = super::ends_at(live.record.started_at, now, &self.inner.limits) <= now;
            let reason = if time_limit { StreamFailure::TimeLimit } else { StreamFailure::TimedOut };
            let content = Content::Text(live.record.text.clone());
            let stream = Some(StreamState::Failed { reason, detail: None });
            let body = MessageBody { content, stream, ..target.body.clone() };
            let author = Principal::new(target.event.actor.clone());
            let body = match self.reviewed_end(&author, &target.known, body.clone(), &mut turns).await {
                Ok(body) => body,
                // The author is gone and cannot try again. So the server does, for a time.
                Err(error @ Error::Unavailable) if now < ends_at + REVIEW_PATIENCE => return Err(error),
                Err(_) => refused(body, None),
            };
            let body = MessageBody { links: links(&body.content), ..body };
            let ending = Ending { body, writes: vec![key.remove().at(claim)] };
            if self.commit_end(&target, ending, Some(&live), now).await?.is_some() {
                return Ok(true);
            }
        }
        Err(behind(session, "the end of a message whose author is gone"))
    }

    /// Forgets the work on a message that has ended or was deleted.
    async fn clean(&self, key: &Dues, claim: Version, session: SessionId) -> Result<()> {
        let _gate = self.inner.stream_gates.pass(session).await;
        for _ in self.turns() {
            let (mut list, write) = self.open_streams(session).await?;
            let before = list.open.len();
            list.open.retain(|open| open.id != key.id);
            let mut writes = vec![key.remove().at(claim)];
            writes.extend((list.open.len() < before).then(|| write(list)));
            if self.try_commit(Change::of_records(writes)).await?.is_some() {
                return Ok(());
            }
            if self.inner.store.get(key).await?.is_none_or(|found| found.version != claim) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A message that is being written, without the right of anybody: the server ends it.
    async fn abandoned(&self, id: MessageId) -> Result<Option<Target>> {
        let MessageId { session_id, seq } = id;
        let records = keys(session_id, []);
        let query = FactsQuery { session_id, records: &records };
        let facts = self.inner.store.facts(&[query], Freshness::Fresh).await?;
        let known = Known::of(facts.into_iter().next().ok_or(Error::Internal)?, false, self.inner.clock.now())?;
        let rows = self.inner.store.log(&[LogRange { session_id, from: seq, to: seq }]).await?;
        let Some(event) = rows.into_iter().flatten().next() else { return Ok(None) };
        Ok(streaming(known, event))
    }
}

/// A message that the host's message policy does not allow, without the text and the metadata.
fn refused(body: MessageBody, detail: Option<&str>) -> MessageBody {
    let detail = detail.map(|detail| detail.chars().take(MAX_FAILURE_CHARS).collect());
    let stream = Some(StreamState::Failed { reason: StreamFailure::Refused, detail });
    MessageBody { content: Content::Text(String::new()), metadata: None, stream, ..body }
}

fn streaming(known: Known, event: Arc<Event>) -> Option<Target> {
    let EventKind::Message(MessageEvent::Sent { body, client_id, status: status @ MessageStatus::AsSent }) =
        &event.kind
    else {
        return None;
    };
    let (body, client_id, status) = (body.clone(), client_id.clone(), status.clone());
    body.is_streaming().then_some(Target { known, freshness: Freshness::Fresh, event, body, client_id, status })
}

/// A message as its author sees it.
fn shown(event: &Event, sender: Profile, extras: &Extras) -> Result<Message> {
    view::message(event, sender).map(|message| extras.shown_in(message)).ok_or(Error::Internal)
}
