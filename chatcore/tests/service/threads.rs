//! Replies and threads.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use chatcore::{
    Chat, Code, Error, MemoryStore, Principal,
    chat::{EditMessage, EventView, SendMessage, Start},
    model::{
        ClientId, Content, Emoji, LastReply, Message, MessageId, MessageWindow, Page, ParticipantRole, Reply,
        SessionId, SessionType, ThreadSummary,
    },
    permission::Denial,
    store::{ChatStore as _, KeyPart as _, Owner, Prefix, Replies, TABLES, Table, TypedKey as _},
};
use futures_util::future::join_all;

use super::kit::{assert_denied, room, say, session, text_of, uncounted, user, user_id};
use crate::hooked::Hooked;

async fn reply(chat: &Chat, who: &Principal, to: MessageId, text: &str) -> Message {
    chat.send(who, to.session_id, SendMessage::text(text).in_reply_to(to)).await.unwrap()
}

/// The replies to a message, as each use case that shows messages shows them, which must be the same.
async fn thread_of(chat: &Chat, who: &Principal, id: MessageId) -> ThreadSummary {
    let one = chat.message(who, id).await.unwrap().thread.expect("a thread");
    let page = chat.messages(who, id.session_id, MessageWindow::Skip(0), None).await.unwrap().messages;
    let details = chat.session(who, id.session_id).await.unwrap().messages;
    let thread = chat.thread(who, id, Page::FIRST).await.unwrap().entries;
    for messages in [page, details, thread] {
        for message in messages.into_iter().filter(|message| message.id == id) {
            // The thread itself also says whether the reader follows it.
            let thread = message.thread.map(|thread| ThreadSummary { is_followed: None, ..thread });
            assert_eq!(thread.as_ref(), Some(&one));
        }
    }
    one
}

fn summary(replies: u64, last: &Message) -> ThreadSummary {
    ThreadSummary { replies, last: Some(LastReply { id: last.id, at: last.created_at }), is_followed: None }
}

async fn texts(chat: &Chat, who: &Principal, id: MessageId) -> Vec<String> {
    let thread = chat.thread(who, id, Page::FIRST).await.unwrap();
    let text = |message: &Message| match &message.body.content {
        Content::Text(text) => text.clone(),
        Content::Encrypted(_) | Content::Deleted => String::new(),
    };
    thread.iter().map(text).collect()
}

async fn roots(chat: &Chat, who: &Principal, id: SessionId) -> Vec<MessageId> {
    chat.threads(who, id, Page::FIRST).await.unwrap().iter().map(|root| root.id).collect()
}

#[tokio::test]
async fn a_reply_to_a_reply_belongs_to_the_same_thread() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    assert_eq!(root.thread, Some(ThreadSummary::default()));
    let other = say(&chat, &alice, id, "other").await;
    let first = reply(&chat, &bob, root.id, "first").await;
    let second = reply(&chat, &alice, first.id, "second").await;
    let alone = reply(&chat, &alice, other.id, "alone").await;
    assert_eq!(root.body.reply, None);
    assert_eq!(first.body.reply, Some(Reply { to: root.seq, root: root.seq }));
    assert_eq!(second.body.reply, Some(Reply { to: first.seq, root: root.seq }));
    assert_eq!(thread_of(&chat, &bob, root.id).await, summary(2, &second));
    assert_eq!(thread_of(&chat, &bob, other.id).await, summary(1, &alone));
    assert_eq!(thread_of(&chat, &bob, first.id).await, ThreadSummary::default());
    for id in [root.id, first.id, second.id] {
        assert_eq!(texts(&chat, &bob, id).await, ["root", "first", "second"]);
    }
    // A message without replies is a thread by itself.
    let lonely = say(&chat, &bob, id, "lonely").await;
    assert_eq!(texts(&chat, &alice, lonely.id).await, ["lonely"]);
    // The thread with the newest reply comes first.
    assert_eq!(roots(&chat, &bob, id).await, [other.id, root.id]);
    let third = reply(&chat, &bob, second.id, "third").await;
    assert_eq!(roots(&chat, &bob, id).await, [root.id, other.id]);
    assert_eq!(thread_of(&chat, &alice, root.id).await, summary(3, &third));
    // An event says nothing of the thread, and an edit keeps the place of a reply.
    let edited = chat.edit_message(&bob, first.id, EditMessage::text("1st")).await.unwrap();
    assert_eq!(edited.body.reply, first.body.reply);
    let events = chat.events(&bob, id, 0, None).await.unwrap().events;
    assert!(events.iter().filter_map(|view| view.message()).all(|message| message.thread.is_none()));
}

