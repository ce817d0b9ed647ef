//! The stream of all of a user's sessions.

use std::collections::HashMap;

use chatcore::chat::{AddParticipant, AllDelivery, AllSubscription, CreateSession, Position};

use super::{notifiers::Bent, *};

async fn part(stream: &mut AllSubscription) -> AllDelivery {
    in_time(stream.next()).await.expect("the stream ended").expect("the stream failed")
}

/// The next, which must announce a session.
async fn announced(stream: &mut AllSubscription) -> (SessionId, Seq) {
    match part(stream).await {
        AllDelivery::Subscribed(position) => (position.session_id, position.cursor.seq),
        other => panic!("{other:?}"),
    }
}

/// The next, which must be an event.
async fn event(stream: &mut AllSubscription) -> (SessionId, Seq, EventKind) {
    match part(stream).await {
        AllDelivery::Delivered(Delivery::Event(view)) => {
            (view.event.session_id, view.event.seq, view.event.kind.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn unnamed_sessions_start_live_and_named_ones_where_they_are_told_to() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let (first, second) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    say(&chat, &alice, first, "missed").await;
    let mut all = chat.subscribe_all(&bob, &[Position::new(first, 2)]).await.unwrap();
    let mut starts = [announced(&mut all).await, announced(&mut all).await];
    starts.sort();
    assert_eq!(starts, [(first, 2), (second, 2)]);
    assert_eq!(event(&mut all).await.1, 3, "what was missed");
    say(&chat, &alice, second, "live").await;
    let (id, seq, _) = event(&mut all).await;
    assert_eq!((id, seq), (second, 3));
    chat.typing(&alice, first, true).await.unwrap();
    assert!(matches!(part(&mut all).await, AllDelivery::Delivered(Delivery::Signal(_))));
}

#[tokio::test]
async fn a_session_that_one_comes_into_is_announced_and_begins_with_that() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    // Joined, with talk before and after.
    let joined = room(&chat, &alice, &[]).await;
    for _ in 0..300 {
        say(&chat, &alice, joined, "before").await;
    }
    chat.join(&bob, joined).await.unwrap();
    for _ in 0..300 {
        say(&chat, &alice, joined, "after").await;
    }
    assert_eq!(announced(&mut all).await, (joined, 301));
    let (_, seq, kind) = event(&mut all).await;
    assert!(seq == 302 && matches!(kind, EventKind::Participant(ParticipantEvent::Joined { .. })), "{kind:?}");
    for seq in 303..=602 {
        assert_eq!(event(&mut all).await.1, seq);
    }
    // Brought in.
    let added = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.me(&bob).await.unwrap();
    let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
    chat.add_participant(&alice, added, add).await.unwrap();
    assert_eq!(announced(&mut all).await, (added, 1));
    assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Added { .. })));
    // Made.
    let made = chat.create_session(&bob, CreateSession::titled("mine")).await.unwrap().summary.session.id;
    assert_eq!(announced(&mut all).await, (made, 0));
    assert!(matches!(event(&mut all).await.2, EventKind::Session(SessionEvent::Created { .. })));
}

#[tokio::test]
async fn leaving_ends_one_session_and_coming_back_announces_it_again() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let (id, other) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    announced(&mut all).await;
    announced(&mut all).await;
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    say(&chat, &alice, id, "not for bob").await;
    chat.join(&bob, id).await.unwrap();
    assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Removed { .. })));
    assert_eq!(announced(&mut all).await, (id, 4));
    assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Joined { .. })));
    chat.delete_session(&alice, id).await.unwrap();
    assert_eq!(event(&mut all).await.2, EventKind::Session(SessionEvent::Deleted));
    say(&chat, &alice, other, "still here").await;
    assert_eq!(event(&mut all).await.0, other);
}

