//! Answers that come once, whatever becomes of the handler.

use chatcore::{
    RateLimits,
    chat::{BlockingPolicy, MessageDraft, Verdict},
    model::Page,
};

use super::*;

#[tokio::test]
async fn a_handler_that_answers_and_then_fails_has_answered_once() {
    let world = World::new().await;
    let attempts = Notes::default();
    let noted = attempts.clone();
    let bot = world
        .bot()
        .options(BotOptions { attempts: 3, ..quick() })
        .on_mention(move |context, message| {
            noted.add(context.attempt().to_string());
            async move {
                echo(context.clone(), message).await?;
                if context.attempt() < 3 { Err("as the test wants it".into()) } else { Ok(()) }
            }
        })
        .start();
    world.mention("one").await;
    attempts.until(3).await;
    bot.stop().await.unwrap();
    assert_eq!(attempts.all(), ["1", "2", "3"]);
    assert_eq!(world.texts().await, ["one", "re: one"]);
}

fn holds(draft: &MessageDraft) -> Verdict {
    let is_held = matches!(&draft.body.content, Content::Text(text) if text.starts_with("re: hold"));
    if is_held { Verdict::Hold(None) } else { Verdict::Allow }
}

#[tokio::test]
async fn an_answer_that_waits_for_a_moderator_is_no_failure() {
    let store = MemoryStore::new();
    let chat = Chat::builder(store.clone()).rates(RateLimits::off()).message_policy(BlockingPolicy::new(holds)).build();
    let (alice, robot) = (user("alice"), user("robot"));
    let session = room(&chat, &alice, &[&robot]).await;
    let world = World { store, chat, alice, robot, session };
    let (runs, failures) = (Notes::default(), Notes::default());
    let (noted, failed) = (runs.clone(), failures.clone());
    let bot = world
        .bot()
        .on_mention(move |context, message| {
            noted.add(text_of(&message));
            echo(context, message)
        })
        .on_failure(move |failure| failed.add(failure.error.to_string()))
        .start();
    world.mention("hold").await;
    world.mention("next").await;
    world.until_said("re: next").await;
    bot.stop().await.unwrap();
    assert_eq!((runs.all(), failures.all()), (vec!["hold".to_owned(), "next".to_owned()], Vec::new()));
    let held = world.chat.held_messages(&world.alice, world.session, Page::FIRST).await.unwrap();
    assert_eq!(held.len(), 1);
}
