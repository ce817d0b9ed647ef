//! Messages that are kept for a time.

use std::{collections::BTreeMap, time::Duration};

use chatcore::{
    Clock,
    chat::{EditMessage, ListMentions},
    model::{Emoji, Message},
    store::{ChatStoreExt as _, ClientIds, Dues, Expiries},
};
use chrono::DateTime;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::*;
use crate::{hooked::Hooked, kit::in_time};

fn kept(lifetime: Option<u32>) -> UpdateSession {
    UpdateSession { message_lifetime: Some(lifetime), ..UpdateSession::default() }
}

fn quiet() -> Limits {
    Limits { rates: RateLimits::off(), due_interval: Duration::from_secs(3_600), ..Limits::default() }
}

/// Lets the work in the background come and find nothing to do.
pub(crate) async fn settle(chat: &Chat) {
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
            assert!(view.event.kind.rewritten().len() <= 200);
            if view.event.kind.is_deletion() {
                view.event.kind.rewritten().iter().for_each(|seq| *found.entry(*seq).or_default() += 1);
            }
        }
    }
}

/// Two processes on one store. Neither does what is due by itself.
async fn processes() -> (MemoryStore, [Chat; 2], TestClock) {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = || Chat::builder(store.clone()).clock(clock.clone()).limits(quiet()).build();
    let chats = [chat(), chat()];
    for chat in &chats {
        settle(chat).await;
    }
    (store, chats, clock)
}

async fn shown(chat: &Chat, who: &Principal, id: SessionId) -> Vec<String> {
    let page = chat.messages(who, id, MessageWindow::Newest, Some(100)).await.unwrap();
    let text = |message: &Message| match &message.body.content {
        Content::Text(text) => text.clone(),
        Content::Encrypted(_) => "?".to_owned(),
        Content::Deleted => "-".to_owned(),
    };
    page.messages.iter().map(text).collect()
}

async fn dues(store: &MemoryStore) -> usize {
    store.scan(&[Dues::under(Vec::new())]).await.unwrap()[0].len()
}

#[tokio::test]
async fn an_older_process_leaves_messages_that_it_does_not_know_to_a_newer_one() {
    let (store, clock, alice) = (Hooked::default(), TestClock::default(), user("alice"));
    let older = Chat::builder(store.clone()).clock(clock.clone()).limits(quiet()).build();
    let newer = Chat::builder(store.intact()).clock(clock.clone()).limits(quiet()).build();
    settle(&older).await;
    settle(&newer).await;
    let id = room(&newer, &alice, &[]).await;
    newer.update_session(&alice, id, kept(Some(60))).await.unwrap();
    assert_eq!(newer.run_due().await, Ok(0));
    let mut sent = Vec::new();
    for text in ["first", "second", "third"] {
        sent.push(say(&newer, &alice, id, text).await.seq);
    }
    *store.newer.lock().unwrap() = vec![sent[1]];
    clock.advance(TimeDelta::seconds(60));
    assert_eq!(older.run_due().await, Ok(1));
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(newer.run_due().await, Ok(2));
    assert_eq!(shown(&newer, &alice, id).await, ["-", "-", "-"]);
}

