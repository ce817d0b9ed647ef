//! Editing and deleting messages, and what edited messages said before.

mod meanwhile;

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
    let now = super::kit::told(now);
    assert_eq!(shown, [now.clone(), now.clone(), now]);
    let gone = super::kit::told(chat.delete_message(&alice, first.id, None).await.unwrap());
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
    assert_eq!((by.as_ref(), gone.revision, &gone.body.content), (Some(&bob.user_id), 2, &Content::Deleted));
    assert!(*at >= second.created_at);
    assert_eq!((gone.id, gone.number, gone.created_at, &gone.sender), (first.id, 1, first.created_at, &first.sender));
    assert_eq!(newest(&chat, &alice, id).await, [gone.clone(), second]);
    let event = EventKind::Message(MessageEvent::Deleted { messages: vec![first.seq], expired: false });
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
    assert!(matches!(&gone.status, MessageStatus::Deleted { by, .. } if *by == Some(alice.user_id.clone())));
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
    let deleted = EditMessage::new(Content::Deleted);
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
    let edit = EditMessage::new(encrypted("BBBB", 2)).of_revision(1);
    let edited = chat.edit_message(&alice, message.id, edit).await.unwrap();
    assert_eq!(edited.body.content, encrypted("BBBB", 2));
    assert_eq!(texts(&chat, &alice, message.id).await, [(1, encrypted("AAAA", 1))]);
    let bad = EditMessage::new(encrypted("", 2));
    assert!(matches!(chat.edit_message(&alice, message.id, bad).await.unwrap_err(), Error::Invalid(_)));
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
