//! What a newer version wrote.

use chatcore::{
    chat::EditMessage,
    model::{Bound, MessagePage, Standing},
    store::{Expect, Json, ParticipantRecord, Participants, Sessions, Value, Write, WriteKind},
};

use super::{hooked::Hooked, *};

/// Gives a field of a session's record a value that only a newer version knows, as that version would write it.
async fn renew<K: TypedKey>(store: &MemoryStore, session: SessionId, key: &K, field: &str, name: &str) {
    let key = key.key();
    let mut stored: Json = store.records(std::slice::from_ref(&key)).await.unwrap()[0].as_ref().unwrap().value.encode();
    stored[field] = name.into();
    let value = Value::decode(&key, key.table.format, stored).unwrap();
    let write = Write { key, expect: Expect::Anything, kind: WriteKind::Put(value) };
    let event = NewEvent { actor: user_id("newer"), created_at: Utc::now(), kind: EventKind::Unknown };
    let head =
        store.facts(&[FactsQuery { session_id: session, records: &[] }], Freshness::Fresh).await.unwrap()[0].head;
    store.commit(Change::of(session, head.seq, vec![event], vec![write])).await.unwrap();
}

/// The ids of the sessions of a user, and of those that the user could join.
async fn lists(chat: &Chat, who: &Principal) -> (Vec<SessionId>, Vec<SessionId>) {
    let own = chat.sessions(who, Page::FIRST).await.unwrap();
    let public = chat.public_sessions(who, Page::FIRST).await.unwrap();
    let own = own.iter().map(|one| one.session.id).collect();
    (own, public.sessions.iter().map(|one| one.session.id).collect())
}

