//! Sending and reading messages.

use super::*;

#[tokio::test]
async fn a_message_is_answered_as_it_is_shown() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let (mut alice, bob) = (user("alice").with_name("Alice"), user("bob"));
    alice.email = Some("alice@example.com".to_owned());
    let id = room(&chat, &alice, &[&bob]).await;
    let sent = say(&chat, &alice, id, "<b>stored as sent</b>\r\n\tlines and tabs").await;
    assert_eq!((sent.seq, sent.number, sent.session_id), (3, 1, id));
    assert_eq!(sent.id, MessageId { session_id: id, seq: 3 });
    assert_eq!((sent.sender.name.as_str(), &sent.sender.email), ("Alice", &None));
    assert_eq!(text_of(&sent), "<b>stored as sent</b>\r\n\tlines and tabs");
    assert_eq!(sent.created_at, chatcore::Clock::now(&clock));
    for who in [&alice, &bob] {
        assert_eq!(chat.message(who, sent.id).await.unwrap(), sent);
        assert_eq!(
            chat.messages(who, id, MessageWindow::Newest, None).await.unwrap().messages,
            std::slice::from_ref(&sent)
        );
        assert_eq!(chat.session(who, id).await.unwrap().messages, std::slice::from_ref(&sent));
        assert_eq!(
            chat.events(who, id, 2, None).await.unwrap().events[0].message().unwrap(),
            super::kit::told(sent.clone())
        );
    }
}

#[tokio::test]
async fn what_is_no_message_is_not_found_as_one() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[&user("bob")]).await;
    say(&chat, &alice, id, "hello").await;
    for seq in [0, 1, 2, 4, u64::MAX] {
        let found = chat.message(&alice, MessageId { session_id: id, seq }).await;
        assert_eq!(found.unwrap_err(), Error::MessageNotFound, "{seq}");
    }
}

#[tokio::test]
async fn time_never_runs_backwards_inside_of_a_session() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[]).await;
    let first = say(&chat, &alice, id, "one").await;
    clock.advance(TimeDelta::minutes(-5));
    assert_eq!(say(&chat, &alice, id, "two").await.created_at, first.created_at);
    assert_eq!(chat.join(&bob, id).await.unwrap().participant.joined_at, first.created_at);
    let updated = chat.update_session(&alice, id, titled("New")).await.unwrap();
    assert_eq!(updated.summary.session.updated_at, first.created_at);
}

fn body(message_type: MessageType, content: Content) -> SendMessage {
    SendMessage::new(MessageBody { message_type, ..MessageBody::new(content) })
}

#[tokio::test]
async fn messages_have_limits() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    for good in ["x".to_owned(), " ".to_owned(), "🦀".repeat(8_000)] {
        assert!(chat.send(&alice, id, SendMessage::text(good)).await.is_ok());
    }
    let invalid = Code::ValidationInvalidValue;
    for (bad, code) in [
        (String::new(), Code::ValidationRequiredField),
        ("🦀".repeat(8_001), Code::MessageTooLong),
        ("nul\0".to_owned(), invalid),
        ("bell\u{7}".to_owned(), invalid),
        ("c1 \u{9b}31m".to_owned(), invalid),
    ] {
        assert_fault(chat.send(&alice, id, SendMessage::text(bad)).await, "content", code);
    }
    let text = || Content::Text("hi".to_owned());
    for message_type in [MessageType::Text, MessageType::Image, MessageType::File] {
        assert!(chat.send(&alice, id, body(message_type, text())).await.is_ok());
    }
    let system = chat.send(&alice, id, body(MessageType::System, text())).await;
    assert_fault(system, "message_type", invalid);
    assert_eq!(chat.session(&alice, id).await.unwrap().summary.message_count, 6);
}

#[tokio::test]
async fn encrypted_messages_are_passed_on_unread() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let encrypted = |data: &str, iv: &str| {
        let content = EncryptedContent { encrypted_data: data.to_owned(), iv: iv.to_owned(), key_version: 3 };
        body(MessageType::Text, Content::Encrypted(content))
    };
    let sent = chat.send(&alice, id, encrypted("AAECAw==", "BBBB")).await.unwrap();
    assert_eq!(sent.body, encrypted("AAECAw==", "BBBB").body);
    assert!(chat.send(&alice, id, encrypted(&"A".repeat(16_000), &"B".repeat(256))).await.is_ok());
    let too_long = chat.send(&alice, id, encrypted(&"A".repeat(16_001), "B")).await;
    assert_fault(too_long, "content.encrypted_data", Code::MessageTooLong);
    let empty = chat.send(&alice, id, encrypted("", "B")).await;
    assert_fault(empty, "content.encrypted_data", Code::ValidationRequiredField);
    for iv in [String::new(), "B".repeat(257)] {
        let wrong = chat.send(&alice, id, encrypted("A", &iv)).await;
        assert_fault(wrong, "content.iv", Code::ValidationInvalidValue);
    }
}
