//! The host's review of messages, and messages that wait for approval.

#[path = "held/answers.rs"]
mod answers;
#[path = "held/approvals.rs"]
mod approvals;
#[path = "held/drafts.rs"]
mod drafts;
#[path = "held/failing.rs"]
mod failing;
#[path = "held/limits.rs"]
mod limits;
#[path = "held/removals.rs"]
mod removals;
#[path = "held/seen.rs"]
mod seen;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chatcore::{
    Chat, Error, Limits, MemoryStore, Principal, RateLimits, Refusal,
    chat::{
        AddParticipant, BlockingPolicy, EditMessage, FailMessage, ListPolicy, MAX_HELD_BY_USER, MessageDraft,
        MessagePolicy, OnFailure, OnMatch, SendMessage, StartMessage, Verdict,
    },
    model::{
        ClientId, Content, HeldMessage, MessageWindow, ModerationAction, Page, ParticipantRole, SessionId,
        StreamFailure, StreamState,
    },
    permission::Denial,
};

use futures_util::FutureExt as _;

use super::kit::{assert_denied, room, say, session, text_of, user};

/// Does what the text says.
fn obedient(draft: &MessageDraft) -> Verdict {
    match &draft.body.content {
        Content::Text(text) if text.starts_with("hold") => Verdict::Hold(Some("it says so".to_owned())),
        Content::Text(text) if text.starts_with("refuse") => {
            Verdict::Refuse(Refusal::new("SAID_SO", "say something else"))
        }
        Content::Text(text) if text.starts_with("change") => {
            Verdict::Change(Content::Text(text.replace("change", "https://example.com @bob")))
        }
        Content::Text(text) if text.starts_with("panic") => panic!("as it is told"),
        Content::Text(text) if text.starts_with("empty") => Verdict::Change(Content::Text(String::new())),
        Content::Text(_) | Content::Encrypted(_) | Content::Deleted => Verdict::Allow,
    }
}

fn chat_by(policy: impl MessagePolicy, on_failure: OnFailure) -> Chat {
    chat_within(Duration::from_millis(300), policy, on_failure)
}

/// The same with another time limit of reviews.
fn chat_within(policy_timeout: Duration, policy: impl MessagePolicy, on_failure: OnFailure) -> Chat {
    let limits = Limits { rates: RateLimits::off(), policy_timeout, ..Limits::default() };
    let builder = Chat::builder(MemoryStore::new()).limits(limits);
    builder.message_policy(policy).on_message_policy_failure(on_failure).build()
}

fn chat() -> Chat {
    chat_by(BlockingPolicy::new(obedient), OnFailure::Refuse)
}

async fn texts(chat: &Chat, who: &Principal, id: SessionId) -> Vec<String> {
    let page = chat.messages(who, id, MessageWindow::Newest, None).await.unwrap();
    page.messages.iter().map(|message| text_of(message).to_owned()).collect()
}

async fn held(chat: &Chat, who: &Principal, id: SessionId) -> Vec<HeldMessage> {
    chat.held_messages(who, id, Page::FIRST).await.unwrap().entries
}

fn text(text: &str) -> SendMessage {
    SendMessage::text(text)
}

fn once(said: &str) -> SendMessage {
    text(said).with_client_id(ClientId::new("once").unwrap())
}

#[tokio::test]
async fn a_policy_allows_changes_and_refuses() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    say(&chat, &bob, id, "hello").await;
    let refused = chat.send(&bob, id, text("refuse it")).await.unwrap_err();
    assert_eq!((refused.name(), refused.code().status()), ("SAID_SO", 403));
    // Links and mentions are those of the changed text.
    let sent = chat.send(&alice, id, text("change")).await.unwrap();
    assert_eq!(text_of(&sent), "https://example.com @bob");
    assert_eq!((sent.body.links.len(), sent.body.mentions.len()), (1, 1));
    // A policy cannot pass the limits.
    assert!(matches!(chat.send(&bob, id, text("empty")).await, Err(Error::Invalid(_))));
    assert_eq!(texts(&chat, &bob, id).await, ["hello", "https://example.com @bob"]);
}

