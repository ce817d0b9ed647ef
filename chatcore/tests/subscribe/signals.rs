//! Signals among events.

use super::*;

fn is_about(signal: &Signal, id: SessionId, who: &Principal, types: bool) -> bool {
    matches!(signal, Signal::Typing { session_id, user_id, is_typing, until }
        if *session_id == id && *user_id == who.user_id && *is_typing == types && until.is_some() == types)
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
        assert!(matches!(&delivery, Delivery::Signal(signal) if is_about(&signal.signal, id, &alice, is_typing)));
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
                let Signal::Typing { is_typing, .. } = view.signal else { panic!("{view:?}") };
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

#[tokio::test(start_paused = true)]
async fn a_read_marker_reaches_the_other_devices_of_its_user_and_nobody_else() {
    let store = MemoryStore::new();
    let notifier = Arc::new(InProcessNotifier::new());
    let process = || Chat::builder(store.clone()).notifier(Arc::clone(&notifier)).build();
    let (here, there, alice, bob) = (process(), process(), user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let first = say(&here, &alice, id, "one").await;
    let mut hers = here.subscribe(&alice, id, None).await.unwrap();
    let (mut his, mut his_all) =
        (there.subscribe(&bob, id, None).await.unwrap(), there.subscribe_all(&bob, &[]).await.unwrap());
    assert!(matches!(in_time(his_all.next()).await, Some(Ok(AllDelivery::Subscribed(_)))));
    let read = here.mark_read(&bob, id, ReadUpto::Message(first.id)).await.unwrap();
    let unread = here.mark_unread_from(&bob, first.id).await.unwrap();
    assert_eq!((read.unread.count, unread.unread.count), (0, 1));
    for state in [read, unread] {
        let expected = Signal::ReadMarker { user_id: bob.user_id.clone(), state };
        assert!(matches!(delivery(&mut his).await, Delivery::Signal(told) if told.signal == expected));
        let told = in_time(his_all.next()).await;
        assert!(matches!(told, Some(Ok(AllDelivery::Delivered(Delivery::Signal(told)))) if told.signal == expected));
    }
    // What changes nothing is told to nobody.
    here.mark_unread_from(&bob, first.id).await.unwrap();
    assert_silent(&mut his).await;
    let (user_id, kind) = (bob.user_id.clone(), chatcore::model::ReceiptKind::Read);
    let receipt = Signal::Receipt { session_id: id, user_id, kind, seq: first.seq };
    let told = delivery(&mut hers).await;
    assert!(matches!(told, Delivery::Signal(told) if told.signal == receipt), "others are told by a receipt");
    assert_silent(&mut hers).await;
}

#[tokio::test(start_paused = true)]
async fn the_state_of_a_thread_reaches_the_devices_of_its_user_and_nobody_else() {
    let store = MemoryStore::new();
    let notifier = Arc::new(InProcessNotifier::new());
    let process = || Chat::builder(store.clone()).notifier(Arc::clone(&notifier)).build();
    let (here, there, alice, bob) = (process(), process(), user("alice"), user("bob"));
    let carol = user("carol");
    let id = room(&here, &alice, &[&bob, &carol]).await;
    let root = say(&here, &alice, id, "root").await;
    let mut hers = there.subscribe(&alice, id, None).await.unwrap();
    let mut his = there.subscribe(&bob, id, None).await.unwrap();
    let mut others = there.subscribe(&carol, id, None).await.unwrap();
    let told = async |events: &mut Subscription, who: &Principal| {
        loop {
            if let Delivery::Signal(told) = delivery(events).await {
                let Signal::Thread { user_id, state } = &told.signal else { panic!("{told:?}") };
                assert_eq!(user_id, &who.user_id);
                return *state;
            }
        }
    };
    // The first reply tells its author and the user who began the thread.
    let answer = |text: &str| SendMessage::text(text).in_reply_to(root.id);
    here.send(&bob, id, answer("one")).await.unwrap();
    let (of_alice, of_bob) = (told(&mut hers, &alice).await, told(&mut his, &bob).await);
    assert_eq!((of_alice.is_followed, of_alice.unread.count), (true, 1));
    assert_eq!((of_bob.is_followed, of_bob.unread.count), (true, 0));
    // A later one tells nobody but users who begin to follow.
    let second = here.send(&bob, id, answer("two").mentioning([carol.user_id.clone()])).await.unwrap();
    let of_carol = told(&mut others, &carol).await;
    assert_eq!((of_carol.is_followed, of_carol.unread.count), (true, 1));
    let marked = here.mark_thread_read(&alice, second.id).await.unwrap();
    assert_eq!(told(&mut hers, &alice).await, marked);
    let unfollowed = here.unfollow_thread(&bob, second.id).await.unwrap();
    assert_eq!(told(&mut his, &bob).await, unfollowed);
    let followed = here.follow_thread(&bob, second.id).await.unwrap();
    assert_eq!(told(&mut his, &bob).await, followed);
    // What changes nothing is told to nobody.
    here.mark_thread_read(&alice, root.id).await.unwrap();
    here.follow_thread(&bob, root.id).await.unwrap();
    here.follow_thread(&alice, root.id).await.unwrap();
    for silent in [&mut hers, &mut his, &mut others] {
        assert_silent(silent).await;
    }
}

/// A chat without limits on use, whose clock the test moves.
fn timed(notifier: &InProcessNotifier, store: &MemoryStore, clock: &TestClock) -> Chat {
    let builder = Chat::builder(store.clone()).clock(clock.clone()).notifier(notifier.clone());
    builder.rates(RateLimits::off()).build()
}

/// The signals that wait, each with whether it says that the user types. Only for tests with paused time, where waiting costs nothing and ends
/// when there is nothing else left to do.
async fn waiting(events: &mut Subscription) -> Vec<bool> {
    let mut found = Vec::new();
    while let Ok(next) = tokio::time::timeout(Duration::from_secs(1), events.next()).await {
        match next.expect("the stream ended").expect("the stream failed") {
            Delivery::Signal(view) => {
                let Signal::Typing { is_typing, .. } = view.signal else { panic!("{view:?}") };
                found.push(is_typing);
            }
            Delivery::Event(_) => {}
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn typing_a_thousand_times_costs_the_readers_nothing() {
    let clock = TestClock::default();
    let chat = timed(&InProcessNotifier::new(), &MemoryStore::new(), &clock);
    let (alice, bob) = (user("alice"), user("bob"));
    let (id, elsewhere) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    let mut others = chat.subscribe(&bob, elsewhere, None).await.unwrap();
    for _ in 0..1_000 {
        chat.typing(&alice, id, true).await.unwrap();
    }
    assert_eq!(waiting(&mut events).await, [true]);
    clock.advance(TimeDelta::milliseconds(2_999));
    chat.typing(&alice, id, true).await.unwrap();
    assert!(waiting(&mut events).await.is_empty());
    clock.advance(TimeDelta::milliseconds(1));
    for _ in 0..1_000 {
        chat.typing(&alice, id, true).await.unwrap();
    }
    assert_eq!(waiting(&mut events).await, [true]);
    // Neither does changing all the time. In another session it has a beginning of its own.
    for turn in 0..1_000 {
        chat.typing(&alice, id, turn % 2 == 1).await.unwrap();
    }
    assert!(waiting(&mut events).await.len() <= 10);
    chat.typing(&alice, elsewhere, true).await.unwrap();
    assert_eq!(waiting(&mut others).await, [true]);
    for _ in 0..60 {
        clock.advance(TimeDelta::seconds(1));
        for turn in 0..100 {
            chat.typing(&alice, id, turn % 2 == 1).await.unwrap();
        }
    }
    assert!(waiting(&mut events).await.len() <= 64, "about one in a second");
    // Whoever stopped is not told to have stopped again.
    clock.advance(TimeDelta::seconds(60));
    chat.typing(&alice, id, true).await.unwrap();
    for _ in 0..100 {
        chat.typing(&alice, id, false).await.unwrap();
    }
    assert_eq!(waiting(&mut events).await, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn typing_ends_by_itself_and_with_a_message() {
    let clock = TestClock::default();
    let chat = timed(&InProcessNotifier::new(), &MemoryStore::new(), &clock);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    chat.typing(&alice, id, true).await.unwrap();
    let Delivery::Signal(view) = delivery(&mut events).await else { panic!("no signal") };
    let Signal::Typing { until, .. } = view.signal else { panic!("{view:?}") };
    assert_eq!(until, Some(clock.now() + TimeDelta::seconds(6)));
    say(&chat, &alice, id, "said").await;
    assert_eq!(waiting(&mut events).await, [false]);
    // Who did not type, or types no longer, ends nothing.
    say(&chat, &alice, id, "said").await;
    say(&chat, &bob, id, "said").await;
    chat.typing(&alice, id, true).await.unwrap();
    clock.advance(TimeDelta::seconds(6));
    say(&chat, &alice, id, "said").await;
    assert_eq!(waiting(&mut events).await, [true]);
    // Each message may have its typing, however fast they come.
    for _ in 0..30 {
        chat.typing(&alice, id, true).await.unwrap();
        say(&chat, &alice, id, "said").await;
        assert_eq!(waiting(&mut events).await, [true, false]);
    }
}

#[tokio::test(start_paused = true)]
async fn typing_crosses_processes_over_a_notifier() {
    let (notifier, store, clock) = (InProcessNotifier::new(), MemoryStore::new(), TestClock::default());
    let (here, there) = (timed(&notifier, &store, &clock), timed(&notifier, &store, &clock));
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut events = there.subscribe(&bob, id, None).await.unwrap();
    here.typing(&alice, id, true).await.unwrap();
    assert_eq!(waiting(&mut events).await, [true]);
    here.typing(&alice, id, true).await.unwrap();
    // A device at the other process.
    there.typing(&alice, id, false).await.unwrap();
    assert_eq!(waiting(&mut events).await, [false]);
}
