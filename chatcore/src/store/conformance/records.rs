//! Cases about records and their keys.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    kit::{Room, Store, add, get, governing, name, put, put_at, record, said, same, sheet, total, word},
    samples::sorted_texts,
    tables::{Latest, Law, Marks, Mixed, Sheet, Tally},
};
use crate::{
    model::{ParticipantId, SessionId},
    store::{Change, Found, Freshness, Key, KeyPart, Newest, Part, TypedKey},
};

pub(super) async fn a_record_is_replaced_as_a_whole(store: Store) {
    let (session, shared) = (Room::open(&store).await, name("a"));
    let note = session.note("a");
    let values =
        [json!({ "a": 1, "b": { "c": 1, "d": 2 } }), json!({ "b": { "d": null } }), json!({}), json!({ "e": [1] })];
    for value in values {
        let sheet = Sheet(value.as_object().cloned().expect("an object"));
        session.write(vec![note.put(sheet.clone()), shared.put(sheet.clone())]).await.expect("nothing is expected");
        same("the session's record", &*get(&store, &note).await.value, &sheet);
        same("the shared record", &*get(&store, &shared).await.value, &sheet);
        // What is not written stays.
        session.write(vec![name("b").put(sheet.clone())]).await.expect("nothing is expected");
        same("the record that was not written", &*get(&store, &note).await.value, &sheet);
    }
}

pub(super) async fn a_record_carries_its_version_and_position(store: Store) {
    let room = Room::open(&store).await;
    let (note, law, shared, alone) = (room.note("a"), room.law("a"), name("a"), name("b"));
    let mut versions = BTreeSet::new();
    for n in 1..4 {
        let writes = vec![
            note.put(sheet(n)),
            room.decree("a", n),
            shared.put(sheet(n)),
            add(&room.tally("a"), 1),
            add(&total("a"), 1),
        ];
        let change = room.change(room.head().await.seq, vec![said("a"), governing()], writes);
        let committed = store.commit(change.clone()).await.expect("nothing is expected");
        let at = committed.events[0].seq;
        let keys = [note.key(), law.key(), shared.key(), room.tally("a").key(), total("a").key()];
        for (key, found) in keys.iter().zip(store.records(&keys).await.expect("records")) {
            let found = found.expect("it was written");
            same(format!("{key:?}"), (found.version, found.at), (change.id, at));
        }
        let facts = room.facts(&[law.key()], Freshness::Fresh).await;
        let found: Found<Law> = facts.records[0].as_ref().and_then(|record| record.typed()).expect("a law");
        same("the law", (found.version, found.at), (change.id, at));
        // The value was decoded with the parts of its key.
        same("the law", &*found.value, &Law { key: law.parts(), says: n });

        let change = Change::of_records(vec![alone.put(sheet(n))]);
        store.commit(change.clone()).await.expect("nothing is expected");
        let found = get(&store, &alone).await;
        same("a record of no session", (found.version, found.at), (change.id, 0));
        versions.extend([change.id, facts.records[0].as_ref().expect("a law").version]);
    }
    same("the number of versions", versions.len(), 6);
}

pub(super) async fn a_key_can_be_the_position_of_an_event(store: Store) {
    let room = Room::open(&store).await;
    let id = room.id.part();
    let text = |text: &str| Part::Text(text.to_owned());
    let mut seqs = Vec::new();
    for n in 0..3 {
        let writes = vec![
            put_at::<Marks>(vec![id.clone(), Part::Here(0), text("first")], sheet(n)),
            put_at::<Marks>(vec![id.clone(), Part::Here(2), text("last")], sheet(n)).absent(),
            put_at::<Latest>(vec![id.clone(), Part::NewestHere(1)], sheet(n)),
            // A shared table's records can be at a position, too.
            put_at::<Mixed>(vec![text("a"), Part::Here(1), Part::Uuid(room.id.0), id.clone()], sheet(n)),
        ];
        let kinds = vec![said("a"), said("b"), said("c")];
        let events = room.commit(1, kinds, writes).await.expect("nothing stands against it").events;
        let [first, middle, last] = [0, 1, 2].map(|place: usize| events[place].seq);
        let mark = |at, name: &str| Marks { session: room.id, at, name: word(name) };
        same("the mark of the first event", &*get(&store, &mark(first, "first")).await.value, &sheet(n));
        same("the mark of the last event", &*get(&store, &mark(last, "last")).await.value, &sheet(n));
        let mixed = Mixed {
            word: word("a"),
            number: middle,
            id: ParticipantId(room.id.0),
            newest: Newest::from_part(&id).expect("a part"),
        };
        same("the shared record", get(&store, &mixed).await.at, first);
        seqs.insert(0, middle);
    }
    let scan = Latest::under(vec![id]);
    let found = super::kit::only(store.scan(&[scan]).await);
    let positions: Vec<u64> =
        found.iter().map(|(key, _)| Latest::from_parts(&key.parts).expect("a key").at.0).collect();
    same("the newest first", positions, seqs);
}

