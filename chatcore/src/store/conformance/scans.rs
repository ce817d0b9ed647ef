//! Records under prefixes of keys.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    kit::{Room, Store, name, only, put, said, same, sheet, word},
    samples::sorted_texts,
    tables::{Latest, Marks, Mixed, Names, Notes},
};
use crate::{
    model::{ParticipantId, SessionId},
    store::{Key, Newest, Part, Prefix, Record, Scan, TypedKey, Write},
};

/// Looks whether a scan of a table finds exactly these keys in this order.
async fn in_order<K: TypedKey + PartialEq + std::fmt::Debug>(store: &Store, prefix: Vec<Part>, expected: &[K]) {
    let prefixes = [Prefix { table: K::TABLE, parts: prefix.clone() }];
    same(format!("the number of {}", K::TABLE.name), only(store.count(&prefixes).await), expected.len() as u64);
    let found = only(store.scan(&[K::under(prefix)]).await);
    same(format!("the length of a scan of {}", K::TABLE.name), found.len(), expected.len());
    let keys: Vec<K> = found.iter().map(|(key, _)| K::from_parts(&key.parts).expect("a key of the table")).collect();
    for ((found, expected), place) in keys.iter().zip(expected).zip(0..) {
        same(format!("{} at place {place}", K::TABLE.name), found, expected);
    }
}

pub(super) async fn records_come_in_the_order_of_their_keys(store: Store) {
    let room = Room::open(&store).await;
    let id = Part::Uuid(room.id.0);
    let numbers =
        [0, 1, 9, 10, 99, 100, 255, 256, 65_535, 1 << 32, (1 << 53) + 1, Part::MAX_NUMBER - 1, Part::MAX_NUMBER];
    let uuids = [0, 1, 1 << 64, (1 << 127) - 1, 1 << 127, u128::MAX - 1, u128::MAX];
    let names: Vec<Names> = sorted_texts().iter().map(name).collect();
    let notes: Vec<Notes> = sorted_texts().iter().map(|text| room.note(text)).collect();
    let mark = |at, name: &str| Marks { session: room.id, at, name: word(name) };
    let marks: Vec<Marks> = numbers.into_iter().flat_map(|at| ["", "a", "b"].map(|name| mark(at, name))).collect();
    let latest: Vec<Latest> = numbers.into_iter().rev().map(|at| Latest { session: room.id, at: Newest(at) }).collect();
    let mut mixed = Vec::new();
    // A text that begins another one comes before it, also where more parts follow.
    for text in ["", "\0", "a", "a\0", "a\0b", "a ", "ab", "b"] {
        for number in [0, 256, Part::MAX_NUMBER] {
            for (id, newest) in uuids.into_iter().zip(uuids.into_iter().rev()).take(2) {
                let newest = Newest(SessionId(Uuid::from_u128(newest)));
                mixed.push(Mixed { word: word(text), number, id: ParticipantId(Uuid::from_u128(id)), newest });
            }
        }
    }
    for uuid in uuids {
        let newest = Newest(SessionId(Uuid::from_u128(0)));
        mixed.push(Mixed { word: word("c"), number: 0, id: ParticipantId(Uuid::from_u128(uuid)), newest });
    }
    for uuid in uuids.into_iter().rev() {
        let newest = Newest(SessionId(Uuid::from_u128(uuid)));
        mixed.push(Mixed { word: word("d"), number: 0, id: ParticipantId(Uuid::from_u128(0)), newest });
    }
    // They are written against their order.
    let mut writes: Vec<Write> = names.iter().map(|key| key.put(sheet(1))).collect();
    writes.extend(notes.iter().map(|key| key.put(sheet(1))));
    writes.extend(marks.iter().map(|key| key.put(sheet(1))));
    writes.extend(latest.iter().map(|key| key.put(sheet(1))));
    writes.extend(mixed.iter().map(|key| key.put(sheet(1))));
    writes.reverse();
    room.write(writes).await.expect("nothing is expected");
    in_order(&store, vec![], &names).await;
    in_order(&store, vec![id.clone()], &notes).await;
    in_order(&store, vec![id.clone()], &marks).await;
    in_order(&store, vec![id.clone()], &latest).await;
    in_order(&store, vec![], &mixed).await;
    // A prefix is of whole parts: the text "a" is no prefix of the text "ab".
    in_order(&store, vec![id.clone(), Part::Number(1)], &marks[3..6]).await;
    in_order(&store, vec![id.clone(), Part::Number(10), Part::Text("a".into())], &marks[10..11]).await;
    in_order(&store, vec![Part::Text("a".into())], &mixed[12..18]).await;
    in_order(&store, vec![Part::Text("a".into()), Part::Number(256)], &mixed[14..16]).await;
    in_order(&store, vec![Part::Text("nobody".into())], &mixed[..0]).await;
    // Another session's records are not among them.
    let other = Room::open(&store).await;
    other.write(vec![other.note("z").put(sheet(1))]).await.expect("nothing is expected");
    in_order(&store, vec![id], &notes).await;
    in_order(&store, vec![Part::Uuid(other.id.0)], &[other.note("z")]).await;
    let all = Prefix { table: Notes::TABLE, parts: vec![] };
    same("the notes of all sessions", only(store.count(&[all]).await), notes.len() as u64 + 1);
}