#[tokio::test]
async fn a_reply_answers_a_message_of_its_session() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "hello").await;
    let elsewhere = room(&chat, &alice, &[&bob]).await;
    let other = say(&chat, &alice, elsewhere, "other").await;
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    let secret = say(&chat, &alice, hidden, "secret").await;
    let gone = say(&chat, &alice, id, "gone").await;
    chat.delete_message(&alice, gone.id, None).await.unwrap();
    let head = chat.session(&alice, id).await.unwrap().seq;
    let send = |to| chat.send(&bob, id, SendMessage::text("x").in_reply_to(to));
    // The answer is the same for a session that the caller may not know of.
    for to in [other.id, secret.id] {
        let refused = send(to).await.unwrap_err();
        assert_eq!((refused.code(), refused.fields()[0].field.as_str()), (Code::ValidationInvalidValue, "reply_to"));
    }
    for seq in [0, 1, head + 1, u64::MAX] {
        assert_eq!(send(MessageId { seq, ..message.id }).await.unwrap_err(), Error::MessageNotFound, "{seq}");
    }
    assert_eq!(send(gone.id).await.unwrap_err(), Error::MessageDeleted);
    assert_eq!(chat.session(&alice, id).await.unwrap().seq, head);
    // A user who may not send may not answer, and a user who may not view sees no thread.
    chat.change_role(&alice, id, &user_id("bob"), ParticipantRole::Viewer).await.unwrap();
    assert_denied(send(message.id).await, Denial::RoleInsufficient);
    assert_eq!(texts(&chat, &bob, message.id).await, ["hello"]);
    let carol = user("carol");
    assert_denied(chat.thread(&carol, message.id, Page::FIRST).await, Denial::NotParticipant);
    assert_denied(chat.threads(&carol, id, Page::FIRST).await, Denial::NotParticipant);
    assert_eq!(chat.thread(&carol, secret.id, Page::FIRST).await.unwrap_err(), Error::MessageNotFound);
    assert_denied(chat.threads(&carol, hidden, Page::FIRST).await, Denial::Hidden);
}

#[tokio::test]
async fn a_deletion_lowers_the_number_and_keeps_the_thread() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    let mut replies = Vec::new();
    for text in ["1", "2", "3"] {
        replies.push(reply(&chat, &bob, root.id, text).await);
    }
    let other = say(&chat, &alice, id, "other").await;
    reply(&chat, &bob, other.id, "x").await;
    reply(&chat, &bob, root.id, "4").await;
    let last = chat.thread(&bob, root.id, Page::FIRST).await.unwrap().entries.pop().unwrap();
    assert_eq!(roots(&chat, &alice, id).await, [root.id, other.id]);
    // One in the middle, then the last one: the reply before it is the last one then, and the other thread is more active.
    chat.delete_message(&alice, replies[2].id, None).await.unwrap();
    assert_eq!(thread_of(&chat, &bob, root.id).await, summary(3, &last));
    for _ in 0..2 {
        chat.delete_message(&alice, last.id, None).await.unwrap();
        assert_eq!(thread_of(&chat, &bob, root.id).await, summary(2, &replies[1]));
    }
    assert_eq!(roots(&chat, &alice, id).await, [other.id, root.id]);
    assert_eq!(texts(&chat, &bob, root.id).await, ["root", "1", "2", "", ""]);
    // Without its root it is a thread, too.
    let deleted = chat.delete_message(&alice, root.id, None).await.unwrap();
    assert_eq!(deleted.thread, Some(summary(2, &replies[1])));
    let answer = reply(&chat, &alice, replies[0].id, "5").await;
    assert_eq!(thread_of(&chat, &bob, root.id).await, summary(3, &answer));
    assert_eq!(texts(&chat, &bob, answer.id).await, ["", "1", "2", "", "", "5"]);
    assert_eq!(roots(&chat, &alice, id).await, [root.id, other.id]);
    for reply in [&replies[0], &replies[1], &answer] {
        chat.delete_message(&alice, reply.id, None).await.unwrap();
    }
    assert_eq!(thread_of(&chat, &bob, root.id).await, ThreadSummary::default());
    assert_eq!(roots(&chat, &alice, id).await, [other.id]);
}