#[tokio::test]
async fn a_held_message_is_seen_by_nobody_until_it_is_approved() {
    let chat = chat();
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let root = chat.send(&alice, id, text("root")).await.unwrap();
    let before = chat.session(&alice, id).await.unwrap().summary.cursor;
    let answer = text("hold me").mentioning([carol.user_id.clone()]).in_reply_to(root.id);
    assert_eq!(chat.send(&bob, id, answer).await.unwrap_err(), Error::MessageHeld);
    assert_eq!(texts(&chat, &bob, id).await, ["root"]);
    assert_eq!(chat.session(&alice, id).await.unwrap().summary.cursor, before);
    let waiting = held(&chat, &alice, id).await.remove(0);
    assert_eq!((&waiting.author.user_id, &waiting.body.content), (&bob.user_id, &Content::Text("hold me".to_owned())));
    assert_eq!((waiting.reply_to, waiting.reason.as_deref()), (Some(root.id), Some("it says so")));
    for other in [&bob, &carol] {
        assert_denied(chat.held_messages(other, id, Page::FIRST).await, Denial::RoleInsufficient);
        assert_denied(chat.approve_message(other, id, waiting.id).await, Denial::RoleInsufficient);
        assert_denied(chat.reject_message(other, id, waiting.id).await, Denial::RoleInsufficient);
    }
    assert_denied(chat.held_messages(&user("dave"), id, Page::FIRST).await, Denial::NotParticipant);
    let sent = chat.approve_message(&alice, id, waiting.id).await.unwrap();
    assert_eq!((&sent.sender.user_id, text_of(&sent)), (&bob.user_id, "hold me"));
    assert_eq!(sent.body.mentions[0].user, Some(carol.user_id.clone()));
    assert_eq!(sent.body.reply.map(|reply| reply.to), Some(root.id.seq));
    assert_eq!(held(&chat, &alice, id).await, []);
    assert_eq!(chat.approve_message(&alice, id, waiting.id).await.unwrap_err(), Error::HeldMessageNotFound);
    assert_eq!(texts(&chat, &carol, id).await, ["root", "hold me"]);
}

