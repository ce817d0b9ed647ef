//! Messages that are written in parts.

#[path = "streamed/processes.rs"]
mod processes;
#[path = "streamed/readers.rs"]
mod readers;
#[path = "streamed/rights.rs"]
mod rights;

use std::time::Duration;

use chatcore::{
    chat::{EditMessage, FailMessage, ListMentions, StartMessage},
    model::{Appended, Emoji, Message, StreamFailure, StreamState},
    store::{Dues, OpenStreams, StreamedTexts},
};

use super::*;

fn quiet() -> Limits {
    Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..Limits::default() }
}

async fn start(chat: &Chat, who: &Principal, id: SessionId) -> Message {
    chat.start_streamed_message(who, id, StartMessage::of_assistant()).await.unwrap()
}

async fn add_part(chat: &Chat, who: &Principal, id: MessageId, offset: u64, text: &str) -> Result<u64, Error> {
    chat.append_to_message(who, id, offset, text).await.map(|Appended { message_id, length }| {
        assert_eq!(message_id, id);
        length
    })
}

async fn shown(chat: &Chat, who: &Principal, id: MessageId) -> (String, Option<StreamState>) {
    let message = chat.message(who, id).await.unwrap();
    (text_of(&message).to_owned(), message.body.stream)
}

const fn failed(reason: StreamFailure) -> Option<StreamState> {
    Some(StreamState::Failed { reason, detail: None })
}

/// The records that are left of messages that were written in parts.
async fn left(store: &impl ChatStore) -> [usize; 3] {
    let scans = [StreamedTexts::under(Vec::new()), OpenStreams::under(Vec::new()), Dues::under(Vec::new())];
    let found = store.scan(&scans).await.unwrap();
    [0, 1, 2].map(|place| found[place].len())
}

