//! Crashes, several processes, and races.

use std::sync::atomic::AtomicUsize;

use chatcore::chat::{MessageDraft, MessagePolicy, ScheduleMessage, Verdict};
use tokio::sync::Barrier;

use super::*;
use crate::{expiring::settle, hooked::Hooked, kit::in_time};

/// Two processes on one store, neither of which does what is due by itself.
async fn processes() -> (MemoryStore, [Chat; 2], TestClock) {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let process = || Chat::builder(store.clone()).clock(clock.clone()).limits(quiet()).build();
    (store.clone(), [process(), process()], clock)
}

#[tokio::test]
async fn a_message_whose_process_crashed_fails_with_what_was_recorded() {
    let (store, [one, two], clock) = processes().await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&one, &alice, &[&bob]).await;
    let message = start(&one, &alice, id).await.id;
    add_part(&one, &alice, message, 0, "first ").await.unwrap();
    assert_eq!(shown(&two, &bob, message).await.0, "", "nothing is recorded yet");
    clock.advance(TimeDelta::seconds(1));
    add_part(&one, &alice, message, 6, "second ").await.unwrap();
    assert_eq!(shown(&two, &bob, message).await.0, "first second ");
    add_part(&one, &alice, message, 13, "third").await.unwrap();
    assert_eq!(shown(&one, &bob, message).await.0, "first second third");
    drop(one);
    clock.advance(TimeDelta::milliseconds(29_999));
    assert_eq!(two.run_due().await, Ok(0));
    assert_eq!(shown(&two, &bob, message).await.1, Some(StreamState::Streaming));
    clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(two.run_due().await, Ok(1));
    let end = ("first second ".to_owned(), failed(StreamFailure::TimedOut));
    assert_eq!(shown(&two, &bob, message).await, end);
    assert_eq!(two.run_due().await, Ok(0));
    assert_eq!(left(&store).await, [0, 0, 0]);
    assert_eq!(add_part(&two, &alice, message, 13, "x").await, Err(Error::MessageNotStreaming));
}

#[tokio::test]
async fn parts_keep_a_message_open_until_its_time_is_over() {
    let (store, [one, two], clock) = processes().await;
    let alice = user("alice");
    let id = room(&one, &alice, &[]).await;
    let message = start(&one, &alice, id).await.id;
    let mut length = 0;
    for _ in 0..44 {
        clock.advance(TimeDelta::seconds(20));
        length = add_part(&one, &alice, message, length, "x").await.unwrap();
        // Either process may look.
        assert_eq!((two.run_due().await, one.run_due().await), (Ok(0), Ok(0)));
    }
    clock.advance(TimeDelta::seconds(20));
    assert_eq!(add_part(&one, &alice, message, length, "x").await, Err(Error::MessageNotStreaming), "15 minutes");
    assert_eq!(two.run_due().await, Ok(1));
    assert_eq!(shown(&one, &alice, message).await, ("x".repeat(44), failed(StreamFailure::TimeLimit)));
    assert_eq!(left(&store).await, [0, 0, 0]);
}

#[tokio::test]
async fn what_a_process_has_is_recorded_with_its_due_work_and_after_four_kilobytes() {
    let (_, [one, two], clock) = processes().await;
    let alice = user("alice");
    let id = room(&one, &alice, &[]).await;
    let message = start(&one, &alice, id).await.id;
    add_part(&one, &alice, message, 0, &"a".repeat(4_095)).await.unwrap();
    assert_eq!(shown(&two, &alice, message).await.0, "");
    add_part(&one, &alice, message, 4_095, "b").await.unwrap();
    assert_eq!(shown(&two, &alice, message).await.0.len(), 4_096);
    add_part(&one, &alice, message, 4_096, "c").await.unwrap();
    assert_eq!(shown(&two, &alice, message).await.0.len(), 4_096);
    one.run_due().await.unwrap();
    assert_eq!(shown(&two, &alice, message).await.0.len(), 4_097);
    // The author is silent: looking keeps nothing open.
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(one.run_due().await, Ok(1));
}

