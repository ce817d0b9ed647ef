//! Followed threads: who follows a thread, markers and unread replies.

use super::*;
use chatcore::{
    chat::EditMessage,
    model::{Emoji, FollowedThread, Message, Seq, ThreadState, Unread},
    store::{Follows, Prefix, Replies, ThreadMarkers},
};
use futures_util::future::join_all;

mod model;

fn exactly(count: u64) -> Unread {
    Unread { count, is_exact: true }
}

fn answer(to: MessageId) -> SendMessage {
    SendMessage::text("an answer").in_reply_to(to)
}

async fn reply(chat: &Chat, who: &Principal, to: MessageId) -> Message {
    chat.send(who, to.session_id, answer(to)).await.unwrap()
}

/// The threads that a user follows, all pages in one.
async fn list(chat: &Chat, who: &Principal, id: SessionId, limit: u64) -> Vec<FollowedThread> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: Some(limit), ..Page::FIRST };
        let page = chat.followed_threads(who, id, page).await.unwrap();
        assert!(page.entries.len() as u64 <= limit);
        after = page.next;
        found.extend(page.entries);
        if after.is_none() {
            return found;
        }
    }
}

async fn listed(chat: &Chat, who: &Principal, id: SessionId) -> Vec<Seq> {
    list(chat, who, id, 50).await.iter().map(|thread| thread.root.seq).collect()
}

/// Whether a user follows a thread, as each use case that tells it tells it, which must be the same.
async fn follows(chat: &Chat, who: &Principal, root: MessageId) -> bool {
    let page = chat.thread(who, root, Page::FIRST).await.unwrap();
    let follows = page[0].thread.as_ref().unwrap().is_followed.expect("the thread says it");
    let others = page.iter().skip(1).all(|reply| reply.thread.as_ref().unwrap().is_followed.is_none());
    assert!(others, "a reply began no thread");
    if let Some(found) =
        chat.threads(who, root.session_id, Page::FIRST).await.unwrap().iter().find(|one| one.id == root)
    {
        assert_eq!(found.thread.as_ref().unwrap().is_followed, Some(follows));
        assert_eq!(listed(chat, who, root.session_id).await.contains(&root.seq), follows);
    }
    follows
}

/// How many replies a user has not read in a thread that the user follows.
async fn unread(chat: &Chat, who: &Principal, root: MessageId) -> Unread {
    let all = list(chat, who, root.session_id, 50).await;
    all.iter().find(|thread| thread.root.id == root).unwrap().state.unread
}

async fn records(store: &MemoryStore) -> [u64; 2] {
    let all = |table| Prefix { table, parts: Vec::new() };
    store.count(&[all(Follows::TABLE), all(ThreadMarkers::TABLE)]).await.unwrap().try_into().unwrap()
}

#[tokio::test]
async fn a_user_follows_a_thread_by_writing_in_it_by_being_named_and_by_having_begun_it() {
    let store = MemoryStore::new();
    let (chat, alice, bob) = (uncounted(store.clone()), user("alice"), user("bob"));
    let (carol, dave) = (user("carol"), user("dave"));
    let id = room(&chat, &alice, &[&bob, &carol, &dave]).await;
    let root = say(&chat, &alice, id, "root").await;
    let names = |users: &[&Principal]| answer(root.id).mentioning(users.iter().map(|user| user.user_id.clone()));
    for who in [&alice, &bob, &carol] {
        assert!(!follows(&chat, who, root.id).await, "there is no reply");
    }
    // A send that is no reply and names a user makes nobody follow.
    chat.send(&alice, id, SendMessage::text("x").mentioning([dave.user_id.clone()])).await.unwrap();
    assert_eq!(records(&store).await, [0, 0]);

    reply(&chat, &bob, root.id).await;
    assert!(follows(&chat, &alice, root.id).await && follows(&chat, &bob, root.id).await);
    assert!(!follows(&chat, &carol, root.id).await);
    assert_eq!(records(&store).await, [1, 0], "the one who began the thread needs no record");
    assert_eq!((unread(&chat, &alice, root.id).await, unread(&chat, &bob, root.id).await), (exactly(1), exactly(0)));

    chat.send(&bob, id, names(&[&carol, &alice, &bob])).await.unwrap();
    assert!(follows(&chat, &carol, root.id).await && !follows(&chat, &dave, root.id).await);
    assert_eq!(unread(&chat, &carol, root.id).await, exactly(1), "what stands before the mention is read");
    assert_eq!(records(&store).await, [2, 0]);

    // A mention of everybody makes nobody follow.
    let all = SendMessage { mentions_everybody: true, ..answer(root.id) };
    chat.send(&alice, id, all).await.unwrap();
    assert!(!follows(&chat, &dave, root.id).await);
    // More of the same writes nothing more.
    for who in [&alice, &bob, &carol] {
        reply(&chat, who, root.id).await;
        chat.send(who, id, names(&[&alice, &bob, &carol])).await.unwrap();
    }
    assert_eq!(records(&store).await, [2, 0]);
}

