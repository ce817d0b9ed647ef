//! Blocked users: what they cannot do, and what the user who blocked sees.

use chatcore::{
    InProcessNotifier,
    chat::{Delivery, EditMessage, ListMentions, MAX_BLOCKS, SetPresence, StartMessage, Subscription},
    model::{Availability, Emoji, Message, PresenceState, Signal, StatusText},
    store::{BlockRecord, Blocks},
};
use futures_util::StreamExt as _;

use super::*;

/// Alice and bob, who were seen.
async fn two(chat: &Chat) -> (Principal, Principal) {
    let (alice, bob) = (user("alice"), user("bob"));
    for user in [&alice, &bob] {
        chat.me(user).await.unwrap();
    }
    (alice, bob)
}

async fn blocked(chat: &Chat, by: &Principal) -> Vec<String> {
    chat.blocks(by, Page::FIRST).await.unwrap().iter().map(|one| one.user.user_id.to_string()).collect()
}

fn marks(messages: &[Message]) -> Vec<(String, Option<bool>)> {
    messages.iter().map(|one| (one.sender.user_id.to_string(), one.sender_blocked)).collect()
}

#[tokio::test]
async fn a_blocked_user_starts_no_direct_session_and_writes_in_none() {
    let store = MemoryStore::new();
    let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store));
    let (alice, bob) = two(&chat).await;
    let carol = user("carol");
    chat.me(&carol).await.unwrap();
    let id = id_of(&chat.start_direct(&alice, &bob.user_id).await.unwrap().session);
    let own = say(&elsewhere, &bob, id, "before").await.id;
    let begun = chat.start_streamed_message(&bob, id, StartMessage::of_assistant()).await.unwrap().id;
    let (emoji, earlier) = (Emoji::new("\u{1f44d}").unwrap(), Emoji::new("\u{1f44e}").unwrap());
    chat.add_reaction(&bob, own, &earlier).await.unwrap();
    let before = head(&chat, &alice, id).await;

    chat.block_user(&alice, &bob.user_id).await.unwrap();
    let edit = || EditMessage::text("after all");
    let others = [user_id("alice"), user_id("carol")];
    for chat in [&chat, &elsewhere] {
        for refused in [
            chat.send(&bob, id, SendMessage::text("after")).await.unwrap_err(),
            chat.edit_message(&bob, own, edit()).await.unwrap_err(),
            chat.add_reaction(&bob, own, &emoji).await.unwrap_err(),
            chat.start_streamed_message(&bob, id, StartMessage::of_assistant()).await.unwrap_err(),
            chat.append_to_message(&bob, begun, 0, "after").await.unwrap_err(),
            chat.typing(&bob, id, true).await.unwrap_err(),
            chat.start_direct(&bob, &alice.user_id).await.unwrap_err(),
            chat.start_group(&bob, &others).await.unwrap_err(),
        ] {
            assert_eq!(refused, Error::DirectRefused);
            assert_eq!(refused.code().status(), 403);
        }
    }
    assert_eq!(head(&chat, &alice, id).await, before);
    // Bob still reads, and takes back what he said. Alice still writes.
    chat.session(&bob, id).await.unwrap();
    chat.remove_reaction(&bob, own, &earlier).await.unwrap();
    assert_eq!(chat.message(&alice, own).await.unwrap().reactions, Some(Vec::new()));
    chat.delete_message(&bob, own, None).await.unwrap();
    say(&chat, &alice, id, "because").await;
    chat.start_direct(&bob, &carol.user_id).await.unwrap();

    chat.unblock_user(&alice, &bob.user_id).await.unwrap();
    say(&elsewhere, &bob, id, "sorry").await;
    assert_eq!(id_of(&chat.start_direct(&bob, &alice.user_id).await.unwrap().session), id);
}

#[tokio::test]
async fn a_direct_session_with_a_blocker_is_not_made() {
    let chat = Chat::in_memory();
    let (alice, bob) = two(&chat).await;
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    assert_eq!(chat.start_direct(&bob, &alice.user_id).await.unwrap_err(), Error::DirectRefused);
    assert!(chat.sessions(&alice, Page::FIRST).await.unwrap().is_empty());
    // The user who blocked can start it.
    let id = id_of(&chat.start_direct(&alice, &bob.user_id).await.unwrap().session);
    assert_eq!(chat.send(&bob, id, SendMessage::text("x")).await.unwrap_err(), Error::DirectRefused);
}

