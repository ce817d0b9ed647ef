//! What several tests need.

#![allow(dead_code, reason = "no test needs all of it")]

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    Chat, ChatStore, Error, MemoryStore, Principal, RateLimits, StoreError,
    chat::{CreateSession, EventView, SendMessage, Subscription},
    model::{
        Content, Event, EventKind, Message, ParticipantEvent, RemovalReason, Seq, SessionDetails, SessionId,
        SessionType, UserId,
    },
    permission::Denial,
    store::{
        Change, Committed, Departures, Dues, FactsQuery, Freshness, Key, LogRange, Memberships, Prefix, Profiles,
        Record, Scan, Seats, SessionFacts, TypedKey,
    },
};
use futures_util::future::BoxFuture;

/// A chat without limits on how often it is used.
pub(crate) fn uncounted(store: impl ChatStore) -> Chat {
    Chat::builder(store).rates(RateLimits::off()).build()
}

pub(crate) fn user_id(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn user(name: &str) -> Principal {
    Principal::new(user_id(name))
}

pub(crate) fn id_of(details: &SessionDetails) -> SessionId {
    details.summary.session.id
}

/// A session that the user makes.
pub(crate) async fn session(chat: &Chat, owner: &Principal, session_type: SessionType) -> SessionId {
    id_of(&chat.create_session(owner, CreateSession::titled("A session").of_type(session_type)).await.unwrap())
}

/// A public session of the first with the others in it.
pub(crate) async fn room(chat: &Chat, owner: &Principal, others: &[&Principal]) -> SessionId {
    let id = session(chat, owner, SessionType::Public).await;
    for other in others {
        chat.join(other, id).await.unwrap();
    }
    id
}

pub(crate) async fn say(chat: &Chat, who: &Principal, id: SessionId, text: &str) -> Message {
    chat.send(who, id, SendMessage::text(text)).await.unwrap()
}

/// A message as an event shows it: without what belongs to its reader.
pub(crate) fn told(message: Message) -> Message {
    Message { reactions: None, thread: None, sender_blocked: None, ..message }
}

/// The event by which a user who manages a session removes another one.
pub(crate) fn removed(user: &Principal) -> EventKind {
    let (user_id, reason) = (user.user_id.clone(), RemovalReason::ByManager);
    EventKind::Participant(ParticipantEvent::Removed { user_id, reason })
}

pub(crate) fn text_of(message: &Message) -> &str {
    match &message.body.content {
        Content::Text(text) => text,
        Content::Encrypted(_) | Content::Deleted => panic!("no text"),
    }
}

#[track_caller]
pub(crate) fn assert_denied<T: std::fmt::Debug>(result: Result<T, Error>, denial: Denial) {
    assert_eq!(result.unwrap_err(), Error::Denied(denial));
}

/// Gives up on what would otherwise hang for ever. Says nothing about how fast something is.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("nothing came in half a minute")
}

/// The next event, which must come.
pub(crate) async fn next(events: &mut Subscription) -> Arc<EventView> {
    in_time(events.next_event()).await.expect("the stream ended").expect("the stream failed")
}

/// The next so many events.
pub(crate) async fn take(events: &mut Subscription, count: usize) -> Vec<Arc<EventView>> {
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        taken.push(next(events).await);
    }
    taken
}

pub(crate) fn seqs(events: &[Arc<EventView>]) -> Vec<Seq> {
    events.iter().map(|view| view.event.seq).collect()
}

