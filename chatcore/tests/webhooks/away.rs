//! A receiver that answers 500 for an hour, on a clock of the test's own, for webhooks of a session and of the server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    Chat, Clock as _, MemoryStore, Principal, RateLimits, TestClock, Webhooks,
    admin::AuditOrigin,
    identity::SystemRole,
    model::{SessionId, SessionType, WebhookId},
    store::ChatStoreExt as _,
    webhooks::{
        Deliveries, FailureReason, Queue, RETRY_DELAYS, Sent, ServerDeliveries, Webhook, WebhookOptions,
        WebhookRequest, WebhookSender,
    },
};
use chrono::TimeDelta;

use super::{
    kit::{say, session, user},
    receiver::until,
    to,
};

const AWAY: &str = "https://example.com/away";
const FINE: &str = "https://example.com/fine";

/// An attempt, with its time in seconds.
#[derive(Debug, Clone)]
struct Attempt {
    url: String,
    id: String,
    seq: u64,
    at: i64,
    is_accepted: bool,
}

/// Two receivers: one of them fails until a time.
#[derive(Clone)]
struct Receivers {
    fails_until: i64,
    all: Arc<Mutex<Vec<Attempt>>>,
}

impl Receivers {
    fn of(&self, url: &str) -> Vec<Attempt> {
        self.all.lock().unwrap().iter().filter(|attempt| attempt.url == url).cloned().collect()
    }
}

#[async_trait]
impl WebhookSender for Receivers {
    async fn send(&self, request: WebhookRequest) -> Sent {
        let WebhookRequest { url, id, timestamp: at, signature: _, body } = request;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let seq = body["seq"].as_u64().unwrap();
        let is_accepted = url == FINE || at >= self.fails_until;
        self.all.lock().unwrap().push(Attempt { url, id, seq, at, is_accepted });
        Sent::Answered { status: if is_accepted { 200 } else { 500 }, retry_after: None }
    }
}

#[derive(Debug, Clone, Copy)]
enum Of {
    Session,
    Server,
}

struct World {
    store: MemoryStore,
    chat: Chat,
    webhooks: Webhooks,
    clock: TestClock,
    owner: Principal,
    session: SessionId,
    of: Of,
}

fn root() -> Principal {
    Principal { system_role: SystemRole::Admin, ..user("root") }
}

impl World {
    async fn new(of: Of) -> Self {
        let (store, clock, owner) = (MemoryStore::new(), TestClock::default(), user("owner"));
        let chat = Chat::builder(store.clone()).rates(RateLimits::off()).clock(clock.clone()).build();
        let session = session(&chat, &owner, SessionType::Public).await;
        // A webhook of the server gets the events that are no older than it.
        clock.advance(TimeDelta::seconds(1));
        // The sweeps look at the time, and only they do: each pause is longer.
        let options = WebhookOptions { sweep_interval: Duration::from_millis(10), ..WebhookOptions::default() };
        Self { webhooks: Webhooks::new(chat.clone(), options), store, chat, clock, owner, session, of }
    }

    async fn hook(&self, url: &str) -> Webhook {
        let created = match self.of {
            Of::Session => self.webhooks.create(&self.owner, self.session, to(url)).await,
            Of::Server => self.webhooks.create_for_server(&root(), &AuditOrigin::default(), to(url)).await,
        };
        created.unwrap().webhook
    }

    async fn queue(&self, id: WebhookId) -> Queue {
        let shown = match self.of {
            Of::Session => self.webhooks.get(&self.owner, self.session, id).await,
            Of::Server => self.webhooks.get_for_server(&root(), id).await,
        };
        shown.unwrap().queue
    }

