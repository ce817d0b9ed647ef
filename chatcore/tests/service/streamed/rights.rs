//! Who may go on, who is told, and what is left of a message that is deleted while it is written.

use chatcore::{
    chat::{Delivery, Start},
    model::Signal,
};
use futures_util::StreamExt as _;

use super::*;
use crate::kit::in_time;

#[tokio::test]
async fn a_blocked_user_does_not_go_on_in_a_direct_session() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    for one in [&alice, &bob] {
        chat.me(one).await.unwrap();
    }
    let id = id_of(&chat.start_direct(&alice, &bob.user_id).await.unwrap().session);
    let message = start(&chat, &bob, id).await.id;
    add_part(&chat, &bob, message, 0, "before").await.unwrap();
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    assert_eq!(add_part(&chat, &bob, message, 6, " and after").await, Err(Error::DirectRefused));
    assert_eq!(chat.finish_message(&bob, message, 6).await.unwrap_err(), Error::DirectRefused);
    assert_eq!(chat.fail_message(&bob, message, FailMessage::default()).await.unwrap_err(), Error::DirectRefused);
    assert_eq!(shown(&chat, &alice, message).await, ("before".to_owned(), Some(StreamState::Streaming)));
}

#[tokio::test]
async fn a_message_that_is_not_complete_mentions_nobody() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.me(&bob).await.unwrap();
    let begin = async || {
        let message = start(&chat, &alice, id).await.id;
        (message, add_part(&chat, &alice, message, 0, "for @bob").await.unwrap())
    };
    let (broken, _) = begin().await;
    let ended = chat.fail_message(&alice, broken, FailMessage::default()).await.unwrap();
    assert_eq!((text_of(&ended), ended.body.mentions.len()), ("for @bob", 0));
    let named = async || chat.mentions(&bob, Page::FIRST, ListMentions::default()).await.unwrap().entries.len();
    assert_eq!(named().await, 0);
    let (whole, length) = begin().await;
    assert_eq!(chat.finish_message(&alice, whole, length).await.unwrap().body.mentions.len(), 1);
    assert_eq!(named().await, 1);
}

/// Both the text so far and each part that follows.
#[tokio::test]
async fn a_reader_is_told_of_no_part_of_a_message_from_before_the_reader_came() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let hiding = CreateSession {
        history_visibility: HistoryVisibility::SinceJoining,
        ..CreateSession::titled("A past").of_type(SessionType::Public)
    };
    let id = id_of(&chat.create_session(&alice, hiding).await.unwrap());
    let message = start(&chat, &alice, id).await.id;
    add_part(&chat, &alice, message, 0, "secret").await.unwrap();
    for newcomer in [&bob, &carol] {
        chat.join(newcomer, id).await.unwrap();
    }
    let mut readers = Vec::new();
    for who in [&alice, &bob] {
        readers.push(chat.subscribe(who, id, Start::Now).await.unwrap());
    }
    add_part(&chat, &alice, message, 6, " as well").await.unwrap();
    // A signal that both are told of comes after the part.
    chat.typing(&carol, id, true).await.unwrap();
    for (events, sees) in readers.iter_mut().zip([true, false]) {
        let mut parts = 0;
        loop {
            let Delivery::Signal(view) = in_time(events.next()).await.unwrap().unwrap() else { continue };
            match &view.signal {
                Signal::MessagePart { .. } => parts += 1,
                Signal::Typing { .. } => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(parts > 0, sees, "{parts}");
    }
}

#[tokio::test]
async fn a_reader_who_was_removed_before_the_first_look_is_not_told_the_text_so_far() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = start(&chat, &alice, id).await.id;
    add_part(&chat, &alice, message, 0, "words").await.unwrap();
    let mut events = chat.subscribe(&bob, id, Start::Now).await.unwrap();
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    while let Some(delivery) = in_time(events.next()).await {
        assert!(!matches!(delivery, Ok(Delivery::Signal(_))), "{delivery:?}");
    }
}

#[tokio::test]
async fn a_deletion_of_all_messages_takes_the_text_of_one_that_is_being_written() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).limits(quiet()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = start(&chat, &bob, id).await.id;
    clock.advance(TimeDelta::seconds(1));
    // The part is recorded at once.
    add_part(&chat, &bob, message, 0, "secret").await.unwrap();
    assert_eq!(left(&store).await, [1, 1, 1]);
    chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    assert_eq!(left(&store).await[0], 0, "the text is gone");
    assert_eq!(add_part(&chat, &bob, message, 6, "x").await, Err(Error::MessageDeleted));
    clock.advance(TimeDelta::seconds(31));
    chat.run_due().await.unwrap();
    assert_eq!(left(&store).await, [0, 0, 0]);
}
