//! What the cases are built from: users, sessions, and changes made the way in which the service makes them.

use std::{future::Future, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    clock::{Clock, SystemClock},
    model::{
        ClientId, Content, Event, EventKind, MessageBody, MessageEvent, MessageType, NewEvent, ParticipantEvent,
        ParticipantId, ParticipantRole, Session, SessionChanges, SessionEvent, SessionId, SessionType, SpeakerRole,
        Standing, UserId,
    },
    store::{
        Change, ChatStore, ClientIdClaim, Committed, Conflicting, FactsQuery, Freshness, Head, LogRange,
        ParticipantRecord, ParticipantsQuery, PublicSessions, SessionFacts, Slice, StoreError, Write,
    },
};

pub(super) type Store = Arc<dyn ChatStore>;

/// How often a change is decided again. Each time somebody else got on, and no case has as many of those.
const ATTEMPTS: usize = 1000;

/// Everything that a case ever lists.
pub(super) const fn everything<K>() -> Slice<K> {
    Slice::first(1000)
}

pub(super) async fn facts_of(store: &Store, id: SessionId, users: &[UserId], freshness: Freshness) -> SessionFacts {
    let mut found = store.facts(&[FactsQuery { session_id: id, users }], freshness).await.expect("facts");
    assert_eq!(found.len(), 1, "one query has one answer");
    found.remove(0)
}

pub(super) async fn participants_of(
    store: &Store,
    id: SessionId,
    slice: Slice<ParticipantId>,
) -> Vec<ParticipantRecord> {
    let query = ParticipantsQuery { session_id: id, slice };
    let mut found = store.participants(&[query]).await.expect("participants");
    assert_eq!(found.len(), 1, "one query has one answer");
    found.remove(0)
}

/// A time by its distance to a fixed one, which is itself no whole second.
pub(super) fn at(micros: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_750_000_000) + TimeDelta::microseconds(654_321 + micros)
}

pub(super) fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// A user with any id that some version accepted: a store keeps them all.
pub(super) fn user(name: impl AsRef<str>) -> UserId {
    UserId::from_stored(name).expect("a user id")
}

pub(super) fn users<const N: usize>(names: [&str; N]) -> [UserId; N] {
    names.map(user)
}

pub(super) fn new_id() -> Uuid {
    SystemClock.new_id()
}

pub(super) fn new_session_id() -> SessionId {
    SessionId(new_id())
}

pub(super) fn text(text: impl Into<String>) -> EventKind {
    content(Content::Text(text.into()))
}

pub(super) fn content(content: Content) -> EventKind {
    let body = MessageBody { role: SpeakerRole::User, message_type: MessageType::Text, content };
    EventKind::Message(MessageEvent::Sent { body, client_id: None })
}

/// The text of a message; empty for anything else.
pub(super) fn text_of(event: &Event) -> &str {
    match &event.kind {
        EventKind::Message(MessageEvent::Sent { body, client_id: _ }) => match &body.content {
            Content::Text(text) => text,
            Content::Encrypted(_) => "",
        },
        EventKind::Session(SessionEvent::Created { .. })
        | EventKind::Session(SessionEvent::Updated { .. })
        | EventKind::Session(SessionEvent::Deleted)
        | EventKind::Participant(ParticipantEvent::Joined { .. })
        | EventKind::Participant(ParticipantEvent::Added { .. })
        | EventKind::Participant(ParticipantEvent::Left)
        | EventKind::Participant(ParticipantEvent::Removed { .. })
        | EventKind::Participant(ParticipantEvent::RoleChanged { .. }) => "",
    }
}

pub(super) fn claim(user_id: &UserId, client_id: &str, fingerprint: &str) -> ClientIdClaim {
    let client_id = ClientId::new(client_id).expect("a valid client id");
    ClientIdClaim { user_id: user_id.clone(), client_id, fingerprint: fingerprint.to_owned() }
}

/// A new stay.
pub(super) fn stay(session_id: SessionId, user_id: &UserId, role: ParticipantRole) -> ParticipantRecord {
    let now = now();
    ParticipantRecord {
        id: ParticipantId(new_id()),
        session_id,
        user_id: user_id.clone(),
        standing: Standing::Active(role),
        joined_at: now,
        created_at: now,
        is_engaged: false,
    }
}

pub(super) fn session(owner: &UserId, session_type: SessionType, max_participants: u32) -> Session {
    let now = now();
    Session {
        id: new_session_id(),
        title: "A session".to_owned(),
        description: None,
        session_type,
        max_participants,
        participant_count: 1,
        owner: owner.clone(),
        is_active: true,
        created_at: now,
        updated_at: now,
    }
}

