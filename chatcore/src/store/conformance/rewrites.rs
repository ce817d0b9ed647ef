//! Events that are rewritten in their place.

use std::sync::Arc;

use super::kit::{
    Picture, Room, Store, assert_dense, assert_stale, conflict, governing, head_of, name, said, same, sheet, user,
};
use crate::{
    model::{Content, Event, EventKind, MessageEvent, MessageStatus, NewEvent, Seq},
    store::{Change, Conflicting, Rewrite, TypedKey},
};

/// An event as a rewrite leaves it.
fn rewritten(event: &Event, kind: EventKind, revised: Seq) -> Arc<Event> {
    Arc::new(Event { kind, revision: event.revision + 1, revised, ..event.clone() })
}

pub(super) async fn a_rewritten_event_keeps_its_envelope(store: Store) {
    let room = Room::open(&store).await;
    // Each event has an actor and a time of its own.
    let new = |n: i64| NewEvent { actor: user(format!("user {n}")), created_at: super::kit::at(n), kind: said("old") };
    let early = Room { store: Arc::clone(&store), id: super::kit::new_session_id() };
    let began = Change::of(early.id, 0, (0..6).map(new).collect(), vec![]);
    store.commit(began).await.expect("a session begins");
    let mut log = early.log().await;
    let deleted = EventKind::Message(MessageEvent::Sent {
        body: super::kit::body(Content::Deleted),
        client_id: None,
        status: MessageStatus::Deleted { by: Some(user("ana")), at: super::kit::at(1) },
    });
    let steps: [(&[Seq], EventKind); 4] =
        [(&[3], said("new")), (&[3], said("newer")), (&[1, 3, 6], deleted), (&[8], said("its own"))];
    for (seqs, kind) in steps {
        let first = log.len() as u64 + 1;
        let mut rewrites = Vec::new();
        for seq in seqs {
            let event = &mut log[usize::try_from(*seq).expect("a position") - 1];
            rewrites.push(Rewrite { seq: *seq, revision: event.revision, kind: kind.clone() });
            *event = rewritten(event, kind.clone(), first);
        }
        let edited = EventKind::Message(MessageEvent::Deleted { messages: seqs.to_vec(), expired: false });
        let change = early.change(first - 1, vec![edited, said("more")], vec![]).rewriting(rewrites);
        let events = store.commit(change).await.expect("nothing stands against it").events;
        same(
            "the positions of the answer",
            events.iter().map(|event| event.seq).collect::<Vec<_>>(),
            [first, first + 1],
        );
        log.extend(events);
        let Picture { facts, log: found, records: _ } = early.picture().await;
        same(format!("the log after {seqs:?}"), &found, &log);
        assert_dense(early.id, &found);
        same("the head", facts.head, head_of(&log));
    }
    same("another session", room.log().await.len(), 1);
}

pub(super) async fn a_rewrite_expects_the_revision(store: Store) {
    let room = Room::open(&store).await;
    room.commit(1, vec![said("a"), said("b")], vec![]).await.expect("it is not stale");
    let row = |seq, revision| Rewrite { seq, revision, kind: said("new") };
    let change = |rewrites: &[Rewrite]| {
        let writes = vec![name("a").put(sheet(1))];
        room.change(1, vec![said("more"), said("more")], writes).rewriting(rewrites.to_vec())
    };
    store.commit(change(&[row(2, 1)])).await.expect("the revision is the same");
    let before = room.picture().await;
    // The rows, the position of the first one that is another one, and its revision.
    let refused: [(&[Rewrite], Seq, u64); 10] = [
        (&[row(3, 2)], 3, 1),
        (&[row(3, 0)], 3, 1),
        (&[row(2, 1)], 2, 2),
        (&[row(0, 1)], 0, 0),
        (&[row(0, 0)], 0, 0),
        (&[row(99, 1)], 99, 0),
        (&[row(99, 0)], 99, 0),
        // Its own event is not there yet.
        (&[row(6, 1)], 6, 0),
        (&[row(3, 1), row(2, 1)], 2, 2),
        (&[row(9, 1), row(3, 1), row(2, 1)], 9, 0),
    ];
    for (rewrites, seq, revision) in refused {
        let found = conflict(store.commit(change(rewrites)).await);
        same(format!("{rewrites:?}"), found, Conflicting::Row { seq, revision });
    }
    same("after the conflicts", room.picture().await, before);
    store.commit(change(&[row(3, 1), row(2, 2)])).await.expect("the revisions are the same");
}

pub(super) async fn a_rewritten_event_that_governs_still_governs(store: Store) {
    let room = Room::open(&store).await;
    room.put(vec![said("a")], vec![room.decree("a", 1)]).await;
    room.put(vec![governing(), said("b")], vec![]).await;
    let before = room.picture().await;
    for (seq, kind) in [(3, EventKind::Unknown), (2, said("c"))] {
        let change = room.change(3, vec![said("more")], vec![]);
        let first = store.commit(change.rewriting(vec![Rewrite { seq, revision: 1, kind: kind.clone() }])).await;
        let first = first.expect("nothing stands against it").events[0].seq;
        let event = &before.log[usize::try_from(seq).expect("a position") - 1];
        same("the event", room.range(seq, seq).await, [rewritten(event, kind, first)]);
        same("the facts", room.picture().await.facts.governance, 3);
        assert_stale(room.commit(2, vec![said("too old")], vec![]).await);
    }
    // A rewritten message does not begin to govern, and stays a message.
    let rewrites = vec![Rewrite { seq: 4, revision: 1, kind: governing() }];
    store.commit(room.change(3, vec![said("more")], vec![]).rewriting(rewrites)).await.expect("it is not stale");
    let event = room.range(4, 4).await.remove(0);
    same("the message", (event.number, event.governs), (2, false));
    room.commit(3, vec![said("still good")], vec![]).await.expect("it is not stale");
}
