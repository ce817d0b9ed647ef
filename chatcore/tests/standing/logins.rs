//! Logins that end, and tokens that are revoked.

use tokio::sync::oneshot;

use chatcore::store::{Change, Standings, TypedKey as _};

use super::*;
use crate::hooked::Hooked;

/// In a minute, so that a token of then is younger than one of now.
fn later(clock: &TestClock) {
    clock.advance(TimeDelta::seconds(60));
}

#[tokio::test]
async fn a_logout_ends_the_login_and_its_streams_and_no_other() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(by_hints_alone()).build();
    let (phone, laptop) = (logged_in("alice", &clock), logged_in("alice", &clock));
    let id = room(&chat, &phone, &[]).await;
    let (mut ended, mut kept) =
        (chat.subscribe(&phone, id, None).await.unwrap(), chat.subscribe(&laptop, id, None).await.unwrap());
    let (mut all_ended, mut all_kept) =
        (chat.subscribe_all(&phone, &[]).await.unwrap(), chat.subscribe_all(&laptop, &[]).await.unwrap());
    assert!(all_ended.next().await.unwrap().is_ok() && all_kept.next().await.unwrap().is_ok());
    let over = tokio::spawn({
        let (chat, phone) = (chat.clone(), phone.clone());
        async move { chat.login_ended(&phone).await }
    });

    let lives_until = clock.now() + TimeDelta::seconds(1_800);
    chat.end_login(&phone.user_id, phone.login_id.unwrap(), lives_until).await.unwrap();

    assert_eq!(in_time(over).await.unwrap(), Error::TokenInvalid);
    assert_eq!(in_time(ended.next()).await.unwrap().unwrap_err(), Error::TokenInvalid);
    assert!(ended.next().await.is_none());
    assert_eq!(in_time(all_ended.next()).await.unwrap().unwrap_err(), Error::TokenInvalid);
    assert!(all_ended.next().await.is_none());
    assert_eq!(chat.me(&phone).await.unwrap_err(), Error::TokenInvalid);

    say(&chat, &laptop, id, "still here").await;
    assert_eq!(next(&mut kept).await.event.seq, 2);
    assert!(in_time(all_kept.next()).await.unwrap().is_ok());
}

#[tokio::test]
async fn what_is_remembered_of_ended_logins_is_forgotten_with_their_tokens() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user_id("alice");
    for _ in 0..3 {
        chat.end_login(&alice, LoginId(clock.new_id()), clock.now() + TimeDelta::seconds(100)).await.unwrap();
        later(&clock);
    }
    // The first one's tokens have expired, also for clocks that are a little behind.
    assert_eq!(chat.standing(&alice).await.unwrap().ended_logins.len(), 2);
    // The same login twice is one login.
    let login = LoginId(clock.new_id());
    for _ in 0..2 {
        chat.end_login(&alice, login, clock.now() + TimeDelta::seconds(100)).await.unwrap();
    }
    assert_eq!(chat.standing(&alice).await.unwrap().ended_logins.len(), 2);
}

#[tokio::test]
async fn endless_logouts_take_no_endless_memory_and_let_nobody_in() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let first = logged_in("alice", &clock);
    later(&clock);
    let until = clock.now() + TimeDelta::seconds(3_600);
    chat.end_login(&first.user_id, first.login_id.unwrap(), until).await.unwrap();
    for _ in 0..1_100 {
        chat.end_login(&first.user_id, LoginId(clock.new_id()), until).await.unwrap();
    }
    assert!(chat.standing(&first.user_id).await.unwrap().ended_logins.len() <= 1_000);
    assert_eq!(chat.me(&first).await.unwrap_err(), Error::TokenInvalid);
    later(&clock);
    chat.me(&logged_in("alice", &clock)).await.unwrap();
}

