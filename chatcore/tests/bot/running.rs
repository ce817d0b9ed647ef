//! Order, parallel sessions, back-pressure, a stop, and sessions that come and go.

use std::sync::atomic::{AtomicUsize, Ordering};

use chatcore::{Limits, RateLimits, chat::AddParticipant, model::SessionType};
use kit::{say, session};
use tokio::sync::Semaphore;

use super::*;

#[tokio::test]
async fn sessions_run_in_parallel_and_each_in_order() {
    let world = World::new().await;
    let mut ids = vec![world.session];
    for _ in 1..8 {
        ids.push(room(&world.chat, &world.alice, &[&world.robot]).await);
    }
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let bot = world
        .bot()
        .options(BotOptions { parallel: 5, ..quick() })
        .on_mention(move |context, message| {
            let (now, peak, gate) = (Arc::clone(&now), Arc::clone(&peak), Arc::clone(&opened));
            async move {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                drop(gate.acquire().await?);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                echo(context, message).await
            }
        })
        .start();
    for n in 0..40 {
        for id in &ids {
            mention(&world.chat, &world.alice, *id, &world.robot, &n.to_string()).await;
        }
    }
    until(async || running.load(Ordering::SeqCst) == 5).await;
    a_while().await;
    assert_eq!(running.load(Ordering::SeqCst), 5);
    gate.add_permits(1_000);
    for id in &ids {
        until(async || texts(&world.chat, &world.alice, *id).await.len() == 80).await;
        let answers: Vec<_> = texts(&world.chat, &world.alice, *id).await.split_off(40);
        assert_eq!(answers, (0..40).map(|n| format!("re: {n}")).collect::<Vec<_>>());
    }
    assert_eq!(most.load(Ordering::SeqCst), 5);
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn a_slow_handler_takes_a_bounded_part_of_what_waits() {
    const WAITING: usize = 10_000;
    let world = World::new().await;
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Notes::default());
    let (opened, noted) = (Arc::clone(&gate), runs.clone());
    let bot = world
        .bot()
        .on_message(move |_, message| {
            let (gate, noted) = (Arc::clone(&opened), noted.clone());
            async move {
                gate.acquire().await?.forget();
                noted.add(text_of(&message));
                Ok(())
            }
        })
        .start();
    for n in 0..WAITING {
        say(&world.chat, &world.alice, world.session, &n.to_string()).await;
    }
    a_while().await;
    assert!((1..=32).contains(&bot.taken()), "{}", bot.taken());
    gate.add_permits(100);
    runs.until(100).await;
    assert!((1..=32).contains(&bot.taken()), "{}", bot.taken());
    gate.add_permits(WAITING);
    runs.until(WAITING).await;
    assert_eq!(runs.all(), (0..WAITING).map(|n| n.to_string()).collect::<Vec<_>>());
    until(async || bot.taken() == 0).await;
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_for_handlers_and_starts_none() {
    let world = World::new().await;
    let (gate, notes) = (Arc::new(Semaphore::new(0)), Notes::default());
    let (opened, noted) = (Arc::clone(&gate), notes.clone());
    let bot = world
        .bot()
        .on_mention(move |context, message| {
            let (gate, noted) = (Arc::clone(&opened), noted.clone());
            async move {
                noted.add(text_of(&message));
                drop(gate.acquire().await?);
                echo(context, message).await
            }
        })
        .start();
    world.mention("first").await;
    world.mention("second").await;
    notes.until(1).await;
    let stopping = tokio::spawn(bot.stop());
    a_while().await;
    assert!(!stopping.is_finished());
    gate.add_permits(10);
    in_time(stopping).await.unwrap().unwrap();
    assert_eq!(world.texts().await, ["first", "second", "re: first"]);
    assert_eq!(notes.all(), ["first"]);
    // Nothing is lost, and nothing is done twice.
    let (noted, opened) = (notes.clone(), gate);
    let bot = world
        .bot()
        .on_mention(move |context, message| {
            let (gate, noted) = (Arc::clone(&opened), noted.clone());
            async move {
                noted.add(text_of(&message));
                drop(gate.acquire().await?);
                echo(context, message).await
            }
        })
        .start();
    world.until_said("re: second").await;
    bot.stop().await.unwrap();
    assert_eq!(notes.all(), ["first", "second"]);
}

#[tokio::test]
async fn a_handler_that_watches_the_stop_is_run_again_later() {
    let world = World::new().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let bot = || {
        let counted = Arc::clone(&runs);
        world
            .bot()
            .options(BotOptions { attempts: 1, ..quick() })
            .on_mention(move |context, message| {
                let run = counted.fetch_add(1, Ordering::SeqCst);
                async move {
                    if run == 0 {
                        context.stopping().await;
                        return Err("the bot is being stopped".into());
                    }
                    echo(context, message).await
                }
            })
            .on_failure(|failure| panic!("{failure:?}"))
    };
    world.mention("question").await;
    let first = bot().start();
    until(async || runs.load(Ordering::SeqCst) == 1).await;
    in_time(first.stop()).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let second = tokio::spawn(bot().run(async {
        let _ = stopped.await;
    }));
    world.until_said("re: question").await;
    stop.send(()).unwrap();
    in_time(second).await.unwrap().unwrap();
    assert_eq!(world.texts().await, ["question", "re: question"]);
}

#[tokio::test]
async fn a_session_that_comes_while_the_bot_runs_is_followed_and_one_that_goes_is_left() {
    let world = World::new().await;
    let failures = Notes::default();
    let (failed, started) = (failures.clone(), Arc::new(Semaphore::new(0)));
    let (chat, alice, begun) = (world.chat.clone(), world.alice.clone(), Arc::clone(&started));
    let bot = world
        .bot()
        .on_mention(move |context, message| {
            let (chat, alice, begun) = (chat.clone(), alice.clone(), Arc::clone(&begun));
            async move {
                if text_of(&message) == "go away" {
                    let bot = &context.principal().user_id;
                    chat.remove_participant(&alice, context.session_id(), bot).await?;
                    begun.add_permits(1);
                }
                echo(context, message).await
            }
        })
        .on_failure(move |failure| failed.add(failure.error.to_string()))
        .start();
    world.mention("hello").await;
    world.until_said("re: hello").await;
    let id = session(&world.chat, &world.alice, SessionType::InviteOnly).await;
    let add = || AddParticipant { user_id: world.robot.user_id.clone(), role: None };
    world.chat.add_participant(&world.alice, id, add()).await.unwrap();
    mention(&world.chat, &world.alice, id, &world.robot, "new").await;
    until(async || texts(&world.chat, &world.alice, id).await == ["new", "re: new"]).await;

    mention(&world.chat, &world.alice, id, &world.robot, "go away").await;
    drop(in_time(started.acquire()).await.unwrap());
    mention(&world.chat, &world.alice, id, &world.robot, "while away").await;
    a_while().await;
    assert_eq!(failures.all(), Vec::<String>::new());
    world.chat.add_participant(&world.alice, id, add()).await.unwrap();
    mention(&world.chat, &world.alice, id, &world.robot, "back").await;
    until(async || texts(&world.chat, &world.alice, id).await.iter().any(|text| text == "re: back")).await;
    a_while().await;
    // What was said while the bot was away is not the bot's.
    assert_eq!(
        texts(&world.chat, &world.alice, id).await,
        ["new", "re: new", "go away", "while away", "back", "re: back"]
    );
    assert_eq!(failures.all(), Vec::<String>::new());
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn sessions_for_which_the_stream_has_no_room_are_answered_too() {
    let limits = Limits {
        rates: RateLimits::off(),
        stream_sessions: 2,
        membership_interval: Duration::from_millis(20),
        ..Limits::default()
    };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, robot) = (user("alice"), user("robot"));
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(room(&chat, &alice, &[&robot]).await);
    }
    let bot = Bot::new(chat.clone(), robot.clone()).options(quick()).on_mention(echo).start();
    for round in 1..=3 {
        for id in &ids {
            mention(&chat, &alice, *id, &robot, "hello").await;
        }
        for id in &ids {
            until(async || texts(&chat, &alice, *id).await.len() == 2 * round).await;
        }
    }
    bot.stop().await.unwrap();
}
