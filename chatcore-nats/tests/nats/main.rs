//! Two chats on one store, as two processes would be, that hear of each other by a real NATS server and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test reports by panicking"
)]

mod away;
mod certificates;
mod logins;
mod server;

use std::{future::Future, sync::Arc, time::Duration};

use chatcore::{
    Chat, Limits, MemoryStore, Notifier, Principal, RateLimits,
    chat::{AllDelivery, CreateSession, Delivery, SendMessage, Subscription},
    model::{Event, Message, SessionId, SessionType, Signal, UserId},
    notify::Hint,
};
use chatcore_nats::NatsNotifier;
use futures_util::{StreamExt, future::join_all};
use serde_json::json;
use server::Server;

/// So long that nothing is found by polling.
const NEVER: Duration = Duration::from_secs(3_600);

/// Gives up on what would otherwise hang for ever. Says nothing about how fast something is.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("nothing came in half a minute")
}

fn user(name: &str) -> Principal {
    Principal::new(UserId::new(name).unwrap())
}

fn chat(store: &Arc<MemoryStore>, notifier: impl Notifier, poll_interval: Duration) -> Chat {
    let limits = Limits { poll_interval, ..Limits::default() };
    Chat::builder(Arc::clone(store)).notifier(notifier).rates(RateLimits::off()).limits(limits).build()
}

/// Two chats on one store, which never poll.
async fn two_chats(server: &Server) -> (Chat, Chat) {
    let store = Arc::new(MemoryStore::new());
    let here = NatsNotifier::connect(server.url()).await.unwrap();
    let there = NatsNotifier::connect(server.url()).await.unwrap();
    (chat(&store, here, NEVER), chat(&store, there, NEVER))
}

/// A public session of the first with the others in it.
async fn room(chat: &Chat, owner: &Principal, others: &[&Principal]) -> SessionId {
    let create = CreateSession::titled("A session").of_type(SessionType::Public);
    let id = chat.create_session(owner, create).await.unwrap().summary.session.id;
    for other in others {
        chat.join(other, id).await.unwrap();
    }
    id
}

async fn say(chat: &Chat, who: &Principal, id: SessionId, text: impl Into<String>) -> Message {
    in_time(chat.send(who, id, SendMessage::text(text))).await.unwrap()
}

async fn delivery(events: &mut Subscription) -> Delivery {
    in_time(events.next()).await.expect("the stream ended").expect("the stream failed")
}

/// The next so many events.
async fn take(events: &mut Subscription, count: usize) -> Vec<Arc<Event>> {
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        let view = in_time(events.next_event()).await.expect("the stream ended").expect("the stream failed");
        taken.push(Arc::clone(&view.event));
    }
    taken
}

/// What comes next, which must be a signal: who types, and whether.
async fn signal(events: &mut Subscription) -> (UserId, bool) {
    match delivery(events).await {
        Delivery::Signal(view) => {
            let Signal::Typing { user_id, is_typing, .. } = &view.signal else { panic!("{:?}", view.signal) };
            (user_id.clone(), *is_typing)
        }
        Delivery::Event(view) => panic!("{view:?}"),
    }
}

/// The session's log after a position.
async fn log(chat: &Chat, who: &Principal, id: SessionId, after: u64) -> Vec<Arc<Event>> {
    let page = chat.events(who, id, after, None).await.unwrap();
    page.events.iter().map(|view| Arc::clone(&view.event)).collect()
}

/// Types until a reader hears it. Right after a connection came back, the first may be too early for the subscriptions.
async fn type_until_heard(chat: &Chat, who: &Principal, id: SessionId, events: &mut Subscription) {
    let heard = async {
        loop {
            chat.typing(who, id, true).await.unwrap();
            if let Ok(heard) = tokio::time::timeout(Duration::from_millis(50), signal(events)).await {
                // Others may type, too.
                if heard.0 == who.user_id {
                    assert!(heard.1, "a signal from before");
                    return;
                }
            }
        }
    };
    in_time(heard).await;
}

