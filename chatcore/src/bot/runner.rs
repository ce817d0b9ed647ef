//! The run of a bot: which sessions have something to do, and which of them have their turn.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    BotOptions,
    context::stopped,
    cursors::Cursors,
    handlers::Handlers,
    lease::{Lease, Renewed},
    listen::{Note, listen},
    session::Outcome,
};
use crate::{
    Chat, Principal,
    error::{Error, Result},
    model::{Seq, SessionId},
};

/// Notes that wait. With more, the stream waits, and goes on from the log.
const NOTES: usize = 256;

/// The pause where the store is away.
const PAUSE: Duration = Duration::from_secs(1);

/// After so many turns of writing, the positions after events without a handler are written, too.
const LAZY: u32 = 30;

/// What all parts of a running bot use.
pub(super) struct Shared {
    pub(super) chat: Chat,
    pub(super) principal: Principal,
    pub(super) options: BotOptions,
    pub(super) handlers: Handlers,
    pub(super) cursors: Cursors,
    /// Events that were taken from logs and are not done with.
    pub(super) taken: AtomicUsize,
    stop: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(chat: Chat, principal: Principal, options: BotOptions, handlers: Handlers) -> Arc<Self> {
        let (cursors, taken, stop) = (Cursors::default(), AtomicUsize::new(0), watch::Sender::new(false));
        Arc::new(Self { chat, principal, options, handlers, cursors, taken, stop })
    }

    /// Set when the bot is being stopped.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

/// A bot that runs in the background. A drop ends the bot at once, like a crash: another process continues after [`BotOptions::lease`].
#[must_use = "the bot ends when it is dropped"]
pub struct RunningBot {
    shared: Arc<Shared>,
    task: JoinHandle<Result<()>>,
    /// The result of the task, once it was taken.
    outcome: Option<Result<()>>,
}

impl std::fmt::Debug for RunningBot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningBot").field("user", &self.shared.principal.user_id).finish_non_exhaustive()
    }
}

impl RunningBot {
    pub(super) fn start(shared: Arc<Shared>) -> Self {
        let task = tokio::spawn(run(Arc::clone(&shared)));
        Self { shared, task, outcome: None }
    }

    /// Starts no further handler, waits for the running handlers, writes the positions, and releases the lease. The call takes up to
    /// [`BotOptions::handler_time`]; a handler that watches [`Context::stopping`](super::Context::stopping) ends sooner.
    ///
    /// # Errors
    /// As [`ended`](Self::ended), where the bot had ended before.
    pub async fn stop(mut self) -> Result<()> {
        self.shared.stop.send_replace(true);
        self.ended().await
    }

    /// Waits for the end of the bot.
    ///
    /// # Errors
    /// The reason for which the bot's user may not act any more: [`TokenExpired`](Error::TokenExpired), [`TokenInvalid`](Error::TokenInvalid),
    /// [`AccountBanned`](Error::AccountBanned) or [`AccountDeleted`](Error::AccountDeleted). [`Internal`](Error::Internal) after a fault of the
    /// bot itself.
    pub async fn ended(&mut self) -> Result<()> {
        if let Some(outcome) = &self.outcome {
            return outcome.clone();
        }
        let outcome = (&mut self.task).await.unwrap_or_else(failed);
        self.outcome.insert(outcome).clone()
    }

    /// The number of events in progress: at most 32 for each running session.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.shared.taken.load(Ordering::SeqCst)
    }
}

impl Drop for RunningBot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn failed(error: JoinError) -> Result<()> {
    tracing::error!(%error, "a bot failed");
    Err(Error::Internal)
}

/// How a turn with the lease ended.
enum End {
    Stopped,
    /// Another process has the lease.
    Lost,
    Over(Error),
}

async fn run(shared: Arc<Shared>) -> Result<()> {
    loop {
        let Some(lease) = lead(&shared).await? else { return Ok(()) };
        let (notes, noted) = mpsc::channel(NOTES);
        let mut runner = Runner {
            shared: Arc::clone(&shared),
            lease,
            work: HashMap::new(),
            ready: VecDeque::new(),
            running: 0,
            tasks: JoinSet::new(),
            is_renewing: false,
            renewed_at: Instant::now(),
            turns: 0,
            sweeps: false,
        };
        runner.listen(notes);
        match runner.serve(noted).await {
            End::Stopped => return Ok(()),
            End::Lost => tracing::info!(user = %shared.principal.user_id, "another process runs the bot; waiting"),
            End::Over(error) => return Err(error),
        }
    }
}

