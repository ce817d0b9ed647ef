//! What a commit does to a log, and what it refuses.

use super::{
    kit::{
        Room, Store, add, assert_dense, assert_stale, at, conflict, governing, head_of, hold, name, new_session_id,
        put_at, said, same, sheet, text_of, total, user,
    },
    samples::every_group,
    tables::{Latest, Marks, Notes, Tally},
};
use crate::{
    model::NewEvent,
    store::{Change, Expect, KeyPart, Malformed, Part, Rewrite, StoreError, TypedKey, Version, Write},
};

pub(super) async fn a_log_is_numbered_from_one_without_holes(store: Store) {
    let room = Room { store, id: new_session_id() };
    let mut answered = Vec::new();
    for round in 0..5 {
        let decided_at = answered.len() as u64;
        answered.extend(room.commit(decided_at, vec![governing()], vec![]).await.expect("it is not stale").events);
        let kinds = vec![said(format!("{round}")), governing(), said("b")];
        answered.extend(room.commit(decided_at + 1, kinds, vec![]).await.expect("it is not stale").events);
    }
    same("the number of events", answered.len(), 20);
    assert_dense(room.id, &answered);
    same("the head", room.head().await, head_of(&answered));
    same("the log", room.log().await, answered);
}

pub(super) async fn only_messages_take_a_number(store: Store) {
    let room = Room::open(&store).await;
    for kind in every_group() {
        room.put(vec![kind, said("a message")], vec![]).await;
    }
    let log = room.log().await;
    assert_dense(room.id, &log);
    let messages = log.iter().filter(|event| event.kind.is_message()).count();
    same("the number of messages", room.head().await.number, messages as u64);
}

pub(super) async fn the_time_of_an_event_is_never_below_the_one_before(store: Store) {
    let room = Room { store, id: new_session_id() };
    let said = |time: i64| NewEvent { actor: user("ana"), created_at: at(time), kind: said("a message") };
    // Each change: the times that its callers' clocks gave, and the times that are kept.
    let changes: [(&[i64], &[i64]); 7] = [
        (&[0], &[0]),
        (&[5], &[5]),
        (&[4], &[5]),
        (&[-3_600_000_000], &[5]),
        (&[7, 6, 9, 8], &[7, 7, 9, 9]),
        (&[9], &[9]),
        (&[2, 10, 3], &[9, 10, 10]),
    ];
    let mut expected = Vec::new();
    for (given, kept) in changes {
        let events = given.iter().copied().map(said).collect();
        let committed = room.store.commit(Change::of(room.id, 0, events, vec![])).await.expect("messages");
        let times: Vec<_> = committed.events.iter().map(|event| event.created_at).collect();
        same(format!("given {given:?}"), &times[..], kept.iter().copied().map(at).collect::<Vec<_>>());
        expected.extend(times);
        same("the time of the head", Some(&room.head().await.at), expected.last());
    }
    same("the log", room.log().await.iter().map(|event| event.created_at).collect::<Vec<_>>(), expected);
    // Before the first event there is no time to be raised to.
    let early = NewEvent { created_at: at(-2_000_000_000_000_000), ..said(0) };
    let change = Change::of(new_session_id(), 0, vec![early.clone()], vec![]);
    let committed = room.store.commit(change).await.expect("a session begins");
    same("a time before 1970", committed.events[0].created_at, early.created_at);
}

pub(super) async fn the_events_of_a_change_stand_together_in_their_order(store: Store) {
    let room = Room::open(&store).await;
    let texts: Vec<String> = (0..20).map(|n| format!("part {n}")).collect();
    let events = room.put(texts.iter().map(said).collect(), vec![]).await;
    same("the texts", events.iter().map(|event| text_of(event)).collect::<Vec<_>>(), &texts[..]);
    same("positions", events.iter().map(|event| event.seq).collect::<Vec<_>>(), (2..22).collect::<Vec<_>>());
    same("the log", room.range(2, 21).await, events);
}

pub(super) async fn sessions_do_not_disturb_each_other(store: Store) {
    let (one, other) = (Room::open(&store).await, Room::open(&store).await);
    other.put(vec![governing(), said("a message")], vec![other.note("a").put(sheet(1))]).await;
    let committed = one.commit(1, vec![said("a message")], vec![one.note("a").put(sheet(2)).absent()]).await;
    let events = committed.expect("it is neither stale nor in conflict").events;
    same("the place", (events[0].seq, events[0].number), (2, 1));
    for (room, says) in [(one, 2), (other, 1)] {
        let picture = room.picture().await;
        assert_dense(room.id, &picture.log);
        let records: Vec<_> = picture.records.into_iter().map(|(key, record)| (key, record.value.encode())).collect();
        same("the records", records, [(room.note("a").key(), serde_json::json!({ "n": says }))]);
    }
}

