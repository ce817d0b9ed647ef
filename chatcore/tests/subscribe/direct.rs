//! Outlets: what they take comes once and in order with what the stream gives, and wakes nobody.

use std::{
    collections::BTreeSet,
    pin::pin,
    task::{Context, Poll, Wake},
};

use chatcore::chat::{Outlet, SignalView};
use proptest::prelude::*;
use tokio::sync::watch;

use super::{queued::Witness, *};

/// What a reader has got, in the order in which it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Got {
    Direct(Seq),
    Streamed(Seq),
    DirectSignal,
    StreamedSignal,
}

impl Got {
    fn seq(self) -> Option<Seq> {
        match self {
            Self::Direct(seq) | Self::Streamed(seq) => Some(seq),
            Self::DirectSignal | Self::StreamedSignal => None,
        }
    }
}

/// An outlet that takes as many events at a time as a script says, again and again.
pub(super) struct Scripted {
    script: Vec<usize>,
    turn: AtomicUsize,
    got: watch::Sender<Vec<Got>>,
}

impl Scripted {
    fn new(script: &[usize]) -> Arc<Self> {
        Arc::new(Self { script: script.to_vec(), turn: AtomicUsize::new(0), got: watch::Sender::new(Vec::new()) })
    }

    pub(super) fn open() -> Arc<Self> {
        Self::new(&[usize::MAX])
    }

    fn room(&self) -> usize {
        self.script[self.turn.fetch_add(1, Ordering::SeqCst) % self.script.len()]
    }

    fn push(&self, got: Got) {
        self.got.send_modify(|all| all.push(got));
    }

    fn seqs(&self) -> Vec<Seq> {
        self.got.borrow().iter().filter_map(|got| got.seq()).collect()
    }

    async fn until(&self, done: impl FnMut(&Vec<Got>) -> bool) {
        in_time(self.got.subscribe().wait_for(done)).await.unwrap();
    }

    pub(super) async fn until_seq(&self, seq: Seq) {
        self.until(|all| all.iter().filter_map(|got| got.seq()).next_back() == Some(seq)).await;
    }
}

impl Outlet for Scripted {
    fn take_events(&self, events: &[Arc<EventView>]) -> usize {
        let taken = self.room().min(events.len());
        events[..taken].iter().for_each(|view| self.push(Got::Direct(view.event.seq)));
        taken
    }

    fn take_signal(&self, _: &Arc<SignalView>) -> bool {
        let takes = self.room() > 0;
        if takes {
            self.push(Got::DirectSignal);
        }
        takes
    }
}

/// Notes what the stream gives, until it ends; gives the error that ended it.
async fn note(mut events: Subscription, outlet: Arc<Scripted>) -> Option<Error> {
    while let Some(delivery) = events.next().await {
        match delivery {
            Ok(Delivery::Event(view)) => outlet.push(Got::Streamed(view.event.seq)),
            Ok(Delivery::Signal(_)) => outlet.push(Got::StreamedSignal),
            Err(error) => return Some(error),
        }
    }
    None
}

pub(super) async fn reader(
    chat: &Chat,
    who: &Principal,
    id: SessionId,
    after: Option<Seq>,
    outlet: &Arc<Scripted>,
) -> Subscription {
    let mut events = chat.subscribe(who, id, after).await.unwrap();
    events.deliver_to(Arc::clone(outlet) as Arc<dyn Outlet>);
    events
}

#[derive(Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once, without a task.
pub(super) fn poll_once(events: &mut Subscription, wakes: &Arc<Wakes>) -> Poll<Option<chatcore::Result<Delivery>>> {
    let waker = Arc::clone(wakes).into();
    pin!(events.next()).poll(&mut Context::from_waker(&waker))
}

#[tokio::test]
async fn what_the_outlet_takes_wakes_nobody() {
    let chat = Chat::in_memory();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let (outlet, wakes) = (Scripted::open(), Arc::new(Wakes::default()));
    let mut events = reader(&chat, &bob, id, None, &outlet).await;
    assert!(poll_once(&mut events, &wakes).is_pending());
    for n in 0..50 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    // Others come, go and change: that concerns this reader's rights nothing.
    for name in ["carol", "dave"] {
        chat.join(&user(name), id).await.unwrap();
    }
    chat.remove_participant(&alice, id, &user_id("carol")).await.unwrap();
    chat.leave(&user("dave"), id).await.unwrap();
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    chat.typing(&alice, id, true).await.unwrap();
    outlet.until(|all| all.last() == Some(&Got::DirectSignal)).await;
    assert_eq!(outlet.seqs(), (3..=57).collect::<Vec<_>>());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    assert!(poll_once(&mut events, &wakes).is_pending());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
}

