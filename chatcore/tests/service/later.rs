//! Drafts and scheduled messages.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chatcore::{
    Chat, Code, Error, Limits, MemoryStore, Principal, RateLimits, TestClock,
    chat::{MAX_MENTIONS, ScheduleMessage, SendMessage, UpdateSession},
    model::{
        Attachment, ClientId, Content, MessageType, MessageWindow, Page, ParticipantRole, ScheduledId,
        ScheduledMessage, SessionId, SessionType,
    },
    permission::Denial,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    assert_fault,
    expiring::settle,
    hooked::Hooked,
    kit::{Breakable, assert_denied, id_of, room, say, session, text_of, user, user_id},
};

fn at(clock: &TestClock, seconds: i64) -> DateTime<Utc> {
    chatcore::Clock::now(clock) + TimeDelta::seconds(seconds)
}

fn later(text: &str, send_at: DateTime<Utc>) -> ScheduleMessage {
    ScheduleMessage { message: SendMessage::text(text), send_at }
}

/// Two processes on one store. Neither does what is due by itself.
fn processes(limits: Limits) -> (Chat, Chat, TestClock) {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let limits = Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..limits };
    let chat = || Chat::builder(store.clone()).clock(clock.clone()).limits(limits.clone()).build();
    (chat(), chat(), clock)
}

async fn texts(chat: &Chat, who: &Principal, id: SessionId) -> Vec<String> {
    let page = chat.messages(who, id, MessageWindow::Newest, None).await.unwrap();
    page.messages.iter().map(|message| text_of(message).to_owned()).collect()
}

async fn waiting(chat: &Chat, who: &Principal) -> Vec<ScheduledMessage> {
    chat.scheduled_messages(who, Page::FIRST).await.unwrap().entries
}