/// The in-memory store, which can be made to fail or to forget, and counts how often it is read.
#[derive(Clone, Default)]
pub(crate) struct Breakable {
    store: MemoryStore,
    /// Every read fails.
    pub(crate) reads_fail: Arc<AtomicBool>,
    /// Every commit fails and changes nothing.
    pub(crate) commits_fail: Arc<AtomicBool>,
    /// The next commit fails and changes nothing.
    pub(crate) next_commit_fails: Arc<AtomicBool>,
    /// Reads begin to fail with the next commit of an event, which itself succeeds.
    pub(crate) reads_fail_after_commit: Arc<AtomicBool>,
    /// Reads of any kind.
    pub(crate) reads: Arc<AtomicU64>,
    pub(crate) log_reads: Arc<AtomicU64>,
    /// The tables of the single records that were read.
    pub(crate) tables: Arc<Mutex<Vec<&'static str>>>,
    /// Sessions of which facts were read.
    pub(crate) facts_read: Arc<AtomicU64>,
    pub(crate) membership_lists: Arc<AtomicU64>,
    /// What happens before the next lists of participants are read, one thing each time.
    pub(crate) before_lists: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
    /// The next read of a log panics.
    pub(crate) panics: Arc<AtomicBool>,
    /// Commits to this session wait for ever.
    pub(crate) stuck: Arc<Mutex<Option<SessionId>>>,
    /// The database fails with each commit to this session.
    pub(crate) broken: Arc<Mutex<Option<SessionId>>>,
    /// The log of this session cannot be read.
    pub(crate) corrupt: Arc<Mutex<Option<SessionId>>>,
    /// The profile of this user is there and cannot be read.
    pub(crate) damaged: Arc<Mutex<Option<UserId>>>,
    /// Up to here logs were trimmed.
    pub(crate) trimmed: Arc<AtomicU64>,
}

impl Breakable {
    /// A store with this data.
    pub(crate) fn over(store: MemoryStore) -> Self {
        Self { store, ..Self::default() }
    }

    /// The same data without what is to go wrong.
    pub(crate) fn intact(&self) -> MemoryStore {
        self.store.clone()
    }

    fn read(&self) -> Result<&MemoryStore, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.reads_fail.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("as the test wants it".to_owned()));
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl ChatStore for Breakable {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        if *self.stuck.lock().unwrap() == change.session() && change.session().is_some() {
            std::future::pending::<()>().await;
        }
        if *self.broken.lock().unwrap() == change.session() && change.session().is_some() {
            return Err(StoreError::Backend("as the test wants it".into()));
        }
        if self.next_commit_fails.swap(false, Ordering::SeqCst) || self.commits_fail.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("as the test wants it".to_owned()));
        }
        let is_event = change.append.is_some();
        let committed = self.store.commit(change).await?;
        if is_event && self.reads_fail_after_commit.load(Ordering::SeqCst) {
            self.reads_fail.store(true, Ordering::SeqCst);
        }
        Ok(committed)
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        self.facts_read.fetch_add(queries.len() as u64, Ordering::SeqCst);
        // No question is no read.
        if queries.is_empty() { Ok(Vec::new()) } else { self.read()?.facts(queries, freshness).await }
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        self.log_reads.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics.swap(false, Ordering::SeqCst), "as the test wants it");
        let corrupt = *self.corrupt.lock().unwrap();
        if ranges.iter().any(|range| Some(range.session_id) == corrupt) {
            return Err(StoreError::Corrupt("as the test wants it".to_owned()));
        }
        let mut found = self.read()?.log(ranges).await?;
        let trimmed = self.trimmed.load(Ordering::SeqCst);
        found.iter_mut().for_each(|part| part.retain(|event| event.seq > trimmed));
        Ok(found)
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.tables.lock().unwrap().extend(keys.iter().map(|key| key.table.name));
        let mut found = self.read()?.records(keys).await;
        let damaged = self.damaged.lock().unwrap().clone().map(|user| Profiles { user }.key());
        if let (Some(damaged), Ok(found)) = (damaged, &mut found) {
            // A store goes without what it cannot read.
            found.iter_mut().zip(keys).filter(|(_, key)| **key == damaged).for_each(|(found, _)| *found = None);
        }
        if keys.iter().any(|key| key.table == Profiles::TABLE) {
            // Another task that wants to write a profile does so now.
            tokio::task::yield_now().await;
        }
        found
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        if scans.iter().any(|scan| scan.table == Memberships::TABLE) {
            self.membership_lists.fetch_add(1, Ordering::SeqCst);
        }
        if scans.iter().any(|scan| scan.table == Seats::TABLE) {
            let happens = self.before_lists.lock().unwrap().pop();
            if let Some(happens) = happens {
                happens.await;
            }
        }
        if scans.iter().all(|scan| scan.table == Departures::TABLE || scan.table == Dues::TABLE) {
            // The chat's own look for what is left to do, at a time of its own.
            return self.store.scan(scans).await;
        }
        self.read()?.scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.read()?.count(prefixes).await
    }
}
