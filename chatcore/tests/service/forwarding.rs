//! Forwarding.

use chatcore::{
    Chat, Code, Error, MemoryStore,
    chat::{EditMessage, PostSystem, SendMessage},
    model::{
        Attachment, ClientId, Content, EncryptedContent, Message, MessageBody, MessageType, MessageWindow, Origin,
        Page, ParticipantRole, SessionType,
    },
    permission::Denial,
};

use super::kit::{assert_denied, room, say, session, text_of, uncounted, user, user_id};

fn origin(message: &Message) -> Origin {
    Origin { message: Some(message.id), author: message.sender.user_id.clone(), sent_at: message.created_at }
}

fn chat() -> Chat {
    uncounted(MemoryStore::new())
}

#[tokio::test]
async fn a_copy_names_its_origin_as_far_as_its_reader_may_know() {
    let (chat, alice, bob, carol) = (chat(), user("alice"), user("bob"), user("carol"));
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    let file = Attachment { id: "1".into(), name: "a".into(), media_type: "text/plain".into(), size: 1 };
    let body = MessageBody {
        attachments: vec![file.clone()],
        ..MessageBody::new(Content::Text("@bob http://x.example".into()))
    };
    let message = chat.send(&alice, hidden, SendMessage::new(body)).await.unwrap();
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let copy = chat.forward_message(&alice, message.id, id, None).await.unwrap();
    assert_eq!((copy.session_id, &copy.sender.user_id), (id, &alice.user_id));
    assert_eq!((text_of(&copy), &copy.body.attachments), ("@bob http://x.example", &vec![file]));
    assert_eq!((copy.body.mentions.len(), copy.body.links.len()), (0, 1));
    let whole = origin(&message);
    let part = Origin { message: None, ..whole.clone() };
    assert_eq!(copy.body.origin, Some(whole.clone()));
    let shown = async |who| {
        let page = chat.messages(who, id, MessageWindow::Newest, None).await.unwrap().messages;
        let details = chat.session(who, id).await.unwrap().messages;
        let one = chat.message(who, copy.id).await.unwrap();
        assert_eq!((&page, &details), (&vec![one.clone()], &vec![one.clone()]));
        let listed = chat.sessions(who, Page::FIRST).await.unwrap();
        let listed = listed.iter().find(|one| one.session.id == id).unwrap().overview.clone().unwrap();
        assert_eq!(listed.last_message.unwrap().body, one.body);
        one.body.origin.unwrap()
    };
    assert_eq!(shown(&alice).await, whole);
    assert_eq!(shown(&bob).await, part);
    // An event suits every reader.
    for who in [&alice, &bob] {
        let events = chat.events(who, id, copy.seq - 1, None).await.unwrap().events;
        assert_eq!(events[0].message().unwrap().body.origin, Some(part.clone()));
    }
    // A reader who comes into the session there sees it, and one who goes no longer does.
    let add = chatcore::chat::AddParticipant { user_id: bob.user_id.clone(), role: None };
    chat.add_participant(&alice, hidden, add).await.unwrap();
    assert_eq!((shown(&bob).await, shown(&carol).await), (whole, part.clone()));
    chat.remove_participant(&alice, hidden, &bob.user_id).await.unwrap();
    assert_eq!(shown(&bob).await, part);
    // A copy of a copy names the first message.
    let other = room(&chat, &bob, &[&alice]).await;
    let again = chat.forward_message(&bob, copy.id, other, None).await.unwrap();
    assert_eq!(again.body.origin.as_ref().map(|origin| &origin.author), Some(&alice.user_id));
    assert_eq!(chat.message(&bob, again.id).await.unwrap().body.origin, Some(part));
    assert_eq!(chat.message(&alice, again.id).await.unwrap().body.origin, Some(origin(&message)));
    // It is a message of its own.
    chat.delete_message(&alice, message.id, None).await.unwrap();
    assert_eq!(text_of(&chat.message(&bob, copy.id).await.unwrap()), "@bob http://x.example");
    let deleted = chat.delete_message(&alice, copy.id, None).await.unwrap();
    assert_eq!(deleted.body.origin, None);
}

#[tokio::test]
async fn who_may_read_there_and_send_here_may_forward() {
    let (chat, alice, bob) = (chat(), user("alice"), user("bob"));
    let from = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, from, "words").await;
    let to = room(&chat, &alice, &[&bob]).await;
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    let secret = say(&chat, &alice, hidden, "secret").await;
    let copy = chat.forward_message(&bob, message.id, to, None).await.unwrap();
    // The words are somebody else's.
    assert_denied(chat.edit_message(&bob, copy.id, EditMessage::text("other")).await, Denial::NotAuthor);
    assert_eq!(chat.forward_message(&bob, secret.id, to, None).await.unwrap_err(), Error::MessageNotFound);
    assert_denied(chat.forward_message(&bob, message.id, hidden, None).await, Denial::Hidden);
    chat.change_role(&alice, to, &user_id("bob"), ParticipantRole::Viewer).await.unwrap();
    assert_denied(chat.forward_message(&bob, message.id, to, None).await, Denial::RoleInsufficient);
    chat.change_role(&alice, from, &user_id("bob"), ParticipantRole::Viewer).await.unwrap();
    let own = room(&chat, &bob, &[]).await;
    chat.forward_message(&bob, message.id, own, None).await.unwrap();
    chat.leave(&bob, from).await.unwrap();
    assert_denied(chat.forward_message(&bob, message.id, own, None).await, Denial::NotParticipant);
}

#[tokio::test]
async fn what_cannot_be_forwarded_is_refused() {
    let (chat, alice) = (chat(), user("alice"));
    let (from, to) = (room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await);
    let gone = say(&chat, &alice, from, "gone").await;
    let content = Content::Encrypted(EncryptedContent { encrypted_data: "a".into(), iv: "b".into(), key_version: 1 });
    let secret = chat.send(&alice, from, SendMessage::new(MessageBody::new(content))).await.unwrap();
    let refused = chat.forward_message(&alice, secret.id, to, None).await.unwrap_err();
    assert_eq!(refused.code(), Code::ValidationInvalidValue);
    // A retry gets its first result, also once the message is gone; the words of the message do not matter.
    let once = || ClientId::new("once").ok();
    let first = chat.forward_message(&alice, gone.id, to, once()).await.unwrap();
    chat.edit_message(&alice, gone.id, EditMessage::text("other words")).await.unwrap();
    assert_eq!(chat.forward_message(&alice, gone.id, to, once()).await.unwrap(), first);
    chat.delete_message(&alice, gone.id, None).await.unwrap();
    assert_eq!(chat.forward_message(&alice, gone.id, to, once()).await.unwrap().id, first.id);
    assert_eq!(chat.forward_message(&alice, gone.id, to, None).await.unwrap_err(), Error::MessageDeleted);
    let other = say(&chat, &alice, from, "other").await;
    assert_eq!(chat.forward_message(&alice, other.id, to, once()).await.unwrap_err(), Error::ClientIdReused);
    // The words of the system are not said in its name.
    let system = chat.post_system(&user("host"), from, PostSystem::text("notice")).await.unwrap();
    let copy = chat.forward_message(&alice, system.id, to, None).await.unwrap();
    assert_eq!((copy.body.message_type, text_of(&copy)), (MessageType::Text, "notice"));
}