#[tokio::test]
async fn a_scheduled_message_is_sent_once_at_its_time() {
    let (one, two, clock) = processes(Limits::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&one, &alice, &[&bob]).await;
    let scheduled = one.schedule_message(&bob, id, later("later", at(&clock, 60))).await.unwrap();
    assert_eq!((scheduled.session_id, scheduled.send_at), (id, at(&clock, 60)));
    assert_eq!(waiting(&two, &bob).await, std::slice::from_ref(&scheduled));
    // Nobody else knows of it.
    assert_eq!(waiting(&two, &alice).await, []);
    assert_eq!(one.run_due().await, Ok(0));
    clock.advance(TimeDelta::seconds(59));
    assert_eq!(two.run_due().await, Ok(0));
    assert_eq!(texts(&one, &alice, id).await, [""; 0]);
    clock.advance(TimeDelta::seconds(1));
    let (first, second) = tokio::join!(one.run_due(), two.run_due());
    assert_eq!(first.unwrap() + second.unwrap(), 1);
    assert_eq!(one.run_due().await, Ok(0));
    let sent = one.messages(&alice, id, MessageWindow::Newest, None).await.unwrap().messages;
    assert_eq!(sent.iter().map(text_of).collect::<Vec<_>>(), ["later"]);
    assert_eq!((sent[0].sender.user_id.as_str(), sent[0].created_at), ("bob", scheduled.send_at));
    assert_eq!(waiting(&one, &bob).await, []);
    assert_eq!(one.cancel_scheduled_message(&bob, scheduled.id).await, Err(Error::ScheduledMessageNotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_send_each_message_once() {
    let (one, two, clock) = processes(Limits { scheduled_messages: 1_000, ..Limits::default() });
    let alice = user("alice");
    let id = room(&one, &alice, &[]).await;
    let mut expected = Vec::new();
    for n in 0..250 {
        one.schedule_message(&alice, id, later(&format!("{n:03}"), at(&clock, 1 + n % 7))).await.unwrap();
        expected.push(format!("{n:03}"));
    }
    clock.advance(TimeDelta::seconds(10));
    let runs = [one.clone(), two.clone(), one.clone(), two.clone()].map(|chat| {
        tokio::spawn(async move {
            let mut done = 0;
            loop {
                match chat.run_due().await.unwrap() {
                    0 => return done,
                    more => done += more,
                }
            }
        })
    });
    let mut done = 0;
    for run in runs {
        done += run.await.unwrap();
    }
    assert_eq!(done, 250);
    let mut sent = Vec::new();
    for skip in [0, 100, 200] {
        let page = one.messages(&alice, id, MessageWindow::Skip(skip), Some(100)).await.unwrap();
        sent.extend(page.messages.iter().map(|message| text_of(message).to_owned()));
    }
    sent.sort();
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn what_is_cancelled_is_not_sent() {
    let (one, two, clock) = processes(Limits::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&one, &alice, &[&bob]).await;
    let scheduled = one.schedule_message(&alice, id, later("never", at(&clock, 5))).await.unwrap();
    assert_eq!(two.cancel_scheduled_message(&bob, scheduled.id).await, Err(Error::ScheduledMessageNotFound));
    two.cancel_scheduled_message(&alice, scheduled.id).await.unwrap();
    assert_eq!(one.cancel_scheduled_message(&alice, scheduled.id).await, Err(Error::ScheduledMessageNotFound));
    clock.advance(TimeDelta::seconds(6));
    assert_eq!(one.run_due().await, Ok(0));
    assert_eq!(texts(&one, &alice, id).await, [""; 0]);
}

/// A race, many times: either the cancellation succeeds, or the message is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancellation_and_the_time_do_not_both_win() {
    let (one, two, clock) = processes(Limits::default());
    let alice = user("alice");
    let id = room(&one, &alice, &[]).await;
    let (mut cancelled, mut sent) = (0, 0);
    for n in 0..200 {
        let before = texts_of(&one, &alice, id).await;
        let scheduled = one.schedule_message(&alice, id, later(&n.to_string(), at(&clock, 1))).await.unwrap();
        clock.advance(TimeDelta::seconds(1));
        let (chat, caller) = (two.clone(), alice.clone());
        let cancel = tokio::spawn(async move { chat.cancel_scheduled_message(&caller, scheduled.id).await });
        let chat = one.clone();
        let run = tokio::spawn(async move { chat.run_due().await });
        run.await.unwrap().unwrap();
        let is_sent = match cancel.await.unwrap() {
            Ok(()) => false,
            Err(Error::ScheduledMessageNotFound | Error::Unavailable) => true,
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(texts_of(&one, &alice, id).await, before + u64::from(is_sent));
        (cancelled, sent) = (cancelled + u32::from(!is_sent), sent + u32::from(is_sent));
    }
    assert_eq!(waiting(&one, &alice).await, []);
    assert_eq!(cancelled + sent, 200);
}

async fn texts_of(chat: &Chat, who: &Principal, id: SessionId) -> u64 {
    chat.messages(who, id, MessageWindow::Newest, Some(1)).await.unwrap().messages.first().map_or(0, |last| last.number)
}

#[tokio::test]
async fn a_kick_cancels_also_where_the_user_comes_back() {
    for rejoins in [false, true] {
        let (chat, other, clock) = processes(Limits::default());
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        chat.schedule_message(&bob, id, later("from before", at(&clock, 5))).await.unwrap();
        // The other process knows the rights of before.
        say(&other, &bob, id, "hello").await;
        chat.remove_participant(&alice, id, &user_id("bob")).await.unwrap();
        if rejoins {
            chat.join(&bob, id).await.unwrap();
        }
        clock.advance(TimeDelta::seconds(5));
        assert_eq!(other.run_due().await, Ok(0), "{rejoins}");
        assert_eq!(texts(&chat, &alice, id).await, ["hello"], "{rejoins}");
        assert_eq!(waiting(&chat, &bob).await, [], "{rejoins}");
        assert_eq!(other.run_due().await, Ok(0));
    }
}

#[tokio::test]
async fn a_sender_who_may_not_send_then_sends_nothing() {
    let (chat, _, clock) = processes(Limits::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.schedule_message(&bob, id, later("no longer", at(&clock, 5))).await.unwrap();
    chat.change_role(&alice, id, &user_id("bob"), ParticipantRole::Viewer).await.unwrap();
    let deleted = session(&chat, &alice, SessionType::Private).await;
    chat.schedule_message(&alice, deleted, later("nowhere", at(&clock, 5))).await.unwrap();
    chat.delete_session(&alice, deleted).await.unwrap();
    let direct = id_of(&chat.start_direct(&bob, &alice.user_id).await.unwrap().session);
    chat.schedule_message(&bob, direct, later("to a blocker", at(&clock, 5))).await.unwrap();
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(chat.run_due().await, Ok(0));
    assert_eq!((waiting(&chat, &alice).await, waiting(&chat, &bob).await), (Vec::new(), Vec::new()));
    for id in [id, direct] {
        assert_eq!(texts(&chat, &alice, id).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_scheduled_message_is_what_its_sender_scheduled() {
    let (chat, _, clock) = processes(Limits::default());
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let root = say(&chat, &bob, id, "root").await;
    let message = SendMessage::text("answer").in_reply_to(root.id).mentioning([carol.user_id.clone()]);
    let mut message = SendMessage { mentions_everybody: true, ..message };
    let (name, media_type) = ("a.png".to_owned(), "image/png".to_owned());
    message.body.attachments = vec![Attachment { id: "7".to_owned(), name, media_type, size: 7 }];
    let schedule = ScheduleMessage { message: message.clone(), send_at: at(&clock, 5) };
    let scheduled = chat.schedule_message(&alice, id, schedule).await.unwrap();
    assert_eq!((&scheduled.body, scheduled.reply_to), (&message.body, Some(root.id)));
    assert_eq!((&scheduled.mentions, scheduled.mentions_everybody), (&message.mentions, true));
    assert_eq!(waiting(&chat, &alice).await, [scheduled]);
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(chat.run_due().await, Ok(1));
    let sent = chat.messages(&bob, id, MessageWindow::Newest, Some(1)).await.unwrap().messages.remove(0);
    assert_eq!(sent.body.attachments, message.body.attachments);
    assert_eq!((text_of(&sent), sent.body.reply.map(|reply| reply.to)), ("answer", Some(root.seq)));
    let mentioned: Vec<_> = sent.body.mentions.iter().map(|mention| mention.user.clone()).collect();
    assert_eq!(mentioned, [None, Some(carol.user_id)]);
}

#[tokio::test]
async fn messages_of_one_user_are_sent_in_the_order_of_their_times() {
    let (chat, _, clock) = processes(Limits::default());
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    for seconds in [3, 1, 4, 2] {
        chat.schedule_message(&alice, id, later(&seconds.to_string(), at(&clock, seconds))).await.unwrap();
    }
    clock.advance(TimeDelta::seconds(4));
    assert_eq!(chat.run_due().await, Ok(4));
    assert_eq!(texts(&chat, &alice, id).await, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_scheduled_message_waits_as_long_as_slow_mode_has_its_sender_wait() {
    let (chat, _, clock) = processes(Limits::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.update_session(&alice, id, slow_mode(60)).await.unwrap();
    chat.schedule_message(&bob, id, later("later", at(&clock, 5))).await.unwrap();
    say(&chat, &bob, id, "now").await;
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(chat.run_due().await, Ok(0));
    assert_eq!((texts(&chat, &alice, id).await, waiting(&chat, &bob).await.len()), (vec!["now".to_owned()], 1));
    clock.advance(TimeDelta::seconds(55));
    assert_eq!(chat.run_due().await, Ok(1));
    assert_eq!(texts(&chat, &alice, id).await, ["now", "later"]);
    assert_eq!(waiting(&chat, &bob).await, []);
}

fn slow_mode(seconds: u32) -> UpdateSession {
    UpdateSession { slow_mode_seconds: Some(seconds), ..UpdateSession::default() }
}

#[tokio::test]
async fn a_scheduled_message_that_waits_is_cancelled_at_once() {
    let (one, two, clock) = processes(Limits::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&one, &alice, &[&bob]).await;
    one.update_session(&alice, id, slow_mode(3_600)).await.unwrap();
    let scheduled = one.schedule_message(&bob, id, later("never", at(&clock, 5))).await.unwrap();
    say(&one, &bob, id, "now").await;
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(one.run_due().await, Ok(0));
    assert_eq!(two.cancel_scheduled_message(&bob, scheduled.id).await, Ok(()));
    assert_eq!(waiting(&one, &bob).await, []);
    clock.advance(TimeDelta::hours(1));
    assert_eq!(one.run_due().await, Ok(0));
    assert_eq!(texts(&one, &alice, id).await, ["now"]);
}

#[tokio::test]
async fn no_message_of_a_sender_overtakes_one_that_waits_in_the_session() {
    let (one, two, clock) = processes(Limits::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&one, &alice, &[&bob]).await;
    let elsewhere = room(&one, &alice, &[&bob]).await;
    one.update_session(&alice, id, slow_mode(60)).await.unwrap();
    // The second one is scheduled first.
    for (session, text, seconds) in [(id, "second", 10), (id, "first", 5), (elsewhere, "elsewhere", 10)] {
        one.schedule_message(&bob, session, later(text, at(&clock, seconds))).await.unwrap();
    }
    say(&one, &bob, id, "now").await;
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(one.run_due().await, Ok(0));
    one.update_session(&alice, id, slow_mode(0)).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(two.run_due().await, Ok(1));
    assert_eq!(texts(&one, &alice, id).await, ["now"]);
    assert_eq!(texts(&one, &alice, elsewhere).await, ["elsewhere"]);
    clock.advance(TimeDelta::seconds(25));
    assert_eq!(two.run_due().await, Ok(2));
    assert_eq!(texts(&one, &alice, id).await, ["now", "first", "second"]);
}

#[tokio::test]
async fn a_process_that_ends_while_it_sends_leaves_the_message_to_another() {
    let store = Hooked::default();
    let clock = TestClock::default();
    let limits = Limits { due_interval: Duration::from_secs(3_600), ..Limits::default() };
    let chat = Chat::builder(store.clone()).clock(clock.clone()).limits(limits).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let scheduled = chat.schedule_message(&alice, id, later("once", at(&clock, 5))).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    // The process ends after the message is committed and before its record is removed.
    let (reached, mut waits) = tokio::sync::mpsc::channel::<()>(1);
    store.before_commit.once(async {});
    store.before_commit.once(async {});
    store.before_commit.once(async move {
        reached.send(()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let ended = chat.clone();
    let task = tokio::spawn(async move { ended.run_due().await });
    waits.recv().await.unwrap();
    task.abort();
    assert_eq!(texts(&chat, &alice, id).await, ["once"]);
    assert_eq!(chat.cancel_scheduled_message(&alice, scheduled.id).await, Err(Error::Unavailable));
    assert_eq!(chat.run_due().await, Ok(0));
    clock.advance(TimeDelta::seconds(31));
    assert_eq!(chat.run_due().await, Ok(1));
    assert_eq!(texts(&chat, &alice, id).await, ["once"]);
    assert_eq!(waiting(&chat, &alice).await, []);
}

#[tokio::test]
async fn work_that_fails_keeps_no_other_work_from_being_done() {
    let (store, clock) = (Breakable::default(), TestClock::default());
    let limits = Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..Limits::default() };
    let chat = Chat::builder(store.clone()).clock(clock.clone()).limits(limits).build();
    settle(&chat).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for sender in [&alice, &bob] {
        chat.schedule_message(sender, id, later("later", at(&clock, 5))).await.unwrap();
    }
    clock.advance(TimeDelta::seconds(5));
    store.next_commit_fails.store(true, Ordering::SeqCst);
    assert_eq!(chat.run_due().await, Err(Error::Unavailable));
    assert_eq!(texts(&chat, &alice, id).await, ["later"]);
    assert_eq!(chat.run_due().await, Ok(1));
    assert_eq!(texts(&chat, &alice, id).await, ["later", "later"]);
}

fn named(text: &str, send_at: DateTime<Utc>) -> ScheduleMessage {
    let message = SendMessage::text(text).with_client_id(ClientId::new("mine").unwrap());
    ScheduleMessage { message, send_at }
}

#[tokio::test]
async fn a_used_client_id_sends_nothing_a_second_time() {
    let (chat, _, clock) = processes(Limits::default());
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    // The first one is sent, and the second one was sent before.
    for text in ["same", "same", "another"] {
        chat.schedule_message(&alice, id, named(text, at(&clock, 5))).await.unwrap();
        clock.advance(TimeDelta::seconds(5));
        chat.run_due().await.unwrap();
        assert_eq!(texts(&chat, &alice, id).await, ["same"]);
        assert_eq!(waiting(&chat, &alice).await, []);
    }
}

#[tokio::test]
async fn a_retry_of_a_schedule_returns_the_first_result() {
    let (one, two, clock) = processes(Limits { scheduled_messages: 1, ..Limits::default() });
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&one, &alice, &[&bob]).await;
    let first = one.schedule_message(&bob, id, named("text", at(&clock, 5))).await.unwrap();
    for chat in [&one, &two] {
        assert_eq!(chat.schedule_message(&bob, id, named("text", at(&clock, 5))).await, Ok(first.clone()));
        for other in [named("another", at(&clock, 5)), named("text", at(&clock, 6))] {
            assert_eq!(chat.schedule_message(&bob, id, other).await, Err(Error::ClientIdReused));
        }
    }
    assert_eq!(waiting(&two, &bob).await, std::slice::from_ref(&first));
    // The client id is one of this user.
    let of_alice = two.schedule_message(&alice, id, named("hers", at(&clock, 5))).await.unwrap();
    two.cancel_scheduled_message(&bob, first.id).await.unwrap();
    let second = two.schedule_message(&bob, id, named("another", at(&clock, 5))).await.unwrap();
    assert_eq!((waiting(&one, &alice).await, waiting(&one, &bob).await), (vec![of_alice], vec![second]));
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(one.run_due().await, Ok(2));
    let mut sent = texts(&one, &alice, id).await;
    sent.sort();
    assert_eq!(sent, ["another", "hers"]);
}

#[tokio::test]
async fn a_schedule_of_an_earlier_stay_is_not_the_result_of_a_later_one() {
    let (chat, _, clock) = processes(Limits::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let first = chat.schedule_message(&bob, id, named("text", at(&clock, 5))).await.unwrap();
    chat.leave(&bob, id).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    let second = chat.schedule_message(&bob, id, named("text", at(&clock, 5))).await.unwrap();
    assert_ne!(first.id, second.id);
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(chat.run_due().await, Ok(1));
    assert_eq!(texts(&chat, &alice, id).await, ["text"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn retries_at_once_schedule_one_message() {
    let (one, two, clock) = processes(Limits::default());
    let alice = user("alice");
    for _ in 0..20 {
        let id = room(&one, &alice, &[]).await;
        let mut calls = tokio::task::JoinSet::new();
        for chat in [&one, &two, &one, &two, &one, &two] {
            let (chat, alice, schedule) = (chat.clone(), alice.clone(), named("text", at(&clock, 60)));
            calls.spawn(async move { chat.schedule_message(&alice, id, schedule).await.unwrap().id });
        }
        let mut ids = calls.join_all().await;
        ids.dedup();
        let kept: Vec<_> = waiting(&two, &alice).await.iter().map(|scheduled| scheduled.id).collect();
        assert_eq!(ids, kept);
        one.cancel_scheduled_message(&alice, kept[0]).await.unwrap();
    }
}

#[tokio::test]
async fn bad_schedules_are_refused() {
    let limits = Limits { scheduled_messages: 2, ..Limits::default() };
    let (chat, _, clock) = processes(limits);
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob]).await;
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.change_role(&alice, id, &user_id("bob"), ParticipantRole::Viewer).await.unwrap();
    for send_at in [at(&clock, 0), at(&clock, -1), at(&clock, 367 * 86_400), DateTime::<Utc>::MAX_UTC] {
        let refused = chat.schedule_message(&alice, id, later("x", send_at)).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{send_at}: {refused:?}");
    }
    let empty = chat.schedule_message(&alice, id, later("", at(&clock, 5))).await;
    assert!(matches!(empty, Err(Error::Invalid(_))));
    let mut system = later("x", at(&clock, 5));
    system.message.body.message_type = MessageType::System;
    assert!(matches!(chat.schedule_message(&alice, id, system).await, Err(Error::Invalid(_))));
    assert_denied(chat.schedule_message(&bob, id, later("x", at(&clock, 5))).await, Denial::RoleInsufficient);
    assert_denied(chat.schedule_message(&carol, id, later("x", at(&clock, 5))).await, Denial::NotParticipant);
    assert_denied(chat.schedule_message(&carol, hidden, later("x", at(&clock, 5))).await, Denial::Hidden);
    let mentioning = |count: usize| {
        let users = (0..count).map(|n| user_id(&format!("u{n}")));
        ScheduleMessage { message: SendMessage::text("x").mentioning(users), send_at: at(&clock, 5) }
    };
    let beyond = chat.schedule_message(&alice, id, mentioning(MAX_MENTIONS + 1)).await;
    assert_fault(beyond, "mentions", Code::ValidationInvalidValue);
    for count in [0, MAX_MENTIONS] {
        chat.schedule_message(&alice, id, mentioning(count)).await.unwrap();
    }
    let many = chat.schedule_message(&alice, id, later("x", at(&clock, 5))).await;
    assert_eq!(many, Err(Error::LimitExceeded { what: "the number of scheduled messages", limit: 2 }));
    let page = Page { limit: Some(1), ..Page::FIRST };
    let first = chat.scheduled_messages(&alice, page).await.unwrap();
    let rest = chat.scheduled_messages(&alice, Page::after(first.next.unwrap())).await.unwrap();
    assert_eq!((first.len(), rest.len(), rest.next), (1, 1, None));
    assert_ne!(first[0].id, rest[0].id);
    let nothing = ScheduledId(uuid::Uuid::nil());
    assert_eq!(chat.cancel_scheduled_message(&alice, nothing).await, Err(Error::ScheduledMessageNotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_at_once_do_not_pass_the_limits() {
    let (chat, _, clock) = processes(Limits { scheduled_messages: 10, drafts: 10, ..Limits::default() });
    let alice = user("alice");
    let mut sessions = Vec::new();
    for _ in 0..40 {
        sessions.push(session(&chat, &alice, SessionType::Private).await);
    }
    let mut calls = tokio::task::JoinSet::new();
    for id in sessions {
        let (chat, alice, send_at) = (chat.clone(), alice.clone(), at(&clock, 60));
        calls.spawn(async move {
            let scheduled = chat.schedule_message(&alice, id, later("x", send_at)).await;
            let kept = chat.set_draft(&alice, id, Content::Text("x".to_owned())).await;
            (u32::from(scheduled.is_ok()), u32::from(kept.is_ok()))
        });
    }
    let done = calls.join_all().await.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(done, (10, 10));
}

#[tokio::test]
async fn a_draft_is_its_users_alone() {
    let (chat, other, _) = processes(Limits { drafts: 2, ..Limits::default() });
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob]).await;
    let text = |text: &str| Content::Text(text.to_owned());
    assert_eq!(chat.draft(&alice, id).await, Err(Error::DraftNotFound));
    for content in ["one", "two"] {
        let kept = chat.set_draft(&alice, id, text(content)).await.unwrap();
        assert_eq!(other.draft(&alice, id).await, Ok(kept));
    }
    assert_eq!(other.draft(&alice, id).await.unwrap().content, text("two"));
    assert_eq!(chat.draft(&bob, id).await, Err(Error::DraftNotFound));
    assert_denied(chat.draft(&carol, id).await, Denial::NotParticipant);
    assert_denied(chat.set_draft(&carol, id, text("x")).await, Denial::NotParticipant);
    assert_denied(chat.delete_draft(&carol, id).await, Denial::NotParticipant);
    assert!(matches!(chat.set_draft(&alice, id, text("")).await, Err(Error::Invalid(_))));
    assert!(matches!(chat.set_draft(&alice, id, Content::Deleted).await, Err(Error::Invalid(_))));
    let seconds: Vec<_> = [0, 0].map(|_| session(&chat, &alice, SessionType::Private)).into_iter().collect();
    let mut ids = Vec::new();
    for second in seconds {
        ids.push(second.await);
    }
    chat.set_draft(&alice, ids[0], text("x")).await.unwrap();
    let many = chat.set_draft(&alice, ids[1], text("x")).await;
    assert_eq!(many, Err(Error::LimitExceeded { what: "the number of drafts", limit: 2 }));
    // A draft that is there can still be changed.
    chat.set_draft(&alice, id, text("three")).await.unwrap();
    let drafts = chat.drafts(&alice, Page::FIRST).await.unwrap();
    assert_eq!(drafts.iter().map(|draft| draft.session_id).collect::<Vec<_>>(), [id, ids[0]]);
    for _ in 0..2 {
        chat.delete_draft(&alice, id).await.unwrap();
    }
    assert_eq!(other.drafts(&alice, Page::FIRST).await.unwrap().len(), 1);
    // The log does not know of drafts.
    assert_eq!(texts(&chat, &alice, id).await, [""; 0]);
}

/// The background task does what is due, by the chat's clock.
#[tokio::test]
async fn what_is_due_is_done_by_itself() {
    let clock = TestClock::default();
    let limits = Limits { due_interval: Duration::from_millis(5), ..Limits::default() };
    let chat = Arc::new(Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(limits).build());
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, chatcore::chat::Start::Now).await.unwrap();
    chat.schedule_message(&alice, id, later("by itself", at(&clock, 60))).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    let view = super::kit::in_time(super::kit::next(&mut events)).await;
    assert_eq!(view.message().as_ref().map(text_of), Some("by itself"));
}