#[tokio::test]
async fn a_message_is_deleted_by_the_server_when_its_time_is_over() {
    let (_, [one, two], clock) = processes().await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&one, &alice, &[&bob]).await;
    one.update_session(&alice, id, kept(Some(60))).await.unwrap();
    assert_eq!(one.run_due().await, Ok(0));
    let first = say(&one, &bob, id, "first").await;
    clock.advance(TimeDelta::seconds(30));
    let second = say(&two, &alice, id, "second").await;
    clock.advance(TimeDelta::milliseconds(29_999));
    assert_eq!((one.run_due().await, two.run_due().await), (Ok(0), Ok(0)));
    assert_eq!(shown(&two, &bob, id).await, ["first", "second"]);
    clock.advance(TimeDelta::milliseconds(1));
    assert_eq!((two.run_due().await, one.run_due().await), (Ok(1), Ok(0)));
    assert_eq!(shown(&one, &bob, id).await, ["-", "second"]);
    let gone = one.message(&bob, first.id).await.unwrap();
    let now = chatcore::Clock::now(&clock);
    assert_eq!((gone.status, gone.revision, gone.number), (MessageStatus::Deleted { by: None, at: now }, 2, 1));
    let events = one.events(&bob, id, head(&one, &bob, id).await - 1, None).await.unwrap().events;
    let event = EventKind::Message(MessageEvent::Deleted { messages: vec![first.seq], expired: true });
    assert_eq!(events[0].event.kind, event);
    assert_eq!(events[0].event.actor, alice.user_id, "the owner stands for the server");
    let frame = serde_json::to_value(&*events[0]).unwrap();
    assert_eq!(frame["data"]["deleted_by"], serde_json::Value::Null);
    assert_eq!(frame["data"]["messages"], serde_json::json!([first.id.to_string()]));
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(one.run_due().await, Ok(1));
    assert_eq!(shown(&two, &bob, id).await, ["-", "-"]);
    // What is deleted is not deleted again, and what is edited does not stay longer.
    let third = say(&one, &bob, id, "third").await;
    clock.advance(TimeDelta::seconds(59));
    one.edit_message(&bob, third.id, EditMessage::text("edited")).await.unwrap();
    assert_eq!(one.run_due().await, Ok(0));
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(one.run_due().await, Ok(1));
    assert_eq!(one.message_revisions(&alice, third.id).await.unwrap(), []);
    assert_eq!(one.message(&alice, second.id).await.unwrap().revision, 2);
    assert_eq!(one.message(&alice, third.id).await.unwrap().revision, 3);
}

#[tokio::test]
async fn the_setting_counts_for_what_was_sent_before_and_can_be_taken_back() {
    let (store, [chat, other], clock) = processes().await;
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    say(&chat, &alice, id, "old").await;
    clock.advance(TimeDelta::days(2));
    say(&chat, &alice, id, "new").await;
    assert_eq!((chat.run_due().await, dues(&store).await), (Ok(0), 0), "without the setting there is no work");
    chat.update_session(&alice, id, kept(Some(86_400))).await.unwrap();
    let shown_as = chat.session(&alice, id).await.unwrap().summary.session;
    assert_eq!((shown_as.settings.message_lifetime, shown_as.needs), (Some(86_400), 1));
    assert_eq!(other.run_due().await, Ok(1));
    assert_eq!(shown(&chat, &alice, id).await, ["-", "new"]);
    // A shorter time counts at once, and leaves one record of work.
    clock.advance(TimeDelta::hours(2));
    say(&chat, &alice, id, "newest").await;
    other.update_session(&alice, id, kept(Some(3_600))).await.unwrap();
    assert_eq!(dues(&store).await, 2);
    assert_eq!((chat.run_due().await, dues(&store).await), (Ok(1), 1));
    assert_eq!(shown(&chat, &alice, id).await, ["-", "-", "newest"]);
    chat.update_session(&alice, id, kept(None)).await.unwrap();
    clock.advance(TimeDelta::days(2));
    assert_eq!((chat.run_due().await, dues(&store).await), (Ok(0), 0), "kept for ever, there is no work");
    assert_eq!(shown(&chat, &alice, id).await, ["-", "-", "newest"]);
    chat.update_session(&alice, id, kept(Some(60))).await.unwrap();
    assert_eq!((chat.run_due().await, dues(&store).await), (Ok(1), 1));
}