#[tokio::test]
async fn who_is_named_by_the_message_that_began_the_thread_or_by_an_edit_follows_too() {
    let (chat, alice, bob, carol) = (uncounted(MemoryStore::new()), user("alice"), user("bob"), user("carol"));
    let (dave, gone) = (user("dave"), user("gone"));
    let id = room(&chat, &alice, &[&bob, &carol, &dave, &gone]).await;
    let named = SendMessage::text("root").mentioning([&bob, &gone].map(|user| user.user_id.clone()));
    let root = chat.send(&alice, id, named).await.unwrap();
    chat.leave(&gone, id).await.unwrap();
    assert!(!follows(&chat, &bob, root.id).await);
    let first = reply(&chat, &carol, root.id).await;
    assert!(follows(&chat, &bob, root.id).await);
    assert_eq!(unread(&chat, &bob, root.id).await, exactly(1));
    chat.join(&gone, id).await.unwrap();
    assert!(!follows(&chat, &gone, root.id).await, "the user was not in the session");

    reply(&chat, &alice, root.id).await;
    let edit = |text: &str| EditMessage { mentions: Some(vec![dave.user_id.clone()]), ..EditMessage::text(text) };
    chat.edit_message(&carol, first.id, edit("with dave")).await.unwrap();
    assert!(follows(&chat, &dave, root.id).await);
    assert_eq!(unread(&chat, &dave, root.id).await, exactly(2), "the reply that names the user and what follows it");
    chat.unfollow_thread(&dave, root.id).await.unwrap();
    chat.edit_message(&alice, root.id, edit("dave again")).await.unwrap();
    assert!(!follows(&chat, &dave, root.id).await);
    chat.edit_message(&alice, root.id, EditMessage { mentions: Some(vec![gone.user_id.clone()]), ..edit("gone") })
        .await
        .unwrap();
    assert!(follows(&chat, &gone, root.id).await);
}

#[tokio::test]
async fn a_choice_not_to_follow_holds_until_the_user_writes_again_or_follows_by_choice() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    reply(&chat, &bob, root.id).await;
    for who in [&alice, &bob] {
        let state = chat.unfollow_thread(who, root.id).await.unwrap();
        assert!(!state.is_followed);
        assert_eq!(chat.unfollow_thread(who, root.id).await.unwrap(), state);
    }
    let name_both = answer(root.id).mentioning([&alice, &bob].map(|user| user.user_id.clone()));
    for who in [&alice, &bob] {
        chat.unfollow_thread(who, root.id).await.unwrap();
        chat.send(if who == &alice { &bob } else { &alice }, id, name_both.clone()).await.unwrap();
        assert!(!follows(&chat, who, root.id).await, "a mention does not make the user follow again");
    }
    let unfollowed = chat.unfollow_thread(&bob, root.id).await.unwrap();
    assert!(!unfollowed.is_followed);
    reply(&chat, &bob, root.id).await;
    assert!(follows(&chat, &bob, root.id).await);
    assert_eq!(unread(&chat, &bob, root.id).await, exactly(0), "what stands before is read");
    chat.unfollow_thread(&bob, root.id).await.unwrap();
    let state = chat.follow_thread(&bob, root.id).await.unwrap();
    assert_eq!((state.is_followed, state.unread), (true, exactly(0)));
    assert_eq!(chat.follow_thread(&bob, root.id).await.unwrap(), state);
    reply(&chat, &alice, root.id).await;
    assert_eq!(unread(&chat, &bob, root.id).await, exactly(1));
    // A relayed message is no word of the user.
    chat.unfollow_thread(&bob, root.id).await.unwrap();
    let relayed = answer(root.id);
    let relayed = SendMessage { body: MessageBody { role: SpeakerRole::Assistant, ..relayed.body.clone() }, ..relayed };
    chat.send(&bob, id, relayed).await.unwrap();
    assert!(!follows(&chat, &bob, root.id).await);
}

