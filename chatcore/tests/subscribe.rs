//! Subscriptions: everything, once, in order, whatever the notifier does, and nothing after the right to read is gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod kit;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    Chat, Error, InProcessNotifier, Limits, MemoryStore, Notifier, Principal,
    chat::{Delivery, SendMessage, Subscription, UpdateSession},
    model::{Event, EventKind, ParticipantRole, Seq, SessionId, SessionType, Signal},
    notify::Hint,
    permission::{ActionKind, Denial, PermissionTable},
};
use chrono::{TimeDelta, Utc};
use futures_util::{StreamExt, future::join_all, stream, stream::BoxStream};
use kit::{
    Breakable, StoppedClock, assert_denied, in_time, next, room, say, seqs, session, take, text_of, user, user_id,
};

/// Asserts that nothing more comes. Only for tests with paused time, where waiting costs nothing and ends when there is
/// nothing else left to do.
async fn assert_silent(events: &mut Subscription) {
    if let Ok(delivery) = tokio::time::timeout(Duration::from_secs(3_600), events.next()).await {
        panic!("{delivery:?}");
    }
}

/// The rest of a stream that ends by itself.
async fn rest(events: &mut Subscription) -> Vec<EventKind> {
    let mut kinds = Vec::new();
    while let Some(event) = in_time(events.next_event()).await {
        kinds.push(event.unwrap().event.kind.clone());
    }
    kinds
}

async fn delivery(events: &mut Subscription) -> Delivery {
    in_time(events.next()).await.expect("the stream ended").expect("the stream failed")
}

// ---- Replay and live

#[tokio::test]
async fn a_stream_replays_from_a_position_and_goes_on_live() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for n in 0..5 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    for after in 0..=7 {
        let mut events = chat.subscribe(&bob, id, Some(after)).await.unwrap();
        assert_eq!(events.after(), after);
        let before = take(&mut events, 7 - usize::try_from(after).unwrap()).await;
        assert_eq!(seqs(&before), (after + 1..=7).collect::<Vec<_>>());
    }
    let mut events = chat.subscribe(&bob, id, Some(3)).await.unwrap();
    for n in 5..8 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    chat.update_session(&alice, id, UpdateSession { title: Some("New".to_owned()), ..UpdateSession::default() })
        .await
        .unwrap();
    let all = take(&mut events, 8).await;
    assert_eq!(seqs(&all), (4..=11).collect::<Vec<_>>());
    let texts: Vec<_> =
        all.iter().filter_map(|view| view.message()).map(|message| text_of(&message).to_owned()).collect();
    assert_eq!(texts, ["1", "2", "3", "4", "5", "6", "7"]);
    assert!(matches!(all[7].event.kind, EventKind::SessionUpdated { .. }));
}

#[tokio::test]
async fn a_stream_without_a_position_begins_now() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    say(&chat, &alice, id, "before").await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    assert_eq!(events.after(), 2);
    say(&chat, &alice, id, "after").await;
    assert_eq!(next(&mut events).await.event.seq, 3);
}

#[tokio::test]
async fn a_position_beyond_the_head_asks_for_a_resync() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    for after in [2, 3, Seq::MAX] {
        let refused = chat.subscribe(&alice, id, Some(after)).await.unwrap_err();
        assert_eq!(refused, Error::Resync { oldest: 0, head: 1 });
        assert_eq!(chat.events(&alice, id, after, None).await.unwrap_err(), refused);
    }
    assert!(chat.subscribe(&alice, id, Some(1)).await.is_ok());
}

#[tokio::test]
async fn only_who_may_view_can_subscribe() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let public = session(&chat, &alice, SessionType::Public).await;
    assert_denied(chat.subscribe(&bob, public, None).await, Denial::NotParticipant);
    for session_type in [SessionType::Private, SessionType::InviteOnly] {
        let id = session(&chat, &alice, session_type).await;
        assert_denied(chat.subscribe(&bob, id, Some(0)).await, Denial::Hidden);
        // Not even how long the log is can be found out.
        assert_denied(chat.subscribe(&bob, id, Some(1_000)).await, Denial::Hidden);
    }
}

