//! The part of the history that a participant sees.

mod model;
mod rule;
mod streams;

use chatcore::{
    chat::{AllDelivery, Delivery, EditMessage, EventView, ListMentions, Position, SanctionUser, Start, Subscription},
    model::{Bound, Cursor, Emoji, HistoryVisibility::SinceJoining, Message, MessagePage, Seq, Unread},
    store::{Participants, Record, Sessions},
};
use futures_util::StreamExt as _;

use super::{
    hooked::Hooked,
    kit::{in_time, next},
    *,
};

/// What stands in each text from before the newcomer came.
const SECRET: &str = "secret";

const fn seeing(history_visibility: HistoryVisibility) -> UpdateSession {
    UpdateSession {
        title: None,
        description: None,
        session_type: None,
        max_participants: None,
        slow_mode_seconds: None,
        message_lifetime: None,
        history_visibility: Some(history_visibility),
        tags: None,
        avatar_url: None,
        metadata: None,
        receipts: None,
    }
}

fn hiding(title: &str) -> CreateSession {
    let history_visibility = SinceJoining;
    CreateSession { history_visibility, ..CreateSession::titled(title).of_type(SessionType::Public) }
}

fn thumb() -> Emoji {
    Emoji::new("👍").unwrap()
}

async fn reply(chat: &Chat, who: &Principal, to: MessageId, text: &str) -> Message {
    chat.send(who, to.session_id, SendMessage::text(text).in_reply_to(to)).await.unwrap()
}

/// All that a reader is told by an event, as a client of Rust and as a client of the wire gets it.
fn told(view: &EventView) -> String {
    format!("{view:?} {:?} {}", view.message(), serde_json::to_string(view).unwrap())
}

/// The messages that a stream has ready now.
async fn ready(events: &mut Subscription) -> Vec<std::sync::Arc<EventView>> {
    let mut found = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(std::time::Duration::from_millis(300), events.next_event()).await {
        found.push(event.unwrap());
    }
    found
}

async fn texts(chat: &Chat, who: &Principal, id: SessionId, window: MessageWindow) -> Vec<String> {
    let page = chat.messages(who, id, window, None).await.unwrap();
    page.messages.iter().map(|message| text_of(message).to_owned()).collect()
}

/// A session with a past: Bob was in it, left, and came back. Of what the past holds Bob sees nothing.
struct Past {
    chat: Chat,
    store: MemoryStore,
    alice: Principal,
    bob: Principal,
    id: SessionId,
    /// A message of Alice's with a reply, a pin and a reaction, which is edited after Bob has come back.
    root: MessageId,
    /// A message of Bob's with the client id `old`.
    own: MessageId,
    /// What came before Bob came back.
    before: Vec<MessageId>,
    /// The position with which Bob came back.
    first: Seq,
    /// What was said since then.
    since: Vec<Message>,
    /// Another session with all of its history, for copies.
    other: SessionId,
}

fn old() -> ClientId {
    ClientId::new("old").unwrap()
}

fn old_message() -> SendMessage {
    SendMessage::text("secret own").with_client_id(old())
}

async fn past() -> Past {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let [alice, bob] = ["alice", "bob"].map(|name| Principal { username: Some(name.to_owned()), ..user(name) });
    let id = id_of(&chat.create_session(&alice, hiding("A past")).await.unwrap());
    let other = room(&chat, &alice, &[&bob]).await;
    chat.join(&bob, id).await.unwrap();
    let own = chat.send(&bob, id, old_message()).await.unwrap().id;
    let root = say(&chat, &alice, id, "secret root @bob").await.id;
    let answer = reply(&chat, &alice, root, "secret reply").await.id;
    let named = say(&chat, &alice, id, "secret call for @bob").await.id;
    chat.pin_message(&alice, root).await.unwrap();
    chat.add_reaction(&alice, root, &thumb()).await.unwrap();
    chat.edit_message(&alice, answer, EditMessage::text("secret edited")).await.unwrap();
    chat.leave(&bob, id).await.unwrap();
    let gone = say(&chat, &alice, id, "secret meanwhile").await.id;
    let first = chat.join(&bob, id).await.unwrap().cursor.seq;
    let role = chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    assert!(role.is_active);
    let mut since = vec![say(&chat, &alice, id, "open one").await];
    chat.edit_message(&alice, root, EditMessage::text("secret edited later @bob")).await.unwrap();
    since.push(reply(&chat, &alice, root, "open reply to the past").await);
    since.push(reply(&chat, &alice, since[0].id, "open reply").await);
    chat.pin_message(&alice, since[0].id).await.unwrap();
    let copy = chat.forward_message(&alice, since[0].id, other, None).await.unwrap();
    assert!(copy.body.origin.is_some());
    let before = vec![own, root, answer, named, gone];
    Past { chat, store, alice, bob, id, root, own, before, first, since, other }
}

