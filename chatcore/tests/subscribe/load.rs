//! Slow readers, many readers, and what they leave behind.

use super::*;

#[tokio::test]
async fn a_slow_reader_gets_everything_although_little_is_kept() {
    let limits = Limits { tail_events: 4, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut slow = chat.subscribe(&bob, id, None).await.unwrap();
    let mut fast = chat.subscribe(&alice, id, None).await.unwrap();
    let mut quarter = Vec::new();
    for n in 0..400_u64 {
        say(&chat, &alice, id, &n.to_string()).await;
        assert_eq!(next(&mut fast).await.event.seq, n + 3);
        if n % 4 == 0 {
            quarter.push(next(&mut slow).await.event.seq);
        }
    }
    quarter.extend(seqs(&take(&mut slow, 300).await));
    assert_eq!(quarter, (3..=402).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_told_is_kept_no_longer_than_it_has_to_be() {
    let limits = Limits { tail_events: 4, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    // This one never reads, which must cost nothing.
    let _asleep = chat.subscribe(&bob, id, None).await.unwrap();
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    let mut told = Vec::new();
    for n in 0..20 {
        say(&chat, &alice, id, &n.to_string()).await;
        told.push(Arc::downgrade(&next(&mut events).await));
    }
    let kept: Vec<bool> = told.iter().map(|view| view.strong_count() > 0).collect();
    assert_eq!(kept, [vec![false; 16], vec![true; 4]].concat());
}

#[tokio::test]
async fn a_reader_far_behind_is_ended_at_their_removal_and_not_later() {
    let limits = Limits { tail_events: 4, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut slow = chat.subscribe(&bob, id, Some(0)).await.unwrap();
    for n in 0..100 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    for n in 0..100 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    let told = rest(&mut slow).await;
    assert_eq!(told.len(), 103);
    assert_eq!(told[102], removed(&bob));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscribing_while_others_send_misses_and_doubles_nothing() {
    for round in 0..60 {
        let limits = Limits { tail_events: 1 + round % 8, ..Limits::default() };
        let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let senders = (0..3).map(|_| {
            let (chat, alice) = (chat.clone(), alice.clone());
            tokio::spawn(async move {
                for n in 0..15 {
                    say(&chat, &alice, id, &n.to_string()).await;
                    tokio::task::yield_now().await;
                }
            })
        });
        let readers = (0..4).map(|reader| {
            let (chat, bob) = (chat.clone(), bob.clone());
            tokio::spawn(async move {
                for _ in 0..reader * 3 {
                    tokio::task::yield_now().await;
                }
                let after = (reader % 2 == 0).then_some(reader);
                let mut events = chat.subscribe(&bob, id, after).await.unwrap();
                let first = events.after().seq + 1;
                let left = usize::try_from(48 - first).unwrap();
                let seen = seqs(&take(&mut events, left).await);
                assert_eq!(seen, (first..=47).collect::<Vec<_>>());
            })
        });
        let tasks: Vec<_> = senders.chain(readers).collect();
        for task in tasks {
            in_time(task).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kick_races_with_senders_and_is_still_the_last_for_the_kicked() {
    for _ in 0..40 {
        let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let mut events = chat.subscribe(&bob, id, Some(0)).await.unwrap();
        let senders: Vec<_> = [alice.clone(), bob.clone()]
            .map(|who| {
                let chat = chat.clone();
                tokio::spawn(async move {
                    for n in 0..30 {
                        let sent = chat.send(&who, id, SendMessage::text(n.to_string())).await;
                        assert!(matches!(sent, Ok(_) | Err(Error::Denied(Denial::NotParticipant))), "{sent:?}");
                    }
                })
            })
            .into();
        tokio::task::yield_now().await;
        chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
        for sender in senders {
            in_time(sender).await.unwrap();
        }
        let told = rest(&mut events).await;
        assert_eq!(told.last(), Some(&removed(&bob)));
        let log = chat.events(&alice, id, told.len() as u64, Some(100)).await.unwrap().events;
        assert!(log.iter().all(|view| view.event.actor != bob.user_id), "bob spoke after the kick");
    }
}

#[tokio::test]
async fn a_hundred_readers_are_told_the_same() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let mut streams = Vec::new();
    for n in 0..99 {
        let reader = user(&format!("reader {n}"));
        chat.join(&reader, id).await.unwrap();
        streams.push(chat.subscribe(&reader, id, Some(0)).await.unwrap());
    }
    streams.push(chat.subscribe(&alice, id, Some(0)).await.unwrap());
    for n in 0..20 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    for events in &mut streams {
        assert_eq!(seqs(&take(events, 120).await), (1..=120).collect::<Vec<_>>());
    }
}

static ENCODED: AtomicUsize = AtomicUsize::new(0);

struct Plain;

impl Encoding for Plain {
    type Output = String;

    fn encode(view: &EventView) -> String {
        ENCODED.fetch_add(1, Ordering::SeqCst);
        view.event.seq.to_string()
    }
}

struct Quoted;

impl Encoding for Quoted {
    type Output = String;

    fn encode(view: &EventView) -> String {
        ENCODED.fetch_add(1, Ordering::SeqCst);
        format!("'{}'", view.event.seq)
    }
}

#[tokio::test]
async fn readers_of_one_session_share_one_encoding_of_an_event() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut streams = [chat.subscribe(&alice, id, None).await.unwrap(), chat.subscribe(&bob, id, None).await.unwrap()];
    say(&chat, &alice, id, "once").await;
    for events in &mut streams {
        let event = next(events).await;
        // Two encodings with one type of output are kept apart.
        assert_eq!((event.encoded::<Plain>(), event.encoded::<Quoted>()), ("3".to_owned(), "'3'".to_owned()));
    }
    assert_eq!(ENCODED.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_reader_takes_everything_along() {
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).build();
    let alice = user("alice");
    // With the first call begins the one task that lasts as long as the chat.
    chat.me(&alice).await.unwrap();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for _ in 0..3 {
        let mut streams = Vec::new();
        for _ in 0..5 {
            let id = room(&chat, &alice, &[]).await;
            for _ in 0..4 {
                streams.push(chat.subscribe(&alice, id, None).await.unwrap());
            }
        }
        tokio::time::sleep(chat.limits().poll_interval * 4).await;
        assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() > before);
        drop(streams);
        tokio::time::sleep(chat.limits().poll_interval * 4).await;
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
        let reads = store.log_reads.load(Ordering::SeqCst);
        tokio::time::sleep(chat.limits().poll_interval * 100).await;
        assert_eq!(store.log_reads.load(Ordering::SeqCst), reads, "somebody still looks at logs");
    }
}

#[tokio::test(start_paused = true)]
async fn all_sessions_with_readers_are_polled_in_one_query() {
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).build();
    let alice = user("alice");
    let mut streams = Vec::new();
    for _ in 0..20 {
        let id = room(&chat, &alice, &[]).await;
        streams.push(chat.subscribe(&alice, id, None).await.unwrap());
    }
    let reads = store.log_reads.load(Ordering::SeqCst);
    tokio::time::sleep(chat.limits().poll_interval * 10 + Duration::from_millis(1)).await;
    let polls = store.log_reads.load(Ordering::SeqCst) - reads;
    assert!((9..=11).contains(&polls), "{polls}");
}

#[tokio::test]
async fn a_chat_can_go_while_its_readers_stay() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    drop(chat);
    assert_eq!(next(&mut events).await.event.seq, 1);
}
