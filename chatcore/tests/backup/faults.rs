//! What a store cannot read, and restores that do not end.

use super::*;
use crate::hooked::Hooked;
use chatcore::{
    backup::{LeftOut, MAX_BLOCK_BYTES},
    model::UserId,
    store::{Directory, Newest, Profiles, StoredValue as _, Value, Write, WriteKind},
};

/// Damages records. Those of a session are written with its log, so they are damaged in the change that writes them.
async fn damage(store: &MemoryStore, keys: &[Key]) {
    let write = |key: &Key| {
        let value = Value::unreadable(key.table, "a fault".to_owned());
        Write { key: key.clone(), expect: chatcore::store::Expect::Anything, kind: WriteKind::Put(value) }
    };
    let (owned, shared): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| key.session().is_some());
    if !shared.is_empty() {
        store.commit(Change::of_records(shared.into_iter().map(write).collect())).await.unwrap();
    }
    for key in owned {
        let session = key.session().unwrap();
        let facts = store.facts(&[FactsQuery { session_id: session, records: &[] }], Freshness::Fresh).await.unwrap();
        let kind = EventKind::Session(chatcore::model::SessionEvent::Updated { changes: Default::default() });
        let event = NewEvent { actor: user("alice").user_id, created_at: moment(), kind };
        store.commit(Change::of(session, facts[0].head.seq, vec![event], vec![write(key)])).await.unwrap();
    }
}

/// A session of alice and bob, whose message has a client id.
async fn small(store: &MemoryStore) -> SessionId {
    let chat = uncounted(store.clone());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::Public).await;
    chat.join(&bob, id).await.unwrap();
    chat.send(&bob, id, named("text", "client")).await.unwrap();
    id
}

fn of(name: &str) -> UserId {
    user(name).user_id
}

/// Records of each way in which a backup reads: a shared one, one that is the only one of its session, one of many, an entry of a list, and
/// one of a message.
fn each(id: SessionId) -> [(Key, String); 6] {
    let client_id = ClientId::new("client").unwrap();
    let shown = |text: &str| text.replace('#', &id.to_string());
    let newest = uuid::Uuid::from_u128(!id.0.as_u128());
    [
        (Profiles { user: of("bob") }.key(), "profile[\"bob\"]".to_owned()),
        (Sessions { session: id }.key(), shown("session[#]")),
        (Participants { session: id, user: of("bob") }.key(), shown("participant[#, \"bob\"]")),
        (Memberships { user: of("bob"), session: Newest(id) }.key(), format!("membership[\"bob\", {newest}]")),
        (Directory { session: Newest(id) }.key(), format!("directory[{newest}]")),
        (ClientIds { session: id, user: of("bob"), client_id }.key(), shown("client[#, \"bob\", \"client\"]")),
    ]
}

#[tokio::test]
async fn a_record_that_cannot_be_read_fails_the_backup_by_its_name() {
    for place in 0..6 {
        let store = MemoryStore::new();
        let id = small(&store).await;
        let (key, name) = &each(id)[place];
        damage(&store, std::slice::from_ref(key)).await;
        let mut file = Vec::new();
        let failed = Backup::of(&store).take(&mut file, moment(), &mut |_| ()).await.unwrap_err();
        let expected = LeftOut { record: name.clone(), fault: "a fault".to_owned() };
        assert!(matches!(&failed, BackupError::Unreadable(found) if *found == expected), "{failed:?}");
        // Whoever has nothing but the file learns it as well.
        let refused = Backup::of(&store).verify(Cursor::new(&file), &mut |_| ()).unwrap_err();
        assert!(matches!(&refused, BackupError::Failed(why) if why.contains(name.as_str())), "{refused:?}");
    }
}

#[tokio::test]
async fn a_backup_that_skips_such_records_names_all_of_them() {
    let store = MemoryStore::new();
    let id = small(&store).await;
    // The session itself stays, so that the copy can be used.
    let damaged: Vec<_> = each(id).into_iter().filter(|(key, _)| !key.table.is(Sessions::TABLE)).collect();
    damage(&store, &damaged.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()).await;
    let mut file = Vec::new();
    let backup = Backup::of(&store).skipping_unreadable();
    let done = backup.take(&mut file, moment(), &mut |_| ()).await.unwrap();
    let contents = backup.verify(Cursor::new(&file), &mut |_| ()).unwrap();
    let mut names: Vec<_> = contents.left_out.iter().map(|left_out| left_out.record.clone()).collect();
    names.sort_unstable();
    let mut expected: Vec<_> = damaged.iter().map(|(_, name)| name.clone()).collect();
    expected.sort_unstable();
    assert_eq!((names, done.left_out, contents.holds.left_out), (expected, 5, 5));
    // Everything else is there.
    let (copy, mut before) = (restored(&file).await, everything(&store).await);
    before.records.retain(|_, record| record.value.fault().is_none());
    let (copy, before) = (comparable(everything(&copy).await), comparable(before));
    assert_eq!(copy.records.keys().collect::<Vec<_>>(), before.records.keys().collect::<Vec<_>>());
    assert_eq!(copy.logs, before.logs);
}

