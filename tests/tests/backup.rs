//! A chat moves from a folder into memory and back by backups.
#![allow(missing_docs, reason = "tests")]

use std::{
    collections::BTreeMap,
    io::{Cursor, Seek as _},
    sync::Arc,
};

use chatcore::{
    Chat, ChatStore, MemoryStore, Principal, RateLimits,
    backup::{Backup, Progress},
    chat::{CreateSession, EditMessage, SendMessage},
    model::{ClientId, Event, Page, Seq, SessionId, SessionType, UserId},
    store::{Key, LogRange, Owner, Record, Scan},
};
use chatcore_surreal::{SurrealOptions, SurrealStore};
use chrono::Utc;
use futures_util::future::join_all;

/// Everything in a store, as it is comparable: shared records have new versions after a restore.
#[derive(Debug, PartialEq)]
struct Everything {
    logs: BTreeMap<SessionId, Vec<Arc<Event>>>,
    records: BTreeMap<Key, Record>,
}

async fn everything(store: &impl ChatStore) -> Everything {
    let mut records = BTreeMap::new();
    for table in Backup::of(store).tables() {
        let scan = Scan { table, prefix: Vec::new(), after: None, skip: 0, limit: 1_000_000, shows_unreadable: false };
        records.extend(store.scan(&[scan]).await.unwrap().remove(0));
    }
    for (_, record) in records.iter_mut().filter(|(key, _)| key.table.owner == Owner::Shared) {
        (record.version, record.at) = Default::default();
    }
    let mut logs = BTreeMap::new();
    for session_id in records.keys().filter_map(Key::session) {
        let range = LogRange { session_id, from: 1, to: 1_000_000 };
        logs.insert(session_id, store.log(&[range]).await.unwrap().remove(0));
    }
    Everything { logs, records }
}

fn user(number: usize) -> Principal {
    Principal::new(UserId::new(format!("user-{number}")).unwrap())
}

fn named(text: String, id: String) -> SendMessage {
    SendMessage::text(text).with_client_id(ClientId::new(id).unwrap())
}

fn chat_on(store: impl ChatStore) -> Chat {
    Chat::builder(store).rates(RateLimits::off()).build()
}

/// Three rooms with sixteen users, who send, edit, delete and leave.
async fn lived_in(chat: &Chat) -> Vec<SessionId> {
    let mut rooms = Vec::new();
    for _ in 0..3 {
        let new = CreateSession::titled("A room").of_type(SessionType::Public);
        rooms.push(chat.create_session(&user(0), new).await.unwrap().summary.session.id);
    }
    for room in &rooms {
        let (user_ids, room) = (1..16, *room);
        join_all(user_ids.map(async |number| chat.join(&user(number), room).await.unwrap())).await;
        let sent = (0..60).map(async |number| {
            let message = named(format!("text {number}"), format!("id-{number}"));
            chat.send(&user(number % 16), room, message).await.unwrap()
        });
        for (number, message) in join_all(sent).await.into_iter().enumerate() {
            let author = Principal::new(message.sender.user_id.clone());
            if number % 10 == 0 {
                chat.edit_message(&author, message.id, EditMessage::text("edited")).await.unwrap();
            }
            if number % 20 == 0 {
                chat.delete_message(&author, message.id, None).await.unwrap();
            }
        }
        chat.leave(&user(5), room).await.unwrap();
    }
    rooms
}

async fn taken(store: &impl ChatStore) -> (Vec<u8>, Progress) {
    let mut file = Vec::new();
    let progress = Backup::of(store).take(&mut file, Utc::now(), &mut |_| ()).await.unwrap();
    (file, progress)
}

async fn restored(store: &impl ChatStore, file: &[u8]) {
    let mut file = Cursor::new(file);
    Backup::of(store).restore(&mut file, &mut |_| ()).await.unwrap();
    assert_eq!(file.stream_position().unwrap() as usize, file.get_ref().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_folder_into_memory_and_back() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Arc::new(SurrealStore::open(&folder.path().join("db"), SurrealOptions::default()).await.unwrap());
    let chat = chat_on(Arc::clone(&disk));
    let rooms = lived_in(&chat).await;

    // While sixteen users go on.
    let heads: BTreeMap<SessionId, Seq> =
        everything(&disk).await.logs.into_iter().map(|(id, log)| (id, log.len() as Seq)).collect();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let users: Vec<_> = (0..16)
        .filter(|number| *number != 5)
        .map(|number| {
            let (chat, stop, room) = (chat.clone(), Arc::clone(&stop), rooms[number % 3]);
            tokio::spawn(async move {
                for count in 0..40 {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                    let message = named(format!("later {count}"), format!("later-{number}-{count}"));
                    chat.send(&user(number), room, message).await.unwrap();
                }
            })
        })
        .collect();
    let (busy, _) = taken(&disk).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    join_all(users).await.into_iter().for_each(|ended| ended.unwrap());
    let original = everything(&disk).await;
    let memory = MemoryStore::new();
    restored(&memory, &busy).await;
    let copy = everything(&memory).await;
    for (id, log) in &copy.logs {
        assert!(log.len() as Seq >= heads[id]);
        assert_eq!(log[..], original.logs[id][..log.len()]);
        let upto = log.len() as Seq;
        let of_session = |all: &Everything| -> BTreeMap<Key, Record> {
            let records = all.records.iter().filter(|(key, record)| key.session() == Some(*id) && record.at <= upto);
            records.map(|(key, record)| (key.clone(), record.clone())).collect()
        };
        assert_eq!(of_session(&copy), of_session(&original));
    }

    // At rest, from the folder into memory and into another folder.
    let (file, counted) = taken(&disk).await;
    let memory = MemoryStore::new();
    restored(&memory, &file).await;
    assert_eq!(everything(&memory).await, original);
    let (file, again) = taken(&memory).await;
    assert_eq!((counted.sessions, counted.events, counted.records), (again.sessions, again.events, again.records));
    let path = other.path().join("db");
    let back = SurrealStore::open(&path, SurrealOptions::default()).await.unwrap();
    restored(&back, &file).await;
    assert_eq!(everything(&back).await, original);
    back.close().await;
    drop(back);

    // It is there after a start, and the chat goes on.
    let back = Arc::new(SurrealStore::open(&path, SurrealOptions::default()).await.unwrap());
    assert_eq!(everything(&back).await, original);
    let chat = chat_on(Arc::clone(&back));
    assert_eq!(chat.sessions(&user(1), Page::FIRST).await.unwrap().len(), 3);
    let retried = chat.send(&user(1), rooms[0], named("text 1".to_owned(), "id-1".to_owned())).await.unwrap();
    assert!(retried.seq < heads[&rooms[0]]);
    let next = chat.send(&user(1), rooms[0], SendMessage::text("on")).await.unwrap();
    assert_eq!(next.seq, original.logs[&rooms[0]].len() as Seq + 1);
    back.close().await;
}
