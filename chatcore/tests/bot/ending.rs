//! The end of a bot: by a stop, or with the account of its user.

use chatcore::{
    Error, Limits, RateLimits, TestClock,
    store::{BotCursors, BotLeases, ChatStore as _, ChatStoreExt as _, TypedKey as _},
};
use chrono::TimeDelta;
use tokio::sync::Semaphore;

use super::*;

#[tokio::test]
async fn the_lease_is_renewed_while_a_stop_waits_for_a_handler() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let limits = || Limits { poll_interval: Duration::from_millis(5), rates: RateLimits::off(), ..Limits::default() };
    let process = || Chat::builder(store.clone()).clock(clock.clone()).limits(limits()).build();
    let [chat, other] = [process(), process()];
    let (alice, robot) = (user("alice"), user("robot"));
    let id = room(&chat, &alice, &[&robot]).await;
    let (runs, gate) = (Notes::default(), Arc::new(Semaphore::new(0)));
    let bot = |chat: &Chat, name: &'static str| {
        let (runs, gate) = (runs.clone(), Arc::clone(&gate));
        let options = BotOptions { lease: Duration::from_millis(60), ..quick() };
        let bot = Bot::new(chat.clone(), robot.clone()).options(options).on_mention(move |context, message| {
            runs.add(name);
            let gate = Arc::clone(&gate);
            async move {
                drop(gate.acquire().await?);
                echo(context, message).await
            }
        });
        bot.start()
    };
    let first = bot(&chat, "one");
    mention(&chat, &alice, id, &robot, "a").await;
    runs.until(1).await;
    let second = bot(&other, "two");
    let stopping = tokio::spawn(first.stop());
    // The clock stands still beside these steps, none of which is as long as the lease. So only a renewal after each of them keeps the lease.
    let key = BotLeases { user: robot.user_id.clone() };
    for _ in 0..5 {
        clock.advance(TimeDelta::milliseconds(40));
        let end = chat.now() + TimeDelta::milliseconds(60);
        until(async || store.get(&key).await.unwrap().is_some_and(|lease| lease.value.until == end)).await;
    }
    assert_eq!(runs.all(), ["one"]);
    gate.add_permits(10);
    in_time(stopping).await.unwrap().unwrap();
    mention(&chat, &alice, id, &robot, "b").await;
    until(async || texts(&chat, &alice, id).await.len() == 4).await;
    assert_eq!(runs.all(), ["one", "two"]);
    in_time(second.stop()).await.unwrap();
}

#[tokio::test]
async fn a_bot_whose_account_is_deleted_leaves_no_lease_and_writes_no_position() {
    let world = World::new().await;
    let hour = Duration::from_secs(3_600);
    // No position is written before the end.
    let options = BotOptions { cursor_interval: hour, lease: hour * 3, ..quick() };
    let mut bot = world.bot().options(options).on_mention(echo).start();
    world.mention("before").await;
    world.until_said("re: before").await;
    // The bot looks for positions to write once at its start, which can be after the end of the handler. All tasks share one thread.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let all = [BotCursors::under(Vec::new()), BotLeases::under(Vec::new())].map(|scan| scan.limit(10));
    // The place where the bot began.
    let [begun, _] = &world.store.scan(&all).await.unwrap()[..] else { panic!("two tables") };
    world.chat.delete_account(&world.robot.user_id, &world.alice.user_id).await.unwrap();
    assert_eq!(in_time(bot.ended()).await, Err(Error::AccountDeleted));
    let kept = world.store.scan(&all).await.unwrap();
    assert!(kept[0] == *begun && kept[1].is_empty(), "{kept:?}");
}
