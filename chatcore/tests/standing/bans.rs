//! Bans of accounts: out of everything, and back.

use chatcore::chat::SanctionUser;

use super::*;

#[tokio::test]
async fn a_banned_user_is_refused_everywhere_and_is_told_why_and_for_how_long() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    let until = clock.now() + TimeDelta::seconds(3_600);
    chat.ban_account(&bob.user_id, BanAccount { until: Some(until), ..ban() }).await.unwrap();

    let refused = chat.send(&bob, id, SendMessage::text("no")).await.unwrap_err();
    assert_eq!(
        (refused.code().as_str(), refused.code().status(), refused.code().close()),
        ("ACCOUNT_BANNED", 403, 4403)
    );
    assert_eq!(refused.details(), serde_json::json!({ "reason": "Spam", "until": "2026-01-01T01:00:00.000000Z" }));
    for refused in [
        chat.me(&bob).await.err(),
        chat.join(&bob, id).await.err(),
        chat.create_session(&bob, CreateSession::titled("mine")).await.err(),
        chat.subscribe(&bob, id, None).await.err(),
        chat.subscribe_all(&bob, &[]).await.err(),
    ] {
        assert!(is_banned(&refused.unwrap()));
    }
    // Others see that the user was removed, and why, and cannot bring the user back.
    let removed = next(&mut events).await;
    let reason = RemovalReason::AccountBanned;
    let expected = EventKind::Participant(ParticipantEvent::Removed { user_id: bob.user_id.clone(), reason });
    assert_eq!((&removed.event.kind, removed.event.actor.as_str(), removed.event.governs), (&expected, "root", true));
    let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
    let refused = chat.add_participant(&alice, id, add).await.unwrap_err();
    assert_eq!((refused.clone(), refused.code().status()), (Error::UserBanned, 409));
}

#[tokio::test]
async fn a_ban_ends_the_streams_of_the_user_in_every_process() {
    let (store, bus) = (MemoryStore::new(), InProcessNotifier::new());
    let [here, there] =
        [(), ()].map(|()| Chat::builder(store.clone()).notifier(bus.clone()).limits(by_hints_alone()).build());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&there, &alice, &[&bob]).await;
    let mut events = there.subscribe(&bob, id, None).await.unwrap();
    let mut idle = there.subscribe_all(&user("bob"), &[]).await.unwrap();
    assert!(idle.next().await.unwrap().is_ok());
    here.ban_account(&bob.user_id, ban()).await.unwrap();
    // Either its reason comes first, or the event that removed the user.
    loop {
        match in_time(events.next()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => assert!(is_banned(&error)),
            None => break,
        }
    }
    let over = loop {
        if let Err(error) = in_time(idle.next()).await.unwrap() {
            break error;
        }
    };
    assert!(is_banned(&over));
    assert!(is_banned(&in_time(there.login_ended(&bob)).await));
}

#[tokio::test]
async fn an_owner_is_back_in_place_after_the_ban_and_others_are_not() {
    let chat = Chat::in_memory();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let private = session(&chat, &alice, SessionType::Private).await;
    let others = room(&chat, &bob, &[&alice]).await;
    chat.ban_account(&alice.user_id, ban()).await.unwrap();
    say(&chat, &bob, id, "alone").await;
    assert!(chat.remove_participant(&bob, id, &alice.user_id).await.is_err());
    chat.unban_account(&alice.user_id).await.unwrap();
    let role = async |id| chat.participant(&alice, id, &alice.user_id, false).await.map(|me| (me.role, me.is_active));
    for id in [id, private] {
        assert_eq!(role(id).await.unwrap(), (ParticipantRole::Owner, true));
        say(&chat, &alice, id, "back").await;
    }
    assert!(chat.send(&alice, others, SendMessage::text("not back")).await.is_err());
    chat.join(&alice, others).await.unwrap();
    // Nothing is left to do, and nothing happens twice.
    chat.unban_account(&alice.user_id).await.unwrap();
    assert_eq!(chat.session(&alice, id).await.unwrap().summary.session.participant_count, 2);
}

#[tokio::test]
async fn a_ban_that_is_over_lets_the_user_in_with_the_next_call() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Private).await;
    let until = Some(clock.now() + TimeDelta::seconds(60));
    chat.ban_account(&alice.user_id, BanAccount { until, ..ban() }).await.unwrap();
    assert!(is_banned(&chat.session(&alice, id).await.unwrap_err()));
    clock.advance(TimeDelta::seconds(60));
    assert_eq!(chat.session(&alice, id).await.unwrap().participants.len(), 1);
    assert_eq!(chat.standing(&alice.user_id).await.unwrap().ban, None);
}

