//! Clocks: what a host injects is what the chat goes by.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod kit;

use std::{sync::Arc, time::Duration};

use chatcore::{
    Chat, Clock, InProcessNotifier, MemoryStore, Notifier, Principal, SystemClock, TestClock, chat::CreateSession,
    model::UserId,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use kit::{in_time, room, say, user};

fn called(name: &str, issued_at: DateTime<Utc>) -> Principal {
    Principal { issued_at, ..Principal::new(UserId::new("alice").unwrap()).with_name(name) }
}

#[tokio::test]
async fn a_clock_and_a_notifier_can_be_shared_with_the_host() {
    let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
    let notifier: Arc<dyn Notifier> = Arc::new(InProcessNotifier::new());
    let chat = Chat::builder(MemoryStore::new()).clock(Arc::clone(&clock)).notifier(notifier).build();
    let session = chat.create_session(&user("alice"), CreateSession::titled("A")).await.unwrap().summary.session;
    assert_eq!(session.created_at, clock.now());
}

#[tokio::test]
async fn the_same_test_makes_the_same_ids_in_order() {
    let ids = || {
        let clock = TestClock::default();
        let first = [clock.new_id(), clock.clone().new_id(), clock.new_id()];
        clock.advance(TimeDelta::milliseconds(1));
        [first[0], first[1], first[2], clock.new_id()]
    };
    assert_eq!(ids(), ids());
    assert!(ids().is_sorted_by(|one, next| one < next), "{:?}", ids());
    assert!(ids().iter().all(|id| id.get_version_num() == 7));
}

#[tokio::test]
async fn what_waits_for_a_time_goes_on_when_the_clock_is_moved_there() {
    let clock = TestClock::default();
    let time = clock.now() + TimeDelta::hours(1);
    let mut waiting = clock.reaches(time);
    assert!(waiting.as_mut().now_or_never().is_none());
    clock.advance(TimeDelta::minutes(59));
    assert!(waiting.as_mut().now_or_never().is_none());
    clock.set(time);
    in_time(waiting).await;
    assert!(clock.reaches(time).now_or_never().is_some(), "the past is reached at once");
}

#[tokio::test]
async fn the_system_clock_reaches_a_time_and_not_before_it() {
    let time = SystemClock.now() + TimeDelta::milliseconds(20);
    in_time(SystemClock.reaches(time)).await;
    assert!(SystemClock.now() >= time);
    assert!(SystemClock.reaches(time - TimeDelta::days(1)).now_or_never().is_some());
    assert!(SystemClock.reaches(DateTime::<Utc>::MAX_UTC).now_or_never().is_none());
}

#[tokio::test]
async fn the_ages_of_kept_profiles_follow_the_clock() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).build();
    let other = Chat::builder(store).clock(clock.clone()).build();
    let (alice, bob) = (called("Alice", clock.now()), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "hello").await;
    assert_eq!(chat.message(&bob, message.id).await.unwrap().sender.name, "Alice");

    clock.advance(TimeDelta::seconds(1));
    other.me(&called("Alicia", clock.now())).await.unwrap();
    assert_eq!(chat.message(&bob, message.id).await.unwrap().sender.name, "Alice", "it is kept for a few seconds");
    clock.advance(TimeDelta::seconds(4));
    assert_eq!(chat.message(&bob, message.id).await.unwrap().sender.name, "Alicia");
    // A clock that is set back makes nothing young again.
    other.me(&called("Alix", clock.now())).await.unwrap();
    clock.advance(TimeDelta::days(-1));
    assert_eq!(chat.message(&bob, message.id).await.unwrap().sender.name, "Alix");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_stands_still_ends_no_token() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = Principal { expires_at: Some(clock.now() + TimeDelta::seconds(1)), ..user("alice") };
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(3_600), events.next_event()).await;
    assert!(waited.is_err(), "only the clock says what time it is: {waited:?}");
}