    /// Comes back when the next event was tried so often, and no attempt is under way.
    async fn rests_after(&self, id: WebhookId, attempts: u32) {
        for _ in 0..6_000 {
            let (webhook, session) = (id, self.session);
            let found = match self.of {
                Of::Session => self.store.get(&Deliveries { webhook, session }).await,
                Of::Server => self.store.get(&ServerDeliveries { webhook, session }).await,
            };
            let delivery = found.unwrap().map(|found| found.value);
            if delivery.is_some_and(|delivery| delivery.attempts == attempts && delivery.leased_until.is_none()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{attempts} attempts were not made in a minute: {:?}", self.queue(id).await);
    }

    async fn drained(&self, id: WebhookId) -> Queue {
        for _ in 0..6_000 {
            let queue = self.queue(id).await;
            if queue.lag == 0 {
                return queue;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("events are left after a minute: {:?}", self.queue(id).await);
    }

    async fn say(&self) -> u64 {
        say(&self.chat, &self.owner, self.session, "Hello").await.seq
    }
}

/// The bounds of a pause: a fifth shorter and longer, and a second for what is cut off.
fn bounds(pause: Duration) -> [TimeDelta; 2] {
    let [least, most] = [0.8, 1.2].map(|share| TimeDelta::from_std(pause.mul_f64(share)).unwrap());
    [least, most + TimeDelta::seconds(1)]
}

async fn a_receiver_fails_for_an_hour(of: Of) {
    let world = World::new(of).await;
    let (away, fine) = (world.hook(AWAY).await, world.hook(FINE).await);
    // A webhook of a session begins with its own creation, and one of the server with the next event.
    let head = world.chat.session(&world.owner, world.session).await.unwrap().seq;
    let first = |webhook: &Webhook| webhook.queue.delivered_upto.unwrap_or(head) + 1;
    let firsts = [&away, &fine].map(first);
    world.clock.advance(TimeDelta::seconds(1));
    let fails_until = world.clock.now() + TimeDelta::hours(1);
    let receivers = Receivers { fails_until: fails_until.timestamp(), all: Arc::default() };
    let worker = world.webhooks.start(receivers.clone());

    let mut last = world.say().await;
    let mut failed = 0;
    for pause in RETRY_DELAYS {
        failed += 1;
        world.rests_after(away.id, failed).await;
        let queue = world.queue(away.id).await;
        // The sessions wait together for the first failure of an event only, and each event for all of its own.
        let (counted, waits) = match of {
            Of::Session => (failed, pause),
            Of::Server => (1, RETRY_DELAYS[0]),
        };
        assert_eq!(queue.attempts, counted);
        let failure = queue.last_failure.unwrap();
        assert_eq!((failure.reason, failure.status), (FailureReason::BadStatus, Some(500)));
        assert_eq!(failure.at, world.clock.now(), "it is tried as soon as its time has come");
        assert_eq!(queue.lag, last + 1 - firsts[0], "{queue:?}");
        let [least, most] = bounds(waits);
        let next = queue.next_attempt_at.unwrap();
        assert!((failure.at + least..=failure.at + most).contains(&next), "{queue:?} after attempt {failed}");
        let [least, most] = bounds(pause);
        // Before the pause is over, the other receiver gets what happens, and this one is left alone.
        world.clock.set(failure.at + least - TimeDelta::seconds(1));
        last = world.say().await;
        let is_there = |attempt: &Attempt| (attempt.seq, attempt.at) == (last, world.clock.now().timestamp());
        until("delivery to the other receiver", || receivers.of(FINE).iter().any(is_there)).await;
        assert_eq!(receivers.of(AWAY).len(), failed as usize);
        world.clock.set(failure.at + most);
        if world.clock.now() >= fails_until {
            break;
        }
    }
    assert_eq!(failed, 4, "at once, and after 5 seconds, 5 minutes and half an hour");

    let queue = world.drained(away.id).await;
    assert_eq!(
        (queue.attempts, queue.next_attempt_at, queue.dead_letters, queue.skipped),
        (0, None, 0, 0),
        "{queue:?}"
    );
    world.drained(fine.id).await;
    worker.stop().await;
    let (before, after): (Vec<_>, Vec<_>) = receivers.of(AWAY).into_iter().partition(|attempt| !attempt.is_accepted);
    assert_eq!(before.len(), failed as usize);
    let id = &after[0].id;
    assert!(before.iter().all(|attempt| (attempt.seq, &attempt.id) == (firsts[0], id)), "{before:?}");
    let seqs = |attempts: &[Attempt]| attempts.iter().map(|attempt| attempt.seq).collect::<Vec<_>>();
    assert_eq!(seqs(&after), (firsts[0]..=last).collect::<Vec<_>>(), "each event once and in order");
    assert_eq!(seqs(&receivers.of(FINE)), (firsts[1]..=last).collect::<Vec<_>>(), "each event once and in order");
    let times = before.iter().chain(&after[..1]).map(|attempt| attempt.at).collect::<Vec<_>>();
    for (times, pause) in times.windows(2).zip(RETRY_DELAYS) {
        let [least, most] = bounds(pause).map(|bound| bound.num_seconds());
        assert!((least..=most).contains(&(times[1] - times[0])), "{times:?} for {pause:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_of_a_session_that_fails_for_an_hour_loses_nothing() {
    a_receiver_fails_for_an_hour(Of::Session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_of_the_server_that_fails_for_an_hour_loses_nothing() {
    a_receiver_fails_for_an_hour(Of::Server).await;
}