#[tokio::test]
async fn replies_of_others_are_unread_until_the_marker_passes_them() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    let first = reply(&chat, &bob, root.id).await;
    let second = reply(&chat, &bob, first.id).await;
    let own = reply(&chat, &alice, root.id).await;
    let relayed =
        SendMessage { body: MessageBody { role: SpeakerRole::Assistant, ..own.body.clone() }, ..answer(root.id) };
    chat.send(&alice, id, relayed).await.unwrap();
    assert_eq!(unread(&chat, &alice, root.id).await, exactly(3), "a relayed reply counts");
    // The session's marker and the thread's are apart.
    chat.mark_read(&alice, id, ReadUpto::Message(own.id)).await.unwrap();
    assert_eq!(unread(&chat, &alice, root.id).await, exactly(3));
    let state = chat.mark_thread_read(&alice, first.id).await.unwrap();
    assert_eq!(
        state,
        ThreadState {
            session_id: id,
            thread_root: root.id,
            is_followed: true,
            read_upto: first.seq,
            unread: exactly(2)
        }
    );
    assert_eq!(chat.mark_thread_read(&alice, root.id).await.unwrap(), state, "a marker goes forward only");
    assert_eq!(chat.mark_thread_read(&alice, first.id).await.unwrap(), state);
    // Edits, reactions and deletions change nothing.
    chat.edit_message(&bob, second.id, EditMessage::text("other")).await.unwrap();
    chat.add_reaction(&bob, second.id, &Emoji::new("👍").unwrap()).await.unwrap();
    chat.delete_message(&bob, second.id, None).await.unwrap();
    assert_eq!(unread(&chat, &alice, root.id).await, exactly(2), "a tombstone counts until the marker passes it");
    chat.delete_message(&alice, root.id, None).await.unwrap();
    assert_eq!(unread(&chat, &alice, root.id).await, exactly(2));
    assert_eq!(chat.mark_thread_read(&alice, second.id).await.unwrap().unread, exactly(1));
    let last = reply(&chat, &bob, own.id).await;
    let state = chat.mark_thread_read(&alice, last.id).await.unwrap();
    assert_eq!((state.unread, state.read_upto), (exactly(0), last.seq));
    // Whoever does not follow a thread has a marker in it, too.
    chat.unfollow_thread(&bob, root.id).await.unwrap();
    let state = chat.mark_thread_read(&bob, own.id).await.unwrap();
    assert_eq!((state.is_followed, state.read_upto, state.unread), (false, own.seq, exactly(1)));
    assert!(!follows(&chat, &bob, root.id).await);
}

#[tokio::test]
async fn beyond_a_hundred_replies_the_count_is_an_upper_bound() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    let mut replies = Vec::new();
    for place in 0..130 {
        let who = if place % 10 == 3 { &alice } else { &bob };
        replies.push(reply(&chat, who, root.id).await.id);
    }
    let bound = unread(&chat, &alice, root.id).await;
    assert!(!bound.is_exact && (117..=130).contains(&bound.count), "{bound:?}");
    let marked = chat.mark_thread_read(&alice, replies[9]).await.unwrap().unread;
    assert!(!marked.is_exact && (108..=130).contains(&marked.count), "{marked:?}");
    assert_eq!(chat.mark_thread_read(&alice, replies[29]).await.unwrap().unread, exactly(90));
    for _ in 0..40 {
        reply(&chat, &bob, root.id).await;
    }
    let counted = unread(&chat, &alice, root.id).await;
    assert!(!counted.is_exact && (130..=140).contains(&counted.count), "a subtraction from the marker: {counted:?}");
}

#[tokio::test]
async fn the_list_has_the_newest_reply_first_and_each_thread_once() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut expected = Vec::new();
    let mut last = Vec::new();
    for place in 0..9 {
        let root = say(&chat, if place % 3 == 0 { &alice } else { &bob }, id, "root").await;
        let answer = reply(&chat, &bob, root.id).await;
        if place % 3 == 0 {
            expected.insert(0, root.seq);
            last.insert(0, answer);
        }
    }
    for limit in [1, 2, 3, 100] {
        let found = list(&chat, &alice, id, limit).await;
        assert_eq!(found.iter().map(|thread| thread.root.seq).collect::<Vec<_>>(), expected, "{limit}");
        for (thread, last) in found.iter().zip(&last) {
            let summary = thread.root.thread.as_ref().unwrap();
            assert_eq!((summary.replies, summary.last.unwrap().id, summary.is_followed), (1, last.id, Some(true)));
            assert_eq!((thread.state.unread, thread.state.thread_root), (exactly(1), thread.root.id));
        }
    }
    let skipped = chat.followed_threads(&alice, id, Page { skip: 2, ..Page::FIRST }).await.unwrap();
    assert_eq!(skipped.iter().map(|thread| thread.root.seq).collect::<Vec<_>>(), expected[2..]);
    // A thread whose replies are all deleted goes, and comes back.
    chat.delete_message(&bob, last[0].id, None).await.unwrap();
    assert_eq!(listed(&chat, &alice, id).await, expected[1..]);
    reply(&chat, &bob, MessageId { session_id: id, seq: expected[2] }).await;
    assert_eq!(listed(&chat, &alice, id).await, [expected[2], expected[1]]);
    reply(&chat, &alice, MessageId { session_id: id, seq: expected[0] }).await;
    assert_eq!(listed(&chat, &alice, id).await, [expected[0], expected[2], expected[1]]);
    let elsewhere = room(&chat, &alice, &[]).await;
    let other = say(&chat, &alice, elsewhere, "x").await;
    for page in
        [Page::after(other.id), Page { limit: Some(0), ..Page::FIRST }, Page { limit: Some(101), ..Page::FIRST }]
    {
        assert!(matches!(chat.followed_threads(&alice, id, page).await, Err(Error::Invalid(_))));
    }
}

