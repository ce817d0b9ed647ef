//! Editing and deleting messages, and what edited messages said before.

use std::sync::atomic::Ordering;

use chatcore::{
    Chat, Code, Error, Limits, MemoryStore, Principal,
    chat::{AddParticipant, EditMessage, SendMessage},
    model::{
        ClientId, Content, EncryptedContent, EventKind, Message, MessageEvent, MessageId, MessageStatus, MessageType,
        MessageWindow, ParticipantRole, Seq, SessionId, SessionType, SpeakerRole,
    },
    permission::Denial,
    store::{ChatStoreExt, ClientIds, KeyPart, Revisions, TypedKey},
    wire::Command,
};
use serde_json::json;

use super::{
    hooked::Hooked,
    kit::{assert_denied, room, say, session, text_of, user, user_id},
};

fn to(text: &str) -> EditMessage {
    EditMessage::text(text)
}

fn named(text: &str, client_id: &str) -> SendMessage {
    SendMessage::text(text).with_client_id(ClientId::new(client_id).unwrap())
}

async fn head(chat: &Chat, reader: &Principal, id: SessionId) -> Seq {
    chat.session(reader, id).await.unwrap().seq
}

async fn newest(chat: &Chat, reader: &Principal, id: SessionId) -> Vec<Message> {
    chat.messages(reader, id, MessageWindow::Newest, None).await.unwrap().messages
}

async fn texts(chat: &Chat, reader: &Principal, id: MessageId) -> Vec<(u64, Content)> {
    let revisions = chat.message_revisions(reader, id).await.unwrap();
    revisions.into_iter().map(|one| (one.revision, one.body.content)).collect()
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

async fn last_kind(chat: &Chat, reader: &Principal, id: SessionId) -> EventKind {
    let seq = head(chat, reader, id).await;
    chat.events(reader, id, seq - 1, None).await.unwrap().events[0].event.kind.clone()
}

#[tokio::test]
async fn an_author_edits_a_message_in_its_place() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut sent = SendMessage::text("helo");
    sent.body.role = SpeakerRole::Assistant;
    sent.body.message_type = MessageType::Image;
    let first = chat.send(&bob, id, sent).await.unwrap();
    let second = say(&chat, &alice, id, "hi").await;

    let edited = chat.edit_message(&bob, first.id, to("hello")).await.unwrap();
    let MessageStatus::Edited { at } = edited.status else { panic!("{edited:?}") };
    assert!(at >= second.created_at);
    let mut expected = Message { revision: 2, status: MessageStatus::Edited { at }, ..first.clone() };
    expected.body.content = text("hello");
    assert_eq!(edited, expected);

    assert_eq!(chat.message(&alice, first.id).await.unwrap(), edited);
    assert_eq!(newest(&chat, &alice, id).await, [edited.clone(), second.clone()]);
    let details = chat.session(&alice, id).await.unwrap();
    assert_eq!((details.messages, details.seq), (vec![edited, second], 5));
    assert_eq!(details.summary.message_count, 2);
    let event = EventKind::Message(MessageEvent::Edited { message: first.seq, revision: 2 });
    assert_eq!(last_kind(&chat, &alice, id).await, event);
    assert_eq!(chat.edit_message(&bob, first.id, to("hello!")).await.unwrap().revision, 3);
}

#[tokio::test]
async fn an_event_of_an_edit_shows_the_message_as_it_is_now() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let first = say(&chat, &alice, id, "one").await;
    chat.edit_message(&alice, first.id, to("two")).await.unwrap();
    let now = chat.edit_message(&alice, first.id, to("three")).await.unwrap();
    let page = chat.events(&alice, id, 1, None).await.unwrap();
    let shown: Vec<_> = page.events.iter().map(|view| view.message().unwrap()).collect();
    assert_eq!(shown, [now.clone(), now.clone(), now]);
    let gone = chat.delete_message(&alice, first.id, None).await.unwrap();
    let page = chat.events(&alice, id, 1, None).await.unwrap();
    let shown: Vec<_> = page.events.iter().map(|view| view.message()).collect();
    assert_eq!(shown, [Some(gone.clone()), Some(gone.clone()), Some(gone), None]);
}

