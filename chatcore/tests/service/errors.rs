//! What is refused, and that an error says what is so.

use super::*;

#[tokio::test]
async fn a_hidden_session_answers_like_one_that_never_was() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let never = answers(&chat, &bob, SessionId(uuid::Uuid::now_v7())).await;

    let private = session(&chat, &alice, SessionType::Private).await;
    let invite_only = session(&chat, &alice, SessionType::InviteOnly).await;
    let left = room(&chat, &alice, &[&bob]).await;
    say(&chat, &alice, left, "hello").await;
    chat.leave(&bob, left).await.unwrap();
    chat.update_session(&alice, left, to_type(SessionType::InviteOnly)).await.unwrap();
    let deleted = room(&chat, &alice, &[&bob]).await;
    chat.delete_session(&alice, deleted).await.unwrap();
    for (what, id) in [("private", private), ("invite-only", invite_only), ("left", left), ("deleted", deleted)] {
        assert_eq!(answers(&chat, &bob, id).await, never, "{what}");
    }
    assert_eq!(answers(&chat, &alice, deleted).await[0], never[0], "deleted, for its owner");
    assert!(never.contains(&Error::Denied(Denial::Hidden)));
}

#[tokio::test]
async fn who_has_expired_can_do_nothing() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let expiring = Principal { expires_at: Some(chatcore::Clock::now(&clock) + TimeDelta::seconds(1)), ..alice };
    let bob = Principal { user_id: user_id("bob"), ..expiring.clone() };
    assert!(chat.session(&expiring, id).await.is_ok());
    clock.advance(TimeDelta::seconds(1));
    // Validation comes first, since it tells nothing about what is there.
    for error in answers(&chat, &expiring, id).await {
        assert!(matches!(error, Error::TokenExpired | Error::Invalid(_)), "{error:?}");
    }
    for result in [
        chat.me(&bob).await.map(drop),
        chat.sessions(&bob, Page::FIRST).await.map(drop),
        chat.public_sessions(&bob, Page::FIRST).await.map(drop),
        chat.create_session(&bob, CreateSession::titled("Late")).await.map(drop),
    ] {
        assert_eq!(result.unwrap_err(), Error::TokenExpired);
    }
    let alice = user("alice");
    let refused = chat.add_participant(&alice, id, add("bob", None)).await;
    assert_eq!(refused.unwrap_err(), Error::UserNotFound, "who was refused was not seen");
}

#[tokio::test]
async fn a_change_that_was_made_is_never_denied() {
    let failing = || async {
        let store = Breakable::default();
        let chat = Chat::builder(store.clone()).build();
        let (alice, bob) = (user("alice"), user("bob"));
        chat.me(&user("carol")).await.unwrap();
        let id = room(&chat, &alice, &[&bob]).await;
        store.reads_fail_after_commit.store(true, Ordering::SeqCst);
        (store, chat, alice, bob, id)
    };
    let heal = |store: &Breakable| {
        store.reads_fail_after_commit.store(false, Ordering::SeqCst);
        store.reads_fail.store(false, Ordering::SeqCst);
    };
    for case in 0..9 {
        let (store, chat, alice, bob, id) = failing().await;
        let done = match case {
            0 => chat.create_session(&alice, CreateSession::titled("New")).await.map(drop),
            1 => chat.join(&user("dave"), id).await.map(drop),
            2 => chat.leave(&bob, id).await,
            3 => chat.add_participant(&alice, id, add("carol", None)).await.map(drop),
            4 => chat.change_role(&alice, id, &bob.user_id, VIEWER).await.map(drop),
            5 => chat.remove_participant(&alice, id, &bob.user_id).await,
            6 => chat.update_session(&alice, id, titled("New")).await.map(drop),
            7 => chat.delete_session(&alice, id).await,
            _ => chat.send(&user("bob"), id, SendMessage::text("hi")).await.map(drop),
        };
        heal(&store);
        // The commit succeeded. Only what came after it failed, so "nothing was changed" would be a lie.
        assert!(matches!(done, Ok(()) | Err(Error::OutcomeUnknown)), "{case}: {done:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_says_so_and_nothing_changes() {
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    store.reads_fail.store(true, Ordering::SeqCst);
    for error in answers(&chat, &bob, id).await {
        assert!(matches!(error, Error::Unavailable | Error::Invalid(_)), "{error:?}");
    }
    store.reads_fail.store(false, Ordering::SeqCst);
    assert_eq!(head(&chat, &alice, id).await, 2);
}

#[tokio::test]
async fn two_chats_on_one_store_see_the_same() {
    let store = MemoryStore::new();
    let (here, there) = (Chat::new(store.clone()), Chat::new(store));
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[]).await;
    there.join(&bob, id).await.unwrap();
    say(&there, &bob, id, "from there").await;
    here.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    assert_denied(there.send(&bob, id, SendMessage::text("late")).await, Denial::NotParticipant);
    assert_eq!(here.session(&alice, id).await.unwrap(), there.session(&alice, id).await.unwrap());
}

#[tokio::test]
async fn a_chat_is_one_handle_for_many_tasks() {
    fn is_shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    let chat = Chat::in_memory();
    is_shareable(&chat);
    let shared = Arc::new(chat.clone());
    shared.me(&user("alice")).await.unwrap();
    assert!(format!("{chat:?}").starts_with("Chat"));
    assert!(chat.me(&user("alice")).await.unwrap().updated_at <= Utc::now());
}