#[tokio::test]
async fn an_owner_who_was_added_after_the_ban_is_the_owner_with_the_next_call() {
    for meanwhile in ["nothing", "muted", "another role", "removed", "banned"] {
        let clock = TestClock::default();
        let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
        let (alice, adam) = (user("alice"), user("adam"));
        let id = room(&chat, &alice, &[&adam]).await;
        chat.change_role(&alice, id, &adam.user_id, ParticipantRole::Admin).await.unwrap();
        let until = Some(clock.now() + TimeDelta::seconds(60));
        chat.ban_account(&alice.user_id, BanAccount { until, ..ban() }).await.unwrap();
        clock.advance(TimeDelta::seconds(60));
        let add = AddParticipant { user_id: alice.user_id.clone(), role: None };
        let added = chat.add_participant(&adam, id, add).await.unwrap().participant;
        assert_eq!((added.role, added.is_active), (ParticipantRole::Member, true));
        match meanwhile {
            "muted" => chat.mute_participant(&adam, id, &alice.user_id, SanctionUser::ENDLESS).await.unwrap(),
            "another role" => {
                chat.change_role(&adam, id, &alice.user_id, ParticipantRole::Viewer).await.unwrap();
            }
            "removed" => chat.remove_participant(&adam, id, &alice.user_id).await.unwrap(),
            "banned" => chat.ban_participant(&adam, id, &alice.user_id, SanctionUser::ENDLESS).await.unwrap(),
            _ => {}
        }
        let me = chat.participant(&alice, id, &alice.user_id, false).await.unwrap();
        let expected = (ParticipantRole::Owner, true, None);
        assert_eq!((me.role, me.is_active, me.muted), expected, "{meanwhile}");
        assert_eq!(chat.session(&adam, id).await.unwrap().summary.session.participant_count, 2, "{meanwhile}");
        assert!(chat.bans(&adam, id, Page::FIRST).await.unwrap().entries.is_empty(), "{meanwhile}");
        say(&chat, &alice, id, "back").await;
        chat.transfer_ownership(&alice, id, &adam.user_id).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_after_a_ban_ends_no_ban_that_was_made_meanwhile() {
    let clock = TestClock::default();
    let [here, there] = two_processes(&clock);
    let alice = user("alice");
    let until = Some(clock.now() + TimeDelta::seconds(60));
    here.ban_account(&alice.user_id, BanAccount { until, ..ban() }).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    // This process knows the ban that is over, and not the new one.
    assert!(here.standing(&alice.user_id).await.unwrap().ban.is_some());
    there.ban_account(&alice.user_id, ban()).await.unwrap();
    let _ = here.me(&alice).await;
    assert!(is_banned(&there.me(&alice).await.unwrap_err()));
    clock.advance(TimeDelta::seconds(1));
    assert!(is_banned(&here.me(&alice).await.unwrap_err()));
}

#[tokio::test]
async fn a_ban_needs_a_reason_and_an_end_in_the_future() {
    let chat = Chat::in_memory();
    let id = user_id("bob");
    for bad in [
        BanAccount { reason: String::new(), ..ban() },
        BanAccount { reason: " \u{200b}".to_owned(), ..ban() },
        BanAccount { reason: "x".repeat(501), ..ban() },
        BanAccount { until: Some(chat.now()), ..ban() },
    ] {
        assert!(matches!(chat.ban_account(&id, bad).await, Err(Error::Invalid(fields)) if fields.len() == 1));
    }
    // A user who was never seen can be banned.
    chat.ban_account(&id, ban()).await.unwrap();
    assert!(is_banned(&chat.me(&user("bob")).await.unwrap_err()));
}

#[tokio::test]
async fn a_deleted_account_is_out_for_good() {
    let chat = Chat::in_memory();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.delete_account(&bob.user_id, &bob.user_id).await.unwrap();
    let refused = chat.me(&bob).await.unwrap_err();
    assert_eq!((refused.clone(), refused.code().status()), (Error::AccountDeleted, 403));
    let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
    assert_eq!(chat.add_participant(&alice, id, add).await.unwrap_err(), Error::UserBanned);
    let people = chat.session(&alice, id).await.unwrap().participants;
    assert_eq!(people.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ban_whose_process_ended_is_completed_by_another_one() {
    let (clock, store) = (TestClock::default(), Breakable::default());
    let chat = |clock: &TestClock| Chat::builder(store.clone()).clock(clock.clone()).build();
    let first = chat(&clock);
    let (alice, bob) = (user("alice"), user("bob"));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(room(&first, &alice, &[&bob]).await);
    }
    *store.stuck.lock().unwrap() = Some(ids[1]);
    // The process hangs in the middle, and ends.
    let banning = first.ban_account(&bob.user_id, ban());
    assert!(tokio::time::timeout(Duration::from_secs(5), banning).await.is_err());
    drop(first);
    *store.stuck.lock().unwrap() = None;
    let is_in = async |id| {
        let log = log(&store.intact(), id).await;
        !log.iter().any(|event| matches!(&event.kind, EventKind::Participant(ParticipantEvent::Removed { .. })))
    };
    assert!(is_in(ids[1]).await);
    // Until the lease is over, nobody else takes the work.
    let second = chat(&clock);
    assert!(is_banned(&second.me(&bob).await.unwrap_err()), "the mark is durable");
    second.me(&alice).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(is_in(ids[1]).await);
    clock.advance(TimeDelta::seconds(31));
    tokio::time::sleep(Duration::from_secs(60)).await;
    for id in ids {
        assert!(!is_in(id).await);
    }
}
