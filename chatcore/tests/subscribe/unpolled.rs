//! Streams that begin, and are polled no more: a client reads nothing. They keep no other reader waiting.

use tokio::sync::Notify;

use super::{hooked::Hooked, *};

type IsSlow = fn(&Topic) -> bool;

/// Gives a stream of hints about these topics only when the test lets it.
#[derive(Clone, Default)]
struct Slow {
    notifier: InProcessNotifier,
    is_slow: Arc<Mutex<Option<IsSlow>>>,
    asked: Arc<Notify>,
    gate: Arc<Notify>,
}

#[async_trait]
impl Notifier for Slow {
    async fn publish(&self, hint: Hint) {
        self.notifier.publish(hint).await;
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        let is_slow = self.is_slow.lock().unwrap().take_if(|is_slow| is_slow(&topic)).is_some();
        if is_slow {
            self.asked.notify_one();
            self.gate.notified().await;
        }
        self.notifier.listen(topic).await
    }
}

async fn follow(chat: &Chat, who: &Principal, id: SessionId) {
    let mut events = chat.subscribe(who, id, None).await.unwrap();
    events.show_presence().await;
    drop(chat.subscribe_all(who, &[]).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_for_hints_keeps_nobody_waiting() {
    let topics: [IsSlow; 3] = [
        |topic| matches!(topic, Topic::Session(_)),
        |topic| matches!(topic, Topic::Presence),
        |topic| matches!(topic, Topic::User(_)),
    ];
    for is_slow in topics {
        let notifier = Slow::default();
        let chat = Chat::builder(MemoryStore::new()).notifier(notifier.clone()).build();
        let alice = user("alice");
        let id = room(&chat, &alice, &[]).await;
        *notifier.is_slow.lock().unwrap() = Some(is_slow);
        let mut stopped = Box::pin(follow(&chat, &alice, id));
        tokio::select! {
            () = notifier.asked.notified() => {}
            () = &mut stopped => panic!("nobody asked for hints"),
        }
        notifier.gate.notify_one();
        in_time(follow(&chat, &alice, id)).await;
        in_time(stopped).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_in_the_log_keeps_nobody_waiting() {
    let store = Hooked::default();
    // Nothing but readers looks at the log.
    let limits = Limits { poll_interval: Duration::from_secs(3_600), ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut early = chat.subscribe(&bob, id, None).await.unwrap();
    let other = Chat::builder(store.intact()).build();
    other.join(&carol, id).await.unwrap();
    let sent = say(&other, &carol, id, "hello").await;

    let (asked, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    *store.reads_of.lock().unwrap() = Some("profile");
    store.before_read.once({
        let (asked, gate) = (Arc::clone(&asked), Arc::clone(&gate));
        async move {
            asked.notify_one();
            gate.notified().await;
        }
    });
    let mut stopped = Box::pin(chat.subscribe(&alice, id, Some(0)));
    tokio::select! {
        () = asked.notified() => {}
        _ = &mut stopped => panic!("nobody read the profile"),
    }
    gate.notify_one();
    drop(in_time(chat.subscribe(&bob, id, None)).await.unwrap());
    assert_eq!(seqs(&take(&mut early, 2).await), [sent.seq - 1, sent.seq]);
    in_time(stopped).await.unwrap();
}
