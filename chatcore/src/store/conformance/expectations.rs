//! What a write may expect, and what it finds.

use super::kit::{
    Outcome, Room, Store, add, conflict, found_record, get, hold, name, put, record, said, same, sheet, total,
};
use super::tables::{Marks, Sheet, Tally};
use crate::store::{Conflicting, Key, KeyPart, Part, Record, Rewrite, TypedKey, Version, Write};

/// Commits a write of a key together with other writes, in the way in which the key's table is written.
async fn write(room: &Room, key: &Key, writes: Vec<Write>) -> Outcome {
    if key.session().is_some() { room.write(writes).await } else { put(&room.store, writes).await }
}

/// Looks at every expectation of a write of this key.
async fn expect(room: &Room, typed: &impl TypedKey<Value = Sheet>) {
    let (store, key, other) = (&room.store, typed.key(), Version::new());
    let now = async || record(store, &key).await;
    let refused = async |writes: Vec<Write>| {
        let before = now().await;
        same("what was found", found_record(write(room, &key, writes).await), (key.clone(), before.clone()));
        same("what is there", now().await, before);
    };
    let done = async |writes: Vec<Write>, says: Option<i64>| {
        write(room, &key, writes).await.expect("the expectation holds");
        let value = now().await.map(|record| record.value.encode());
        same("what is there", value, says.map(|says| serde_json::json!({ "n": says })));
    };
    let version = async || now().await.map(|record: Record| record.version).expect("a record");

    for unmet in [typed.put(sheet(1)).at(other), typed.remove().at(other), hold(typed, other)] {
        refused(vec![unmet]).await;
    }
    done(vec![typed.remove()], None).await;
    done(vec![typed.remove().absent()], None).await;
    done(vec![typed.put(sheet(1)).absent()], Some(1)).await;
    let first = version().await;
    done(vec![typed.put(sheet(2)).at(first)], Some(2)).await;
    for unmet in [
        typed.put(sheet(3)).absent(),
        typed.put(sheet(3)).at(first),
        typed.remove().absent(),
        typed.remove().at(first),
        hold(typed, first),
    ] {
        refused(vec![unmet]).await;
    }
    done(vec![typed.put(sheet(2))], Some(2)).await;
    assert!(version().await != first, "the same value in another change has another version");
    done(vec![hold(typed, version().await)], Some(2)).await;
    done(vec![typed.remove().at(version().await)], None).await;
    done(vec![typed.put(sheet(4))], Some(4)).await;
    refused(vec![typed.put(sheet(5)).at(first)]).await;
    done(vec![typed.remove()], None).await;
}

pub(super) async fn a_write_happens_only_where_its_expectation_holds(store: Store) {
    let room = Room::open(&store).await;
    expect(&room, &room.note("a")).await;
    expect(&room, &name("a")).await;
    // A shared record that a session's change writes.
    let version = Version::new();
    let (key, record) = found_record(room.write(vec![name("b").put(sheet(1)).at(version)]).await);
    same("what was found", (key, record), (name("b").key(), None));
    room.write(vec![name("b").put(sheet(1)).absent()]).await.expect("there is none");
    found_record(room.write(vec![name("b").put(sheet(1)).absent()]).await);
}

pub(super) async fn the_first_expectation_that_does_not_hold_is_reported(store: Store) {
    let room = Room::open(&store).await;
    room.put(vec![said("a")], vec![room.note("a").put(sheet(1)), name("a").put(sheet(1))]).await;
    let here = Key { table: Marks::TABLE, parts: vec![room.id.part(), Part::Here(0), Part::Text("a".into())] };
    let bad_here = Write { key: here.clone(), ..name("a").remove().at(Version::new()) };
    let good = [room.note("b").put(sheet(1)).absent(), name("b").put(sheet(1)).absent()];
    let bad = [name("a").put(sheet(1)).absent(), room.note("a").put(sheet(1)).absent(), bad_here];
    for (first, last) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2)] {
        let [note, shared] = good.clone();
        let writes = vec![note, bad[first].clone(), shared, bad[last].clone()];
        let (key, _) = found_record(room.write(writes.clone()).await);
        same("the key, as the change names it", &key, &bad[first].key);
        // Rows come before records, each in its order.
        let row = |seq, revision| Rewrite { seq, revision, kind: said("b") };
        let head = room.head().await.seq;
        let change = room.change(head, vec![said("c")], writes).rewriting(vec![row(1, 1), row(2, 7), row(99, 1)]);
        same("the row", conflict(store.commit(change).await), Conflicting::Row { seq: 2, revision: 1 });
    }
}