#[tokio::test]
async fn an_ended_login_works_never_again_and_a_later_one_works_however_many_ended() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    clock.advance(TimeDelta::milliseconds(700));
    // A token says in whole seconds when it was issued.
    let in_seconds =
        |login: &Principal| Principal { issued_at: clock.now() - TimeDelta::milliseconds(700), ..login.clone() };
    let until = clock.now() + TimeDelta::seconds(3_600);
    let end = async |login: &Principal| chat.end_login(&login.user_id, login.login_id.unwrap(), until).await.unwrap();
    let older = logged_in("alice", &clock);
    let mut ended: Vec<Principal> = (0..3).map(|_| logged_in("alice", &clock)).collect();
    let later = in_seconds(&logged_in("alice", &clock));
    ended.extend((0..1_000).map(|_| logged_in("alice", &clock)));
    let last = in_seconds(&logged_in("alice", &clock));
    for login in &ended {
        end(login).await;
    }
    for login in [&later, &last] {
        chat.me(login).await.unwrap();
    }
    assert!(chat.standing(&later.user_id).await.unwrap().ended_logins.len() <= 1_000);
    // Also with a token that another issuer gives an ended login later.
    clock.advance(TimeDelta::seconds(60));
    for login in &ended {
        for issued_at in [login.issued_at, clock.now()] {
            let token = Principal { issued_at, ..login.clone() };
            assert_eq!(chat.me(&token).await.unwrap_err(), Error::TokenInvalid);
        }
    }
    // What began before all that are remembered has ended with the first of them.
    assert_eq!(chat.me(&older).await.unwrap_err(), Error::TokenInvalid);
    chat.me(&later).await.unwrap();
}

#[tokio::test]
async fn a_login_that_was_kept_ends_for_good() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let (first, second) = (logged_in("alice", &clock), logged_in("alice", &clock));
    let (user, soon) = (first.user_id.clone(), clock.now() + TimeDelta::seconds(10));
    later(&clock);
    chat.end_all_logins(&user, first.login_id).await.unwrap();
    chat.me(&first).await.unwrap();
    chat.end_login(&user, first.login_id.unwrap(), soon).await.unwrap();
    // Nor is an ended login kept.
    chat.end_login(&user, second.login_id.unwrap(), soon).await.unwrap();
    chat.end_all_logins(&user, second.login_id).await.unwrap();
    later(&clock);
    // What is remembered of the two is forgotten with the next change.
    chat.end_login(&user, LoginId(clock.new_id()), soon).await.unwrap();
    for login in [first, second] {
        let token = Principal { issued_at: clock.now(), ..login };
        assert_eq!(chat.me(&token).await.unwrap_err(), Error::TokenInvalid);
    }
}

#[tokio::test]
async fn a_slower_read_brings_no_older_standing_back() {
    let (clock, store) = (TestClock::default(), Hooked::default());
    let here = Chat::builder(store.clone()).clock(clock.clone()).limits(by_hints_alone()).build();
    let there = Chat::builder(store.intact()).clock(clock.clone()).build();
    let alice = user("alice");
    here.me(&alice).await.unwrap();
    let ((reached, hangs), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    store.after_records.once(async move {
        let _ = reached.send(());
        let _ = goes_on.await;
    });
    let slow = tokio::spawn({
        let (here, alice) = (here.clone(), alice.user_id.clone());
        async move { here.standing(&alice).await }
    });
    in_time(hangs).await.unwrap();
    there.ban_account(&alice.user_id, ban()).await.unwrap();
    assert!(here.standing(&alice.user_id).await.unwrap().ban.is_some());
    let _ = go_on.send(());
    assert_eq!(in_time(slow).await.unwrap().unwrap().ban, None);
    assert!(is_banned(&here.me(&alice).await.unwrap_err()));
}

#[tokio::test]
async fn all_logins_but_one_end_and_later_ones_are_let_in() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(by_hints_alone()).build();
    let (mine, other) = (logged_in("alice", &clock), logged_in("alice", &clock));
    let nameless = Principal { login_id: None, ..mine.clone() };
    let bob = logged_in("bob", &clock);
    for principal in [&mine, &other, &nameless, &bob] {
        chat.me(principal).await.unwrap();
    }
    later(&clock);
    chat.end_all_logins(&mine.user_id, mine.login_id).await.unwrap();
    chat.me(&mine).await.unwrap();
    chat.me(&bob).await.unwrap();
    assert_eq!(chat.me(&other).await.unwrap_err(), Error::TokenInvalid);
    assert_eq!(chat.me(&nameless).await.unwrap_err(), Error::TokenInvalid);
    // A token says its age in whole seconds. The login began later all the same.
    clock.advance(TimeDelta::milliseconds(1));
    let new = logged_in("alice", &clock);
    let issued_at = clock.now() - TimeDelta::milliseconds(900);
    chat.me(&Principal { issued_at, ..new }).await.unwrap();
    assert_eq!(chat.me(&Principal { issued_at, ..nameless.clone() }).await.unwrap_err(), Error::TokenInvalid);
    chat.me(&Principal { issued_at: clock.now(), ..nameless }).await.unwrap();
}

