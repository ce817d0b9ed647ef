//! The deletion of all messages of a user.

mod kept;

use std::{collections::BTreeMap, time::Duration};

use chatcore::{
    chat::{EditMessage, ListMentions},
    model::{Emoji, MessageDeletion, ModerationAction},
    store::{Dues, Purges},
};

use super::*;
use crate::hooked::Hooked;

fn quiet() -> Limits {
    Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..Limits::default() }
}

fn process(store: &(impl ChatStore + Clone), clock: &TestClock) -> Chat {
    Chat::builder(store.clone()).clock(clock.clone()).limits(quiet()).build()
}

/// Lets the work in the background come and find nothing to do.
async fn settle(chat: &Chat) {
    chat.me(&user("early")).await.unwrap();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// How often each message was deleted, by its position.
async fn deletions(chat: &Chat, who: &Principal, id: SessionId) -> BTreeMap<u64, u64> {
    let (mut after, mut found) = (0, BTreeMap::new());
    loop {
        let page = chat.events(who, id, after, Some(100)).await.unwrap();
        let Some(last) = page.events.last() else { return found };
        after = last.event.seq;
        for view in &page.events {
            assert!(view.event.kind.rewritten().len() < 300);
            if view.event.kind.is_deletion() {
                view.event.kind.rewritten().iter().for_each(|seq| *found.entry(*seq).or_default() += 1);
            }
        }
    }
}

fn answer(id: SessionId, user: &Principal, deleted: u64, is_done: bool) -> MessageDeletion {
    MessageDeletion { session_id: id, user_id: user.user_id.clone(), deleted, is_done }
}

async fn dues(store: &impl ChatStore) -> usize {
    store.scan(&[Dues::under(Vec::new())]).await.unwrap()[0].len()
}

async fn admin_of(chat: &Chat, owner: &Principal, id: SessionId, admin: &Principal) {
    chat.change_role(owner, id, &admin.user_id, ADMIN).await.unwrap();
}

#[tokio::test]
async fn all_messages_of_one_user_go_with_all_that_hangs_on_them() {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let (alice, adam, bob) = (user("alice"), user("adam"), user("bob"));
    let id = room(&chat, &alice, &[&adam, &bob]).await;
    admin_of(&chat, &alice, id, &adam).await;
    let once = |text: &str| SendMessage::text(text).with_client_id(ClientId::new("c").unwrap());
    let root = say(&chat, &alice, id, "root").await;
    let reply = chat.send(&bob, id, SendMessage::text("@alice hidden-one").in_reply_to(root.id)).await.unwrap();
    let edited = say(&chat, &bob, id, "hidden-two").await;
    chat.edit_message(&bob, edited.id, EditMessage::text("hidden-three")).await.unwrap();
    let named = chat.send(&bob, id, once("hidden-four")).await.unwrap();
    let gone = say(&chat, &bob, id, "hidden-five").await;
    chat.delete_message(&bob, gone.id, None).await.unwrap();
    chat.pin_message(&alice, reply.id).await.unwrap();
    chat.add_reaction(&alice, reply.id, &Emoji::new("👍").unwrap()).await.unwrap();
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    let before = head(&chat, &alice, id).await;
    assert_eq!(chat.delete_messages_of(&adam, id, &bob.user_id).await.unwrap(), answer(id, &bob, 3, true));
    assert_eq!(head(&chat, &alice, id).await, before + 1, "one event for all");
    let event = kit::next(&mut events).await;
    let messages = vec![reply.seq, edited.seq, named.seq];
    let told = EventKind::Message(MessageEvent::Deleted { messages: messages.clone(), expired: false });
    assert_eq!((&event.event.kind, &event.event.actor), (&told, &adam.user_id));
    for (message, by) in [(reply.id, &adam), (edited.id, &adam), (named.id, &adam), (gone.id, &bob)] {
        let shown = chat.message(&alice, message).await.unwrap();
        assert_eq!(shown.body.content, Content::Deleted);
        let MessageStatus::Deleted { by: deleted_by, .. } = shown.status else { panic!("{shown:?}") };
        assert_eq!(deleted_by.as_ref(), Some(&by.user_id));
    }
    assert_eq!(text_of(&chat.message(&alice, root.id).await.unwrap()), "root");
    assert_eq!(chat.message(&alice, root.id).await.unwrap().thread.map(|thread| thread.replies), Some(0));
    assert_eq!(chat.message_revisions(&alice, edited.id).await.unwrap(), []);
    assert_eq!(chat.pins(&alice, id).await.unwrap(), []);
    assert_eq!(chat.mentions(&alice, Page::FIRST, ListMentions::default()).await.unwrap().entries, []);
    assert_eq!(chat.message(&alice, reply.id).await.unwrap().reactions, Some(Vec::new()));
    for text in ["hidden-four", "another text"] {
        assert_eq!(chat.send(&bob, id, once(text)).await.unwrap().id, named.id, "the client id stays taken");
    }
    let tables = chatcore::store::TABLES.iter();
    let scans: Vec<_> = tables
        .map(|table| chatcore::store::Scan {
            table,
            prefix: Vec::new(),
            after: None,
            skip: 0,
            limit: u64::MAX,
            shows_unreadable: false,
        })
        .collect();
    let log = store.log(&[chatcore::store::LogRange { session_id: id, from: 1, to: 100 }]).await.unwrap();
    let everything = format!("{:?} {log:?}", store.scan(&scans).await.unwrap());
    assert!(!everything.contains("hidden-"), "a deleted text is nowhere");
    // Again: nothing is left, and nothing happens.
    let before = head(&chat, &alice, id).await;
    assert_eq!(chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap(), answer(id, &bob, 3, true));
    assert_eq!((head(&chat, &alice, id).await, dues(&store).await), (before, 0));
    say(&chat, &bob, id, "one more").await;
    assert_eq!(chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap(), answer(id, &bob, 4, true));
    let log = chat.moderation_log(&alice, id, Page::FIRST).await.unwrap().entries;
    let told: Vec<_> = log.iter().map(|entry| (entry.actor.user_id.as_str(), entry.action, entry.count)).collect();
    let action = ModerationAction::MessagesDeleted;
    assert_eq!(told, [("alice", action, Some(1)), ("adam", action, Some(3))]);
}

#[tokio::test]
async fn the_matrix_decides_and_nobody_but_the_owner_deletes_the_owners_messages() {
    let chat = uncounted(MemoryStore::new());
    let (alice, adam, bob, eve) = (user("alice"), user("adam"), user("bob"), user("eve"));
    let id = room(&chat, &alice, &[&adam, &bob]).await;
    admin_of(&chat, &alice, id, &adam).await;
    chat.me(&eve).await.unwrap();
    say(&chat, &alice, id, "of the owner").await;
    say(&chat, &adam, id, "of the admin").await;
    let before = head(&chat, &alice, id).await;
    assert_denied(chat.delete_messages_of(&bob, id, &bob.user_id).await, Denial::NotModerator);
    assert_denied(chat.delete_messages_of(&eve, id, &bob.user_id).await, Denial::NotParticipant);
    assert_denied(chat.delete_messages_of(&adam, id, &alice.user_id).await, Denial::OwnerProtected);
    assert_denied(chat.delete_messages_of(&adam, id, &eve.user_id).await, Denial::TargetNotParticipant);
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    assert_denied(chat.delete_messages_of(&adam, hidden, &alice.user_id).await, Denial::Hidden);
    chat.archive_session(&alice, id).await.unwrap();
    assert_denied(chat.delete_messages_of(&adam, id, &bob.user_id).await, Denial::Archived);
    chat.unarchive_session(&alice, id).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, before + 2, "a denial changes nothing");
    assert_eq!(chat.delete_messages_of(&alice, id, &alice.user_id).await.unwrap(), answer(id, &alice, 1, true));
    assert_eq!(chat.delete_messages_of(&adam, id, &adam.user_id).await.unwrap(), answer(id, &adam, 1, true));
    // Also of a user who is no longer there.
    say(&chat, &bob, id, "and gone").await;
    chat.remove_participant(&adam, id, &bob.user_id).await.unwrap();
    assert_eq!(chat.delete_messages_of(&adam, id, &bob.user_id).await.unwrap(), answer(id, &bob, 1, true));
}