#[tokio::test]
async fn sweeps_are_a_part_of_the_lifetime_apart() {
    let (store, [chat, _], clock) = processes().await;
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    chat.update_session(&alice, id, kept(Some(6_000))).await.unwrap();
    for _ in 0..40 {
        say(&chat, &alice, id, "x").await;
        clock.advance(TimeDelta::seconds(10));
    }
    clock.advance(TimeDelta::seconds(6_000 - 400 - 1));
    let (mut sweeps, mut deleted) = (0, 0);
    for _ in 0..60 {
        clock.advance(TimeDelta::seconds(10));
        let now = chat.run_due().await.unwrap();
        sweeps += u64::from(now > 0);
        deleted += now;
    }
    assert_eq!(deleted, 40);
    // 40 messages in 400 seconds, a sixtieth of the lifetime is 100 seconds.
    assert!((4..=5).contains(&sweeps), "{sweeps}");
    assert_eq!(dues(&store).await, 1);
    let head = head(&chat, &alice, id).await;
    clock.advance(TimeDelta::days(30));
    assert_eq!(chat.run_due().await, Ok(0));
    assert_eq!(self::head(&chat, &alice, id).await, head, "a session without messages gets no events");
}

#[tokio::test]
async fn a_message_stays_an_hour_beyond_its_lifetime_at_the_most() {
    let (_, [chat, _], clock) = processes().await;
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    chat.update_session(&alice, id, kept(Some(864_000))).await.unwrap();
    assert_eq!(chat.run_due().await, Ok(0));
    for text in ["first", "second", "third"] {
        say(&chat, &alice, id, text).await;
        clock.advance(TimeDelta::minutes(30));
    }
    clock.advance(TimeDelta::days(10) - TimeDelta::minutes(90));
    assert_eq!(chat.run_due().await, Ok(1));
    // A sixtieth of ten days is four hours.
    clock.advance(TimeDelta::hours(1));
    assert_eq!(chat.run_due().await, Ok(2));
    assert_eq!(shown(&chat, &alice, id).await, ["-", "-", "-"]);
}

#[tokio::test]
async fn what_hangs_on_a_message_goes_with_it() {
    let (store, [chat, other], clock) = processes().await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let once = |text: &str| SendMessage::text(text).with_client_id(ClientId::new("c").unwrap());
    let root = say(&chat, &alice, id, "root").await;
    let reply = chat.send(&bob, id, SendMessage::text("@alice hello").in_reply_to(root.id)).await.unwrap();
    let named = chat.send(&bob, id, once("named")).await.unwrap();
    chat.pin_message(&alice, reply.id).await.unwrap();
    let emoji = Emoji::new("👍").unwrap();
    chat.add_reaction(&alice, reply.id, &emoji).await.unwrap();
    assert_eq!(chat.mentions(&alice, Page::FIRST, ListMentions::default()).await.unwrap().entries.len(), 1);
    chat.update_session(&alice, id, kept(Some(3_600))).await.unwrap();
    clock.advance(TimeDelta::seconds(3_600));
    let last = say(&chat, &alice, id, "last").await;
    assert_eq!(other.run_due().await, Ok(3));
    assert_eq!(shown(&chat, &bob, id).await, ["-", "-", "-", "last"]);
    assert_eq!(chat.pins(&alice, id).await.unwrap(), []);
    assert_eq!(chat.mentions(&alice, Page::FIRST, ListMentions::default()).await.unwrap().entries, []);
    let gone = chat.message(&alice, root.id).await.unwrap();
    assert_eq!(gone.thread.map(|thread| thread.replies), Some(0));
    assert_eq!(chat.message(&alice, reply.id).await.unwrap().reactions, Some(Vec::new()));
    assert_eq!(chat.send(&bob, id, SendMessage::text("x").in_reply_to(root.id)).await, Err(Error::MessageDeleted));
    // The client id stays taken: a retry gets what is left, and sends nothing.
    for text in ["named", "another text"] {
        assert_eq!(chat.send(&bob, id, once(text)).await.unwrap().id, named.id);
    }
    let used = ClientIds { session: id, user: bob.user_id.clone(), client_id: ClientId::new("c").unwrap() };
    let used = store.get(&used).await.unwrap().unwrap().value;
    assert_eq!((used.seq, &used.fingerprint), (Some(named.seq), &None), "a fingerprint tells of the text");
    assert_eq!(chat.message(&bob, last.id).await.unwrap().revision, 1);
}

