//! What the cases are built from: sessions, changes of them, and pictures of everything that can be read.

use std::{
    collections::BTreeMap,
    fmt::{Debug, Display},
    future::Future,
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::task::JoinHandle;

use super::tables::{Laws, Names, Notes, Sheet, TABLES, Tallies, Tally, Totals, Word};
use crate::{
    clock::{Clock, SystemClock},
    model::{
        Content, Event, EventKind, MessageBody, MessageEvent, MessageStatus, NewEvent, ParticipantEvent, Seq,
        SessionId, UserId,
    },
    store::{
        Change, ChatStore, Committed, Conflicting, Expect, FactsQuery, Found, Freshness, Head, Key, LogRange, Owner,
        Part, Prefix, Record, Scan, SessionFacts, StoreError, TypedKey, Value, Version, Write, WriteKind,
    },
};

pub(super) type Store = Arc<dyn ChatStore>;
pub(super) type Outcome = Result<Committed, StoreError>;

/// How often a change is decided again. Each time another change was committed, and no case has as many of those.
const ATTEMPTS: usize = 1000;

/// Compares what the store gave with what it must give.
#[track_caller]
pub(super) fn same<T: PartialEq<U> + Debug, U: Debug>(what: impl Display, store: T, expected: U) {
    if store != expected {
        let (store, expected) = (format!("{store:?}"), format!("{expected:?}"));
        // A picture of a session is long, and mostly as it must be.
        let common = store.chars().zip(expected.chars()).take_while(|(one, other)| one == other).count();
        let part = |text: &str| text.chars().skip(common.saturating_sub(300)).take(1000).collect::<String>();
        panic!("{what}\n   store: {}\nexpected: {}", part(&store), part(&expected));
    }
}

/// A time by its distance to a fixed one, which is itself no whole second.
pub(super) fn at(micros: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_750_000_000) + TimeDelta::microseconds(654_321 + micros)
}

pub(super) fn user(name: impl AsRef<str>) -> UserId {
    UserId::from_stored(name).expect("a user id")
}

pub(super) fn new_session_id() -> SessionId {
    SessionId(SystemClock.new_id())
}

/// A message.
pub(super) fn said(text: impl Into<String>) -> EventKind {
    content(Content::Text(text.into()))
}

pub(super) const fn content(content: Content) -> EventKind {
    EventKind::Message(MessageEvent::Sent { body: body(content), client_id: None, status: MessageStatus::AsSent })
}

pub(super) const fn body(content: Content) -> MessageBody {
    MessageBody::new(content)
}

/// An event that governs.
pub(super) const fn governing() -> EventKind {
    EventKind::Participant(ParticipantEvent::Left)
}

/// The text of a message; empty for anything else.
pub(super) fn text_of(event: &Event) -> &str {
    if let EventKind::Message(MessageEvent::Sent { body: MessageBody { content: Content::Text(text), .. }, .. }) =
        &event.kind
    {
        text
    } else {
        ""
    }
}

pub(super) fn word(text: impl Into<String>) -> Word {
    Word(text.into())
}

pub(super) fn name(text: impl Into<String>) -> Names {
    Names { name: word(text) }
}

pub(super) fn total(text: impl Into<String>) -> Totals {
    Totals { name: word(text) }
}

/// A value that can be told from another one.
pub(super) fn sheet(n: i64) -> Sheet {
    Sheet([("n".to_owned(), json!(n))].into_iter().collect())
}

/// Holds a record.
pub(super) fn hold(key: &impl TypedKey, version: Version) -> Write {
    Write { key: key.key(), expect: Expect::Version(version), kind: WriteKind::Hold }
}

/// Adds to a counter.
pub(super) fn add(key: &impl TypedKey<Value = Tally>, number: i64) -> Write {
    Write { key: key.key(), expect: Expect::Anything, kind: WriteKind::Add(number) }
}

/// Puts a value at a key that has no type, because a part of it is the position of an event.
pub(super) fn put_at<K: TypedKey>(parts: Vec<Part>, value: K::Value) -> Write {
    let key = Key { table: K::TABLE, parts };
    Write { key, expect: Expect::Anything, kind: WriteKind::Put(Value::of::<K>(value)) }
}

