//! Slow mode, and the other settings that a session is made without.

use super::*;

fn slow(seconds: u32) -> UpdateSession {
    UpdateSession { slow_mode_seconds: Some(seconds), ..UpdateSession::default() }
}

fn timed() -> (MemoryStore, [Chat; 2], TestClock) {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = || Chat::builder(store.clone()).clock(clock.clone()).rates(RateLimits::off()).build();
    let chats = [chat(), chat()];
    (store, chats, clock)
}

async fn send(chat: &Chat, who: &Principal, id: SessionId) -> Result<u64, Error> {
    chat.send(who, id, SendMessage::text("x")).await.map(|message| message.number)
}

fn wait(retry_after: u64) -> Result<u64, Error> {
    Err(Error::RateLimited { retry_after })
}

#[tokio::test]
async fn a_member_waits_between_messages_and_those_who_manage_do_not() {
    let (_, [chat, other], clock) = timed();
    let (alice, bob, carol, dave) = (user("alice"), user("bob"), user("carol"), user("dave"));
    let id = room(&chat, &alice, &[&bob, &carol, &dave]).await;
    chat.change_role(&alice, id, &carol.user_id, ADMIN).await.unwrap();
    assert_eq!((send(&chat, &bob, id).await, send(&chat, &bob, id).await), (Ok(1), Ok(2)));
    chat.update_session(&alice, id, slow(10)).await.unwrap();
    // What was sent before the setting counts for nothing.
    assert_eq!(send(&chat, &bob, id).await, Ok(3));
    assert_eq!(send(&chat, &bob, id).await, wait(10));
    clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(send(&other, &bob, id).await, wait(10), "a part of a second is a second");
    assert_eq!(send(&other, &dave, id).await, Ok(4), "each waits for themselves");
    for who in [&alice, &carol] {
        for chat in [&chat, &other] {
            send(chat, who, id).await.unwrap();
        }
    }
    clock.advance(TimeDelta::milliseconds(9_998));
    assert_eq!(send(&other, &bob, id).await, wait(1));
    clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(send(&other, &bob, id).await, Ok(9));
    // An edit or a reaction is no message.
    let first = chat.messages(&bob, id, MessageWindow::Skip(0), None).await.unwrap().messages[0].id;
    let edit = chatcore::chat::EditMessage::text("y");
    chat.edit_message(&bob, first, edit).await.unwrap();
    chat.update_session(&carol, id, slow(0)).await.unwrap();
    assert_eq!((send(&chat, &bob, id).await, send(&chat, &bob, id).await), (Ok(10), Ok(11)));
}

#[tokio::test]
async fn a_retry_in_slow_mode_is_no_second_message() {
    let (_, [chat, other], _) = timed();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.update_session(&alice, id, slow(21_600)).await.unwrap();
    let once = |text: &str, name: &str| SendMessage::text(text).with_client_id(ClientId::new(name).unwrap());
    let first = chat.send(&bob, id, once("hello", "a")).await.unwrap();
    for chat in [&chat, &other] {
        assert_eq!(chat.send(&bob, id, once("hello", "a")).await.unwrap().id, first.id);
        assert_eq!(chat.send(&bob, id, once("other", "a")).await, Err(Error::ClientIdReused));
        assert_eq!(chat.send(&bob, id, once("hello", "b")).await, Err(Error::RateLimited { retry_after: 21_600 }));
    }
    // A refused message uses its client id up as little as its text.
    chat.update_session(&alice, id, slow(0)).await.unwrap();
    assert_eq!(chat.send(&bob, id, once("another", "b")).await.unwrap().number, 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
    let (_, [chat, _], clock) = timed();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.update_session(&alice, id, slow(60)).await.unwrap();
    assert_eq!(send(&chat, &bob, id).await, Ok(1));
    // By so little that the last message may have come through a process whose clock is ahead.
    clock.advance(TimeDelta::seconds(-60));
    assert_eq!(send(&chat, &bob, id).await, wait(60));
    clock.advance(TimeDelta::seconds(119));
    assert_eq!(send(&chat, &bob, id).await, wait(1));
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(send(&chat, &bob, id).await, Ok(2));
    // The first message is sent at once, and counts by the clock as it is now.
    clock.advance(TimeDelta::days(-1));
    assert_eq!(send(&chat, &bob, id).await, Ok(3));
    assert_eq!(send(&chat, &bob, id).await, wait(60));
    clock.advance(TimeDelta::seconds(60));
    assert_eq!(send(&chat, &bob, id).await, Ok(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_sends_one_is_taken_in_each_interval() {
    let (_, chats, clock) = timed();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chats[0], &alice, &[&bob]).await;
    chats[0].update_session(&alice, id, slow(5)).await.unwrap();
    for round in 1..=5_u64 {
        let senders: Vec<_> = (0..16)
            .map(|n| {
                let (chat, bob) = (chats[n % 2].clone(), bob.clone());
                tokio::spawn(async move { send(&chat, &bob, id).await })
            })
            .collect();
        let mut taken = 0;
        for sender in senders {
            match sender.await.unwrap() {
                Ok(number) => {
                    assert_eq!(number, round);
                    taken += 1;
                }
                Err(error) => assert!(matches!(error, Error::RateLimited { .. } | Error::Unavailable), "{error:?}"),
            }
        }
        assert_eq!(taken, 1);
        clock.advance(TimeDelta::seconds(5));
    }
}

#[tokio::test]
async fn settings_that_few_sessions_have_are_changed_like_others() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let tags = |tags: &[&str]| UpdateSession {
        tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
        ..UpdateSession::default()
    };
    let avatar =
        |url: Option<&str>| UpdateSession { avatar_url: Some(url.map(str::to_owned)), ..UpdateSession::default() };
    let all = UpdateSession { slow_mode_seconds: Some(9), avatar_url: Some(Some("a".to_owned())), ..tags(&["rust"]) };
    let shown = chat.update_session(&alice, id, all.clone()).await.unwrap().summary.session;
    assert_eq!((shown.settings.slow_mode_seconds, shown.settings.avatar_url.as_deref()), (9, Some("a")));
    assert_eq!((shown.settings.tags, shown.needs), (vec!["rust".to_owned()], 1));
    let before = head(&chat, &alice, id).await;
    chat.update_session(&alice, id, all).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, before, "the same again changes nothing");
    let cleared = chat.update_session(&alice, id, avatar(None)).await.unwrap().summary.session;
    assert_eq!(cleared.settings.avatar_url, None);
    let ten: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    chat.update_session(&alice, id, tags(&ten)).await.unwrap();
    let eleven = [&ten[..], &["another"]].concat();
    for (change, field, code) in [
        (slow(21_601), "slow_mode_seconds", Code::ValidationInvalidValue),
        (tags(&eleven), "tags", Code::ResourceLimitExceeded),
        (tags(&["a", "a"]), "tags", Code::ValidationInvalidValue),
        (tags(&[" "]), "tags", Code::ValidationInvalidValue),
        (tags(&["two\nlines"]), "tags", Code::ValidationInvalidValue),
        (tags(&[&"x".repeat(33)]), "tags", Code::ValidationInvalidValue),
        (avatar(Some("")), "avatar_url", Code::ValidationInvalidValue),
        (avatar(Some(&"x".repeat(2_049))), "avatar_url", Code::ValidationLengthExceeded),
    ] {
        assert_fault(chat.update_session(&alice, id, change).await, field, code);
    }
    assert_denied(chat.update_session(&bob, id, slow(1)).await, Denial::RoleInsufficient);
}