#[tokio::test]
async fn tokens_from_before_a_time_are_refused_and_so_are_tokens_of_no_known_age() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = Principal { issued_at: clock.now(), ..user("alice") };
    chat.revoke_before(&alice.user_id, clock.now() + TimeDelta::seconds(1)).await.unwrap();
    // An earlier time takes nothing back.
    chat.revoke_before(&alice.user_id, clock.now() - TimeDelta::seconds(1)).await.unwrap();
    let ageless = Principal { issued_at: chrono::DateTime::UNIX_EPOCH, ..alice.clone() };
    for refused in [&alice, &ageless] {
        assert_eq!(chat.me(refused).await.unwrap_err(), Error::TokenInvalid);
    }
    chat.me(&Principal { issued_at: clock.now() + TimeDelta::seconds(1), ..alice }).await.unwrap();
}

#[tokio::test]
async fn a_call_reads_no_standing_while_the_last_one_is_young() {
    let (clock, store) = (TestClock::default(), Breakable::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    say(&chat, &alice, id, "warm").await;
    let ten_sends = async || {
        let before = store.reads.load(Ordering::SeqCst);
        for _ in 0..10 {
            say(&chat, &alice, id, "hot").await;
        }
        store.reads.load(Ordering::SeqCst) - before
    };
    let reads = ten_sends().await;
    assert_eq!(ten_sends().await, reads);
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(ten_sends().await, reads + 1, "one look in a second");
}

#[tokio::test]
async fn another_process_refuses_at_its_next_look_without_any_hint() {
    let clock = TestClock::default();
    let [here, there] = two_processes(&clock);
    let alice = logged_in("alice", &clock);
    there.me(&alice).await.unwrap();
    later(&clock);
    here.end_all_logins(&alice.user_id, None).await.unwrap();
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(there.me(&alice).await.unwrap_err(), Error::TokenInvalid);
}

#[tokio::test(start_paused = true)]
async fn a_hint_ends_the_streams_of_another_process() {
    let (clock, store, bus) = (TestClock::default(), MemoryStore::new(), InProcessNotifier::new());
    let [here, there] = [(), ()].map(|()| {
        let chat = Chat::builder(store.clone()).clock(clock.clone()).limits(by_hints_alone());
        chat.notifier(bus.clone()).build()
    });
    let alice = logged_in("alice", &clock);
    let id = room(&there, &alice, &[]).await;
    let mut events = there.subscribe(&alice, id, None).await.unwrap();
    let mut all = there.subscribe_all(&alice, &[]).await.unwrap();
    assert!(all.next().await.unwrap().is_ok());
    here.end_login(&alice.user_id, alice.login_id.unwrap(), clock.now() + TimeDelta::seconds(60)).await.unwrap();
    assert_eq!(in_time(events.next()).await.unwrap().unwrap_err(), Error::TokenInvalid);
    assert_eq!(in_time(all.next()).await.unwrap().unwrap_err(), Error::TokenInvalid);
    // What the hint told counts for calls, too.
    assert_eq!(there.me(&alice).await.unwrap_err(), Error::TokenInvalid);
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_is_lost_costs_a_second_and_one_query_for_all_users() {
    let clock = TestClock::default();
    let store = Breakable::default();
    let here = Chat::builder(store.intact()).clock(clock.clone()).build();
    let rarely = Duration::from_secs(80_000);
    let quiet = Limits { poll_interval: rarely, due_interval: rarely, ..Limits::default() };
    let there = Chat::builder(store.clone()).clock(clock.clone()).limits(quiet).build();
    let users: Vec<Principal> = (0..50).map(|n| logged_in(&format!("user-{n}"), &clock)).collect();
    let id = room(&there, &users[0], &users.iter().skip(1).collect::<Vec<_>>()).await;
    let mut streams = Vec::new();
    for user in &users {
        streams.push(there.subscribe(user, id, None).await.unwrap());
    }
    // Once it listens for hints about a user, the process looks at the user's standing.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = store.reads.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let looks = store.reads.load(Ordering::SeqCst) - before;
    assert!((8..=10).contains(&looks), "{looks} looks in eight seconds");
    let gone = &users[7];
    here.end_login(&gone.user_id, gone.login_id.unwrap(), clock.now() + TimeDelta::seconds(60)).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(streams[7].next().await.unwrap().unwrap_err(), Error::TokenInvalid);
    // The time is paused: it moves to the next look and no further.
    assert!(begun.elapsed() <= Duration::from_secs(1));
    say(&here, &users[0], id, "hello").await;
    assert_eq!(there.me(&users[8]).await.unwrap().user_id, users[8].user_id);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_ends_no_stream_and_lets_nobody_in_whose_standing_is_old() {
    let (clock, store) = (TestClock::default(), Breakable::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).build();
    let alice = logged_in("alice", &clock);
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    store.reads_fail.store(true, Ordering::SeqCst);
    clock.advance(TimeDelta::seconds(2));
    assert_eq!(chat.me(&alice).await.unwrap_err(), Error::Unavailable);
    tokio::time::sleep(Duration::from_secs(5)).await;
    store.reads_fail.store(false, Ordering::SeqCst);
    say(&chat, &alice, id, "back").await;
    assert_eq!(next(&mut events).await.event.seq, 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_by_a_process_that_does_not_count_it_is_found_in_ten_seconds() {
    let (clock, store) = (TestClock::default(), MemoryStore::new());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).build();
    let alice = logged_in("alice", &clock);
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    // Looks at all users begin.
    tokio::time::sleep(Duration::from_secs(3)).await;
    later(&clock);
    let mut standing = chat.standing(&alice.user_id).await.unwrap();
    standing.revoked_before = Some(clock.now());
    let uncounted = Standings { user: alice.user_id.clone() }.put(standing);
    store.commit(Change::of_records(vec![uncounted])).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(in_time(events.next()).await.unwrap().unwrap_err(), Error::TokenInvalid);
    assert!(begun.elapsed() <= Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn a_hint_whose_read_fails_lets_no_ended_login_in() {
    let (clock, store, bus) = (TestClock::default(), Breakable::default(), InProcessNotifier::new());
    let here = Chat::builder(store.intact()).clock(clock.clone()).notifier(bus.clone()).build();
    let there = Chat::builder(store.clone()).clock(clock.clone()).notifier(bus).build();
    let alice = logged_in("alice", &clock);
    let id = room(&there, &alice, &[]).await;
    let _events = there.subscribe(&alice, id, None).await.unwrap();
    // A poll finds the standing unchanged.
    tokio::time::sleep(Duration::from_secs(3)).await;
    store.reads_fail.store(true, Ordering::SeqCst);
    let lives_until = clock.now() + TimeDelta::seconds(60);
    here.end_login(&alice.user_id, alice.login_id.unwrap(), lives_until).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    store.reads_fail.store(false, Ordering::SeqCst);
    assert_eq!(there.me(&alice).await.unwrap_err(), Error::TokenInvalid);
}
