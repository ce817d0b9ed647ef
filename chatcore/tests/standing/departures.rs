//! The work of a ban in the user's sessions, where something gets in its way.

use chatcore::{
    Authenticator as _,
    chat::CreateBotToken,
    identity::{BotAuthenticator, NoTokens},
    store::{Change, Departure, DepartureTask, Departures, Orphans, Prefix, Standings, TypedKey as _},
};
use tokio::sync::oneshot;

use super::*;
use crate::hooked::Hooked;

async fn is_in(store: &impl ChatStore, id: SessionId) -> bool {
    let log = log(store, id).await;
    !log.iter().any(|event| matches!(&event.kind, EventKind::Participant(ParticipantEvent::Removed { .. })))
}

async fn work_left(store: &impl ChatStore) -> u64 {
    store.count(&[Prefix { table: Departures::TABLE, parts: Vec::new() }]).await.unwrap()[0]
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_is_due_until_it_succeeds_and_keeps_no_other_one_waiting() {
    let (clock, store) = (TestClock::default(), Breakable::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(room(&chat, &alice, &[&bob]).await);
    }
    let are_in = async || {
        let mut found = Vec::new();
        for id in &ids {
            found.push(is_in(&store.intact(), *id).await);
        }
        found
    };
    // The store says that the database has failed, and not that there is nothing to do.
    *store.broken.lock().unwrap() = Some(ids[1]);
    assert_eq!(chat.ban_account(&bob.user_id, ban()).await.unwrap_err(), Error::OutcomeUnknown);
    assert_eq!(are_in().await, [false, true, false]);
    for _ in 0..3 {
        clock.advance(TimeDelta::seconds(31));
        tokio::time::sleep(Duration::from_secs(31)).await;
    }
    assert_eq!((are_in().await, work_left(&store.intact()).await), (vec![false, true, false], 1));
    *store.broken.lock().unwrap() = None;
    clock.advance(TimeDelta::seconds(31));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!((are_in().await, work_left(&store.intact()).await), (vec![false; 3], 0));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_only_bans_goes_on_with_what_failed() {
    let (clock, store) = (TestClock::default(), Breakable::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&Chat::builder(store.intact()).clock(clock.clone()).build(), &alice, &[&bob]).await;
    let chat = Chat::builder(store.clone()).clock(clock.clone()).build();
    *store.broken.lock().unwrap() = Some(id);
    assert_eq!(chat.ban_account(&bob.user_id, ban()).await.unwrap_err(), Error::OutcomeUnknown);
    *store.broken.lock().unwrap() = None;
    clock.advance(TimeDelta::seconds(31));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(!is_in(&store.intact(), id).await);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_another_process_for_a_bounded_time() {
    let (clock, store) = (TestClock::default(), Hooked::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).build();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Private).await;
    let until = Some(clock.now() + TimeDelta::seconds(60));
    chat.ban_account(&alice.user_id, BanAccount { until, ..ban() }).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    chat.standing(&alice.user_id).await.unwrap();
    // The call ends the ban. Before it can do the work, another process has it, and its lease is never over: the clock stands still.
    let lease = {
        let (store, user, now) = (store.intact(), alice.user_id.clone(), clock.now());
        async move {
            let departure = Departure { task: DepartureTask::Restore, leased_until: now + TimeDelta::seconds(30) };
            let write = Departures { user }.put(departure);
            store.commit(Change::of_records(vec![write])).await.unwrap();
        }
    };
    store.after_records.once(async {});
    store.after_records.once(lease);
    let refused = in_time(chat.session(&alice, id)).await.unwrap_err();
    assert!(store.after_records.is_done());
    assert_eq!((&refused, refused.code().status(), refused.retry_after()), (&Error::Unavailable, 503, Some(1)));
    // The ban is over all the same, and the sessions come back once the lease is over.
    chat.me(&alice).await.unwrap();
    clock.advance(TimeDelta::seconds(31));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(chat.session(&alice, id).await.unwrap().participants.len(), 1);
}

#[tokio::test]
async fn a_ban_that_ends_while_its_removals_run_leaves_the_user_where_they_are() {
    let store = Hooked::default();
    let [here, there] = [(), ()].map(|()| Chat::builder(store.clone()).build());
    let (alice, bob) = (user("alice"), user("bob"));
    let (first, own) = (room(&here, &alice, &[&bob]).await, room(&here, &bob, &[&alice]).await);
    // The newest session comes first, and the process hangs between the two removals.
    let ((reached, hangs), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    for _ in 0..2 {
        store.before_commit.once(async {});
    }
    store.before_commit.once(async move {
        let _ = reached.send(());
        let _ = goes_on.await;
    });
    let banning = tokio::spawn({
        let (here, bob) = (here.clone(), bob.user_id.clone());
        async move { here.ban_account(&bob, ban()).await }
    });
    in_time(hangs).await.unwrap();
    assert!(!is_in(&store.intact(), own).await && is_in(&store.intact(), first).await);
    in_time(there.unban_account(&bob.user_id)).await.unwrap();
    let _ = go_on.send(());
    in_time(banning).await.unwrap().unwrap();
    assert!(is_in(&store.intact(), first).await);
    assert_eq!(work_left(&store.intact()).await, 0);
    for chat in [&here, &there] {
        say(chat, &bob, first, "still in").await;
        let owner = chat.participant(&bob, own, &bob.user_id, false).await.unwrap();
        assert_eq!((owner.role, owner.is_active), (ParticipantRole::Owner, true));
    }
}

/// The process ends after the commit of the ban, before the tokens end, and another process goes on.
#[tokio::test(start_paused = true)]
async fn a_ban_whose_process_ended_ends_the_tokens_of_the_users_bots() {
    let (clock, store) = (TestClock::default(), Hooked::default());
    let first = Chat::builder(store.clone()).clock(clock.clone()).build();
    let second = Chat::builder(store.intact()).clock(clock.clone()).build();
    let alice = user("alice");
    let bot = first.create_bot(&alice, "A bot").await.unwrap().profile.user_id;
    let created = first.create_bot_token(&alice, &bot, CreateBotToken::named("a token")).await.unwrap();
    let tokens = BotAuthenticator::new(second.clone(), NoTokens);
    tokens.authenticate(created.secret.as_str()).await.unwrap();
    *store.commits_of.lock().unwrap() = Some(Standings::TABLE.name);
    store.before_commit.once(async {});
    store.before_commit.once(std::future::pending());
    let banning = first.ban_account(&alice.user_id, ban());
    assert!(tokio::time::timeout(Duration::from_secs(5), banning).await.is_err());
    assert!(store.before_commit.is_done());
    drop(first);
    assert_eq!(work_left(&store.intact()).await, 1);
    clock.advance(TimeDelta::seconds(31));
    second.start_background_tasks();
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(work_left(&store.intact()).await, 0);
    // Also after the ban the owner needs new tokens.
    second.unban_account(&alice.user_id).await.unwrap();
    assert_eq!(tokens.authenticate(created.secret.as_str()).await.unwrap_err(), Error::TokenInvalid);
    clock.advance(TimeDelta::seconds(1));
    let created = second.create_bot_token(&alice, &bot, CreateBotToken::named("another token")).await.unwrap();
    assert_eq!(tokens.authenticate(created.secret.as_str()).await.unwrap().user_id, bot);
}

#[tokio::test]
async fn a_ban_during_the_return_of_an_owner_is_a_ban() {
    let store = Hooked::default();
    let [here, there] = [(), ()].map(|()| Chat::builder(store.clone()).build());
    let (alice, bob) = (user("alice"), user("bob"));
    let own = room(&here, &bob, &[&alice]).await;
    here.ban_account(&bob.user_id, ban()).await.unwrap();
    // The end of the ban is committed, and the process hangs before the owner is back.
    let ((reached, hangs), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    store.before_commit.once(async {});
    store.before_commit.once(async move {
        let _ = reached.send(());
        let _ = goes_on.await;
    });
    let unbanning = tokio::spawn({
        let (here, bob) = (here.clone(), bob.user_id.clone());
        async move { here.unban_account(&bob).await }
    });
    in_time(hangs).await.unwrap();
    in_time(there.ban_account(&bob.user_id, ban())).await.unwrap();
    let _ = go_on.send(());
    in_time(unbanning).await.unwrap().unwrap();
    let people = here.session(&alice, own).await.unwrap().participants;
    assert_eq!(people.iter().map(|person| &person.profile.user_id).collect::<Vec<_>>(), [&alice.user_id]);
    // The next end brings the owner back.
    there.unban_account(&bob.user_id).await.unwrap();
    assert_eq!(there.session(&bob, own).await.unwrap().participants.len(), 2);
    assert_eq!(work_left(&store.intact()).await, 0);
}

#[tokio::test]
async fn an_owner_who_joins_during_the_return_is_the_owner() {
    let store = Hooked::default();
    let [here, there] = [(), ()].map(|()| Chat::builder(store.clone()).build());
    let (alice, bob) = (user("alice"), user("bob"));
    let own = room(&here, &bob, &[&alice]).await;
    here.ban_account(&bob.user_id, ban()).await.unwrap();
    // The end of the ban is committed, and the process hangs before the owner is back.
    let ((reached, hangs), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    store.before_commit.once(async {});
    store.before_commit.once(async move {
        let _ = reached.send(());
        let _ = goes_on.await;
    });
    let unbanning = tokio::spawn({
        let (here, bob) = (here.clone(), bob.user_id.clone());
        async move { here.unban_account(&bob).await }
    });
    in_time(hangs).await.unwrap();
    assert_eq!(there.join(&bob, own).await.unwrap().participant.role, ParticipantRole::Member);
    let _ = go_on.send(());
    in_time(unbanning).await.unwrap().unwrap();
    for chat in [&here, &there] {
        let owner = chat.participant(&bob, own, &bob.user_id, false).await.unwrap();
        assert_eq!((owner.role, owner.is_active), (ParticipantRole::Owner, true));
    }
    assert_eq!(here.session(&alice, own).await.unwrap().participants.len(), 2);
    // The log tells it by a change of the role.
    let (user_id, previous, role) = (bob.user_id.clone(), ParticipantRole::Member, ParticipantRole::Owner);
    let changed = EventKind::Participant(ParticipantEvent::RoleChanged { user_id, previous, role });
    assert_eq!(log(&store.intact(), own).await.last().map(|event| &event.kind), Some(&changed));
}

#[tokio::test]
async fn a_return_that_is_late_forgets_no_session_of_a_newer_ban() {
    let store = Hooked::default();
    let (here, there) = (Chat::builder(store.clone()).build(), Chat::builder(store.intact()).build());
    let (alice, bob) = (user("alice"), user("bob"));
    let own = room(&there, &bob, &[&alice]).await;
    there.ban_account(&bob.user_id, ban()).await.unwrap();
    *store.commits_of.lock().unwrap() = Some(Orphans::TABLE.name);
    let [(first, go_first), (second, go_second)] = [(), ()].map(|()| {
        let ((reached, hangs), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
        store.before_commit.once(async move {
            let _ = reached.send(());
            let _ = goes_on.await;
        });
        (hangs, go_on)
    });
    let unbanning = tokio::spawn({
        let (here, bob) = (here.clone(), bob.user_id.clone());
        async move { here.unban_account(&bob).await }
    });
    // The process hangs before the owner is back, and another one brings the owner back after another ban.
    in_time(first).await.unwrap();
    there.ban_account(&bob.user_id, ban()).await.unwrap();
    there.unban_account(&bob.user_id).await.unwrap();
    let _ = go_first.send(());
    // Now there is nothing to do. Before that is written down, there is.
    in_time(second).await.unwrap();
    there.ban_account(&bob.user_id, ban()).await.unwrap();
    let _ = go_second.send(());
    in_time(unbanning).await.unwrap().unwrap();
    there.unban_account(&bob.user_id).await.unwrap();
    let owner = there.participant(&bob, own, &bob.user_id, false).await.unwrap();
    assert_eq!((owner.role, owner.is_active), (ParticipantRole::Owner, true));
}

#[tokio::test]
async fn a_user_who_was_never_seen_is_banned_and_then_comes_as_anybody() {
    let chat = Chat::in_memory();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[]).await;
    chat.ban_account(&bob.user_id, ban()).await.unwrap();
    let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
    assert!(chat.add_participant(&alice, id, add).await.is_err());
    assert!(is_banned(&chat.join(&bob, id).await.unwrap_err()));
    chat.unban_account(&bob.user_id).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    say(&chat, &bob, id, "here").await;
    // The record of the user is the one that the ban has made.
    chat.ban_account(&bob.user_id, ban()).await.unwrap();
    assert!(is_banned(&chat.send(&bob, id, SendMessage::text("no")).await.unwrap_err()));
}

#[tokio::test]
async fn a_deleted_owner_comes_back_by_no_end_of_a_ban() {
    let chat = Chat::in_memory();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.ban_account(&alice.user_id, ban()).await.unwrap();
    chat.delete_account(&alice.user_id, &alice.user_id).await.unwrap();
    chat.unban_account(&alice.user_id).await.unwrap();
    assert_eq!(chat.me(&alice).await.unwrap_err(), Error::AccountDeleted);
    // Those who are left go on without an owner.
    say(&chat, &bob, id, "alone").await;
    assert_eq!(chat.session(&bob, id).await.unwrap().participants.len(), 1);
    chat.leave(&bob, id).await.unwrap();
}