#[tokio::test]
async fn only_the_author_edits() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let message = say(&chat, &bob, id, "mine").await;
    for other in [&alice, &carol] {
        assert_denied(chat.edit_message(other, message.id, to("yours")).await, Denial::NotAuthor);
    }
    chat.change_role(&alice, id, &user_id("carol"), ParticipantRole::Admin).await.unwrap();
    assert_denied(chat.edit_message(&carol, message.id, to("yours")).await, Denial::NotAuthor);
    assert_denied(chat.edit_message(&user("dave"), message.id, to("yours")).await, Denial::NotParticipant);
    assert_eq!(chat.message(&bob, message.id).await.unwrap(), message);
}

#[tokio::test]
async fn an_author_who_may_not_send_neither_edits_nor_deletes() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "mine").await;
    let denied = async |denial: Denial| {
        assert_denied(chat.edit_message(&bob, message.id, to("other")).await, denial);
        // Not even a retry of what is there already is answered.
        assert_denied(chat.edit_message(&bob, message.id, to("mine")).await, denial);
        assert_denied(chat.delete_message(&bob, message.id, None).await, denial);
    };
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Viewer).await.unwrap();
    denied(Denial::RoleInsufficient).await;
    chat.leave(&bob, id).await.unwrap();
    denied(Denial::NotParticipant).await;
    chat.join(&bob, id).await.unwrap();
    denied(Denial::RoleInsufficient).await;
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Member).await.unwrap();
    assert_eq!(chat.edit_message(&bob, message.id, to("other")).await.unwrap().revision, 2);
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    denied(Denial::NotParticipant).await;
}

#[tokio::test]
async fn what_is_hidden_or_is_no_message_is_not_found() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let message = say(&chat, &alice, id, "secret").await;
    let not_found = async |who: &Principal, id: MessageId| {
        let expected = chat.message(who, id).await.unwrap_err();
        assert_eq!(expected, Error::MessageNotFound);
        assert_eq!(chat.edit_message(who, id, to("x")).await.unwrap_err(), expected);
        assert_eq!(chat.delete_message(who, id, None).await.unwrap_err(), expected);
        assert_eq!(chat.delete_message(who, id, Some(9)).await.unwrap_err(), expected);
        assert_eq!(chat.message_revisions(who, id).await.unwrap_err(), expected);
    };
    let nowhere = MessageId { session_id: SessionId(uuid::Uuid::now_v7()), seq: 1 };
    for id in [message.id, MessageId { seq: 99, ..message.id }, nowhere] {
        not_found(&bob, id).await;
    }
    chat.edit_message(&alice, message.id, to("edited")).await.unwrap();
    for seq in [0, 1, 3, 4, u64::MAX] {
        not_found(&alice, MessageId { seq, ..message.id }).await;
    }
    chat.delete_session(&alice, id).await.unwrap();
    not_found(&alice, message.id).await;
}

#[tokio::test]
async fn the_same_edit_again_is_not_a_second_edit() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    assert_eq!(chat.edit_message(&alice, message.id, to("one")).await.unwrap(), message);
    assert_eq!(head(&chat, &alice, id).await, 2);
    let edited = chat.edit_message(&alice, message.id, to("two").of_revision(1)).await.unwrap();
    for retry in [to("two"), to("two").of_revision(1), to("two").of_revision(2)] {
        assert_eq!(chat.edit_message(&alice, message.id, retry).await.unwrap(), edited);
    }
    assert_eq!(head(&chat, &alice, id).await, 3);
    assert_eq!(texts(&chat, &alice, message.id).await, [(1, text("one"))]);
}

#[tokio::test]
async fn an_edit_of_a_named_revision_replaces_no_other() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    let conflict = |current| Error::RevisionConflict { current };
    for revision in [0, 2, u64::MAX] {
        let refused = chat.edit_message(&alice, message.id, to("two").of_revision(revision)).await.unwrap_err();
        assert_eq!(refused, conflict(1));
        assert_eq!(chat.delete_message(&alice, message.id, Some(revision)).await.unwrap_err(), conflict(1));
    }
    let edited = chat.edit_message(&alice, message.id, to("two").of_revision(1)).await.unwrap();
    let refused = chat.edit_message(&alice, message.id, to("three").of_revision(1)).await.unwrap_err();
    assert_eq!(refused, conflict(2));
    assert_eq!((refused.code().as_str(), refused.code().status()), ("REVISION_CONFLICT", 409));
    assert_eq!(refused.details(), json!({ "current_revision": 2 }));
    assert_eq!(chat.message(&alice, message.id).await.unwrap(), edited);
    chat.delete_message(&alice, message.id, Some(2)).await.unwrap();
}

