//! Commits what is waiting together.
//!
//! One task takes everything that has arrived, up to a bound, and writes it in one transaction; what arrives meanwhile
//! is the next batch. There is no timer: who is alone never waits. Since the task works on changes and not on
//! callers, a caller that goes away leaves its change wholly done or wholly not.

mod job;
pub(crate) mod plan;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[cfg(feature = "metrics")]
use chatcore::metrics::{COMMIT_BATCH, COMMIT_TIME, Histogram};
use chatcore::{
    StoreError,
    model::SessionId,
    store::{Expect, Key},
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tracing::Instrument as _;

pub(crate) use self::job::Job;
use self::{
    job::{Group, span},
    plan::{Plan, Verdict, World},
    write::Statement,
};
use crate::{
    cache::Cache,
    engine::Engine,
    failure::Failure,
    read, records,
    snapshot::{self, Ask},
};

/// How often a batch is tried before its sessions go apart.
const TOGETHER: usize = 3;
/// How often the changes of one session are tried before those of others have their turn, and for how long they get
/// turns. Each time another process was faster.
const APART: usize = 5;
const PATIENCE: Duration = Duration::from_secs(5);
/// After how many batches without a rest others get the chance to write to the same sessions, and for how many times the
/// duration of a write. Who has lost must read before it writes, and would lose for ever to one who never rests.
const BREATH: u32 = 64;
const REST: u32 = 8;
const LONGEST_REST: Duration = Duration::from_millis(100);
/// How often, and after what pauses, it is looked for what became of a commit.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);
/// How long a commit that broke off waits for the server to come back, before its outcome is unknown.
const INSISTING: Duration = Duration::from_secs(8);

/// The task that commits.
#[derive(Debug)]
pub(crate) struct Committer {
    engine: Arc<Engine>,
    cache: Arc<Cache>,
    max_batch: usize,
    /// How long the slowest write since the last rest took, in microseconds.
    slowest: AtomicU64,
    #[cfg(feature = "metrics")]
    measures: Measures,
}

/// What is measured of commits.
#[cfg(feature = "metrics")]
#[derive(Debug)]
struct Measures {
    batch: Histogram,
    time: Histogram,
}

/// What became of a batch.
enum Attempt {
    /// Everybody was told.
    Settled,
    /// Others were faster each time.
    Lost(Vec<Job>),
    /// It failed as a whole, and the database holds nothing of it. One of its changes may be the cause.
    Failed(Vec<Job>, StoreError),
}

impl Committer {
    pub(crate) fn new(engine: Arc<Engine>, cache: Arc<Cache>, max_batch: usize) -> Self {
        Self {
            engine,
            cache,
            max_batch,
            slowest: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            measures: Measures { batch: COMMIT_BATCH.handle(), time: COMMIT_TIME.handle() },
        }
    }

    /// Commits until nobody can send any more.
    pub(crate) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let own = Arc::new(self);
        let (mut lost, mut batches) = (Vec::new(), 0);
        loop {
            let mut jobs = Vec::new();
            let begun = Instant::now();
            if !lost.is_empty() {
                // Who lost does not wait for somebody else to come.
                jobs.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(own.max_batch));
            } else if queue.recv_many(&mut jobs, own.max_batch).await == 0 {
                return;
            }
            #[cfg(feature = "metrics")]
            jobs.iter_mut().for_each(|job| job.waiting = None);
            batches = if begun.elapsed() > own.rest() { 0 } else { batches + 1 };
            if batches >= BREATH {
                if own.engine.is_shared() {
                    tokio::time::sleep(own.rest()).await;
                }
                own.slowest.store(0, Ordering::Relaxed);
                batches = 0;
            }
            lost = own.guarded(lost, jobs).await;
        }
    }

    /// Commits these in a task of its own: where that panics, its callers are told that the outcome is unknown, and the
    /// next batch is committed all the same.
    async fn guarded(self: &Arc<Self>, lost: Vec<Job>, jobs: Vec<Job>) -> Vec<Job> {
        let sessions = [ids(&lost), ids(&jobs)].concat();
        // The set ends its task when it is dropped, so a committer that is given up leaves nothing behind.
        let (mut task, own) = (JoinSet::new(), Arc::clone(self));
        let span = span(&lost, &jobs);
        task.spawn(async move { own.batch(lost, jobs).await }.instrument(span));
        match task.join_next().await {
            Some(Ok(lost)) => lost,
            Some(Err(error)) => {
                tracing::error!(%error, "committing a batch broke off");
                // The batch may still be written, as if by another process.
                self.engine.share();
                sessions.into_iter().for_each(|id| self.cache.forget(id));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// How long a rest must be for others to get on.
    fn rest(&self) -> Duration {
        (Duration::from_micros(self.slowest.load(Ordering::Relaxed)) * REST).min(LONGEST_REST)
    }

    async fn write(&self, statement: Statement) -> Result<(), Failure> {
        let begun = Instant::now();
        let outcome = self.engine.write(statement.text, statement.binds).await;
        let took = begun.elapsed();
        #[cfg(feature = "metrics")]
        self.measures.time.record(took.as_secs_f64());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.slowest.fetch_max(micros, Ordering::Relaxed);
        outcome
    }

    /// Commits these and tells everybody, but for those who lost to other processes and get another turn.
    async fn batch(&self, lost: Vec<Job>, jobs: Vec<Job>) -> Vec<Job> {
        // One session that others write to all the time, or one change that the database refuses, is not to stop
        // the others: it goes apart.
        let hot: BTreeSet<Group> = lost.iter().map(Job::group).collect();
        // Skips changes whose caller dropped the future.
        let wanted = lost.into_iter().chain(jobs).filter(|job| !job.reply.is_closed());
        let (mut apart, together): (Vec<Job>, Vec<Job>) = wanted.partition(|job| hot.contains(&job.group()));
        match self.attempt(together, TOGETHER).await {
            Attempt::Settled => {}
            Attempt::Lost(jobs) | Attempt::Failed(jobs, _) => apart.extend(jobs),
        }
        let mut groups = BTreeMap::<Group, Vec<Job>>::new();
        for job in apart {
            groups.entry(job.group()).or_default().push(job);
        }
        let mut lost = Vec::new();
        for jobs in groups.into_values() {
            match self.attempt(jobs, APART).await {
                Attempt::Settled => {}
                Attempt::Lost(jobs) => lost.extend(jobs.into_iter().filter_map(another_turn)),
                Attempt::Failed(jobs, _) => lost.extend(self.one_by_one(jobs).await),
            }
        }
        lost
    }

    async fn one_by_one(&self, jobs: Vec<Job>) -> Vec<Job> {
        let mut lost = Vec::new();
        for job in jobs {
            match self.attempt(vec![job], APART).await {
                Attempt::Settled => {}
                Attempt::Lost(jobs) => lost.extend(jobs.into_iter().filter_map(another_turn)),
                Attempt::Failed(jobs, error) => {
                    tracing::error!(?error, "the database refused a change");
                    refuse(jobs, &error);
                }
            }
        }
        lost
    }

    /// Tries so often to commit these in one transaction.
    async fn attempt(&self, jobs: Vec<Job>, rounds: usize) -> Attempt {
        let batch = new_batch();
        let mut world = match self.start(&jobs).await {
            Ok(world) => world,
            Err(error) => return unreadable(jobs, error),
        };
        for _ in 0..rounds {
            let plan = plan::plan(jobs.iter().map(|job| &job.change), &world);
            if plan.is_unsure {
                match self.look(&jobs, &plan).await {
                    Ok(found) => world = found,
                    Err(error) => return unreadable(jobs, error),
                }
                continue;
            }
            let Some(statement) = self.statement(&plan, batch, &world) else { return settle(jobs, plan) };
            let fate = match self.write(statement).await {
                Ok(()) => Fate::Done,
                Err(Failure::Lost) => Fate::Taken,
                Err(not_tried @ (Failure::Closed | Failure::Away | Failure::Unwritable)) => {
                    return refuse(jobs, &not_tried.into());
                }
                Err(Failure::Behind) => return self.behind(jobs, &plan),
                Err(Failure::Failed(error)) => match self.fate(&plan, batch).await {
                    Fate::NotDone => return Attempt::Failed(jobs, Failure::Failed(error).into()),
                    fate => fate,
                },
                Err(broken @ (Failure::Cut(_) | Failure::Silent)) if self.engine.is_remote() => {
                    tracing::warn!(?broken, "a commit broke off; looking for what became of it");
                    self.insist(&plan, batch, &world).await
                }
                Err(Failure::Silent) => Fate::Unknown("no answer came in time".to_owned()),
                // What can be read now is not what the next start finds.
                Err(Failure::Broke(error)) => Fate::Unknown(error.to_string()),
                Err(Failure::Unclear(error) | Failure::Cut(error)) => match self.fate(&plan, batch).await {
                    // It may still be under way.
                    Fate::NotDone => Fate::Unknown(error.to_string()),
                    fate => fate,
                },
            };
            match fate {
                Fate::Done => return self.done(jobs, plan, &world),
                Fate::Taken => {}
                Fate::NotDone => return self.unknown(jobs, plan, "it broke off"),
                Fate::Unknown(why) => return self.unknown(jobs, plan, &why),
            }
            match self.look(&jobs, &plan).await {
                Ok(found) => world = found,
                Err(error) => return unreadable(jobs, error),
            }
        }
        Attempt::Lost(jobs)
    }

    fn statement(&self, plan: &Plan, batch: i64, world: &World) -> Option<Statement> {
        write::statement(plan, batch, self.engine.is_remote().then_some(&world.ends))
    }

    /// Writes a batch again that may have been written, as soon as the server is there again. Its places are named, so it
    /// cannot be there twice: the later one of the two fails, and then its rows are found.
    async fn insist(&self, plan: &Plan, batch: i64, world: &World) -> Fate {
        let until = Instant::now() + INSISTING;
        // Records that are put whatever is there could be written twice, over what another process wrote in between.
        let is_named = plan.first_event().is_some();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.engine.reachable(left).await {
                return Fate::Unknown("the database stayed away".to_owned());
            }
            if !is_named {
                return match self.fate(plan, batch).await {
                    Fate::Done => Fate::Done,
                    Fate::Taken | Fate::NotDone | Fate::Unknown(_) => Fate::Unknown("it broke off".to_owned()),
                };
            }
            let Some(statement) = self.statement(plan, batch, world) else { return Fate::NotDone };
            match timeout(left, self.write(statement)).await {
                Ok(Ok(())) => return Fate::Done,
                Ok(Err(Failure::Closed | Failure::Unwritable)) => {
                    return Fate::Unknown("the store was closed".to_owned());
                }
                Ok(Err(Failure::Behind)) => {
                    return Fate::Unknown("the database has lost a part of its logs".to_owned());
                }
                Ok(Err(Failure::Broke(error))) => return Fate::Unknown(error.to_string()),
                Ok(Err(Failure::Lost | Failure::Failed(_) | Failure::Unclear(_))) => {
                    match self.fate(plan, batch).await {
                        // The two are in each other's way.
                        Fate::NotDone | Fate::Unknown(_) => {}
                        fate => return fate,
                    }
                }
                Ok(Err(Failure::Away | Failure::Cut(_) | Failure::Silent)) | Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Nothing was written, since a log does not end where it is remembered to: all who decided on that decide again.
    fn behind(&self, jobs: Vec<Job>, plan: &Plan) -> Attempt {
        tracing::error!("the database was replaced by an older copy of itself; going on from what it holds");
        for id in plan.ends.keys() {
            self.cache.forget(*id);
        }
        refuse(jobs, &StoreError::Stale)
    }

    /// The ends of the logs, from memory where they are there, and the tables.
    async fn start(&self, jobs: &[Job]) -> Result<World, StoreError> {
        let tables = jobs.iter().flat_map(|job| &job.change.writes).map(|write| write.key.table);
        records::define(&self.engine, tables).await?;
        let (when, mut ends, mut sessions) = (self.cache.generation(), HashMap::new(), Vec::new());
        for id in ids(jobs) {
            match self.cache.known(id) {
                Some(end) => drop(ends.insert(id, end)),
                None => sessions.push(id),
            }
        }
        if !sessions.is_empty() {
            let ask = Ask { sessions, ..Ask::default() };
            let found = snapshot::read(&self.engine, &self.cache, &ask).await?.whole()?;
            ends.extend(found.known);
        }
        Ok(World { when, ends, ..World::default() })
    }

    /// What others did: the ends of the logs as they are now, and everything that is expected to be something.
    async fn look(&self, jobs: &[Job], plan: &Plan) -> Result<World, StoreError> {
        let changes = || jobs.iter().map(|job| &job.change);
        let expected = changes().flat_map(|change| &change.writes).filter(|write| write.expect != Expect::Anything);
        let mut keys: BTreeSet<Key> = expected.map(|write| write.key.clone()).collect();
        // A key that names the change's own position is known by the position that it was to have.
        keys.retain(|key| key.resolved(0) == *key);
        let planned = plan.records.iter().filter(|(_, written)| written.expect != Expect::Anything);
        keys.extend(planned.map(|(key, _)| key.clone()));
        let rows = changes()
            .filter_map(|change| change.append.as_ref())
            .flat_map(|append| append.rewrites.iter().map(|rewrite| (append.session_id, rewrite.seq)));
        let rows: BTreeSet<_> = rows.collect();
        let ask = Ask { sessions: ids(jobs), records: keys.into_iter().collect(), rows: rows.into_iter().collect() };
        let found = snapshot::read(&self.engine, &self.cache, &ask).await?.whole()?;
        Ok(World { when: found.when, ends: found.known, records: found.records, rows: found.rows })
    }

    fn done(&self, jobs: Vec<Job>, plan: Plan, world: &World) -> Attempt {
        #[cfg(feature = "metrics")]
        self.measures.batch.record(jobs.len() as f64);
        for (id, end) in &plan.ends {
            let start = world.ends.get(id).copied().unwrap_or_default();
            self.cache.committed(*id, world.when, (start, *end), &plan.written(*id));
        }
        settle(jobs, plan)
    }

    /// What became of a batch whose commit failed: where its first row is, all of it is.
    async fn fate(&self, plan: &Plan, batch: i64) -> Fate {
        for look in 0..LOOKS {
            tokio::time::sleep(PAUSE * look).await;
            match self.traces(plan, batch).await {
                Ok(Traces::None) => return Fate::NotDone,
                Ok(Traces::Others) => return Fate::Taken,
                Ok(Traces::Unclear) => return Fate::Unknown("it leaves no trace".to_owned()),
                Ok(Traces::Own) if self.engine.visible_is_durable() => return Fate::Done,
                // It can be read, and whether it has reached the disk is just what failed.
                Ok(Traces::Own) => {
                    self.engine.disk.fail();
                    return Fate::Unknown("the disk failed".to_owned());
                }
                // Nobody can look any more.
                Err(_) if self.engine.disk.check().is_err() => return Fate::Unknown("the disk failed".to_owned()),
                Err(error) => tracing::warn!(%error, "looking for what became of a commit"),
            }
        }
        Fate::Unknown("the database could not be asked".to_owned())
    }

    /// Looks for one of the rows that a batch writes.
    async fn traces(&self, plan: &Plan, batch: i64) -> Result<Traces, StoreError> {
        if let Some(event) = plan.first_event() {
            return Ok(match read::batch(&self.engine, event.session_id, event.seq).await? {
                None => Traces::None,
                Some(found) if found == Some(batch) => Traces::Own,
                Some(_) => Traces::Others,
            });
        }
        let Some((key, version)) = plan.first_record() else { return Ok(Traces::Unclear) };
        let found = records::find(&self.engine, std::slice::from_ref(key)).await?.pop().flatten();
        // Another version stands there in any case where the record was replaced.
        Ok(if found.is_some_and(|record| record.version == version) { Traces::Own } else { Traces::None })
    }

    fn unknown(&self, jobs: Vec<Job>, plan: Plan, why: &str) -> Attempt {
        tracing::error!(why, "it is not known whether a batch was committed");
        // The batch may still be written, as if by another process.
        self.engine.share();
        for id in plan.ends.keys() {
            self.cache.forget(*id);
        }
        for (job, verdict) in jobs.into_iter().zip(plan.verdicts) {
            job.end(Err(match verdict {
                Verdict::Accepted(_) => StoreError::OutcomeUnknown,
                // The neighbour that caused it may not be there.
                Verdict::Refused(StoreError::Conflict { .. }) => {
                    StoreError::Unavailable("it is not known what became of the change that conflicts".to_owned())
                }
                Verdict::Refused(error) => error,
            }));
        }
        Attempt::Settled
    }
}

/// What a batch left in the database.
enum Traces {
    Own,
    None,
    /// Another batch stands in its place.
    Others,
    /// It writes nothing by which it can be told.
    Unclear,
}

/// What became of a batch whose commit failed.
enum Fate {
    /// It happened.
    Done,
    /// It did not happen and cannot any more: its places are taken.
    Taken,
    /// It has not happened.
    NotDone,
    /// It may have happened, and cannot be found out.
    Unknown(String),
}

/// Names a batch, so that its rows can be told from those of others.
fn new_batch() -> i64 {
    // The low 62 bits are the random ones.
    i64::try_from(uuid::Uuid::now_v7().as_u128() & (u128::MAX >> 66)).unwrap_or_default()
}

/// The change again, unless it has waited for long.
fn another_turn(mut job: Job) -> Option<Job> {
    if job.lost.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
        return Some(job);
    }
    job.end(Err(Failure::Lost.into()));
    None
}

/// The sessions of these changes, each once.
fn ids(jobs: &[Job]) -> Vec<SessionId> {
    let ids: BTreeSet<SessionId> = jobs.iter().filter_map(|job| job.change.session()).collect();
    ids.into_iter().collect()
}

fn settle(jobs: Vec<Job>, plan: Plan) -> Attempt {
    for (job, verdict) in jobs.into_iter().zip(plan.verdicts) {
        job.end(match verdict {
            Verdict::Accepted(committed) => Ok(committed),
            Verdict::Refused(error) => Err(error),
        });
    }
    Attempt::Settled
}

/// What becomes of changes when the ends of their logs could not be read. One session that cannot be read goes apart from the
/// others.
fn unreadable(jobs: Vec<Job>, error: StoreError) -> Attempt {
    match error {
        StoreError::Corrupt(_) | StoreError::Backend(_) if jobs.len() > 1 => Attempt::Failed(jobs, error),
        error => refuse(jobs, &error),
    }
}

/// Tells everybody that nothing was done.
fn refuse(jobs: Vec<Job>, error: &StoreError) -> Attempt {
    for job in jobs {
        job.end(Err(match error {
            StoreError::Stale => StoreError::Stale,
            StoreError::Conflict { found } => StoreError::Conflict { found: found.clone() },
            StoreError::OutcomeUnknown => StoreError::OutcomeUnknown,
            StoreError::Unavailable(why) => StoreError::Unavailable(why.clone()),
            StoreError::Corrupt(what) => StoreError::Corrupt(what.clone()),
            StoreError::Backend(source) => StoreError::Backend(source.to_string().into()),
        }));
    }
    Attempt::Settled
}
