//! Sessions that are archived, and deleted ones that come back.

use super::*;

async fn ids(
    found: Result<chatcore::model::ListPage<chatcore::model::SessionSummary, SessionId>, Error>,
) -> Vec<SessionId> {
    found.unwrap().iter().map(|one| one.session.id).collect()
}

#[tokio::test]
async fn an_archived_session_is_read_and_changes_in_nothing() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    chat.me(&carol).await.unwrap();
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "hello").await;
    assert_denied(chat.archive_session(&bob, id).await, Denial::OwnerRequired);
    assert_denied(chat.archive_session(&carol, id).await, Denial::NotParticipant);
    for _ in 0..2 {
        chat.archive_session(&alice, id).await.unwrap();
    }
    assert_eq!(head(&chat, &alice, id).await, 4);
    let archived = Denial::Archived;
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, archived);
    assert_denied(chat.send(&alice, id, SendMessage::text("hi")).await, archived);
    assert_denied(chat.typing(&bob, id, true).await, archived);
    assert_denied(chat.delete_message(&bob, message.id, None).await, archived);
    assert_denied(chat.pin_message(&alice, message.id).await, archived);
    assert_denied(chat.update_session(&alice, id, titled("Other")).await, archived);
    assert_denied(chat.join(&carol, id).await, archived);
    assert_denied(chat.add_participant(&alice, id, add("carol", None)).await, archived);
    assert_denied(chat.transfer_ownership(&alice, id, &bob.user_id).await, archived);
    assert_eq!(chat.messages(&bob, id, MessageWindow::Newest, None).await.unwrap().messages.len(), 1);
    for (who, public) in [(&alice, 0), (&bob, 0), (&carol, 0)] {
        assert!(ids(chat.sessions(who, Page::FIRST).await).await.is_empty());
        let page = chat.public_sessions(who, Page::FIRST).await.unwrap();
        assert_eq!((page.sessions.len(), page.total), (public, 0));
    }
    assert_eq!(ids(chat.archived_sessions(&bob, Page::FIRST, chatcore::chat::SessionOrder::Newest).await).await, [id]);
    let shown = chat.session(&bob, id).await.unwrap().summary.session;
    assert_eq!((shown.archived_at.is_some(), shown.needs), (true, 1));
    chat.leave(&bob, id).await.unwrap();
    for _ in 0..2 {
        chat.unarchive_session(&alice, id).await.unwrap();
    }
    assert_eq!(head(&chat, &alice, id).await, 6);
    assert_eq!(ids(chat.sessions(&alice, Page::FIRST).await).await, [id]);
    assert!(
        ids(chat.archived_sessions(&alice, Page::FIRST, chatcore::chat::SessionOrder::Newest).await).await.is_empty()
    );
    chat.join(&bob, id).await.unwrap();
    say(&chat, &bob, id, "again").await;
}

#[tokio::test]
async fn the_owner_restores_a_deleted_session_while_there_is_time() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "hello").await;
    chat.delete_session(&alice, id).await.unwrap();
    assert_denied(chat.restore_session(&bob, id).await, Denial::Hidden);
    assert_denied(chat.session(&alice, id).await, Denial::Hidden);
    assert_eq!(ids(chat.deleted_sessions(&alice, Page::FIRST).await).await, [id]);
    assert!(ids(chat.deleted_sessions(&bob, Page::FIRST).await).await.is_empty());
    clock.advance(TimeDelta::days(30) - TimeDelta::microseconds(1));
    for _ in 0..2 {
        chat.restore_session(&alice, id).await.unwrap();
    }
    assert_eq!(head(&chat, &alice, id).await, 5);
    assert_eq!(chat.message(&bob, message.id).await.unwrap().id, message.id);
    assert_denied(chat.restore_session(&bob, id).await, Denial::OwnerRequired);
    assert!(ids(chat.deleted_sessions(&alice, Page::FIRST).await).await.is_empty());
    assert_eq!(chat.public_sessions(&user("carol"), Page::FIRST).await.unwrap().total, 1);
    // Once the time is over, it is as if the session never was.
    chat.delete_session(&alice, id).await.unwrap();
    clock.advance(TimeDelta::days(30));
    assert_denied(chat.restore_session(&alice, id).await, Denial::Hidden);
    assert!(ids(chat.deleted_sessions(&alice, Page::FIRST).await).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_message_is_numbered_while_a_session_is_archived() {
    for _ in 0..5 {
        let store = MemoryStore::new();
        let chats = [&store, &store].map(|store| Chat::builder(store.clone()).rates(RateLimits::off()).build());
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&chats[0], &alice, &[&bob]).await;
        let senders: Vec<_> = (0..8)
            .map(|n| {
                let (chat, bob) = (chats[n % 2].clone(), bob.clone());
                tokio::spawn(async move {
                    loop {
                        match chat.send(&bob, id, SendMessage::text("x")).await {
                            Ok(_) | Err(Error::Unavailable) => tokio::task::yield_now().await,
                            Err(error) => return assert_eq!(error, Error::Denied(Denial::Archived)),
                        }
                    }
                })
            })
            .collect();
        chats[1].archive_session(&alice, id).await.unwrap();
        for sender in senders {
            sender.await.unwrap();
        }
        let shown = chats[0].session(&alice, id).await.unwrap();
        let page = chats[0].events(&alice, id, shown.seq - 1, None).await.unwrap();
        assert_eq!(page.events[0].event.kind, EventKind::Session(SessionEvent::Archived), "it is the last event");
    }
}
