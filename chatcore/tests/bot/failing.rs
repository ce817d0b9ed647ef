//! Handlers that fail, panic or hang, and a store that is away.

use std::sync::atomic::{AtomicUsize, Ordering};

use chatcore::{Chat, Error, Limits, RateLimits, bot::Interrupted, model::StreamState};
use kit::{Breakable, say};

use super::*;

#[tokio::test]
async fn a_handler_that_fails_is_tried_again_and_then_given_up() {
    let world = World::new().await;
    let other = room(&world.chat, &world.alice, &[&world.robot]).await;
    let (attempts, failures, times) = (Notes::default(), Notes::default(), Arc::new(AtomicUsize::new(0)));
    let (noted, failed, counted) = (attempts.clone(), failures.clone(), Arc::clone(&times));
    let bot = world
        .bot()
        .options(BotOptions { attempts: 3, handler_time: Duration::from_millis(30), ..quick() })
        .on_mention(move |context, message| {
            noted.add(format!("{} {}", text_of(&message), context.attempt()));
            assert_ne!(text_of(&message), "panic at once");
            async move {
                match text_of(&message) {
                    "error" => Err("as the test wants it".into()),
                    "panic" => panic!("as the test wants it"),
                    "hang" => std::future::pending().await,
                    "refused" => {
                        context.reply("x".repeat(10_000)).await?;
                        Ok(())
                    }
                    "once" if context.attempt() == 1 => Err("only once".into()),
                    _ => echo(context, message).await,
                }
            }
        })
        .on_failure(move |failure| {
            counted.fetch_add(1, Ordering::SeqCst);
            let is_interrupted = failure.error.downcast_ref::<Interrupted>().is_some();
            failed.add(format!("{} {is_interrupted} {}", failure.attempts, failure.error));
            assert!(failure.session_id != SessionId(uuid::Uuid::nil()), "a hook that panics ends nothing");
            panic!("as the test wants it");
        })
        .start();
    for text in ["error", "panic", "panic at once", "hang", "refused", "once", "last"] {
        world.mention(text).await;
    }
    mention(&world.chat, &world.alice, other, &world.robot, "elsewhere").await;
    until(async || texts(&world.chat, &world.alice, other).await.len() == 2).await;
    world.until_said("re: last").await;
    bot.stop().await.unwrap();
    let failures = failures.all();
    assert_eq!(
        failures[..4],
        [
            "3 false as the test wants it".to_owned(),
            format!("3 true {}", Interrupted::Panicked),
            format!("3 true {}", Interrupted::Panicked),
            format!("3 true {}", Interrupted::TimedOut),
        ]
    );
    assert_eq!((failures.len(), failures[4].starts_with("3 false")), (5, true));
    let attempts: Vec<_> = attempts.all().into_iter().filter(|attempt| !attempt.starts_with("elsewhere")).collect();
    let thrice = |text: &str| (1..=3).map(|n| format!("{text} {n}")).collect::<Vec<_>>();
    let expected = ["error", "panic", "panic at once", "hang", "refused"].map(thrice).concat();
    assert_eq!(attempts[..15], expected);
    assert_eq!(attempts[15..], ["once 1", "once 2", "last 1"]);
}

#[tokio::test]
async fn a_session_that_fails_keeps_no_other_one_waiting() {
    let world = World::new().await;
    let other = room(&world.chat, &world.alice, &[&world.robot]).await;
    let pause = Duration::from_secs(3_600);
    let bot = world
        .bot()
        .options(BotOptions { parallel: 1, first_pause: pause, longest_pause: pause, ..quick() })
        .on_mention(|context, message| async move {
            if text_of(&message) == "fail" {
                return Err("as the test wants it".into());
            }
            echo(context, message).await
        })
        .start();
    world.mention("fail").await;
    world.mention("waits").await;
    mention(&world.chat, &world.alice, other, &world.robot, "goes on").await;
    until(async || texts(&world.chat, &world.alice, other).await.len() == 2).await;
    assert_eq!(world.texts().await, ["fail", "waits"]);
    in_time(bot.stop()).await.unwrap();
}

