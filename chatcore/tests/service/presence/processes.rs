//! Presence through several processes, with and without a notifier that they share.

use super::*;

/// Two processes on one store.
struct Two {
    world: World,
    here: Chat,
    there: Chat,
}

impl Two {
    fn new(share_a_notifier: bool) -> Self {
        let (world, notifier) = (World::default(), InProcessNotifier::new());
        let here = world.process(&notifier);
        let there = if share_a_notifier { world.process(&notifier) } else { world.alone() };
        Self { world, here, there }
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_is_told_by_the_notifier_at_once() {
    let (Two { world, here, there }, alice, bob) = (Two::new(true), user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut events = following(&there, &alice, id).await;
    let device = here.device(&bob);
    assert_eq!(told(&mut events).await.1.status, Online);
    assert_eq!(status(&there, &alice, &bob).await, Online);
    world.pass(3);
    there.set_presence(&bob, choose(Availability::Away)).await.unwrap();
    assert_eq!(told(&mut events).await.1.status, Away);
    // The user moves to another process.
    let _device = there.device(&bob);
    drop(device);
    world.pass(30);
    assert!(waiting(&mut events).await.iter().all(|(_, status)| *status == Away));
    assert_eq!(status(&here, &alice, &bob).await, Away);
}

#[tokio::test]
async fn another_process_finds_changes_in_the_records_where_no_notifier_is_shared() {
    let (Two { world, here, there }, alice, bob) = (Two::new(false), user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut events = following(&there, &alice, id).await;
    let device = here.device(&bob);
    until_seen(&there, &alice, &bob, Online).await;
    world.pass(2);
    assert_eq!(told(&mut events).await.1.status, Online);
    here.set_presence(&bob, choose(Availability::Away)).await.unwrap();
    world.pass(3);
    settle().await;
    world.pass(2);
    assert_eq!(told(&mut events).await.1.status, Away);
    drop(device);
    world.pass(10);
    until_seen(&there, &alice, &bob, Offline).await;
    world.pass(2);
    assert_eq!(told(&mut events).await.1.status, Offline);
}

#[tokio::test]
async fn the_users_of_a_process_that_crashed_are_offline_after_a_while() {
    let (alice, bob) = (user("alice"), user("bob"));
    // The process lives on another store with the same data, which can be made to fail.
    let (world, frozen) = (World::default(), Breakable::default());
    let crashing = World { store: Breakable::over(world.store.intact()), clock: world.clock.clone() };
    drop(frozen);
    let (here, there) = (world.alone(), crashing.alone());
    let id = room(&here, &alice, &[&bob]).await;
    let _hers = here.device(&alice);
    let mut events = following(&here, &alice, id).await;
    let _his = there.device(&bob);
    until_seen(&here, &alice, &bob, Online).await;
    world.pass(2);
    assert_eq!(told(&mut events).await.1.status, Online);
    world.pass(18);
    let beat = world.clock_now();
    settle().await;
    crashing.store.commits_fail.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        world.pass(11);
        settle().await;
        assert_eq!(status(&here, &alice, &bob).await, Online);
    }
    world.pass(5);
    let (who, state) = told(&mut events).await;
    assert_eq!((who.as_str(), state.status, state.last_seen), ("bob", Offline, Some(beat)));
    until(async || seen(&world.alone(), &alice, &bob).await.filter(|state| state.last_seen == Some(beat))).await;

    // It was only slow, and finds out that the others took it for crashed.
    crashing.store.commits_fail.store(false, Ordering::SeqCst);
    world.pass(20);
    settle().await;
    world.pass(2);
    until_seen(&here, &alice, &bob, Online).await;
    world.pass(2);
    assert_eq!(told(&mut events).await.1.status, Online);
}

/// Connects and disconnects users at random through two processes, and compares what both say at the end.
async fn race(share_a_notifier: bool) {
    let Two { world, here, there } = Two::new(share_a_notifier);
    // A reader keeps 64 signals, and a busy machine can keep it from taking any. So few users give fewer signals than that, and none is lost.
    let count = if share_a_notifier { 12 } else { 100 };
    let (owner, users) = (user("owner"), (0..count).map(|n| user(&format!("user{n}"))).collect::<Vec<_>>());
    let id = session(&here, &owner, SessionType::Public).await;
    let mut room = to_cap(200);
    room.title = Some("All".to_owned());
    here.update_session(&owner, id, room).await.unwrap();
    for user in &users {
        here.join(user, id).await.unwrap();
    }
    let readers = [following(&here, &owner, id).await, following(&there, &owner, id).await].map(|mut events| {
        // A reader who takes nothing for long misses signals.
        let last: Arc<Mutex<BTreeMap<String, PresenceStatus>>> = Arc::default();
        let heard = Arc::clone(&last);
        tokio::spawn(async move {
            while let Some(next) = events.next().await {
                if let Delivery::Signal(view) = next.unwrap()
                    && let Signal::Presence { user_id, state, .. } = &view.signal
                {
                    heard.lock().unwrap().insert(user_id.to_string(), state.status);
                }
            }
        });
        last
    });
    let mut racing = JoinSet::new();
    for (n, user) in users.iter().enumerate() {
        let (user, chats, clock) = (user.clone(), [here.clone(), there.clone()], world.clock.clone());
        racing.spawn(async move {
            // A small generator of numbers, so that a run can be repeated.
            let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64 + 1);
            let mut dice = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let mut devices: Vec<Device> = Vec::new();
            for _ in 0..40 {
                match dice() % 8 {
                    0..4 => devices.push(chats[usize::from(dice() % 2 == 0)].device(&user)),
                    4..7 => drop(devices.pop()),
                    _ => clock.advance(TimeDelta::milliseconds(100)),
                }
                yield_now().await;
            }
            if dice() % 2 == 0 {
                devices.clear();
            }
            (user.user_id.to_string(), devices)
        });
    }
    let model: BTreeMap<String, Vec<Device>> = in_time(racing.join_all()).await.into_iter().collect();
    let expected: BTreeMap<&str, PresenceStatus> = model
        .iter()
        .map(|(user, devices)| (user.as_str(), if devices.is_empty() { Offline } else { Online }))
        .collect();
    assert!(expected.values().any(|status| *status == Offline) && expected.values().any(|status| *status == Online));
    world.pass(11);
    for chat in [&here, &there] {
        until(async || {
            let (mut all, mut page) = (Vec::new(), Page { limit: Some(100), ..Page::FIRST });
            loop {
                let part = chat.presence(&owner, id, page).await.unwrap();
                all.extend(part.entries);
                if part.next.is_none() {
                    break;
                }
                page.after = part.next;
            }
            let found = all.into_iter().map(|one| one.presence).filter(|one| one.user.user_id.as_str() != "owner");
            let found: BTreeMap<String, PresenceStatus> =
                found.map(|one| (one.user.user_id.to_string(), one.state.status)).collect();
            let is_same = found.iter().map(|(user, status)| (user.as_str(), *status)).eq(expected.clone());
            if !is_same {
                // What waits for its turn.
                world.pass(1);
                settle().await;
            }
            is_same.then_some(())
        })
        .await;
    }
    // What readers were told last is so, too. Without a shared notifier, changes of the other process that are older than ten seconds are not
    // told, and this test lets more time pass.
    if !share_a_notifier {
        return;
    }
    for last in &readers {
        until(async || {
            let differs = {
                let last = last.lock().unwrap();
                expected.iter().any(|(user, status)| last.get(*user).unwrap_or(&Offline) != status)
            };
            if differs {
                world.pass(2);
                settle().await;
                return None;
            }
            Some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn users_who_come_and_go_at_random_are_seen_as_they_are_through_a_notifier() {
    race(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn users_who_come_and_go_at_random_are_seen_as_they_are_without_a_notifier() {
    race(false).await;
}
