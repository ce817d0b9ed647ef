//! What streams survive: tasks that panic, runtimes that end, stores and notifiers that hang, logs that are trimmed.

use chatcore::chat::{CreateSession, Start};

use super::{notifiers::Bent, *};

fn silent() -> Bent {
    Bent::new(|_, _| Vec::new())
}

#[tokio::test(start_paused = true)]
async fn readers_survive_a_poll_that_panics() {
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).notifier(silent()).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    for seq in 2..5 {
        store.panics.store(true, Ordering::SeqCst);
        tokio::time::sleep(chat.limits().poll_interval * 2).await;
        assert!(!store.panics.load(Ordering::SeqCst), "it was read");
        say(&chat, &alice, id, "after a panic").await;
        assert_eq!(next(&mut events).await.event.seq, seq);
    }
}

#[test]
fn readers_survive_the_runtime_of_the_first_reader() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits { poll_interval: Duration::from_millis(20), ..Limits::default() };
    for notifier in [silent(), Bent::new(|_, hint| vec![hint])] {
        let chat = Chat::builder(MemoryStore::new()).limits(limits.clone()).notifier(notifier).build();
        let alice = user("alice");
        let first = runtime();
        let (id, mut kept, mut kept_all) = first.block_on(async {
            let id = room(&chat, &alice, &[]).await;
            let mut all = chat.subscribe_all(&alice, &[]).await.unwrap();
            in_time(all.next()).await.unwrap().unwrap();
            (id, chat.subscribe(&alice, id, None).await.unwrap(), all)
        });
        drop(first);
        runtime().block_on(async {
            // The first readers go on here, before anybody else subscribes.
            let told = tokio::spawn({
                let (chat, alice) = (chat.clone(), alice.clone());
                async move { say(&chat, &alice, id, "for the first readers").await }
            });
            assert_eq!(next(&mut kept).await.event.seq, 2);
            told.await.unwrap();
            in_time(kept_all.next()).await.unwrap().unwrap();
            let mut events = chat.subscribe(&alice, id, None).await.unwrap();
            let mut all = chat.subscribe_all(&alice, &[]).await.unwrap();
            say(&chat, &alice, id, "in another runtime").await;
            assert_eq!(next(&mut events).await.event.seq, 3);
            for _ in 0..2 {
                in_time(all.next()).await.unwrap().unwrap();
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_panics_or_hangs_fails_nothing() {
    struct Breaks(bool);

    #[async_trait]
    impl Notifier for Breaks {
        async fn publish(&self, _: Hint) {
            assert!(self.0, "as the test wants it");
            std::future::pending().await
        }

        async fn listen(&self, _: Topic) -> BoxStream<'static, Hint> {
            assert!(self.0, "as the test wants it");
            std::future::pending().await
        }
    }

    for hangs in [true, false] {
        let chat = Chat::builder(MemoryStore::new()).notifier(Breaks(hangs)).build();
        let (alice, bob) = (user("alice"), user("bob"));
        let id = in_time(room(&chat, &alice, &[&bob])).await;
        let mut events = in_time(chat.subscribe(&bob, id, None)).await.unwrap();
        in_time(say(&chat, &alice, id, "said")).await;
        in_time(chat.typing(&alice, id, true)).await.unwrap();
        assert_eq!(next(&mut events).await.event.seq, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_hangs_holds_up_no_other_session() {
    let store = Breakable::default();
    let chat = uncounted(store.clone());
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let stuck = room(&chat, &alice, &[]).await;
    *store.stuck.lock().unwrap() = Some(stuck);
    let hanging = tokio::spawn({
        let (chat, bob) = (chat.clone(), bob.clone());
        async move { chat.join(&bob, stuck).await }
    });
    tokio::task::yield_now().await;
    let begun = tokio::time::Instant::now();
    for _ in 0..600 {
        let id = room(&chat, &alice, &[&bob]).await;
        chat.leave(&bob, id).await.unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "time stands still while nothing waits");
    // A caller that gives up lets the next change of the same session in.
    *store.stuck.lock().unwrap() = None;
    hanging.abort();
    in_time(chat.join(&carol, stuck)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_trimmed_log_is_followed_from_now_and_read_from_its_start() {
    let store = Breakable::default();
    let chat = Chat::builder(store.clone()).notifier(silent()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for n in 3..=5 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    let mut behind = chat.subscribe(&bob, id, Some(3)).await.unwrap();
    let mut in_step = chat.subscribe(&bob, id, None).await.unwrap();
    // What the readers have not seen yet is trimmed before any of them looks.
    for n in 6..=9 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    store.trimmed.store(7, Ordering::SeqCst);
    for events in [&mut behind, &mut in_step] {
        let resync = loop {
            match in_time(events.next_event()).await.unwrap() {
                Ok(event) => assert!(event.event.seq <= 5, "what was in memory"),
                Err(error) => break error,
            }
        };
        assert_eq!(resync, Error::Resync { oldest: 7, head: 9 });
    }
    let (mut now, mut beginning) =
        (chat.subscribe(&bob, id, None).await.unwrap(), chat.subscribe(&bob, id, Start::Beginning).await.unwrap());
    assert_eq!((now.after().seq, beginning.after().seq), (9, 7));
    assert_eq!(seqs(&chat.events(&bob, id, Start::Beginning, None).await.unwrap().events), [8, 9]);
    assert_eq!(chat.events(&bob, id, 0, None).await.unwrap_err(), Error::Resync { oldest: 7, head: 9 });
    say(&chat, &alice, id, "10").await;
    assert_eq!(next(&mut now).await.event.seq, 10);
    assert_eq!(seqs(&take(&mut beginning, 3).await), [8, 9, 10]);
}

#[tokio::test(start_paused = true)]
async fn signals_reach_a_reader_whose_tail_was_behind_a_trimmed_log() {
    let store = Breakable::default();
    // Carries signals only, so that the tail learns of events from the log alone.
    let signals = Bent::new(|_, hint| if matches!(hint, Hint::Signal(_)) { vec![hint] } else { Vec::new() });
    let chat = Chat::builder(store.clone()).notifier(signals).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id =
        chat.create_session(&alice, CreateSession::titled("A session").of_type(SessionType::Public)).await.unwrap();
    let id = id.summary.session.id;
    let old = chat.subscribe(&alice, id, None).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    for _ in 0..5 {
        say(&chat, &alice, id, "trimmed").await;
    }
    store.trimmed.store(5, Ordering::SeqCst);
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    chat.typing(&alice, id, true).await.unwrap();
    assert!(matches!(delivery(&mut events).await, Delivery::Signal(_)));
    drop(old);
}