#[track_caller]
pub(super) fn assert_stale(outcome: Outcome) {
    assert!(matches!(outcome, Err(StoreError::Stale)), "the change must be stale, and gave {outcome:?}");
}

/// What a commit found that conflicts.
#[track_caller]
pub(super) fn conflict(outcome: Outcome) -> Conflicting {
    match outcome {
        Err(StoreError::Conflict { found }) => found,
        other => panic!("the change must conflict, and gave {other:?}"),
    }
}

/// The record that a commit found in place of what it expected, and its key.
#[track_caller]
pub(super) fn found_record(outcome: Outcome) -> (Key, Option<Record>) {
    match conflict(outcome) {
        Conflicting::Record { key, record } => (key, record),
        row @ Conflicting::Row { .. } => panic!("a record must conflict, and not {row}"),
    }
}

/// Looks whether a log is what a log must be, from its first event on.
#[track_caller]
pub(super) fn assert_dense(session_id: SessionId, log: &[Arc<Event>]) {
    let (mut number, mut time) = (0, DateTime::UNIX_EPOCH);
    for (event, seq) in log.iter().zip(1..) {
        number += u64::from(event.kind.is_message());
        let place = (event.session_id, event.seq, event.number);
        same(format!("the place of {event:?}"), place, (session_id, seq, number));
        assert!(event.created_at >= time, "position {seq} is older than the one before");
        time = event.created_at;
    }
}

pub(super) fn head_of(log: &[Arc<Event>]) -> Head {
    let head = |event: &Arc<Event>| Head { seq: event.seq, number: event.number, at: event.created_at };
    log.last().map_or_else(Head::default, head)
}

/// Runs something at the same time as the case. It ends with the case, also where that fails.
pub(super) fn go<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Running<T> {
    Running(tokio::spawn(task))
}

/// What runs at the same time.
pub(super) struct Running<T>(JoinHandle<T>);

impl<T> Running<T> {
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    pub(super) async fn result(mut self) -> T {
        (&mut self.0).await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => panic!("a task of the case was cancelled: {error}"),
        })
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Numbers without a pattern, the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // Knuth's constants for a linear congruential generator; its low bits have short periods.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Whether something happens that happens one time in `of`.
    pub(super) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(super) fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).expect("an index")]
    }
}

/// The only answer to the only question.
#[track_caller]
pub(super) fn only<T>(answers: Result<Vec<T>, StoreError>) -> T {
    let mut answers = answers.expect("an answer");
    same("the number of answers to one question", answers.len(), 1);
    answers.remove(0)
}

/// The record of a key.
pub(super) async fn record(store: &Store, key: &Key) -> Option<Record> {
    only(store.records(std::slice::from_ref(key)).await)
}

/// The record of a key that has one, as the type of its table.
pub(super) async fn get<K: TypedKey>(store: &Store, key: &K) -> Found<K::Value> {
    record(store, &key.key()).await.and_then(|record| record.typed()).expect("there is a record of this type")
}

/// Commits records alone.
pub(super) async fn put(store: &Store, writes: Vec<Write>) -> Outcome {
    store.commit(Change::of_records(writes)).await
}

/// Everything that can be read of a session, and all shared records.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) facts: SessionFacts,
    pub(super) log: Vec<Arc<Event>>,
    pub(super) records: BTreeMap<Key, Record>,
}

/// A session.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) store: Store,
    pub(super) id: SessionId,
}

impl Room {
    /// A new session with one event, which governs.
    pub(super) async fn open(store: &Store) -> Self {
        let room = Self { store: Arc::clone(store), id: new_session_id() };
        room.commit(0, vec![governing()], vec![]).await.expect("a session begins");
        room
    }

    pub(super) fn law(&self, name: impl Into<String>) -> Laws {
        Laws { session: self.id, name: word(name) }
    }

    pub(super) fn note(&self, name: impl Into<String>) -> Notes {
        Notes { session: self.id, name: word(name) }
    }

    pub(super) fn tally(&self, name: impl Into<String>) -> Tallies {
        Tallies { session: self.id, name: word(name) }
    }