#[tokio::test]
async fn a_rejected_message_is_never_sent() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    assert_eq!(chat.send(&bob, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
    let waiting = held(&chat, &alice, id).await.remove(0).id;
    // Of an answer for another session nothing is told.
    let elsewhere = room(&chat, &bob, &[]).await;
    assert_eq!(chat.approve_message(&bob, elsewhere, waiting).await.unwrap_err(), Error::HeldMessageNotFound);
    assert_eq!(chat.reject_message(&bob, elsewhere, waiting).await, Err(Error::HeldMessageNotFound));
    chat.reject_message(&alice, id, waiting).await.unwrap();
    assert_eq!(chat.reject_message(&alice, id, waiting).await, Err(Error::HeldMessageNotFound));
    assert_eq!((texts(&chat, &bob, id).await, held(&chat, &alice, id).await), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn an_author_who_may_not_send_any_more_gets_nothing_sent() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    assert_eq!(chat.send(&bob, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
    let waiting = held(&chat, &alice, id).await.remove(0).id;
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Viewer).await.unwrap();
    assert_eq!(chat.approve_message(&alice, id, waiting).await.unwrap_err(), Error::AuthorCannotSend);
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    assert_eq!(chat.approve_message(&alice, id, waiting).await.unwrap_err(), Error::AuthorCannotSend);
    // Another stay is another one.
    let again = AddParticipant { user_id: bob.user_id.clone(), role: None };
    chat.add_participant(&alice, id, again).await.unwrap();
    assert_eq!(chat.approve_message(&alice, id, waiting).await.unwrap_err(), Error::AuthorCannotSend);
    assert_eq!(texts(&chat, &alice, id).await, [""; 0]);
    chat.reject_message(&alice, id, waiting).await.unwrap();
}

#[tokio::test]
async fn a_retry_is_one_message_whatever_the_policy_says() {
    let verdicts = Arc::new(AtomicUsize::new(0));
    let policy = {
        let verdicts = Arc::clone(&verdicts);
        BlockingPolicy::new(move |_: &MessageDraft| match verdicts.load(Ordering::SeqCst) {
            0 => Verdict::Allow,
            1 => Verdict::Hold(None),
            _ => Verdict::Refuse(Refusal::new("NO", "no")),
        })
    };
    let chat = chat_by(policy, OnFailure::Refuse);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let first = chat.send(&bob, id, once("hello")).await.unwrap();
    for verdict in [1, 2] {
        verdicts.store(verdict, Ordering::SeqCst);
        assert_eq!(chat.send(&bob, id, once("hello")).await.unwrap().id, first.id);
    }
    assert_eq!(held(&chat, &alice, id).await, []);
    // A retry of a held message waits once, and is sent once.
    verdicts.store(1, Ordering::SeqCst);
    let again = |said: &str| text(said).with_client_id(ClientId::new("again").unwrap());
    for _ in 0..3 {
        assert_eq!(chat.send(&bob, id, again("wait")).await.unwrap_err(), Error::MessageHeld);
    }
    // Another text is no retry.
    assert_eq!(chat.send(&bob, id, again("other")).await.unwrap_err(), Error::ClientIdReused);
    let [waiting] = &held(&chat, &alice, id).await[..] else { panic!("one held message") };
    let approved = chat.approve_message(&alice, id, waiting.id).await.unwrap();
    assert_eq!(chat.send(&bob, id, again("wait")).await.unwrap().id, approved.id);
    assert_eq!(chat.send(&bob, id, again("other")).await.unwrap_err(), Error::ClientIdReused);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_approvals_and_a_rejection_at_once_one_message_comes_at_most() {
    for _ in 0..20 {
        let chat = chat();
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        assert_eq!(chat.send(&bob, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
        let waiting = held(&chat, &alice, id).await.remove(0).id;
        let approve = || chat.approve_message(&alice, id, waiting);
        let (one, two, rejected) = tokio::join!(approve(), approve(), chat.reject_message(&alice, id, waiting));
        let sent: Vec<_> = [one, two].into_iter().flatten().map(|message| message.id).collect();
        assert!(sent.iter().all(|id| *id == sent[0]), "{sent:?}");
        assert_eq!(texts(&chat, &bob, id).await.len(), usize::from(!sent.is_empty()), "{sent:?} {rejected:?}");
        assert_eq!(rejected.is_ok(), sent.is_empty(), "{sent:?} {rejected:?}");
        assert_eq!(held(&chat, &alice, id).await, []);
    }
}

#[tokio::test]
async fn held_messages_of_a_user_are_bounded_under_concurrent_sends() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let sends = (0..60).map(|n| chat.send(&bob, id, text(&format!("hold {n}"))).boxed());
    let answers = futures_util::future::join_all(sends).await;
    let kept = answers.iter().filter(|answer| matches!(answer, Err(Error::MessageHeld))).count() as u64;
    assert_eq!(kept, MAX_HELD_BY_USER);
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::MessageHeld | Error::LimitExceeded { .. }))));
    assert_eq!(held(&chat, &alice, id).await.len() as u64, MAX_HELD_BY_USER);
}

#[tokio::test]
async fn an_edit_is_reviewed_and_cannot_wait() {
    let chat = chat();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let sent = chat.send(&alice, id, text("first")).await.unwrap();
    for (said, code) in [("hold", "REFUSED_BY_HOST"), ("refuse", "SAID_SO")] {
        let refused = chat.edit_message(&alice, sent.id, EditMessage::text(said)).await.unwrap_err();
        assert_eq!(refused.name(), code);
    }
    assert_eq!((texts(&chat, &alice, id).await, held(&chat, &alice, id).await), (vec!["first".to_owned()], Vec::new()));
    let edited = chat.edit_message(&alice, sent.id, EditMessage::text("change")).await.unwrap();
    assert_eq!(text_of(&edited), "https://example.com @bob");
    // A retry of the edit is no second one.
    let again = chat.edit_message(&alice, sent.id, EditMessage::text("change")).await.unwrap();
    assert_eq!(again.revision, edited.revision);
}

#[tokio::test]
async fn word_lists_are_a_policy() {
    let policy = ListPolicy::new().words(["darn"], OnMatch::Mask).only_links(["example.com"], OnMatch::Hold);
    let chat = chat_by(policy, OnFailure::Refuse);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    assert_eq!(text_of(&chat.send(&bob, id, text("Darn it")).await.unwrap()), "**** it");
    assert_eq!(chat.send(&bob, id, text("see https://evil.example")).await.unwrap_err(), Error::MessageHeld);
    chat.send(&bob, id, text("see https://www.example.com")).await.unwrap();
}

#[tokio::test]
async fn answers_to_held_messages_are_in_the_moderation_log() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for said in ["hold one", "hold two"] {
        assert_eq!(chat.send(&bob, id, text(said)).await.unwrap_err(), Error::MessageHeld);
    }
    let waiting: Vec<_> = held(&chat, &alice, id).await.iter().map(|held| held.id).collect();
    let sent = chat.approve_message(&alice, id, waiting[0]).await.unwrap();
    chat.reject_message(&alice, id, waiting[1]).await.unwrap();
    assert_eq!(chat.approve_message(&alice, id, waiting[1]).await.unwrap_err(), Error::HeldMessageNotFound);
    let log = chat.moderation_log(&alice, id, Page::FIRST).await.unwrap();
    let entries: Vec<_> = log.iter().map(|entry| (entry.action, &entry.user.user_id, entry.message_id)).collect();
    let bob = &bob.user_id;
    assert_eq!(
        entries,
        [(ModerationAction::MessageRejected, bob, None), (ModerationAction::MessageApproved, bob, Some(sent.id))]
    );
}