/// A change by one person at one time, that claims nothing.
pub(super) fn change(
    session_id: SessionId,
    decided_at: u64,
    actor: &UserId,
    kinds: Vec<EventKind>,
    writes: Vec<Write>,
) -> Change {
    let created_at = now();
    let event = |kind| NewEvent { actor: actor.clone(), created_at, kind };
    Change { session_id, decided_at, events: kinds.into_iter().map(event).collect(), writes, claim: None }
}

/// The change that makes a session.
pub(super) fn creation(session: &Session) -> Change {
    let owner = stay(session.id, &session.owner, ParticipantRole::Owner);
    let created = EventKind::Session(SessionEvent::Created { session: session.clone(), participant_id: owner.id });
    let writes = vec![Write::Session(session.clone()), Write::Participant(owner)];
    change(session.id, 0, &session.owner, vec![created], writes)
}

#[track_caller]
pub(super) fn assert_stale(outcome: Result<Committed, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Stale)), "the change must be stale, and gave {outcome:?}");
}

/// Where and for what a client id was used, as a commit that conflicts tells it.
#[track_caller]
pub(super) fn conflict(outcome: Result<Committed, StoreError>) -> (u64, String) {
    match outcome {
        Err(StoreError::Conflict { which: Conflicting::ClientId { seq, fingerprint } }) => (seq, fingerprint),
        other => panic!("the client id must be in use, and the commit gave {other:?}"),
    }
}

/// Looks whether a log is what a log must be, from its first event on.
#[track_caller]
pub(super) fn assert_dense(session_id: SessionId, log: &[Arc<Event>]) {
    let (mut number, mut time) = (0, DateTime::UNIX_EPOCH);
    for (event, seq) in log.iter().zip(1..) {
        number += u64::from(event.kind.is_message());
        assert_eq!((event.session_id, event.seq, event.number), (session_id, seq, number), "{event:?}");
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

    pub(super) fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).expect("an index")]
    }
}

/// Everything that can be read of a session.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    facts: SessionFacts,
    log: Vec<Arc<Event>>,
    participants: Vec<ParticipantRecord>,
    sessions: Vec<Vec<(Session, Head)>>,
    public: Vec<PublicSessions>,
}

/// What a plan makes of facts: events by whom, and writes; `None` where there is nothing to do.
pub(super) type Plan = Option<(UserId, Vec<EventKind>, Vec<Write>)>;

/// A session that is changed the way in which the service does it: decided on facts, again where they no longer hold.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) store: Store,
    pub(super) id: SessionId,
    pub(super) owner: UserId,
}

impl Room {
    /// A new session, with an owner who is in no other one of the case.
    pub(super) async fn open(store: &Store, session_type: SessionType, max_participants: u32) -> Self {
        let id = new_session_id();
        Self::of(store, Session { id, ..session(&user(format!("owner of {id}")), session_type, max_participants) })
            .await
    }

    pub(super) async fn public(store: &Store) -> Self {
        Self::open(store, SessionType::Public, 100).await
    }

    pub(super) async fn of(store: &Store, session: Session) -> Self {
        store.commit(creation(&session)).await.expect("a session is made");
        Self { store: Arc::clone(store), id: session.id, owner: session.owner }
    }

    pub(super) async fn facts(&self, users: &[UserId]) -> SessionFacts {
        facts_of(&self.store, self.id, users, Freshness::Fresh).await
    }

    pub(super) async fn session(&self) -> Session {
        self.facts(&[]).await.session.expect("the session was made")
    }

    pub(super) async fn record(&self, user: &UserId) -> Option<ParticipantRecord> {
        self.facts(std::slice::from_ref(user)).await.participants.remove(0)
    }

    pub(super) async fn head(&self) -> Head {
        self.facts(&[]).await.head
    }

    /// The log from `from` to `to`.
    pub(super) async fn range(&self, from: u64, to: u64) -> Vec<Arc<Event>> {
        let range = LogRange { session_id: self.id, from, to };
        let mut found = self.store.log(&[range]).await.expect("a part of the log");
        assert_eq!(found.len(), 1, "one range has one answer");
        found.remove(0)
    }

    /// The log, of which each case makes less than this.
    pub(super) async fn log(&self) -> Vec<Arc<Event>> {
        self.range(1, 2000).await
    }

    pub(super) async fn participants(&self) -> Vec<UserId> {
        let found = participants_of(&self.store, self.id, everything()).await;
        found.into_iter().map(|record| record.user_id).collect()
    }