#[tokio::test]
async fn another_process_goes_on_from_what_was_recorded() {
    let (store, [one, two], clock) = processes().await;
    let alice = user("alice");
    let id = room(&one, &alice, &[]).await;
    let message = start(&one, &alice, id).await.id;
    add_part(&one, &alice, message, 0, "aaa").await.unwrap();
    clock.advance(TimeDelta::seconds(1));
    add_part(&one, &alice, message, 3, "bbb").await.unwrap();
    add_part(&one, &alice, message, 6, "ccc").await.unwrap();
    // The last part was not recorded.
    assert_eq!(add_part(&two, &alice, message, 9, "ddd").await, Err(Error::OffsetConflict { current: 6 }));
    assert_eq!(add_part(&two, &alice, message, 6, "cccd").await, Ok(10));
    // The first one notices when it records, and not later than at the end.
    assert_eq!(one.finish_message(&alice, message, 9).await.unwrap_err(), Error::OffsetConflict { current: 10 });
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(add_part(&one, &alice, message, 9, "dd").await, Err(Error::OffsetConflict { current: 10 }));
    // From now on each part is recorded, so the author can go back and forth.
    assert_eq!(add_part(&one, &alice, message, 10, "e").await, Ok(11));
    assert_eq!(add_part(&two, &alice, message, 11, "f").await, Ok(12));
    assert_eq!(shown(&one, &alice, message).await.0, "aaabbbcccdef");
    assert_eq!(text_of(&one.finish_message(&alice, message, 12).await.unwrap()), "aaabbbcccdef");
    assert_eq!(add_part(&two, &alice, message, 12, "g").await, Err(Error::MessageNotStreaming));
    assert_eq!(left(&store).await[..2], [0, 0]);
}

#[tokio::test]
async fn an_end_in_another_process_is_seen_at_once() {
    let (_, [one, two], _clock) = processes().await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&one, &alice, &[&bob]).await;
    for delete in [true, false] {
        let message = start(&one, &bob, id).await.id;
        add_part(&one, &bob, message, 0, "x").await.unwrap();
        let error = if delete {
            two.delete_message(&alice, message, None).await.unwrap();
            Error::MessageDeleted
        } else {
            two.fail_message(&bob, message, FailMessage::default()).await.unwrap();
            Error::MessageNotStreaming
        };
        assert_eq!(add_part(&one, &bob, message, 1, "y").await, Err(error));
        let now = one.message(&alice, message).await.unwrap();
        assert!(now.body.stream != Some(StreamState::Streaming), "{now:?}");
    }
}