/// Readers have seen the parts of a streamed message, so a text that does not pass is taken away at the end.
#[tokio::test]
async fn a_streamed_message_is_reviewed_at_its_end() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let refused = |detail: Option<&str>| {
        let detail = detail.map(str::to_owned);
        Some(StreamState::Failed { reason: StreamFailure::Refused, detail })
    };
    let fail = FailMessage { detail: Some("cut off".to_owned()) };
    let aborted = Some(StreamState::Failed { reason: StreamFailure::Aborted, detail: fail.detail.clone() });
    for (said, is_failed, shown, state) in [
        ("hello @bob", false, "hello @bob", Some(StreamState::Complete)),
        ("change", false, "https://example.com @bob", Some(StreamState::Complete)),
        ("refuse it", false, "", refused(Some("say something else"))),
        ("hold it", false, "", refused(None)),
        ("fine", true, "fine", aborted),
        // A message that its author fails does not pass the policy by that.
        ("refuse it", true, "", refused(Some("say something else"))),
    ] {
        let begun = chat.start_streamed_message(&bob, id, StartMessage::of_assistant()).await.unwrap().id;
        let length = chat.append_to_message(&bob, begun, 0, said).await.unwrap().length;
        // Twice, as in a retry.
        for _ in 0..2 {
            let ended = if is_failed {
                chat.fail_message(&bob, begun, fail.clone()).await
            } else {
                chat.finish_message(&bob, begun, length).await
            };
            let ended = ended.unwrap();
            assert_eq!((text_of(&ended), &ended.body.stream), (shown, &state), "{said}");
            assert_eq!(ended.body.mentions.len(), usize::from(shown.contains("@bob")));
        }
        let read = chat.message(&alice, begun).await.unwrap();
        assert_eq!((text_of(&read), &read.body.stream), (shown, &state), "{said}");
    }
    assert_eq!(held(&chat, &alice, id).await, []);
}
