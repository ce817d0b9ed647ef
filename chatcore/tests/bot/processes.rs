//! Several processes with the same bot: one runs it, the others wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use chatcore::{
    Limits, RateLimits, TestClock,
    store::{BotLeases, ChatStoreExt as _},
};
use chrono::TimeDelta;

use super::*;

/// A bot that says who answers.
fn named(chat: &Chat, robot: &Principal, name: &'static str, lease: Duration) -> Bot {
    Bot::new(chat.clone(), robot.clone()).options(BotOptions { lease, ..quick() }).on_mention(
        move |context, message| async move {
            context.reply(format!("{name}: {}", text_of(&message))).await?;
            Ok(())
        },
    )
}

#[tokio::test]
async fn one_process_runs_the_bot_and_another_one_goes_on_after_it() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let limits = || Limits { poll_interval: Duration::from_millis(5), rates: RateLimits::off(), ..Limits::default() };
    let process = || Chat::builder(store.clone()).clock(clock.clone()).limits(limits()).build();
    let [chat, one, two] = [process(), process(), process()];
    let (alice, robot) = (user("alice"), user("robot"));
    let id = room(&chat, &alice, &[&robot]).await;
    let said = async || texts(&chat, &alice, id).await;
    // The clock stands still, so only a renewal or an end moves the lease.
    let lease = Duration::from_millis(30);
    let first = named(&one, &robot, "one", lease).start();
    mention(&chat, &alice, id, &robot, "a").await;
    until(async || said().await.len() == 2).await;
    let second = named(&two, &robot, "two", lease).start();
    mention(&chat, &alice, id, &robot, "b").await;
    until(async || said().await.len() == 4).await;
    a_while().await;
    assert_eq!(said().await, ["a", "one: a", "b", "one: b"]);

    first.stop().await.unwrap();
    mention(&chat, &alice, id, &robot, "c").await;
    until(async || said().await.len() == 6).await;
    assert_eq!(said().await[5], "two: c");

    // A crash leaves the lease behind.
    let third = named(&one, &robot, "three", lease).start();
    drop(second);
    mention(&chat, &alice, id, &robot, "d").await;
    a_while().await;
    assert_eq!(said().await.len(), 7);
    clock.advance(TimeDelta::milliseconds(31));
    until(async || said().await.len() == 8).await;
    assert_eq!(said().await[7], "three: d");
    in_time(third.stop()).await.unwrap();
    let key = BotLeases { user: robot.user_id.clone() };
    assert!(store.get(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_process_that_lost_its_lease_stops_and_writes_no_position() {
    use chatcore::store::{BotCursors, BotLease, Change, TypedKey as _};
    let world = World::new().await;
    let lease = Duration::from_millis(60);
    let key = BotLeases { user: world.robot.user_id.clone() };
    let (runs, notes) = (Arc::new(AtomicUsize::new(0)), Notes::default());
    let (counted, noted) = (Arc::clone(&runs), notes.clone());
    let bot = world
        .bot()
        .options(BotOptions { lease, ..quick() })
        .on_mention(move |context, message| {
            let (counted, noted) = (Arc::clone(&counted), noted.clone());
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                if text_of(&message) == "wait" && counted.load(Ordering::SeqCst) == 1 {
                    noted.add("began");
                    std::future::pending::<()>().await;
                }
                echo(context, message).await
            }
        })
        .start();
    world.mention("wait").await;
    notes.until(1).await;
    // Another process takes the lease, as it does after a pause of this one.
    let until_then = world.chat.now() + TimeDelta::milliseconds(300);
    let taken = BotLease { holder: uuid::Uuid::from_u128(1), until: until_then };
    chatcore::ChatStore::commit(&world.store, Change::of_records(vec![key.put(taken)])).await.unwrap();
    world.mention("meanwhile").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let cursor = BotCursors { user: world.robot.user_id.clone(), session: world.session };
    assert!(world.store.get(&cursor).await.unwrap().is_none());
    assert_eq!((runs.load(Ordering::SeqCst), world.texts().await.len()), (1, 2));
    // That process ends, and this one goes on with the events.
    world.until_said("re: meanwhile").await;
    assert_eq!(world.texts().await, ["wait", "meanwhile", "re: wait", "re: meanwhile"]);
    bot.stop().await.unwrap();
}