/// Everything that a reader can ask for without the id of a message, as text.
async fn everything(past: &Past, who: &Principal) -> Vec<(&'static str, String)> {
    let Past { chat, id, first, since, .. } = past;
    let id = *id;
    let shown = |value: &dyn std::fmt::Debug| format!("{value:?}");
    let mut all = vec![
        ("session", shown(&chat.session(who, id).await.unwrap())),
        ("newest", shown(&chat.session(who, id).await.unwrap().newest())),
        ("sessions", shown(&chat.sessions(who, Page::FIRST).await.unwrap())),
        ("details", shown(&chat.details_by_id(who, &[id]).await.unwrap())),
        ("summaries", shown(&chat.sessions_by_id(who, &[id]).await.unwrap())),
        ("overviews", shown(&chat.overviews_by_id(who, &[id]).await.unwrap())),
        ("pins", shown(&chat.pins(who, id).await.unwrap())),
        ("threads", shown(&chat.threads(who, id, Page::FIRST).await.unwrap())),
        ("threads after skipping", shown(&chat.threads(who, id, Page { skip: 1, ..Page::FIRST }).await.unwrap())),
        ("followed threads", shown(&chat.followed_threads(who, id, Page::FIRST).await.unwrap())),
        ("mentions", shown(&chat.mentions(who, Page::FIRST, ListMentions::default()).await.unwrap())),
        ("participants", shown(&chat.participants(who, id, Page::FIRST, true).await.unwrap())),
    ];
    let (times, head) = ((since[0].created_at, TimeDelta::days(1)), head(chat, who, id).await);
    let windows = [
        MessageWindow::Skip(0),
        MessageWindow::Skip(1),
        MessageWindow::Newest,
        MessageWindow::Before(Bound::Seq(head)),
        MessageWindow::Before(Bound::Seq(head + 1)),
        MessageWindow::Before(Bound::Seq(*first)),
        MessageWindow::Before(Bound::Seq(first - 1)),
        MessageWindow::Before(Bound::Cursor(since[1].cursor())),
        MessageWindow::Before(Bound::Time(times.0 + times.1)),
        MessageWindow::Before(Bound::Time(times.0 - times.1)),
        MessageWindow::After(Bound::Seq(0)),
        MessageWindow::After(Bound::Seq(1)),
        MessageWindow::After(Bound::Seq(*first)),
        MessageWindow::After(Bound::Cursor(since[0].cursor())),
        MessageWindow::After(Bound::Time(times.0 - times.1)),
    ];
    for window in windows {
        for limit in [None, Some(1), Some(3)] {
            all.push(("messages", shown(&chat.messages(who, id, window, limit).await.unwrap())));
        }
    }
    for message in since {
        for skip in 0..3 {
            let page = Page { skip, ..Page::FIRST };
            all.push(("thread", shown(&chat.thread(who, message.id, page).await.unwrap())));
        }
    }
    all
}

/// The same for events.
async fn all_events(past: &Past, who: &Principal, start: Seq) -> Vec<(&'static str, String)> {
    let Past { chat, id, .. } = past;
    let mut all = Vec::new();
    for start in [Start::Beginning, Start::from(start)] {
        let mut page = chat.events(who, *id, start, Some(3)).await.unwrap();
        assert_eq!(page.after.seq, start_of(start).max(page.after.seq));
        while !page.events.is_empty() {
            all.extend(page.events.iter().map(|view| ("events", told(view))));
            page = chat.events(who, *id, page.next(), Some(3)).await.unwrap();
        }
        let mut events = chat.subscribe(who, *id, start).await.unwrap();
        all.extend(ready(&mut events).await.iter().map(|view| ("subscribe", told(view))));
    }
    let mut stream = chat.subscribe_all(who, &[Position::new(*id, start)]).await.unwrap();
    while let Ok(Some(delivery)) = tokio::time::timeout(std::time::Duration::from_millis(300), stream.next()).await {
        match delivery.unwrap() {
            AllDelivery::Delivered(Delivery::Event(view)) => all.push(("subscribe_all", told(&view))),
            AllDelivery::Subscribed(_) | AllDelivery::Delivered(Delivery::Signal(_)) => {}
            other @ (AllDelivery::Ended { .. } | AllDelivery::LeftOut { .. }) => panic!("{other:?}"),
        }
    }
    all
}

