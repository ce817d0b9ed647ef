//! A bot whose process ends anywhere: each event is handled, and each answer is sent once.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use chatcore::{
    Limits, RateLimits,
    store::{BotCursors, ChatStoreExt as _},
};

use super::*;

#[tokio::test]
async fn a_handler_that_did_not_end_runs_again_and_sends_nothing_twice() {
    let world = World::new().await;
    let options = BotOptions { lease: Duration::from_millis(50), ..quick() };
    let (runs, sent) = (Arc::new(AtomicUsize::new(0)), Notes::default());
    let bot = || {
        let (runs, sent) = (Arc::clone(&runs), sent.clone());
        world
            .bot()
            .options(options.clone())
            .on_mention(move |context, message| {
                let (runs, sent) = (Arc::clone(&runs), sent.clone());
                async move {
                    let run = runs.fetch_add(1, Ordering::SeqCst);
                    // What a clock or a model says differs from run to run.
                    let first = context.reply(format!("run {run}")).await?;
                    let second = context.send(SendMessage::text("the same")).await?;
                    sent.add(format!("{} {} {}", text_of(&first), first.seq, second.seq));
                    if run < 3 {
                        std::future::pending::<()>().await;
                    }
                    echo(context, message).await
                }
            })
            .start()
    };
    world.mention("question").await;
    for run in 1..=3 {
        let crashing = bot();
        sent.until(run).await;
        drop(crashing);
    }
    let last = bot();
    world.until_said("re: question").await;
    last.stop().await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    assert_eq!(world.texts().await, ["question", "run 0", "the same", "re: question"]);
    let sent = sent.all();
    assert!(sent.iter().all(|sent| *sent == sent[..]) && sent.windows(2).all(|two| two[0] == two[1]), "{sent:?}");
}

#[tokio::test]
async fn after_a_stop_no_event_is_handled_again() {
    let world = World::new().await;
    let notes = Notes::default();
    let bot = || {
        let notes = notes.clone();
        world
            .bot()
            .on_message(move |_, message| {
                notes.add(text_of(&message));
                async { Ok(()) }
            })
            .start()
    };
    let mut expected = Vec::new();
    for round in 0..5 {
        let running = bot();
        world.mention(&round.to_string()).await;
        expected.push(round.to_string());
        notes.until(expected.len()).await;
        running.stop().await.unwrap();
        let key = BotCursors { user: world.robot.user_id.clone(), session: world.session };
        let cursor = world.store.get(&key).await.unwrap().unwrap().value.seq;
        assert_eq!(cursor, messages(&world.chat, &world.alice, world.session).await.last().unwrap().seq);
    }
    let running = bot();
    a_while().await;
    running.stop().await.unwrap();
    assert_eq!(notes.all(), expected);
}

/// How many of so many mentions have no answer yet.
async fn left_of(chat: &Chat, who: &Principal, ids: &[SessionId], mentions: usize) -> usize {
    let mut answered = 0;
    for id in ids {
        answered += texts(chat, who, *id).await.iter().filter(|text| text.starts_with("re: ")).count();
    }
    mentions.saturating_sub(answered)
}

#[test]
fn a_thousand_mentions_are_answered_once_each_whenever_the_bot_is_killed() {
    const SESSIONS: usize = 10;
    const MENTIONS: usize = 1_000;
    let main = tokio::runtime::Runtime::new().unwrap();
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let (alice, robot) = (user("alice"), user("robot"));
    let ids = main.block_on(async {
        let mut ids = Vec::new();
        for _ in 0..SESSIONS {
            ids.push(room(&chat, &alice, &[&robot]).await);
        }
        ids
    });
    let sending = main.spawn({
        let (chat, alice, robot, ids) = (chat.clone(), alice.clone(), robot.clone(), ids.clone());
        async move {
            for n in 0..MENTIONS {
                mention(&chat, &alice, ids[n % SESSIONS], &robot, &n.to_string()).await;
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        }
    });
    let runs = Arc::new(AtomicUsize::new(0));
    let start = || {
        // Another handle on the store, as another process has.
        let limits = Limits { poll_interval: Duration::from_millis(5), rates: RateLimits::off(), ..Limits::default() };
        let chat = Chat::builder(store.clone()).limits(limits).build();
        let options = BotOptions { lease: Duration::from_millis(30), ..quick() };
        let runs = Arc::clone(&runs);
        Bot::new(chat, robot.clone()).options(options).on_mention(move |context, message| {
            runs.fetch_add(1, Ordering::SeqCst);
            async move {
                echo(context, message).await?;
                // A kill between the answer and the position.
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(())
            }
        })
    };
    let answered = || MENTIONS - main.block_on(left_of(&chat, &alice, &ids, MENTIONS));
    let (mut kills, mut seed) = (0_u64, 7_u64);
    while kills < 40 && answered() < MENTIONS {
        let process = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let bot = process.block_on(async { start().start() });
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(20 + (seed >> 33) % 80));
        process.shutdown_background();
        drop(bot);
        kills += 1;
    }
    main.block_on(async {
        in_time(sending).await.unwrap();
        let bot = start().start();
        let mut left = MENTIONS;
        while left > 0 {
            // As long as it gets on, whatever else the machine does.
            let before = left;
            until(async || left_of(&chat, &alice, &ids, MENTIONS).await < before).await;
            left = left_of(&chat, &alice, &ids, MENTIONS).await;
        }
        in_time(bot.stop()).await.unwrap();
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for id in &ids {
            let said = texts(&chat, &alice, *id).await;
            said.iter().filter_map(|text| text.strip_prefix("re: ")).for_each(|text| {
                *found.entry(text.to_owned()).or_default() += 1;
            });
            let order: Vec<usize> = said.iter().filter_map(|text| text.strip_prefix("re: ")?.parse().ok()).collect();
            assert!(order.is_sorted(), "the answers of a session come in its order");
        }
        assert_eq!(found.len(), MENTIONS);
        assert!(found.values().all(|times| *times == 1), "{found:?}");
    });
    assert!(kills > 5, "{kills} kills are no test");
    assert!(runs.load(Ordering::SeqCst) > MENTIONS, "no handler was interrupted");
}