/// A waker that looks at the stream at once, as an executor may that polls where it wakes.
struct Inline {
    events: Mutex<Option<Subscription>>,
    got: Arc<Scripted>,
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let Some(mut events) = self.events.lock().unwrap().take() else { return };
        while let Some(Some(Ok(view))) = events.next_event().now_or_never() {
            self.got.push(Got::Streamed(view.event.seq));
        }
        let waker = Arc::clone(&self).into();
        assert!(pin!(events.next()).poll(&mut Context::from_waker(&waker)).is_pending());
        *self.events.lock().unwrap() = Some(events);
    }
}

#[tokio::test]
async fn a_waker_may_look_at_the_stream() {
    let chat = Chat::in_memory();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let got = Scripted::open();
    let inline = Arc::new(Inline { events: Mutex::default(), got: Arc::clone(&got) });
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    let waker = Arc::clone(&inline).into();
    assert!(pin!(events.next()).poll(&mut Context::from_waker(&waker)).is_pending());
    *inline.events.lock().unwrap() = Some(events);
    for seq in 2..5 {
        say(&chat, &alice, id, "x").await;
        got.until_seq(seq).await;
    }
}

#[tokio::test]
async fn the_outlet_gets_nothing_before_the_stream_has_nothing() {
    let chat = Chat::in_memory();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let (outlet, wakes) = (Scripted::open(), Arc::new(Wakes::default()));
    let mut behind = reader(&chat, &alice, id, None, &outlet).await;
    let in_step = Scripted::open();
    let mut witness = reader(&chat, &alice, id, None, &in_step).await;
    assert!(poll_once(&mut witness, &wakes).is_pending());
    say(&chat, &alice, id, "one").await;
    in_step.until_seq(2).await;
    assert_eq!(outlet.seqs(), Vec::<Seq>::new());
    assert_eq!(next(&mut behind).await.event.seq, 2);
    // It has not waited yet.
    say(&chat, &alice, id, "two").await;
    in_step.until_seq(3).await;
    assert_eq!(outlet.seqs(), Vec::<Seq>::new());
    assert_eq!(next(&mut behind).await.event.seq, 3);
    assert!(poll_once(&mut behind, &wakes).is_pending());
    say(&chat, &alice, id, "three").await;
    outlet.until_seq(4).await;
}

#[tokio::test]
async fn a_dropped_stream_leaves_its_outlet_alone() {
    let chat = Chat::in_memory();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let wakes = Arc::new(Wakes::default());
    let (dropped, kept) = (Scripted::open(), Scripted::open());
    let mut one = reader(&chat, &alice, id, None, &dropped).await;
    let mut other = reader(&chat, &alice, id, None, &kept).await;
    assert!(poll_once(&mut one, &wakes).is_pending() && poll_once(&mut other, &wakes).is_pending());
    say(&chat, &alice, id, "both").await;
    dropped.until_seq(2).await;
    drop(one);
    assert_eq!(Arc::strong_count(&dropped), 1);
    say(&chat, &alice, id, "one").await;
    kept.until_seq(3).await;
    assert_eq!(dropped.seqs(), [2]);
    assert_eq!(kept.seqs(), [2, 3]);
}

