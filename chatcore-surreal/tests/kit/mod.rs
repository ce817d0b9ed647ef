//! What the tests build changes from.

use std::sync::Arc;

use chatcore::{
    StoreError,
    model::{
        ClientId, Content, Event, EventKind, MessageBody, MessageEvent, MessageStatus, NewEvent, ParticipantEvent,
        ParticipantId, ParticipantRole, RemovalReason, Session, SessionEvent, SessionId, SessionType, Standing, UserId,
    },
    store::{
        Change, ChatStore, ClientIdUse, ClientIds, Committed, Directory, FactsQuery, Freshness, Key, Listed, LogRange,
        Memberships, Newest, ParticipantRecord, Participants, ProfileRecord, Profiles, Seat, Seats, SessionFacts,
        Sessions, TypedKey as _, Write,
    },
};
use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

pub(crate) fn session(cap: u32) -> Session {
    Session {
        id: SessionId(Uuid::now_v7()),
        title: "A session".to_owned(),
        description: None,
        session_type: SessionType::Public,
        max_participants: cap,
        participant_count: 1,
        owner: user("owner"),
        is_active: true,
        created_at: now(),
        updated_at: now(),
        settings: chatcore::model::SessionSettings::default(),
        archived_at: None,
        deletion: None,
        needs: 0,
    }
}

pub(crate) fn stay(session_id: SessionId, user_id: &UserId, role: ParticipantRole) -> ParticipantRecord {
    let id = ParticipantId(Uuid::now_v7());
    ParticipantRecord::new(id, session_id, user_id.clone(), Standing::Active(role), now())
}

pub(crate) fn change(
    session_id: SessionId,
    decided_at: u64,
    actor: &UserId,
    kind: EventKind,
    writes: Vec<Write>,
) -> Change {
    let events = vec![NewEvent { actor: actor.clone(), created_at: now(), kind }];
    Change::of(session_id, decided_at, events, writes)
}

/// The writes of a session and of one of its participants, with the lists that a chat keeps of both.
fn records(session: &Session, record: &ParticipantRecord) -> Vec<Write> {
    let ParticipantRecord { id: stay, session_id, user_id, .. } = record.clone();
    let listing = Directory { session: Newest(session_id) };
    let membership = Memberships { user: user_id.clone(), session: Newest(session_id) };
    let seat = Seats { session: session_id, stay };
    let is_in = record.standing.role().is_some();
    vec![
        Sessions { session: session_id }.put(session.clone()),
        Participants { session: session_id, user: user_id.clone() }.put(record.clone()),
        if session.is_joinable() { listing.put(Listed) } else { listing.remove() },
        if is_in { membership.put(Listed) } else { membership.remove() },
        if is_in { seat.put(Seat { user: user_id }) } else { seat.remove() },
    ]
}

pub(crate) fn creation(session: &Session) -> Change {
    let owner = stay(session.id, &session.owner, ParticipantRole::Owner);
    let kind = EventKind::Session(SessionEvent::Created { session: session.clone(), participant_id: owner.id });
    change(session.id, 0, &session.owner, kind, records(session, &owner))
}

pub(crate) fn text(text: &str) -> EventKind {
    let content = Content::Text(text.to_owned());
    let body = MessageBody::new(content);
    EventKind::Message(MessageEvent::Sent { body, client_id: None, status: MessageStatus::AsSent })
}

pub(crate) fn message(id: SessionId, decided_at: u64, actor: &UserId, said: &str) -> Change {
    change(id, decided_at, actor, text(said), Vec::new())
}

pub(crate) fn claiming(mut change: Change, client_id: &str, fingerprint: &str) -> Change {
    let append = change.append.as_ref().expect("a change of a session");
    let (session, user) = (append.session_id, append.events[0].actor.clone());
    let key = ClientIds { session, user, client_id: ClientId::new(client_id).expect("a client id") };
    change.writes.push(key.put(ClientIdUse { seq: None, fingerprint: Some(fingerprint.to_owned()) }).absent());
    change
}

