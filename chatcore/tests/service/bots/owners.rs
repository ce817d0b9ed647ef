//! The bots of an owner whose account the host deletes.

use chatcore::store::{
    BotCommands, BotTokenUses, BotTokens, Bots, ChatStore as _, Departures, OwnedBots, Prefix, TypedKey as _,
};
use tokio::sync::oneshot;

use super::{super::hooked::Hooked, *};

/// The process crashes before one commit of the deletion, and another process goes on.
#[tokio::test(start_paused = true)]
async fn a_crash_in_the_deletion_of_an_account_leaves_no_bot() {
    for commits in 1..100 {
        let (clock, store) = (TestClock::at(chrono::Utc::now()), Hooked::default());
        let here = Chat::builder(store.clone()).clock(clock.clone()).rates(RateLimits::off()).build();
        let there = Chat::builder(store.intact()).clock(clock.clone()).rates(RateLimits::off()).build();
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&there, &alice, &[&bob]).await;
        let mut bots = Vec::new();
        for _ in 0..2 {
            let bot = made(&there, &bob).await;
            there.add_participant(&alice, id, add(bot.as_str(), None)).await.unwrap();
            let as_bot = caller(&there, &bob, &bot, whole()).await;
            let command = serde_json::from_value(serde_json::json!({ "name": "go", "description": "Goes" })).unwrap();
            there.set_commands(&as_bot, vec![command]).await.unwrap();
            bots.push(bot);
        }
        for _ in 0..commits {
            store.before_commit.once(async {});
        }
        let (reached, crashes) = oneshot::channel();
        store.before_commit.once(async move {
            let _ = reached.send(());
            std::future::pending().await
        });
        let mut deletion = Box::pin(here.delete_account(&bob.user_id, &alice.user_id));
        let is_done = tokio::select! {
            done = &mut deletion => {
                done.unwrap();
                true
            }
            _ = crashes => false,
        };
        drop(deletion);
        drop(here);
        if !is_done {
            clock.advance(TimeDelta::seconds(31));
            tokio::time::sleep(Duration::from_secs(31)).await;
        }
        let tables = [
            Bots::TABLE,
            OwnedBots::TABLE,
            BotTokens::TABLE,
            BotTokenUses::TABLE,
            BotCommands::TABLE,
            Departures::TABLE,
        ];
        let left = store.intact().count(&tables.map(|table| Prefix { table, parts: Vec::new() })).await.unwrap();
        assert_eq!(left, [0; 6], "a crash after {commits} commits");
        for bot in &bots {
            assert!(there.standing(bot).await.unwrap().deleted_at.is_some(), "a crash after {commits} commits");
        }
        let people = there.participants(&alice, id, Page::FIRST, false).await.unwrap();
        let present: Vec<_> = people.iter().filter(|one| one.is_active).map(|one| &one.profile.user_id).collect();
        assert_eq!(present, [&alice.user_id], "a crash after {commits} commits");
        if is_done {
            assert!(commits > 8, "each step was tried: {commits}");
            return;
        }
    }
    panic!("the deletion is never done");
}
