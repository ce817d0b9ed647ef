//! Who answers a held message, and what an approval sends.

use std::sync::atomic::Ordering;

use chatcore::model::{Attachment, Metadata, SessionType};

use super::*;
use crate::hooked::Hooked;

fn refused(answer: Result<chatcore::model::Message, Error>) -> bool {
    matches!(answer, Err(Error::RefusedByHost(refusal)) if refusal.code() == "REFUSED_BY_HOST")
}

#[tokio::test]
async fn nobody_answers_their_own_message() {
    let chat = chat();
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    // The owner is the only one who could approve.
    assert!(refused(chat.send(&alice, id, text("hold")).await));
    assert_eq!(held(&chat, &alice, id).await, []);
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    assert_eq!(chat.send(&alice, id, text("hold of alice")).await.unwrap_err(), Error::MessageHeld);
    assert_eq!(chat.send(&bob, id, text("hold of bob")).await.unwrap_err(), Error::MessageHeld);
    assert_eq!(chat.send(&carol, id, text("hold of carol")).await.unwrap_err(), Error::MessageHeld);
    for (who, own, others) in [(&alice, "alice", ["bob", "carol"]), (&bob, "bob", ["alice", "carol"])] {
        let found = held(&chat, who, id).await;
        let authors: Vec<_> = found.iter().map(|held| held.author.user_id.to_string()).collect();
        assert_eq!(authors, others, "{own}");
        // Page by page, the same.
        let first = chat.held_messages(who, id, Page { limit: Some(1), ..Page::FIRST }).await.unwrap();
        let rest = Page { after: first.next, ..Page::FIRST };
        assert_eq!([&first[0], &chat.held_messages(who, id, rest).await.unwrap()[0]], [&found[0], &found[1]]);
        let skipped = Page { skip: 1, ..Page::FIRST };
        assert_eq!(chat.held_messages(who, id, skipped).await.unwrap().entries, found[1..]);
    }
    let of_alice = held(&chat, &bob, id).await.remove(0).id;
    assert_eq!(chat.approve_message(&alice, id, of_alice).await.unwrap_err(), Error::HeldMessageNotFound);
    assert_eq!(chat.reject_message(&alice, id, of_alice).await, Err(Error::HeldMessageNotFound));
    let sent = chat.approve_message(&bob, id, of_alice).await.unwrap();
    assert_eq!(sent.sender.user_id, alice.user_id);
}