/// What a scan finds among these records, in a way that is too simple to be wrong.
pub(super) fn expected(records: &BTreeMap<Key, Record>, scan: &Scan) -> Vec<(Key, Record)> {
    let Scan { table, prefix, after, skip, limit, shows_unreadable: _ } = scan;
    let is_after = |parts: &[Part]| after.as_ref().is_none_or(|after| parts > after.as_slice());
    let wanted = |key: &Key| key.table == *table && key.parts.strip_prefix(prefix.as_slice()).is_some_and(is_after);
    let entries = records.iter().filter(|(key, _)| wanted(key)).map(|(key, record)| (key.clone(), record.clone()));
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    entries.skip(number(*skip)).take(number(*limit)).collect()
}

/// Scans of every kind: after keys that are there, that are not, that are prefixes of keys; with skips and limits of every size.
fn pages(room: &Room) -> Vec<Scan> {
    let id = Part::Uuid(room.id.0);
    let text = |text: &str| Part::Text(text.to_owned());
    let mut scans = Vec::new();
    let marks = [
        None,
        Some(vec![]),
        Some(vec![Part::Number(2)]),
        Some(vec![Part::Number(2), text("b")]),
        Some(vec![Part::Number(2), text("bb")]),
        Some(vec![Part::Number(3), text("zzz")]),
        Some(vec![Part::Number(Part::MAX_NUMBER)]),
    ];
    for after in marks {
        scans.push(Marks::under(vec![id.clone()]).after(after));
    }
    for after in [None, Some("a"), Some("b"), Some("ba"), Some("d"), Some("e"), Some("")] {
        let after = after.map(|after| vec![text(after)]);
        scans.push(Marks::under(vec![id.clone(), Part::Number(2)]).after(after.clone()));
        scans.push(Notes::under(vec![id.clone()]).after(after.clone()));
        scans.push(Names::under(vec![]).after(after));
    }
    scans.push(Notes::under(vec![]));
    scans.push(Notes::under(vec![id.clone(), text("b")]));
    scans.push(Names::under(vec![text("b")]));
    scans.push(Latest::under(vec![id]));
    let with = |scan: &Scan| {
        let sizes =
            [(0, u64::MAX), (0, 1), (0, 2), (1, 2), (2, u64::MAX), (3, 1), (0, 0), (u64::MAX, 5), (1000, u64::MAX)];
        sizes.map(|(skip, limit)| scan.clone().skip(skip).limit(limit))
    };
    scans.iter().flat_map(with).collect()
}

