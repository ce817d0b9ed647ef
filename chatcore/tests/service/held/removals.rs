//! What removes held messages, and what holding one costs.

use std::sync::OnceLock;

use chatcore::{
    TestClock,
    chat::{MAX_HELD, UpdateSession},
    model::{HeldId, SessionType},
    store::{Change, ChatStore, HeldEntry, HeldList, HeldLists, HeldMessages, TypedKey as _},
};
use chrono::TimeDelta;

use super::*;
use crate::hooked::Hooked;

/// The records of held messages, and of the lists of them.
async fn left(store: &impl ChatStore) -> [usize; 2] {
    let found = store.scan(&[HeldMessages::under(Vec::new()), HeldLists::under(Vec::new())]).await.unwrap();
    [found[0].len(), found[1].len()]
}

fn quiet() -> Limits {
    Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..Limits::default() }
}

fn on(store: &(impl ChatStore + Clone), clock: &TestClock) -> Chat {
    let builder = Chat::builder(store.clone()).clock(clock.clone()).limits(quiet());
    builder.message_policy(BlockingPolicy::new(obedient)).build()
}

#[tokio::test]
async fn a_deletion_of_all_messages_of_a_user_removes_held_ones() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = on(&store, &clock);
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    for who in [&bob, &bob, &carol] {
        assert_eq!(chat.send(who, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
    }
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    let [of_carol] = &held(&chat, &alice, id).await[..] else { panic!("one held message") };
    assert_eq!(left(&store).await, [1, 1]);
    chat.reject_message(&alice, id, of_carol.id).await.unwrap();
    assert_eq!(left(&store).await, [0, 0]);
}

#[tokio::test]
async fn held_messages_have_the_lifetime_of_messages() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = on(&store, &clock);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let update = UpdateSession { message_lifetime: Some(Some(600)), ..UpdateSession::default() };
    chat.update_session(&alice, id, update).await.unwrap();
    chat.run_due().await.unwrap();
    for n in 0..30 {
        let who = if n < 15 { &bob } else { &alice };
        if n == 15 {
            chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
        }
        assert_eq!(chat.send(who, id, text(&format!("hold {n}"))).await.unwrap_err(), Error::MessageHeld);
        clock.advance(TimeDelta::seconds(10));
    }
    assert_eq!(left(&store).await, [30, 1]);
    // The first is 600 s old 300 s from now, the last one 590 s from now.
    for (seconds, rest) in [(290, 30), (20, 28), (200, 8), (100, 0)] {
        clock.advance(TimeDelta::seconds(seconds));
        chat.run_due().await.unwrap();
        let [texts, _] = left(&store).await;
        assert!((rest..=rest + 2).contains(&texts), "{seconds} {rest}: {texts}");
    }
    clock.advance(TimeDelta::seconds(20));
    chat.run_due().await.unwrap();
    assert_eq!(left(&store).await, [0, 0]);
}

/// Removes the author during the review, with all of the author's messages.
struct Removing(OnceLock<Chat>);

#[chatcore::async_trait]
impl MessagePolicy for Removing {
    async fn review(&self, draft: &MessageDraft) -> Verdict {
        let (chat, alice, author) = (self.0.get().unwrap(), user("alice"), &draft.principal.user_id);
        chat.remove_participant(&alice, draft.session.id, author).await.unwrap();
        chat.delete_messages_of(&alice, draft.session.id, author).await.unwrap();
        Verdict::Hold(None)
    }
}

#[tokio::test]
async fn no_text_stays_of_a_user_who_was_removed_during_the_review() {
    let (store, policy) = (MemoryStore::new(), Arc::new(Removing(OnceLock::new())));
    let chat = Chat::builder(store.clone()).limits(quiet()).message_policy(Arc::clone(&policy)).build();
    assert!(policy.0.set(chat.clone()).is_ok());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let update = UpdateSession { session_type: Some(SessionType::Public), ..UpdateSession::default() };
    chat.update_session(&alice, id, update).await.unwrap();
    assert_denied(chat.send(&bob, id, text("hello")).await, Denial::NotParticipant);
    assert_eq!((held(&chat, &alice, id).await, left(&store).await), (Vec::new(), [0, 0]));
}

/// Two processes keep no more than the limit, although neither waits for the other.
#[tokio::test(flavor = "multi_thread")]
async fn several_processes_share_the_limit() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chats = [on(&store, &clock), on(&store, &clock)];
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chats[0], &alice, &[&bob]).await;
    let sends = (0..60).map(|n| {
        let (chat, bob) = (chats[n % 2].clone(), bob.clone());
        tokio::spawn(async move { chat.send(&bob, id, text(&format!("hold {n}"))).await })
    });
    let answers = futures_util::future::join_all(sends.collect::<Vec<_>>()).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().unwrap_err()).collect();
    let kept = answers.iter().filter(|answer| **answer == Error::MessageHeld).count();
    assert_eq!((kept as u64, left(&store).await[0] as u64), (MAX_HELD_BY_USER, MAX_HELD_BY_USER), "{answers:?}");
}

#[tokio::test]
async fn held_messages_of_a_session_are_bounded_whoever_wrote_them() {
    let store = MemoryStore::new();
    let chat = on(&store, &TestClock::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let entry = |n: u64| HeldEntry {
        id: HeldId(uuid::Uuid::from_u128(n.into())),
        author: user(&format!("u{n}")).user_id,
        client_id: None,
    };
    let list = HeldList { entries: (1..MAX_HELD).map(entry).collect() };
    store.commit(Change::of_records(vec![HeldLists { session: id }.put(list)])).await.unwrap();
    assert_eq!(chat.send(&bob, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
    let full = chat.send(&bob, id, text("hold")).await.unwrap_err();
    assert!(matches!(full, Error::LimitExceeded { limit: MAX_HELD, .. }), "{full:?}");
}

/// A user who holds a session's queue full makes no send read the texts in it.
#[tokio::test]
async fn holding_a_message_reads_no_other_text() {
    let store = Hooked::default();
    let chat = on(&store, &TestClock::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for n in 0..MAX_HELD_BY_USER {
        assert_eq!(chat.send(&bob, id, text(&format!("hold {n}"))).await.unwrap_err(), Error::MessageHeld);
    }
    // Of a backup that has the list without the texts. Nothing notices before a moderator looks.
    let all: Vec<_> = held(&chat, &alice, id).await;
    let gone = all.iter().map(|held| HeldMessages { session: id, id: held.id }.remove()).collect();
    store.commit(Change::of_records(gone)).await.unwrap();
    let full = chat.send(&bob, id, text("hold")).await.unwrap_err();
    assert!(matches!(full, Error::LimitExceeded { limit: MAX_HELD_BY_USER, .. }), "{full:?}");
    assert_eq!((held(&chat, &alice, id).await, left(&store).await), (Vec::new(), [0, 0]));
    assert_eq!(chat.send(&bob, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
}