#[tokio::test]
async fn the_reply_before_many_deleted_ones_is_found_without_a_skip() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let chat = uncounted(store.clone());
    let id = session(&chat, &alice, SessionType::Private).await;
    let root = say(&chat, &alice, id, "root").await;
    let first = reply(&chat, &alice, root.id, "first").await;
    // Positions without replies lie between.
    for _ in 0..300 {
        say(&chat, &alice, id, "elsewhere").await;
    }
    let mut later = Vec::new();
    for number in 0..230 {
        later.push(reply(&chat, &alice, root.id, &number.to_string()).await.id);
    }
    for (left, reply) in later.iter().enumerate() {
        chat.delete_message(&alice, *reply, None).await.unwrap();
        if left % 50 == 0 {
            assert_eq!(chat.message(&alice, root.id).await.unwrap().thread.unwrap().replies, 230 - left as u64);
        }
    }
    assert_eq!(thread_of(&chat, &alice, root.id).await, summary(1, &first));
    // The newest one goes first.
    let mut later = Vec::new();
    for number in 0..230 {
        later.push(reply(&chat, &alice, root.id, &number.to_string()).await.id);
    }
    while let Some(last) = later.pop() {
        chat.delete_message(&alice, last, None).await.unwrap();
    }
    assert_eq!(thread_of(&chat, &alice, root.id).await, summary(1, &first));
    assert_eq!(store.skipped.load(Ordering::SeqCst), 0, "a skip costs what it skips");
}

