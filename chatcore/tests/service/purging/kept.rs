//! What a deletion of all messages of a user leaves.

use chatcore::chat::PostSystem;

use super::*;

#[tokio::test]
async fn messages_of_the_server_stay_and_nothing_tells_a_text_that_is_gone() {
    let chat = uncounted(MemoryStore::new());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    // The host posts in the name of a user who is in the session.
    let welcome = chat.post_system(&bob, id, PostSystem::text("Welcome")).await.unwrap();
    let once = |text: &str| SendMessage::text(text).with_client_id(ClientId::new("c").unwrap());
    let named = chat.send(&bob, id, once("a secret")).await.unwrap();
    assert_eq!(chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap(), answer(id, &bob, 1, true));
    assert_eq!(text_of(&chat.message(&alice, welcome.id).await.unwrap()), "Welcome");
    // A right guess and a wrong one get one answer.
    for guess in ["a secret", "another one"] {
        let again = chat.send(&bob, id, once(guess)).await.unwrap();
        assert_eq!((again.id, again.body.content), (named.id, Content::Deleted), "{guess}");
    }
}