#[tokio::test]
async fn a_restore_that_does_not_end_leaves_a_mark() {
    let file = taken(&lived_in().await).await.unwrap();
    let store = Hooked::default();
    assert_eq!(Backup::of(&store).unfinished().await.unwrap(), None);
    for _ in 0..4 {
        store.before_commit.once(async {});
    }
    let stuck = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&stuck);
    store.before_commit.once(async move {
        tell.notify_one();
        std::future::pending().await
    });
    let (backup, mut told) = (Backup::of(&store), |_| ());
    tokio::select! {
        ended = backup.restore(Cursor::new(&file), &mut told) => panic!("{ended:?}"),
        () = stuck.notified() => {}
    }
    // As a server that starts finds the store.
    let (store, left) = (store.intact(), backup.unfinished().await.unwrap());
    assert!(left.is_some());
    let again = Backup::of(&store).restore(Cursor::new(&file), &mut |_| ()).await.unwrap_err();
    assert!(matches!(again, BackupError::Unfinished { since } if Some(since) == left), "{again:?}");
    assert!(again.to_string().contains("empty the store"), "{again}");
    let of_part = taken(&store).await.unwrap_err();
    assert!(matches!(of_part, BackupError::Unfinished { .. }), "{of_part:?}");
    // One that ends leaves none.
    assert_eq!(Backup::of(&restored(&file).await).unfinished().await.unwrap(), None);
}

#[tokio::test]
async fn a_restore_beside_another_one_is_refused() {
    let file = taken(&lived_in().await).await.unwrap();
    let store = Hooked::default();
    let other = store.intact();
    let copy = file.clone();
    // Between the look whether the store is empty and the mark.
    store.before_commit.once(async move {
        Backup::of(&other).restore(Cursor::new(&copy), &mut |_| ()).await.unwrap();
        let mark = chatcore::backup::RestoreMarks { scope: chatcore::backup::RestoreMarks::ALL.to_owned() };
        let begun = chatcore::backup::RestoreMark { since: moment() };
        other.commit(Change::of_records(vec![mark.put(begun)])).await.unwrap();
    });
    let refused = Backup::of(&store).restore(Cursor::new(&file), &mut |_| ()).await.unwrap_err();
    assert!(matches!(refused, BackupError::Unfinished { since } if since == moment()), "{refused:?}");
}

#[tokio::test]
async fn a_block_has_a_largest_size() {
    let store = MemoryStore::new();
    let limits = Limits { message_chars: 1 << 25, rates: RateLimits::off(), ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Private).await;
    say(&chat, &alice, id, &"x".repeat(MAX_BLOCK_BYTES as usize)).await;
    let refused = taken(&store).await.unwrap_err();
    let is_named = matches!(&refused, BackupError::TooLarge { what, .. } if what == "the event at position 2");
    assert!(is_named, "{refused:?}");

    // A file that states more takes no memory: it is refused by its head.
    let mut file = taken(&lived_in().await).await.unwrap();
    file[52..56].copy_from_slice(&(MAX_BLOCK_BYTES + 1).to_le_bytes());
    let refused = Backup::of(&store).verify(Cursor::new(&file), &mut |_| ()).unwrap_err();
    let is_damage = matches!(&refused, BackupError::Damaged { at: 52, fault } if fault.contains("too long"));
    assert!(is_damage, "{refused:?}");
}

#[tokio::test]
async fn a_record_of_before_positions_is_as_good_after_a_restore() {
    let store = MemoryStore::new();
    let id = small(&store).await;
    let key = ClientIds { session: id, user: of("bob"), client_id: ClientId::new("client").unwrap() };
    let found = store.get(&key).await.unwrap().unwrap();
    // As an earlier version wrote it: with the position in the value, and without one of its own.
    let used = chatcore::store::ClientIdUse { seq: Some(found.at), ..(*found.value).clone() };
    assert!(used.encode().get("seq").is_some());
    let copy = restored(&taken(&store).await.unwrap()).await;
    let facts = copy.facts(&[FactsQuery { session_id: id, records: &[] }], Freshness::Fresh).await.unwrap();
    let kind = EventKind::Session(chatcore::model::SessionEvent::Updated { changes: Default::default() });
    let event = NewEvent { actor: of("alice"), created_at: moment(), kind };
    copy.commit(Change::of(id, facts[0].head.seq, vec![event], vec![key.put(used)])).await.unwrap();
    let again = restored(&taken(&copy).await.unwrap()).await;
    let chat = uncounted(again);
    assert_eq!(chat.send(&user("bob"), id, named("text", "client")).await.unwrap().seq, found.at);
}