#[tokio::test]
async fn messages_go_from_archived_and_deleted_sessions_too() {
    let (store, [chat, _], clock) = processes().await;
    let alice = user("alice");
    let (archived, deleted) = (room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await);
    for id in [archived, deleted] {
        say(&chat, &alice, id, "x").await;
        chat.update_session(&alice, id, kept(Some(60))).await.unwrap();
    }
    chat.archive_session(&alice, archived).await.unwrap();
    chat.delete_session(&alice, deleted).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    assert_eq!((chat.run_due().await, dues(&store).await), (Ok(2), 1), "in a deleted session no message can follow");
    assert_eq!(shown(&chat, &alice, archived).await, ["-"]);
    chat.restore_session(&alice, deleted).await.unwrap();
    assert_eq!(shown(&chat, &alice, deleted).await, ["-"]);
    say(&chat, &alice, deleted, "y").await;
    clock.advance(TimeDelta::seconds(60));
    assert_eq!(chat.run_due().await, Ok(1));
    assert_eq!(shown(&chat, &alice, deleted).await, ["-", "-"]);
}

#[tokio::test]
async fn many_old_messages_go_in_parts_and_other_work_has_its_turn() {
    let (store, [chat, _], clock) = processes().await;
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    for _ in 0..2_450 {
        say(&chat, &alice, id, "x").await;
    }
    chat.update_session(&alice, id, kept(Some(60))).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    let mut parts = Vec::new();
    loop {
        match chat.run_due().await.unwrap() {
            0 => break,
            deleted => parts.push(deleted),
        }
        clock.advance(TimeDelta::microseconds(1));
    }
    assert_eq!(parts.iter().sum::<u64>(), 2_450);
    assert_eq!(parts.len(), 2, "{parts:?}");
    assert_eq!(deletions(&chat, &alice, id).await.len(), 2_450);
    assert_eq!(dues(&store).await, 1);
}

/// A clock that goes on for a minute with each look.
struct Hurried(TestClock);

impl Clock for Hurried {
    fn now(&self) -> DateTime<Utc> {
        self.0.advance(TimeDelta::seconds(61));
        self.0.now()
    }

    fn new_id(&self) -> Uuid {
        self.0.new_id()
    }

    fn reaches(&self, time: DateTime<Utc>) -> BoxFuture<'_, ()> {
        self.0.reaches(time)
    }
}

#[tokio::test]
async fn a_run_ends_although_its_work_is_due_again() {
    let (store, [chat, _], clock) = processes().await;
    let alice = user("alice");
    // As many as a run reads at once.
    for _ in 0..100 {
        let id = room(&chat, &alice, &[]).await;
        chat.update_session(&alice, id, kept(Some(60))).await.unwrap();
    }
    let other = Chat::builder(store.clone()).clock(Hurried(clock)).limits(quiet()).build();
    assert_eq!(in_time(other.run_due()).await, Ok(0));
    assert_eq!(dues(&store).await, 100);
}

