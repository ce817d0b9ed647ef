//! The store.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
#[cfg(feature = "metrics")]
use chatcore::metrics::{Gauge, Raised, WRITER_QUEUE, WRITER_QUEUE_LIMIT};
use chatcore::{
    StoreError,
    model::Event,
    store::{Change, ChatStore, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    cache::Cache,
    commit::{Committer, Job},
    compact::Compaction,
    connect::{ConnectError, DURABLE, SurrealOptions, Target},
    engine::{CLOSING, Engine},
    read, records,
    schema::Upgrade,
};

/// A [`ChatStore`] on SurrealDB.
///
/// `mem://` keeps nothing beyond the store. `surrealkv://path` keeps everything in a folder that one process at a time can
/// open; unless the connection string says another `sync`, what was committed has reached the disk. `ws://host:port` (within TLS, `wss://host:port`) is a
/// SurrealDB server, which several processes can use at once.
///
/// With `sync=every`, nothing is served from a folder that the next start might not find. A read waits for the write that is
/// under way when the read ends, which takes one `fsync` at the most, and is refused as unavailable when that write failed.
/// A server makes no such promise where its own disk fails: it shows what it could not keep until it is restarted.
///
/// What cannot be read of one session, because it is damaged or of a later version of this crate, concerns that session only,
/// and is logged. Asked about alone, it is an error. Asked about with others, its facts are those of a session that does not
/// exist, and its part of a log is empty. Lists go without it, and without a participant or a profile that cannot be read.
///
/// Dropping it closes it in the background; [`close`](Self::close) waits for that. A process that ends without either
/// loses nothing.
#[derive(Debug)]
pub struct SurrealStore {
    pub(crate) engine: Arc<Engine>,
    cache: Arc<Cache>,
    options: SurrealOptions,
    committer: Mutex<Option<Running>>,
    #[cfg(feature = "metrics")]
    measures: Measures,
}

/// What is measured of the queue.
#[cfg(feature = "metrics")]
#[derive(Debug)]
struct Measures {
    queue: Gauge,
    _limit: Raised,
}

#[derive(Debug)]
struct Running {
    queue: mpsc::Sender<Job>,
    task: JoinHandle<()>,
}

impl SurrealStore {
    /// The schema version of this crate, to which every database is brought that is opened.
    pub const SCHEMA: i64 = crate::schema::KNOWN;

    /// Opens the database that a connection string names, with default options.
    ///
    /// - `mem://`: in memory.
    /// - `surrealkv://path`: in a folder, which is made where it is missing. A relative path starts at the working
    ///   directory: `surrealkv:///var/lib/chat` is absolute. The path is taken as it is, without escapes, up to the first `?`;
    ///   [`open`](Self::open) takes any path. `?sync=every` is the default; `?sync=200ms` writes to the disk
    ///   that often, `?sync=never` leaves it to the operating system, and both can lose what was acknowledged.
    /// - `ws://host:port`: a SurrealDB server, of the version of this crate's client, with the namespace, the database and
    ///   the user that [`SurrealOptions`] names. A connection that breaks is made again, with pauses of up to five seconds;
    ///   meanwhile everything is refused as unavailable. A commit that broke off is written again at its own place
    ///   in the log, where it cannot be twice; only when the server stays away for long is its outcome unknown. The
    ///   connection is not encrypted: keep it within a private network.
    /// - `wss://host:port`: the same within TLS. The server's certificate must be of this host, and of an authority in
    ///   [`SurrealOptions::authorities`], or, where that is not set, of one that browsers trust.
    ///
    /// # Errors
    /// [`ConnectError`] says what is wrong with the string, the folder or the database. A folder that is in use is waited
    /// for, up to [`SurrealOptions::lock_patience`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, SurrealOptions::default()).await
    }

    /// Opens the database that a connection string names.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: SurrealOptions) -> Result<Self, ConnectError> {
        let engine = Engine::open(Target::parse(url)?, &options).await?;
        Ok(Self::on(engine, options))
    }

    /// Opens the database in a folder, which is made where it is missing. Every commit reaches the disk before it returns.
    ///
    /// Unlike in a connection string, each character of the path stands for itself. A path that holds a `?` or is not UTF-8 can be
    /// opened on Linux only.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn open(folder: &Path, options: SurrealOptions) -> Result<Self, ConnectError> {
        let engine = Engine::open(Target::folder(folder, DURABLE), &options).await?;
        Ok(Self::on(engine, options))
    }

    /// Rewrites the files of a database in a folder, so that they hold nothing but what can be read: texts that were edited away
    /// or deleted leave the disk. Until then the engine keeps them in its files, for any time.
    ///
    /// No store may have the folder open meanwhile. The rewrite needs free space on the disk of the size of what can be read,
    /// and its time grows with that size. The log tells of its progress. Whenever the process ends, the folder holds the whole
    /// database: the next [`connect`](Self::connect) keeps the old files or finishes with the new ones. Blocks that the operating system frees
    /// on the disk are not overwritten, and copies of the folder (a backup, a snapshot of the file system) stay as they are.
    ///
    /// The connection string must name a folder; a server compacts its database itself.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), [`ConnectError::Locked`] where the folder is in use, and [`ConnectError::Compaction`]; the database is then as
    /// it was. After [`ConnectError::CompactionUnfinished`] the next start has the new files.
    pub async fn compact(url: &str, options: &SurrealOptions) -> Result<Compaction, ConnectError> {
        Engine::compact(Target::parse(url)?, options).await
    }

    /// The same for the folder itself, whose path is taken as [`open`](Self::open) takes it.
    ///
    /// # Errors
    /// As [`compact`](Self::compact).
    pub async fn compact_folder(folder: &Path, options: &SurrealOptions) -> Result<Compaction, ConnectError> {
        Engine::compact(Target::folder(folder, DURABLE), options).await
    }

    /// Finds out what [`connect`](Self::connect) would change about the schema of a database, and changes nothing.
    ///
    /// A database in a folder is looked at in a copy, beside the folder and under its name with `.looking` behind it, which is removed
    /// afterwards: the engine writes to every folder that it opens. So that needs free space on the disk of the size of the folder. No
    /// store may have the folder open meanwhile. Rows that are to be converted are counted, which reads their tables.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and [`ConnectError::Locked`] where the folder is in use.
    pub async fn upgrade(url: &str, options: &SurrealOptions) -> Result<Upgrade, ConnectError> {
        Engine::look(Target::parse(url)?, options).await
    }

    /// The same for the folder itself, whose path is taken as [`open`](Self::open) takes it.
    ///
    /// # Errors
    /// As [`upgrade`](Self::upgrade).
    pub async fn upgrade_of_folder(folder: &Path, options: &SurrealOptions) -> Result<Upgrade, ConnectError> {
        Engine::look(Target::folder(folder, DURABLE), options).await
    }

    /// The schema version that the database had before this store opened it and brought it up to date, 0 where there was none.
    #[must_use]
    pub fn upgraded_from(&self) -> i64 {
        self.engine.found()
    }

    /// Another store on the same database, that knows nothing of this one: what another process would be.
    #[doc(hidden)]
    #[must_use]
    pub fn beside(&self) -> Self {
        self.engine.share();
        Self::on(Arc::clone(&self.engine), self.options.clone())
    }

    fn on(engine: Arc<Engine>, options: SurrealOptions) -> Self {
        let cache = Arc::new(Cache::new(options.cached_sessions, options.cached_participants));
        let (queue, jobs) = mpsc::channel(options.max_queue.max(1));
        let committer = Committer::new(Arc::clone(&engine), Arc::clone(&cache), options.max_batch.max(1));
        let task = engine.spawn(committer.run(jobs));
        #[cfg(feature = "metrics")]
        let measures = {
            let limit = WRITER_QUEUE_LIMIT.handle();
            Measures { queue: WRITER_QUEUE.handle(), _limit: Raised::by(&limit, queue.max_capacity()) }
        };
        Self {
            engine,
            cache,
            options,
            committer: Mutex::new(Some(Running { queue, task })),
            #[cfg(feature = "metrics")]
            measures,
        }
    }

    /// Commits what is waiting and closes the database; a folder can be opened again afterwards. Further calls are
    /// refused as unavailable. Waits at most about ten seconds for what is under way.
    ///
    /// The outcome of what is still under way then is unknown.
    pub async fn close(&self) {
        self.close_within(CLOSING).await;
    }

    async fn close_within(&self, time: Duration) {
        let until = Instant::now() + time;
        let running = self.committer().take();
        if let Some(Running { queue, mut task }) = running {
            drop(queue);
            match timeout(time, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the committer broke"),
                Err(_) => {
                    tracing::warn!("closing without the changes that the database has not committed in time");
                    task.abort();
                }
            }
        }
        // Also after a committer that took all the time, the database gets a moment to give up its folder.
        let left = until.saturating_duration_since(Instant::now());
        self.engine.close_within(left.max(time / 10)).await;
    }

    /// Ends once a database in a folder could not write, because its disk is full or failed. From then on every call is
    /// refused as unavailable, reads included, until the folder is opened anew: by another store after this one was closed,
    /// or by another process. What was committed is kept.
    ///
    /// A program should end then, or open the folder anew. Streams that wait for news are not told by the store.
    pub fn broken(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut broken = self.engine.disk.failed();
        async move {
            if broken.wait_for(|is_broken| *is_broken).await.is_err() {
                // The store is gone, and did not break.
                std::future::pending().await
            }
        }
    }

    fn committer(&self) -> MutexGuard<'_, Option<Running>> {
        // Nothing panics while it is held.
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many changes wait for the committer.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.committer().as_ref().map_or(0, |running| running.queue.max_capacity() - running.queue.capacity())
    }

    fn enqueue(&self, job: Job) -> Result<(), StoreError> {
        let committer = self.committer();
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let sent = committer.as_ref().ok_or_else(closed)?.queue.try_send(job);
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Unavailable("too many changes are waiting".to_owned()),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })
    }
}

#[async_trait]
impl ChatStore for SurrealStore {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        change.check().map_err(|malformed| StoreError::Backend(Box::new(malformed)))?;
        let (reply, outcome) = oneshot::channel();
        #[cfg_attr(not(feature = "metrics"), allow(unused_mut, reason = "only what is measured changes"))]
        let mut job = Job::new(change, reply);
        #[cfg(feature = "metrics")]
        job.waits(&self.measures.queue);
        self.enqueue(job)?;
        // Without an answer the committer broke, and nobody knows where.
        outcome.await.unwrap_or(Err(StoreError::OutcomeUnknown))
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        read::facts(&self.engine, &self.cache, queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        read::log(&self.engine, ranges).await
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        records::find(&self.engine, keys).await
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        records::scan(&self.engine, scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        records::count(&self.engine, prefixes).await
    }
}

#[cfg(test)]
mod tests;