#[tokio::test]
async fn a_stream_can_be_gone_on_with_where_another_stopped() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let mut last = 0;
    for round in 0..10 {
        let mut events = chat.subscribe(&alice, id, Some(last)).await.unwrap();
        say(&chat, &alice, id, &round.to_string()).await;
        while last < round + 2 {
            let event = next(&mut events).await;
            assert_eq!(event.event.seq, last + 1);
            last = event.event.seq;
        }
    }
}

#[tokio::test]
async fn two_readers_see_the_same_in_the_same_order() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut early = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    join_all((0..40).map(|n| {
        let (chat, who) = (chat.clone(), if n % 2 == 0 { alice.clone() } else { bob.clone() });
        async move { say(&chat, &who, id, &n.to_string()).await }
    }))
    .await;
    let mut late = chat.subscribe(&bob, id, Some(0)).await.unwrap();
    let (early, late) = (take(&mut early, 42).await, take(&mut late, 42).await);
    assert_eq!(seqs(&early), (1..=42).collect::<Vec<_>>());
    assert!(early.iter().zip(&late).all(|(one, other)| one.event == other.event));
}

#[tokio::test]
async fn what_is_told_carries_names_and_no_addresses() {
    let chat = Chat::in_memory();
    let mut alice = user("alice").with_name("Alice");
    alice.email = Some("alice@example.com".to_owned());
    let mut bob = user("bob").with_name("Bob");
    bob.email = Some("bob@example.com".to_owned());
    chat.me(&bob).await.unwrap();
    let id = room(&chat, &alice, &[]).await;
    chat.add_participant(&alice, id, chatcore::chat::AddParticipant { user_id: user_id("bob"), role: None })
        .await
        .unwrap();
    say(&chat, &alice, id, "hello").await;
    let mut events = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    let all = take(&mut events, 3).await;
    let subject = all[1].subject.clone().unwrap();
    assert_eq!((all[1].actor.name.as_str(), subject.name.as_str()), ("Alice", "Bob"));
    assert!(all.iter().all(|view| view.actor.email.is_none()) && subject.email.is_none());
    assert_eq!(all[2].message().unwrap().sender.email, None);
}

// ---- Endings

#[tokio::test]
async fn a_removal_is_the_last_that_the_removed_are_told() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    say(&chat, &alice, id, "still here").await;
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    say(&chat, &alice, id, "not for bob").await;
    let told = rest(&mut events).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[1], EventKind::ParticipantRemoved { user_id: bob.user_id.clone() });
    assert!(in_time(events.next()).await.is_none(), "a stream that ended stays so");
}

#[tokio::test]
async fn a_removal_ends_a_stream_although_the_reader_came_back_since() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    say(&chat, &alice, id, "while bob was away").await;
    chat.join(&bob, id).await.unwrap();
    assert_eq!(rest(&mut events).await, [EventKind::ParticipantRemoved { user_id: bob.user_id.clone() }]);
}

#[tokio::test]
async fn leaving_is_the_last_that_the_leaver_is_told() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let (mut his, mut hers) =
        (chat.subscribe(&bob, id, None).await.unwrap(), chat.subscribe(&alice, id, None).await.unwrap());
    chat.leave(&bob, id).await.unwrap();
    say(&chat, &alice, id, "gone").await;
    assert_eq!(rest(&mut his).await, [EventKind::ParticipantLeft]);
    assert_eq!(seqs(&take(&mut hers, 2).await), [3, 4], "the others go on");
}

#[tokio::test]
async fn a_deletion_is_the_last_that_anybody_is_told() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut streams =
        [chat.subscribe(&alice, id, None).await.unwrap(), chat.subscribe(&bob, id, Some(0)).await.unwrap()];
    say(&chat, &bob, id, "last words").await;
    chat.delete_session(&alice, id).await.unwrap();
    let [owner, member] = &mut streams;
    let (owner, member) = (rest(owner).await, rest(member).await);
    assert_eq!((owner.len(), member.len()), (2, 4));
    assert_eq!((owner.last(), member.last()), (Some(&EventKind::SessionDeleted), Some(&EventKind::SessionDeleted)));
    assert_denied(chat.subscribe(&alice, id, Some(0)).await, Denial::Hidden);
}

