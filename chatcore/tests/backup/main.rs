//! Backups of a store, and what a restore makes of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod damage;
mod faults;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../kit/hooked.rs"]
mod hooked;
#[path = "../kit/mod.rs"]
mod kit;
mod load;
mod streamed;

use std::{collections::BTreeMap, io::Cursor, sync::Arc};

use chatcore::{
    Administration, Chat, ChatStore, Limits, MemoryStore, Principal, RateLimits,
    admin::{AuditEntries, AuditOrigin},
    backup::{Backup, BackupError, Progress},
    chat::{AddParticipant, EditMessage, SendMessage},
    identity::SystemRole,
    model::{ClientId, Event, EventKind, Message, MessageEvent, NewEvent, Page, Seq, SessionId, SessionType},
    store::{
        Change, ChatStoreExt as _, ClientIds, Counters, FactsQuery, Freshness, Key, LogRange, Memberships, Owner,
        Participants, Record, Scan, Sessions, TypedKey as _,
    },
};
use chrono::{DateTime, Utc};
use kit::{say, session, uncounted, user};

/// Everything in a store.
#[derive(Debug, PartialEq)]
struct Everything {
    logs: BTreeMap<SessionId, Vec<Arc<Event>>>,
    records: BTreeMap<Key, Record>,
}

async fn everything(store: &MemoryStore) -> Everything {
    let mut records = BTreeMap::new();
    for table in Backup::of(store).tables() {
        let scan = Scan { table, prefix: Vec::new(), after: None, skip: 0, limit: u64::MAX, shows_unreadable: false };
        records.extend(store.scan(&[scan]).await.unwrap().remove(0));
    }
    let mut logs = BTreeMap::new();
    for session_id in records.keys().filter_map(Key::session) {
        let range = LogRange { session_id, from: 1, to: Seq::MAX };
        logs.insert(session_id, store.log(&[range]).await.unwrap().remove(0));
    }
    Everything { logs, records }
}

/// Shared records have new versions after a restore, and no position but where they list a session.
fn comparable(mut all: Everything) -> Everything {
    for (_, record) in all.records.iter_mut().filter(|(key, _)| key.table.owner == Owner::Shared) {
        (record.version, record.at) = Default::default();
    }
    all
}

fn moment() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

async fn taken(store: &impl ChatStore) -> Result<Vec<u8>, BackupError> {
    let mut file = Vec::new();
    Backup::of(store).take(&mut file, moment(), &mut |_| ()).await.map(|_| file)
}

async fn restored(file: &[u8]) -> MemoryStore {
    let store = MemoryStore::new();
    Backup::of(&store).restore(Cursor::new(file), &mut |_| ()).await.unwrap();
    store
}

fn named(text: &str, client_id: &str) -> SendMessage {
    SendMessage::text(text).with_client_id(ClientId::new(client_id).unwrap())
}

/// Sessions in which everything happened.
async fn lived_in() -> MemoryStore {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(user);
    let room = session(&chat, &alice, SessionType::Public).await;
    chat.join(&bob, room).await.unwrap();
    for number in 0..450 {
        say(&chat, &alice, room, &format!("number {number}")).await;
    }
    let mut sent = Vec::new();
    for number in 0..6 {
        sent.push(chat.send(&bob, room, named("named", &format!("id-{number}"))).await.unwrap());
    }
    for text in ["once", "twice", "three times"] {
        chat.edit_message(&bob, sent[0].id, EditMessage::text(text)).await.unwrap();
    }
    chat.edit_message(&bob, sent[1].id, EditMessage::text("edited")).await.unwrap();
    chat.delete_message(&alice, sent[1].id, None).await.unwrap();
    chat.delete_message(&bob, sent[2].id, None).await.unwrap();
    chat.pin_message(&alice, sent[3].id).await.unwrap();
    // A user must have been seen to be added.
    chat.sessions(&carol, Page::FIRST).await.unwrap();
    let add = AddParticipant { user_id: carol.user_id.clone(), role: None };
    chat.add_participant(&alice, room, add).await.unwrap();
    // The first message of a user who was added governs.
    say(&chat, &carol, room, "thanks").await;
    say(&chat, &bob, room, "welcome").await;
    // It stays a governance event, although its record is written again, and removed.
    chat.leave(&carol, room).await.unwrap();
    chat.join(&carol, room).await.unwrap();
    chat.leave(&bob, room).await.unwrap();
    let other = session(&chat, &bob, SessionType::Private).await;
    say(&chat, &bob, other, "alone").await;
    let gone = session(&chat, &bob, SessionType::Public).await;
    chat.delete_session(&bob, gone).await.unwrap();
    store
}

#[tokio::test]
async fn a_restored_store_is_the_same() {
    let store = lived_in().await;
    let before = everything(&store).await;
    assert!(before.logs.values().flatten().any(|event| event.governs && !event.kind.is_governance()));
    assert!(before.logs.values().flatten().any(|event| event.revision == 4));
    let file = taken(&store).await.unwrap();
    let copy = restored(&file).await;
    let (before, after) = (comparable(before), comparable(everything(&copy).await));
    assert_eq!(after.logs, before.logs);
    assert_eq!(after.records, before.records);
    // A backup of the copy is a backup of the original.
    assert_eq!(comparable(everything(&restored(&taken(&copy).await.unwrap()).await).await), before);
}

