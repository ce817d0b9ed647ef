//! What a message policy is asked about, and with what it is asked.

use chatcore::{TestClock, chat::ScheduleMessage, model::Attachment};
use chrono::TimeDelta;

use super::*;

#[tokio::test]
async fn a_scheduled_message_is_reviewed_when_it_is_sent() {
    let clock = TestClock::default();
    let limits = Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..Limits::default() };
    let builder = Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(limits);
    let chat = builder.message_policy(BlockingPolicy::new(obedient)).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for (said, seconds) in [("fine", 60), ("refuse", 61), ("hold", 62), ("change", 63)] {
        let send_at = chat.now() + TimeDelta::seconds(seconds);
        chat.schedule_message(&bob, id, ScheduleMessage { message: text(said), send_at }).await.unwrap();
    }
    clock.advance(TimeDelta::seconds(63));
    // The chat's own run may do a part of it at the same time.
    crate::kit::in_time(async {
        while !chat.scheduled_messages(&bob, Page::FIRST).await.unwrap().entries.is_empty() {
            chat.run_due().await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut sent = texts(&chat, &alice, id).await;
    sent.sort();
    assert_eq!(sent, ["fine", "https://example.com @bob"]);
    let [waiting] = &held(&chat, &alice, id).await[..] else { panic!("one held message") };
    let sent = chat.approve_message(&alice, id, waiting.id).await.unwrap();
    assert_eq!((text_of(&sent), &sent.sender.user_id), ("hold", &bob.user_id));
}

#[tokio::test]
async fn a_policy_is_told_that_a_draft_is_an_edit() {
    let no_edits = |draft: &MessageDraft| {
        if draft.is_edit { Verdict::Refuse(Refusal::new("NO_EDITS", "send another message")) } else { Verdict::Allow }
    };
    let chat = chat_by(BlockingPolicy::new(no_edits), OnFailure::Refuse);
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let sent = say(&chat, &alice, id, "first").await.id;
    let refused = chat.edit_message(&alice, sent, EditMessage::text("second")).await.unwrap_err();
    assert_eq!(refused.name(), "NO_EDITS");
    // The end of a message in parts is no edit.
    let begun = chat.start_streamed_message(&alice, id, StartMessage::of_assistant()).await.unwrap().id;
    let length = chat.append_to_message(&alice, begun, 0, "third").await.unwrap().length;
    assert_eq!(text_of(&chat.finish_message(&alice, begun, length).await.unwrap()), "third");
}

#[tokio::test]
async fn a_word_list_reads_the_names_of_attachments() {
    let chat = chat_by(ListPolicy::new().words(["darn"], OnMatch::Hold), OnFailure::Refuse);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let files =
        |name: &str| vec![Attachment { id: "7".into(), name: name.into(), media_type: "image/png".into(), size: 7 }];
    let mut message = text("look");
    message.body.attachments = files("darn.png");
    assert_eq!(chat.send(&bob, id, message.clone()).await.unwrap_err(), Error::MessageHeld);
    message.body.attachments = files("fine.png");
    let sent = chat.send(&bob, id, message).await.unwrap().id;
    let edit = EditMessage { attachments: Some(files("darn.png")), ..EditMessage::text("look") };
    assert_eq!(chat.edit_message(&bob, sent, edit).await.unwrap_err().name(), "REFUSED_BY_HOST");
}