const fn start_of(start: Start) -> Seq {
    match start {
        Start::Now | Start::Beginning => 0,
        Start::After(after) => after.seq,
    }
}

#[tokio::test]
async fn no_read_shows_a_newcomer_a_text_from_before() {
    let past = past().await;
    let Past { chat, alice, bob, id, first, .. } = &past;
    // Alice made the session and sees all: each of these reads would show a secret.
    let of_alice = everything(&past, alice).await;
    for name in ["session", "newest", "details", "pins", "threads", "followed threads", "messages", "thread"] {
        assert!(of_alice.iter().any(|(read, text)| *read == name && text.contains(SECRET)), "{name} shows the past");
    }
    let of_alice = all_events(&past, alice, 0).await;
    for name in ["events", "subscribe", "subscribe_all"] {
        assert!(of_alice.iter().any(|(read, text)| *read == name && text.contains(SECRET)), "{name} shows the past");
    }
    let of_bob = [everything(&past, bob).await, all_events(&past, bob, first - 1).await].concat();
    for (name, text) in &of_bob {
        assert!(!text.contains(SECRET), "{name} shows what Bob does not see: {text}");
    }
    for name in ["session", "pins", "threads", "messages", "thread", "events", "subscribe", "subscribe_all"] {
        assert!(of_bob.iter().any(|(read, text)| *read == name && text.contains("open")), "{name} shows the rest");
    }
    // The setting is all that hides it.
    chat.update_session(alice, *id, seeing(HistoryVisibility::All)).await.unwrap();
    let of_bob = [everything(&past, bob).await, all_events(&past, bob, 0).await].concat();
    let reads = ["session", "newest", "pins", "threads", "followed threads", "mentions", "messages", "thread"];
    for name in reads.into_iter().chain(["events", "subscribe"]) {
        assert!(
            of_bob.iter().any(|(read, text)| *read == name && text.contains(SECRET)),
            "{name} shows the past again"
        );
    }
}

#[tokio::test]
async fn a_message_from_before_is_a_message_that_is_not_there() {
    let past = past().await;
    let Past { chat, store, bob, id, root, own, before, since, other, .. } = &past;
    let head_before = head(chat, bob, *id).await;
    let there_is_none = MessageId { session_id: *id, seq: head_before + 100 };
    let emoji = thumb();
    for message in before.iter().copied().chain([there_is_none]) {
        let answers = [
            chat.message(bob, message).await.map(drop),
            chat.messages_by_id(bob, &[message]).await.unwrap().remove(0).map(drop),
            chat.thread(bob, message, Page::FIRST).await.map(drop),
            chat.message_revisions(bob, message).await.map(drop),
            chat.revisions_of(bob, &[message]).await.unwrap().remove(0).map(drop),
            chat.reactors(bob, message, &emoji, Page::FIRST).await.map(drop),
            chat.add_reaction(bob, message, &emoji).await,
            chat.remove_reaction(bob, message, &emoji).await,
            chat.pin_message(bob, message).await,
            chat.unpin_message(bob, message).await,
            chat.edit_message(bob, message, EditMessage::text("mine")).await.map(drop),
            chat.delete_message(bob, message, None).await.map(drop),
            chat.forward_message(bob, message, *other, None).await.map(drop),
            chat.forward_message(bob, message, *id, None).await.map(drop),
            chat.send(bob, *id, SendMessage::text("to you").in_reply_to(message)).await.map(drop),
            chat.mark_read(bob, *id, ReadUpto::Message(message)).await.map(drop),
            chat.mark_unread_from(bob, message).await.map(drop),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap_err(), Error::MessageNotFound, "read {number} of {message}");
        }
    }
    // A retry of what Bob said in the earlier stay does not bring it back, and says it a second time neither.
    assert_eq!(chat.send(bob, *id, old_message()).await.unwrap_err(), Error::MessageNotFound);
    assert_eq!(head(chat, bob, *id).await, head_before, "nothing was changed");
    // Another process that has cached facts of the earlier stay decides the same.
    let elsewhere = uncounted(store.clone());
    assert_eq!(elsewhere.delete_message(bob, *own, None).await.unwrap_err(), Error::MessageNotFound);
    // What came since is there.
    let seen = chat.message(bob, since[0].id).await.unwrap();
    assert_eq!(text_of(&seen), "open one");
    chat.add_reaction(bob, since[0].id, &emoji).await.unwrap();
    reply(chat, bob, since[1].id, "in the thread that began before").await;
    let thread = chat.thread(bob, since[1].id, Page::FIRST).await.unwrap();
    assert!(thread.iter().all(|message| message.id != *root));
    assert_eq!(thread.len(), 2, "the two replies that Bob sees");
    let second = chat.thread(bob, since[1].id, Page { skip: 1, ..Page::FIRST }).await.unwrap();
    assert_eq!(second.entries, thread.entries[1..], "the number counts what is seen");
}

