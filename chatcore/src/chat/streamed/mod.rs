//! Streamed messages: a message that grows in parts while it is written.
//!
//! The message is a row of the log from its beginning, without a text. A part is a signal: nothing of it stands in the log. The process that
//! takes the parts keeps the text in memory, and records it every now and then, beside the log. The end rewrites the row with the whole text, as
//! an edit does, and is no edit. So readers are told of each part at once, and the log has two events for a message, however many parts it has.
//!
//! A part is acknowledged before it is recorded. What is not recorded is at most 4 KiB of text, or what came within a second or within
//! [`due_interval`](crate::Limits::due_interval), whichever is less. It is lost with the process. Each part names its offset, so the author
//! notices, and sends the rest again.

mod ending;
pub(in crate::chat) mod live;
mod so_far;

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Chat, SendMessage,
    decide::{due::microseconds, govern::Pass, target::Target, turns::behind, validate::Faults},
    send::Saying,
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::{Limits, Use},
    model::{
        Appended, ClientId, Content, Message, MessageBody, MessageId, MessageStatus, Metadata, ScheduledId, SessionId,
        Signal, SpeakerRole, UserId,
    },
    notify::Hint,
    permission::Action,
    store::{
        Change, ChatStoreExt as _, Due, DueTask, Dues, Expect, Freshness, Key, KeyPart as _, OpenStream,
        OpenStreamList, OpenStreams, Part, StreamedText, StreamedTexts, TypedKey as _, Value, Write, WriteKind,
    },
    trace::use_case,
};
pub use ending::{FailMessage, MAX_FAILURE_CHARS};
use live::Live;
pub(in crate::chat) use live::Streams;
pub(in crate::chat) use so_far::{Texts, streaming};

/// A streamed message: a message that is written in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartMessage {
    /// The speaker.
    pub role: SpeakerRole,
    /// The message that this message answers, in the same session.
    pub reply_to: Option<MessageId>,
    /// The author's idempotency key, as for [`SendMessage::client_id`].
    pub client_id: Option<ClientId>,
    /// Custom data of the host or the client.
    pub metadata: Option<Metadata>,
}

impl StartMessage {
    /// A message of an assistant.
    #[must_use]
    pub const fn of_assistant() -> Self {
        Self { role: SpeakerRole::Assistant, reply_to: None, client_id: None, metadata: None }
    }

    /// Sets the client id.
    #[must_use]
    pub fn with_client_id(mut self, client_id: ClientId) -> Self {
        self.client_id = Some(client_id);
        self
    }
}

/// The records that a message begins with.
pub(in crate::chat) struct Opening {
    pub(in crate::chat) record: StreamedText,
    pub(in crate::chat) writes: Vec<Write>,
    /// Of the list of the session's open messages.
    _gate: Pass<SessionId>,
}

const fn continuing(own: bool) -> Action {
    Action::ContinueMessage { own }
}

fn text_of(id: MessageId) -> StreamedTexts {
    StreamedTexts { session: id.session_id, message: id.seq }
}

/// The write that forgets the recorded text of a message that is deleted.
pub(in crate::chat) fn forgotten(id: MessageId) -> Write {
    text_of(id).remove()
}

/// When a message ends where nothing more comes after a time.
fn ends_at(started_at: DateTime<Utc>, last_at: DateTime<Utc>, limits: &Limits) -> DateTime<Utc> {
    let after = |from: DateTime<Utc>, wait: Duration| {
        TimeDelta::from_std(wait)
            .ok()
            .and_then(|wait| from.checked_add_signed(wait))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    };
    after(last_at, limits.streamed_idle).min(after(started_at, limits.streamed_time))
}

impl Target {
    /// Whether parts may follow.
    ///
    /// # Errors
    /// Why not.
    fn takes_parts(&self) -> Result<()> {
        match (&self.status, self.body.is_streaming()) {
            (MessageStatus::Deleted { .. }, _) => Err(Error::MessageDeleted),
            (MessageStatus::AsSent | MessageStatus::Edited { .. }, true) => Ok(()),
            (MessageStatus::AsSent | MessageStatus::Edited { .. }, false) => Err(Error::MessageNotStreaming),
        }
    }
}