#[tokio::test]
async fn messages_of_a_blocked_user_are_marked_for_the_user_who_blocked_alone() {
    let chat = Chat::in_memory();
    let (alice, bob) = two(&chat).await;
    let carol = user("carol");
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let sent = say(&chat, &bob, id, "1").await;
    assert_eq!(sent.sender_blocked, Some(false));
    say(&chat, &carol, id, "2").await;
    say(&chat, &alice, id, "3").await;
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    // In a session of several users a block keeps nobody from writing.
    say(&chat, &bob, id, "4").await;
    let marked = |of_bob| [("bob", of_bob), ("carol", false), ("alice", false), ("bob", of_bob)];
    for (who, of_bob) in [(&alice, true), (&bob, false), (&carol, false)] {
        let expected = marked(of_bob).map(|(name, mark)| (name.to_owned(), Some(mark)));
        let page = chat.messages(who, id, MessageWindow::Newest, None).await.unwrap();
        assert_eq!(marks(&page.messages), expected);
        assert_eq!(marks(&chat.session(who, id).await.unwrap().messages), expected);
        assert_eq!(chat.message(who, sent.id).await.unwrap().sender_blocked, Some(of_bob));
        let listed = chat.sessions(who, Page::FIRST).await.unwrap();
        let last = listed[0].overview.clone().unwrap().last_message.unwrap();
        assert_eq!((text_of(&last), last.sender_blocked), ("4", Some(of_bob)));
        let events = chat.events(who, id, 3, None).await.unwrap().events;
        let told: Vec<_> = events.iter().filter_map(|view| view.message()).collect();
        assert!(told.iter().all(|message| message.sender_blocked.is_none()), "an event suits every reader");
        assert_eq!(told.len(), 4);
    }
    chat.unblock_user(&alice, &bob.user_id).await.unwrap();
    assert_eq!(chat.message(&alice, sent.id).await.unwrap().sender_blocked, Some(false));
}

#[tokio::test]
async fn blocks_are_the_users_own_and_a_retry_changes_nothing() {
    let chat = Chat::in_memory();
    let (alice, bob) = two(&chat).await;
    for _ in 0..2 {
        chat.block_user(&alice, &bob.user_id).await.unwrap();
        assert_eq!(blocked(&chat, &alice).await, ["bob"]);
    }
    assert!(blocked(&chat, &bob).await.is_empty());
    for _ in 0..2 {
        chat.unblock_user(&alice, &bob.user_id).await.unwrap();
        assert!(blocked(&chat, &alice).await.is_empty());
    }
    assert_fault(chat.block_user(&alice, &alice.user_id).await, "user_id", Code::ValidationInvalidValue);
    assert_eq!(chat.block_user(&alice, &user_id("nobody")).await.unwrap_err(), Error::UserNotFound);
}

#[tokio::test]
async fn blocks_have_pages_and_a_bound() {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let (alice, bob) = two(&chat).await;
    let block = |n: u64| {
        Blocks { user: user_id("alice"), blocked: user_id(&format!("u{n:04}")) }.put(BlockRecord { at: Utc::now() })
    };
    store.commit(Change::of_records((1..MAX_BLOCKS).map(block).collect())).await.unwrap();
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    chat.me(&user("carol")).await.unwrap();
    let full = Error::LimitExceeded { what: "the number of blocked users", limit: MAX_BLOCKS };
    assert_eq!(chat.block_user(&alice, &user_id("carol")).await.unwrap_err(), full);
    // One that there is already is no new one.
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    let mut page = Page { limit: Some(100), ..Page::FIRST };
    let mut found = 0;
    loop {
        let part = chat.blocks(&alice, page.clone()).await.unwrap();
        found += part.len() as u64;
        let Some(next) = part.next else { break };
        page.after = Some(next);
    }
    assert_eq!(found, MAX_BLOCKS);
}

/// Two processes on one store, with a notifier that they share or not, and their clock.
fn processes(share_a_notifier: bool) -> ([Chat; 2], TestClock) {
    let (store, notifier) = (MemoryStore::new(), InProcessNotifier::new());
    let limits = || Limits {
        presence_interval: std::time::Duration::from_millis(50),
        standing_age: std::time::Duration::from_millis(50),
        rates: RateLimits::off(),
        ..Limits::default()
    };
    let clock = TestClock::default();
    let process = |notifier: InProcessNotifier| {
        Chat::builder(store.clone()).notifier(notifier).clock(clock.clone()).limits(limits()).build()
    };
    let other = if share_a_notifier { notifier.clone() } else { InProcessNotifier::new() };
    ([process(notifier), process(other)], clock)
}

