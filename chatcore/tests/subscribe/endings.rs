//! When a stream ends, and when it does not.

use super::*;

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
    assert_eq!(told[1], removed(&bob));
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
    assert_eq!(rest(&mut events).await, [removed(&bob)]);
}

#[tokio::test]
async fn leaving_is_the_last_that_the_leaver_is_told() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let (mut his, mut hers) =
        (chat.subscribe(&bob, id, None).await.unwrap(), chat.subscribe(&alice, id, None).await.unwrap());
    chat.leave(&bob, id).await.unwrap();
    say(&chat, &alice, id, "gone").await;
    assert_eq!(rest(&mut his).await, [EventKind::Participant(ParticipantEvent::Left)]);
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
    assert_eq!(
        (owner.last(), member.last()),
        (Some(&EventKind::Session(SessionEvent::Deleted)), Some(&EventKind::Session(SessionEvent::Deleted)))
    );
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
    assert_eq!(rest(&mut events).await, [EventKind::Participant(ParticipantEvent::Left)], "a new one does");
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
    assert!(matches!(&told[..], [EventKind::Participant(ParticipantEvent::RoleChanged { .. })]), "{told:?}");
    assert_denied(chat.subscribe(&bob, id, None).await, Denial::RoleInsufficient);
}

#[tokio::test]
async fn a_stream_ends_when_the_token_does() {
    let clock = TestClock::at("2026-01-01T00:00:00Z".parse().unwrap());
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
    clock.advance(TimeDelta::seconds(3_599));
    assert_eq!(next(&mut busy).await.event.seq, 1);
    let mut waiting = Box::pin(idle.next_event());
    assert!(waiting.as_mut().now_or_never().is_none(), "the token is good for another second");
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(in_time(waiting).await.unwrap().unwrap_err(), Error::TokenExpired);
    assert!(in_time(idle.next_event()).await.is_none());
    // What is still there for it is for its reader no longer.
    assert_eq!(in_time(busy.next_event()).await.unwrap().unwrap_err(), Error::TokenExpired);
    assert!(in_time(busy.next_event()).await.is_none());
    assert_eq!(next(&mut endless).await.event.seq, 2);

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
    let mut events = chat.subscribe(&alice, id, events.after()).await.unwrap();
    assert_eq!(seqs(&take(&mut events, 3).await), [1, 2, 3]);
}