#[tokio::test]
async fn what_cannot_be_followed_is_told_and_concerns_the_others_nothing() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let (mine, strange) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[]).await);
    let hidden = session(&chat, &alice, SessionType::Private).await;
    let at = |session_id, seq: Seq| Position::new(session_id, seq);
    let mut all = chat.subscribe_all(&bob, &[at(strange, 0), at(hidden, 0), at(mine, 3)]).await.unwrap();
    let mut ended = Vec::new();
    for _ in 0..3 {
        match part(&mut all).await {
            AllDelivery::Ended { session_id, error } => ended.push((session_id, error)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        ended,
        [
            (strange, Error::Denied(Denial::NotParticipant)),
            (hidden, Error::Denied(Denial::Hidden)),
            (mine, Error::Resync { oldest: 0, head: 2 })
        ]
    );
    chat.join(&bob, strange).await.unwrap();
    assert_eq!(announced(&mut all).await, (strange, 1), "and the one whose place was wrong stays out");

    let twice = chat.subscribe_all(&bob, &[at(mine, 0), at(mine, 1)]).await.unwrap_err();
    assert!(matches!(twice, Error::Invalid(_)), "{twice:?}");
}

#[tokio::test]
async fn there_are_only_so_many() {
    let limits = Limits { stream_sessions: 2, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let (first, _) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    announced(&mut all).await;
    announced(&mut all).await;
    let third = room(&chat, &alice, &[]).await;
    let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
    chat.add_participant(&alice, third, add).await.unwrap();
    let told = part(&mut all).await;
    assert!(
        matches!(told, AllDelivery::Ended { session_id, error: Error::LimitExceeded { .. } } if session_id == third),
        "{told:?}"
    );
    let too_many = [first, third, SessionId(uuid::Uuid::from_u128(1))].map(|id| Position::new(id, 0));
    let fresh = chat.subscribe_all(&bob, &too_many).await.unwrap_err();
    assert!(matches!(fresh, Error::LimitExceeded { limit: 2, .. }), "{fresh:?}");
    say(&chat, &alice, first, "goes on").await;
    assert_eq!(event(&mut all).await.0, first);
    // Who goes and comes is told again.
    chat.leave(&bob, first).await.unwrap();
    assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Left)));
    chat.leave(&bob, third).await.unwrap();
    let fourth = room(&chat, &alice, &[&bob]).await;
    assert_eq!(announced(&mut all).await.0, fourth);
    assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Joined { .. })));

    let limits = Limits { streams_per_user: 2, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (one, two) = (chat.subscribe_all(&bob, &[]).await.unwrap(), chat.subscribe_all(&bob, &[]).await.unwrap());
    let third = chat.subscribe_all(&bob, &[]).await.unwrap_err();
    assert!(matches!(third, Error::LimitExceeded { limit: 2, .. }), "{third:?}");
    drop(one);
    let again = chat.subscribe_all(&bob, &[]).await.unwrap();
    drop((two, again));
}

#[tokio::test]
async fn a_session_come_into_while_there_is_room_again_begins_with_that() {
    let limits = Limits { stream_sessions: 1, ..Limits::default() };
    // The order in which the stream hears of both is not fixed.
    for _ in 0..32 {
        let chat = Chat::builder(MemoryStore::new()).limits(limits.clone()).build();
        let (alice, bob) = (user("alice"), user("bob"));
        let (old, left_out) =
            (room(&chat, &alice, &[&bob]).await, session(&chat, &alice, SessionType::InviteOnly).await);
        let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
        announced(&mut all).await;
        let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
        chat.add_participant(&alice, left_out, add).await.unwrap();
        let told = part(&mut all).await;
        assert!(matches!(told, AllDelivery::Ended { error: Error::LimitExceeded { .. }, .. }), "{told:?}");
        chat.leave(&bob, old).await.unwrap();
        assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Left)));
        chat.leave(&bob, left_out).await.unwrap();
        let new = room(&chat, &alice, &[&bob]).await;
        assert_eq!(announced(&mut all).await, (new, 1));
    }
}

