//! Stores that break one promise each, around the one that keeps them all.

mod commits;
mod faults;
mod reads;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chatcore::{
    model::{Content, EncryptedContent, Event, EventKind, MessageEvent, Seq, SessionId},
    store::{
        Change, ChatStore, Committed, Conflicting, Expect, FactsQuery, Freshness, Head, Json, Key, LogRange,
        MemoryStore, Part, Prefix, Record, Scan, SessionFacts, StoreError, Value, Version, Write, WriteKind,
    },
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::task::yield_now;

pub(crate) use faults::{FAULTS, Fault};

/// A store with one fault.
pub(crate) struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    notes: Mutex<Notes>,
    is_busy: AtomicBool,
}

/// What a fault needs to remember of what went by.
#[derive(Default)]
struct Notes {
    commits: u64,
    /// The session of the last event that governs.
    governed: Option<SessionId>,
    facts: BTreeMap<(SessionId, Vec<Key>), SessionFacts>,
    versions: BTreeMap<Key, Version>,
    /// The place at which a key was written first.
    ages: BTreeMap<Key, usize>,
}

impl Faulty {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { inner: MemoryStore::new(), fault, notes: Mutex::default(), is_busy: AtomicBool::new(false) }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("nothing panics with it")
    }

    async fn whole_log(&self, session_id: SessionId) -> Result<Vec<Arc<Event>>, StoreError> {
        let mut found = self.inner.log(&[LogRange { session_id, from: 1, to: u64::MAX }]).await?;
        Ok(found.remove(0))
    }

    async fn kept(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.inner.records(std::slice::from_ref(key)).await?.remove(0))
    }

    /// A position as it is shown.
    fn seq(&self, seq: Seq) -> Seq {
        if self.has(Fault::LeavesAHole) && seq >= 5 { seq + 1 } else { seq }
    }

    fn time(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        if self.has(Fault::KeepsMilliseconds) { time.trunc_subsecs(3) } else { time }
    }

    fn number(&self, seq: Seq, number: u64) -> u64 {
        if self.has(Fault::NumbersEveryEvent) { seq } else { number }
    }

    /// An event as it is shown.
    fn shown(&self, event: &Event) -> Arc<Event> {
        let mut event = event.clone();
        event.number = self.number(event.seq, event.number);
        event.created_at = self.time(event.created_at);
        event.kind = self.kind(event.kind);
        let is_rewritten = event.revised > 0;
        match self.fault {
            Fault::RenumbersRewrittenEvents if is_rewritten => event.number += 1,
            Fault::DatesRewrittenEvents if is_rewritten => event.created_at += TimeDelta::seconds(1),
            Fault::ForgetsWhoRewrote => event.revised = 0,
            Fault::GovernsByTheNewKind if is_rewritten => event.governs = event.kind.is_governance(),
            Fault::LetsGovernedRecordsOfMessagesPass => event.governs = event.kind.is_governance(),
            _ => {}
        }
        event.seq = self.seq(event.seq);
        Arc::new(event)
    }

    fn kind(&self, kind: EventKind) -> EventKind {
        let EventKind::Message(MessageEvent::Sent { mut body, client_id, status }) = kind else {
            let is_forgotten = self.has(Fault::ForgetsUnknownEvents) && kind == EventKind::Unknown;
            return if is_forgotten {
                EventKind::Message(MessageEvent::Deleted { messages: vec![], expired: false })
            } else {
                kind
            };
        };
        match (self.fault, &body.content) {
            (Fault::TrimsTexts, Content::Text(text)) => body.content = Content::Text(text.trim().to_owned()),
            (Fault::TakesTextForCiphertext, Content::Text(text)) => {
                if let Ok(ciphertext) = serde_json::from_str::<EncryptedContent>(text) {
                    body.content = Content::Encrypted(ciphertext);
                }
            }
            _ => {}
        }
        let client_id = client_id.filter(|_| !self.has(Fault::ForgetsTheSendersName));
        EventKind::Message(MessageEvent::Sent { body, client_id, status })
    }

    fn head(&self, Head { seq, number, at }: Head) -> Head {
        let is_ahead = u64::from(self.has(Fault::IsAheadOfTheLog));
        Head { seq: self.seq(seq) + is_ahead, number: self.number(seq, number), at: self.time(at) }
    }

    /// A key as it is kept.
    fn key(&self, mut key: Key) -> Key {
        self.fold(&mut key.parts);
        key
    }

    fn fold(&self, parts: &mut [Part]) {
        for part in parts {
            if let Part::Text(text) = part {
                *text = match self.fault {
                    Fault::FoldsKeys => text.to_lowercase(),
                    Fault::TrimsKeys => text.trim().to_owned(),
                    _ => continue,
                };
            }
        }
    }

    /// A record as it is shown.
    fn record(&self, key: &Key, record: Record) -> Record {
        let Record { value, version, at } = record;
        let value = match self.fault {
            Fault::ForgetsNulls | Fault::KeepsNumbersAsFloats if value.encode().is_object() => {
                Value::decode(key, key.table.format, self.json(value.encode())).unwrap_or(value)
            }
            _ => value,
        };
        let at = if self.has(Fault::ForgetsPositionsOfRecords) { 0 } else { at };
        let first = self.notes().versions.get(key).copied().filter(|_| self.has(Fault::KeepsTheFirstVersion));
        Record { value, version: first.unwrap_or(version), at }
    }

    fn json(&self, json: Json) -> Json {
        match json {
            Json::Object(fields) => {
                let is_kept = |value: &Json| !(self.has(Fault::ForgetsNulls) && value.is_null());
                fields
                    .into_iter()
                    .filter(|(_, value)| is_kept(value))
                    .map(|(name, value)| (name, self.json(value)))
                    .collect()
            }
            Json::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Json::Number(number) if self.has(Fault::KeepsNumbersAsFloats) => {
                let is_large = number.as_i64().is_some_and(|number| number.unsigned_abs() > 1 << 53);
                if is_large { number.as_f64().into() } else { Json::Number(number) }
            }
            other => other,
        }
    }
}

/// Lets other tasks do what they want to do.
async fn pause() {
    for _ in 0..3 {
        yield_now().await;
    }
}

fn conflict(key: Key, record: Option<Record>) -> StoreError {
    StoreError::Conflict { found: Conflicting::Record { key, record } }
}
