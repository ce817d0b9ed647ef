//! What is put comes back to the character and to the microsecond.

use serde_json::Map;

use super::{
    kit::{Room, Store, at, body, get, head_of, name, put, said, same, user, word},
    samples::{ciphertexts, every_group, long_texts, tricky_texts, tricky_values},
    tables::{Names, Sheet, TABLES},
};
use crate::{
    model::{
        ClientId, Content, EventKind, MessageEvent, MessageStatus, NewEvent, ParticipantEvent, RemovalReason, UserId,
    },
    store::{Change, TypedKey},
};

/// Appends these in a few changes and looks whether the commits and the log give them as they are.
async fn round_trip(room: &Room, actor: &UserId, kinds: Vec<EventKind>) {
    for kinds in kinds.chunks(50) {
        let head = room.head().await.seq;
        let new = |kind: &EventKind| NewEvent { actor: actor.clone(), created_at: at(0), kind: kind.clone() };
        let change = Change::of(room.id, head, kinds.iter().map(new).collect(), vec![]);
        let answered = room.store.commit(change).await.expect("it is not stale").events;
        let found = room.range(head + 1, head + 50).await;
        same("the number of events", (answered.len(), found.len()), (kinds.len(), kinds.len()));
        for ((found, answered), kind) in found.into_iter().zip(answered).zip(kinds) {
            same("the event in the answer", (&answered.kind, &answered.actor), (kind, actor));
            same("the event in the log", found, answered);
        }
    }
}

pub(super) async fn events_come_back_as_they_were_put(store: Store) {
    let room = Room::open(&store).await;
    round_trip(&room, &user("ana"), every_group()).await;
    round_trip(&room, &user("ana"), ciphertexts()).await;
}

pub(super) async fn texts_survive_to_the_character(store: Store) {
    let room = Room::open(&store).await;
    let texts = long_texts().into_iter().chain(tricky_texts());
    round_trip(&room, &user("ana"), texts.map(said).collect()).await;
    // An id is kept wherever it occurs: as the actor, as the subject, as the sender's own name of a message.
    let mut kinds = Vec::new();
    for id in tricky_texts() {
        let client_id = Some(ClientId::new(&id).expect("a valid client id"));
        let (body, status) = (body(Content::Text("a message".into())), MessageStatus::AsSent);
        kinds.push(EventKind::Message(MessageEvent::Sent { body, client_id, status }));
        kinds.push(EventKind::Participant(ParticipantEvent::Removed {
            user_id: user(&id),
            reason: RemovalReason::ByManager,
        }));
    }
    round_trip(&room, &user("ana"), kinds).await;
    let new = |id: &String| NewEvent { actor: user(id), created_at: at(0), kind: said("a message") };
    let ids = tricky_texts();
    let change = Change::of(room.id, room.head().await.seq, ids.iter().map(new).collect(), vec![]);
    let first = store.commit(change).await.expect("it is not stale").events[0].seq;
    for (event, id) in room.range(first, first + 200).await.iter().zip(&ids) {
        same("the actor", event.actor.as_str(), id);
    }
}

pub(super) async fn values_come_back_as_they_were_put(store: Store) {
    let room = Room::open(&store).await;
    let values = tricky_values();
    let mut sheets: Vec<Sheet> =
        values.iter().map(|value| Sheet([("a".to_owned(), value.clone())].into_iter().collect())).collect();
    // Objects stand at the top, too.
    sheets.extend(values.iter().filter_map(|value| value.as_object().cloned().map(Sheet)));
    sheets.push(Sheet(Map::new()));
    let key = |n: usize| name(format!("{n}"));
    let note = |n: usize| room.note(format!("{n}"));
    let writes = sheets.iter().cloned().enumerate();
    let writes = writes.flat_map(|(n, sheet)| [key(n).put(sheet.clone()), note(n).put(sheet)]).collect();
    room.write(writes).await.expect("nothing is expected");
    let keys: Vec<_> = (0..sheets.len()).flat_map(|n| [key(n).key(), note(n).key()]).collect();
    let found = store.records(&keys).await.expect("records");
    let scanned = super::kit::only(store.scan(&[Names::under(vec![])]).await);
    same("the number of records of a scan", scanned.len(), sheets.len());
    for (pair, sheet) in found.chunks(2).zip(&sheets) {
        for found in pair {
            let found = found.as_ref().expect("it was put").typed::<Sheet>().expect("a sheet");
            same("the value", &found.value.0, &sheet.0);
        }
    }
    for (key, record) in scanned {
        let place: usize = Names::from_parts(&key.parts).expect("a name").name.0.parse().expect("a number");
        same("the value in a scan", &record.typed::<Sheet>().expect("a sheet").value.0, &sheets[place].0);
    }
    let big = i64::MAX - 1;
    let counter = super::kit::total("big");
    put(&store, vec![counter.put(super::tables::Tally(big)), super::kit::add(&counter, 1)]).await.expect("a counter");
    same("a large counter", get(&store, &counter).await.value.0, i64::MAX);
    put(&store, vec![counter.put(super::tables::Tally(i64::MIN))]).await.expect("a counter");
    same("a small counter", get(&store, &counter).await.value.0, i64::MIN);
    // A value that looks like a record of another table is one of this table.
    for table in TABLES {
        let key = Names { name: word(table.name) };
        put(&store, vec![key.put(super::kit::sheet(1))]).await.expect("nothing is expected");
        same("a name of a table", &*get(&store, &key).await.value, &super::kit::sheet(1));
    }
}

pub(super) async fn times_keep_their_microseconds(store: Store) {
    // `at` adds 654321 of them.
    let micros = [-654_321, -654_320, -554_321, 0, 1, 345_678, 345_679, 4_000_000_000_000_000 - 654_321];
    let room = Room { store, id: super::kit::new_session_id() };
    for n in micros {
        let new = |micros| NewEvent { actor: user("ana"), created_at: at(micros), kind: said("a message") };
        let change = Change::of(room.id, 0, vec![new(n), new(n + 1)], vec![]);
        let committed = room.store.commit(change).await.expect("it is not stale").events;
        let times: Vec<_> = committed.iter().map(|event| event.created_at).collect();
        same("the times", times, [at(n), at(n + 1)]);
        same("the head", room.head().await, head_of(&committed));
        same("the log", room.range(committed[0].seq, committed[1].seq).await, committed);
    }
    let texts = ["2024-01-01T00:00:00.000001Z", "2024-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"];
    for text in texts {
        let sheet = Sheet([("at".to_owned(), text.into())].into_iter().collect());
        put(&room.store, vec![name("a").put(sheet.clone())]).await.expect("nothing is expected");
        same("a time in a value", &*get(&room.store, &name("a")).await.value, &sheet);
    }
}