#[tokio::test]
async fn what_happens_to_others_ends_nothing() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Viewer).await.unwrap();
    chat.remove_participant(&alice, id, &carol.user_id).await.unwrap();
    chat.join(&carol, id).await.unwrap();
    chat.leave(&carol, id).await.unwrap();
    let invite_only = UpdateSession { session_type: Some(SessionType::InviteOnly), ..UpdateSession::default() };
    chat.update_session(&alice, id, invite_only).await.unwrap();
    say(&chat, &alice, id, "bob still reads").await;
    assert_eq!(seqs(&take(&mut events, 6).await), (4..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_old_removal_inside_of_a_replay_ends_nothing() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    say(&chat, &alice, id, "while bob was away").await;
    chat.join(&bob, id).await.unwrap();
    chat.leave(&bob, id).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    let mut events = chat.subscribe(&bob, id, Some(0)).await.unwrap();
    say(&chat, &alice, id, "live").await;
    assert_eq!(seqs(&take(&mut events, 8).await), (1..=8).collect::<Vec<_>>());
    chat.leave(&bob, id).await.unwrap();
    assert_eq!(rest(&mut events).await, [EventKind::ParticipantLeft], "a new one does");
}

#[tokio::test]
async fn a_role_that_may_not_view_ends_the_stream() {
    let table = PermissionTable::default().with(ParticipantRole::Viewer, ActionKind::View, false);
    let chat = Chat::builder(MemoryStore::new()).permissions(table).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Viewer).await.unwrap();
    say(&chat, &alice, id, "not for bob").await;
    let told = rest(&mut events).await;
    assert!(matches!(&told[..], [EventKind::ParticipantRoleChanged { .. }]), "{told:?}");
    assert_denied(chat.subscribe(&bob, id, None).await, Denial::RoleInsufficient);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_token_does() {
    let clock = StoppedClock::new();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let mut expiring = alice.clone();
    expiring.expires_at = Some("2026-01-01T01:00:00Z".parse().unwrap());

    let mut idle = chat.subscribe(&expiring, id, None).await.unwrap();
    let mut busy = chat.subscribe(&expiring, id, Some(0)).await.unwrap();
    let mut endless = chat.subscribe(&alice, id, None).await.unwrap();
    say(&chat, &alice, id, "in time").await;
    assert_eq!(next(&mut idle).await.event.seq, 2);
    tokio::time::advance(Duration::from_secs(3_599)).await;
    assert_eq!(next(&mut busy).await.event.seq, 1);
    // Waits out the last second.
    assert_eq!(idle.next_event().await.unwrap().unwrap_err(), Error::TokenExpired);
    assert!(idle.next_event().await.is_none());
    // What is still there for it is for its reader no longer.
    assert_eq!(busy.next_event().await.unwrap().unwrap_err(), Error::TokenExpired);
    assert!(busy.next_event().await.is_none());
    assert_eq!(next(&mut endless).await.event.seq, 2);

    clock.advance(TimeDelta::hours(1));
    assert_eq!(chat.subscribe(&expiring, id, None).await.unwrap_err(), Error::TokenExpired);
}

#[tokio::test]
async fn a_token_without_a_near_end_is_no_trouble() {
    let (chat, mut alice) = (Chat::in_memory(), user("alice"));
    alice.expires_at = Some(chrono::DateTime::<Utc>::MAX_UTC);
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    say(&chat, &alice, id, "hello").await;
    assert_eq!(next(&mut events).await.event.seq, 2);
}

#[tokio::test]
async fn a_store_that_is_away_ends_the_stream_and_it_can_be_gone_on_with() {
    let store = Breakable::default();
    let limits = Limits { tail_events: 1, ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    say(&chat, &alice, id, "one").await;
    say(&chat, &alice, id, "two").await;
    let mut events = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    store.reads_fail.store(true, Ordering::SeqCst);
    assert_eq!(in_time(events.next_event()).await.unwrap().unwrap_err(), Error::Unavailable);
    assert!(in_time(events.next_event()).await.is_none());
    store.reads_fail.store(false, Ordering::SeqCst);
    let mut events = chat.subscribe(&alice, id, Some(events.after())).await.unwrap();
    assert_eq!(seqs(&take(&mut events, 3).await), [1, 2, 3]);
}

// ---- Signals

fn typing(id: SessionId, who: &Principal, is_typing: bool) -> Signal {
    Signal::Typing { session_id: id, user_id: who.user_id.clone(), is_typing }
}

#[tokio::test(start_paused = true)]
async fn typing_reaches_the_others_and_not_who_types() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let (id, elsewhere) = (room(&chat, &alice, &[&bob]).await, room(&chat, &carol, &[&alice]).await);
    let mut hers = chat.subscribe(&alice, id, None).await.unwrap();
    let mut his = chat.subscribe(&bob, id, None).await.unwrap();
    let mut other = chat.subscribe(&carol, elsewhere, None).await.unwrap();
    chat.typing(&alice, id, true).await.unwrap();
    chat.typing(&alice, id, false).await.unwrap();
    for is_typing in [true, false] {
        let delivery = delivery(&mut his).await;
        assert!(matches!(&delivery, Delivery::Signal(signal) if signal.signal == typing(id, &alice, is_typing)));
    }
    for silent in [&mut hers, &mut his, &mut other] {
        assert_silent(silent).await;
    }
    let late = chat.subscribe(&bob, id, Some(0)).await;
    assert_eq!(seqs(&take(&mut late.unwrap(), 2).await), [1, 2], "a signal is not in the log");
}

#[tokio::test]
async fn typing_needs_the_right_to_send() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Viewer).await.unwrap();
    assert_denied(chat.typing(&bob, id, true).await, Denial::RoleInsufficient);
    assert_denied(chat.typing(&carol, id, true).await, Denial::NotParticipant);
    chat.delete_session(&alice, id).await.unwrap();
    assert_denied(chat.typing(&alice, id, true).await, Denial::Hidden);
}