    /// Puts a law that says this.
    pub(super) fn decree(&self, name: &str, says: i64) -> Write {
        let key = self.law(name);
        key.put(super::tables::Law { key: key.parts(), says })
    }

    pub(super) fn change(&self, decided_at: Seq, kinds: Vec<EventKind>, writes: Vec<Write>) -> Change {
        let created_at = SystemClock.now();
        let event = |kind| NewEvent { actor: user("ana"), created_at, kind };
        Change::of(self.id, decided_at, kinds.into_iter().map(event).collect(), writes)
    }

    pub(super) async fn commit(&self, decided_at: Seq, kinds: Vec<EventKind>, writes: Vec<Write>) -> Outcome {
        self.store.commit(self.change(decided_at, kinds, writes)).await
    }

    /// Commits with a message, decided now.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Outcome {
        self.commit(self.head().await.seq, vec![said("it goes with this")], writes).await
    }

    /// Commits what `plan` makes of fresh facts about these records, again while they do not hold any more; `None` where there is nothing
    /// to do.
    pub(super) async fn decide(
        &self,
        keys: &[Key],
        plan: impl Fn(&SessionFacts) -> Option<(Vec<EventKind>, Vec<Write>)>,
    ) -> Option<Vec<Arc<Event>>> {
        for _ in 0..ATTEMPTS {
            let facts = self.facts(keys, Freshness::Fresh).await;
            let (kinds, writes) = plan(&facts)?;
            match self.commit(facts.head.seq, kinds, writes).await {
                Ok(committed) => return Some(committed.events),
                Err(StoreError::Stale) => {}
                Err(error) => panic!("a change failed: {error:?}"),
            }
        }
        panic!("a change decided on fresh facts was stale {ATTEMPTS} times");
    }

    pub(super) async fn put(&self, kinds: Vec<EventKind>, writes: Vec<Write>) -> Vec<Arc<Event>> {
        self.decide(&[], |_| Some((kinds.clone(), writes.clone()))).await.expect("there was a plan")
    }

    pub(super) async fn facts(&self, keys: &[Key], freshness: Freshness) -> SessionFacts {
        only(self.store.facts(&[FactsQuery { session_id: self.id, records: keys }], freshness).await)
    }

    pub(super) async fn head(&self) -> Head {
        self.facts(&[], Freshness::Fresh).await.head
    }

    /// The log from `from` to `to`.
    pub(super) async fn range(&self, from: Seq, to: Seq) -> Vec<Arc<Event>> {
        only(self.store.log(&[LogRange { session_id: self.id, from, to }]).await)
    }

    /// The log, of which each case makes less than this.
    pub(super) async fn log(&self) -> Vec<Arc<Event>> {
        self.range(1, 2000).await
    }

    pub(super) async fn picture(&self) -> Picture {
        let prefix = |owner| match owner {
            Owner::Session => vec![Part::Uuid(self.id.0)],
            Owner::Shared => vec![],
        };
        let prefixes: Vec<Prefix> = TABLES.iter().map(|table| Prefix { table, parts: prefix(table.owner) }).collect();
        let scan = |prefix: &Prefix| Scan {
            table: prefix.table,
            prefix: prefix.parts.clone(),
            after: None,
            skip: 0,
            limit: u64::MAX,
            shows_unreadable: false,
        };
        let scans: Vec<Scan> = prefixes.iter().map(scan).collect();
        let records = self.store.scan(&scans).await.expect("records");
        let counts = self.store.count(&prefixes).await.expect("counts");
        same("the counts", counts, records.iter().map(|records| records.len() as u64).collect::<Vec<_>>());
        let records: BTreeMap<Key, Record> = records.into_iter().flatten().collect();
        let laws: Vec<Key> = records.keys().filter(|key| key.table.governed).cloned().collect();
        let facts = self.facts(&laws, Freshness::Fresh).await;
        let kept: Vec<_> = laws.iter().map(|key| records.get(key).cloned()).collect();
        same("governed records", &facts.records, &kept);
        Picture { facts, log: self.log().await, records }
    }
}