/// Writes records of several tables and gives what there is.
async fn fill(room: &Room) -> BTreeMap<Key, Record> {
    let mut writes = Vec::new();
    for (text, n) in ["a", "b", "c", "d"].into_iter().zip(0..) {
        writes.extend([room.note(text).put(sheet(n)), name(text).put(sheet(n))]);
        let mark = |at| Marks { session: room.id, at, name: word(text) }.put(sheet(n));
        writes.extend([1, 2, 3].map(mark));
    }
    room.write(writes).await.expect("nothing is expected");
    room.picture().await.records
}

pub(super) async fn scans_are_paged(store: Store) {
    let (room, other) = (Room::open(&store).await, Room::open(&store).await);
    other.put(vec![said("a")], vec![room_free(&other)]).await;
    let mut records = fill(&room).await;
    records.extend(other.picture().await.records);
    let scans = pages(&room);
    let found = store.scan(&scans).await.expect("records");
    same("the number of answers", found.len(), scans.len());
    for (found, scan) in found.into_iter().zip(&scans) {
        same(format!("{scan:?}"), found, expected(&records, scan));
    }
    // Alone, twice at once, and not at all.
    for scan in scans.iter().step_by(17) {
        let wanted = expected(&records, scan);
        same(format!("{scan:?}"), only(store.scan(std::slice::from_ref(scan)).await), &wanted[..]);
        let twice = store.scan(&[scan.clone(), scan.clone()]).await.expect("records");
        same(format!("{scan:?}, twice"), twice, [wanted.clone(), wanted]);
    }
    same("no scan", store.scan(&[]).await.expect("nothing").len(), 0);
    let prefixes: Vec<Prefix> =
        scans.iter().map(|scan| Prefix { table: scan.table, parts: scan.prefix.clone() }).collect();
    let counts = store.count(&prefixes).await.expect("counts");
    let number = |prefix: &Prefix| expected(&records, &scan_of(prefix)).len() as u64;
    same("the counts", counts, prefixes.iter().map(number).collect::<Vec<_>>());
    same("no count", store.count(&[]).await.expect("nothing").len(), 0);
}

fn room_free(room: &Room) -> Write {
    room.note("bb").put(sheet(9))
}

fn scan_of(prefix: &Prefix) -> Scan {
    Scan {
        table: prefix.table,
        prefix: prefix.parts.clone(),
        after: None,
        skip: 0,
        limit: u64::MAX,
        shows_unreadable: false,
    }
}

pub(super) async fn records_come_and_go_between_pages(store: Store) {
    let room = Room::open(&store).await;
    fill(&room).await;
    let page = |after: &str| {
        let after = Some(vec![Part::Text(after.to_owned())]);
        [
            Names::under(vec![]).after(after.clone()).limit(2),
            Notes::under(vec![Part::Uuid(room.id.0)]).after(after.clone()).limit(2),
            Marks::under(vec![Part::Uuid(room.id.0), Part::Number(2)]).after(after).limit(2),
        ]
    };
    let mark = |text: &str| Marks { session: room.id, at: 2, name: word(text) };
    let check = async |after: &str, expected: &[&str]| {
        for found in store.scan(&page(after)).await.expect("records") {
            let texts = found.iter().map(|(key, _)| key.parts.last().cloned().expect("a part"));
            let expected = expected.iter().map(|text| Part::Text((*text).to_owned()));
            same(format!("after {after}"), texts.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    };
    check("", &["a", "b"]).await;
    // The record after which the next page begins goes, and one comes on each side.
    let writes = ["aa", "bb"]
        .iter()
        .flat_map(|text| [name(*text).put(sheet(1)), room.note(*text).put(sheet(1)), mark(text).put(sheet(1))]);
    let gone = [name("b").remove(), room.note("b").remove(), mark("b").remove()];
    room.write(writes.chain(gone).collect()).await.expect("nothing is expected");
    check("b", &["bb", "c"]).await;
    check("c", &["d"]).await;
    check("d", &[]).await;
    put(&store, vec![name("b").put(sheet(1))]).await.expect("nothing is expected");
    room.write(vec![room.note("b").put(sheet(1)), mark("b").put(sheet(1))]).await.expect("nothing is expected");
    check("aa", &["b", "bb"]).await;
}
