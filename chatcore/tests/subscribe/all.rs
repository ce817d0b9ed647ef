//! The stream of all of a user's sessions.

use chatcore::chat::{AddParticipant, AllDelivery, AllSubscription, CreateSession, Position};

use super::*;

async fn part(stream: &mut AllSubscription) -> AllDelivery {
    in_time(stream.next()).await.expect("the stream ended").expect("the stream failed")
}

/// The next, which must announce a session.
async fn announced(stream: &mut AllSubscription) -> Position {
    match part(stream).await {
        AllDelivery::Subscribed(position) => position,
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
    let mut all = chat.subscribe_all(&bob, &[Position { session_id: first, seq: 2 }]).await.unwrap();
    let mut starts = [announced(&mut all).await, announced(&mut all).await];
    starts.sort_by_key(|position| position.session_id);
    assert_eq!(starts, [Position { session_id: first, seq: 2 }, Position { session_id: second, seq: 2 }]);
    assert_eq!(event(&mut all).await.1, 3, "what was missed");
    say(&chat, &alice, second, "live").await;
    let (id, seq, _) = event(&mut all).await;
    assert_eq!((id, seq), (second, 3));
    chat.typing(&alice, first, true).await.unwrap();
    assert!(matches!(part(&mut all).await, AllDelivery::Delivered(Delivery::Signal(_))));
}

#[tokio::test]
async fn a_session_that_one_comes_into_is_announced_and_begins_with_that() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
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
    assert_eq!(announced(&mut all).await, Position { session_id: joined, seq: 301 });
    let (_, seq, kind) = event(&mut all).await;
    assert!(seq == 302 && matches!(kind, EventKind::ParticipantJoined { .. }), "{kind:?}");
    for seq in 303..=602 {
        assert_eq!(event(&mut all).await.1, seq);
    }
    // Brought in.
    let added = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.me(&bob).await.unwrap();
    let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
    chat.add_participant(&alice, added, add).await.unwrap();
    assert_eq!(announced(&mut all).await, Position { session_id: added, seq: 1 });
    assert!(matches!(event(&mut all).await.2, EventKind::ParticipantAdded { .. }));
    // Made.
    let made = chat.create_session(&bob, CreateSession::titled("mine")).await.unwrap().summary.session.id;
    assert_eq!(announced(&mut all).await, Position { session_id: made, seq: 0 });
    assert!(matches!(event(&mut all).await.2, EventKind::SessionCreated { .. }));
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
    assert!(matches!(event(&mut all).await.2, EventKind::ParticipantRemoved { .. }));
    assert_eq!(announced(&mut all).await, Position { session_id: id, seq: 4 });
    assert!(matches!(event(&mut all).await.2, EventKind::ParticipantJoined { .. }));
    chat.delete_session(&alice, id).await.unwrap();
    assert_eq!(event(&mut all).await.2, EventKind::SessionDeleted);
    say(&chat, &alice, other, "still here").await;
    assert_eq!(event(&mut all).await.0, other);
}

#[tokio::test]
async fn what_cannot_be_followed_is_told_and_concerns_the_others_nothing() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let (mine, strange) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[]).await);
    let hidden = session(&chat, &alice, SessionType::Private).await;
    let at = |session_id, seq| Position { session_id, seq };
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
    assert_eq!(announced(&mut all).await, at(strange, 1), "and the one whose place was wrong stays out");

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
    let third = room(&chat, &alice, &[&bob]).await;
    let told = part(&mut all).await;
    assert!(
        matches!(told, AllDelivery::Ended { session_id, error: Error::LimitExceeded { .. } } if session_id == third),
        "{told:?}"
    );
    let fresh = chat.subscribe_all(&bob, &[]).await.unwrap_err();
    assert!(matches!(fresh, Error::LimitExceeded { limit: 2, .. }), "{fresh:?}");
    say(&chat, &alice, first, "goes on").await;
    assert_eq!(event(&mut all).await.0, first);
    // Who goes and comes is told again.
    chat.leave(&bob, first).await.unwrap();
    assert!(matches!(event(&mut all).await.2, EventKind::ParticipantLeft));
    chat.leave(&bob, third).await.unwrap();
    let fourth = room(&chat, &alice, &[&bob]).await;
    assert_eq!(announced(&mut all).await.session_id, fourth);
    assert!(matches!(event(&mut all).await.2, EventKind::ParticipantJoined { .. }));

    let limits = Limits { streams_per_user: 2, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (one, two) = (chat.subscribe_all(&bob, &[]).await.unwrap(), chat.subscribe_all(&bob, &[]).await.unwrap());
    let third = chat.subscribe_all(&bob, &[]).await.unwrap_err();
    assert!(matches!(third, Error::LimitExceeded { limit: 2, .. }), "{third:?}");
    drop(one);
    let again = chat.subscribe_all(&bob, &[]).await.unwrap();
    drop((two, again));
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
    assert_eq!(announced(&mut all).await, Position { session_id: id, seq: 1 });
    assert_eq!((event(&mut all).await.1, event(&mut all).await.1), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_one_is_in_and_may_not_view_is_told_of_once() {
    let table = PermissionTable::default().with(ParticipantRole::Viewer, ActionKind::View, false);
    let chat = Chat::builder(MemoryStore::new()).permissions(table).build();
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
    // Many looks later there is nothing more to tell.
    tokio::time::timeout(Duration::from_secs(600), all.next()).await.unwrap_err();
    // It is looked at all the same.
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Member).await.unwrap();
    assert_eq!(announced(&mut all).await.session_id, id);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_token() {
    let clock = StoppedClock::new();
    let chat = Chat::builder(MemoryStore::new()).clock(clock).build();
    let end = "2026-01-01T00:00:10Z".parse().unwrap();
    for with_session in [false, true] {
        let bob = Principal { expires_at: Some(end), ..user("bob") };
        if with_session {
            session(&chat, &bob, SessionType::Private).await;
        }
        let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
        if with_session {
            announced(&mut all).await;
        }
        assert_eq!(in_time(all.next()).await.unwrap().unwrap_err(), Error::TokenExpired);
        assert!(in_time(all.next()).await.is_none());
    }
}
