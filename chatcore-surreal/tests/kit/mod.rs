//! What the tests build changes from.

use std::sync::Arc;

use chatcore::{
    StoreError,
    model::{
        ClientId, Content, Event, EventKind, MessageEvent, ParticipantEvent, SessionEvent, MessageBody, MessageType, NewEvent, ParticipantId, ParticipantRole,
        Session, SessionId, SessionType, SpeakerRole, Standing, UserId,
    },
    store::{
        Change, ChatStore, ClientIdClaim, Committed, FactsQuery, Freshness, LogRange, ParticipantRecord, ProfileRecord,
        SessionFacts, Write,
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
    }
}

pub(crate) fn stay(session_id: SessionId, user_id: &UserId, role: ParticipantRole) -> ParticipantRecord {
    let id = ParticipantId(Uuid::now_v7());
    let (joined_at, created_at) = (now(), now());
    ParticipantRecord {
        id,
        session_id,
        user_id: user_id.clone(),
        standing: Standing::Active(role),
        joined_at,
        created_at,
        is_engaged: false,
    }
}

pub(crate) fn change(
    session_id: SessionId,
    decided_at: u64,
    actor: &UserId,
    kind: EventKind,
    writes: Vec<Write>,
) -> Change {
    let events = vec![NewEvent { actor: actor.clone(), created_at: now(), kind }];
    Change { session_id, decided_at, events, writes, claim: None }
}

pub(crate) fn creation(session: &Session) -> Change {
    let owner = stay(session.id, &session.owner, ParticipantRole::Owner);
    let kind = EventKind::Session(SessionEvent::Created { session: session.clone(), participant_id: owner.id });
    change(session.id, 0, &session.owner, kind, vec![Write::Session(session.clone()), Write::Participant(owner)])
}

pub(crate) fn text(text: &str) -> EventKind {
    let content = Content::Text(text.to_owned());
    let body = MessageBody { role: SpeakerRole::User, message_type: MessageType::Text, content };
    EventKind::Message(MessageEvent::Sent { body, client_id: None })
}

pub(crate) fn message(id: SessionId, decided_at: u64, actor: &UserId, said: &str) -> Change {
    change(id, decided_at, actor, text(said), Vec::new())
}

pub(crate) fn claiming(change: Change, client_id: &str, fingerprint: &str) -> Change {
    let user_id = change.events[0].actor.clone();
    let client_id = ClientId::new(client_id).expect("a client id");
    Change { claim: Some(ClientIdClaim { user_id, client_id, fingerprint: fingerprint.to_owned() }), ..change }
}

pub(crate) fn profile(user_id: &UserId) -> ProfileRecord {
    ProfileRecord { version: 1, ..ProfileRecord::unknown(user_id.clone()) }
}

/// What to do about a join or a removal.
pub(crate) fn joining(facts: &SessionFacts, who: &UserId) -> Option<Change> {
    let session = facts.session.clone()?;
    if session.participant_count >= session.max_participants {
        return None;
    }
    let record = stay(session.id, who, ParticipantRole::Member);
    let kind = EventKind::Participant(ParticipantEvent::Joined { participant_id: record.id, role: ParticipantRole::Member });
    let counted = Session { participant_count: session.participant_count + 1, ..session };
    Some(change(counted.id, facts.head.seq, who, kind, vec![Write::Session(counted), Write::Participant(record)]))
}

pub(crate) fn removing(facts: &SessionFacts, who: &UserId) -> Option<Change> {
    let session = facts.session.clone()?;
    let record = facts.participants.first().cloned().flatten()?;
    let record = ParticipantRecord { standing: Standing::Former(record.standing.role()?), ..record };
    let kind = EventKind::Participant(ParticipantEvent::Removed { user_id: who.clone() });
    let counted = Session { participant_count: session.participant_count - 1, ..session };
    let owner = counted.owner.clone();
    Some(change(counted.id, facts.head.seq, &owner, kind, vec![Write::Session(counted), Write::Participant(record)]))
}

/// The facts of one session.
pub(crate) async fn facts(
    store: &dyn ChatStore,
    id: SessionId,
    users: &[UserId],
    freshness: Freshness,
) -> SessionFacts {
    let found = store.facts(&[FactsQuery { session_id: id, users }], freshness).await;
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