#[tokio::test]
async fn a_restored_chat_goes_on() {
    let copy = restored(&taken(&lived_in().await).await.unwrap()).await;
    let chat = uncounted(copy);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = chat.sessions(&alice, Page::FIRST).await.unwrap().entries[0].session.id;
    let head = chat.session(&alice, id).await.unwrap().seq;
    chat.join(&bob, id).await.unwrap();
    // A retry of a message from before finds the message.
    let again = chat.send(&bob, id, named("named", "id-4")).await.unwrap();
    assert!(again.seq < head);
    let message = say(&chat, &bob, id, "on").await;
    assert_eq!(message.seq, head + 2);
    chat.edit_message(&bob, again.id, EditMessage::text("later")).await.unwrap();
}

#[tokio::test]
async fn what_administrators_did_and_what_was_counted_is_restored() {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let admin = Administration::new(chat.clone());
    session(&chat, &user("alice"), SessionType::Public).await;
    let root = Principal { system_role: SystemRole::Admin, ..user("root") };
    admin.broadcast(&root, &AuditOrigin::default(), "Hello".to_owned(), None).await.unwrap();
    admin.flush().await.unwrap();
    let before = everything(&store).await;
    for table in [AuditEntries::TABLE, Counters::TABLE] {
        assert!(before.records.keys().any(|key| key.table.is(table)), "{}", table.name);
    }
    let copy = restored(&taken(&store).await.unwrap()).await;
    assert_eq!(comparable(everything(&copy).await), comparable(before));
}

#[tokio::test]
async fn a_report_follows_each_block_and_the_last_one_counts_the_file() {
    let store = lived_in().await;
    let all = everything(&store).await;
    let mut reports = Vec::new();
    let mut file = Vec::new();
    let done = Backup::of(&store).take(&mut file, moment(), &mut |progress| reports.push(progress)).await.unwrap();
    let (events, records) = (all.logs.values().map(Vec::len).sum::<usize>() as u64, all.records.len() as u64);
    let counted = |progress: Progress| (progress.bytes, progress.sessions, progress.events, progress.records);
    assert_eq!(counted(done), (file.len() as u64, 3, events, records));
    assert!(reports.len() > 10 && reports.is_sorted_by_key(|progress| progress.bytes));
    let contents = Backup::of(&store).verify(Cursor::new(&file), &mut |_| ()).unwrap();
    assert_eq!((contents.taken_at, counted(contents.holds)), (moment(), counted(done)));
}

#[tokio::test]
async fn a_store_that_holds_something_is_left_alone() {
    let file = taken(&lived_in().await).await.unwrap();
    let store = MemoryStore::new();
    session(&uncounted(store.clone()), &user("alice"), SessionType::Public).await;
    let before = everything(&store).await;
    let refused = Backup::of(&store).restore(Cursor::new(&file), &mut |_| ()).await.unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused:?}");
    assert_eq!(everything(&store).await, before);
}

#[tokio::test]
async fn an_event_that_only_a_newer_version_knows_is_not_lost_silently() {
    let store = lived_in().await;
    let session = *everything(&store).await.logs.keys().next().unwrap();
    let facts = store.facts(&[FactsQuery { session_id: session, records: &[] }], Freshness::Fresh).await.unwrap();
    let head = facts[0].head.seq;
    let new = NewEvent { actor: user("alice").user_id, created_at: Utc::now(), kind: EventKind::Unknown };
    store.commit(Change::of(session, head, vec![new], Vec::new())).await.unwrap();
    let refused = taken(&store).await.unwrap_err();
    assert!(matches!(refused, BackupError::Newer { seq, .. } if seq == head + 1), "{refused:?}");
}

#[tokio::test]
async fn long_texts_are_copied_in_blocks_of_their_own() {
    let store = MemoryStore::new();
    let limits = Limits { message_chars: 1_000_000, rates: RateLimits::off(), ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Private).await;
    for number in 0..5 {
        let message = say(&chat, &alice, id, &format!("{number}").repeat(700_000)).await;
        chat.edit_message(&alice, message.id, EditMessage::text("x".repeat(700_000))).await.unwrap();
    }
    let mut reports = Vec::new();
    let mut file = Vec::new();
    Backup::of(&store).take(&mut file, moment(), &mut |progress| reports.push(progress)).await.unwrap();
    let of_the_log: Vec<_> = reports.iter().filter(|progress| progress.events == 11).collect();
    let blocks = of_the_log.iter().filter(|progress| progress.records == of_the_log[0].records).count();
    assert!(blocks > 2, "all rows are in one block");
    assert_eq!(comparable(everything(&restored(&file).await).await), comparable(everything(&store).await));
}
