//! Messages that a bot schedules.

use super::*;

#[tokio::test]
async fn a_scheduled_message_of_a_bot_does_not_outlive_its_token() {
    for (end, sent) in [
        ("nothing ends", 1),
        ("another token is revoked", 1),
        ("the token is revoked", 0),
        ("the token expires", 0),
        ("the owner is banned", 0),
        ("a ban of the owner is over", 0),
        ("the owner is deleted", 0),
    ] {
        let clock = TestClock::at(chrono::Utc::now());
        // Neither process does what is due by itself.
        let limits =
            Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(36_000), ..Limits::default() };
        let store = MemoryStore::new();
        let process = || Chat::builder(store.clone()).clock(clock.clone()).limits(limits.clone()).build();
        let (chat, other) = (process(), process());
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let bot = made(&chat, &bob).await;
        chat.add_participant(&alice, id, add(bot.as_str(), None)).await.unwrap();
        let expires_at = (end == "the token expires").then(|| chat.now() + TimeDelta::hours(1));
        let created = token(&chat, &bob, &bot, CreateBotToken { expires_at, ..whole() }).await;
        let another = token(&chat, &bob, &bot, whole()).await;
        let as_bot = shown(&chat, created.secret.as_str()).await.unwrap();
        let send_at = chat.now() + TimeDelta::hours(2);
        let later = ScheduleMessage { message: SendMessage::text("later"), send_at };
        chat.schedule_message(&as_bot, id, later).await.unwrap();
        clock.advance(TimeDelta::minutes(1));
        let until = (end == "a ban of the owner is over").then(|| chat.now() + TimeDelta::hours(1));
        match end {
            "another token is revoked" => chat.revoke_bot_token(&bob, &bot, another.token.id).await.unwrap(),
            "the token is revoked" => chat.revoke_bot_token(&bob, &bot, created.token.id).await.unwrap(),
            "the owner is banned" | "a ban of the owner is over" => {
                let ban = BanAccount { reason: "spam".to_owned(), by: alice.user_id.clone(), until };
                chat.ban_account(&bob.user_id, ban).await.unwrap();
            }
            "the owner is deleted" => chat.delete_account(&bob.user_id, &alice.user_id).await.unwrap(),
            _ => {}
        }
        clock.advance(TimeDelta::hours(2));
        assert_eq!(other.run_due().await, Ok(sent), "{end}");
        let page = chat.messages(&alice, id, MessageWindow::Newest, None).await.unwrap();
        let texts: Vec<_> = page.messages.iter().map(text_of).collect();
        assert_eq!(texts, ["later"][..usize::try_from(sent).unwrap()], "{end}");
        // What is not sent is cancelled. The host vouches for this caller, whatever became of the token.
        let vouched = Principal { issued_at: chat.now(), ..Principal::new(bot) };
        match chat.scheduled_messages(&vouched, Page::FIRST).await {
            Ok(waiting) => assert_eq!(waiting.entries, [], "{end}"),
            Err(error) => assert_eq!((error, end), (Error::AccountDeleted, "the owner is deleted")),
        }
    }
}