pub(crate) fn profile(user: &UserId) -> Change {
    let key = Profiles { user: user.clone() };
    Change::of_records(vec![key.put(ProfileRecord::unknown(user.clone()))])
}

/// The keys of a session's record and of its participants' records.
pub(crate) fn keys(session: SessionId, users: &[UserId]) -> Vec<Key> {
    let participant = |user: &UserId| Participants { session, user: user.clone() }.key();
    std::iter::once(Sessions { session }.key()).chain(users.iter().map(participant)).collect()
}

/// The session of facts that were asked for by [`keys`].
pub(crate) fn session_of(facts: &SessionFacts) -> Option<Session> {
    facts.records[0].as_ref()?.value.get().cloned()
}

/// A participant of facts that were asked for by [`keys`].
pub(crate) fn participant_of(facts: &SessionFacts, place: usize) -> Option<ParticipantRecord> {
    facts.records[1 + place].as_ref()?.value.get().cloned()
}

/// What to do about a join or a removal.
pub(crate) fn joining(facts: &SessionFacts, who: &UserId) -> Option<Change> {
    let session = session_of(facts)?;
    if session.participant_count >= session.max_participants {
        return None;
    }
    let record = stay(session.id, who, ParticipantRole::Member);
    let kind =
        EventKind::Participant(ParticipantEvent::Joined { participant_id: record.id, role: ParticipantRole::Member });
    let counted = Session { participant_count: session.participant_count + 1, ..session };
    Some(change(counted.id, facts.head.seq, who, kind, records(&counted, &record)))
}

pub(crate) fn removing(facts: &SessionFacts, who: &UserId) -> Option<Change> {
    let session = session_of(facts)?;
    let record = participant_of(facts, 0)?;
    let record = ParticipantRecord { standing: Standing::Former(record.standing.role()?), ..record };
    let kind =
        EventKind::Participant(ParticipantEvent::Removed { user_id: who.clone(), reason: RemovalReason::ByManager });
    let counted = Session { participant_count: session.participant_count - 1, ..session };
    let owner = counted.owner.clone();
    Some(change(counted.id, facts.head.seq, &owner, kind, records(&counted, &record)))
}

/// The facts of one session.
pub(crate) async fn facts(
    store: &dyn ChatStore,
    id: SessionId,
    users: &[UserId],
    freshness: Freshness,
) -> SessionFacts {
    let found = store.facts(&[FactsQuery { session_id: id, records: &keys(id, users) }], freshness).await;
    found.expect("facts").remove(0)
}

/// Decides on fresh facts until it is committed or there is nothing to decide.
pub(crate) async fn govern(
    store: &dyn ChatStore,
    id: SessionId,
    who: &UserId,
    plan: impl Fn(&SessionFacts, &UserId) -> Option<Change>,
) -> Option<Committed> {
    loop {
        let facts = facts(store, id, std::slice::from_ref(who), Freshness::Fresh).await;
        match store.commit(plan(&facts, who)?).await {
            Ok(committed) => return Some(committed),
            // Others may be faster for seconds.
            Err(StoreError::Stale | StoreError::Unavailable(_)) => {}
            Err(error) => panic!("a change failed: {error:?}"),
        }
    }
}

pub(crate) async fn log(store: &dyn ChatStore, session_id: SessionId) -> Vec<Arc<Event>> {
    let range = LogRange { session_id, from: 1, to: 1_000_000 };
    store.log(&[range]).await.expect("a log").remove(0)
}

#[track_caller]
pub(crate) fn assert_dense(log: &[Arc<Event>]) {
    let mut number = 0;
    for (event, seq) in log.iter().zip(1..) {
        number += u64::from(event.kind.is_message());
        assert_eq!((event.seq, event.number), (seq, number), "{event:?}");
    }
}