#[tokio::test(start_paused = true)]
async fn a_signal_right_after_a_message_comes_after_it_and_is_not_lost() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for _ in 0..50 {
        let mut events = chat.subscribe(&bob, id, None).await.unwrap();
        say(&chat, &alice, id, "one").await;
        chat.typing(&alice, id, true).await.unwrap();
        assert!(matches!(delivery(&mut events).await, Delivery::Event(_)));
        assert!(matches!(delivery(&mut events).await, Delivery::Signal(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn signals_go_on_in_order_among_a_stream_of_messages() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    for _ in 0..20 {
        chat.typing(&alice, id, true).await.unwrap();
        say(&chat, &alice, id, "a message").await;
        chat.typing(&alice, id, false).await.unwrap();
    }
    let (mut messages, mut signals) = (Vec::new(), Vec::new());
    while messages.len() + signals.len() < 60 {
        match delivery(&mut events).await {
            Delivery::Event(view) => messages.push(view.event.seq),
            Delivery::Signal(view) => {
                let Signal::Typing { is_typing, .. } = view.signal;
                signals.push(is_typing);
            }
        }
    }
    assert_eq!(messages, (3..23).collect::<Vec<_>>());
    assert_eq!(signals, [true, false].repeat(20));
}

#[tokio::test(start_paused = true)]
async fn the_removed_hear_no_typing() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for _ in 0..20 {
        let mut events = chat.subscribe(&bob, id, None).await.unwrap();
        chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
        chat.typing(&alice, id, true).await.unwrap();
        assert!(matches!(delivery(&mut events).await, Delivery::Event(_)));
        assert!(in_time(events.next()).await.is_none());
        chat.join(&bob, id).await.unwrap();
    }
}

// ---- Slow readers

#[tokio::test]
async fn a_slow_reader_gets_everything_although_little_is_kept() {
    let limits = Limits { tail_events: 4, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut slow = chat.subscribe(&bob, id, None).await.unwrap();
    let mut fast = chat.subscribe(&alice, id, None).await.unwrap();
    let mut quarter = Vec::new();
    for n in 0..400_u64 {
        say(&chat, &alice, id, &n.to_string()).await;
        assert_eq!(next(&mut fast).await.event.seq, n + 3);
        if n % 4 == 0 {
            quarter.push(next(&mut slow).await.event.seq);
        }
    }
    quarter.extend(seqs(&take(&mut slow, 300).await));
    assert_eq!(quarter, (3..=402).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_far_behind_is_ended_at_their_removal_and_not_later() {
    let limits = Limits { tail_events: 4, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut slow = chat.subscribe(&bob, id, Some(0)).await.unwrap();
    for n in 0..100 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    for n in 0..100 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    let told = rest(&mut slow).await;
    assert_eq!(told.len(), 103);
    assert_eq!(told[102], EventKind::ParticipantRemoved { user_id: bob.user_id.clone() });
}

// ---- Notifiers that do not keep their word

/// What becomes of each hint on its way.
type Bend = Box<dyn Fn(usize, Hint) -> Vec<Hint> + Send + Sync>;

/// Carries hints, and bends them.
struct Bent {
    notifier: InProcessNotifier,
    bend: Bend,
    published: AtomicUsize,
}

impl Bent {
    fn new(bend: impl Fn(usize, Hint) -> Vec<Hint> + Send + Sync + 'static) -> Self {
        Self { notifier: InProcessNotifier::new(), bend: Box::new(bend), published: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Notifier for Bent {
    async fn publish(&self, hint: Hint) {
        for hint in (self.bend)(self.published.fetch_add(1, Ordering::SeqCst), hint) {
            self.notifier.publish(hint).await;
        }
    }

    async fn listen(&self, session_id: SessionId) -> BoxStream<'static, Hint> {
        self.notifier.listen(session_id).await
    }
}

/// Whatever the notifier does, readers get the log: those who were there before, came in between, or are slow.
async fn readers_get_the_log_over(notifier: impl Notifier) {
    let limits = Limits { tail_events: 8, poll_interval: Duration::from_millis(100), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).notifier(notifier).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut early = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    let mut early_seqs = Vec::new();
    for n in 0..30_u64 {
        say(&chat, &alice, id, &n.to_string()).await;
        if n % 3 == 0 {
            early_seqs.push(next(&mut early).await.event.seq);
        }
        if n % 7 == 0 {
            let role = if n % 2 == 0 { ParticipantRole::Admin } else { ParticipantRole::Member };
            chat.change_role(&alice, id, &bob.user_id, role).await.unwrap();
        }
    }
    let mut late = chat.subscribe(&bob, id, Some(5)).await.unwrap();
    join_all((0..30).map(|n| {
        let (chat, who) = (chat.clone(), if n % 2 == 0 { alice.clone() } else { bob.clone() });
        async move { say(&chat, &who, id, &n.to_string()).await }
    }))
    .await;
    chat.delete_session(&alice, id).await.unwrap();

    let last = 2 + 30 + 5 + 30 + 1;
    while let Some(event) = in_time(early.next_event()).await {
        let event = event.unwrap();
        assert_eq!(event.event.session_id, id);
        early_seqs.push(event.event.seq);
    }
    assert_eq!(early_seqs, (1..=last).collect::<Vec<_>>());
    assert_eq!(rest(&mut late).await.len() as u64, last - 5);
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_keeps_its_word_is_enough() {
    readers_get_the_log_over(InProcessNotifier::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_notifier_costs_latency_only() {
    readers_get_the_log_over(Bent::new(|_, _| Vec::new())).await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_loses_hints_costs_latency_only() {
    readers_get_the_log_over(Bent::new(|n, hint| if n % 3 == 1 { Vec::new() } else { vec![hint] })).await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_doubles_hints_doubles_nothing() {
    readers_get_the_log_over(Bent::new(|_, hint| vec![hint.clone(), hint.clone(), hint])).await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_reorders_hints_reorders_nothing() {
    let held: Mutex<Vec<Hint>> = Mutex::default();
    readers_get_the_log_over(Bent::new(move |n, hint| {
        let mut held = held.lock().unwrap();
        held.push(hint);
        // Keeps up to five back, and lets the newest go first.
        if n % 5 == 4 { held.drain(..).rev().collect() } else { Vec::new() }
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_repeats_old_hints_repeats_nothing() {
    let all: Mutex<Vec<Hint>> = Mutex::default();
    readers_get_the_log_over(Bent::new(move |_, hint| {
        let mut all = all.lock().unwrap();
        all.push(hint);
        all.iter().rev().cloned().collect()
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_carries_no_events_is_enough() {
    readers_get_the_log_over(Bent::new(|_, hint| match hint {
        Hint::Committed { session_id, head, events: _ } => {
            vec![Hint::Committed { session_id, head, events: Vec::new() }]
        }
        signal @ Hint::Signal(_) => vec![signal],
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_is_wrong_about_the_head_is_not_believed() {
    for wrong in [0, 1, Seq::MAX] {
        readers_get_the_log_over(Bent::new(move |_, hint| match hint {
            Hint::Committed { session_id, head: _, events } => {
                vec![Hint::Committed { session_id, head: wrong, events }]
            }
            signal @ Hint::Signal(_) => vec![signal],
        }))
        .await;
    }
}

/// Its streams end after each hint.
struct BreaksOff(InProcessNotifier);

#[async_trait]
impl Notifier for BreaksOff {
    async fn publish(&self, hint: Hint) {
        self.0.publish(hint).await;
    }

    async fn listen(&self, session_id: SessionId) -> BoxStream<'static, Hint> {
        self.0.listen(session_id).await.take(1).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_notifier_whose_streams_end_is_asked_again() {
    readers_get_the_log_over(BreaksOff(InProcessNotifier::new())).await;
}

#[tokio::test(start_paused = true)]
async fn events_of_a_hint_with_a_gap_are_not_believed() {
    // The newest event only, of everything that was committed since the last hint: there is a gap before it.
    readers_get_the_log_over(Bent::new(|n, hint| if n % 4 == 3 { vec![hint] } else { Vec::new() })).await;

    // A gap inside.
    let all = Mutex::<Vec<_>>::default();
    readers_get_the_log_over(Bent::new(move |n, hint| match hint {
        Hint::Committed { session_id, head, events } => {
            let mut all = all.lock().unwrap();
            all.extend(events);
            if n % 6 != 5 {
                return Vec::new();
            }
            let holed = all.drain(..).enumerate().filter(|(n, _)| n % 3 != 1).map(|(_, event)| event).collect();
            vec![Hint::Committed { session_id, head, events: holed }]
        }
        signal @ Hint::Signal(_) => vec![signal],
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn events_of_a_hint_from_another_session_are_not_believed() {
    let other = SessionId(uuid::Uuid::from_u128(1));
    readers_get_the_log_over(Bent::new(move |_, hint| match hint {
        Hint::Committed { session_id, head, events } => {
            let foreign = |event: &Arc<Event>| Arc::new(Event { session_id: other, ..Event::clone(event) });
            vec![Hint::Committed { session_id, head, events: events.iter().map(foreign).collect() }]
        }
        signal @ Hint::Signal(_) => vec![signal],
    }))
    .await;
}

/// Gives everybody the hints of every session.
struct TellsEverybody(tokio::sync::broadcast::Sender<Hint>);

#[async_trait]
impl Notifier for TellsEverybody {
    async fn publish(&self, hint: Hint) {
        let _ = self.0.send(hint);
    }

    async fn listen(&self, _: SessionId) -> BoxStream<'static, Hint> {
        let hints = stream::unfold(self.0.subscribe(), |mut hints| async move {
            let hint = hints.recv().await.ok()?;
            Some((hint, hints))
        });
        hints.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn hints_of_another_session_never_show_its_events_or_signals() {
    let chat =
        Chat::builder(MemoryStore::new()).notifier(TellsEverybody(tokio::sync::broadcast::Sender::new(64))).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let (here, there) = (room(&chat, &alice, &[]).await, room(&chat, &bob, &[]).await);
    let mut events = chat.subscribe(&alice, here, None).await.unwrap();
    say(&chat, &bob, there, "a secret").await;
    chat.typing(&bob, there, true).await.unwrap();
    assert_silent(&mut events).await;
    say(&chat, &alice, here, "hello").await;
    let event = next(&mut events).await;
    assert_eq!((event.event.session_id, event.event.seq), (here, 2));
}

#[tokio::test(start_paused = true)]
async fn without_hints_a_poll_brings_everything_there_is() {
    let limits = Limits { poll_interval: Duration::from_secs(60), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).notifier(Bent::new(|_, _| Vec::new())).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    for n in 0..1_000 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    // Virtual time: how many polls it takes.
    let began = tokio::time::Instant::now();
    for _ in 0..1_000 {
        events.next_event().await.unwrap().unwrap();
    }
    assert_eq!(began.elapsed().as_secs() / 60, 1);
}

/// Takes its time to listen.
#[derive(Clone, Default)]
struct SlowToListen {
    notifier: InProcessNotifier,
    slow: Arc<AtomicBool>,
}

#[async_trait]
impl Notifier for SlowToListen {
    async fn publish(&self, hint: Hint) {
        self.notifier.publish(hint).await;
    }

    async fn listen(&self, session_id: SessionId) -> BoxStream<'static, Hint> {
        if self.slow.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.notifier.listen(session_id).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_subscribing_leaves_nobody_deaf() {
    let notifier = SlowToListen::default();
    let chat = Chat::builder(MemoryStore::new()).notifier(notifier.clone()).build();
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;

    notifier.slow.store(true, Ordering::SeqCst);
    let mut gives_up = Box::pin(chat.subscribe(&carol, id, None));
    assert!(futures_util::poll!(gives_up.as_mut()).is_pending());
    notifier.slow.store(false, Ordering::SeqCst);
    let waiting = tokio::spawn({
        let (chat, bob) = (chat.clone(), bob.clone());
        async move { chat.subscribe(&bob, id, None).await }
    });
    tokio::task::yield_now().await;
    drop(gives_up);
    let mut events = in_time(waiting).await.unwrap().unwrap();
    chat.typing(&alice, id, true).await.unwrap();
    assert!(matches!(delivery(&mut events).await, Delivery::Signal(_)));
}

// ---- Many at once

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscribing_while_others_send_misses_and_doubles_nothing() {
    for round in 0..60 {
        let limits = Limits { tail_events: 1 + round % 8, ..Limits::default() };
        let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let senders = (0..3).map(|_| {
            let (chat, alice) = (chat.clone(), alice.clone());
            tokio::spawn(async move {
                for n in 0..15 {
                    say(&chat, &alice, id, &n.to_string()).await;
                    tokio::task::yield_now().await;
                }
            })
        });
        let readers = (0..4).map(|reader| {
            let (chat, bob) = (chat.clone(), bob.clone());
            tokio::spawn(async move {
                for _ in 0..reader * 3 {
                    tokio::task::yield_now().await;
                }
                let after = (reader % 2 == 0).then_some(reader);
                let mut events = chat.subscribe(&bob, id, after).await.unwrap();
                let first = events.after() + 1;
                let left = usize::try_from(48 - first).unwrap();
                let seen = seqs(&take(&mut events, left).await);
                assert_eq!(seen, (first..=47).collect::<Vec<_>>());
            })
        });
        let tasks: Vec<_> = senders.chain(readers).collect();
        for task in tasks {
            in_time(task).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kick_races_with_senders_and_is_still_the_last_for_the_kicked() {
    for _ in 0..40 {
        let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let mut events = chat.subscribe(&bob, id, Some(0)).await.unwrap();
        let senders: Vec<_> = [alice.clone(), bob.clone()]
            .map(|who| {
                let chat = chat.clone();
                tokio::spawn(async move {
                    for n in 0..30 {
                        let sent = chat.send(&who, id, SendMessage::text(n.to_string())).await;
                        assert!(matches!(sent, Ok(_) | Err(Error::Denied(Denial::NotParticipant))), "{sent:?}");
                    }
                })
            })
            .into();
        tokio::task::yield_now().await;
        chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
        for sender in senders {
            in_time(sender).await.unwrap();
        }
        let told = rest(&mut events).await;
        assert_eq!(told.last(), Some(&EventKind::ParticipantRemoved { user_id: bob.user_id.clone() }));
        let log = chat.events(&alice, id, told.len() as u64, Some(100)).await.unwrap().events;
        assert!(log.iter().all(|view| view.event.actor != bob.user_id), "bob spoke after the kick");
    }
}

#[tokio::test]
async fn a_hundred_readers_are_told_the_same() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let mut streams = Vec::new();
    for n in 0..99 {
        let reader = user(&format!("reader {n}"));
        chat.join(&reader, id).await.unwrap();
        streams.push(chat.subscribe(&reader, id, Some(0)).await.unwrap());
    }
    streams.push(chat.subscribe(&alice, id, Some(0)).await.unwrap());
    for n in 0..20 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    for events in &mut streams {
        assert_eq!(seqs(&take(events, 120).await), (1..=120).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn readers_of_one_session_share_one_encoding_of_an_event() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut streams = [chat.subscribe(&alice, id, None).await.unwrap(), chat.subscribe(&bob, id, None).await.unwrap()];
    say(&chat, &alice, id, "once").await;
    let encoded = AtomicUsize::new(0);
    for events in &mut streams {
        let event = next(events).await;
        let text: String = event.encoded(|view| {
            encoded.fetch_add(1, Ordering::SeqCst);
            format!("{}", view.event.seq)
        });
        assert_eq!(text, "3");
        // A second kind of encoding is worked out each time, and does not disturb the first.
        assert_eq!(event.encoded(|view| view.event.seq), 3);
    }
    assert_eq!(encoded.load(Ordering::SeqCst), 1);
}

// ---- Nothing is left behind

#[tokio::test(start_paused = true)]
async fn the_last_reader_takes_everything_along() {
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).build();
    let alice = user("alice");
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for _ in 0..3 {
        let mut streams = Vec::new();
        for _ in 0..5 {
            let id = room(&chat, &alice, &[]).await;
            for _ in 0..4 {
                streams.push(chat.subscribe(&alice, id, None).await.unwrap());
            }
        }
        tokio::time::sleep(chat.limits().poll_interval * 4).await;
        assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() > before);
        drop(streams);
        tokio::time::sleep(chat.limits().poll_interval * 4).await;
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
        let reads = store.log_reads.load(Ordering::SeqCst);
        tokio::time::sleep(chat.limits().poll_interval * 100).await;
        assert_eq!(store.log_reads.load(Ordering::SeqCst), reads, "somebody still looks at logs");
    }
}

#[tokio::test(start_paused = true)]
async fn all_sessions_with_readers_are_polled_in_one_query() {
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).build();
    let alice = user("alice");
    let mut streams = Vec::new();
    for _ in 0..20 {
        let id = room(&chat, &alice, &[]).await;
        streams.push(chat.subscribe(&alice, id, None).await.unwrap());
    }
    let reads = store.log_reads.load(Ordering::SeqCst);
    tokio::time::sleep(chat.limits().poll_interval * 10 + Duration::from_millis(1)).await;
    let polls = store.log_reads.load(Ordering::SeqCst) - reads;
    assert!((9..=11).contains(&polls), "{polls}");
}

#[tokio::test]
async fn a_chat_can_go_while_its_readers_stay() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    drop(chat);
    assert_eq!(next(&mut events).await.event.seq, 1);
}
