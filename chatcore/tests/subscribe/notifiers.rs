//! Notifiers that do not keep their word.

use super::*;

/// What becomes of each hint on its way.
type Bend = Box<dyn Fn(usize, Hint) -> Vec<Hint> + Send + Sync>;

/// Carries hints, and bends them.
pub(crate) struct Bent {
    notifier: InProcessNotifier,
    bend: Bend,
    published: AtomicUsize,
}

impl Bent {
    pub(crate) fn new(bend: impl Fn(usize, Hint) -> Vec<Hint> + Send + Sync + 'static) -> Self {
        Self { notifier: InProcessNotifier::new(), bend: Box::new(bend), published: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Notifier for Bent {
    async fn publish(&self, hint: Hint) {
        for hint in (self.bend)(self.published.fetch_add(1, Ordering::SeqCst), hint) {
            self.notifier.publish(hint).await;
        }
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        self.notifier.listen(topic).await
    }
}

/// Whatever the notifier does, readers get the log: those who were there before, came in between, or are slow.
async fn readers_get_the_log_over(notifier: impl Notifier) {
    let limits = Limits { tail_events: 8, poll_interval: Duration::from_millis(100), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).notifier(notifier).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut early = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    let mut keen = chat.subscribe(&bob, id, None).await.unwrap();
    let mut early_seqs = Vec::new();
    for n in 0..30_u64 {
        let sent = say(&chat, &alice, id, &n.to_string()).await;
        loop {
            let event = next(&mut keen).await;
            assert_eq!(event.event.session_id, id);
            if event.event.seq == sent.seq {
                assert_eq!(event.message(), Some(told(sent)));
                break;
            }
        }
        if n % 3 == 0 {
            early_seqs.push(next(&mut early).await.event.seq);
        }
        if n % 7 == 0 {
            let role = if n % 2 == 0 { ParticipantRole::Admin } else { ParticipantRole::Member };
            chat.change_role(&alice, id, &bob.user_id, role).await.unwrap();
        }
    }
    let mut late = chat.subscribe(&bob, id, Some(5)).await.unwrap();
    join_all((0..30).map(|n| {
        let (chat, who) = (chat.clone(), if n % 2 == 0 { alice.clone() } else { bob.clone() });
        async move { say(&chat, &who, id, &n.to_string()).await }
    }))
    .await;
    chat.delete_session(&alice, id).await.unwrap();

    let last = 2 + 30 + 5 + 30 + 1;
    while let Some(event) = in_time(early.next_event()).await {
        let event = event.unwrap();
        assert_eq!(event.event.session_id, id);
        early_seqs.push(event.event.seq);
    }
    assert_eq!(early_seqs, (1..=last).collect::<Vec<_>>());
    assert_eq!(rest(&mut late).await.len() as u64, last - 5);
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_keeps_its_word_is_enough() {
    readers_get_the_log_over(InProcessNotifier::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_notifier_costs_latency_only() {
    readers_get_the_log_over(Bent::new(|_, _| Vec::new())).await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_loses_hints_costs_latency_only() {
    readers_get_the_log_over(Bent::new(|n, hint| if n % 3 == 1 { Vec::new() } else { vec![hint] })).await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_doubles_hints_doubles_nothing() {
    readers_get_the_log_over(Bent::new(|_, hint| vec![hint.clone(), hint.clone(), hint])).await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_reorders_hints_reorders_nothing() {
    let held: Mutex<Vec<Hint>> = Mutex::default();
    readers_get_the_log_over(Bent::new(move |n, hint| {
        let mut held = held.lock().unwrap();
        held.push(hint);
        // Keeps up to five back, and lets the newest go first.
        if n % 5 == 4 { held.drain(..).rev().collect() } else { Vec::new() }
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn hints_out_of_order_cost_no_look_at_the_log() {
    let held: Mutex<Vec<Hint>> = Mutex::default();
    let reversed = Bent::new(move |_, hint| {
        if matches!(hint.topic(), Topic::User(_)) {
            return vec![hint];
        }
        let mut held = held.lock().unwrap();
        held.push(hint);
        if held.len() == 4 { held.drain(..).rev().collect() } else { Vec::new() }
    });
    let store = Breakable::default();
    let limits = Limits { poll_interval: Duration::from_secs(3_600), ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).notifier(reversed).build();
    let alice = user("alice");
    // Its creation is the first of four hints.
    let id = room(&chat, &alice, &[]).await;
    for text in ["one", "two", "three"] {
        say(&chat, &alice, id, text).await;
    }
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    let reads = store.log_reads.load(Ordering::SeqCst);
    for round in 0..5_u64 {
        for n in 0..4_u64 {
            say(&chat, &alice, id, &n.to_string()).await;
        }
        assert_eq!(seqs(&take(&mut events, 4).await), (5 + 4 * round..9 + 4 * round).collect::<Vec<_>>());
    }
    assert_eq!(store.log_reads.load(Ordering::SeqCst), reads);
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_repeats_old_hints_repeats_nothing() {
    let all: Mutex<Vec<Hint>> = Mutex::default();
    readers_get_the_log_over(Bent::new(move |_, hint| {
        let mut all = all.lock().unwrap();
        all.push(hint);
        all.iter().rev().cloned().collect()
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_carries_no_events_is_enough() {
    readers_get_the_log_over(Bent::new(|_, hint| match hint {
        Hint::Committed { session_id, head, events: _ } => {
            vec![Hint::Committed { session_id, head, events: Vec::new() }]
        }
        other @ (Hint::Signal(_)
        | Hint::Arrived { .. }
        | Hint::Revoked { .. }
        | Hint::Notice(_)
        | Hint::Presence { .. }) => vec![other],
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_is_wrong_about_the_head_is_not_believed() {
    for wrong in [0, 1, Seq::MAX] {
        readers_get_the_log_over(Bent::new(move |_, hint| match hint {
            Hint::Committed { session_id, head: _, events } => {
                vec![Hint::Committed { session_id, head: wrong, events }]
            }
            other @ (Hint::Signal(_)
            | Hint::Arrived { .. }
            | Hint::Revoked { .. }
            | Hint::Notice(_)
            | Hint::Presence { .. }) => vec![other],
        }))
        .await;
    }
}

/// Its streams end after each hint.
struct BreaksOff(InProcessNotifier);

#[async_trait]
impl Notifier for BreaksOff {
    async fn publish(&self, hint: Hint) {
        self.0.publish(hint).await;
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        self.0.listen(topic).await.take(1).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_notifier_whose_streams_end_is_asked_again() {
    readers_get_the_log_over(BreaksOff(InProcessNotifier::new())).await;
}

/// Makes hints of the events of a log, some of them wrong.
type Forge = fn(&[Arc<Event>]) -> Vec<Arc<Event>>;

#[tokio::test(start_paused = true)]
async fn events_of_a_hint_are_used_only_where_they_go_on_without_a_gap() {
    fn foreign(event: &Arc<Event>) -> Arc<Event> {
        Arc::new(Event { session_id: SessionId(uuid::Uuid::from_u128(1)), ..Event::clone(event) })
    }
    let forges: [(&str, Forge); 8] = [
        ("all of them", |events| events.to_vec()),
        ("none", |_| Vec::new()),
        ("a gap before", |events| events[2..].to_vec()),
        ("a gap inside", |events| vec![Arc::clone(&events[0]), Arc::clone(&events[2])]),
        ("backwards", |events| events.iter().rev().cloned().collect()),
        ("doubled", |events| events.iter().chain(events).cloned().collect()),
        ("of another session", |events| events.iter().map(foreign).collect()),
        ("one of another session", |events| vec![foreign(&events[0]), Arc::clone(&events[1]), Arc::clone(&events[2])]),
    ];
    for (what, forge) in forges {
        // What the chat publishes is lost, and what is heard comes from here.
        let by_hand = InProcessNotifier::new();
        let silent = Bent { notifier: by_hand.clone(), ..Bent::new(|_, _| Vec::new()) };
        let limits = Limits { poll_interval: Duration::from_secs(1_000), ..Limits::default() };
        let chat = Chat::builder(MemoryStore::new()).limits(limits).notifier(silent).build();
        let alice = user("alice");
        let id = room(&chat, &alice, &[]).await;
        let mut events = chat.subscribe(&alice, id, None).await.unwrap();
        for round in 0..3 {
            for n in 0..3 {
                say(&chat, &alice, id, &n.to_string()).await;
            }
            let first = 2 + round * 3;
            let log = chat.events(&alice, id, first - 1, None).await.unwrap().events;
            let log: Vec<_> = log.iter().map(|view| Arc::clone(&view.event)).collect();
            let hint = Hint::Committed { session_id: id, head: first + 2, events: forge(&log) };
            by_hand.publish(hint).await;
            let told: Vec<_> = take(&mut events, 3).await.iter().map(|view| Arc::clone(&view.event)).collect();
            assert_eq!(told, log, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn signals_come_again_after_a_notifier_broke_off() {
    let chat = Chat::builder(MemoryStore::new()).notifier(BreaksOff(InProcessNotifier::new())).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    for is_typing in [true, false, true] {
        chat.typing(&alice, id, is_typing).await.unwrap();
        assert!(matches!(delivery(&mut events).await, Delivery::Signal(_)));
        tokio::time::sleep(chat.limits().poll_interval * 2).await;
    }
}

/// Gives everybody the hints of every session.
struct TellsEverybody(tokio::sync::broadcast::Sender<Hint>);

#[async_trait]
impl Notifier for TellsEverybody {
    async fn publish(&self, hint: Hint) {
        let _ = self.0.send(hint);
    }

    async fn listen(&self, _: Topic) -> BoxStream<'static, Hint> {
        let hints = stream::unfold(self.0.subscribe(), |mut hints| async move {
            let hint = hints.recv().await.ok()?;
            Some((hint, hints))
        });
        hints.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn hints_of_another_session_never_show_its_events_or_signals() {
    let chat =
        Chat::builder(MemoryStore::new()).notifier(TellsEverybody(tokio::sync::broadcast::Sender::new(64))).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let (here, there) = (room(&chat, &alice, &[]).await, room(&chat, &bob, &[]).await);
    let mut events = chat.subscribe(&alice, here, None).await.unwrap();
    say(&chat, &bob, there, "a secret").await;
    chat.typing(&bob, there, true).await.unwrap();
    assert_silent(&mut events).await;
    say(&chat, &alice, here, "hello").await;
    let event = next(&mut events).await;
    assert_eq!((event.event.session_id, event.event.seq), (here, 2));
}

#[tokio::test(start_paused = true)]
async fn without_hints_a_poll_brings_everything_there_is() {
    let limits = Limits { poll_interval: Duration::from_secs(10), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new())
        .rates(RateLimits::off())
        .limits(limits)
        .notifier(Bent::new(|_, _| Vec::new()))
        .build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    for n in 0..1_000 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    // Virtual time: how many polls it takes.
    let began = tokio::time::Instant::now();
    for _ in 0..1_000 {
        next(&mut events).await;
    }
    assert_eq!(began.elapsed().as_secs() / 10, 1);
}

/// Takes its time to listen.
#[derive(Clone, Default)]
struct SlowToListen {
    notifier: InProcessNotifier,
    slow: Arc<AtomicBool>,
}

#[async_trait]
impl Notifier for SlowToListen {
    async fn publish(&self, hint: Hint) {
        self.notifier.publish(hint).await;
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        if self.slow.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.notifier.listen(topic).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_subscribing_leaves_nobody_deaf() {
    let notifier = SlowToListen::default();
    let chat = Chat::builder(MemoryStore::new()).notifier(notifier.clone()).build();
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;

    notifier.slow.store(true, Ordering::SeqCst);
    let mut gives_up = Box::pin(chat.subscribe(&carol, id, None));
    assert!(futures_util::poll!(gives_up.as_mut()).is_pending());
    notifier.slow.store(false, Ordering::SeqCst);
    let waiting = tokio::spawn({
        let (chat, bob) = (chat.clone(), bob.clone());
        async move { chat.subscribe(&bob, id, None).await }
    });
    tokio::task::yield_now().await;
    drop(gives_up);
    let mut events = in_time(waiting).await.unwrap().unwrap();
    chat.typing(&alice, id, true).await.unwrap();
    assert!(matches!(delivery(&mut events).await, Delivery::Signal(_)));
}

/// While it begins to listen, somebody says something, which it therefore does not hear.
#[derive(Clone, Default)]
struct JustMissesOne {
    notifier: InProcessNotifier,
    speaker: Arc<Mutex<Option<(Chat, Principal)>>>,
}

#[async_trait]
impl Notifier for JustMissesOne {
    async fn publish(&self, hint: Hint) {
        self.notifier.publish(hint).await;
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        if let Topic::Session(session_id) = topic {
            let speaker = self.speaker.lock().unwrap().take();
            if let Some((chat, speaker)) = speaker {
                say(&chat, &speaker, session_id, "unheard").await;
            }
        }
        self.notifier.listen(topic).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_while_listening_begins_waits_for_no_poll() {
    let notifier = JustMissesOne::default();
    let limits = Limits { poll_interval: Duration::from_secs(1_000), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).notifier(notifier.clone()).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    *notifier.speaker.lock().unwrap() = Some((chat.clone(), alice.clone()));
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    assert_eq!(next(&mut events).await.event.seq, 2);
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_is_told_at_once_what_the_others_do_not_know_yet() {
    let limits = Limits { poll_interval: Duration::from_secs(1_000), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).notifier(Bent::new(|_, _| Vec::new())).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let mut early = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    for n in 0..3 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    let mut late = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    assert_eq!(seqs(&take(&mut late, 4).await), [1, 2, 3, 4]);
    assert_eq!(seqs(&take(&mut early, 4).await), [1, 2, 3, 4], "and the others with them");
}

mod in_process {
    use super::*;

    async fn notifier() -> Option<(Arc<dyn Notifier>, ())> {
        Some((Arc::new(InProcessNotifier::new()), ()))
    }

    chatcore::notifier_conformance!(notifier);
}

/// Runs one case of the suite.
async fn check(case: &str, notifier: impl Notifier) {
    chatcore::notify::conformance::run(case, Arc::new(notifier)).await;
}

#[tokio::test(start_paused = true)]
#[should_panic = "did not come back to the process that published it"]
async fn a_notifier_that_keeps_hints_from_its_own_process_is_noticed() {
    check("hints_come_back_once_and_in_order", Bent::new(|_, _| Vec::new())).await;
}

#[tokio::test]
#[should_panic = "once"]
async fn a_notifier_that_doubles_hints_is_noticed() {
    let doubled = Bent::new(|_, hint| vec![hint.clone(), hint]);
    check("hints_come_back_once_and_in_order", doubled).await;
}

#[tokio::test]
#[should_panic = "in order, and once"]
async fn a_notifier_that_tells_everybody_is_noticed() {
    check("hints_reach_no_stream_of_another_topic", TellsEverybody(tokio::sync::broadcast::Sender::new(64))).await;
}

#[tokio::test(start_paused = true)]
#[should_panic = "did not come back to the process that published it"]
async fn a_notifier_that_keeps_hints_about_users_is_noticed() {
    let of_sessions = |_, hint: Hint| if matches!(hint.topic(), Topic::User(_)) { Vec::new() } else { vec![hint] };
    check("hints_about_a_user_reach_the_streams_of_that_user", Bent::new(of_sessions)).await;
}

/// Takes the beginning of a user's id for the whole.
struct CutsUsers(InProcessNotifier);

#[async_trait]
impl Notifier for CutsUsers {
    async fn publish(&self, hint: Hint) {
        self.0.publish(hint.clone()).await;
        if let Hint::Arrived { user_id, session_id, is_own } = hint
            && let Some((user_id, _)) = user_id.as_str().split_once('.')
        {
            let user_id = chatcore::model::UserId::new(user_id).unwrap();
            self.0.publish(Hint::Arrived { user_id, session_id, is_own }).await;
        }
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        self.0.listen(topic).await
    }
}

#[tokio::test]
#[should_panic = "in order, and once"]
async fn a_notifier_that_mixes_users_up_is_noticed() {
    check("user_ids_are_told_apart_by_every_character", CutsUsers(InProcessNotifier::new())).await;
}