#[tokio::test]
async fn somebody_who_is_brought_into_many_sessions_still_has_a_stream() {
    let limits = Limits { stream_sessions: 3, ..Limits::default() };
    let store = Arc::new(MemoryStore::new());
    let chat = Chat::builder(Arc::clone(&store)).limits(limits).build();
    let (alice, bob, mallory) = (user("alice"), user("bob"), user("mallory"));
    let (old, named) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    for _ in 0..5 {
        let id = session(&chat, &mallory, SessionType::InviteOnly).await;
        let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
        chat.add_participant(&mallory, id, add).await.unwrap();
    }
    say(&chat, &alice, old, "the oldest session, and the one that was active last").await;
    let mut all = chat.subscribe_all(&bob, &[Position::new(named, 0)]).await.unwrap();
    let starts = [announced(&mut all).await, announced(&mut all).await, announced(&mut all).await];
    assert_eq!(
        (starts[0], starts[1]),
        ((named, 0), (old, 3)),
        "named ones always count, then the most active come first"
    );
    let told = loop {
        match part(&mut all).await {
            AllDelivery::LeftOut { sessions } => break sessions,
            AllDelivery::Delivered(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told, 4);
    say(&chat, &alice, old, "more").await;
    while event(&mut all).await.0 != old {}
}

#[tokio::test]
async fn a_session_of_ones_own_takes_the_place_of_a_quiet_one() {
    let limits = Limits { stream_sessions: 2, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let (first, second) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    announced(&mut all).await;
    announced(&mut all).await;
    say(&chat, &alice, first, "the other one is quiet").await;
    assert_eq!(event(&mut all).await.0, first);
    let own = session(&chat, &bob, SessionType::Private).await;
    let told = part(&mut all).await;
    assert!(
        matches!(told, AllDelivery::Ended { session_id, error: Error::LimitExceeded { .. } } if session_id == second),
        "{told:?}"
    );
    assert_eq!(announced(&mut all).await, (own, 0));
    assert!(matches!(event(&mut all).await.2, EventKind::Session(SessionEvent::Created { .. })));
    say(&chat, &alice, second, "not in this stream").await;
    // With the room of a session that ends, it comes back.
    chat.delete_session(&bob, own).await.unwrap();
    assert_eq!(event(&mut all).await.2, EventKind::Session(SessionEvent::Deleted));
    assert_eq!(announced(&mut all).await, (second, 3));
    say(&chat, &alice, second, "in this stream again").await;
    assert_eq!(
        event(&mut all).await,
        (second, 4, chat.events(&bob, second, 3, None).await.unwrap().events[0].event.kind.clone())
    );
}

#[tokio::test(start_paused = true)]
async fn the_search_for_sessions_come_into_elsewhere_runs_once_for_all_streams() {
    let store = Breakable::default();
    let (here, there) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let (alice, bob) = (user("alice"), user("bob"));
    let mut streams = Vec::new();
    for _ in 0..here.limits().streams_per_user {
        streams.push(here.subscribe_all(&bob, &[]).await.unwrap());
    }
    let before = store.membership_lists.load(Ordering::SeqCst);
    tokio::time::sleep(here.limits().membership_interval * 10 + Duration::from_secs(1)).await;
    assert_eq!(store.membership_lists.load(Ordering::SeqCst) - before, 10, "one list each time, for all ten streams");
    let id = room(&there, &alice, &[&bob]).await;
    for all in &mut streams {
        assert_eq!(announced(all).await, (id, 1));
    }
    // It ends with the last stream.
    drop(streams);
    tokio::time::sleep(here.limits().membership_interval * 2).await;
    let before = store.membership_lists.load(Ordering::SeqCst);
    tokio::time::sleep(here.limits().membership_interval * 10).await;
    assert_eq!(store.membership_lists.load(Ordering::SeqCst), before);
}

/// Two chats on one store and one notifier, as two processes on one bus, which never search and never poll.
fn on_one_bus(bus: &(impl Notifier + Clone)) -> (Chat, Chat) {
    let never = Duration::from_secs(80_000);
    let limits = Limits { membership_interval: never, poll_interval: never, ..Limits::default() };
    let store = Arc::new(MemoryStore::new());
    let chat = || Chat::builder(Arc::clone(&store)).notifier(bus.clone()).limits(limits.clone()).build();
    (chat(), chat())
}

#[tokio::test]
async fn a_hint_tells_at_once_of_a_session_that_another_process_brought_the_user_into() {
    let (here, there) = on_one_bus(&InProcessNotifier::new());
    let (alice, bob) = (user("alice"), user("bob"));
    let mut streams = [here.subscribe_all(&bob, &[]).await.unwrap(), here.subscribe_all(&bob, &[]).await.unwrap()];
    let joined = room(&there, &alice, &[&bob]).await;
    let added = session(&there, &alice, SessionType::InviteOnly).await;
    let made = session(&there, &bob, SessionType::Private).await;
    let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
    let admission = there.add_participant(&alice, added, add.clone()).await.unwrap();
    for all in &mut streams {
        let mut told = HashMap::new();
        while told.len() < 3 {
            match part(all).await {
                AllDelivery::Subscribed(position) => drop(told.insert(position.session_id, position.cursor.seq)),
                AllDelivery::Delivered(Delivery::Event(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, HashMap::from([(joined, 1), (made, 0), (added, admission.cursor.seq - 1)]));
    }
    // Also a session that the user was in before.
    there.remove_participant(&alice, added, &bob.user_id).await.unwrap();
    let gone = async |all: &mut AllSubscription| {
        while !matches!(event(all).await.2, EventKind::Participant(ParticipantEvent::Removed { .. })) {}
    };
    gone(&mut streams[0]).await;
    there.add_participant(&alice, added, add).await.unwrap();
    assert_eq!(announced(&mut streams[0]).await.0, added);
}

#[tokio::test]
async fn a_hint_about_another_user_or_a_session_without_the_user_tells_nothing() {
    let bus = InProcessNotifier::new();
    let (here, there) = on_one_bus(&bus);
    let (alice, bob) = (user("alice"), user("bob"));
    let mut all = here.subscribe_all(&bob, &[]).await.unwrap();
    let hidden = session(&there, &alice, SessionType::InviteOnly).await;
    there.me(&bob).await.unwrap();
    for session_id in [hidden, SessionId(uuid::Uuid::from_u128(9))] {
        bus.publish(Hint::Arrived { user_id: bob.user_id.clone(), session_id, is_own: false }).await;
    }
    let id = room(&there, &alice, &[&bob]).await;
    assert_eq!(announced(&mut all).await, (id, 1), "the first thing that is told");
    // A false hint does not stand in the way of a true one.
    assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Joined { .. })));
    let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
    there.add_participant(&alice, hidden, add).await.unwrap();
    assert_eq!(announced(&mut all).await, (hidden, 1));
}

#[tokio::test(start_paused = true)]
async fn lost_and_doubled_hints_about_a_user_cost_latency_only() {
    for copies in [0, 2] {
        let store = Arc::new(MemoryStore::new());
        let bus = Arc::new(Bent::new(move |_, hint| match hint {
            Hint::Arrived { .. } => vec![hint; copies],
            Hint::Committed { .. }
            | Hint::Signal(_)
            | Hint::Revoked { .. }
            | Hint::Notice(_)
            | Hint::Presence { .. } => vec![hint],
        }));
        let chat = || Chat::builder(Arc::clone(&store)).notifier(Arc::clone(&bus)).build();
        let (here, there) = (chat(), chat());
        let (alice, bob) = (user("alice"), user("bob"));
        let mut all = here.subscribe_all(&bob, &[]).await.unwrap();
        for _ in 0..3 {
            let id = room(&there, &alice, &[&bob]).await;
            assert_eq!(announced(&mut all).await, (id, 1));
            assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Joined { .. })));
        }
        let more = tokio::time::timeout(Duration::from_secs(600), all.next()).await;
        assert!(more.is_err(), "each session is announced once: {more:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_left_and_come_into_again_elsewhere_is_announced_again() {
    let store = Arc::new(MemoryStore::new());
    let (here, there) = (Chat::new(Arc::clone(&store)), Chat::new(store));
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&there, &alice, &[&bob]).await;
    let mut all = here.subscribe_all(&bob, &[]).await.unwrap();
    assert_eq!(announced(&mut all).await, (id, 2));
    for round in 0..3 {
        there.leave(&bob, id).await.unwrap();
        assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Left)));
        // At once, or only after some searches.
        tokio::time::sleep(here.limits().membership_interval * round).await;
        there.join(&bob, id).await.unwrap();
        assert_eq!(announced(&mut all).await, (id, 3 + 2 * Seq::from(round)));
        assert!(matches!(event(&mut all).await.2, EventKind::Participant(ParticipantEvent::Joined { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_read_ends_alone() {
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let (broken, whole) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    announced(&mut all).await;
    announced(&mut all).await;
    // The hints of both are lost, so that only the poll brings news, of both sessions at once.
    *store.corrupt.lock().unwrap() = Some(broken);
    let elsewhere = Chat::new(store.intact());
    let told = part(&mut all).await;
    assert!(
        matches!(told, AllDelivery::Ended { session_id, error: Error::Internal } if session_id == broken),
        "{told:?}"
    );
    for round in 0..3 {
        say(&elsewhere, &alice, broken, "cannot be read").await;
        say(&elsewhere, &alice, whole, "can be read").await;
        let (id, seq, _) = event(&mut all).await;
        assert_eq!((id, seq), (whole, 3 + round));
    }
    // A new stream says which one it is, and has the other.
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    let mut told = (0, 0);
    for _ in 0..2 {
        match part(&mut all).await {
            AllDelivery::Subscribed(position) if position.session_id == whole => told.0 += 1,
            AllDelivery::Ended { session_id, error: Error::Internal } if session_id == broken => told.1 += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_come_into_through_another_process_is_seen_by_looking() {
    let store = Arc::new(MemoryStore::new());
    // Two processes without a bus between them.
    let (here, there) = (Chat::new(Arc::clone(&store)), Chat::new(store));
    let (alice, bob) = (user("alice"), user("bob"));
    let mut all = here.subscribe_all(&bob, &[]).await.unwrap();
    let id = room(&there, &alice, &[&bob]).await;
    say(&there, &alice, id, "hello").await;
    assert_eq!(announced(&mut all).await, (id, 1));
    assert_eq!((event(&mut all).await.1, event(&mut all).await.1), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_one_is_in_and_may_not_view_is_told_of_once() {
    let table = PermissionTable::default().with(ParticipantRole::Viewer, ActionKind::View, false);
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).permissions(table).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let other = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Viewer).await.unwrap();
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    let (mut ended, mut begun) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        match part(&mut all).await {
            AllDelivery::Ended { session_id, error: Error::Denied(_) } => ended.push(session_id),
            AllDelivery::Subscribed(position) => begun.push(position.session_id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((ended, begun), (vec![id], vec![other]));
    // Many looks later there is nothing more to tell. A look searches no log: its poll reads are those of the other session.
    let (reads, poll) = (store.log_reads.load(Ordering::SeqCst), chat.limits().poll_interval);
    tokio::time::timeout(Duration::from_secs(600), all.next()).await.unwrap_err();
    let polls = u64::try_from(Duration::from_secs(600).as_millis() / poll.as_millis()).unwrap();
    assert!(store.log_reads.load(Ordering::SeqCst) - reads <= polls + 1);
    // It is looked at all the same.
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Member).await.unwrap();
    assert_eq!(announced(&mut all).await.0, id);
}

#[tokio::test]
async fn it_ends_with_the_token() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    for with_session in [false, true] {
        let end = clock.now() + TimeDelta::seconds(10);
        let bob = Principal { expires_at: Some(end), ..user("bob") };
        if with_session {
            session(&chat, &bob, SessionType::Private).await;
        }
        let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
        if with_session {
            announced(&mut all).await;
        }
        let mut waiting = Box::pin(all.next());
        assert!(waiting.as_mut().now_or_never().is_none(), "the token is still good");
        clock.advance(TimeDelta::seconds(10));
        assert_eq!(in_time(waiting).await.unwrap().unwrap_err(), Error::TokenExpired);
        assert!(in_time(all.next()).await.is_none());
    }
}