pub(super) async fn counters_add_up(store: Store) {
    let room = Room::open(&store).await;
    let (tally, total) = (room.tally("a"), total("a"));
    let mut sum = 0_i64;
    for n in [1, 5, -2, 0, -100, i64::from(i32::MAX), 1 << 53, 1] {
        room.write(vec![add(&tally, n), add(&total, n), add(&room.tally("b"), 1)]).await.expect("nothing is expected");
        put(&store, vec![add(&total, n)]).await.expect("nothing is expected");
        sum += n;
        same(format!("after {n}"), *get(&store, &tally).await.value, Tally(sum));
        same(format!("after {n}, twice"), *get(&store, &total).await.value, Tally(2 * sum));
    }
    // A counter is a record like others.
    let version = get(&store, &total).await.version;
    put(&store, vec![total.put(Tally(3)).at(version)]).await.expect("the version is the same");
    put(&store, vec![add(&total, 4)]).await.expect("nothing is expected");
    same("a counter that was put", *get(&store, &total).await.value, Tally(7));
    put(&store, vec![total.remove()]).await.expect("nothing is expected");
    put(&store, vec![add(&total, -1)]).await.expect("nothing is expected");
    same("a counter that was removed", *get(&store, &total).await.value, Tally(-1));
    same("another counter", *get(&store, &room.tally("b")).await.value, Tally(8));
}

pub(super) async fn records_are_answered_in_the_order_asked_for(store: Store) {
    let (room, other) = (Room::open(&store).await, Room::open(&store).await);
    let keys = [room.note("a").key(), name("a").key(), room.law("a").key(), other.note("a").key(), name("b").key()];
    room.put(vec![said("a")], vec![room.note("a").put(sheet(1)), room.decree("a", 2), name("a").put(sheet(3))]).await;
    other.put(vec![said("a")], vec![other.note("a").put(sheet(4))]).await;
    let mut alone = Vec::new();
    for key in &keys {
        alone.push(record(&store, key).await);
    }
    same("what is there", alone.iter().flatten().count(), 4);
    for order in [vec![0, 1, 2, 3, 4], vec![4, 3, 2, 1, 0], vec![1, 4, 1, 0, 0, 3, 1], vec![4, 4], vec![]] {
        let asked: Vec<Key> = order.iter().map(|n: &usize| keys[*n].clone()).collect();
        let expected: Vec<_> = order.iter().map(|n| alone[*n].clone()).collect();
        same(format!("{asked:?}"), store.records(&asked).await.expect("records"), expected);
    }
}

pub(super) async fn keys_are_told_apart_by_every_character(store: Store) {
    let room = Room::open(&store).await;
    let texts = sorted_texts();
    let mut writes = Vec::new();
    for (text, n) in texts.iter().zip(0..) {
        writes.extend([name(text).put(sheet(n)).absent(), room.note(text).put(sheet(n)).absent()]);
        writes.push(room.decree(text, n));
    }
    room.write(writes).await.expect("each key is another one");
    let keys = |of: &dyn Fn(&String) -> Key| texts.iter().map(of).collect::<Vec<Key>>();
    let (names, notes, laws) =
        (keys(&|text| name(text).key()), keys(&|text| room.note(text).key()), keys(&|text| room.law(text).key()));
    let facts = room.facts(&laws, Freshness::Fresh).await.records;
    let found = store.records(&[names, notes].concat()).await.expect("records");
    let (names, notes) = found.split_at(texts.len());
    for (place, text) in texts.iter().enumerate() {
        let value = |found: &[Option<crate::store::Record>]| found[place].as_ref().map(|found| found.value.encode());
        same(format!("the name {text:?}"), value(names), Some(json!({ "n": place })));
        same(format!("the note {text:?}"), value(notes), Some(json!({ "n": place })));
        same(format!("the law {text:?}"), value(&facts), Some(json!({ "says": place })));
    }
    // Each bit of a UUID and of a number counts, too.
    let key = |bit: u32| Mixed {
        word: word("a"),
        number: 1_u64 << (bit % 63),
        id: ParticipantId(uuid::Uuid::from_u128(1 << bit)),
        newest: Newest(SessionId(uuid::Uuid::from_u128(!(1 << bit)))),
    };
    let writes = (0..128).map(|bit| key(bit).put(sheet(bit.into())).absent()).collect();
    put(&store, writes).await.expect("each key is another one");
    let keys: Vec<Key> = (0..128).map(|bit| key(bit).key()).collect();
    for (found, bit) in store.records(&keys).await.expect("records").into_iter().zip(0..) {
        same(format!("bit {bit}"), found.map(|found| found.value.encode()), Some(json!({ "n": bit })));
    }
}