#[tokio::test]
async fn pages_of_threads_show_each_entry_once() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let (mut thread, mut order) = (Vec::new(), Vec::new());
    for number in 0..7 {
        let root = say(&chat, &alice, id, "root").await;
        let replies = if number == 3 { 6 } else { 1 };
        let mut entries = vec![root.id];
        for _ in 0..replies {
            entries.push(reply(&chat, &alice, root.id, "reply").await.id);
        }
        order.insert(0, root.id);
        if number == 3 {
            thread = entries;
        }
    }
    for limit in 1..=8 {
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let page = Page { after, limit: Some(limit), ..Page::FIRST };
            let page = chat.thread(&alice, thread[2], page).await.unwrap();
            assert!(page.len() as u64 <= limit && !page.is_empty());
            walked.extend(page.iter().map(|message| message.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(walked, thread);
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let page = Page { after, limit: Some(limit), ..Page::FIRST };
            let page = chat.threads(&alice, id, page).await.unwrap();
            walked.extend(page.iter().map(|message| message.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(walked, order);
    }
    for skip in 0..=8 {
        let page = Page { skip, ..Page::FIRST };
        let skipped = chat.thread(&alice, thread[0], page).await.unwrap();
        let expected: Vec<_> = thread.iter().skip(usize::try_from(skip).unwrap()).copied().collect();
        assert_eq!(skipped.iter().map(|message| message.id).collect::<Vec<_>>(), expected);
        let skipped = chat.threads(&alice, id, page).await.unwrap();
        let expected: Vec<_> = order.iter().skip(usize::try_from(skip).unwrap()).copied().collect();
        assert_eq!(skipped.iter().map(|message| message.id).collect::<Vec<_>>(), expected);
    }
    let other = session(&chat, &alice, SessionType::Private).await;
    let elsewhere = Page::after(MessageId { session_id: other, seq: 1 });
    for refused in [chat.thread(&alice, thread[0], elsewhere).await, chat.threads(&alice, id, elsewhere).await] {
        let refused = refused.unwrap_err();
        assert_eq!((refused.code(), refused.fields()[0].field.as_str()), (Code::ValidationInvalidValue, "after"));
    }
    for limit in [0, 101] {
        let page = Page { limit: Some(limit), ..Page::FIRST };
        assert!(matches!(chat.thread(&alice, thread[0], page).await, Err(Error::Invalid(_))));
        assert!(matches!(chat.threads(&alice, id, page).await, Err(Error::Invalid(_))));
    }
}

#[tokio::test]
async fn a_retry_of_a_reply_is_the_first_reply() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let (root, other) = (say(&chat, &alice, id, "root").await, say(&chat, &alice, id, "other").await);
    let named = || SendMessage::text("answer").with_client_id(ClientId::new("once").unwrap());
    let first = chat.send(&bob, id, named().in_reply_to(root.id)).await.unwrap();
    let again = chat.send(&bob, id, named().in_reply_to(root.id)).await.unwrap();
    assert_eq!((again.id, again.body.reply), (first.id, first.body.reply));
    for different in [named(), named().in_reply_to(other.id), named().in_reply_to(first.id)] {
        assert_eq!(chat.send(&bob, id, different).await.unwrap_err(), Error::ClientIdReused);
    }
    assert_eq!(thread_of(&chat, &bob, root.id).await, summary(1, &first));
    // Also after the message that it answers is gone.
    chat.delete_message(&alice, root.id, None).await.unwrap();
    assert_eq!(chat.send(&bob, id, named().in_reply_to(root.id)).await.unwrap().id, first.id);
    let late = named().with_client_id(ClientId::new("late").unwrap()).in_reply_to(root.id);
    assert_eq!(chat.send(&bob, id, late).await.unwrap_err(), Error::MessageDeleted);
}

/// How many records of all tables a session has.
async fn records(store: &MemoryStore, id: SessionId) -> u64 {
    let of = |table: &&'static Table| Prefix { table, parts: vec![id.part()] };
    let owned = TABLES.iter().filter(|table| table.owner == Owner::Session);
    let prefixes: Vec<_> = owned.map(of).collect();
    store.count(&prefixes).await.unwrap().into_iter().sum()
}

#[tokio::test]
async fn a_message_that_is_no_reply_has_no_record() {
    let store = MemoryStore::new();
    let (chat, alice) = (uncounted(store.clone()), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let root = say(&chat, &alice, id, "root").await;
    let before = records(&store, id).await;
    say(&chat, &alice, id, "another").await;
    assert_eq!(records(&store, id).await, before);
    reply(&chat, &alice, root.id, "reply").await;
    let one = records(&store, id).await;
    assert!(one > before);
    // A further one has a record of its own, and no other.
    reply(&chat, &alice, root.id, "reply").await;
    assert_eq!(records(&store, id).await, one + 1);
}

/// Replies and deletions at once through two chats on one store, which are two processes to each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_number_of_replies_is_exact_under_races() {
    let store = MemoryStore::new();
    let chats = [uncounted(store.clone()), uncounted(store.clone())];
    let users: Arc<Vec<_>> = Arc::new((0..4).map(|number| user(&format!("user{number}"))).collect());
    let others: Vec<_> = users.iter().skip(1).collect();
    let id = room(&chats[0], &users[0], &others).await;
    for round in 0..5 {
        let root = say(&chats[0], &users[0], id, "root").await;
        let parent = reply(&chats[0], &users[0], root.id, "parent").await;
        let of = |number: usize| {
            let (chat, users) = (chats[number % 2].clone(), Arc::clone(&users));
            let (root, parent) = (root.id, parent.id);
            tokio::spawn(async move {
                let who = &users[number % 4];
                match number {
                    0 => drop(chat.delete_message(&users[0], parent, None).await.unwrap()),
                    1 if round % 2 == 0 => drop(chat.delete_message(&users[0], root, None).await.unwrap()),
                    _ => {
                        let to = if number.is_multiple_of(3) { parent } else { root };
                        let sent = chat.send(who, to.session_id, SendMessage::text("x").in_reply_to(to)).await;
                        match sent {
                            Ok(message) if number.is_multiple_of(5) => {
                                drop(chat.delete_message(who, message.id, None).await.unwrap());
                            }
                            Ok(_) | Err(Error::MessageDeleted) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            })
        };
        for done in join_all((0..24).map(of)).await {
            done.unwrap();
        }
        let thread = chats[1].thread(&users[1], root.id, Page::FIRST).await.unwrap();
        let alive = thread.iter().skip(1).filter(|message| message.body.content != Content::Deleted);
        let alive: Vec<_> = alive.collect();
        let expected = alive.last().map(|last| last.id);
        let shown = chats[1].message(&users[1], root.id).await.unwrap().thread.unwrap();
        assert_eq!((shown.replies, shown.last.map(|last| last.id)), (alive.len() as u64, expected));
        let prefix = Replies::under(vec![id.part(), root.seq.part()]);
        let members = store.scan(&[prefix]).await.unwrap().pop().unwrap();
        assert_eq!(members.len(), thread.len() - 1);
        // No reply follows the deletion of the message that it answers.
        let events = events(&chats[0], &users[0], id, root.seq).await;
        let mut gone = HashSet::new();
        for view in &events {
            if view.event.kind.is_deletion() {
                gone.extend(view.event.kind.rewritten().iter().copied());
            }
            let answered = view.message().and_then(|message| message.body.reply).map(|reply| reply.to);
            assert!(answered.is_none_or(|to| !gone.contains(&to)), "{view:?}");
        }
        let listed = roots(&chats[0], &users[0], id).await;
        assert_eq!(listed.iter().filter(|root_id| **root_id == root.id).count(), usize::from(!alive.is_empty()));
    }
}

async fn events(chat: &Chat, who: &Principal, id: SessionId, after: u64) -> Vec<Arc<EventView>> {
    let (mut events, mut after) = (Vec::new(), Start::After(after.into()));
    loop {
        let page = chat.events(who, id, after, Some(100)).await.unwrap();
        events.extend(page.events.iter().cloned());
        if page.next().seq == page.head.seq {
            return events;
        }
        after = Start::After(page.next());
    }
}

#[tokio::test]
async fn a_thread_shows_what_each_message_says_now() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let root = say(&chat, &alice, id, "root").await;
    // Between the messages of the thread stand others with reactions, which belong to no entry of it.
    let first = reply(&chat, &bob, root.id, "first").await;
    let thumb = Emoji::new("\u{1f44d}").unwrap();
    for _ in 0..5 {
        let between = say(&chat, &bob, id, "between").await;
        chat.add_reaction(&alice, between.id, &thumb).await.unwrap();
    }
    let last = reply(&chat, &bob, root.id, "last").await;
    chat.add_reaction(&alice, last.id, &thumb).await.unwrap();
    chat.edit_message(&bob, first.id, EditMessage::text("edited")).await.unwrap();
    let thread = chat.thread(&bob, root.id, Page::FIRST).await.unwrap();
    assert_eq!(thread.iter().map(text_of).collect::<Vec<_>>(), ["root", "edited", "last"]);
    let reactions: Vec<_> = thread.iter().map(|message| message.reactions.as_ref().unwrap().len()).collect();
    assert_eq!(reactions, [0, 0, 1]);
}
