use chatcore::model::{
    ClientId, Content, EventKind, MessageBody, MessageEvent, MessageStatus, NewEvent, ParticipantEvent, UserId,
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use chatcore::store::{ClientIdUse, ClientIds, Head, TypedKey as _};

use super::*;

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::microseconds(micros)
}

fn id(n: u128) -> SessionId {
    SessionId(Uuid::from_u128(n))
}

fn said(micros: i64) -> NewEvent {
    let body = MessageBody::new(Content::Text("a message".into()));
    let kind = EventKind::Message(MessageEvent::Sent { body, client_id: None, status: MessageStatus::AsSent });
    NewEvent { actor: UserId::new("ana").expect("a user id"), created_at: at(micros), kind }
}

fn left() -> NewEvent {
    NewEvent { kind: EventKind::Participant(ParticipantEvent::Left), ..said(0) }
}

fn change(session: u128, decided_at: u64, events: Vec<NewEvent>) -> Change {
    Change::of(id(session), decided_at, events, Vec::new())
}

fn claim(session: u128) -> ClientIds {
    let (user, client_id) = (UserId::new("ana").expect("a user id"), ClientId::new("once").expect("a client id"));
    ClientIds { session: id(session), user, client_id }
}

fn claiming(session: u128, fingerprint: &str) -> Change {
    let used = ClientIdUse { seq: None, fingerprint: Some(fingerprint.to_owned()) };
    Change { writes: vec![claim(session).put(used).absent()], ..change(session, 100, vec![said(0)]) }
}

fn known(seq: u64, number: u64, governance: u64) -> Known {
    Known { head: Head { seq, number, at: at(50) }, governance }
}

/// The positions that each change gets, or what it is refused for.
fn outcomes(changes: &[Change], start: &[(u128, Known)], records: Records) -> Vec<Result<Vec<u64>, String>> {
    let ends = start.iter().map(|(session, known)| (id(*session), *known)).collect();
    let plan = plan(changes.iter(), &World { ends, records, ..World::default() });
    let outcome = |verdict: Verdict| match verdict {
        Verdict::Accepted(committed) => Ok(committed.events.iter().map(|event| event.seq).collect()),
        Verdict::Refused(error) => Err(error.to_string()),
    };
    plan.verdicts.into_iter().map(outcome).collect()
}

fn stale() -> Result<Vec<u64>, String> {
    Err(StoreError::Stale.to_string())
}

#[test]
fn changes_of_a_session_follow_each_other_and_leave_others_alone() {
    let changes = [
        change(1, 5, vec![said(1), said(2)]),
        change(2, 0, vec![said(1)]),
        change(1, 5, vec![said(3)]),
        change(1, 4, vec![said(4)]),
        change(2, 0, vec![said(2)]),
    ];
    let start = [(1, known(7, 3, 5))];
    assert_eq!(
        outcomes(&changes, &start, Records::new()),
        [Ok(vec![8, 9]), Ok(vec![1]), Ok(vec![10]), stale(), Ok(vec![2])]
    );
}

#[test]
fn a_governance_event_in_a_batch_makes_what_follows_it_stale() {
    let changes = [
        change(1, 7, vec![said(1)]),
        change(1, 7, vec![left()]),
        change(1, 7, vec![said(2)]),
        change(1, 9, vec![said(3)]),
        change(2, 0, vec![said(4)]),
    ];
    let start = [(1, known(7, 3, 5))];
    assert_eq!(
        outcomes(&changes, &start, Records::new()),
        [Ok(vec![8]), Ok(vec![9]), stale(), Ok(vec![10]), Ok(vec![1])]
    );
}

#[test]
fn the_first_accepted_use_of_a_client_id_counts() {
    let start = [(1, known(7, 3, 5))];
    let old = Change { writes: claiming(1, "stale").writes, ..change(1, 4, vec![said(0)]) };
    let changes = [old, claiming(1, "first"), claiming(1, "second"), claiming(2, "elsewhere")];
    let conflict =
        || Err(StoreError::Conflict { found: Conflicting::Record { key: claim(1).key(), record: None } }.to_string());
    let found = outcomes(&changes, &start, Records::new());
    assert_eq!(found, [stale(), Ok(vec![8]), conflict(), Ok(vec![1])]);
    // One that was used before counts more.
    let value = Value::of::<ClientIds>(ClientIdUse { seq: None, fingerprint: Some("long ago".to_owned()) });
    let before = Record { value, version: Version(1), at: 3 };
    let found = outcomes(&changes, &start, Records::from([(claim(1).key(), Some(before))]));
    assert_eq!(found, [stale(), conflict(), conflict(), Ok(vec![1])]);
}

#[test]
fn times_never_go_back_and_messages_are_counted() {
    let change = change(1, 5, vec![said(49), left(), said(60), said(55)]);
    let start = HashMap::from([(id(1), known(7, 3, 5))]);
    let plan = plan(std::iter::once(&change), &World { ends: start, ..World::default() });
    let Verdict::Accepted(committed) = &plan.verdicts[0] else { panic!("it is refused") };
    let found: Vec<_> = committed.events.iter().map(|event| (event.seq, event.number, event.created_at)).collect();
    assert_eq!(found, [(8, 4, at(50)), (9, 4, at(50)), (10, 5, at(60)), (11, 6, at(60))]);
    let end = Known { head: Head { seq: 11, number: 6, at: at(60) }, governance: 9 };
    assert_eq!(plan.ends, HashMap::from([(id(1), end)]));
}

#[test]
fn ends_are_written_down_now_and_then() {
    let due = |seq, count, governs: bool| {
        let mut events: Vec<_> = (0..count).map(|_| said(0)).collect();
        events.extend(governs.then(left));
        let start = HashMap::from([(id(1), known(seq, 0, 0))]);
        let change = change(1, seq, events);
        !plan(std::iter::once(&change), &World { ends: start, ..World::default() }).checkpoints.is_empty()
    };
    assert!(due(0, 1, false) && due(255, 1, false) && due(200, 100, false) && due(7, 0, true) && due(300, 600, false));
    assert!(!due(1, 1, false) && !due(256, 1, false) && !due(254, 1, false) && !due(257, 200, false));
}

/// A send is what is written most: each further row costs a third of the throughput.
#[test]
fn a_send_is_one_row_and_two_with_a_client_id() {
    let client_id = Change { append: change(1, 7, vec![said(1)]).append, ..claiming(1, "a fingerprint") };
    for (change, count) in [(change(1, 7, vec![said(1)]), 1), (client_id, 2)] {
        let world = World { ends: HashMap::from([(id(1), known(7, 3, 5))]), ..World::default() };
        let plan = plan(std::iter::once(&change), &world);
        let statement = crate::commit::write::statement(&plan, 1, None).expect("a statement");
        assert_eq!(statement.text, "INSERT $rows RETURN NONE");
        let Some(surrealdb::types::Value::Array(rows)) = statement.binds.get("rows") else { panic!("no rows") };
        assert_eq!((rows.len(), statement.binds.len()), (count, 1));
    }
}
