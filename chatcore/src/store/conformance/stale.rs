//! When a change is stale.

use super::{
    kit::{Room, Store, add, assert_stale, conflict, governing, name, new_session_id, put, said, same, sheet, total},
    samples::every_group,
};
use crate::{
    model::{EventKind, MessageEvent},
    store::{Freshness, Rewrite, TypedKey},
};

pub(super) async fn each_event_that_governs_makes_older_decisions_stale(store: Store) {
    let room = Room::open(&store).await;
    let mut head = 1;
    for kind in every_group().into_iter().filter(EventKind::is_governance) {
        let events = room.commit(head, vec![kind], vec![]).await.expect("it is not stale").events;
        assert!(events[0].governs, "{:?}", events[0]);
        assert_stale(room.commit(head, vec![said("decided before")], vec![]).await);
        head += 1;
    }
    for old in [0, 1, head / 2, head - 1] {
        assert_stale(room.commit(old, vec![governing()], vec![]).await);
    }
    same("the facts", room.facts(&[], Freshness::Fresh).await.governance, head);
}

pub(super) async fn an_event_that_does_not_govern_makes_nothing_stale(store: Store) {
    let room = Room::open(&store).await;
    for kind in every_group().into_iter().filter(|kind| !kind.is_governance()) {
        let writes = vec![room.note("a").put(sheet(1)), add(&room.tally("a"), 1), name("a").put(sheet(1))];
        let events = room.commit(1, vec![kind, said("a message")], writes).await.expect("it is not stale").events;
        assert!(events.iter().all(|event| !event.governs), "{events:?}");
    }
    let records = vec![add(&total("a"), 1)];
    put(&store, records).await.expect("records alone");
    same("the facts", room.facts(&[], Freshness::Fresh).await.governance, 1);
    // The same for what itself governs.
    room.commit(1, vec![governing()], vec![]).await.expect("it is not stale");
    assert_stale(room.commit(1, vec![said("now")], vec![]).await);
}

pub(super) async fn the_last_event_of_a_change_of_governed_records_governs(store: Store) {
    let room = Room::open(&store).await;
    let law = room.law("a");
    let writes = [room.decree("a", 1), room.decree("a", 2), law.remove()];
    for (write, n) in writes.into_iter().zip(0..) {
        let head = room.head().await.seq;
        let kinds = vec![said("a"), EventKind::Message(MessageEvent::Edited { message: 1, revision: n }), said("b")];
        let events = room.commit(head, kinds, vec![room.note("a").put(sheet(n as i64)), write]).await;
        let events = events.expect("it is not stale").events;
        let governs = [false, false, true];
        same("the answer", events.iter().map(|event| event.governs).collect::<Vec<_>>(), governs);
        let log = room.range(head + 1, head + 3).await;
        same("the log", &log, &events);
        same("the facts", room.facts(&[], Freshness::Fresh).await.governance, head + 3);
        room.commit(head + 3, vec![EventKind::Unknown], vec![]).await.expect("it is not stale");
        for old in [head, head + 2] {
            assert_stale(room.commit(old, vec![said("too old")], vec![]).await);
        }
    }
}

pub(super) async fn a_decision_taken_at_the_event_that_governs_is_not_stale(store: Store) {
    let room = Room::open(&store).await;
    // The event stands first, in the middle and last among those of its change.
    for place in 0..3 {
        let mut kinds = vec![said("a"), said("b")];
        kinds.insert(place, governing());
        let events = room.put(kinds, vec![]).await;
        assert_stale(room.commit(events[place].seq - 1, vec![said("just before")], vec![]).await);
        room.commit(events[place].seq, vec![said("just at it")], vec![]).await.expect("it is not stale");
    }
}

pub(super) async fn an_event_that_governs_is_noticed_behind_many_messages(store: Store) {
    let room = Room::open(&store).await;
    room.commit(1, vec![governing()], vec![]).await.expect("it is not stale");
    for _ in 0..6 {
        room.commit(2, (0..50).map(|n| said(format!("{n}"))).collect(), vec![]).await.expect("it is not stale");
    }
    assert_stale(room.commit(1, vec![said("too old")], vec![]).await);
    let committed = room.commit(2, vec![said("still good")], vec![]).await.expect("it is not stale");
    same("the position", committed.events[0].seq, 303);
    same("the facts", room.facts(&[], Freshness::Fresh).await.governance, 2);
}

pub(super) async fn a_session_begins_once(store: Store) {
    let room = Room { store, id: new_session_id() };
    let begin = |says| vec![room.decree("a", says), room.note("a").put(sheet(says))];
    room.commit(0, vec![governing()], begin(1)).await.expect("a session begins");
    let before = room.picture().await;
    assert_stale(room.commit(0, vec![governing()], begin(2)).await);
    same("after the second beginning", room.picture().await, before);
}

pub(super) async fn staleness_is_checked_before_conflicts(store: Store) {
    let room = Room::open(&store).await;
    room.commit(1, vec![governing()], vec![name("taken").put(sheet(1))]).await.expect("it is not stale");
    let rewrites = vec![Rewrite { seq: 1, revision: 9, kind: governing() }];
    let writes = vec![name("taken").put(sheet(2)).absent()];
    let retry = |decided_at| room.change(decided_at, vec![said("a retry")], writes.clone());
    // A retry is decided again before its sender learns that it was one: the sender may not be allowed to know any more.
    for change in [retry(1), retry(1).rewriting(rewrites.clone())] {
        assert_stale(store.commit(change).await);
    }
    for change in [retry(2), retry(2).rewriting(rewrites)] {
        conflict(store.commit(change).await);
    }
}