/// Waits until this process may run the bot, and reads how far it has come; `None` where it is being stopped.
async fn lead(shared: &Shared) -> Result<Option<Lease>> {
    loop {
        if *shared.stopping().borrow() {
            return Ok(None);
        }
        let taken = async {
            let lease = shared.take_lease().await?;
            if lease.is_some() {
                shared.cursors.load(&**shared.chat.store(), &shared.principal.user_id).await?;
            }
            Ok(lease)
        };
        let pause = match taken.await {
            Ok(Some(lease)) => return Ok(Some(lease)),
            Ok(None) => shared.options.lease / 3,
            Err(error) if Error::ends_login(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a bot cannot start; trying again");
                PAUSE
            }
        };
        tokio::select! {
            () = sleep(pause.max(Duration::from_millis(1))) => {}
            () = stopped(shared.stopping()) => return Ok(None),
        }
    }
}

/// What a task of the bot ends with.
enum Done {
    Listened,
    Worked(SessionId, Outcome),
    /// The pause of a session is over.
    Rested(SessionId),
    Renewed(Result<Renewed>, Vec<(SessionId, Seq)>),
    Swept(Result<Vec<(SessionId, Seq)>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It waits for its turn.
    Ready,
    Running,
    /// It pauses after a failure.
    Resting,
}

/// A session with something to do.
struct Work {
    state: State,
    /// Whether something came while it ran.
    has_news: bool,
    /// How often its next event was tried.
    attempts: u32,
}

struct Runner {
    shared: Arc<Shared>,
    lease: Lease,
    work: HashMap<SessionId, Work>,
    ready: VecDeque<SessionId>,
    running: usize,
    tasks: JoinSet<Done>,
    is_renewing: bool,
    renewed_at: Instant,
    /// Counts the turns of writing.
    turns: u32,
    /// Whether the stream has no room for all sessions, so that the others are looked at now and then.
    sweeps: bool,
}

impl Runner {
    fn listen(&mut self, notes: mpsc::Sender<Note>) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            // A panic of the store or the notifier ends the listening, and it begins anew.
            while AssertUnwindSafe(listen(&shared, &notes)).catch_unwind().await.is_err() {
                tracing::error!("listening for a bot panicked; it begins anew");
                sleep(PAUSE).await;
            }
            Done::Listened
        });
    }

    /// How often positions are written and the lease is looked at.
    fn every(&self) -> Duration {
        let BotOptions { cursor_interval, lease, .. } = self.shared.options;
        cursor_interval.min(lease / 3).max(Duration::from_millis(1))
    }

    async fn serve(mut self, mut notes: mpsc::Receiver<Note>) -> End {
        let shared = Arc::clone(&self.shared);
        let mut ticks = interval(self.every());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweeps = interval(shared.chat.limits().membership_interval.max(Duration::from_millis(1)));
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped(shared.stopping()) => return self.stop().await,
                Some(note) = notes.recv() => {
                    if let Some(error) = self.note(note) {
                        return self.over(error).await;
                    }
                }
                Some(done) = self.tasks.join_next() => {
                    if self.done(done) {
                        // No handler runs beside one of the other process for longer than it must.
                        self.tasks.shutdown().await;
                        return End::Lost;
                    }
                }
                _ = ticks.tick() => self.renew(),
                _ = sweeps.tick(), if self.sweeps => self.sweep(),
            }
            self.start_ready();
        }
    }

    /// Takes a note; an error where the bot ends by it.
    fn note(&mut self, note: Note) -> Option<Error> {
        match note {
            Note::Followed(session, cursor) => self.look(session, cursor.seq),
            Note::Committed { session, cursor, concerns } => {
                let at = self.shared.cursors.at(session).map(|at| at.seq);
                let is_next = at.is_some_and(|at| at.checked_add(1) == Some(cursor.seq));
                if is_next && !concerns && !self.work.contains_key(&session) {
                    self.shared.cursors.reach(session, cursor, false);
                } else {
                    self.look(session, cursor.seq);
                }
            }
            Note::LeftOut => self.sweeps = true,
            Note::Over(error) => return Some(error),
        }
        None
    }

    /// Has a session looked at that has events up to a position.
    fn look(&mut self, session: SessionId, upto: Seq) {
        if self.shared.cursors.at(session).is_some_and(|at| at.seq >= upto) {
            return;
        }
        match self.work.entry(session) {
            Entry::Occupied(mut work) => work.get_mut().has_news = true,
            Entry::Vacant(work) => {
                work.insert(Work { state: State::Ready, has_news: false, attempts: 0 });
                self.ready.push_back(session);
            }
        }
    }

    fn start_ready(&mut self) {
        while self.running < self.shared.options.parallel.max(1)
            && let Some(session) = self.ready.pop_front()
        {
            let Some(work) = self.work.get_mut(&session) else { continue };
            (work.state, work.has_news) = (State::Running, false);
            let (shared, attempts) = (Arc::clone(&self.shared), work.attempts);
            self.running += 1;
            self.tasks.spawn(async move {
                let after = shared.options.first_pause;
                let worked = AssertUnwindSafe(shared.work(session, attempts)).catch_unwind().await;
                Done::Worked(
                    session,
                    worked.unwrap_or_else(|_| {
                        tracing::error!(%session, "the work of a bot in a session panicked; trying again");
                        Outcome::Again { attempts, after }
                    }),
                )
            });
        }
    }

    /// Takes the end of a task; `true` where the lease is lost.
    fn done(&mut self, done: Result<Done, JoinError>) -> bool {
        match done {
            Ok(Done::Worked(session, outcome)) => self.worked(session, outcome),
            Ok(Done::Rested(session)) => self.queue(session),
            Ok(Done::Renewed(renewed, positions)) => {
                self.is_renewing = false;
                self.shared.cursors.written(&positions, matches!(renewed, Ok(Renewed::Kept(_))));
                match renewed {
                    Ok(Renewed::Kept(lease)) => (self.lease, self.renewed_at) = (lease, Instant::now()),
                    Ok(Renewed::Lost) => return true,
                    Err(error) => tracing::warn!(%error, "the positions of a bot are not written; trying again"),
                }
            }
            Ok(Done::Swept(Ok(ends))) => ends.into_iter().for_each(|(session, end)| self.look(session, end)),
            Ok(Done::Swept(Err(error))) => tracing::warn!(%error, "a bot cannot look for events; trying again"),
            Ok(Done::Listened) => {}
            Err(error) => tracing::error!(%error, "a task of a bot failed"),
        }
        false
    }

    fn worked(&mut self, session: SessionId, outcome: Outcome) {
        self.running = self.running.saturating_sub(1);
        let Some(work) = self.work.get_mut(&session) else { return };
        match outcome {
            Outcome::Idle | Outcome::Gone if !work.has_news => {
                self.work.remove(&session);
            }
            Outcome::Idle | Outcome::Gone | Outcome::More => {
                work.attempts = 0;
                self.queue(session);
            }
            Outcome::Again { attempts, after } => {
                (work.attempts, work.state) = (attempts, State::Resting);
                self.tasks.spawn(async move {
                    sleep(after).await;
                    Done::Rested(session)
                });
            }
        }
    }

    /// Puts a session at the end of the queue.
    fn queue(&mut self, session: SessionId) {
        let Some(work) = self.work.get_mut(&session) else { return };
        if work.state != State::Ready {
            work.state = State::Ready;
            self.ready.push_back(session);
        }
    }

    /// Renews the lease where a third of it is over, and writes positions.
    fn renew(&mut self) {
        if self.is_renewing {
            return;
        }
        self.turns = self.turns.wrapping_add(1);
        let positions = self.shared.cursors.unwritten(self.turns.is_multiple_of(LAZY));
        if positions.is_empty() && self.renewed_at.elapsed() < self.shared.options.lease / 3 {
            return;
        }
        self.is_renewing = true;
        let (shared, lease) = (Arc::clone(&self.shared), self.lease);
        self.tasks.spawn(async move {
            let renewed = AssertUnwindSafe(shared.renew(lease, &positions)).catch_unwind().await;
            Done::Renewed(renewed.unwrap_or(Err(Error::Internal)), positions)
        });
    }

    fn sweep(&mut self) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let ends = AssertUnwindSafe(shared.chat.ends_for_bot(&shared.principal.user_id)).catch_unwind().await;
            Done::Swept(ends.unwrap_or(Err(Error::Internal)))
        });
    }

    /// Waits for the handlers that run; `true` where the lease is lost meanwhile.
    async fn drain(&mut self) -> bool {
        let every = self.every();
        while self.running > 0 || self.is_renewing {
            tokio::select! {
                Some(done) = self.tasks.join_next() => {
                    if self.done(done) {
                        return true;
                    }
                }
                // Another process must not take a handler that runs for one of a crashed process.
                () = sleep(every) => self.renew(),
            }
        }
        false
    }

    async fn stop(mut self) -> End {
        if !self.drain().await {
            let positions = self.shared.cursors.unwritten(true);
            if let Err(error) = self.shared.release(self.lease, &positions).await {
                tracing::warn!(%error, "the last positions of a bot are not written; its last events are handled again");
            }
        }
        End::Stopped
    }

    async fn over(mut self, error: Error) -> End {
        // A handler cannot do anything for the user any more.
        self.shared.stop.send_replace(true);
        if !self.drain().await {
            let given_back = if error == Error::AccountDeleted {
                self.shared.abandon(self.lease).await
            } else {
                let positions = self.shared.cursors.unwritten(true);
                self.shared.release(self.lease, &positions).await
            };
            if let Err(error) = given_back {
                tracing::warn!(%error, "the lease of a bot is not given back; it expires");
            }
        }
        End::Over(error)
    }
}