#[tokio::test]
async fn a_deleted_message_leaves_its_place() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let (first, second) = (say(&chat, &bob, id, "one").await, say(&chat, &bob, id, "two").await);
    let gone = chat.delete_message(&bob, first.id, None).await.unwrap();
    let MessageStatus::Deleted { by, at } = &gone.status else { panic!("{gone:?}") };
    assert_eq!((by, gone.revision, &gone.body.content), (&bob.user_id, 2, &Content::Deleted));
    assert!(*at >= second.created_at);
    assert_eq!((gone.id, gone.number, gone.created_at, &gone.sender), (first.id, 1, first.created_at, &first.sender));
    assert_eq!(newest(&chat, &alice, id).await, [gone.clone(), second]);
    let event = EventKind::Message(MessageEvent::Deleted { messages: vec![first.seq] });
    assert_eq!(last_kind(&chat, &alice, id).await, event);

    // Nobody deletes it twice, and nobody edits it.
    for (who, revision) in [(&bob, None), (&alice, None), (&bob, Some(1)), (&bob, Some(7))] {
        assert_eq!(chat.delete_message(who, first.id, revision).await.unwrap(), gone);
    }
    assert_eq!(head(&chat, &alice, id).await, 5);
    let refused = chat.edit_message(&bob, first.id, to("again")).await.unwrap_err();
    assert_eq!(
        (&refused, refused.code().as_str(), refused.code().status()),
        (&Error::MessageDeleted, "MESSAGE_DELETED", 409)
    );
}

#[tokio::test]
async fn owner_and_admins_delete_messages_of_others() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let first = say(&chat, &bob, id, "one").await;
    let second = say(&chat, &bob, id, "two").await;
    let third = say(&chat, &alice, id, "three").await;
    assert_denied(chat.delete_message(&carol, first.id, None).await, Denial::NotModerator);
    assert_denied(chat.delete_message(&user("dave"), first.id, None).await, Denial::NotParticipant);
    let gone = chat.delete_message(&alice, first.id, None).await.unwrap();
    assert_eq!(gone.sender.user_id, bob.user_id);
    assert!(matches!(&gone.status, MessageStatus::Deleted { by, .. } if *by == alice.user_id));
    chat.change_role(&alice, id, &carol.user_id, ParticipantRole::Admin).await.unwrap();
    for message in [second, third] {
        assert_eq!(chat.delete_message(&carol, message.id, None).await.unwrap().body.content, Content::Deleted);
    }
}