#[tokio::test]
async fn a_message_grows_in_parts_and_is_complete() {
    let store = MemoryStore::new();
    let (chat, alice, bob) = (Chat::new(store.clone()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.me(&bob).await.unwrap();
    let begun = start(&chat, &alice, id).await;
    assert_eq!((text_of(&begun), &begun.body.stream), ("", &Some(StreamState::Streaming)));
    assert_eq!((begun.body.role, begun.number, begun.revision), (SpeakerRole::Assistant, 1, 1));
    let unread = async || chat.session(&bob, id).await.unwrap().reading.unread.count;
    assert_eq!(unread().await, 1, "it counts from its beginning");
    assert_eq!(add_part(&chat, &alice, begun.id, 0, "Grüße 🎉 ").await, Ok(8));
    assert_eq!(add_part(&chat, &alice, begun.id, 8, "@bob http://a.example").await, Ok(29));
    let text = "Grüße 🎉 @bob http://a.example";
    assert_eq!(shown(&chat, &bob, begun.id).await, (text.to_owned(), Some(StreamState::Streaming)));
    let page = chat.messages(&bob, id, MessageWindow::Newest, None).await.unwrap();
    assert_eq!(text_of(&page.messages[0]), text);
    assert!(page.messages[0].body.links.is_empty() && page.messages[0].body.mentions.is_empty());
    let listed = chat.sessions(&bob, Page::FIRST).await.unwrap()[0].overview.clone().unwrap();
    assert_eq!(listed.last_message.unwrap().body, page.messages[0].body);
    let events = chat.events(&bob, id, begun.seq - 1, None).await.unwrap().events;
    assert_eq!(text_of(&events[0].message().unwrap()), text);
    let done = chat.finish_message(&alice, begun.id, 29).await.unwrap();
    assert_eq!((text_of(&done), &done.body.stream, done.revision), (text, &Some(StreamState::Complete), 2));
    assert_eq!((done.number, done.created_at, done.status), (1, begun.created_at, MessageStatus::AsSent));
    assert_eq!((done.body.links.len(), done.body.mentions.len()), (1, 1));
    assert_eq!(chat.mentions(&bob, Page::FIRST, ListMentions::default()).await.unwrap().len(), 1);
    assert_eq!(chat.message_revisions(&alice, begun.id).await.unwrap(), []);
    assert_eq!(unread().await, 1, "the end changes nothing");
    let events = chat.events(&bob, id, begun.seq - 1, None).await.unwrap().events;
    let finished = EventKind::Message(MessageEvent::Finished { message: begun.seq, revision: 2 });
    assert_eq!((events.len(), &events[1].event.kind, &events[1].event.actor), (2, &finished, &alice.user_id));
    let frame = serde_json::to_value(&*events[1]).unwrap();
    assert_eq!(frame["event"], "message_finished");
    assert_eq!(frame["data"]["message"]["content"], text);
    assert_eq!(frame["data"]["message"]["edited_at"], serde_json::Value::Null);
    let stream = serde_json::json!({ "state": "COMPLETE", "reason": null, "detail": null });
    assert_eq!(frame["data"]["message"]["stream"], stream);
    assert_eq!(left(&store).await, [0, 0, 0]);
    // A retry finds its own end.
    assert_eq!(chat.finish_message(&alice, begun.id, 29).await.unwrap().revision, 2);
    // From now on it is a message as any other.
    let edited = chat.edit_message(&alice, begun.id, EditMessage::text("Shorter")).await.unwrap();
    assert_eq!((edited.revision, edited.body.stream), (3, Some(StreamState::Complete)));
    assert_eq!(chat.message_revisions(&alice, begun.id).await.unwrap()[0].revision, 2);
    let deleted = chat.delete_message(&alice, begun.id, None).await.unwrap();
    assert_eq!((deleted.body.content, deleted.body.stream), (Content::Deleted, None));
}

#[tokio::test]
async fn a_part_that_is_there_changes_nothing_and_another_place_is_a_conflict() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = start(&chat, &alice, id).await.id;
    let conflict = |current| Err(Error::OffsetConflict { current });
    assert_eq!(add_part(&chat, &alice, message, 1, "x").await, conflict(0));
    for _ in 0..2 {
        assert_eq!(add_part(&chat, &alice, message, 0, "äöü").await, Ok(3));
    }
    assert_eq!(add_part(&chat, &alice, message, 1, "öü").await, Ok(3), "a part of a part");
    assert_eq!(add_part(&chat, &alice, message, 1, "öx").await, conflict(3));
    assert_eq!(add_part(&chat, &alice, message, 0, "äöüß").await, conflict(3), "more than there is");
    assert_eq!(add_part(&chat, &alice, message, 4, "x").await, conflict(3));
    assert_eq!(add_part(&chat, &alice, message, u64::MAX, "x").await, conflict(3));
    assert_eq!(add_part(&chat, &alice, message, 3, "ß").await, Ok(4));
    let details = chat.append_to_message(&alice, message, 9, "x").await.unwrap_err().details();
    assert_eq!(details, serde_json::json!({ "current_length": 4 }));
    for length in [3, 5, 0] {
        assert_eq!(
            chat.finish_message(&alice, message, length).await.unwrap_err(),
            Error::OffsetConflict { current: 4 }
        );
    }
    assert_eq!(text_of(&chat.finish_message(&alice, message, 4).await.unwrap()), "äöüß");
}

#[tokio::test]
async fn only_the_author_writes_on_and_only_until_the_end() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob]).await;
    let sent = say(&chat, &alice, id, "sent at once").await.id;
    let ended = start(&chat, &alice, id).await.id;
    add_part(&chat, &alice, ended, 0, "x").await.unwrap();
    let done = chat.finish_message(&alice, ended, 1).await.unwrap();
    assert_eq!(chat.finish_message(&alice, ended, 9).await, Ok(done), "the host's policy may have changed the text");
    let broken = start(&chat, &alice, id).await.id;
    let detail = Some("The model is gone".to_owned());
    let failure = chat.fail_message(&alice, broken, FailMessage { detail: detail.clone() }).await.unwrap();
    let state = StreamState::Failed { reason: StreamFailure::Aborted, detail };
    assert_eq!((text_of(&failure), &failure.body.stream), ("", &Some(state)));
    assert!(chat.fail_message(&alice, broken, FailMessage::default()).await.is_ok(), "a retry");
    let gone = start(&chat, &alice, id).await.id;
    chat.delete_message(&alice, gone, None).await.unwrap();
    let all = async |who: &Principal, id: MessageId| {
        [
            chat.append_to_message(who, id, 0, "y").await.unwrap_err(),
            chat.finish_message(who, id, 2).await.err().unwrap_or(Error::MessageNotStreaming),
            chat.fail_message(who, id, FailMessage::default()).await.err().unwrap_or(Error::MessageNotStreaming),
        ]
    };
    let same = |error: Error| [error.clone(), error.clone(), error];
    for message in [sent, ended, broken] {
        assert_eq!(all(&alice, message).await, same(Error::MessageNotStreaming), "{message}");
    }
    assert_eq!(all(&alice, gone).await, same(Error::MessageDeleted));
    assert_eq!(all(&alice, MessageId { seq: 999, ..sent }).await, same(Error::MessageNotFound));
    assert_eq!(all(&alice, MessageId { seq: 1, ..sent }).await, same(Error::MessageNotFound));
    let open = start(&chat, &alice, id).await.id;
    assert_eq!(all(&bob, open).await, same(Error::Denied(Denial::NotAuthor)));
    assert_eq!(all(&carol, open).await, same(Error::Denied(Denial::NotParticipant)));
    assert_eq!(shown(&chat, &bob, open).await, (String::new(), Some(StreamState::Streaming)), "nothing has changed");
    chat.delete_session(&alice, id).await.unwrap();
    assert_eq!(all(&alice, open).await, same(Error::MessageNotFound));
}