#[tokio::test]
async fn who_left_sees_no_threads_and_comes_back_to_them_with_nothing_unread() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    reply(&chat, &bob, root.id).await;
    let reply_of_alice = reply(&chat, &alice, root.id).await;
    chat.leave(&bob, id).await.unwrap();
    assert_denied(chat.followed_threads(&bob, id, Page::FIRST).await, Denial::NotParticipant);
    assert_denied(chat.follow_thread(&bob, root.id).await, Denial::NotParticipant);
    assert_denied(chat.unfollow_thread(&bob, root.id).await, Denial::NotParticipant);
    assert_denied(chat.mark_thread_read(&bob, reply_of_alice.id).await, Denial::NotParticipant);
    reply(&chat, &alice, root.id).await;
    chat.join(&bob, id).await.unwrap();
    assert!(follows(&chat, &bob, root.id).await);
    assert_eq!(unread(&chat, &bob, root.id).await, exactly(0));
    reply(&chat, &alice, root.id).await;
    assert_eq!(unread(&chat, &bob, root.id).await, exactly(1));
}

#[tokio::test]
async fn what_is_no_message_of_a_thread_is_refused_and_changes_nothing() {
    let store = MemoryStore::new();
    let (chat, alice, bob, carol) = (uncounted(store.clone()), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob]).await;
    let hidden = session(&chat, &alice, SessionType::Private).await;
    let secret = say(&chat, &alice, hidden, "secret").await;
    let root = say(&chat, &alice, id, "root").await;
    let gone = say(&chat, &alice, id, "gone").await;
    chat.delete_message(&alice, gone.id, None).await.unwrap();
    let head = head(&chat, &alice, id).await;
    let at = |seq| MessageId { session_id: id, seq };
    for nothing in [secret.id, at(0), at(1), at(head), at(head + 1), at(u64::MAX)] {
        for refused in [
            chat.follow_thread(&bob, nothing).await,
            chat.unfollow_thread(&bob, nothing).await,
            chat.mark_thread_read(&bob, nothing).await,
        ] {
            assert_eq!(refused, Err(Error::MessageNotFound), "{nothing}");
        }
    }
    for refused in [chat.follow_thread(&bob, gone.id).await, chat.unfollow_thread(&bob, gone.id).await] {
        assert_eq!(refused, Err(Error::MessageDeleted));
    }
    assert_denied(chat.follow_thread(&carol, root.id).await, Denial::NotParticipant);
    assert_denied(chat.followed_threads(&carol, hidden, Page::FIRST).await, Denial::Hidden);
    // In a thread without replies is nothing to be marked.
    for message in [root.id, gone.id] {
        assert_eq!(chat.mark_thread_read(&bob, message).await.unwrap().read_upto, message.seq.max(2));
    }
    assert_eq!(records(&store).await, [0, 0]);
    // A reply names its thread. A thread whose root was deleted goes on.
    let first = reply(&chat, &alice, root.id).await;
    chat.delete_message(&alice, root.id, None).await.unwrap();
    let state = chat.follow_thread(&bob, first.id).await.unwrap();
    assert_eq!((state.thread_root, state.is_followed, state.unread), (root.id, true, exactly(0)));
    let second = reply(&chat, &alice, first.id).await;
    assert_eq!(unread(&chat, &bob, root.id).await, exactly(1));
    assert_eq!(chat.mark_thread_read(&bob, second.id).await.unwrap().unread, exactly(0));
    // A thread can be followed before it has a reply.
    let quiet = say(&chat, &alice, id, "quiet").await;
    assert!(chat.follow_thread(&bob, quiet.id).await.unwrap().is_followed);
    assert!(follows(&chat, &bob, quiet.id).await);
    assert_eq!(listed(&chat, &bob, id).await, [root.seq]);
    reply(&chat, &alice, quiet.id).await;
    assert_eq!(listed(&chat, &bob, id).await, [quiet.seq, root.seq]);
    assert_eq!(unread(&chat, &bob, quiet.id).await, exactly(1));
}