#[tokio::test]
async fn messages_and_signals_cross_from_the_first_one_on() {
    let Some(server) = Server::start() else { return };
    let (here, there) = two_chats(&server).await;
    let (alice, bob) = (user("alice"), user("bob"));
    for n in 0..100 {
        let id = room(&here, &alice, &[&bob]).await;
        let mut events = in_time(there.subscribe(&bob, id, None)).await.unwrap();
        // A signal that came before the subscription was in place would be lost for good.
        here.typing(&alice, id, true).await.unwrap();
        assert_eq!(signal(&mut events).await, (alice.user_id.clone(), true), "round {n}");
        let sent = say(&here, &alice, id, "hello").await;
        assert_eq!(take(&mut events, 1).await[0].seq, sent.seq);
        here.typing(&alice, id, false).await.unwrap();
        assert_eq!(signal(&mut events).await, (alice.user_id.clone(), false));
    }
}

mod conformance {
    use super::*;

    /// None where no server can be started.
    async fn notifier() -> Option<(Arc<dyn Notifier>, Server)> {
        let server = Server::start()?;
        let notifier = NatsNotifier::connect(server.url()).await.unwrap();
        Some((Arc::new(notifier), server))
    }

    chatcore::notifier_conformance!(notifier);
}

#[tokio::test]
async fn a_user_hears_at_once_of_a_session_that_another_process_brought_them_into() {
    let Some(server) = Server::start() else { return };
    let store = Arc::new(MemoryStore::new());
    let limits = Limits { membership_interval: NEVER, poll_interval: NEVER, ..Limits::default() };
    let mut chats = Vec::new();
    for _ in 0..2 {
        let notifier = NatsNotifier::connect(server.url()).await.unwrap();
        chats.push(
            Chat::builder(Arc::clone(&store))
                .notifier(notifier)
                .rates(RateLimits::off())
                .limits(limits.clone())
                .build(),
        );
    }
    let alice = user("alice");
    // An id of characters that mean something in subjects.
    for (n, bob) in [user("bob"), user("auth0|b.o.b > *")].iter().enumerate() {
        let mut all = in_time(chats[0].subscribe_all(bob, &[])).await.unwrap();
        for _ in 0..20 {
            let id = room(&chats[1], &alice, &[bob]).await;
            let AllDelivery::Subscribed(position) = in_time(all.next()).await.unwrap().unwrap() else {
                panic!("{n}: a session is announced first")
            };
            assert_eq!((position.session_id, position.cursor.seq), (id, 1));
            let event = in_time(all.next()).await.unwrap().unwrap();
            assert!(matches!(event, AllDelivery::Delivered(Delivery::Event(_))), "{event:?}");
        }
    }
}

#[tokio::test]
async fn a_hint_comes_as_it_was_published() {
    let Some(server) = Server::start() else { return };
    let (here, _) = two_chats(&server).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    say(&here, &alice, id, "hello").await;
    let teller = NatsNotifier::connect(server.url()).await.unwrap().prefix("other.chat").unwrap();
    let listener = NatsNotifier::connect(server.url()).await.unwrap().prefix("other.chat").unwrap();
    let mut hints = listener.listen(id.into()).await;
    let typing = Signal::Typing { session_id: id, user_id: alice.user_id.clone(), is_typing: true, until: None };
    let published = [
        Hint::Committed { session_id: id, head: 3, events: log(&here, &alice, id, 0).await },
        Hint::Signal(typing),
        Hint::Committed { session_id: id, head: 4, events: Vec::new() },
    ];
    for hint in published {
        teller.publish(hint.clone()).await;
        assert_eq!(in_time(hints.next()).await, Some(hint));
    }
}

#[tokio::test]
async fn hints_published_in_one_go_are_not_lost() {
    let Some(server) = Server::start() else { return };
    let teller = NatsNotifier::connect(server.url()).await.unwrap();
    let listener = NatsNotifier::connect(server.url()).await.unwrap();
    let id = SessionId(uuid::Uuid::from_u128(1));
    let mut hints = listener.listen(id.into()).await;
    // More than a task may do before it has to let others go on, fewer than would have to wait for a listener.
    let hint = |head| Hint::Committed { session_id: id, head, events: Vec::new() };
    for head in 0..500 {
        teller.publish(hint(head)).await;
    }
    for head in 0..500 {
        assert_eq!(in_time(hints.next()).await, Some(hint(head)));
    }
}