#[tokio::test]
async fn what_is_no_part_is_refused_and_changes_nothing() {
    let limits = Limits { message_chars: 10, ..Limits::default() };
    let (chat, alice) = (Chat::builder(MemoryStore::new()).limits(limits).build(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = start(&chat, &alice, id).await.id;
    let part = async |text: &str| chat.append_to_message(&alice, message, 0, text).await;
    assert_fault(part("").await, "text", Code::ValidationRequiredField);
    assert_fault(part("a\u{7}b").await, "text", Code::ValidationInvalidValue);
    assert_fault(part(&"x".repeat(11)).await, "text", Code::MessageTooLong);
    assert_eq!(add_part(&chat, &alice, message, 0, "line\n\ttab").await, Ok(9));
    assert_fault(chat.append_to_message(&alice, message, 9, "xy").await, "text", Code::MessageTooLong);
    assert_eq!(add_part(&chat, &alice, message, 9, "x").await, Ok(10), "it goes on after a refusal");
    for detail in [String::new(), "a\nb".to_owned(), "x".repeat(201)] {
        let fail = FailMessage { detail: Some(detail) };
        assert_eq!(faults(chat.fail_message(&alice, message, fail).await)[0].0, "detail");
    }
    let other = start(&chat, &alice, id).await.id;
    assert_fault(chat.finish_message(&alice, other, 0).await, "length", Code::ValidationInvalidValue);
    let elsewhere = MessageId { session_id: room(&chat, &alice, &[]).await, seq: 2 };
    let reply = StartMessage { reply_to: Some(elsewhere), ..StartMessage::of_assistant() };
    assert_fault(chat.start_streamed_message(&alice, id, reply).await, "reply_to", Code::ValidationInvalidValue);
    let lost = StartMessage { reply_to: Some(MessageId { seq: 1, ..message }), ..StartMessage::of_assistant() };
    assert_eq!(chat.start_streamed_message(&alice, id, lost).await.unwrap_err(), Error::MessageNotFound);
    chat.finish_message(&alice, message, 10).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_being_written_is_no_finished_text() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = start(&chat, &alice, id).await.id;
    add_part(&chat, &alice, message, 0, "words").await.unwrap();
    for edit in ["other", "words", ""] {
        let edited = chat.edit_message(&alice, message, EditMessage::text(edit)).await;
        assert!(edited.is_err(), "{edited:?}");
    }
    let edited = chat.edit_message(&alice, message, EditMessage::text("other").of_revision(7)).await;
    assert_eq!(edited.unwrap_err(), Error::MessageStreaming);
    assert_eq!(chat.forward_message(&bob, message, id, None).await.unwrap_err(), Error::MessageStreaming);
    // What leaves its text alone is as for other messages.
    chat.pin_message(&alice, message).await.unwrap();
    chat.add_reaction(&bob, message, &Emoji::new("👍").unwrap()).await.unwrap();
    let answer = chat.send(&bob, id, SendMessage::text("answer").in_reply_to(message)).await.unwrap();
    assert_eq!(answer.body.reply.unwrap().to, message.seq);
    assert_eq!(text_of(&chat.pins(&bob, id).await.unwrap()[0].message), "words");
    let done = chat.finish_message(&alice, message, 5).await.unwrap();
    assert_eq!((done.reactions.unwrap().len(), done.thread.unwrap().replies), (1, 1));
    assert!(chat.forward_message(&bob, message, id, None).await.unwrap().body.stream.is_none());
}

#[tokio::test]
async fn a_retry_of_a_beginning_finds_the_message_as_far_as_it_has_come() {
    let store = MemoryStore::new();
    let (chat, alice) = (Chat::builder(store.clone()).limits(quiet()).build(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let once = || StartMessage::of_assistant().with_client_id(ClientId::new("once").unwrap());
    let first = chat.start_streamed_message(&alice, id, once()).await.unwrap();
    add_part(&chat, &alice, first.id, 0, "so far").await.unwrap();
    let again = chat.start_streamed_message(&alice, id, once()).await.unwrap();
    assert_eq!((again.id, text_of(&again)), (first.id, "so far"));
    let other = StartMessage { role: SpeakerRole::User, ..once() };
    assert_eq!(chat.start_streamed_message(&alice, id, other).await.unwrap_err(), Error::ClientIdReused);
    assert_eq!(left(&store).await, [1, 1, 1]);
}

#[tokio::test]
async fn one_user_and_one_session_have_so_many_at_once() {
    let store = MemoryStore::new();
    let limits = || Limits { streamed_per_user: 3, streamed_per_session: 4, ..quiet() };
    let process = || Chat::builder(store.clone()).limits(limits()).build();
    let (chats, alice, bob) = ([process(), process()], user("alice"), user("bob"));
    let id = room(&chats[0], &alice, &[&bob]).await;
    let beginnings = (0..20).map(|n| {
        let (chat, alice) = (chats[n % 2].clone(), alice.clone());
        tokio::spawn(async move { chat.start_streamed_message(&alice, id, StartMessage::of_assistant()).await })
    });
    let mut begun = Vec::new();
    for beginning in beginnings.collect::<Vec<_>>() {
        match beginning.await.unwrap() {
            Ok(message) => begun.push(message.id),
            Err(Error::LimitExceeded { limit: 3, .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(begun.len(), 3, "the limit is exact in any number of processes");
    let start_by = async |who| chats[1].start_streamed_message(who, id, StartMessage::of_assistant()).await;
    assert!(start_by(&bob).await.is_ok());
    assert!(matches!(start_by(&bob).await, Err(Error::LimitExceeded { limit: 4, .. })));
    // A message that was deleted has its place no longer, and neither has one that ended.
    chats[0].delete_message(&alice, begun[0], None).await.unwrap();
    assert!(start_by(&bob).await.is_ok());
    assert!(start_by(&bob).await.is_err());
    chats[1].fail_message(&alice, begun[1], FailMessage::default()).await.unwrap();
    assert!(start_by(&alice).await.is_ok());
    assert!(start_by(&alice).await.is_err());
}

#[tokio::test]
async fn parts_have_a_rate_of_their_own() {
    let mut rates = RateLimits::off();
    let one = |at_once| Some(Rate::new(at_once, Duration::from_secs(3_600)));
    (rates.messages, rates.parts) = (one(1), one(3));
    let chat = Chat::builder(MemoryStore::new()).rates(rates).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let message = start(&chat, &alice, id).await.id;
    for offset in 0..3 {
        add_part(&chat, &alice, message, offset, "x").await.unwrap();
    }
    assert!(matches!(add_part(&chat, &alice, message, 3, "x").await, Err(Error::RateLimited { .. })));
    assert!(matches!(
        chat.start_streamed_message(&alice, id, StartMessage::of_assistant()).await,
        Err(Error::RateLimited { .. })
    ));
    chat.finish_message(&alice, message, 3).await.unwrap();
}

#[tokio::test]
async fn an_author_who_may_not_send_any_more_writes_nothing_and_the_message_fails() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).limits(quiet()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let stop = async |chat: &Chat, id: SessionId, how: &str| match how {
        "leave" => chat.leave(&bob, id).await.unwrap(),
        "remove" => chat.remove_participant(&alice, id, &bob.user_id).await.unwrap(),
        "view" => drop(chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap()),
        "archive" => chat.archive_session(&alice, id).await.unwrap(),
        "delete" => chat.delete_session(&alice, id).await.unwrap(),
        other => panic!("{other}"),
    };
    for (how, error) in [
        ("leave", Error::Denied(Denial::NotParticipant)),
        ("remove", Error::Denied(Denial::NotParticipant)),
        ("view", Error::Denied(Denial::RoleInsufficient)),
        ("archive", Error::Denied(Denial::Archived)),
        ("delete", Error::MessageNotFound),
    ] {
        let id = room(&chat, &alice, &[&bob]).await;
        let message = start(&chat, &bob, id).await.id;
        add_part(&chat, &bob, message, 0, "words").await.unwrap();
        stop(&chat, id, how).await;
        assert_eq!(add_part(&chat, &bob, message, 5, "more").await, Err(error.clone()), "{how}");
        assert_eq!(chat.finish_message(&bob, message, 5).await.unwrap_err(), error, "{how}");
        clock.advance(TimeDelta::seconds(30));
        assert_eq!(chat.run_due().await, Ok(1), "{how}");
        if how == "delete" {
            chat.restore_session(&alice, id).await.unwrap();
        }
        let end = ("words".to_owned(), failed(StreamFailure::TimedOut));
        assert_eq!(shown(&chat, &alice, message).await, end, "{how}");
        assert_eq!(left(&store).await, [0, 0, 0], "{how}");
    }
}