/// Every malformed change, as one that has everything else.
fn malformed(room: &Room) -> Vec<(Change, Malformed)> {
    let message = || vec![said("never")];
    let other = Notes { session: new_session_id(), ..room.note("a") };
    let counter = total("a");
    let holds = |expect| Write { expect, ..hold(&name("a"), Version(1)) };
    let with = |write: Write| room.change(1, message(), vec![room.note("never").put(sheet(1)), write]);
    let here = |part| put_at::<Latest>(vec![room.id.part(), part], sheet(1));
    let big = Part::Number(Part::MAX_NUMBER + 1);
    vec![
        (Change::of_records(vec![]), Malformed::Empty),
        (room.change(1, vec![], vec![]), Malformed::NoEvent),
        (room.change(1, vec![], vec![room.note("a").put(sheet(1))]), Malformed::NoEvent),
        (with(other.put(sheet(1))), Malformed::OtherSession),
        (with(other.remove()), Malformed::OtherSession),
        (Change::of_records(vec![room.note("a").put(sheet(1))]), Malformed::OtherSession),
        (with(here(Part::Here(1))), Malformed::NoSuchPart),
        (with(here(Part::NewestHere(7))), Malformed::NoSuchPart),
        (with(put_at::<Marks>(vec![room.id.part(), big, Part::Text("a".into())], sheet(1))), Malformed::NoSuchPart),
        (with(add(&counter, 1).absent()), Malformed::ExpectingCounter),
        (with(add(&counter, 1).at(Version(1))), Malformed::ExpectingCounter),
        (with(Write { key: room.law("a").key(), ..add(&counter, 1) }), Malformed::GovernedCounter),
        (with(holds(Expect::Anything)), Malformed::HoldsNothing),
        (with(holds(Expect::Absent)), Malformed::HoldsNothing),
    ]
}

pub(super) async fn a_malformed_change_is_refused(store: Store) {
    let room = Room::open(&store).await;
    room.put(vec![said("a message")], vec![name("a").put(sheet(1)), total("a").put(Tally(1))]).await;
    let before = room.picture().await;
    for (change, expected) in malformed(&room) {
        match store.commit(change.clone()).await {
            Err(StoreError::Backend(source)) => {
                same(format!("{change:?}"), source.downcast_ref::<Malformed>(), Some(&expected));
            }
            other => panic!("{expected:?} must be refused, and gave {other:?}"),
        }
    }
    same("after the refusals", room.picture().await, before);
}

pub(super) async fn a_refused_change_leaves_no_trace(store: Store) {
    let room = Room::open(&store).await;
    let (held, tally) = (name("held"), room.tally("a"));
    let writes = vec![held.put(sheet(1)), name("gone").put(sheet(1)), add(&tally, 5), room.decree("law", 1)];
    let head = room.put(vec![said("old"), governing()], writes).await[1].seq;
    let before = room.picture().await;
    let version = before.records[&held.key()].version;
    // A change that does everything, up to a write that may be refused.
    let everything = |decided_at, revision, last: Write| {
        let here = vec![room.id.part(), Part::Here(1), Part::Text("a".into())];
        let writes = vec![
            hold(&held, version),
            room.decree("law", 2),
            room.note("new").put(sheet(2)).absent(),
            put_at::<Marks>(here, sheet(3)),
            name("gone").remove(),
            name("new").put(sheet(4)),
            add(&tally, 1),
            add(&total("a"), 1),
            last,
        ];
        let rewrites = vec![Rewrite { seq: 2, revision, kind: said("new") }];
        room.change(decided_at, vec![said("a"), governing(), said("b")], writes).rewriting(rewrites)
    };
    let good = || name("last").put(sheet(1)).absent();
    let unchanged = async |after: &str| same(format!("after {after}"), &room.picture().await, &before);
    for _ in 0..2 {
        assert_stale(store.commit(everything(head - 1, 1, good())).await);
        unchanged("a stale change").await;
        conflict(store.commit(everything(head, 2, good())).await);
        unchanged("a wrong revision").await;
        conflict(store.commit(everything(head, 1, held.put(sheet(9)).absent())).await);
        unchanged("a record that is there").await;
        conflict(store.commit(everything(head, 1, name("nobody").put(sheet(9)).at(version))).await);
        unchanged("a record that is not there").await;
        conflict(store.commit(everything(head, 1, hold(&name("gone"), Version::new()))).await);
        unchanged("a held record of another version").await;
    }
    let events = store.commit(everything(head, 1, good())).await.expect("nothing stands against it").events;
    let after = room.picture().await;
    same("the first position", events[0].seq, head + 1);
    assert_dense(room.id, &after.log);
    same("the number of records", after.records.len(), before.records.len() + 4);
}
