//! What is refused, and that an error says what is so.

use chatcore::{
    chat::{BlockingPolicy, MessageDraft, SetPresence, Verdict},
    store::{Bots, ClientIds, HeldMessages, PresenceChoices, ReadMarkers},
};

use super::{hooked::Hooked, *};

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

/// The use case goes on with more commits, or with reads for its answer, which fail.
#[tokio::test]
async fn after_the_first_commit_of_a_use_case_no_error_says_that_nothing_changed() {
    for case in ["approve", "hold", "delete a bot", "mark", "presence"] {
        let store = Hooked::default();
        let policy = BlockingPolicy::new(|draft: &MessageDraft| match &draft.body.content {
            Content::Text(text) if text == "hold" => Verdict::Hold(None),
            Content::Text(_) | Content::Encrypted(_) | Content::Deleted => Verdict::Allow,
        });
        let chat = Chat::builder(store.clone()).rates(RateLimits::off()).message_policy(policy).build();
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let hold = async || chat.send(&bob, id, SendMessage::text("hold")).await;
        let held = async || chat.held_messages(&alice, id, Page::FIRST).await.unwrap().entries;
        let texts = async || {
            let page = chat.messages(&bob, id, MessageWindow::Newest, None).await.unwrap();
            page.messages.iter().map(|message| text_of(message).to_owned()).collect::<Vec<_>>()
        };
        // All reads after this commit fail.
        let breaks_after_commit = |table: &'static str| {
            let fail = Arc::clone(&store.reads_fail);
            *store.commits_of.lock().unwrap() = Some(table);
            store.before_commit.once(async move { fail.store(true, Ordering::SeqCst) });
        };
        let heal = || {
            assert!(store.before_commit.is_done() && store.before_read.is_done(), "{case}");
            store.reads_fail.store(false, Ordering::SeqCst);
        };
        match case {
            "approve" => {
                assert_eq!(hold().await, Err(Error::MessageHeld));
                let waiting = held().await.remove(0).id;
                breaks_after_commit(ClientIds::TABLE.name);
                assert_eq!(chat.approve_message(&alice, id, waiting).await, Err(Error::OutcomeUnknown));
                heal();
                assert_eq!((texts().await, held().await.len()), (vec!["hold".to_owned()], 1));
                chat.approve_message(&alice, id, waiting).await.unwrap();
                assert_eq!((texts().await, held().await.len()), (vec!["hold".to_owned()], 0));
            }
            "hold" => {
                breaks_after_commit(HeldMessages::TABLE.name);
                assert_eq!(hold().await, Err(Error::OutcomeUnknown));
                heal();
                assert_eq!(held().await.len(), 1);
            }
            "delete a bot" => {
                let bot = chat.create_bot(&alice, "A bot").await.unwrap().profile.user_id;
                let fail = Arc::clone(&store.reads_fail);
                *store.reads_of.lock().unwrap() = Some(Bots::TABLE.name);
                // The first look is for the owner, the second one comes after the deletion of the account.
                store.before_read.once(async {});
                store.before_read.once(async move { fail.store(true, Ordering::SeqCst) });
                assert_eq!(chat.delete_bot(&alice, &bot).await, Err(Error::OutcomeUnknown));
                heal();
                assert!(chat.standing(&bot).await.unwrap().deleted_at.is_some());
                chat.delete_bot(&alice, &bot).await.unwrap();
                assert_eq!(chat.bots(&alice).await.unwrap(), []);
            }
            "mark" => {
                // One page of sessions, so the next page is asked for.
                for _ in 1..100 {
                    room(&chat, &alice, &[&bob]).await;
                }
                say(&chat, &alice, id, "hello").await;
                breaks_after_commit(ReadMarkers::TABLE.name);
                assert_eq!(chat.mark_all_read(&bob, None).await, Err(Error::OutcomeUnknown));
                heal();
                assert_eq!(chat.session(&bob, id).await.unwrap().reading.unread.count, 0);
            }
            _ => {
                let set = SetPresence { is_hidden: Some(true), ..SetPresence::default() };
                breaks_after_commit(PresenceChoices::TABLE.name);
                assert_eq!(chat.set_presence(&bob, set).await, Err(Error::OutcomeUnknown));
                heal();
                assert!(chat.own_presence(&bob).await.unwrap().is_hidden);
            }
        }
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