#[tokio::test]
async fn a_session_of_a_newer_type_is_unavailable() {
    let store = MemoryStore::new();
    let chat = Chat::new(store.clone());
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let known = room(&chat, &alice, &[&bob]).await;
    let newer = room(&chat, &alice, &[&bob]).await;
    assert_eq!(lists(&chat, &alice).await.0, [newer, known]);
    renew(&store, newer, &Sessions { session: newer }, "session_type", "BROADCAST").await;
    for answer in answers(&chat, &bob, newer).await {
        let is_input = matches!(answer, Error::Invalid(_));
        assert!(is_input || answer == Error::Unavailable, "{answer:?}");
    }
    let batch = chat.sessions_by_id(&bob, &[known, newer, known]).await.unwrap();
    assert_eq!(batch.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(batch[1], Err(Error::Unavailable));
    assert_eq!(lists(&chat, &alice).await, (vec![known], vec![]));
    assert_eq!(lists(&chat, &carol).await, (vec![], vec![known]));
}

#[tokio::test]
async fn a_user_with_a_newer_role_is_neither_a_stranger_nor_listed() {
    let store = MemoryStore::new();
    let chat = Chat::new(store.clone());
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    renew(&store, id, &Participants { session: id, user: bob.user_id.clone() }, "role", "GUEST").await;
    for answer in answers(&chat, &bob, id).await {
        let is_input = matches!(answer, Error::Invalid(_));
        assert!(is_input || answer == Error::Unavailable, "{answer:?}");
    }
    for answer in [
        chat.remove_participant(&alice, id, &bob.user_id).await.map(drop),
        chat.change_role(&alice, id, &bob.user_id, ADMIN).await.map(drop),
        chat.add_participant(&alice, id, add("bob", None)).await.map(drop),
    ] {
        assert_eq!(answer, Err(Error::Unavailable));
    }
    let expected = [("alice".to_owned(), OWNER), ("carol".to_owned(), MEMBER)];
    assert_eq!(roles(&chat, &alice, id).await, expected);
    say(&chat, &carol, id, "hello").await;
    let key = Participants { session: id, user: bob.user_id.clone() }.key();
    let record = store.records(&[key]).await.unwrap()[0].clone().unwrap();
    assert_eq!(record.value.get::<ParticipantRecord>().unwrap().standing, Standing::Stranger, "nothing wrote it");
}

#[tokio::test]
async fn a_message_of_a_newer_version_keeps_its_place_in_pages() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let chat = Chat::new(store.clone());
    let id = room(&chat, &alice, &[]).await;
    let mut sent = Vec::new();
    for n in 0..12 {
        sent.push(say(&chat, &alice, id, &n.to_string()).await);
        for change in 0..n % 3 {
            chat.update_session(&alice, id, titled(&format!("{n}: {change}"))).await.unwrap();
        }
    }
    // One, several that fill a page, and the last one.
    let newer = [1, 4, 5, 6, 11];
    *store.newer.lock().unwrap() = newer.iter().map(|n: &usize| sent[*n].seq).collect();
    let known: Vec<String> = (0..12).filter(|n| !newer.contains(n)).map(|n| n.to_string()).collect();
    let texts = |page: &MessagePage| page.messages.iter().map(|one| text_of(one).to_owned()).collect::<Vec<_>>();
    for limit in 1..5 {
        let mut page = chat.messages(&alice, id, MessageWindow::Skip(0), Some(limit)).await.unwrap();
        let mut read = texts(&page);
        while let Some(next) = page.next {
            page = chat.messages(&alice, id, MessageWindow::After(Bound::Cursor(next)), Some(limit)).await.unwrap();
            read.extend(texts(&page));
        }
        assert_eq!(read, known, "forwards by {limit}");
        let mut page = chat.messages(&alice, id, MessageWindow::Newest, Some(limit)).await.unwrap();
        let mut read = texts(&page);
        while let Some(previous) = page.previous {
            let window = MessageWindow::Before(Bound::Cursor(previous));
            page = chat.messages(&alice, id, window, Some(limit)).await.unwrap();
            read.splice(0..0, texts(&page));
        }
        assert_eq!((read, page.total), (known.clone(), 12), "backwards by {limit}");
    }
    let events = chat.events(&alice, id, sent[1].seq - 1, Some(1)).await.unwrap();
    let newest = chat.session(&alice, id).await.unwrap().messages;
    assert_eq!(newest.iter().map(text_of).collect::<Vec<_>>(), known);
    assert_eq!((&events.events[0].event.kind, events.events[0].event.seq), (&EventKind::Unknown, sent[1].seq));
    assert_eq!(chat.message(&alice, sent[1].id).await, Err(Error::MessageNotFound));
}

#[tokio::test]
async fn a_message_that_a_newer_version_has_edited_stays_pinned_and_sent() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let chat = Chat::new(store.clone());
    let id = room(&chat, &alice, &[]).await;
    let named = || SendMessage::text("one").with_client_id(ClientId::new("once").unwrap());
    let first = chat.send(&alice, id, named()).await.unwrap();
    let second = say(&chat, &alice, id, "two").await;
    chat.edit_message(&alice, first.id, EditMessage::text("one, edited")).await.unwrap();
    for message in [&first, &second] {
        chat.pin_message(&alice, message.id).await.unwrap();
    }
    let pinned = async || chat.pins(&alice, id).await.unwrap().iter().map(|pin| pin.message.seq).collect::<Vec<_>>();
    *store.newer.lock().unwrap() = vec![first.seq];
    assert_eq!(pinned().await, [second.seq]);
    chat.unpin_message(&alice, second.id).await.unwrap();
    assert_eq!(chat.send(&alice, id, named()).await, Err(Error::Unavailable), "the first result cannot be shown");
    let events = chat.events(&alice, id, second.seq, Some(1)).await.unwrap().events;
    assert!(matches!(events[0].event.kind, EventKind::Message(MessageEvent::Edited { .. })));
    assert_eq!(events[0].message(), None);
    // The process is updated.
    store.newer.lock().unwrap().clear();
    assert_eq!(pinned().await, [first.seq]);
    assert_eq!(chat.send(&alice, id, named()).await.unwrap().revision, 2);
}
