//! Blocked users: what they cannot do, and what the user who blocked sees.

use chatcore::{
    chat::{EditMessage, MAX_BLOCKS},
    model::{Emoji, Message},
    store::{BlockRecord, Blocks},
};

use super::*;

/// Alice and bob, who were seen.
async fn two(chat: &Chat) -> (Principal, Principal) {
    let (alice, bob) = (user("alice"), user("bob"));
    for user in [&alice, &bob] {
        chat.me(user).await.unwrap();
    }
    (alice, bob)
}

async fn blocked(chat: &Chat, by: &Principal) -> Vec<String> {
    chat.blocks(by, Page::FIRST).await.unwrap().iter().map(|one| one.user.user_id.to_string()).collect()
}

fn marks(messages: &[Message]) -> Vec<(String, Option<bool>)> {
    messages.iter().map(|one| (one.sender.user_id.to_string(), one.sender_blocked)).collect()
}

#[tokio::test]
async fn a_blocked_user_starts_no_direct_session_and_writes_in_none() {
    let store = MemoryStore::new();
    let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store));
    let (alice, bob) = two(&chat).await;
    let carol = user("carol");
    chat.me(&carol).await.unwrap();
    let id = id_of(&chat.start_direct(&alice, &bob.user_id).await.unwrap().session);
    let own = say(&elsewhere, &bob, id, "before").await.id;
    let before = head(&chat, &alice, id).await;

    chat.block_user(&alice, &bob.user_id).await.unwrap();
    let emoji = Emoji::new("\u{1f44d}").unwrap();
    let edit = || EditMessage::text("after all");
    let others = [user_id("alice"), user_id("carol")];
    for chat in [&chat, &elsewhere] {
        for refused in [
            chat.send(&bob, id, SendMessage::text("after")).await.unwrap_err(),
            chat.edit_message(&bob, own, edit()).await.unwrap_err(),
            chat.add_reaction(&bob, own, &emoji).await.unwrap_err(),
            chat.typing(&bob, id, true).await.unwrap_err(),
            chat.start_direct(&bob, &alice.user_id).await.unwrap_err(),
            chat.start_group(&bob, &others).await.unwrap_err(),
        ] {
            assert_eq!(refused, Error::DirectRefused);
            assert_eq!(refused.code().status(), 403);
        }
    }
    assert_eq!(head(&chat, &alice, id).await, before);
    // Bob still reads, and takes back what he said. Alice still writes.
    chat.session(&bob, id).await.unwrap();
    chat.delete_message(&bob, own, None).await.unwrap();
    say(&chat, &alice, id, "because").await;
    chat.start_direct(&bob, &carol.user_id).await.unwrap();

    chat.unblock_user(&alice, &bob.user_id).await.unwrap();
    say(&elsewhere, &bob, id, "sorry").await;
    assert_eq!(id_of(&chat.start_direct(&bob, &alice.user_id).await.unwrap().session), id);
}

#[tokio::test]
async fn a_direct_session_with_a_blocker_is_not_made() {
    let chat = Chat::in_memory();
    let (alice, bob) = two(&chat).await;
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    assert_eq!(chat.start_direct(&bob, &alice.user_id).await.unwrap_err(), Error::DirectRefused);
    assert!(chat.sessions(&alice, Page::FIRST).await.unwrap().is_empty());
    // The user who blocked can start it.
    let id = id_of(&chat.start_direct(&alice, &bob.user_id).await.unwrap().session);
    assert_eq!(chat.send(&bob, id, SendMessage::text("x")).await.unwrap_err(), Error::DirectRefused);
}

#[tokio::test]
async fn messages_of_a_blocked_user_are_marked_for_the_user_who_blocked_alone() {
    let chat = Chat::in_memory();
    let (alice, bob) = two(&chat).await;
    let carol = user("carol");
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let sent = say(&chat, &bob, id, "1").await;
    assert_eq!(sent.sender_blocked, Some(false));
    say(&chat, &carol, id, "2").await;
    say(&chat, &alice, id, "3").await;
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    // In a session of several users a block keeps nobody from writing.
    say(&chat, &bob, id, "4").await;
    let marked = |of_bob| [("bob", of_bob), ("carol", false), ("alice", false), ("bob", of_bob)];
    for (who, of_bob) in [(&alice, true), (&bob, false), (&carol, false)] {
        let expected = marked(of_bob).map(|(name, mark)| (name.to_owned(), Some(mark)));
        let page = chat.messages(who, id, MessageWindow::Newest, None).await.unwrap();
        assert_eq!(marks(&page.messages), expected);
        assert_eq!(marks(&chat.session(who, id).await.unwrap().messages), expected);
        assert_eq!(chat.message(who, sent.id).await.unwrap().sender_blocked, Some(of_bob));
        let events = chat.events(who, id, 3, None).await.unwrap().events;
        let told: Vec<_> = events.iter().filter_map(|view| view.message()).collect();
        assert!(told.iter().all(|message| message.sender_blocked.is_none()), "an event suits every reader");
        assert_eq!(told.len(), 4);
    }
    chat.unblock_user(&alice, &bob.user_id).await.unwrap();
    assert_eq!(chat.message(&alice, sent.id).await.unwrap().sender_blocked, Some(false));
}

#[tokio::test]
async fn blocks_are_the_users_own_and_a_retry_changes_nothing() {
    let chat = Chat::in_memory();
    let (alice, bob) = two(&chat).await;
    for _ in 0..2 {
        chat.block_user(&alice, &bob.user_id).await.unwrap();
        assert_eq!(blocked(&chat, &alice).await, ["bob"]);
    }
    assert!(blocked(&chat, &bob).await.is_empty());
    for _ in 0..2 {
        chat.unblock_user(&alice, &bob.user_id).await.unwrap();
        assert!(blocked(&chat, &alice).await.is_empty());
    }
    assert_fault(chat.block_user(&alice, &alice.user_id).await, "user_id", Code::ValidationInvalidValue);
    assert_eq!(chat.block_user(&alice, &user_id("nobody")).await.unwrap_err(), Error::UserNotFound);
}

#[tokio::test]
async fn blocks_have_pages_and_a_bound() {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let (alice, bob) = two(&chat).await;
    let block = |n: u64| {
        Blocks { user: user_id("alice"), blocked: user_id(&format!("u{n:04}")) }.put(BlockRecord { at: Utc::now() })
    };
    store.commit(Change::of_records((1..MAX_BLOCKS).map(block).collect())).await.unwrap();
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    chat.me(&user("carol")).await.unwrap();
    let full = Error::LimitExceeded { what: "the number of blocked users", limit: MAX_BLOCKS };
    assert_eq!(chat.block_user(&alice, &user_id("carol")).await.unwrap_err(), full);
    // One that there is already is no new one.
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    let mut page = Page { limit: Some(100), ..Page::FIRST };
    let mut found = 0;
    loop {
        let part = chat.blocks(&alice, page.clone()).await.unwrap();
        found += part.len() as u64;
        let Some(next) = part.next else { break };
        page.after = Some(next);
    }
    assert_eq!(found, MAX_BLOCKS);
}
