//! What the host posts.

use chatcore::chat::PostSystem;

use super::*;

fn host() -> Principal {
    user("system").with_name("The house")
}

#[tokio::test]
async fn the_host_posts_in_any_session_without_being_in_it() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    for session_type in [SessionType::Private, SessionType::Public, SessionType::InviteOnly] {
        let id = session(&chat, &alice, session_type).await;
        let mut events = chat.subscribe(&alice, id, None).await.unwrap();
        let posted = chat.post_system(&host(), id, PostSystem::text("the office closes at five")).await.unwrap();
        assert_eq!((posted.body.message_type, posted.body.role), (MessageType::System, SpeakerRole::System));
        assert_eq!((posted.sender.name.as_str(), text_of(&posted)), ("The house", "the office closes at five"));
        assert_eq!(chat.message(&alice, posted.id).await.unwrap(), posted);
        assert_eq!(kit::next(&mut events).await.message().unwrap(), kit::told(posted));
        // It makes the host no participant.
        assert_eq!(chat.participants(&alice, id, Page::FIRST, false).await.unwrap().len(), 1);
        assert!(chat.session(&host(), id).await.is_err());
    }
}

#[tokio::test]
async fn the_host_posts_in_no_session_that_is_not_there() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    // Its facts are cached from here on.
    chat.post_system(&host(), id, PostSystem::text("hello")).await.unwrap();
    chat.delete_session(&alice, id).await.unwrap();
    for id in [id, SessionId(uuid::Uuid::from_u128(7))] {
        assert_denied(chat.post_system(&host(), id, PostSystem::text("hello?")).await, Denial::Hidden);
    }
}

#[tokio::test]
async fn a_deletion_by_another_process_stops_the_host() {
    let store = MemoryStore::new();
    let (chat, other, alice) = (Chat::new(store.clone()), Chat::new(store.clone()), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    chat.post_system(&host(), id, PostSystem::text("hello")).await.unwrap();
    other.delete_session(&alice, id).await.unwrap();
    assert_denied(chat.post_system(&host(), id, PostSystem::text("hello?")).await, Denial::Hidden);
}

#[tokio::test]
async fn a_post_of_the_host_is_retried_like_a_message() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let once = ClientId::new("closing 2026-01-01").unwrap();
    let post =
        async |text: &str| chat.post_system(&host(), id, PostSystem::text(text).with_client_id(once.clone())).await;
    let first = post("closed").await.unwrap();
    assert_eq!(post("closed").await.unwrap(), first);
    assert_eq!(post("open").await.unwrap_err(), Error::ClientIdReused);
    assert_eq!(chat.messages(&alice, id, MessageWindow::Newest, None).await.unwrap().messages, [first]);
}

#[tokio::test]
async fn the_limits_of_messages_hold_for_the_host() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let long = "x".repeat(chat.limits().message_chars + 1);
    for (text, code) in [("", Code::ValidationRequiredField), (&*long, Code::MessageTooLong)] {
        let refused = chat.post_system(&host(), id, PostSystem::text(text)).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    // A participant cannot send such a message, whatever the role.
    let SendMessage { mut body, .. } = SendMessage::text("trust me");
    body.message_type = MessageType::System;
    let refused = chat.send(&alice, id, SendMessage::new(body)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ValidationInvalidValue);
}

#[tokio::test]
async fn a_post_of_the_host_shows_no_address_of_an_added_user() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let bot = Principal { email: Some("bot@example.com".to_owned()), ..user("bot") };
    chat.me(&bot).await.unwrap();
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.add_participant(&alice, id, add("bot", None)).await.unwrap();
    chat.post_system(&bot, id, PostSystem::text("hello")).await.unwrap();
    assert_eq!(chat.participant(&alice, id, &bot.user_id, true).await.unwrap().profile.email, None);
}