#[tokio::test]
async fn a_deletion_removes_each_earlier_text_and_the_fingerprint() {
    let store = MemoryStore::new();
    let (chat, alice, bob) = (Chat::new(store.clone()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = chat.send(&bob, id, named("one", "k")).await.unwrap();
    let other = say(&chat, &bob, id, "other").await;
    chat.edit_message(&bob, other.id, to("another")).await.unwrap();
    for n in 0..5 {
        chat.edit_message(&bob, message.id, to(&n.to_string())).await.unwrap();
    }
    let used = ClientIds { session: id, user: bob.user_id.clone(), client_id: ClientId::new("k").unwrap() };
    assert!(store.get(&used).await.unwrap().unwrap().value.fingerprint.is_some());
    let gone = chat.delete_message(&bob, message.id, None).await.unwrap();

    let kept = store.list::<Revisions>(Revisions::under(vec![id.part()])).await.unwrap();
    let kept: Vec<_> = kept.into_iter().map(|(key, _)| key.message).collect();
    assert_eq!(kept, [other.seq], "only of the other message");
    let record = store.get(&used).await.unwrap().unwrap();
    assert_eq!((record.value.seq, record.value.fingerprint.clone()), (Some(message.seq), None));
    // A retry of the send finds what became of its message.
    for retry in ["one", "4", "never said"] {
        assert_eq!(chat.send(&bob, id, named(retry, "k")).await.unwrap(), gone);
    }
    assert!(chat.message_revisions(&alice, message.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_retry_of_a_send_gives_the_edited_message() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = chat.send(&alice, id, named("one", "k")).await.unwrap();
    let edited = chat.edit_message(&alice, message.id, to("two")).await.unwrap();
    assert_eq!(chat.send(&alice, id, named("one", "k")).await.unwrap(), edited);
    assert_eq!(chat.send(&alice, id, named("two", "k")).await.unwrap_err(), Error::ClientIdReused);
}

#[tokio::test]
async fn those_who_moderate_see_earlier_texts() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let message = say(&chat, &bob, id, "one").await;
    assert!(chat.message_revisions(&alice, message.id).await.unwrap().is_empty());
    let second = chat.edit_message(&bob, message.id, to("two")).await.unwrap();
    chat.edit_message(&bob, message.id, to("three")).await.unwrap();
    let revisions = chat.message_revisions(&alice, message.id).await.unwrap();
    let MessageStatus::Edited { at } = second.status else { panic!("{second:?}") };
    let since: Vec<_> = revisions.iter().map(|one| one.since).collect();
    assert_eq!(since, [message.created_at, at]);
    assert_eq!(texts(&chat, &alice, message.id).await, [(1, text("one")), (2, text("two"))]);
    for other in [&bob, &carol] {
        assert_denied(chat.message_revisions(other, message.id).await, Denial::RoleInsufficient);
    }
    chat.change_role(&alice, id, &carol.user_id, ParticipantRole::Admin).await.unwrap();
    assert_eq!(texts(&chat, &carol, message.id).await.len(), 2);
    assert_denied(chat.message_revisions(&user("dave"), message.id).await, Denial::NotParticipant);
}

#[tokio::test]
async fn the_limits_of_sending_hold_for_editing() {
    let limits = Limits { message_chars: 4, message_edits: 2, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    let code =
        |refused: Error| refused.fields().iter().map(|field| (field.field.clone(), field.code)).collect::<Vec<_>>();
    let deleted = EditMessage { content: Content::Deleted, revision: None };
    for (edit, expected) in [
        (to(""), Code::ValidationRequiredField),
        (to("12345"), Code::MessageTooLong),
        (to("\u{7}"), Code::ValidationInvalidValue),
        (deleted, Code::ValidationRequiredField),
    ] {
        let refused = chat.edit_message(&alice, message.id, edit).await.unwrap_err();
        assert_eq!(code(refused), [("content".to_owned(), expected)]);
    }
    for text in ["2", "3"] {
        chat.edit_message(&alice, message.id, to(text)).await.unwrap();
    }
    let refused = chat.edit_message(&alice, message.id, to("4")).await.unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded { limit: 2, .. }), "{refused:?}");
    assert_eq!(chat.edit_message(&alice, message.id, to("3")).await.unwrap().revision, 3);
    chat.delete_message(&alice, message.id, None).await.unwrap();
}

#[tokio::test]
async fn ciphertext_is_edited_to_ciphertext() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let encrypted = |data: &str, key_version| {
        Content::Encrypted(EncryptedContent { encrypted_data: data.to_owned(), iv: "iv".to_owned(), key_version })
    };
    let mut sent = SendMessage::text("");
    sent.body.content = encrypted("AAAA", 1);
    let message = chat.send(&alice, id, sent).await.unwrap();
    let edit = EditMessage { content: encrypted("BBBB", 2), revision: Some(1) };
    let edited = chat.edit_message(&alice, message.id, edit).await.unwrap();
    assert_eq!(edited.body.content, encrypted("BBBB", 2));
    assert_eq!(texts(&chat, &alice, message.id).await, [(1, encrypted("AAAA", 1))]);
    let bad = EditMessage { content: encrypted("", 2), revision: None };
    assert!(matches!(chat.edit_message(&alice, message.id, bad).await.unwrap_err(), Error::Invalid(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_edits_of_one_revision_one_succeeds() {
    for _ in 0..20 {
        let (chat, alice) = (Chat::in_memory(), user("alice"));
        let id = room(&chat, &alice, &[]).await;
        let message = say(&chat, &alice, id, "start").await;
        let racers = (0..8).map(|n| {
            let (chat, alice) = (chat.clone(), alice.clone());
            tokio::spawn(async move { chat.edit_message(&alice, message.id, to(&n.to_string()).of_revision(1)).await })
        });
        let mut won = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(message) => won.push(message),
                Err(error) => assert_eq!(error, Error::RevisionConflict { current: 2 }),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(chat.message(&alice, message.id).await.unwrap(), won[0]);
        assert_eq!(head(&chat, &alice, id).await, 3);
    }
}

#[tokio::test]
async fn many_edits_of_one_message_at_once_wait_for_each_other() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let chat = Chat::new(store.clone());
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "start").await;
    store.yields.store(true, Ordering::SeqCst);
    let texts: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let edits = texts.iter().map(|text| chat.edit_message(&alice, message.id, to(text)));
    let answers = futures_util::future::join_all(edits).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
    for answer in answers {
        assert!(matches!(answer, Ok(_) | Err(Error::LimitExceeded { limit: 100, .. })), "{answer:?}");
    }
    let deletions = (0..200).map(|_| chat.delete_message(&alice, message.id, None));
    for answer in futures_util::future::join_all(deletions).await {
        answer.unwrap();
    }
    assert_eq!(head(&chat, &alice, id).await, message.seq + 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_edits_and_a_deletion_leave_one_history() {
    for _ in 0..20 {
        let store = MemoryStore::new();
        let (chat, alice) = (Chat::new(store.clone()), user("alice"));
        let id = room(&chat, &alice, &[]).await;
        let message = say(&chat, &alice, id, "start").await;
        let racers = (0..6).map(|n| {
            // Two processes.
            let chat = if n % 2 == 0 { chat.clone() } else { Chat::new(store.clone()) };
            let alice = alice.clone();
            tokio::spawn(async move {
                match n {
                    5 => chat.delete_message(&alice, message.id, None).await,
                    n => chat.edit_message(&alice, message.id, to(&n.to_string())).await,
                }
            })
        });
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(_) | Err(Error::MessageDeleted) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let page = chat.events(&alice, id, 2, None).await.unwrap();
        let mut revision = 1;
        for (place, view) in page.events.iter().enumerate() {
            let is_last = place + 1 == page.events.len();
            revision += 1;
            match &view.event.kind {
                EventKind::Message(MessageEvent::Edited { revision: made, .. }) if !is_last => {
                    assert_eq!(*made, revision)
                }
                EventKind::Message(MessageEvent::Deleted { .. }) if is_last => {}
                other => panic!("{other:?} at {place}"),
            }
        }
        let gone = chat.message(&alice, message.id).await.unwrap();
        assert_eq!((gone.revision, gone.body.content), (revision, Content::Deleted));
        assert!(store.list::<Revisions>(Revisions::under(vec![])).await.unwrap().is_empty(), "an earlier text is left");
    }
}

/// A room whose cached facts stay as they are now.
async fn remembering(bob: &Principal) -> (Hooked, Chat, Chat, SessionId, Message) {
    let store = Hooked::default();
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let alice = user("alice");
    let id = room(&elsewhere, &alice, &[bob]).await;
    let message = say(&elsewhere, bob, id, "one").await;
    store.remembers.store(true, Ordering::SeqCst);
    chat.send(bob, id, SendMessage::text("so that facts are cached")).await.unwrap();
    (store, chat, elsewhere, id, message)
}

#[tokio::test]
async fn cached_rights_that_no_longer_hold_allow_nothing() {
    let (alice, bob) = (user("alice"), user("bob"));
    let (_, chat, elsewhere, id, message) = remembering(&bob).await;
    elsewhere.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    let before = head(&elsewhere, &alice, id).await;
    let denial = Denial::NotParticipant;
    for edit in [to("two"), to("one"), to("two").of_revision(7)] {
        assert_denied(chat.edit_message(&bob, message.id, edit).await, denial);
    }
    for revision in [None, Some(7)] {
        assert_denied(chat.delete_message(&bob, message.id, revision).await, denial);
    }
    elsewhere.delete_message(&alice, message.id, None).await.unwrap();
    assert_denied(chat.edit_message(&bob, message.id, to("two")).await, denial);
    assert_denied(chat.delete_message(&bob, message.id, None).await, denial);
    assert_eq!(head(&elsewhere, &alice, id).await, before + 1);
}

#[tokio::test]
async fn a_denial_from_cached_facts_is_decided_again() {
    let (alice, bob) = (user("alice"), user("bob"));
    let (store, chat, elsewhere, id, message) = remembering(&bob).await;
    // A message beyond the cached head.
    let late = say(&elsewhere, &bob, id, "late").await;
    assert_eq!(chat.edit_message(&bob, late.id, to("later")).await.unwrap().revision, 2);
    // Carol's cached facts are from before she became an admin.
    let carol = user("carol");
    elsewhere.join(&carol, id).await.unwrap();
    assert_denied(chat.delete_message(&carol, message.id, None).await, Denial::NotModerator);
    elsewhere.change_role(&alice, id, &carol.user_id, ParticipantRole::Admin).await.unwrap();
    assert_eq!(chat.delete_message(&carol, message.id, None).await.unwrap().body.content, Content::Deleted);
    drop(store);
}

#[tokio::test]
async fn a_change_that_comes_between_is_seen() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    let meanwhile = |text: &'static str| {
        let (elsewhere, alice) = (elsewhere.clone(), alice.clone());
        store.before_commit.once(async move {
            elsewhere.edit_message(&alice, message.id, to(text)).await.unwrap();
        });
    };
    meanwhile("two");
    let refused = chat.edit_message(&alice, message.id, to("three").of_revision(1)).await.unwrap_err();
    assert_eq!(refused, Error::RevisionConflict { current: 2 });
    meanwhile("four");
    assert_eq!(chat.edit_message(&alice, message.id, to("five")).await.unwrap().revision, 4);
    meanwhile("six");
    let refused = chat.delete_message(&alice, message.id, Some(4)).await.unwrap_err();
    assert_eq!(refused, Error::RevisionConflict { current: 5 });
    meanwhile("seven");
    assert_eq!(chat.delete_message(&alice, message.id, None).await.unwrap().revision, 7);
    let kept = store.intact().list::<Revisions>(Revisions::under(vec![])).await.unwrap();
    assert!(kept.is_empty(), "{kept:?}");
}

/// What every read answers while, before it reads the log, its reader is removed and a message gets another text.
#[tokio::test]
async fn a_text_that_came_after_the_reader_was_removed_is_not_shown() {
    type Read =
        for<'a> fn(&'a Chat, &'a Principal, MessageId) -> futures_util::future::BoxFuture<'a, Result<String, Error>>;
    let reads: [Read; 5] = [
        |chat, who, id| Box::pin(async move { chat.message(who, id).await.map(|found| format!("{found:?}")) }),
        |chat, who, id| {
            Box::pin(async move {
                let page = chat.messages(who, id.session_id, MessageWindow::Newest, None).await;
                page.map(|found| format!("{found:?}"))
            })
        },
        |chat, who, id| {
            Box::pin(async move { chat.session(who, id.session_id).await.map(|found| format!("{found:?}")) })
        },
        |chat, who, id| {
            Box::pin(async move { chat.events(who, id.session_id, 0, None).await.map(|found| format!("{found:?}")) })
        },
        |chat, who, id| {
            Box::pin(async move {
                chat.send(who, id.session_id, named("mine", "k")).await.map(|found| format!("{found:?}"))
            })
        },
    ];
    for (place, read) in reads.into_iter().enumerate() {
        for removes in [true, false] {
            let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
            let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
            let id = session(&chat, &alice, SessionType::InviteOnly).await;
            chat.me(&bob).await.unwrap();
            let invited = AddParticipant { user_id: bob.user_id.clone(), role: None };
            chat.add_participant(&alice, id, invited).await.unwrap();
            // The retry of a send shows the sender's own message.
            let (author, edited) = match place {
                4 => (bob.clone(), chat.send(&bob, id, named("mine", "k")).await.unwrap()),
                _ => (alice.clone(), say(&chat, &alice, id, "harmless").await),
            };
            store.before_log.once({
                let (alice, bob) = (alice.clone(), bob.clone());
                async move {
                    let meanwhile = Meanwhile { elsewhere, author, bob, alice };
                    meanwhile.comes(edited.id, removes).await;
                }
            });
            let answer = read(&chat, &bob, edited.id).await;
            assert!(store.before_log.is_done());
            match (removes, answer) {
                (true, Err(Error::Denied(Denial::Hidden) | Error::MessageNotFound)) => {}
                (false, Ok(shown)) => assert!(shown.contains("secret"), "{place}: {shown}"),
                (_, answer) => panic!("{place}: {answer:?}"),
            }
        }
    }
}

/// What happens in another process.
struct Meanwhile {
    elsewhere: Chat,
    author: Principal,
    bob: Principal,
    alice: Principal,
}

impl Meanwhile {
    async fn comes(self, message: MessageId, removes: bool) {
        let Self { elsewhere, author, bob, alice } = self;
        let removal = async || {
            elsewhere.remove_participant(&alice, message.session_id, &bob.user_id).await.unwrap();
        };
        // An author who is to be removed edits first, and the row is beyond the reader's facts in any case.
        if author == bob {
            elsewhere.edit_message(&author, message, to("secret")).await.unwrap();
        }
        if removes {
            removal().await;
        }
        if author != bob {
            elsewhere.edit_message(&author, message, to("secret")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_removed_author_is_not_told_how_the_message_is_now() {
    let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "one").await;
    // The first read is decided on cached facts, so another one follows.
    store.before_log.once(async {});
    let (owner, author) = (alice.clone(), bob.clone());
    store.before_log.once(async move {
        elsewhere.edit_message(&author, message.id, to("two")).await.unwrap();
        elsewhere.remove_participant(&owner, id, &author.user_id).await.unwrap();
    });
    assert_denied(chat.edit_message(&bob, message.id, to("three").of_revision(9)).await, Denial::NotParticipant);
    assert!(store.before_log.is_done());
}

#[tokio::test]
async fn earlier_texts_are_for_those_who_moderate_when_they_are_read() {
    let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    let message = say(&chat, &alice, id, "one").await;
    let (owner, admin) = (alice.clone(), bob.clone());
    store.before_log.once(async move {
        elsewhere.change_role(&owner, id, &admin.user_id, ParticipantRole::Member).await.unwrap();
        elsewhere.edit_message(&owner, message.id, to("two")).await.unwrap();
    });
    assert_denied(chat.message_revisions(&bob, message.id).await, Denial::RoleInsufficient);
    assert_eq!(text_of(&chat.message(&bob, message.id).await.unwrap()), "two");
}

#[tokio::test]
async fn the_commands_edit_and_delete() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    let perform = async |name: &str, data: serde_json::Value| {
        let serde_json::Value::Object(data) = data else { panic!("an object") };
        assert!(Command::FRAMES.contains(&name));
        let answer = Command::read(name, data).unwrap()?.perform(&chat, &alice).await?;
        assert_eq!(answer.cursor(), None, "the change stands elsewhere than the message");
        Ok::<_, Error>(serde_json::to_value(answer).unwrap())
    };
    let edit = |revision| json!({ "message_id": message.id, "content": "two", "revision": revision });
    let edited = perform("edit_message", edit(json!(1))).await.unwrap();
    assert_eq!((&edited["message"]["content"], &edited["message"]["revision"]), (&json!("two"), &json!(2)));
    let delete = |revision| json!({ "message_id": message.id, "revision": revision });
    let refused = perform("delete_message", delete(json!(1))).await.unwrap_err();
    assert_eq!(refused, Error::RevisionConflict { current: 2 });
    let gone = perform("delete_message", delete(json!(null))).await.unwrap();
    assert_eq!((&gone["message"]["content"], &gone["message"]["deleted_by"]), (&json!(null), &json!("alice")));
    let nowhere = json!({ "message_id": "x", "content": "two" });
    assert_eq!(perform("edit_message", nowhere).await.unwrap_err().fields()[0].field, "message_id");
}