/// Two processes at once, again and again, with senders who edit and delete meanwhile: each message goes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_processes_delete_each_message_once() {
    let (store, chats, clock) = processes().await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chats[0], &alice, &[&bob]).await;
    chats[0].update_session(&alice, id, kept(Some(60))).await.unwrap();
    let mut expected = BTreeMap::new();
    for round in 0..20_u32 {
        let mut sent = Vec::new();
        for n in 0..12 {
            sent.push(say(&chats[n % 2], &bob, id, "x").await);
        }
        expected.extend(sent.iter().map(|message| (message.seq, 1)));
        clock.advance(TimeDelta::seconds(60));
        let runs = [0, 1, 0, 1].map(|n| {
            let chat = chats[n].clone();
            tokio::spawn(async move { chat.run_due().await.unwrap() })
        });
        let (chat, author, edited) = (chats[1].clone(), bob.clone(), sent[3].id);
        let edit = tokio::spawn(async move { chat.edit_message(&author, edited, EditMessage::text("edited")).await });
        let (chat, author, own) = (chats[0].clone(), bob.clone(), sent[5].id);
        let delete = tokio::spawn(async move { chat.delete_message(&author, own, None).await });
        chats[0].update_session(&alice, id, kept(Some(60 + round % 2))).await.unwrap();
        for run in runs {
            run.await.unwrap();
        }
        let edit = edit.await.unwrap();
        assert!(matches!(edit, Ok(_) | Err(Error::MessageDeleted)), "{edit:?}");
        delete.await.unwrap().unwrap();
        clock.advance(TimeDelta::seconds(31));
        chats[0].run_due().await.unwrap();
        assert_eq!(dues(&store).await, 1, "{round}");
        for message in sent {
            assert_eq!(chats[1].message(&alice, message.id).await.unwrap().body.content, Content::Deleted);
        }
    }
    assert_eq!(deletions(&chats[1], &alice, id).await, expected);
}

/// A process that ends in the middle loses nothing: another one goes on when the lease is over.
#[tokio::test]
async fn another_process_goes_on_with_what_a_process_left() {
    let (store, clock) = (Hooked::default(), TestClock::default());
    let build = || Chat::builder(store.clone()).clock(clock.clone()).limits(quiet()).build();
    let (ended, alice) = (build(), user("alice"));
    let id = room(&ended, &alice, &[]).await;
    for _ in 0..450 {
        say(&ended, &alice, id, "x").await;
    }
    ended.update_session(&alice, id, kept(Some(60))).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    let before = head(&ended, &alice, id).await;
    let (reached, mut waits) = tokio::sync::mpsc::channel::<()>(1);
    *store.commits_of.lock().unwrap() = Some(Expiries::TABLE.name);
    store.before_commit.once(async {});
    store.before_commit.once(async move {
        reached.send(()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let chat = ended.clone();
    let task = tokio::spawn(async move { chat.run_due().await });
    waits.recv().await.unwrap();
    task.abort();
    let other = build();
    settle(&other).await;
    assert_eq!(head(&other, &alice, id).await, before + 1, "the first part is done");
    assert_eq!(other.run_due().await, Ok(0), "the lease goes on");
    clock.advance(TimeDelta::seconds(30));
    // The rows before the first messages are among the first 200.
    assert_eq!(other.run_due().await, Ok(251));
    assert_eq!(deletions(&other, &alice, id).await, (2..=451).map(|seq| (seq, 1)).collect());
}

#[tokio::test]
async fn a_lifetime_has_bounds_and_belongs_to_those_who_manage() {
    let limits = Limits {
        message_lifetime_min: Duration::from_secs(5),
        message_lifetime_max: Duration::from_secs(10),
        ..quiet()
    };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for lifetime in [0, 4, 11, u32::MAX] {
        let changed = chat.update_session(&alice, id, kept(Some(lifetime))).await;
        assert_fault(changed, "message_lifetime", Code::ValidationInvalidValue);
    }
    assert_denied(chat.update_session(&bob, id, kept(Some(5))).await, Denial::RoleInsufficient);
    for lifetime in [Some(5), Some(10), None] {
        let shown = chat.update_session(&alice, id, kept(lifetime)).await.unwrap().summary.session;
        assert_eq!(shown.settings.message_lifetime, lifetime);
        let before = head(&chat, &alice, id).await;
        chat.update_session(&alice, id, kept(lifetime)).await.unwrap();
        assert_eq!(head(&chat, &alice, id).await, before, "the same again changes nothing");
    }
    let usual = Chat::in_memory();
    let id = room(&usual, &alice, &[]).await;
    for (lifetime, is_allowed) in [(59, false), (60, true), (31_536_000, true), (31_536_001, false)] {
        assert_eq!(usual.update_session(&alice, id, kept(Some(lifetime))).await.is_ok(), is_allowed, "{lifetime}");
    }
}