#[tokio::test]
async fn neither_a_send_nor_a_reply_of_a_follower_reads_more_than_without_threads() {
    let store = Breakable::default();
    let (chat, alice, bob) = (uncounted(store.clone()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    say(&chat, &bob, id, "engaged").await;
    let reads = async |what: SendMessage| {
        let before = store.reads.load(Ordering::SeqCst);
        chat.send(&bob, id, what).await.unwrap();
        store.reads.load(Ordering::SeqCst) - before
    };
    // The cached facts of the session.
    assert_eq!(reads(SendMessage::text("no reply")).await, 1);
    reply(&chat, &bob, root.id).await;
    // The number of deletions, the message that is answered, and the thread, with which the record of the author comes.
    assert_eq!(reads(answer(root.id)).await, 4);
    let all = |table| Prefix { table, parts: Vec::new() };
    assert_eq!(store.count(&[all(Follows::TABLE), all(ThreadMarkers::TABLE)]).await.unwrap(), [1, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_marks_and_replies_at_the_same_time_none_is_lost() {
    let store = MemoryStore::new();
    let (here, there, alice, bob) = (uncounted(store.clone()), uncounted(store.clone()), user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let root = say(&here, &alice, id, "root").await;
    let mut known = Vec::new();
    for _ in 0..10 {
        known.push(reply(&here, &bob, root.id).await.id);
    }
    let mut tasks = Vec::new();
    for (place, mark) in known.iter().rev().copied().enumerate() {
        let (chat, writer) = if place % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let (chat, writer, alice, bob) = (chat.clone(), writer.clone(), alice.clone(), bob.clone());
        tasks.push(tokio::spawn(async move {
            let marked = chat.mark_thread_read(&alice, mark).await.unwrap();
            assert!(marked.read_upto >= mark.seq);
            writer.send(&bob, root.id.session_id, answer(root.id)).await.unwrap();
            writer.send(&alice, root.id.session_id, answer(root.id)).await.unwrap();
        }));
    }
    for task in join_all(tasks).await {
        task.unwrap();
    }
    for chat in [&here, &there] {
        assert_eq!(unread(chat, &alice, root.id).await, exactly(10), "the ten replies after the marks");
    }
    // Who is named by two replies at once has one record.
    let carol = user("carol");
    here.join(&carol, id).await.unwrap();
    let named = || answer(root.id).mentioning([carol.user_id.clone()]);
    let sends = [here.send(&alice, id, named()), there.send(&bob, id, named()), there.send(&alice, id, named())];
    for sent in join_all(sends).await {
        sent.unwrap();
    }
    assert!(follows(&here, &carol, root.id).await);
    assert_eq!(unread(&here, &carol, root.id).await, exactly(3));
}

/// What entries of earlier versions do not say is not claimed.
#[tokio::test]
async fn replies_of_earlier_versions_make_the_count_an_upper_bound() {
    let store = MemoryStore::new();
    let (chat, alice, bob) = (uncounted(store.clone()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    let first = reply(&chat, &bob, root.id).await;
    let second = reply(&chat, &bob, root.id).await;
    let key = Replies { session: id, root: root.seq, reply: second.seq };
    let known = store.facts(&[FactsQuery { session_id: id, records: &[] }], Freshness::Fresh).await.unwrap();
    let write = key.put(chatcore::store::ReplyEntry { said_by: None });
    let kind = EventKind::Message(MessageEvent::Unpinned { message: second.seq });
    let event = NewEvent { actor: bob.user_id.clone(), created_at: second.created_at, kind };
    store.commit(Change::of(id, known[0].head.seq, vec![event], vec![write])).await.unwrap();
    assert_eq!(unread(&chat, &alice, root.id).await, Unread { count: 2, is_exact: false });
    assert_eq!(chat.mark_thread_read(&alice, first.id).await.unwrap().unread, Unread { count: 1, is_exact: false });
    assert_eq!(chat.mark_thread_read(&alice, second.id).await.unwrap().unread, exactly(0));
}
