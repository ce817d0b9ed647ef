//! What is there after a store was opened again.

use super::{
    Reopen,
    kit::{
        Room, Store, add, assert_stale, conflict, found_record, governing, hold, name, put, put_at, said, same, sheet,
        total,
    },
    samples::{every_group, tricky_values},
    tables::{Latest, Sheet},
};
use crate::model::EventKind;
use crate::store::{KeyPart, Part, Rewrite, TypedKey};

/// Writes what a store can hold.
async fn fill(room: &Room) {
    let writes: Vec<_> = tricky_values()
        .into_iter()
        .zip(0..)
        .map(|(value, n)| room.note(format!("{n}")).put(Sheet([("a".to_owned(), value)].into_iter().collect())))
        .collect();
    room.put(every_group(), writes).await;
    let here = put_at::<Latest>(vec![room.id.part(), Part::NewestHere(0)], sheet(1));
    let writes =
        vec![here, room.decree("a", 1), name(room.id.0).put(sheet(1)), add(&room.tally("a"), 5), add(&total("a"), 1)];
    room.put(vec![said("a"), governing()], writes).await;
    let version = room.picture().await.records[&name(room.id.0).key()].version;
    let head = room.head().await.seq;
    let rewrites = vec![Rewrite { seq: 2, revision: 1, kind: EventKind::Unknown }];
    let writes = vec![hold(&name(room.id.0), version), room.note("0").remove()];
    let change = room.change(head, vec![said("b")], writes).rewriting(rewrites);
    room.store.commit(change).await.expect("nothing stands against it");
}

pub(super) async fn survives_reopening(factory: &dyn Reopen) {
    let store = factory.open().await;
    let rooms = [Room::open(&store).await, Room::open(&store).await, Room::open(&store).await];
    fill(&rooms[0]).await;
    fill(&rooms[1]).await;
    put(&store, vec![name("alone").put(sheet(1)), name("gone").put(sheet(1))]).await.expect("nothing is expected");
    put(&store, vec![name("gone").remove()]).await.expect("nothing is expected");
    let mut before = Vec::new();
    for room in &rooms {
        before.push(room.picture().await);
    }
    let ids = rooms.map(|room| room.id);
    // Nothing but the store itself may remember anything.
    let store: Store = factory.reopen(store).await;
    for (id, before) in ids.into_iter().zip(&before) {
        let room = Room { store: store.clone(), id };
        same("after it was opened again", &room.picture().await, before);
        let head = before.facts.head.seq;
        if head > 1 {
            assert_stale(room.commit(before.facts.governance - 1, vec![said("too old")], vec![]).await);
            found_record(room.commit(head, vec![said("again")], vec![name(id.0).put(sheet(2)).absent()]).await);
            let rewrites = vec![Rewrite { seq: 2, revision: 1, kind: said("again") }];
            conflict(store.commit(room.change(head, vec![said("again")], vec![]).rewriting(rewrites)).await);
        }
        same("after the refusals", &room.picture().await, before);
    }
    for (id, before) in ids.into_iter().zip(before) {
        let room = Room { store: store.clone(), id };
        let record = before.records.get(&name(id.0).key());
        let writes = record.map(|record| name(id.0).put(sheet(3)).at(record.version)).into_iter().collect();
        let events = room.commit(before.facts.governance, vec![said("more")], writes).await.expect("it goes on").events;
        let place = (events[0].seq, events[0].number);
        same("the next place", place, (before.facts.head.seq + 1, before.facts.head.number + 1));
    }
}