#[tokio::test]
async fn a_handler_that_is_denied_in_another_session_is_given_up() {
    let world = World::new().await;
    let other = room(&world.chat, &world.alice, &[]).await;
    let failures = Notes::default();
    let failed = failures.clone();
    let bot = world
        .bot()
        .options(BotOptions { attempts: 2, ..quick() })
        .on_mention(move |context, message| async move {
            match text_of(&message) {
                "mirror" => {
                    context.chat().send(context.principal(), other, SendMessage::text("a copy")).await?;
                    Ok(())
                }
                // As of a token of another user.
                "expired" => Err(Error::TokenExpired.into()),
                _ => echo(context, message).await,
            }
        })
        .on_failure(move |failure| failed.add(format!("{} {}", failure.seq, failure.attempts)))
        .start();
    let lost = [world.mention("mirror").await.seq, world.mention("expired").await.seq];
    world.mention("last").await;
    world.until_said("re: last").await;
    bot.stop().await.unwrap();
    assert_eq!(failures.all(), lost.map(|seq| format!("{seq} 2")));
    assert_eq!(texts(&world.chat, &world.alice, other).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_store_that_is_away_loses_no_event() {
    let store = Breakable::default();
    let (intact, chat) = (uncounted(store.intact()), uncounted(store.clone()));
    let (alice, robot) = (user("alice"), user("robot"));
    let id = room(&intact, &alice, &[&robot]).await;
    let (failures, runs) = (Notes::default(), Arc::new(AtomicUsize::new(0)));
    let (failed, counted) = (failures.clone(), Arc::clone(&runs));
    let bot = Bot::new(chat, robot.clone())
        .options(BotOptions { attempts: 2, ..quick() })
        .on_mention(move |context, message| {
            counted.fetch_add(1, Ordering::SeqCst);
            echo(context, message)
        })
        .on_failure(move |failure| failed.add(failure.error.to_string()))
        .start();
    mention(&intact, &alice, id, &robot, "before").await;
    until(async || texts(&intact, &alice, id).await.len() == 2).await;
    store.commits_fail.store(true, Ordering::SeqCst);
    mention(&intact, &alice, id, &robot, "meanwhile").await;
    let before = runs.load(Ordering::SeqCst);
    until(async || runs.load(Ordering::SeqCst) > before + 5).await;
    store.reads_fail.store(true, Ordering::SeqCst);
    mention(&intact, &alice, id, &robot, "later").await;
    a_while().await;
    store.reads_fail.store(false, Ordering::SeqCst);
    store.commits_fail.store(false, Ordering::SeqCst);
    until(async || texts(&intact, &alice, id).await.len() == 6).await;
    assert_eq!(texts(&intact, &alice, id).await[4..], ["re: meanwhile", "re: later"]);
    assert_eq!(failures.all(), Vec::<String>::new());
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn a_log_that_was_trimmed_goes_on_where_it_begins() {
    let store = Breakable::default();
    let intact = uncounted(store.intact());
    let (alice, robot) = (user("alice"), user("robot"));
    let id = room(&intact, &alice, &[&robot]).await;
    for n in 0..10 {
        mention(&intact, &alice, id, &robot, &n.to_string()).await;
    }
    let last = messages(&intact, &alice, id).await[7].seq;
    store.trimmed.store(last, Ordering::SeqCst);
    let limits = Limits { rates: RateLimits::off(), poll_interval: Duration::from_millis(20), ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let bot = Bot::new(chat, robot.clone()).options(quick()).on_mention(echo).start();
    until(async || texts(&intact, &alice, id).await.len() == 12).await;
    assert_eq!(texts(&intact, &alice, id).await[10..], ["re: 8", "re: 9"]);
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_left_open_is_ended_as_failed() {
    let world = World::new().await;
    let bot = world
        .bot()
        .options(BotOptions { attempts: 2, ..quick() })
        .on_mention(|context, message| async move {
            let mut answer = context.stream().await?.ok_or("an earlier run completed it")?;
            answer.push("half of ").await?;
            match text_of(&message) {
                "fail" => Err("as the test wants it".into()),
                "panic" => panic!("as the test wants it"),
                "forget" => Ok(()),
                _ => {
                    answer.push("it").await?;
                    answer.finish().await?;
                    Ok(())
                }
            }
        })
        .start();
    for text in ["fail", "panic", "forget", "finish"] {
        world.mention(text).await;
    }
    world.until_said("half of it").await;
    bot.stop().await.unwrap();
    let answers = messages(&world.chat, &world.alice, world.session).await.split_off(4);
    let states: Vec<_> = answers.iter().map(|answer| (text_of(answer), answer.body.stream.clone().unwrap())).collect();
    assert_eq!(states.len(), 6, "two attempts, two attempts, one, one: {states:?}");
    for (text, state) in &states[..5] {
        assert_eq!(*text, "half of ");
        assert!(matches!(state, StreamState::Failed { .. }), "{state:?}");
    }
    assert_eq!(states[5], ("half of it", StreamState::Complete));
}

#[tokio::test]
async fn a_bot_whose_user_is_banned_or_whose_token_ends_says_so() {
    use chatcore::{TestClock, chat::BanAccount};
    let world = World::new().await;
    let mut bot = world.bot().on_mention(echo).start();
    world.mention("before").await;
    world.until_said("re: before").await;
    world
        .chat
        .ban_account(
            &world.robot.user_id,
            BanAccount { reason: "spam".into(), by: world.alice.user_id.clone(), until: None },
        )
        .await
        .unwrap();
    assert!(matches!(in_time(bot.ended()).await, Err(Error::AccountBanned(_))));
    assert!(matches!(in_time(world.bot().start().ended()).await, Err(Error::AccountBanned(_))));

    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let (alice, mut robot) = (user("alice"), user("robot"));
    let id = room(&chat, &alice, &[&robot]).await;
    robot.expires_at = Some(chat.now() + chrono::TimeDelta::seconds(60));
    let mut bot = Bot::new(chat.clone(), robot.clone()).options(quick()).on_mention(echo).start();
    mention(&chat, &alice, id, &robot, "before").await;
    until(async || texts(&chat, &alice, id).await.len() == 2).await;
    clock.advance(chrono::TimeDelta::seconds(61));
    assert_eq!(in_time(bot.ended()).await, Err(Error::TokenExpired));
    say(&chat, &alice, id, "after").await;
}
