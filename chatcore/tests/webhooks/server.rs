//! Webhooks of the server: they get the events of all sessions.

#[path = "server/failing.rs"]
mod failing;
#[path = "server/limits.rs"]
mod limits;
#[path = "server/meanwhile.rs"]
mod meanwhile;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chatcore::{
    Chat, Error, MemoryStore, Principal, Webhooks,
    admin::{AuditAction, AuditFilter, AuditOrigin},
    chat::SendMessage,
    identity::SystemRole,
    model::{SessionId, SessionType, WebhookId},
    store::{ChatStore, ChatStoreExt as _, Scan, TypedKey},
    webhooks::{
        CreateWebhook, CreatedWebhook, DeadLetters, Delivery, Endpoints, MAX_SERVER_WEBHOOKS, Replays,
        ServerDeliveries, Unsent, UpdateWebhook, Webhook, WebhookOptions, WebhookState,
    },
};

use super::{
    kit::{say, session, uncounted, user},
    options,
    processes::Noting,
    receiver::{Got, Receiver},
    start, to,
};

fn root() -> Principal {
    Principal { system_role: SystemRole::Admin, ..user("root") }
}

/// A chat with two sessions of different owners, an administrator, and a webhook of the server.
struct World {
    store: MemoryStore,
    chat: Chat,
    webhooks: Webhooks,
    owner: Principal,
    sessions: [SessionId; 2],
}

impl World {
    async fn with(options: WebhookOptions) -> Self {
        let store = MemoryStore::new();
        let chat = uncounted(store.clone());
        let owner = user("owner");
        let sessions =
            [session(&chat, &owner, SessionType::Public).await, session(&chat, &owner, SessionType::Private).await];
        Self { store, webhooks: Webhooks::new(chat.clone(), options), chat, owner, sessions }
    }

    async fn new() -> Self {
        Self::with(options()).await
    }

    async fn hook(&self, receiver: &Receiver) -> CreatedWebhook {
        self.created(to(receiver.url())).await
    }

    async fn created(&self, new: CreateWebhook) -> CreatedWebhook {
        self.webhooks.create_for_server(&root(), &AuditOrigin::default(), new).await.unwrap()
    }

    async fn update(&self, id: WebhookId, changes: UpdateWebhook) -> Webhook {
        self.webhooks.update_for_server(&root(), &AuditOrigin::default(), id, changes).await.unwrap()
    }

    async fn activate(&self, id: WebhookId, is_active: bool) -> Webhook {
        self.update(id, UpdateWebhook { is_active: Some(is_active), ..UpdateWebhook::default() }).await
    }

    async fn say(&self, place: usize, text: &str) -> u64 {
        say(&self.chat, &self.owner, self.sessions[place], text).await.seq
    }

    async fn shown(&self, id: WebhookId) -> Webhook {
        self.webhooks.get_for_server(&root(), id).await.unwrap()
    }