/// Parts, ends and deletions at once: exactly one end, and the text is what was acknowledged.
#[tokio::test]
async fn of_all_ends_at_once_one_happens() {
    for round in 0..30 {
        let store = Hooked::default();
        store.yields.store(true, Ordering::SeqCst);
        let process = || Chat::builder(store.clone()).limits(quiet()).build();
        let (chats, alice) = ([process(), process()], user("alice"));
        let id = room(&chats[0], &alice, &[]).await;
        let message = start(&chats[0], &alice, id).await.id;
        add_part(&chats[0], &alice, message, 0, "word").await.unwrap();
        let ended = Arc::new(AtomicUsize::new(0));
        let racers = (0..6).map(|n| {
            let (chat, alice, ended) = (chats[(n + round) % 2].clone(), alice.clone(), Arc::clone(&ended));
            tokio::spawn(async move {
                let done = match n {
                    0 | 1 => chat.finish_message(&alice, message, 4).await.map(drop),
                    2 | 3 => chat.fail_message(&alice, message, FailMessage::default()).await.map(drop),
                    4 if round % 3 == 0 => chat.delete_message(&alice, message, None).await.map(drop),
                    _ => {
                        let part = add_part(&chat, &alice, message, 4, "s").await;
                        return assert!(matches!(
                            part,
                            Ok(5)
                                | Err(Error::OffsetConflict { .. }
                                    | Error::MessageNotStreaming
                                    | Error::MessageDeleted)
                        ));
                    }
                };
                match done {
                    Ok(()) => drop(ended.fetch_add(1, Ordering::SeqCst)),
                    Err(Error::MessageNotStreaming | Error::MessageDeleted | Error::OffsetConflict { .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            })
        });
        for racer in racers.collect::<Vec<_>>() {
            racer.await.unwrap();
        }
        assert!(ended.load(Ordering::SeqCst) > 0);
        let events = chats[1].events(&alice, id, message.seq, None).await.unwrap().events;
        let kinds: Vec<_> = events.iter().map(|view| &view.event.kind).collect();
        let finished = kinds.iter().filter(|kind| matches!(kind, EventKind::Message(MessageEvent::Finished { .. })));
        let deleted = kinds.iter().filter(|kind| kind.is_deletion());
        assert!(finished.count() + deleted.count() <= 2 && !kinds.is_empty(), "{kinds:?}");
        assert!(kinds.len() <= 2 && (kinds.len() == 1 || kinds[1].is_deletion()), "{kinds:?}");
        assert_eq!(left(&store.intact()).await[0], 0, "{kinds:?}");
    }
}

#[tokio::test]
async fn a_store_that_fails_loses_no_part() {
    let store = Breakable::default();
    let clock = TestClock::default();
    let (chat, alice) = (Chat::builder(store.clone()).clock(clock.clone()).limits(quiet()).build(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = start(&chat, &alice, id).await.id;
    add_part(&chat, &alice, message, 0, "one ").await.unwrap();
    clock.advance(TimeDelta::seconds(1));
    store.commits_fail.store(true, Ordering::SeqCst);
    assert_eq!(add_part(&chat, &alice, message, 4, "two ").await, Err(Error::Unavailable));
    drop(chat.run_due().await);
    assert_eq!(shown(&chat, &alice, message).await.0, "one ", "a part that was refused is not shown");
    assert_eq!(chat.finish_message(&alice, message, 4).await.unwrap_err(), Error::Unavailable);
    store.commits_fail.store(false, Ordering::SeqCst);
    assert_eq!(add_part(&chat, &alice, message, 4, "two ").await, Ok(8));
    assert_eq!(text_of(&chat.finish_message(&alice, message, 8).await.unwrap()), "one two ");
}

#[tokio::test]
async fn pages_without_such_messages_read_no_more() {
    let store = Breakable::default();
    let (chat, alice) = (Chat::builder(store.clone()).limits(quiet()).build(), user("alice"));
    let cost = async |id: SessionId| {
        let before = store.reads.load(Ordering::SeqCst);
        chat.messages(&alice, id, MessageWindow::Newest, None).await.unwrap();
        store.reads.load(Ordering::SeqCst) - before
    };
    // Two logs of the same shape.
    let (plain, id) = (room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await);
    let sent = say(&chat, &alice, plain, "x").await.id;
    let message = start(&chat, &alice, id).await.id;
    add_part(&chat, &alice, message, 0, "x").await.unwrap();
    assert_eq!(cost(id).await, cost(plain).await + 1, "the reader is decided on again");
    chat.edit_message(&alice, sent, EditMessage::text("y")).await.unwrap();
    chat.finish_message(&alice, message, 1).await.unwrap();
    assert_eq!(cost(id).await, cost(plain).await);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_takes_long_stops_neither_the_due_work_nor_the_parts() {
    let store = Hooked::default();
    let chat = Chat::builder(store.clone()).rates(RateLimits::off()).build();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Public).await;
    let message = start(&chat, &alice, id).await.id;
    *store.commits_of.lock().unwrap() = Some(StreamedTexts::TABLE.name);
    store.before_commit.once(tokio::time::sleep(chat.limits().due_interval * 5));
    add_part(&chat, &alice, message, 0, "one").await.unwrap();
    while !store.before_commit.is_done() {
        tokio::time::sleep(chat.limits().due_interval / 10).await;
    }
    // The due work looks a second time for parts to record while its first record is not done.
    tokio::time::sleep(chat.limits().due_interval * 2).await;
    let added = in_time(add_part(&chat, &alice, message, 3, "two")).await;
    assert_eq!(added, Ok(6));
    assert_eq!(
        in_time(chat.finish_message(&alice, message, 6)).await.unwrap().body.stream,
        Some(StreamState::Complete)
    );
}

/// A policy that answers once so many reviews are asked for.
struct Together(Barrier);

#[chatcore::async_trait]
impl MessagePolicy for Together {
    async fn review(&self, _: &MessageDraft) -> Verdict {
        self.0.wait().await;
        Verdict::Allow
    }
}

#[tokio::test]
async fn a_review_that_takes_long_keeps_no_other_due_work_waiting() {
    let clock = TestClock::default();
    let builder = Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(quiet());
    let chat = builder.message_policy(Together(Barrier::new(3))).build();
    settle(&chat).await;
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let mut begun = Vec::new();
    for text in ["one", "two"] {
        let message = start(&chat, &alice, id).await.id;
        add_part(&chat, &alice, message, 0, text).await.unwrap();
        begun.push((message, text));
    }
    let later = ScheduleMessage { message: SendMessage::text("later"), send_at: chat.now() + TimeDelta::seconds(30) };
    chat.schedule_message(&alice, id, later).await.unwrap();
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(in_time(chat.run_due()).await, Ok(3));
    for (message, text) in begun {
        assert_eq!(shown(&chat, &alice, message).await, (text.to_owned(), failed(StreamFailure::TimedOut)));
    }
}