#[tokio::test]
async fn a_message_that_nobody_can_approve_is_refused() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    chat.me(&bob).await.unwrap();
    let direct = chat.start_direct(&alice, &bob.user_id).await.unwrap().session.summary.session.id;
    let alone = session(&chat, &alice, SessionType::Public).await;
    for (who, id) in [(&alice, direct), (&bob, direct), (&alice, alone)] {
        for _ in 0..=MAX_HELD_BY_USER {
            assert!(refused(chat.send(who, id, text("hold")).await));
        }
    }
    // An admin whom more than one page of participants precedes is found.
    let id = room(&chat, &alice, &[]).await;
    let others: Vec<_> = (0..250).map(|n| user(&format!("u{n}"))).collect();
    chat.update_session(&alice, id, crate::to_cap(1_000)).await.unwrap();
    for other in &others {
        let add = AddParticipant { user_id: other.user_id.clone(), role: None };
        chat.me(other).await.unwrap();
        chat.add_participant(&alice, id, add).await.unwrap();
    }
    assert!(refused(chat.send(&alice, id, text("hold")).await));
    chat.change_role(&alice, id, &others[249].user_id, ParticipantRole::Admin).await.unwrap();
    assert_eq!(chat.send(&alice, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_stays_and_can_be_rejected() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    let answer = text("hold this").in_reply_to(root.id);
    assert_eq!(chat.send(&bob, id, answer).await.unwrap_err(), Error::MessageHeld);
    assert_eq!(chat.send(&bob, id, once("hold that")).await.unwrap_err(), Error::MessageHeld);
    chat.delete_message(&alice, root.id, None).await.unwrap();
    // What a client does after a 403: the user corrects the text.
    let that = chat.send(&bob, id, once("that")).await.unwrap();
    for error in [Error::MessageDeleted, Error::ClientIdReused] {
        let waiting = held(&chat, &alice, id).await.remove(0);
        for _ in 0..2 {
            assert_eq!(chat.approve_message(&alice, id, waiting.id).await.unwrap_err(), error);
            assert_eq!(held(&chat, &alice, id).await[0], waiting);
        }
        chat.reject_message(&alice, id, waiting.id).await.unwrap();
    }
    assert_eq!(held(&chat, &alice, id).await, []);
    let page = chat.messages(&bob, id, MessageWindow::Newest, None).await.unwrap();
    assert_eq!(page.messages.iter().map(|message| message.id).collect::<Vec<_>>(), [root.id, that.id]);
}

#[tokio::test]
async fn a_held_forward_is_approved_as_a_forward() {
    let verdicts = Arc::new(AtomicUsize::new(0));
    let policy = {
        let verdicts = Arc::clone(&verdicts);
        BlockingPolicy::new(move |_: &MessageDraft| match verdicts.load(Ordering::SeqCst) {
            0 => Verdict::Allow,
            _ => Verdict::Hold(None),
        })
    };
    let chat = chat_by(policy, OnFailure::Refuse);
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let from = room(&chat, &alice, &[&bob]).await;
    let to = room(&chat, &carol, &[&bob]).await;
    let first = say(&chat, &alice, from, "of alice @carol").await;
    let copy = chat.forward_message(&bob, first.id, from, None).await.unwrap();
    verdicts.store(1, Ordering::SeqCst);
    for (n, message) in [first.id, copy.id].into_iter().enumerate() {
        let client_id = || Some(ClientId::new(format!("copy-{n}")).unwrap());
        for _ in 0..2 {
            let answer = chat.forward_message(&bob, message, to, client_id()).await;
            assert_eq!(answer.unwrap_err(), Error::MessageHeld);
        }
        let [waiting] = &held(&chat, &carol, to).await[..] else { panic!("one held message") };
        let origin = waiting.body.origin.as_ref().expect("an origin");
        // Carol may not know of the session.
        assert_eq!((origin.message, &origin.author), (None, &alice.user_id));
        let sent = chat.approve_message(&carol, to, waiting.id).await.unwrap();
        let origin = sent.body.origin.as_ref().expect("an origin");
        assert_eq!((origin.message, &origin.author), (None, &alice.user_id));
        assert_eq!((sent.body.mentions.len(), &sent.sender.user_id), (0, &bob.user_id));
        let again = chat.forward_message(&bob, message, to, client_id()).await.unwrap();
        assert_eq!((again.id, again.body.origin.unwrap().message), (sent.id, Some(first.id)));
        assert_denied(chat.edit_message(&bob, sent.id, EditMessage::text("mine")).await, Denial::NotAuthor);
    }
}

/// A moderator sees all that is sent.
#[tokio::test]
async fn a_held_message_shows_what_is_beside_its_text() {
    let chat = chat();
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    // Members may not mention everybody.
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    let mut message = text("hold").mentioning([carol.user_id.clone()]);
    let file = Attachment { id: "7".into(), name: "a.png".into(), media_type: "image/png".into(), size: 7 };
    let metadata: Metadata = serde_json::from_value(serde_json::json!({ "a": 1 })).unwrap();
    (message.body.attachments, message.body.metadata) = (vec![file.clone()], Some(metadata.clone()));
    message.mentions_everybody = true;
    assert_eq!(chat.send(&bob, id, message).await.unwrap_err(), Error::MessageHeld);
    let waiting = held(&chat, &alice, id).await.remove(0);
    assert_eq!((&waiting.mentions, waiting.mentions_everybody), (&vec![carol.user_id.clone()], true));
    assert_eq!((&waiting.body.attachments, &waiting.body.metadata), (&vec![file.clone()], &Some(metadata.clone())));
    let sent = chat.approve_message(&alice, id, waiting.id).await.unwrap();
    assert_eq!((sent.body.attachments, sent.body.metadata), (vec![file], Some(metadata)));
    assert_eq!(sent.body.mentions.len(), 2);
}

#[tokio::test]
async fn many_approvals_at_once_all_succeed() {
    let store = Hooked::default();
    let chat =
        Chat::builder(store.clone()).rates(RateLimits::off()).message_policy(BlockingPolicy::new(obedient)).build();
    let (alice, users) = (user("alice"), ["a", "b", "c", "d", "e"].map(user));
    let id = room(&chat, &alice, &users.each_ref()).await;
    for who in &users {
        for n in 0..10 {
            assert_eq!(chat.send(who, id, text(&format!("hold {n}"))).await.unwrap_err(), Error::MessageHeld);
        }
    }
    let waiting = chat.held_messages(&alice, id, Page { limit: Some(100), ..Page::FIRST }).await.unwrap().entries;
    assert_eq!(waiting.len(), 50);
    // Each approval lets the others go on before it commits.
    store.yields.store(true, Ordering::SeqCst);
    let approvals = waiting.iter().map(|held| chat.approve_message(&alice, id, held.id).boxed());
    for approved in futures_util::future::join_all(approvals).await {
        approved.unwrap();
    }
    assert_eq!(held(&chat, &alice, id).await, []);
    assert_eq!(texts(&chat, &alice, id).await.len(), 50);
}