#[tokio::test]
async fn pages_and_numbers_begin_with_the_oldest_message_that_is_seen() {
    let past = past().await;
    let Past { chat, alice, bob, id, since, .. } = &past;
    let open = ["open one", "open reply to the past", "open reply"];
    let page = |window, limit| async move { chat.messages(bob, *id, window, limit).await.unwrap() };
    let shown = |page: &MessagePage| page.messages.iter().map(|one| text_of(one).to_owned()).collect::<Vec<_>>();
    let all = page(MessageWindow::Skip(0), None).await;
    assert_eq!((shown(&all), all.total, all.previous, all.next), (open.map(String::from).to_vec(), 3, None, None));
    let second = page(MessageWindow::Skip(1), Some(1)).await;
    assert_eq!((shown(&second), second.total), (vec![open[1].to_owned()], 3));
    assert_eq!((second.previous.is_some(), second.next.is_some()), (true, true));
    assert_eq!(shown(&page(MessageWindow::Skip(3), None).await), [""; 0]);
    let first = page(MessageWindow::Before(Bound::Cursor(second.previous.unwrap())), Some(10)).await;
    assert_eq!((shown(&first), first.previous), (vec![open[0].to_owned()], None));
    let last = page(MessageWindow::Newest, Some(2)).await;
    assert_eq!((shown(&last), last.previous.is_some()), (vec![open[1].to_owned(), open[2].to_owned()], true));
    let details = chat.session(bob, *id).await.unwrap();
    assert_eq!((details.messages.len(), details.unseen_messages), (3, 5));
    let newest = details.newest();
    assert_eq!((newest.total, newest.previous, shown(&newest)), (3, None, shown(&all)));
    assert_eq!(details.reading.unread, Unread { count: 3, is_exact: true });
    let of_alice = chat.session(alice, *id).await.unwrap();
    assert_eq!((of_alice.messages.len(), of_alice.unseen_messages, of_alice.newest().total), (8, 0, 8));
    let read = chat.mark_read(bob, *id, ReadUpto::Seq(1)).await.unwrap();
    assert_eq!(read.unread.count, 3, "a marker in what is not seen moves nothing");
    let unread = chat.mark_unread_from(bob, since[0].id).await.unwrap();
    assert_eq!(unread.unread.count, 3);
    // Who has just come sees no message, and none in the list.
    let carol = user("carol");
    chat.join(&carol, *id).await.unwrap();
    let listed = chat.sessions(&carol, Page::FIRST).await.unwrap().entries.remove(0);
    let overview = listed.overview.unwrap();
    assert_eq!((overview.last_message, overview.reading.unread.count), (None, 0));
    assert_eq!(texts(chat, &carol, *id, MessageWindow::Newest).await, [""; 0]);
    say(chat, alice, *id, "open at last").await;
    let listed = chat.sessions(&carol, Page::FIRST).await.unwrap().entries.remove(0);
    let overview = listed.overview.unwrap();
    assert_eq!(overview.last_message.map(|last| text_of(&last).to_owned()), Some("open at last".to_owned()));
    assert_eq!(overview.reading.unread.count, 1);
    assert_eq!(chat.threads(&carol, *id, Page::FIRST).await.unwrap().entries, []);
}