/// A call does a part, says so, and the server goes on.
#[tokio::test]
async fn a_long_deletion_goes_on_in_the_background() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let (chat, other) = (process(&store, &clock), process(&store, &clock));
    settle(&other).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut expected = BTreeMap::new();
    for n in 0..3_000 {
        let who = if n % 100 == 99 { &alice } else { &bob };
        let sent = say(&chat, who, id, "x").await;
        expected.extend((n % 100 != 99).then_some((sent.seq, 1)));
    }
    let part = chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    assert!(!part.is_done && (1_900..2_970).contains(&part.deleted), "{part:?}");
    // What is said meanwhile is not meant.
    let later = say(&chat, &bob, id, "later").await;
    assert!(other.run_due().await.unwrap() > 0);
    assert_eq!(text_of(&chat.message(&alice, later.id).await.unwrap()), "later");
    assert_eq!((deletions(&chat, &alice, id).await, dues(&store).await), (expected.clone(), 0));
    // Now it is.
    let rest = chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    assert_eq!(rest, answer(id, &bob, 2_971, true));
    expected.insert(later.seq, 1);
    assert_eq!(deletions(&other, &alice, id).await, expected);
}

/// A process that ends in the middle loses nothing: another one goes on when the lease is over.
#[tokio::test]
async fn another_process_goes_on_with_what_a_process_left() {
    let (store, clock) = (Hooked::default(), TestClock::default());
    let (ended, alice, bob) = (process(&store, &clock), user("alice"), user("bob"));
    let id = room(&ended, &alice, &[&bob]).await;
    let mut expected = BTreeMap::new();
    for _ in 0..450 {
        expected.insert(say(&ended, &bob, id, "x").await.seq, 1);
    }
    let before = head(&ended, &alice, id).await;
    let (reached, mut waits) = tokio::sync::mpsc::channel::<()>(1);
    *store.commits_of.lock().unwrap() = Some(Purges::TABLE.name);
    // The wish, then the first part; the second part never comes.
    store.before_commit.once(async {});
    store.before_commit.once(async {});
    store.before_commit.once(async move {
        reached.send(()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let (chat, by, target) = (ended.clone(), alice.clone(), bob.user_id.clone());
    let task = tokio::spawn(async move { chat.delete_messages_of(&by, id, &target).await });
    waits.recv().await.unwrap();
    task.abort();
    drop(ended);
    let other = process(&store, &clock);
    settle(&other).await;
    assert_eq!(head(&other, &alice, id).await, before + 1, "the first part is done");
    assert_eq!(other.run_due().await, Ok(0), "the lease goes on");
    // Whoever asks meanwhile learns how far it is.
    let asked = other.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    assert!(!asked.is_done && (1..450).contains(&asked.deleted), "{asked:?}");
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(other.run_due().await, Ok(450 - asked.deleted));
    assert_eq!(deletions(&other, &alice, id).await, expected, "each once");
    let done = other.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    assert_eq!(done, answer(id, &bob, 450, true));
    let log = other.moderation_log(&alice, id, Page::FIRST).await.unwrap().entries;
    assert_eq!(log.iter().map(|entry| entry.count).collect::<Vec<_>>(), [Some(450)]);
}

/// A message of a kind that only a newer version knows is neither deleted nor passed over.
#[tokio::test]
async fn an_older_process_leaves_messages_that_it_does_not_know_to_a_newer_one() {
    let (store, clock) = (Hooked::default(), TestClock::default());
    let (older, newer) = (process(&store, &clock), process(&store.intact(), &clock));
    settle(&newer).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&newer, &alice, &[&bob]).await;
    let mut sent = Vec::new();
    for text in ["first", "second", "third"] {
        sent.push(say(&newer, &bob, id, text).await.seq);
    }
    *store.newer.lock().unwrap() = vec![sent[1]];
    let asked = older.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    assert_eq!(asked, answer(id, &bob, 1, false));
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(newer.run_due().await, Ok(2));
    let done = newer.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    assert_eq!(done, answer(id, &bob, 3, true));
}

/// Two moderators in two processes at once, and an author who edits, deletes and sends meanwhile: each message goes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_moderators_delete_each_message_once() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chats = [process(&store, &clock), process(&store, &clock)];
    let (alice, adam, bob) = (user("alice"), user("adam"), user("bob"));
    let id = room(&chats[0], &alice, &[&adam, &bob]).await;
    admin_of(&chats[0], &alice, id, &adam).await;
    for _ in 0..15 {
        let mut sent = Vec::new();
        for n in 0..10 {
            sent.push(say(&chats[n % 2], &bob, id, "x").await);
        }
        let runs = [(0, &alice), (1, &adam), (1, &alice), (0, &adam)].map(|(n, who)| {
            let (chat, who, target) = (chats[n].clone(), who.clone(), bob.user_id.clone());
            tokio::spawn(async move { chat.delete_messages_of(&who, id, &target).await })
        });
        let (chat, author, edited) = (chats[1].clone(), bob.clone(), sent[3].id);
        let edit = tokio::spawn(async move { chat.edit_message(&author, edited, EditMessage::text("edited")).await });
        let (chat, author, own) = (chats[0].clone(), bob.clone(), sent[5].id);
        let delete = tokio::spawn(async move { chat.delete_message(&author, own, None).await });
        for run in runs {
            run.await.unwrap().unwrap();
        }
        let edit = edit.await.unwrap();
        assert!(matches!(edit, Ok(_) | Err(Error::MessageDeleted)), "{edit:?}");
        delete.await.unwrap().unwrap();
        clock.advance(TimeDelta::seconds(31));
        chats[0].run_due().await.unwrap();
        assert_eq!(dues(&store).await, 0);
        for message in sent {
            assert_eq!(chats[1].message(&alice, message.id).await.unwrap().body.content, Content::Deleted);
        }
    }
    let counts = deletions(&chats[0], &alice, id).await;
    assert!(counts.len() == 150 && counts.values().all(|count| *count == 1), "{counts:?}");
}

/// An owner who demotes an admin stops what the admin began.
#[tokio::test]
async fn a_deletion_ends_with_the_right_to_it() {
    let (store, clock) = (Hooked::default(), TestClock::default());
    let (chat, owner_side) = (process(&store, &clock), process(&store.intact(), &clock));
    let (alice, adam, bob) = (user("alice"), user("adam"), user("bob"));
    let id = room(&chat, &alice, &[&adam, &bob]).await;
    admin_of(&chat, &alice, id, &adam).await;
    for _ in 0..450 {
        say(&chat, &bob, id, "x").await;
    }
    *store.commits_of.lock().unwrap() = Some(Purges::TABLE.name);
    store.before_commit.once(async {});
    store.before_commit.once(async {});
    let (by, demoted) = (alice.clone(), adam.user_id.clone());
    store.before_commit.once(async move {
        owner_side.change_role(&by, id, &demoted, MEMBER).await.unwrap();
    });
    let stopped = chat.delete_messages_of(&adam, id, &bob.user_id).await.unwrap();
    assert!(stopped.is_done && (100..300).contains(&stopped.deleted), "{stopped:?}");
    assert_eq!(deletions(&chat, &alice, id).await.len() as u64, stopped.deleted);
    assert_eq!(dues(&store).await, 0);
    // The owner goes on from there.
    let done = chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
    assert_eq!(done, answer(id, &bob, 450, true));
}

/// A restored backup can have the record of a deletion without its work.
#[tokio::test]
async fn a_deletion_whose_work_is_missing_begins_again() {
    let (store, clock) = (Breakable::default(), TestClock::default());
    let chat = process(&store, &clock);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    say(&chat, &bob, id, "x").await;
    *store.broken.lock().unwrap() = Some(id);
    assert_eq!(chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap(), answer(id, &bob, 0, false));
    *store.broken.lock().unwrap() = None;
    let works = store.scan(&[Dues::under(Vec::new())]).await.unwrap().remove(0);
    let removed = works.iter().map(|(key, _)| Dues::from_parts(&key.parts).unwrap().remove()).collect();
    store.commit(Change::of_records(removed)).await.unwrap();
    assert_eq!((works.len(), dues(&store).await), (1, 0));
    assert_eq!(chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap(), answer(id, &bob, 1, true));
    assert_eq!((deletions(&chat, &alice, id).await.len(), dues(&store).await), (1, 0));
}

/// An error after the wish was taken down is no failure: the work goes on.
#[tokio::test]
async fn what_fails_in_the_middle_is_done_later() {
    let (store, clock) = (Breakable::default(), TestClock::default());
    let chat = process(&store, &clock);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    say(&chat, &bob, id, "x").await;
    *store.broken.lock().unwrap() = Some(id);
    assert_eq!(chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap(), answer(id, &bob, 0, false));
    *store.broken.lock().unwrap() = None;
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(chat.run_due().await, Ok(1));
    assert_eq!(chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap(), answer(id, &bob, 1, true));
}