    pub(super) async fn picture(&self, users: &[UserId]) -> Picture {
        let (mut sessions, mut public) = (Vec::new(), Vec::new());
        for user in users {
            sessions.push(self.store.sessions_of(user, everything()).await.expect("sessions of a user"));
            public.push(self.store.public_sessions(user, everything()).await.expect("public sessions"));
        }
        let participants = participants_of(&self.store, self.id, everything()).await;
        Picture { facts: self.facts(users).await, log: self.log().await, participants, sessions, public }
    }

    /// A message decided at `decided_at`.
    pub(super) fn message(&self, decided_at: u64, who: &UserId, said: &str) -> Change {
        change(self.id, decided_at, who, vec![text(said)], Vec::new())
    }

    /// Commits what `plan` makes of fresh facts.
    pub(super) async fn govern(
        &self,
        users: &[UserId],
        plan: impl Fn(&SessionFacts) -> Plan,
    ) -> Option<Vec<Arc<Event>>> {
        for _ in 0..ATTEMPTS {
            let facts = self.facts(users).await;
            let (actor, kinds, writes) = plan(&facts)?;
            match self.store.commit(change(self.id, facts.head.seq, &actor, kinds, writes)).await {
                Ok(committed) => return Some(committed.events),
                Err(StoreError::Stale) => {}
                Err(error) => panic!("a change failed: {error:?}"),
            }
        }
        panic!("a change decided on fresh facts was stale {ATTEMPTS} times");
    }

    pub(super) async fn put(&self, actor: &UserId, kinds: Vec<EventKind>, writes: Vec<Write>) -> Vec<Arc<Event>> {
        self.govern(&[], |_| Some((actor.clone(), kinds.clone(), writes.clone()))).await.expect("there was a plan")
    }

    pub(super) async fn say(&self, who: &UserId, said: impl Into<String>) -> Arc<Event> {
        self.put(who, vec![text(said)], Vec::new()).await.remove(0)
    }

    /// Whether there was a seat.
    pub(super) async fn join(&self, who: &UserId) -> bool {
        let new = stay(self.id, who, ParticipantRole::Member);
        let plan = |facts: &SessionFacts| {
            let session = facts.session.clone()?;
            if session.participant_count >= session.max_participants {
                return None;
            }
            let before = facts.participants.first().cloned().flatten();
            let record = ParticipantRecord {
                created_at: before.map_or(new.created_at, |record| record.created_at),
                ..new.clone()
            };
            let session = Session { participant_count: session.participant_count + 1, ..session };
            let joined = EventKind::Participant(ParticipantEvent::Joined {
                participant_id: record.id,
                role: ParticipantRole::Member,
            });
            Some((who.clone(), vec![joined], vec![Write::Session(session), Write::Participant(record)]))
        };
        self.govern(std::slice::from_ref(who), plan).await.is_some()
    }

    pub(super) async fn leave(&self, who: &UserId) -> Arc<Event> {
        self.dismiss(who, who, EventKind::Participant(ParticipantEvent::Left)).await
    }

    pub(super) async fn remove(&self, who: &UserId) -> Arc<Event> {
        self.dismiss(&self.owner, who, EventKind::Participant(ParticipantEvent::Removed { user_id: who.clone() })).await
    }

    async fn dismiss(&self, actor: &UserId, who: &UserId, kind: EventKind) -> Arc<Event> {
        let plan = |facts: &SessionFacts| {
            let session = facts.session.clone()?;
            let record = facts.participants.first().cloned().flatten()?;
            let record = ParticipantRecord { standing: Standing::Former(record.standing.role()?), ..record };
            let session = Session { participant_count: session.participant_count - 1, ..session };
            Some((actor.clone(), vec![kind.clone()], vec![Write::Session(session), Write::Participant(record)]))
        };
        self.govern(std::slice::from_ref(who), plan).await.expect("they were in it").remove(0)
    }

    pub(super) async fn update(&self, changes: SessionChanges) -> Arc<Event> {
        let plan = |facts: &SessionFacts| {
            let mut session = facts.session.clone()?;
            changes.apply(&mut session);
            session.updated_at = now();
            let kind = EventKind::Session(SessionEvent::Updated { changes: changes.clone() });
            Some((self.owner.clone(), vec![kind], vec![Write::Session(session)]))
        };
        self.govern(&[], plan).await.expect("there is a session").remove(0)
    }

    pub(super) async fn retitle(&self, title: &str) -> Arc<Event> {
        self.update(SessionChanges { title: Some(title.to_owned()), ..SessionChanges::default() }).await
    }

    pub(super) async fn delete(&self) {
        let plan = |facts: &SessionFacts| {
            let session = Session { is_active: false, ..facts.session.clone()? };
            Some((self.owner.clone(), vec![EventKind::Session(SessionEvent::Deleted)], vec![Write::Session(session)]))
        };
        self.govern(&[], plan).await.expect("there is a session");
    }
}
