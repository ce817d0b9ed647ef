//! What a process knows of messages that are being written.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    error::{Code, Error, Result},
    model::{Event, MessageId, Seq, SessionId},
    store::{StreamedText, Version},
};

/// The text that is not recorded yet has fewer bytes than this.
const RECORDED_BYTES: usize = 4_096;

/// A part that comes so long after the last record is recorded at once.
const RECORDED_AFTER: TimeDelta = TimeDelta::seconds(1);

/// A message that is being written.
#[derive(Debug, Clone)]
pub(in crate::chat) struct Live {
    /// With the whole text, also what is not recorded yet.
    pub(in crate::chat) record: StreamedText,
    /// The length of the text, in characters.
    pub(in crate::chat) length: u64,
    /// The version of the record.
    pub(in crate::chat) version: Version,
    /// When the last part came.
    pub(in crate::chat) last_at: DateTime<Utc>,
    /// How many bytes of the text are recorded, and since when.
    recorded: usize,
    recorded_at: DateTime<Utc>,
    /// Whether this process has it from the record, so that another one may have written before.
    is_taken_over: bool,
}

fn chars(text: &str) -> u64 {
    text.chars().count() as u64
}

impl Live {
    /// A message whose writing has just begun.
    pub(in crate::chat) fn begun(record: StreamedText, version: Version) -> Self {
        let started_at = record.started_at;
        Self {
            length: 0,
            version,
            last_at: started_at,
            recorded: 0,
            recorded_at: started_at,
            is_taken_over: false,
            record,
        }
    }

    /// A message as it was recorded.
    pub(in crate::chat) fn recorded(record: StreamedText, version: Version, now: DateTime<Utc>) -> Self {
        let (length, recorded) = (chars(&record.text), record.text.len());
        Self { record, length, version, last_at: now, recorded, recorded_at: now, is_taken_over: true }
    }

    /// The same after a commit that recorded it.
    pub(in crate::chat) fn recorded_as(self, record: StreamedText, version: Version, now: DateTime<Utc>) -> Self {
        let recorded = record.text.len();
        Self { record, version, recorded, recorded_at: now, is_taken_over: false, ..self }
    }

    /// The message with a part more; `None` where it has the part already. `max` is the most characters of a text.
    ///
    /// # Errors
    /// [`OffsetConflict`](Error::OffsetConflict) where the part begins elsewhere than at the end; [`Invalid`](Error::Invalid) for a text that
    /// would be too long.
    pub(in crate::chat) fn with_part(
        &self,
        offset: u64,
        part: &str,
        max: usize,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>> {
        let conflict = Error::OffsetConflict { current: self.length };
        if offset > self.length {
            return Err(conflict);
        }
        if offset < self.length {
            let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
            let rest = self.record.text.char_indices().nth(skipped).and_then(|(at, _)| self.record.text.get(at..));
            return if rest.is_some_and(|rest| rest.starts_with(part)) { Ok(None) } else { Err(conflict) };
        }
        let length = self.length.saturating_add(chars(part));
        if length > max as u64 {
            return Err(Error::invalid(
                "text",
                Code::MessageTooLong,
                format!("at most {max} characters with all parts"),
            ));
        }
        let mut grown = self.clone();
        grown.record.text.push_str(part);
        (grown.length, grown.last_at) = (length, now);
        Ok(Some(grown))
    }

    /// Whether something of the text is not recorded.
    pub(in crate::chat) const fn is_ahead(&self) -> bool {
        self.record.text.len() > self.recorded
    }

    /// Whether the last part is to be recorded before it is acknowledged.
    pub(in crate::chat) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.must_be_recorded()
            || self.record.text.len().saturating_sub(self.recorded) >= RECORDED_BYTES
            || now - self.recorded_at >= RECORDED_AFTER
            || now >= self.record.ends_at
    }

    /// Whether other processes write, too, or did before: then the record alone says how far the text has come.
    pub(in crate::chat) const fn must_be_recorded(&self) -> bool {
        self.is_taken_over || self.record.is_shared
    }
}

/// The messages whose parts this process takes.
#[derive(Default)]
pub(in crate::chat) struct Streams(Mutex<BTreeMap<(SessionId, Seq), Live>>);

const fn place(id: MessageId) -> (SessionId, Seq) {
    (id.session_id, id.seq)
}

impl Streams {
    fn all(&self) -> MutexGuard<'_, BTreeMap<(SessionId, Seq), Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::chat) fn get(&self, id: MessageId) -> Option<Live> {
        self.all().get(&place(id)).cloned()
    }

    /// The text of a message so far.
    pub(in crate::chat) fn text(&self, id: MessageId) -> Option<String> {
        self.all().get(&place(id)).map(|live| live.record.text.clone())
    }

    /// Keeps a message that no other process writes.
    pub(in crate::chat) fn keep(&self, id: MessageId, live: Live) {
        if live.must_be_recorded() {
            self.forget(id);
        } else {
            self.all().insert(place(id), live);
        }
    }

    pub(in crate::chat) fn forget(&self, id: MessageId) {
        self.all().remove(&place(id));
    }

    /// Forgets the messages that events rewrote: they were deleted, or ended.
    pub(in crate::chat) fn evict(&self, session: SessionId, events: &[Arc<Event>]) {
        let mut all = self.all();
        if !all.is_empty() {
            events.iter().flat_map(|event| event.kind.rewritten()).for_each(|seq| drop(all.remove(&(session, *seq))));
        }
    }

    /// The messages of a session, in the order of the log.
    pub(in crate::chat) fn of(&self, session: SessionId) -> Vec<Seq> {
        self.all().range((session, 0)..=(session, Seq::MAX)).map(|((_, seq), _)| *seq).collect()
    }

    /// The messages whose text is not recorded as a whole.
    pub(in crate::chat) fn ahead(&self) -> Vec<MessageId> {
        let ahead = |((session_id, seq), live): (&(SessionId, Seq), &Live)| {
            live.is_ahead().then_some(MessageId { session_id: *session_id, seq: *seq })
        };
        self.all().iter().filter_map(ahead).collect()
    }

    /// Forgets the messages whose end, as it is recorded, has passed: another process ends them.
    pub(in crate::chat) fn forget_over(&self, now: DateTime<Utc>) {
        self.all().retain(|_, live| live.is_ahead() || live.record.ends_at > now);
    }
}