pub(super) async fn each_write_sees_the_ones_before_it(store: Store) {
    let room = Room::open(&store).await;
    let (note, shared, tally) = (room.note("a"), name("a"), total("a"));
    room.write(vec![note.put(sheet(0)), shared.put(sheet(0))]).await.expect("nothing is expected");
    let version = get(&store, &note).await.version;
    let other = Version::new();
    let n = sheet;
    // Each: the writes in their order, and the value that is left; or the place of the write that conflicts.
    let good: [(Vec<Write>, Option<i64>); 6] = [
        (vec![note.put(n(1)).at(version), note.put(n(2)).at(version), note.put(n(0))], Some(0)),
        (vec![note.remove(), note.put(n(3)).absent()], Some(3)),
        (vec![note.remove(), note.put(n(3)).absent(), note.remove()], None),
        (vec![note.put(n(4)).absent(), note.put(n(5))], Some(5)),
        (vec![note.put(n(6)), hold(&note, version)], Some(6)),
        (vec![note.remove(), note.put(n(7)), note.put(n(8)).at(other)], Some(8)),
    ];
    for (writes, left) in good {
        let what = format!("{writes:?}");
        room.write(writes).await.unwrap_or_else(|error| panic!("{what} must not fail: {error:?}"));
        let value = record(&store, &note.key()).await.map(|record| record.value.encode());
        same(what, value, left.map(|left| serde_json::json!({ "n": left })));
    }
    let before = room.picture().await;
    let bad = [
        vec![note.put(n(1)), note.put(n(2)).absent()],
        vec![note.remove(), note.put(n(2)).at(version)],
        vec![note.remove(), hold(&note, version)],
        vec![note.remove(), note.put(n(1)), note.remove(), note.remove().at(version)],
    ];
    for writes in bad {
        let what = format!("{writes:?}");
        let is_gone = writes.len() != 2 || writes[0] == note.remove();
        let (key, found) = found_record(room.write(writes).await);
        same(what, (key, found.is_none()), (note.key(), is_gone));
    }
    let adding = vec![add(&tally, 2), add(&tally, 3), tally.remove().absent()];
    found_record(room.write(adding).await);
    same("after the conflicts", room.picture().await, before);
    let adding = vec![tally.put(Tally(10)), add(&tally, 2), add(&tally, -5)];
    room.write(adding).await.expect("nothing is expected");
    same("the counter", *get(&store, &tally).await.value, Tally(7));
}

pub(super) async fn a_held_record_stays_as_it_is(store: Store) {
    let room = Room::open(&store).await;
    let (note, shared) = (room.note("a"), name("a"));
    room.write(vec![note.put(sheet(1)), shared.put(sheet(2))]).await.expect("nothing is expected");
    let keys = [note.key(), shared.key()];
    let before = store.records(&keys).await.expect("records");
    let versions: Vec<Version> = before.iter().flatten().map(|record| record.version).collect();
    for n in 0..3 {
        // Holding again needs no new version.
        let writes = vec![hold(&note, versions[0]), hold(&shared, versions[1]), name("b").put(sheet(n))];
        room.write(writes).await.expect("the version is the same");
        put(&store, vec![hold(&shared, versions[1])]).await.expect("the version is the same");
        same("the held records", store.records(&keys).await.expect("records"), &before[..]);
    }
    put(&store, vec![shared.put(sheet(3)).at(versions[1])]).await.expect("the version is the same");
    found_record(put(&store, vec![hold(&shared, versions[1])]).await);
}
