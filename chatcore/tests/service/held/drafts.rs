//! What a message policy is shown, so that nothing goes around it.

use std::sync::Mutex;

use chatcore::{
    TestClock,
    model::{Attachment, Metadata},
};
use chrono::TimeDelta;

use super::*;

fn metadata(note: &str) -> Metadata {
    serde_json::from_value(serde_json::json!({ "note": note })).unwrap()
}

fn file(name: &str) -> Attachment {
    Attachment { id: "7".into(), name: name.into(), media_type: "image/png".into(), size: 7 }
}

/// Does what the text, the metadata or the name of an attachment says.
fn strict(draft: &MessageDraft) -> Verdict {
    let note = draft.body.metadata.as_ref().and_then(|metadata| metadata.0.get("note")?.as_str().map(str::to_owned));
    let names = draft.body.attachments.iter().map(|file| file.name.clone());
    for said in note.into_iter().chain(names) {
        let mut other = draft.clone();
        other.body.content = Content::Text(said);
        match obedient(&other) {
            Verdict::Allow => {}
            verdict => return verdict,
        }
    }
    obedient(draft)
}

fn started(note: Option<&str>) -> StartMessage {
    StartMessage { metadata: note.map(metadata), ..StartMessage::of_assistant() }
}

#[tokio::test]
async fn an_edit_of_what_is_beside_the_text_is_reviewed() {
    let chat = chat_by(BlockingPolicy::new(strict), OnFailure::Refuse);
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let sent = chat.send(&alice, id, text("hi @alice")).await.unwrap();
    let edit = |text: &str, files: Option<Vec<Attachment>>, note: Option<&str>| EditMessage {
        attachments: files,
        metadata: note.map(|note| Some(metadata(note))),
        ..EditMessage::text(text)
    };
    for said in ["hi @alice", "other"] {
        for (files, note, code) in [
            (Some(vec![file("refuse.png")]), None, "SAID_SO"),
            (None, Some("refuse"), "SAID_SO"),
            (None, Some("hold"), "REFUSED_BY_HOST"),
        ] {
            let refused = chat.edit_message(&alice, sent.id, edit(said, files, note)).await.unwrap_err();
            assert_eq!(refused.name(), code, "{said}");
        }
    }
    assert_eq!(chat.message(&alice, sent.id).await.unwrap().revision, 1);
    let fine = edit("hi @alice", Some(vec![file("a.png")]), Some("fine"));
    let edited = chat.edit_message(&alice, sent.id, fine.clone()).await.unwrap();
    assert_eq!((edited.body.attachments.len(), edited.revision), (1, 2));
    // The mentions of a text that stays do, too.
    assert_eq!(edited.body.mentions, sent.body.mentions);
    assert_eq!(chat.edit_message(&alice, sent.id, fine).await.unwrap().revision, 2);
    let changed = edit("hi @alice", Some(vec![file("change")]), None);
    let changed = chat.edit_message(&alice, sent.id, changed).await.unwrap();
    // A changed text has its own links and mentions.
    assert_eq!((text_of(&changed), changed.body.links.len()), ("https://example.com @bob", 1));
}

#[tokio::test]
async fn the_metadata_of_a_streamed_message_are_reviewed_at_its_beginning() {
    let chat = chat_by(BlockingPolicy::new(strict), OnFailure::Refuse);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for (note, code) in [("refuse", "SAID_SO"), ("hold", "REFUSED_BY_HOST"), ("panic", "SERVICE_UNAVAILABLE")] {
        let refused = chat.start_streamed_message(&bob, id, started(Some(note))).await.unwrap_err();
        assert_eq!(refused.name(), code);
    }
    assert_eq!((texts(&chat, &bob, id).await, held(&chat, &alice, id).await), (Vec::new(), Vec::new()));
    // A change of the text changes nothing: there is none.
    for note in ["fine", "change"] {
        let begun = chat.start_streamed_message(&bob, id, started(Some(note))).await.unwrap();
        assert_eq!((text_of(&begun), &begun.body.metadata), ("", &Some(metadata(note))));
    }
    let begun = chat.start_streamed_message(&bob, id, started(Some("fine"))).await.unwrap().id;
    let length = chat.append_to_message(&bob, begun, 0, "refuse it").await.unwrap().length;
    // Nothing of a message that is refused stays.
    let ended = chat.finish_message(&bob, begun, length).await.unwrap();
    assert_eq!((text_of(&ended), &ended.body.metadata), ("", &None));
    assert_eq!(chat.message(&alice, begun).await.unwrap().body.metadata, None);
}

#[tokio::test]
async fn words_about_a_failure_are_reviewed_like_a_text() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for said in ["", "fine"] {
        for (detail, shown) in [
            ("refuse it", None),
            ("hold it", None),
            ("empty", None),
            ("cut off", Some("cut off")),
            ("change", Some("https://example.com @bob")),
        ] {
            let begun = chat.start_streamed_message(&bob, id, started(None)).await.unwrap().id;
            if !said.is_empty() {
                chat.append_to_message(&bob, begun, 0, said).await.unwrap();
            }
            let fail = FailMessage { detail: Some(detail.to_owned()) };
            chat.fail_message(&bob, begun, fail).await.unwrap();
            let read = chat.message(&alice, begun).await.unwrap();
            let failed = StreamState::Failed { reason: StreamFailure::Aborted, detail: shown.map(str::to_owned) };
            assert_eq!((text_of(&read), &read.body.stream), (said, &Some(failed)), "{detail}");
        }
    }
}

/// A moderation service that is away for a time.
#[tokio::test]
async fn a_text_whose_author_is_gone_waits_for_its_review() {
    let is_away = Arc::new(Mutex::new(true));
    let policy = {
        let is_away = Arc::clone(&is_away);
        BlockingPolicy::new(
            move |_: &MessageDraft| if *is_away.lock().unwrap() { panic!("away") } else { Verdict::Allow },
        )
    };
    let clock = TestClock::default();
    let limits = Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(limits).message_policy(policy).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let begin = async || {
        let begun = chat.start_streamed_message(&alice, id, started(None)).await.unwrap().id;
        chat.append_to_message(&alice, begun, 0, "a long text").await.unwrap();
        begun
    };
    let shown = async |id| {
        let message = chat.message(&alice, id).await.unwrap();
        (text_of(&message).to_owned(), message.body.stream)
    };
    let first = begin().await;
    clock.advance(TimeDelta::seconds(30));
    for _ in 0..5 {
        assert_eq!(chat.run_due().await, Ok(0));
        clock.advance(TimeDelta::seconds(31));
    }
    assert_eq!(shown(first).await.1, Some(StreamState::Streaming));
    *is_away.lock().unwrap() = false;
    assert_eq!(chat.run_due().await, Ok(1));
    let failed = |reason| Some(StreamState::Failed { reason, detail: None });
    assert_eq!(shown(first).await, ("a long text".to_owned(), failed(StreamFailure::TimedOut)));
    // Not for ever.
    *is_away.lock().unwrap() = true;
    let second = begin().await;
    clock.advance(TimeDelta::seconds(30 + 599));
    assert_eq!(chat.run_due().await, Ok(0));
    clock.advance(TimeDelta::seconds(31));
    assert_eq!(chat.run_due().await, Ok(1));
    assert_eq!(shown(second).await, (String::new(), failed(StreamFailure::Refused)));
}