async fn seen(chat: &Chat, by: &Principal, of: &Principal, id: SessionId) -> PresenceState {
    let found = chat.presence_of(by, std::slice::from_ref(&of.user_id)).await.unwrap().pop().unwrap();
    let listed = chat.presence(by, id, Page::FIRST).await.unwrap();
    let listed = listed.into_iter().map(|one| one.presence).find(|one| one.user.user_id == of.user_id).unwrap();
    assert_eq!(found, listed);
    found.state
}

/// Waits until a stream tells of a user that the user is gone, or there. Meanwhile the time passes slowly: a block is new for ten seconds.
async fn told(events: &mut Subscription, of: &Principal, is_gone: bool, clock: &TestClock) {
    let waited = async {
        loop {
            let next = tokio::time::timeout(std::time::Duration::from_millis(200), events.next()).await;
            let Ok(next) = next else {
                clock.advance(TimeDelta::seconds(1));
                continue;
            };
            if let Delivery::Signal(view) = next.unwrap().unwrap()
                && let Signal::Presence { user_id, state, .. } = &view.signal
                && *user_id == of.user_id
                && (*state == PresenceState::NOTHING) == is_gone
            {
                return;
            }
        }
    };
    kit::in_time(waited).await;
}

fn away() -> SetPresence {
    SetPresence { availability: Some(Availability::Away), ..SetPresence::default() }
}

#[tokio::test]
async fn users_apart_do_not_see_the_presence_of_each_other_whichever_of_them_blocked() {
    let ([here, there], _) = processes(true);
    let (alice, bob) = two(&here).await;
    let carol = user("carol");
    let id = room(&here, &alice, &[&bob, &carol]).await;
    let _devices = (here.device(&alice), there.device(&bob));
    let text = Some(Some(StatusText { text: "Hi".to_owned(), until: None }));
    for who in [&alice, &bob] {
        here.set_presence(who, SetPresence { text: text.clone(), ..SetPresence::default() }).await.unwrap();
    }
    for (blocker, blocked) in [(&alice, &bob), (&bob, &alice)] {
        here.block_user(blocker, &blocked.user_id).await.unwrap();
        for chat in [&here, &there] {
            assert_eq!(seen(chat, &alice, &bob, id).await, PresenceState::NOTHING);
            assert_eq!(seen(chat, &bob, &alice, id).await, PresenceState::NOTHING);
            for other in [&alice, &bob] {
                assert_eq!(seen(chat, &carol, other, id).await.text.unwrap().text, "Hi");
            }
            assert_eq!(chat.own_presence(&alice).await.unwrap().state.text.unwrap().text, "Hi");
        }
        here.unblock_user(blocker, &blocked.user_id).await.unwrap();
        for (chat, of) in [(&here, &bob), (&there, &alice)] {
            let by = if of.user_id == bob.user_id { &alice } else { &bob };
            assert_eq!(seen(chat, by, of, id).await.text.unwrap().text, "Hi");
        }
    }
}

#[tokio::test]
async fn streams_tell_of_a_block_at_once_and_of_nothing_while_it_lasts() {
    for share_a_notifier in [true, false] {
        let ([here, there], clock) = processes(share_a_notifier);
        let (alice, bob) = two(&here).await;
        let carol = user("carol");
        let id = room(&here, &alice, &[&bob, &carol]).await;
        let _devices = [here.device(&alice), there.device(&bob)];
        let mut readers = Vec::new();
        // Each of the two reads in one process, and carol in the other.
        for (chat, who) in [(&here, &alice), (&there, &bob), (&there, &carol)] {
            let mut events = chat.subscribe(who, id, None).await.unwrap();
            events.show_presence().await;
            readers.push(events);
        }
        let [of_alice, of_bob, of_carol] = &mut readers[..] else { panic!() };
        for (blocker, blocked) in [(&alice, &bob), (&bob, &alice)] {
            there.block_user(blocker, &blocked.user_id).await.unwrap();
            told(of_alice, &bob, true, &clock).await;
            told(of_bob, &alice, true, &clock).await;
            told(of_carol, blocked, false, &clock).await;
            there.unblock_user(blocker, &blocked.user_id).await.unwrap();
            told(of_alice, &bob, false, &clock).await;
            told(of_bob, &alice, false, &clock).await;
        }
    }
}

/// The signals that come until one that is named.
async fn until_typing(events: &mut Subscription, by: &Principal) -> Vec<String> {
    let mut before = Vec::new();
    loop {
        let next = kit::in_time(events.next()).await.unwrap().unwrap();
        if let Delivery::Signal(view) = &next
            && matches!(view.signal, Signal::Typing { .. } | Signal::Presence { .. })
        {
            if *view.signal.user_id() == by.user_id {
                return before;
            }
            before.push(view.signal.user_id().to_string());
        }
    }
}

