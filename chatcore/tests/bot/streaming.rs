//! Answers that are written in parts, and messages of others that are.

use std::sync::atomic::{AtomicUsize, Ordering};

use chatcore::{
    chat::{FailMessage, StartMessage},
    model::{SpeakerRole, StreamState},
};

use super::*;

#[tokio::test]
async fn a_streamed_answer_is_completed_once() {
    let world = World::new().await;
    let options = BotOptions { lease: Duration::from_millis(50), ..quick() };
    let (runs, notes) = (Arc::new(AtomicUsize::new(0)), Notes::default());
    let bot = || {
        let (runs, notes) = (Arc::clone(&runs), notes.clone());
        world
            .bot()
            .options(options.clone())
            .on_mention(move |context, _| {
                let (run, notes) = (runs.fetch_add(1, Ordering::SeqCst), notes.clone());
                async move {
                    let Some(mut answer) = context.stream().await? else {
                        notes.add("completed before");
                        return Ok(());
                    };
                    assert_eq!(answer.length(), 0);
                    answer.push(format!("run {run}: ")).await?;
                    answer.push("").await?;
                    if run == 0 {
                        notes.add("in the middle");
                        std::future::pending::<()>().await;
                    }
                    answer.push("Grüße 🎉").await?;
                    answer.finish().await?;
                    if run == 1 {
                        notes.add("at the end");
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                }
            })
            .start()
    };
    let question = world.mention("question").await;
    for run in 1..=2 {
        let crashing = bot();
        notes.until(run).await;
        drop(crashing);
    }
    let last = bot();
    notes.until(3).await;
    last.stop().await.unwrap();
    assert_eq!(notes.all(), ["in the middle", "at the end", "completed before"]);
    let answers = messages(&world.chat, &world.alice, world.session).await.split_off(1);
    let shown: Vec<_> = answers.iter().map(|answer| (text_of(answer), answer.body.stream.clone().unwrap())).collect();
    assert!(matches!(&shown[0], ("run 0: ", StreamState::Failed { .. })), "{shown:?}");
    assert_eq!(shown[1..], [("run 1: Grüße 🎉", StreamState::Complete)]);
    for answer in &answers {
        assert_eq!(answer.body.role, SpeakerRole::Assistant);
        assert_eq!(answer.body.reply.as_ref().unwrap().to, question.seq);
    }
}

#[tokio::test]
async fn a_message_that_is_written_in_parts_is_handled_at_its_end() {
    for starts_first in [true, false] {
        let world = World::new().await;
        let (chat, alice, id) = (&world.chat, &world.alice, world.session);
        let notes = Notes::default();
        let start = || {
            let notes = notes.clone();
            world
                .bot()
                .on_message(move |_, message| {
                    notes.add(text_of(&message));
                    async { Ok(()) }
                })
                .start()
        };
        let first = starts_first.then(start);
        for (text, is_complete) in [("one", true), ("two", false), ("three", true)] {
            let begun = chat.start_streamed_message(alice, id, StartMessage::of_assistant()).await.unwrap();
            chat.append_to_message(alice, begun.id, 0, text).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            if is_complete {
                chat.finish_message(alice, begun.id, text.len() as u64).await.unwrap();
            } else {
                chat.fail_message(alice, begun.id, FailMessage::default()).await.unwrap();
            }
        }
        let bot = first.unwrap_or_else(start);
        notes.until(2).await;
        a_while().await;
        assert_eq!(notes.all(), ["one", "three"]);
        bot.stop().await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_can_fail_with_words_of_its_own() {
    let world = World::new().await;
    let bot = world
        .bot()
        .on_mention(|context, _| async move {
            let answer = context.stream().await?.ok_or("completed before")?;
            answer.fail(format!("no\nmodel {}", "x".repeat(500))).await?;
            let answer = context.stream().await?.ok_or("completed before")?;
            answer.fail("").await?;
            Ok(())
        })
        .start();
    world.mention("question").await;
    let failed = async || {
        let all = messages(&world.chat, &world.alice, world.session).await;
        let state = |message: &Message| match &message.body.stream {
            Some(StreamState::Failed { detail, .. }) => Some(detail.clone()),
            _ => None,
        };
        all.iter().filter_map(state).collect::<Vec<_>>()
    };
    until(async || failed().await.len() == 2).await;
    let details = failed().await;
    assert!(details[0].as_ref().unwrap().starts_with("nomodel xxx"), "{details:?}");
    assert_eq!((details[0].as_ref().unwrap().chars().count(), &details[1]), (200, &None));
    bot.stop().await.unwrap();
}