#[tokio::test]
async fn who_is_told_directly_is_not_told_again_by_nats() {
    let Some(server) = Server::start() else { return };
    let (here, there) = two_chats(&server).await;
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&here, &alice, &[&bob, &carol]).await;
    let mut near = here.subscribe(&bob, id, None).await.unwrap();
    let mut far = there.subscribe(&bob, id, None).await.unwrap();
    for is_typing in [true, false, true, false] {
        here.typing(&alice, id, is_typing).await.unwrap();
        assert_eq!(signal(&mut far).await, (alice.user_id.clone(), is_typing));
    }
    // The last one by NATS: whatever else would come that way has come before it.
    there.typing(&carol, id, true).await.unwrap();
    for is_typing in [true, false, true, false] {
        assert_eq!(signal(&mut near).await, (alice.user_id.clone(), is_typing));
    }
    assert_eq!(signal(&mut near).await, (carol.user_id.clone(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_from_both_sides_arrives_once_and_in_order() {
    let Some(server) = Server::start() else { return };
    let store = Arc::new(MemoryStore::new());
    let mut chats = Vec::new();
    for _ in 0..3 {
        // NATS delivers a hint at most once, so a machine under load can lose the last hint of the storm. The poll finds its event.
        chats.push(chat(&store, NatsNotifier::connect(server.url()).await.unwrap(), Duration::from_secs(5)));
    }
    // The third one says nothing itself, so it knows only what it hears.
    let [here, there, _] = &chats[..] else { unreachable!("there are three") };
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(here, &alice, &[&bob]).await;
    let mut readers = Vec::new();
    for chat in &chats {
        for who in [&alice, &bob] {
            readers.push(chat.subscribe(who, id, Some(0)).await.unwrap());
        }
    }
    let readers = readers.into_iter().map(|mut events| tokio::spawn(async move { take(&mut events, 2 + 400).await }));
    let readers: Vec<_> = readers.collect();
    let senders = (0..8).map(|n| {
        let (chat, who) = if n % 2 == 0 { (here.clone(), alice.clone()) } else { (there.clone(), bob.clone()) };
        tokio::spawn(async move {
            for m in 0..50 {
                say(&chat, &who, id, format!("{n}/{m}")).await;
                chat.typing(&who, id, true).await.unwrap();
            }
        })
    });
    for sender in join_all(senders).await {
        sender.unwrap();
    }
    for reader in join_all(readers).await {
        let told = reader.unwrap();
        assert!(told.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    }
}

#[tokio::test]
async fn a_message_too_large_for_a_hint_is_read_from_the_log() {
    let Some(server) = Server::start() else { return };
    let store = Arc::new(MemoryStore::new());
    let (alice, bob) = (user("alice"), user("bob"));
    let raw = async_nats::connect(server.url()).await.unwrap();
    // Beyond the given bound, and beyond what the server takes, 1 MiB by default.
    for (bound, small, large) in [(1_000, 10, 2_000), (usize::MAX, 500_000, 2_000_000)] {
        let limits = Limits { poll_interval: NEVER, message_chars: 10_000_000, ..Limits::default() };
        let notifier = NatsNotifier::connect(server.url()).await.unwrap().carried_bytes(bound);
        let here = Chat::builder(Arc::clone(&store)).notifier(notifier).rates(RateLimits::off()).limits(limits).build();
        let there = chat(&store, NatsNotifier::connect(server.url()).await.unwrap(), NEVER);
        let id = room(&here, &alice, &[&bob]).await;
        let mut events = there.subscribe(&bob, id, None).await.unwrap();
        let mut wire = raw.subscribe(format!("chatcore.{id}")).await.unwrap();
        raw.request(format!("chatcore.{id}.nobody"), "".into()).await.unwrap_err();
        for (length, carried) in [(small, true), (large, false), (small, true)] {
            let text = "x".repeat(length);
            let sent = say(&here, &alice, id, text.as_str()).await;
            let told = take(&mut events, 1).await;
            assert_eq!(told, log(&here, &alice, id, sent.seq - 1).await);
            // The hints of how the room came to be may be late.
            let head = format!("\"head\":{}", sent.seq);
            let payload = loop {
                let payload = in_time(wire.next()).await.unwrap().payload;
                if String::from_utf8_lossy(&payload).contains(&head) {
                    break payload;
                }
            };
            assert_eq!(String::from_utf8_lossy(&payload).contains(&text), carried, "{length} of {bound}");
            assert_eq!(payload.len() > length, carried);
        }
    }
}

#[tokio::test]
async fn whatever_strangers_publish_readers_see_the_log() {
    let Some(server) = Server::start() else { return };
    let store = Arc::new(MemoryStore::new());
    let there = chat(&store, NatsNotifier::connect(server.url()).await.unwrap(), NEVER);
    let here = chat(&store, NatsNotifier::connect(server.url()).await.unwrap(), NEVER);
    // What is said by this one, no hint tells.
    let unheard = chat(&store, chatcore::InProcessNotifier::new(), NEVER);
    let (alice, bob) = (user("alice"), user("bob"));
    let (id, elsewhere) = (room(&here, &alice, &[&bob]).await, room(&here, &alice, &[&bob]).await);
    let mut events = there.subscribe(&bob, id, None).await.unwrap();
    let raw = async_nats::connect(server.url()).await.unwrap();
    let publish = async |payload: Vec<u8>| raw.publish(format!("chatcore.{id}"), payload.into()).await.unwrap();

    let mut position = 2;
    for _ in 0..3 {
        let forged = |seq: u64| {
            let kind = json!({ "kind": "message_sent", "role": "user", "message_type": "text", "content": "forged" });
            json!({
                "seq": seq, "number": 1, "created_at": "2026-01-01T00:00:00Z", "actor": "alice", "governs": false,
                "revision": 1, "stored": kind.to_string(),
            })
        };
        let committed = |session_id: SessionId, head: u64, events: Vec<serde_json::Value>| {
            let hint = json!({ "committed": { "session_id": session_id, "head": head, "events": events } });
            json!({ "v": 1, "hint": hint }).to_string().into_bytes()
        };
        let typing = |session_id: SessionId, who: &str| {
            let signal = json!({ "signal": "typing", "session_id": session_id, "user_id": who, "is_typing": true });
            json!({ "v": 1, "hint": { "signal": signal } }).to_string().into_bytes()
        };
        // What is no hint of this session changes nothing.
        let nothing = [
            b"".to_vec(),
            b"\xff\xfe garbage".to_vec(),
            b"[".repeat(500_000),
            br#"{"committed":{}}"#.to_vec(),
            br#"{"v":1,"hint":{"removed":{"session_id":1}}}"#.to_vec(),
            // A later version of hints, and as much as the server takes.
            String::from_utf8(typing(id, "mallory")).unwrap().replace("\"v\":1", "\"v\":2").into_bytes(),
            vec![b' '; 1 << 20],
            committed(elsewhere, position + 1, vec![forged(position + 1)]),
            typing(elsewhere, "mallory"),
            typing(id, ""),
            // Neither do old news, nor news of what is not there.
            committed(id, 1, vec![forged(1)]),
            committed(id, 0, vec![]),
            committed(id, position, vec![forged(position)]),
            committed(id, u64::MAX, vec![]),
            committed(id, position + 2, vec![forged(position + 2)]),
            committed(id, u64::MAX, vec![forged(u64::MAX)]),
        ];
        for payload in nothing {
            publish(payload).await;
        }
        // Once this is here, all of the above has been.
        publish(typing(id, "carol")).await;
        assert_eq!(signal(&mut events).await.0.as_str(), "carol");

        // A hint that is wrong about everything but that there is more makes the reader look at the log.
        let wrong = [
            |position, _| (u64::MAX, vec![position + 7]),
            |position, _| (position + 1, vec![position + 3, position + 2]),
            |_, head| (head, vec![]),
        ];
        for wrong in wrong {
            for n in 0..3 {
                say(&unheard, &alice, id, format!("unheard {n}")).await;
            }
            let (head, seqs): (u64, Vec<u64>) = wrong(position, position + 3);
            publish(committed(id, head, seqs.into_iter().map(forged).collect())).await;
            assert_eq!(take(&mut events, 3).await, log(&here, &alice, id, position).await);
            position += 3;
        }
        // And the next true one brings all.
        say(&unheard, &alice, id, "unheard").await;
        say(&here, &alice, id, "heard").await;
        assert_eq!(take(&mut events, 2).await, log(&here, &alice, id, position).await);
        position += 2;
    }
}

#[tokio::test]
async fn a_prefix_that_would_reach_further_is_refused() {
    let Some(server) = Server::start() else { return };
    let notifier = NatsNotifier::connect(server.url()).await.unwrap();
    for bad in ["", ".", "a.", ".a", "a..b", "a b", "*", "a.>", "a\r\nPUB b", "$SYS", "é"] {
        notifier.clone().prefix(bad).unwrap_err();
    }
    for good in ["a", "chat-1.eu_west", "A.b.C"] {
        notifier.clone().prefix(good).unwrap();
    }
}