#[tokio::test]
async fn users_apart_do_not_see_each_other_type() {
    for share_a_notifier in [true, false] {
        let ([here, there], clock) = processes(share_a_notifier);
        let (alice, bob) = two(&here).await;
        let carol = user("carol");
        let id = room(&here, &alice, &[&bob, &carol]).await;
        let mut of_alice = here.subscribe(&alice, id, None).await.unwrap();
        let mut of_bob = here.subscribe(&bob, id, None).await.unwrap();
        for (blocker, blocked) in [(&alice, &bob), (&bob, &alice)] {
            // A change in another process is known by the notifier, or by the next look.
            let chat = if share_a_notifier { &there } else { &here };
            chat.block_user(blocker, &blocked.user_id).await.unwrap();
            settle().await;
            clock.advance(TimeDelta::seconds(10));
            for typist in [&alice, &bob, &carol] {
                here.typing(typist, id, true).await.unwrap();
            }
            assert!(until_typing(&mut of_alice, &carol).await.is_empty());
            assert!(until_typing(&mut of_bob, &carol).await.is_empty());
            chat.unblock_user(blocker, &blocked.user_id).await.unwrap();
            settle().await;
            for typist in [&alice, &bob, &carol] {
                here.typing(typist, id, false).await.unwrap();
            }
            assert_eq!(until_typing(&mut of_alice, &carol).await, ["bob"]);
            assert_eq!(until_typing(&mut of_bob, &carol).await, ["alice"]);
        }
    }
}

/// Lets background tasks do what they can.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_user_does_who_was_blocked_long_ago_is_told_to_nobody_apart() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = Chat::builder(store).clock(clock.clone()).rates(RateLimits::off()).build();
    let (alice, bob) = two(&chat).await;
    let carol = user("carol");
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    clock.advance(TimeDelta::seconds(11));
    settle().await;
    let mut of_bob = chat.subscribe(&bob, id, None).await.unwrap();
    let mut of_alice = chat.subscribe(&alice, id, None).await.unwrap();
    of_bob.show_presence().await;
    of_alice.show_presence().await;
    for who in [&alice, &bob, &carol] {
        chat.set_presence(who, away()).await.unwrap();
        settle().await;
        clock.advance(TimeDelta::seconds(4));
        settle().await;
    }
    for (mut events, own) in [(of_bob, "bob"), (of_alice, "alice")] {
        let before = until_typing(&mut events, &carol).await;
        assert!(before.is_empty(), "{own}: {before:?}");
    }
}

#[tokio::test]
async fn users_apart_cannot_mention_each_other() {
    let chat = uncounted(MemoryStore::new());
    let (alice, bob) = two(&chat).await;
    let carol = user("carol");
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let mentioned = async |who: &Principal| {
        let found = chat.mentions(who, Page::FIRST, ListMentions::default()).await.unwrap();
        found.iter().map(|one| text_of(&one.message).to_owned()).collect::<Vec<_>>()
    };
    let names = |message: &Message| {
        let users = message.body.mentions.iter().map(|one| one.user.as_ref().map(ToString::to_string));
        users.collect::<Vec<_>>()
    };
    for (blocker, other) in [(&alice, &bob), (&bob, &alice)] {
        chat.block_user(blocker, &other.user_id).await.unwrap();
        let beside =
            SendMessage { mentions: vec![user_id("alice"), user_id("carol")], ..SendMessage::text("@alice hi") };
        let sent = chat.send(&bob, id, beside).await.unwrap();
        assert_eq!(names(&sent), [Some("carol".to_owned())]);
        let everybody = SendMessage { mentions_everybody: true, ..SendMessage::text("to all") };
        let sent = chat.send(&alice, id, everybody).await.unwrap();
        assert_eq!(names(&sent), [None]);
        assert!(mentioned(&bob).await.is_empty() && mentioned(&alice).await.is_empty());
        chat.unblock_user(blocker, &other.user_id).await.unwrap();
    }
    assert_eq!(mentioned(&carol).await, ["to all", "@alice hi", "to all", "@alice hi"]);
    // An edit is compared with the blocks of its time.
    let sent = chat.send(&bob, id, SendMessage::text("hello @alice")).await.unwrap();
    assert_eq!(mentioned(&alice).await, ["hello @alice"]);
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    let edited = chat.edit_message(&bob, sent.id, EditMessage::text("well, @alice and @carol")).await.unwrap();
    assert_eq!(names(&edited), [Some("carol".to_owned())]);
    assert!(mentioned(&alice).await.is_empty());
}
