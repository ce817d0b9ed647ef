//! Limits on what waits, and on what a policy says.

use chatcore::{TestClock, chat::MAX_HELD};
use chrono::TimeDelta;

use super::*;

#[tokio::test]
async fn a_policy_makes_no_text_outside_of_the_limits_of_an_edit_or_of_a_streamed_message() {
    let clock = TestClock::default();
    let limits = Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..Limits::default() };
    let builder = Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(limits);
    let chat = builder.message_policy(BlockingPolicy::new(obedient)).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let sent = say(&chat, &alice, id, "first").await.id;
    let refused = chat.edit_message(&alice, sent, EditMessage::text("empty")).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)), "{refused:?}");
    let kept = chat.message(&alice, sent).await.unwrap();
    assert_eq!((text_of(&kept), kept.revision), ("first", 1));
    let begun = chat.start_streamed_message(&alice, id, StartMessage::of_assistant()).await.unwrap().id;
    let length = chat.append_to_message(&alice, begun, 0, "empty").await.unwrap().length;
    let refused = chat.finish_message(&alice, begun, length).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)), "{refused:?}");
    assert_eq!(chat.message(&alice, begun).await.unwrap().body.stream, Some(StreamState::Streaming));
    // The server ends it without a text.
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(chat.run_due().await, Ok(1));
    let ended = chat.message(&alice, begun).await.unwrap();
    let state = StreamState::Failed { reason: StreamFailure::Refused, detail: None };
    assert_eq!((text_of(&ended), ended.body.stream.as_ref()), ("", Some(&state)));
}

#[tokio::test]
async fn held_messages_of_a_session_are_bounded() {
    let chat = chat();
    let alice = user("alice");
    let authors: Vec<_> = (0..=MAX_HELD / MAX_HELD_BY_USER).map(|n| user(&format!("u{n}"))).collect();
    let id = room(&chat, &alice, &authors.iter().collect::<Vec<_>>()).await;
    let (last, others) = authors.split_last().unwrap();
    for author in others {
        for _ in 0..MAX_HELD_BY_USER {
            assert_eq!(chat.send(author, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
        }
    }
    let full = chat.send(last, id, text("hold")).await.unwrap_err();
    assert!(matches!(full, Error::LimitExceeded { limit: MAX_HELD, .. }), "{full:?}");
    let first = held(&chat, &alice, id).await.remove(0).id;
    chat.reject_message(&alice, id, first).await.unwrap();
    assert_eq!(chat.send(last, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
}

#[tokio::test]
async fn of_a_long_reason_the_beginning_is_kept() {
    let policy = BlockingPolicy::new(|_: &MessageDraft| Verdict::Hold(Some("\u{e4}".repeat(501))));
    let chat = chat_by(policy, OnFailure::Refuse);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    assert_eq!(chat.send(&bob, id, text("hello")).await.unwrap_err(), Error::MessageHeld);
    assert_eq!(held(&chat, &alice, id).await.remove(0).reason, Some("\u{e4}".repeat(500)));
}
