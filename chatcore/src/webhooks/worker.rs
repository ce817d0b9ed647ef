//! The worker of a process: it finds webhooks with news, and works on many of them at once.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinError, JoinHandle, JoinSet},
    time::sleep_until,
};

use super::{
    SessionWebhooks, WebhookOptions, WebhookSender, Webhooks,
    deliver::After,
    target::{Owner, Target},
};
use crate::{
    chat::Heard,
    error::Result,
    model::{SessionId, UserId, WebhookId},
    store::ChatStoreExt as _,
};

/// Attempts that may be made at once for the webhooks of sessions that one user created. A user chooses the receivers, and a receiver may be
/// slow on purpose. So a user with the user's bots holds up less than the default of all attempts.
const PER_CREATOR: usize = 8;

/// Delivers webhooks in the background. A drop ends the work at once: another worker continues after the expiry of the lease.
#[derive(Debug)]
pub struct WebhookWorker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl WebhookWorker {
    /// Waits for the running attempts, records their results, and ends. The call takes up to [`timeout`](super::WebhookOptions::timeout).
    /// Another worker continues at once.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the worker of the webhooks failed");
        }
    }
}

impl Drop for WebhookWorker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Webhooks {
    /// Starts the deliveries in the current runtime. A process has one worker for a chat.
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    #[must_use = "the worker ends when it is dropped"]
    pub fn start(&self, sender: impl WebhookSender) -> WebhookWorker {
        let (stop, stopping) = watch::channel(false);
        self.chat().bell().worker_begins();
        let worker = Worker {
            slots: Arc::new(Slots::new(self.options())),
            webhooks: self.clone(),
            sender: Arc::new(sender),
            stopping,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            lanes: HashMap::new(),
            waiting: Waiting::default(),
            sweeps_at: Instant::now(),
        };
        WebhookWorker { stop, task: tokio::spawn(worker.run()) }
    }

    /// The user who created a webhook of a session; `None` where it is deleted.
    async fn creator_of(&self, key: &Target) -> Result<Option<UserId>> {
        let list = self.store().get(&SessionWebhooks { session: key.session }).await?;
        Ok(list.and_then(|list| list.value.find(key.webhook).map(|webhook| webhook.by.clone())))
    }
}

/// What bounds the attempts of a process.
struct Slots {
    /// All of them.
    all: Semaphore,
    /// Those for webhooks of sessions. The others are kept for the webhooks of the server.
    of_sessions: Semaphore,
    /// Those for the webhooks of sessions that one user created, while there are any.
    of_creators: Mutex<HashMap<UserId, Shared>>,
}

struct Shared {
    attempts: Arc<Semaphore>,
    /// How many webhooks use it.
    users: usize,
}

/// The attempts for the webhooks of one creator.
struct Lane<'a> {
    slots: &'a Slots,
    creator: UserId,
    attempts: Arc<Semaphore>,
}

impl Slots {
    fn new(options: &WebhookOptions) -> Self {
        let all = options.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        let of_sessions = all.saturating_sub(options.server_concurrency.min(all / 2));
        Self { all: Semaphore::new(all), of_sessions: Semaphore::new(of_sessions), of_creators: Mutex::default() }
    }

    fn of_creators(&self) -> MutexGuard<'_, HashMap<UserId, Shared>> {
        self.of_creators.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self, creator: UserId) -> Lane<'_> {
        let mut lanes = self.of_creators();
        let new = || Shared { attempts: Arc::new(Semaphore::new(PER_CREATOR)), users: 0 };
        let lane = lanes.entry(creator.clone()).or_insert_with(new);
        lane.users = lane.users.saturating_add(1);
        Lane { slots: self, creator, attempts: Arc::clone(&lane.attempts) }
    }

    /// Does the work of a webhook of a session as soon as there is room. Work that waits for other work of its creator holds no slot.
    async fn of_session(
        &self,
        webhooks: &Webhooks,
        key: &Target,
        work: impl Future<Output = Result<After>>,
    ) -> Result<After> {
        let creator = {
            let _room = self.of_sessions.acquire().await;
            webhooks.creator_of(key).await?
        };
        let lane = creator.map(|creator| self.lane(creator));
        let _turn = match &lane {
            Some(lane) => Some(lane.attempts.acquire().await),
            None => None,
        };
        let _room = self.of_sessions.acquire().await;
        let _slot = self.all.acquire().await;
        work.await
    }

    /// Does the work of a webhook of the server as soon as there is room.
    async fn of_server(&self, lane: &Semaphore, work: impl Future<Output = Result<After>>) -> Result<After> {
        let _lane = lane.acquire().await;
        let _slot = self.all.acquire().await;
        work.await
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        let mut lanes = self.slots.of_creators();
        if let Some(lane) = lanes.get_mut(&self.creator) {
            lane.users = lane.users.saturating_sub(1);
            if lane.users == 0 {
                lanes.remove(&self.creator);
            }
        }
    }
}

/// What a task of the worker ends with.
enum Done {
    /// Webhooks that may have something to do.
    Found(Vec<Target>),
    /// The deliveries of one webhook.
    Worked(Target, After),
}