impl Faults {
    fn part(&mut self, text: &str, limits: &Limits) {
        let max = limits.message_chars;
        if text.is_empty() {
            self.add("text", Code::ValidationRequiredField, "at least 1 character".to_owned());
        }
        if text.chars().take(max + 1).count() > max {
            self.add("text", Code::MessageTooLong, format!("at most {max} characters with all parts"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            let message = "control characters other than line breaks and tabs are not allowed";
            self.add("text", Code::ValidationInvalidValue, message.to_owned());
        }
    }
}

impl Chat {
    /// Starts a streamed message. The message has its place and its number from now on, and counts as unread. The text is empty. A retry
    /// with the same client id returns the message of the first call, with the text so far.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not send; [`Invalid`](Error::Invalid) for metadata outside of the limits;
    /// [`LimitExceeded`](Error::LimitExceeded) beyond [`streamed_per_user`](Limits::streamed_per_user) or
    /// [`streamed_per_session`](Limits::streamed_per_session); the errors of [`send`](Self::send) for a reply, a client id and slow mode.
    pub async fn start_streamed_message(
        &self,
        principal: &Principal,
        id: SessionId,
        start: StartMessage,
    ) -> Result<Message> {
        use_case!("start_streamed_message", id, async move {
            self.enter(principal, Use::Message).await?;
            let StartMessage { role, reply_to, client_id, metadata } = start;
            let mut faults = Faults::default();
            faults.reply(reply_to, id);
            if let Some(metadata) = &metadata {
                faults.metadata(metadata);
            }
            faults.finish()?;
            let body = MessageBody { role, metadata, ..MessageBody::new(Content::Text(String::new())) };
            let message = SendMessage { client_id, reply_to, ..SendMessage::new(body) };
            self.say(principal, id, Saying::streamed(message)?).await
        })
    }

    /// Appends a part to a streamed message of the caller, and returns the new length of the text. Readers receive the part at once.
    /// `offset` is the position of the part in the text, in characters (Unicode scalar values). A part that the text already has at that
    /// position changes nothing, so a retry is safe.
    ///
    /// A part costs two reads of the store, and a write if the last write was a second or 4 KiB ago. If several processes take parts of one
    /// message, each part costs a write.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for an empty part, and for a part with which the text is longer than
    /// [`message_chars`](Limits::message_chars); [`OffsetConflict`](Error::OffsetConflict) with the length of the text, for a part that
    /// does not begin at the end of the text; [`MessageNotStreaming`](Error::MessageNotStreaming) after the end, and for a message that was
    /// not streamed; [`MessageDeleted`](Error::MessageDeleted); [`MessageNotFound`](Error::MessageNotFound) as for
    /// [`message`](Self::message); [`Denied`](Error::Denied) when the caller is not the author, or may not send.
    pub async fn append_to_message(
        &self,
        principal: &Principal,
        id: MessageId,
        offset: u64,
        text: &str,
    ) -> Result<Appended> {
        use_case!("append_to_message", id.session_id, async move {
            self.enter(principal, Use::Part).await?;
            let mut faults = Faults::default();
            faults.part(text, &self.inner.limits);
            faults.finish()?;
            let _gate = self.inner.message_gates.pass(id).await;
            let mut is_lost = false;
            for _ in self.turns() {
                // Fresh, because most parts commit nothing that would notice an old permission.
                let target = self.target(principal, id, Freshness::Fresh, continuing).await?;
                if !target.may_be_shown() {
                    continue;
                }
                self.may_write_to(principal, &target.known).await?;
                target.takes_parts()?;
                let now = self.inner.clock.now();
                let Some(live) = self.live(id, now).await? else {
                    if is_lost {
                        return Err(Error::MessageNotStreaming);
                    }
                    // It may just have ended.
                    is_lost = true;
                    continue;
                };
                if ends_at(live.record.started_at, now, &self.inner.limits) <= now {
                    return Err(Error::MessageNotStreaming);
                }
                let grown = live.with_part(offset, text, self.inner.limits.message_chars, now)?;
                if self.take_part(principal, &target, id, grown.as_ref(), (offset, text)).await? {
                    let length = grown.map_or(live.length, |grown| grown.length);
                    return Ok(Appended { message_id: id, length });
                }
            }
            Err(behind(id.session_id, "a part of a message"))
        })
    }

    /// Takes a part, where there is one that the text does not have yet; `false` where it has to be decided again.
    async fn take_part(
        &self,
        principal: &Principal,
        target: &Target,
        id: MessageId,
        grown: Option<&Live>,
        (offset, text): (u64, &str),
    ) -> Result<bool> {
        if self.must_permit(principal) {
            let text = grown.map(|grown| Content::Text(grown.record.text.clone()));
            let body = text.map(|content| MessageBody { content, ..target.body.clone() });
            let action = continuing(target.is_of(&principal.user_id));
            self.permit_on(principal, target, action, body.as_ref()).await?;
        }
        let Some(grown) = grown else { return Ok(true) };
        if grown.is_due(grown.last_at) {
            if !self.record(id, grown).await? {
                return Ok(false);
            }
        } else {
            self.inner.streams.keep(id, grown.clone());
        }
        let (user_id, text) = (target.event.actor.clone(), text.to_owned());
        let MessageId { session_id, seq: message } = id;
        self.publish(Hint::Signal(Signal::MessagePart { session_id, message, user_id, offset, text })).await;
        Ok(true)
    }

    /// What is known of a message that is being written; `None` where no text is recorded.
    pub(super) async fn live(&self, id: MessageId, now: DateTime<Utc>) -> Result<Option<Live>> {
        if let Some(live) = self.inner.streams.get(id) {
            return Ok(Some(live));
        }
        let found = self.inner.store.get(&text_of(id)).await?;
        Ok(found.map(|found| Live::recorded(StreamedText::clone(&found.value), found.version, now)))
    }

    /// Records the text of a message; `false` where another process has changed the record.
    async fn record(&self, id: MessageId, live: &Live) -> Result<bool> {
        let ends_at = ends_at(live.record.started_at, live.last_at, &self.inner.limits);
        let record = StreamedText { ends_at, is_shared: live.must_be_recorded(), ..live.record.clone() };
        let change = Change::of_records(vec![text_of(id).put(record.clone()).at(live.version)]);
        let version = change.id;
        if self.try_commit(change).await?.is_none() {
            self.inner.streams.forget(id);
            return Ok(false);
        }
        self.inner.streams.keep(id, live.clone().recorded_as(record, version, self.inner.clock.now()));
        Ok(true)
    }

    /// Records the acknowledged parts of streamed messages that this process has only in memory. Without this call, a process that ends loses
    /// the parts of the last second, as in a crash.
    pub async fn flush_streams(&self) {
        self.record_streams().await;
    }

    /// Records what this process has of the messages whose parts it takes.
    pub(in crate::chat) async fn record_streams(&self) {
        for id in self.inner.streams.ahead() {
            let _gate = self.inner.message_gates.pass(id).await;
            let Some(live) = self.inner.streams.get(id).filter(Live::is_ahead) else { continue };
            if let Err(error) = self.record(id, &live).await {
                tracing::warn!(session = %id.session_id, %error, "a part of a message is recorded later");
            }
        }
        self.inner.streams.forget_over(self.inner.clock.now());
    }

    /// The records that a message begins with, as its first event writes them.
    pub(in crate::chat) async fn opening(
        &self,
        session: SessionId,
        user: &UserId,
        now: DateTime<Utc>,
        gate: Pass<SessionId>,
    ) -> Result<Opening> {
        let limits = &self.inner.limits;
        let (mut list, write) = self.open_streams(session).await?;
        if is_over(&list, user, limits).is_some() {
            // Messages that were deleted may have left their entries.
            let texts = self.inner.store.list::<StreamedTexts>(StreamedTexts::under(vec![session.part()])).await?;
            let there: HashSet<ScheduledId> = texts.iter().map(|(_, found)| found.value.id).collect();
            list.open.retain(|open| there.contains(&open.id));
        }
        if let Some(error) = is_over(&list, user, limits) {
            return Err(error);
        }
        let id = ScheduledId(self.inner.clock.new_id());
        list.open.push(OpenStream { id, by: user.clone() });
        let ends_at = ends_at(now, now, limits);
        let due = Dues { at: microseconds(ends_at), id };
        let record = StreamedText { id, text: String::new(), started_at: now, ends_at, due: due.at, is_shared: false };
        let key = Key { table: StreamedTexts::TABLE, parts: vec![session.part(), Part::Here(0)] };
        let kind = WriteKind::Put(Value::of::<StreamedTexts>(record.clone()));
        let text = Write { key, expect: Expect::Anything, kind };
        let work = due.put(Due { task: DueTask::EndStream { session }, leased_until: None });
        Ok(Opening { record, writes: vec![text, work, write(list)], _gate: gate })
    }

    /// The messages that are being written in a session, and the write that replaces the list.
    async fn open_streams(&self, session: SessionId) -> Result<(OpenStreamList, impl Fn(OpenStreamList) -> Write)> {
        let key = OpenStreams { session };
        let found = self.inner.store.get(&key).await?;
        let version = found.as_ref().map(|found| found.version);
        let list = found.map(|found| OpenStreamList::clone(&found.value)).unwrap_or_default();
        let write = move |list: OpenStreamList| {
            let write = if list.open.is_empty() { key.remove() } else { key.put(list) };
            match version {
                Some(version) => write.at(version),
                None => write.absent(),
            }
        };
        Ok((list, write))
    }
}

/// The limit that one message more would pass.
fn is_over(list: &OpenStreamList, user: &UserId, limits: &Limits) -> Option<Error> {
    let own = list.open.iter().filter(|open| open.by == *user).count();
    let passed = [
        ("the number of messages that you write in parts in this session", own, limits.streamed_per_user),
        (
            "the number of messages that are written in parts in this session",
            list.open.len(),
            limits.streamed_per_session,
        ),
    ];
    let (what, _, limit) = passed.into_iter().find(|(_, open, limit)| open >= limit)?;
    Some(Error::LimitExceeded { what, limit: limit as u64 })
}