#[tokio::test]
async fn the_event_that_ends_the_right_to_read_comes_by_the_stream_and_last() {
    for ending in 0..3 {
        let chat = Chat::in_memory();
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let outlet = Scripted::open();
        let noted = tokio::spawn(note(reader(&chat, &bob, id, None, &outlet).await, Arc::clone(&outlet)));
        let witness = Scripted::open();
        let _others = tokio::spawn(note(reader(&chat, &alice, id, None, &witness).await, Arc::clone(&witness)));
        say(&chat, &alice, id, "read").await;
        match ending {
            0 => chat.remove_participant(&alice, id, &bob.user_id).await.unwrap(),
            1 => chat.leave(&bob, id).await.unwrap(),
            _ => chat.delete_session(&alice, id).await.unwrap(),
        }
        if ending != 2 {
            say(&chat, &alice, id, "without bob").await;
            chat.typing(&alice, id, true).await.unwrap();
            say(&chat, &alice, id, "the last").await;
        }
        assert_eq!(in_time(noted).await.unwrap(), None);
        assert_eq!(outlet.seqs(), [3, 4], "ending {ending}");
        assert_eq!(outlet.got.borrow().last(), Some(&Got::Streamed(4)));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_after_the_token_has_expired() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let (alice, mut bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    bob.expires_at = Some(clock.now() + TimeDelta::seconds(30));
    let outlet = Scripted::open();
    let (wakes, mut events) = (Arc::new(Wakes::default()), reader(&chat, &bob, id, None, &outlet).await);
    assert!(poll_once(&mut events, &wakes).is_pending());
    say(&chat, &alice, id, "before").await;
    outlet.until_seq(3).await;
    clock.advance(TimeDelta::seconds(31));
    say(&chat, &alice, id, "after").await;
    assert!(matches!(in_time(events.next()).await, Some(Err(Error::TokenExpired))));
    assert!(in_time(events.next()).await.is_none());
    assert_eq!(outlet.seqs(), [3]);
}

#[tokio::test]
async fn nothing_comes_after_the_login_has_ended() {
    let chat = Chat::in_memory();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let (outlet, wakes) = (Scripted::open(), Arc::new(Wakes::default()));
    let mut events = reader(&chat, &bob, id, None, &outlet).await;
    assert!(poll_once(&mut events, &wakes).is_pending());
    let witness = Witness::of(&chat, &alice, id).await;
    say(&chat, &alice, id, "before").await;
    witness.until_seq(3).await;
    // Another user's login is of no concern, and neither is an older one of the same user.
    chat.revoke_before(&alice.user_id, alice.issued_at - TimeDelta::seconds(1)).await.unwrap();
    chat.revoke_before(&bob.user_id, bob.issued_at - TimeDelta::seconds(1)).await.unwrap();
    say(&chat, &alice, id, "still good").await;
    witness.until_seq(4).await;
    assert_eq!(outlet.seqs(), [3, 4]);
    chat.revoke_before(&bob.user_id, bob.issued_at + TimeDelta::seconds(1)).await.unwrap();
    for seq in 5..8 {
        say(&chat, &alice, id, "not for bob").await;
        chat.typing(&alice, id, true).await.unwrap();
        witness.until_seq(seq).await;
    }
    assert_eq!(*outlet.got.borrow(), [Got::Direct(3), Got::Direct(4)]);
    assert!(matches!(poll_once(&mut events, &wakes), Poll::Ready(Some(Err(Error::TokenInvalid)))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_readers_in_step_and_behind_get_the_same() {
    const MESSAGES: u64 = 40;
    let chat = uncounted(MemoryStore::new());
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let scripts: [&[usize]; 4] = [&[usize::MAX], &[0], &[1, 0, 3], &[2, usize::MAX, 0, 0]];
    let mut outlets = Vec::new();
    for n in 0..2_000 {
        let outlet = Scripted::new(scripts[n % scripts.len()]);
        tokio::spawn(note(reader(&chat, &alice, id, None, &outlet).await, Arc::clone(&outlet)));
        outlets.push(outlet);
    }
    for n in 0..MESSAGES {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    for outlet in outlets {
        outlet.until_seq(MESSAGES + 1).await;
        assert_eq!(outlet.seqs(), (2..=MESSAGES + 1).collect::<Vec<_>>());
    }
}

/// An outlet that breaks its contract: it holds up the task that hands events out.
struct Gate {
    is_entered: AtomicBool,
    opened: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Outlet for Gate {
    fn take_events(&self, events: &[Arc<EventView>]) -> usize {
        self.is_entered.store(true, Ordering::SeqCst);
        let _ = self.opened.lock().unwrap().recv();
        events.len()
    }

    fn take_signal(&self, _: &Arc<SignalView>) -> bool {
        false
    }
}

/// Polls until something comes, whether it is woken or not.
async fn insist(events: &mut Subscription) -> Seq {
    let wakes = Arc::new(Wakes::default());
    in_time(async {
        loop {
            match poll_once(events, &wakes) {
                Poll::Ready(Some(Ok(Delivery::Event(view)))) => return view.event.seq,
                Poll::Ready(other) => panic!("{other:?}"),
                Poll::Pending => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_was_faster_than_the_task_gets_nothing_twice() {
    let chat = Chat::in_memory();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let wakes = Arc::new(Wakes::default());
    let outlet = Scripted::new(&[0, usize::MAX, usize::MAX]);
    let mut fast = reader(&chat, &alice, id, None, &outlet).await;
    let (open, opened) = std::sync::mpsc::channel();
    let gate = Arc::new(Gate { is_entered: AtomicBool::new(false), opened: Mutex::new(opened) });
    let mut held = chat.subscribe(&alice, id, None).await.unwrap();
    held.deliver_to(Arc::clone(&gate) as Arc<dyn Outlet>);
    let mut witness = chat.subscribe(&alice, id, None).await.unwrap();
    assert!(poll_once(&mut fast, &wakes).is_pending() && poll_once(&mut held, &wakes).is_pending());
    say(&chat, &alice, id, "refused, then held up").await;
    while !gate.is_entered.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    say(&chat, &alice, id, "read meanwhile").await;
    assert_eq!((insist(&mut fast).await, insist(&mut fast).await), (2, 3));
    assert!(poll_once(&mut fast, &wakes).is_pending());
    say(&chat, &alice, id, "handed out together with the one before").await;
    while insist(&mut witness).await < 4 {}
    drop(open);
    outlet.until_seq(4).await;
    say(&chat, &alice, id, "in step").await;
    outlet.until_seq(5).await;
    assert_eq!(outlet.seqs(), [4, 5]);
}

/// What happens in a session that a reader follows.
#[derive(Debug, Clone)]
enum Step {
    Say,
    SayMany(u8),
    Type,
    Join(u8),
    Remove(u8),
    Rename,
    Demote,
    Promote,
    /// The other tasks run.
    Rest,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Say),
        2 => (2..80_u8).prop_map(Step::SayMany),
        3 => Just(Step::Type),
        1 => (0..4_u8).prop_map(Step::Join),
        1 => (0..4_u8).prop_map(Step::Remove),
        1 => Just(Step::Rename),
        1 => Just(Step::Demote),
        1 => Just(Step::Promote),
        4 => Just(Step::Rest),
    ]
}

async fn take_step(chat: &Chat, id: SessionId, step: &Step) {
    let (alice, bob) = (user("alice"), user("bob"));
    let role = |role| chat.change_role(&alice, id, &bob.user_id, role);
    match step {
        Step::Say => drop(say(chat, &alice, id, "one").await),
        Step::SayMany(count) => drop(join_all((0..*count).map(|_| say(chat, &alice, id, "many"))).await),
        Step::Type => drop(chat.typing(&alice, id, true).await),
        Step::Join(n) => drop(chat.join(&user(&format!("u{n}")), id).await),
        Step::Remove(n) => drop(chat.remove_participant(&alice, id, &user_id(&format!("u{n}"))).await),
        Step::Rename => {
            let update = UpdateSession { title: Some("renamed".to_owned()), ..UpdateSession::default() };
            drop(chat.update_session(&alice, id, update).await);
        }
        Step::Demote => drop(role(ParticipantRole::Viewer).await),
        Step::Promote => drop(role(ParticipantRole::Member).await),
        Step::Rest => tokio::task::yield_now().await,
    }
}

async fn model(script: Vec<usize>, kept: usize, start: Option<Seq>, steps: Vec<Step>) {
    let limits = Limits { tail_events: kept, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let outlet = Scripted::new(&script);
    let noted = tokio::spawn(note(reader(&chat, &bob, id, start, &outlet).await, Arc::clone(&outlet)));
    for step in &steps {
        take_step(&chat, id, step).await;
    }
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    say(&chat, &alice, id, "without bob").await;
    assert_eq!(in_time(noted).await.unwrap(), None);
    let seqs = outlet.seqs();
    let (first, last) = (start.map_or(3, |start| start + 1), *seqs.last().unwrap());
    assert_eq!(seqs, (first..=last).collect::<Vec<_>>());
    let page = chat.events(&alice, id, last - 1, Some(1)).await.unwrap();
    assert_eq!(page.events[0].event.kind, removed(&bob));
    assert_eq!(outlet.got.borrow().last(), Some(&Got::Streamed(last)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_that_changes_between_the_ways_gets_each_event_once_and_in_order(
        script in prop::collection::vec(prop_oneof![Just(0), Just(1), 2..5_usize, Just(usize::MAX)], 1..6),
        kept in prop_oneof![Just(2), Just(256)],
        start in prop_oneof![Just(None), Just(Some(0))],
        steps in prop::collection::vec(step(), 1..40),
        threads in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
        runtime.block_on(async { tokio::spawn(model(script, kept, start, steps)).await.unwrap() });
    }
}

#[tokio::test]
async fn both_ways_are_used_by_an_outlet_that_takes_some() {
    let chat = Chat::in_memory();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let outlet = Scripted::new(&[1, 0]);
    tokio::spawn(note(reader(&chat, &alice, id, None, &outlet).await, Arc::clone(&outlet)));
    for seq in 2..42 {
        say(&chat, &alice, id, "x").await;
        outlet.until_seq(seq).await;
        // The reader waits again.
        tokio::task::yield_now().await;
    }
    let kinds: BTreeSet<bool> = outlet.got.borrow().iter().map(|got| matches!(got, Got::Direct(_))).collect();
    assert_eq!(kinds.len(), 2);
    assert_eq!(outlet.seqs(), (2..42).collect::<Vec<_>>());
}