struct Worker {
    webhooks: Webhooks,
    sender: Arc<dyn WebhookSender>,
    stopping: watch::Receiver<bool>,
    slots: Arc<Slots>,
    tasks: JoinSet<Done>,
    /// The webhooks that are worked on, and whether something happened meanwhile.
    running: HashMap<Target, bool>,
    /// For each webhook of the server, the attempts that may be made at once. A slow receiver must not hold up the others.
    lanes: HashMap<WebhookId, Arc<Semaphore>>,
    /// Attempts whose time comes soon. Later ones are found by a sweep.
    waiting: Waiting,
    sweeps_at: Instant,
}

/// Webhooks by the time of their next attempt.
#[derive(Default)]
struct Waiting {
    by_time: BTreeMap<Instant, Vec<Target>>,
    times: HashMap<Target, Instant>,
}

impl Waiting {
    fn put(&mut self, key: Target, at: Instant) {
        if let Some(before) = self.times.insert(key, at)
            && let Some(keys) = self.by_time.get_mut(&before)
        {
            keys.retain(|other| *other != key);
        }
        self.by_time.entry(at).or_default().push(key);
    }

    fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|(at, _)| *at)
    }

    /// Takes those whose time has come.
    fn due(&mut self, now: Instant) -> Vec<Target> {
        let mut due = Vec::new();
        while let Some(entry) = self.by_time.first_entry().filter(|entry| *entry.key() <= now) {
            due.extend(entry.remove());
        }
        for key in &due {
            self.times.remove(key);
        }
        due
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.webhooks.chat().bell().worker_ends();
    }
}

impl Worker {
    async fn run(mut self) {
        let webhooks = self.webhooks.clone();
        let mut stopping = self.stopping.clone();
        loop {
            let wakes_at = self.waiting.next().map_or(self.sweeps_at, |at| at.min(self.sweeps_at));
            tokio::select! {
                _ = stopping.changed() => break,
                heard = webhooks.chat().bell().heard() => self.hear(heard),
                Some(done) = self.tasks.join_next() => self.note(done),
                () = sleep_until(wakes_at.into()) => self.wake(),
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    fn hear(&mut self, Heard { sessions, is_all }: Heard) {
        if is_all {
            self.sweeps_at = Instant::now();
        }
        if !sessions.is_empty() {
            self.look(sessions.into_iter().collect());
        }
    }

    fn look(&mut self, sessions: Vec<SessionId>) {
        let webhooks = self.webhooks.clone();
        self.tasks.spawn(async move {
            let found = AssertUnwindSafe(webhooks.rung(&sessions)).catch_unwind().await;
            Done::Found(listed(found))
        });
    }

    fn wake(&mut self) {
        let now = Instant::now();
        for key in self.waiting.due(now) {
            self.start(key);
        }
        if self.sweeps_at <= now {
            self.sweeps_at = now + self.webhooks.options().sweep_interval;
            let webhooks = self.webhooks.clone();
            self.tasks.spawn(async move {
                let found = AssertUnwindSafe(webhooks.swept()).catch_unwind().await;
                Done::Found(listed(found))
            });
        }
    }

    fn start(&mut self, key: Target) {
        if let Some(again) = self.running.get_mut(&key) {
            *again = true;
            return;
        }
        self.running.insert(key, false);
        let (webhooks, sender, slots) = (self.webhooks.clone(), Arc::clone(&self.sender), Arc::clone(&self.slots));
        let stopping = self.stopping.clone();
        let lane = match key.owner {
            Owner::Session => None,
            Owner::Server => {
                let most = webhooks.options().server_concurrency.clamp(1, Semaphore::MAX_PERMITS);
                Some(Arc::clone(self.lanes.entry(key.webhook).or_insert_with(|| Arc::new(Semaphore::new(most)))))
            }
        };
        self.tasks.spawn(async move {
            let work = async {
                if *stopping.borrow() { Ok(After::News) } else { webhooks.deliver(&*sender, &stopping, &key).await }
            };
            let in_turn = async {
                match &lane {
                    Some(lane) => slots.of_server(lane, work).await,
                    None => slots.of_session(&webhooks, &key, work).await,
                }
            };
            let after = match AssertUnwindSafe(in_turn).catch_unwind().await {
                Ok(Ok(after)) => after,
                Ok(Err(error)) => {
                    tracing::warn!(webhook = %key.webhook, %error, "deliveries stopped; they go on with the next sweep");
                    After::News
                }
                Err(_) => {
                    tracing::error!(webhook = %key.webhook, "deliveries panicked; they go on when their lease is over");
                    After::News
                }
            };
            Done::Worked(key, after)
        });
    }

    fn note(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Found(found)) => found.into_iter().for_each(|key| self.start(key)),
            Ok(Done::Worked(key, after)) => {
                let again = self.running.remove(&key).unwrap_or(false);
                match after {
                    After::Now => self.start(key),
                    After::News if again => self.start(key),
                    After::News => {}
                    After::At(at) => {
                        let pause = (at - self.webhooks.now()).to_std().unwrap_or_default();
                        // A sweep finds the others.
                        if pause <= self.webhooks.options().sweep_interval {
                            self.waiting.put(key, Instant::now() + pause);
                        }
                    }
                }
            }
            Err(error) => tracing::error!(%error, "a task of the webhooks failed"),
        }
    }
}

/// What was found; nothing where it failed, since a later sweep finds it.
fn listed(found: std::thread::Result<Result<Vec<Target>>>) -> Vec<Target> {
    match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not look for events to deliver; trying again");
            Vec::new()
        }
        Err(_) => {
            tracing::error!("looking for events to deliver panicked; trying again");
            Vec::new()
        }
    }
}
