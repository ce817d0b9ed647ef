//! Sending the same again.

use super::*;

fn named(text: &str, client_id: &str) -> SendMessage {
    SendMessage::text(text).with_client_id(ClientId::new(client_id).unwrap())
}

#[tokio::test]
async fn the_same_message_again_is_the_first_one() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let first = chat.send(&alice, id, named("hello", "1")).await.unwrap();
    say(&chat, &bob, id, "in between").await;
    for _ in 0..3 {
        assert_eq!(chat.send(&alice, id, named("hello", "1")).await.unwrap(), first);
    }
    assert_eq!(chat.session(&alice, id).await.unwrap().summary.message_count, 2);
    // The id belongs to its user, in its session.
    assert_ne!(chat.send(&bob, id, named("hello", "1")).await.unwrap().id, first.id);
    let elsewhere = room(&chat, &alice, &[]).await;
    assert_eq!(chat.send(&alice, elsewhere, named("other", "1")).await.unwrap().seq, 2);
    assert_ne!(chat.send(&alice, id, SendMessage::text("hello")).await.unwrap().id, first.id, "without one, a second");
}

#[tokio::test]
async fn a_client_id_stands_for_one_message() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    chat.send(&alice, id, named("hello", "1")).await.unwrap();
    let mut others = vec![named("Hello", "1"), named("hello ", "1")];
    let mut role = named("hello", "1");
    role.body.role = SpeakerRole::Assistant;
    let mut message_type = named("hello", "1");
    message_type.body.message_type = MessageType::Image;
    others.extend([role, message_type]);
    for other in others {
        assert_eq!(chat.send(&alice, id, other).await.unwrap_err(), Error::ClientIdReused);
    }
    assert_eq!(chat.session(&alice, id).await.unwrap().summary.message_count, 1);
}

#[tokio::test]
async fn a_refused_attempt_uses_no_client_id_up() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap();
    assert_denied(chat.send(&bob, id, named("as a viewer", "1")).await, Denial::RoleInsufficient);
    chat.change_role(&alice, id, &bob.user_id, MEMBER).await.unwrap();
    assert_fault(chat.send(&bob, id, named("", "1")).await, "content", Code::ValidationRequiredField);
    let sent = chat.send(&bob, id, named("as a member", "1")).await.unwrap();
    assert_eq!(chat.send(&bob, id, named("other", "1")).await.unwrap_err(), Error::ClientIdReused);
    assert_eq!(chat.send(&bob, id, named("as a member", "1")).await.unwrap(), sent);
}

#[tokio::test]
async fn a_retry_is_authorised_afresh() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let sent = chat.send(&bob, id, named("hello", "1")).await.unwrap();
    chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap();
    assert_denied(chat.send(&bob, id, named("hello", "1")).await, Denial::RoleInsufficient);
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    for text in ["hello", "other"] {
        assert_denied(chat.send(&bob, id, named(text, "1")).await, Denial::NotParticipant);
    }
    chat.add_participant(&alice, id, add("bob", None)).await.unwrap();
    assert_eq!(chat.send(&bob, id, named("hello", "1")).await.unwrap(), sent, "remembered over the stay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_message_in_parallel_is_sent_once() {
    for _ in 0..20 {
        let (chat, alice) = (Chat::in_memory(), user("alice"));
        let id = room(&chat, &alice, &[]).await;
        let sends: Vec<_> = (0..8)
            .map(|_| {
                let (chat, alice) = (chat.clone(), alice.clone());
                tokio::spawn(async move { chat.send(&alice, id, named("once", "1")).await.unwrap() })
            })
            .collect();
        for send in sends {
            assert_eq!(send.await.unwrap().seq, 2);
        }
        assert_eq!(head(&chat, &alice, id).await, 2);
    }
}