    async fn drained(&self, id: WebhookId) {
        for _ in 0..6_000 {
            if self.shown(id).await.queue.lag == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("events are left after a minute: {:?}", self.shown(id).await);
    }

    /// Waits until the deliveries of a session are like this, and no attempt is under way.
    async fn rests(&self, webhook: WebhookId, place: usize, is_so: impl Fn(&Delivery) -> bool) {
        let key = ServerDeliveries { webhook, session: self.sessions[place] };
        for _ in 0..6_000 {
            let found = self.store.get(&key).await.unwrap().map(|found| found.value);
            if found.is_some_and(|delivery| is_so(&delivery) && delivery.leased_until.is_none()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the attempts were not made in a minute: {:?}", self.shown(webhook).await);
    }

    async fn count<K: TypedKey>(&self) -> usize {
        count::<K>(&self.store).await
    }
}

async fn count<K: TypedKey>(store: &dyn ChatStore) -> usize {
    let scan: Scan = K::under(Vec::new());
    store.list::<K>(scan).await.unwrap().len()
}

/// Waits until a table is empty.
async fn empty<K: TypedKey>(store: &dyn ChatStore) {
    for _ in 0..6_000 {
        if count::<K>(store).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} records are left after a minute", count::<K>(store).await);
}

/// The positions of the requests about a session, in the order in which they came.
fn seqs(got: &[Got], session: SessionId) -> Vec<u64> {
    let of = |one: &&Got| one.json()["data"]["session_id"] == session.to_string();
    got.iter().filter(of).map(Got::seq).collect()
}

/// The same without repetitions of what was accepted.
fn firsts(got: &[Got], session: SessionId) -> Vec<u64> {
    let accepted: Vec<Got> = got.iter().filter(|one| one.is_accepted()).cloned().collect();
    let mut firsts = Vec::new();
    for seq in seqs(&accepted, session) {
        if !firsts.contains(&seq) {
            firsts.push(seq);
        }
    }
    firsts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_events_of_all_sessions_come_in_order_from_the_creation_on_although_the_receiver_fails() {
    let world = World::new().await;
    world.say(0, "before").await;
    world.say(1, "before").await;
    let mut count = 0;
    let receiver = Receiver::answering(move |_| {
        count += 1;
        (if count % 3 == 0 { 500 } else { 204 }, String::new())
    })
    .await;
    let worker = start(&world.webhooks);
    let created = world.hook(&receiver).await;
    assert_eq!((created.webhook.session_id, created.webhook.queue.delivered_upto), (None, None));
    let mut said = [Vec::new(), Vec::new()];
    for number in 0..100 {
        for (place, said) in said.iter_mut().enumerate() {
            said.push(world.say(place, &format!("message {number}")).await);
        }
    }
    // A session that is made after the webhook.
    let late = session(&world.chat, &world.owner, SessionType::InviteOnly).await;
    let last = say(&world.chat, &world.owner, late, "late").await.seq;
    world.drained(created.webhook.id).await;
    let got = receiver.got();
    for (session, said) in world.sessions.iter().zip(&said) {
        assert_eq!(firsts(&got, *session), *said, "each event since the creation, and none before");
    }
    assert_eq!(firsts(&got, late), (1..=last).collect::<Vec<_>>());
    let mut ids: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for one in &got {
        assert!(one.is_signed_by(created.secret.as_str()), "a signature is wrong");
        let place = (one.json()["data"]["session_id"].as_str().unwrap().to_owned(), one.seq());
        assert_eq!(*ids.entry(one.id.clone()).or_insert_with(|| place.clone()), place, "two events with one id");
    }
    assert_eq!(ids.len() as u64, 200 + last);
    // Nothing is left to be found by a sweep.
    empty::<Unsent>(&world.store).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_before_a_crash_is_found_by_the_next_process() {
    let world = World::new().await;
    let receiver = Receiver::with(&[200]).await;
    let created = world.hook(&receiver).await;
    // A process that ends between the commits and the deliveries: it has no worker that could note anything.
    let first = world.say(0, "one").await;
    let second = world.say(1, "two").await;
    let World { store, chat, webhooks, owner, sessions } = world;
    drop((chat, webhooks));
    let chat = uncounted(store.clone());
    let webhooks = Webhooks::new(chat.clone(), options());
    let world = World { store, chat, webhooks, owner, sessions };
    assert_eq!(world.count::<Unsent>().await, 2);
    let worker = start(&world.webhooks);
    world.drained(created.webhook.id).await;
    let got = receiver.got();
    assert_eq!((seqs(&got, world.sessions[0]), seqs(&got, world.sessions[1])), (vec![first], vec![second]));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_did_not_know_of_the_webhook_delivers_what_it_committed() {
    let world = World::new().await;
    let other = uncounted(world.store.clone());
    // It looks for webhooks every 300 ms, and for the first time before there is one.
    let slow = WebhookOptions { sweep_interval: Duration::from_millis(300), ..options() };
    let of_other = Webhooks::new(other.clone(), slow);
    let worker = start(&of_other);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let receiver = Receiver::with(&[200]).await;
    let created = world.hook(&receiver).await;
    let seq = say(&other, &world.owner, world.sessions[0], "unmarked").await.seq;
    assert_eq!(world.count::<Unsent>().await, 0, "the other process knew of the webhook already");
    let got = receiver.has(1).await;
    assert_eq!(seqs(&got, world.sessions[0]), [seq]);
    world.drained(created.webhook.id).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_away_is_asked_once_for_all_sessions_and_loses_nothing() {
    let pause = Duration::from_millis(700);
    let world = World::with(WebhookOptions { retry_delays: vec![pause; 20], ..options() }).await;
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let receiver = Receiver::answering(move |_| (if away.load(Ordering::Relaxed) { 503 } else { 200 }, String::new()));
    let receiver = receiver.await;
    let created = world.hook(&receiver).await;
    let worker = start(&world.webhooks);
    let first = world.say(0, "the first to fail").await;
    receiver.has(1).await;
    let mut sessions = world.sessions.to_vec();
    for _ in 0..20 {
        let id = session(&world.chat, &world.owner, SessionType::Public).await;
        sessions.push(id);
    }
    world.say(1, "waits").await;
    tokio::time::sleep(pause * 3).await;
    let tried = receiver.got().len();
    // One at the beginning, and one after each pause, which is at least four fifths of its length.
    assert!((2..=5).contains(&tried), "{tried} attempts for 22 sessions");
    let shown = world.shown(created.webhook.id).await;
    assert_eq!(shown.queue.lag, 22, "{shown:?}");
    assert!(shown.queue.attempts >= 2 && shown.queue.last_failure.is_some() && shown.queue.next_attempt_at.is_some());
    is_away.store(false, Ordering::Relaxed);
    world.drained(created.webhook.id).await;
    let got = receiver.got();
    assert_eq!(firsts(&got, world.sessions[0]), [first]);
    assert!(sessions.iter().all(|session| firsts(&got, *session).len() == 1));
    let queue = world.shown(created.webhook.id).await.queue;
    assert_eq!((queue.attempts, queue.next_attempt_at, queue.dead_letters), (0, None, 0), "{queue:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_alone_fails_becomes_a_dead_letter_and_holds_up_its_own_session_only() {
    let delays = vec![Duration::from_millis(1); 3];
    let world = World::with(WebhookOptions { retry_delays: delays, ..options() }).await;
    let is_refused = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&is_refused);
    let receiver = Receiver::answering(move |got| {
        let is_poison = String::from_utf8_lossy(&got.body).contains("poison");
        (if is_poison && refuses.load(Ordering::Relaxed) { 500 } else { 200 }, String::new())
    })
    .await;
    let created = world.hook(&receiver).await;
    let id = created.webhook.id;
    let worker = start(&world.webhooks);
    let poison = world.say(0, "poison").await;
    let after = world.say(0, "after it").await;
    let other = world.say(1, "elsewhere").await;
    world.drained(id).await;
    let got = receiver.got();
    assert_eq!((firsts(&got, world.sessions[0]), firsts(&got, world.sessions[1])), (vec![after], vec![other]));
    assert_eq!(seqs(&got, world.sessions[0]).iter().filter(|seq| **seq == poison).count(), 4);
    let page = world.webhooks.server_dead_letters(&root(), id, None, None).await.unwrap();
    assert_eq!(
        page.entries.iter().map(|one| (one.session_id, one.seq)).collect::<Vec<_>>(),
        [(world.sessions[0], poison)]
    );
    assert_eq!(world.shown(id).await.queue.dead_letters, 1);

    is_refused.store(false, Ordering::Relaxed);
    let letter = world.webhooks.retry_server_dead_letter(&root(), id, world.sessions[0], poison).await.unwrap();
    assert!(letter.is_requested);
    empty::<DeadLetters>(&world.store).await;
    assert_eq!(receiver.accepted().last().unwrap().seq(), poison);
    let missing = world.webhooks.retry_server_dead_letter(&root(), id, world.sessions[0], after).await;
    assert_eq!(missing.unwrap_err(), Error::DeadLetterNotFound);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_letters_of_all_sessions_have_one_limit_and_pages() {
    let few = WebhookOptions { retry_delays: Vec::new(), dead_letters_max: 3, ..options() };
    let world = World::with(few).await;
    let receiver = Receiver::with(&[500]).await;
    let id = world.hook(&receiver).await.webhook.id;
    let worker = start(&world.webhooks);
    for number in 0..4 {
        world.say(number % 2, "lost").await;
    }
    world.drained(id).await;
    worker.stop().await;
    let page = world.webhooks.server_dead_letters(&root(), id, None, Some(2)).await.unwrap();
    let rest = world.webhooks.server_dead_letters(&root(), id, page.next, Some(2)).await.unwrap();
    assert_eq!((page.entries.len(), rest.entries.len(), rest.next), (2, 1, None));
    let mut places: Vec<_> =
        page.entries.iter().chain(&rest.entries).map(|letter| (letter.session_id, letter.seq)).collect();
    places.dedup();
    assert_eq!(places.len(), 3);
    assert!(places.is_sorted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_is_deleted_leaves_nothing_and_gets_nothing() {
    let world = World::with(WebhookOptions { retry_delays: Vec::new(), ..options() }).await;
    let receiver = Receiver::with(&[200, 500]).await;
    let id = world.hook(&receiver).await.webhook.id;
    let worker = start(&world.webhooks);
    world.say(0, "delivered").await;
    receiver.has(1).await;
    world.say(1, "a dead letter").await;
    receiver.has(2).await;
    world.webhooks.delete_for_server(&root(), &AuditOrigin::default(), id).await.unwrap();
    assert_eq!(world.webhooks.get_for_server(&root(), id).await.unwrap_err(), Error::WebhookNotFound);
    world.say(0, "nobody hears this").await;
    empty::<Endpoints>(&world.store).await;
    empty::<Unsent>(&world.store).await;
    assert_eq!(world.count::<ServerDeliveries>().await, 0);
    assert_eq!(world.count::<DeadLetters>().await + world.count::<Replays>().await, 0);
    assert_eq!(receiver.got().len(), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_session_tells_its_deletion_and_an_answer_of_410_stops_the_webhook() {
    let world = World::new().await;
    let receiver = Receiver::with(&[200, 410, 200]).await;
    let id = world.hook(&receiver).await.webhook.id;
    let worker = start(&world.webhooks);
    world.chat.delete_session(&world.owner, world.sessions[0]).await.unwrap();
    let got = receiver.has(1).await;
    assert_eq!(got[0].json()["event"], "session_deleted");
    let gone = world.say(1, "gone").await;
    receiver.has(2).await;
    for _ in 0..6_000 {
        if world.shown(id).await.state == WebhookState::Gone {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let next = world.say(1, "waits").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(receiver.got().len(), 2, "nothing is sent after 410");
    assert_eq!(world.shown(id).await.queue.lag, 2);
    assert_eq!(world.activate(id, true).await.state, WebhookState::Active);
    world.drained(id).await;
    assert_eq!(seqs(&receiver.got()[2..], world.sessions[1]), [gone, next]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_webhook_keeps_its_queues_and_the_bound_of_a_queue_is_counted() {
    let world = World::with(WebhookOptions { queue_max: 3, ..options() }).await;
    let receiver = Receiver::with(&[200]).await;
    let id = world.hook(&receiver).await.webhook.id;
    let worker = start(&world.webhooks);
    assert_eq!(world.activate(id, false).await.state, WebhookState::Paused);
    let mut last = 0;
    for _ in 0..5 {
        last = world.say(0, "waits").await;
    }
    world.say(1, "waits").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(receiver.got().is_empty());
    assert_eq!(world.shown(id).await.queue.lag, 6);
    world.activate(id, true).await;
    world.drained(id).await;
    assert_eq!(seqs(&receiver.got(), world.sessions[0]), [last - 2, last - 1, last]);
    for _ in 0..6_000 {
        if world.shown(id).await.queue.skipped == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.shown(id).await.queue.skipped, 2);
    worker.stop().await;
}

#[tokio::test]
async fn administrators_alone_manage_webhooks_of_the_server_and_the_audit_log_tells() {
    let world = World::new().await;
    let (origin, owner) = (AuditOrigin::default(), &world.owner);
    let created = world.created(to("http://127.0.0.1:9/hook")).await.webhook;
    let (id, webhooks) = (created.id, &world.webhooks);
    let refused = Error::AdminRequired;
    let new = to("http://127.0.0.1:9/hook");
    assert_eq!(webhooks.create_for_server(owner, &origin, new).await.unwrap_err(), refused);
    assert_eq!(webhooks.list_for_server(owner).await.unwrap_err(), refused);
    assert_eq!(webhooks.get_for_server(owner, id).await.unwrap_err(), refused);
    let changes = UpdateWebhook { is_active: Some(false), ..UpdateWebhook::default() };
    assert_eq!(webhooks.update_for_server(owner, &origin, id, changes).await.unwrap_err(), refused);
    assert_eq!(webhooks.rotate_server_secret(owner, &origin, id).await.unwrap_err(), refused);
    assert_eq!(webhooks.server_dead_letters(owner, id, None, None).await.unwrap_err(), refused);
    assert_eq!(webhooks.retry_server_dead_letter(owner, id, world.sessions[0], 1).await.unwrap_err(), refused);
    assert_eq!(webhooks.delete_for_server(owner, &origin, id).await.unwrap_err(), refused);
    assert_eq!(webhooks.list_for_server(&root()).await.unwrap(), [created]);
    // Those of a session are others, also for its owner.
    let of_session = webhooks.get(owner, world.sessions[0], id).await.unwrap_err();
    assert_eq!(of_session, Error::WebhookNotFound);

    let events = Some(vec!["session_deleted".to_owned()]);
    let changed = world.update(id, UpdateWebhook { events, ..UpdateWebhook::default() }).await;
    assert_eq!(changed.events, ["session_deleted"]);
    webhooks.rotate_server_secret(&root(), &origin, id).await.unwrap();
    webhooks.delete_for_server(&root(), &origin, id).await.unwrap();
    assert_eq!(webhooks.delete_for_server(&root(), &origin, id).await.unwrap_err(), Error::WebhookNotFound);
    let admin = chatcore::Administration::new(world.chat.clone());
    let filter = AuditFilter { target: Some(id.to_string()), ..AuditFilter::default() };
    let log = admin.audit(&root(), &filter, None, None).await.unwrap();
    let actions: Vec<_> = log.entries.iter().map(|entry| entry.record.action).collect();
    let (made, changed, deleted) =
        (AuditAction::WebhookCreated, AuditAction::WebhookChanged, AuditAction::WebhookDeleted);
    assert_eq!(actions, [deleted, changed, changed, made]);
}

#[tokio::test]
async fn bad_addresses_and_events_and_one_webhook_too_many_are_refused() {
    let world = World::new().await;
    let create = |new| async { world.webhooks.create_for_server(&root(), &AuditOrigin::default(), new).await };
    for url in ["", "ftp://127.0.0.1/x", "http://192.168.0.1/x", &format!("http://127.0.0.1/{}", "x".repeat(2_000))] {
        assert!(matches!(create(to(url)).await.unwrap_err(), Error::Invalid(_)), "{url}");
    }
    let new = CreateWebhook { events: vec!["nonsense".to_owned()], ..to("http://127.0.0.1:9/hook") };
    assert!(matches!(create(new).await.unwrap_err(), Error::Invalid(_)));
    for _ in 0..MAX_SERVER_WEBHOOKS {
        create(to("http://127.0.0.1:9/hook")).await.unwrap();
    }
    let many = create(to("http://127.0.0.1:9/hook")).await.unwrap_err();
    assert!(matches!(many, Error::LimitExceeded { limit, .. } if limit == MAX_SERVER_WEBHOOKS as u64), "{many:?}");
    assert_eq!(world.webhooks.list_for_server(&root()).await.unwrap().len(), MAX_SERVER_WEBHOOKS);
}

#[tokio::test]
async fn a_send_is_one_row_without_a_webhook_of_the_server_and_two_with_one() {
    let store = Noting::default();
    let chat = uncounted(store.clone());
    let owner = user("owner");
    let id = session(&chat, &owner, SessionType::Public).await;
    let webhooks = Webhooks::new(chat.clone(), options());
    let worker = start(&webhooks);
    let rows = async || {
        store.changes.lock().unwrap().clear();
        for _ in 0..5 {
            chat.send(&owner, id, SendMessage::text("Hello")).await.unwrap();
        }
        let changes = store.changes.lock().unwrap().clone();
        assert_eq!(changes.len(), 5);
        changes.iter().map(|change| change.writes.len()).collect::<Vec<_>>()
    };
    assert_eq!(rows().await, [0; 5]);
    let receiver = Receiver::with(&[200]).await;
    let origin = AuditOrigin::default();
    let hook = webhooks.create_for_server(&root(), &origin, to(receiver.url())).await.unwrap().webhook.id;
    assert_eq!(rows().await, [1; 5]);
    receiver.has(5).await;
    webhooks.delete_for_server(&root(), &origin, hook).await.unwrap();
    empty::<Endpoints>(&store).await;
    assert_eq!(rows().await, [0; 5]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_delivers_a_session_at_a_time() {
    let world = World::new().await;
    let others = [0; 2].map(|_| uncounted(world.store.clone()));
    let hooks = others.clone().map(|chat| Webhooks::new(chat, options()));
    let receiver = Receiver::with(&[200]).await;
    let id = world.hook(&receiver).await.webhook.id;
    let workers = [start(&world.webhooks), start(&hooks[0]), start(&hooks[1])];
    let mut last = 0;
    for number in 0..200 {
        let chat = if number % 2 == 0 { &others[0] } else { &others[1] };
        last = say(chat, &world.owner, world.sessions[0], &format!("message {number}")).await.seq;
    }
    world.drained(id).await;
    assert_eq!(seqs(&receiver.got(), world.sessions[0]), (last - 199..=last).collect::<Vec<_>>(), "once and in order");
    for worker in workers {
        worker.stop().await;
    }
}
