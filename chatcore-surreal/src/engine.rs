//! The open database: its threads, its statements, and its end.

mod look;

use std::{
    borrow::Cow,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chatcore::StoreError;
use surrealdb::{
    IndexedResults,
    types::{Error, SurrealValue, Variables},
};
use tokio::{
    net::TcpStream,
    runtime::{Handle, Runtime},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

#[cfg(test)]
use crate::faults::Faults;
use crate::{
    compact::{self, Compaction},
    connect::{ConnectError, SurrealOptions, Target},
    disk::Disk,
    failure::Failure,
    link::{self, Database, Link, Schema},
    records::Tables,
};

/// How long a statement may take before its caller is told that no answer came.
const ANSWERING: Duration = Duration::from_secs(30);
/// How often a server is asked whether it is still there, and how long it may take to say so.
const WATCH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// Within what time a server that is there and has time answers.
const PROMPT: Duration = Duration::from_millis(500);
/// The pauses between attempts to reach a server again: each twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long a close waits for what is under way.
pub(crate) const CLOSING: Duration = Duration::from_secs(10);
/// How long a folder that is in use is left alone before the next attempt.
const AGAIN: Duration = Duration::from_millis(20);
/// How long it may take to put in order what was not closed: all that the last process had not moved to its place yet.
pub(crate) const SETTLING: Duration = Duration::from_secs(600);

/// A database on a runtime of its own.
///
/// Queries run on the task that polls them, so each is a task of that runtime: its threads have deep stacks, and a caller
/// that goes away does not stop a statement halfway.
#[derive(Debug)]
pub(crate) struct Engine {
    me: Weak<Self>,
    handle: Handle,
    target: Target,
    options: SurrealOptions,
    schema: Schema,
    /// The schema version that the database had when it was first reached.
    found: OnceLock<i64>,
    open: Mutex<Option<Open>>,
    shared: AtomicBool,
    /// Counts the links.
    links: AtomicU64,
    reach: watch::Sender<Reach>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) tables: Tables,
    #[cfg(test)]
    pub(crate) faults: Arc<Faults>,
    #[cfg(test)]
    pub(crate) pretend_remote: AtomicBool,
}

#[derive(Debug)]
struct Open {
    // Dropped before the runtime, which must still run the engine's own shutdown.
    link: Option<Link>,
    runtime: Option<Runtime>,
}

/// Whether the database can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It can.
    There,
    /// Not now.
    Away,
    /// The store was closed.
    Closed,
}

impl Engine {
    /// Opens a database and brings its schema up to date.
    pub(crate) async fn open(target: Target, options: &SurrealOptions) -> Result<Arc<Self>, ConnectError> {
        let target = target.prepare()?;
        let until = Instant::now() + options.lock_patience;
        loop {
            let outcome = Self::open_in_order(&target, options).await;
            if !is_worth_waiting(&outcome, until) {
                return outcome;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn open_in_order(target: &Target, options: &SurrealOptions) -> Result<Arc<Self>, ConnectError> {
        Self::put_in_order(target, options).await?;
        Self::open_once(target.clone(), options, Schema::Updated).await
    }

    /// Rewrites the files of a database in a folder.
    pub(crate) async fn compact(target: Target, options: &SurrealOptions) -> Result<Compaction, ConnectError> {
        let target = target.prepare()?;
        let until = Instant::now() + options.lock_patience;
        loop {
            let outcome = Self::compact_in_order(&target, options).await;
            if !is_worth_waiting(&outcome, until) {
                return outcome;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn compact_in_order(target: &Target, options: &SurrealOptions) -> Result<Compaction, ConnectError> {
        let Some(folder) = target.path() else {
            return Err(ConnectError::InvalidUrl("only a database in a folder can be compacted".to_owned()));
        };
        Self::put_in_order(target, options).await?;
        compact::rewrite(folder.to_owned()).await
    }

    async fn put_in_order(target: &Target, options: &SurrealOptions) -> Result<(), ConnectError> {
        if let Some(folder) = target.path() {
            compact::finish(folder.to_owned()).await?;
        }
        if target.was_left_open()? {
            // surrealkv 0.21 goes on writing at the end of the log that it finds. Where that ends in the middle of a record,
            // what is written behind it is lost at the next start; and where it leaves the record out, it goes on writing into
            // the file that it has replaced. Closing moves everything to its place, and what is opened then begins a log.
            tracing::info!("the database was not closed the last time; putting it in order");
            Self::open_once(target.clone(), options, Schema::Kept).await?.close_within(SETTLING).await;
            if target.was_left_open()? {
                return Err(target.unsettled());
            }
        }
        Ok(())
    }

    async fn open_once(target: Target, options: &SurrealOptions, schema: Schema) -> Result<Arc<Self>, ConnectError> {
        let runtime = link::runtime("chat-store", options.threads)?;
        let handle = runtime.handle().clone();
        // Made before the first await: whoever drops this future must not drop a bare runtime, which panics there.
        let engine = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            handle: handle.clone(),
            shared: AtomicBool::new(target.address().is_some()),
            target,
            options: options.clone(),
            schema,
            found: OnceLock::new(),
            open: Mutex::new(Some(Open { link: None, runtime: Some(runtime) })),
            links: AtomicU64::new(0),
            reach: watch::Sender::new(Reach::Away),
            disk: Disk::new(),
            tables: Tables::default(),
            #[cfg(test)]
            faults: Arc::default(),
            #[cfg(test)]
            pretend_remote: AtomicBool::new(false),
        });
        engine.reach_it().await?;
        Ok(engine)
    }

    /// Makes a link and puts it in its place.
    async fn reach_it(&self) -> Result<(), ConnectError> {
        let number = self.links.fetch_add(1, Ordering::Relaxed);
        let link = Link::make(&self.target, &self.options, &self.handle, number, self.schema).await?;
        self.found.get_or_init(|| link.found);
        // It may be another database.
        self.tables.reset();
        let mut open = self.opened();
        let Some(open) = open.as_mut() else {
            link.cut();
            return Ok(());
        };
        let database = Arc::downgrade(&link.database);
        open.link = Some(link);
        self.reach.send_replace(Reach::There);
        if let Some(address) = self.target.address() {
            tracing::info!(address, "connected to the database");
            self.handle.spawn(watch(self.me.clone(), database, number));
        }
        Ok(())
    }

    /// Whether a row that can be read has also been made durable.
    pub(crate) fn visible_is_durable(&self) -> bool {
        self.target.visible_is_durable()
    }

    /// Whether a write that broke off can be tried again: the engines in this process do not break off, they fail.
    pub(crate) fn is_remote(&self) -> bool {
        #[cfg(test)]
        if self.pretend_remote.load(Ordering::Relaxed) {
            return true;
        }
        self.target.address().is_some()
    }

    /// Fails where the database was closed.
    pub(crate) fn check_open(&self) -> Result<(), StoreError> {
        if self.opened().is_some() { Ok(()) } else { Err(Failure::Closed.into()) }
    }

    /// Whether others write to the same database.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_remote() || self.shared.load(Ordering::SeqCst)
    }

    /// From now on others do.
    pub(crate) fn share(&self) {
        self.shared.store(true, Ordering::SeqCst);
    }

    /// Runs something on the engine's threads.
    pub(crate) fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(task)
    }

    /// Waits until the database can be asked; `false` when it cannot be by then.
    pub(crate) async fn reachable(&self, patience: Duration) -> bool {
        let mut reach = self.reach.subscribe();
        let there = timeout(patience, reach.wait_for(|reach| *reach != Reach::Away)).await;
        matches!(there, Ok(Ok(reach)) if *reach == Reach::There)
    }

    /// The rows that a single statement gives.
    pub(crate) async fn rows<T>(&self, text: &'static str, binds: Variables) -> Result<Vec<T>, StoreError>
    where
        T: SurrealValue + Send + 'static,
    {
        self.run(text, binds, false).await?.take(0).map_err(unreadable)
    }

    /// The one value that a single statement gives.
    pub(crate) async fn value<T>(&self, text: &'static str, binds: Variables) -> Result<T, StoreError>
    where
        T: SurrealValue + Send + 'static,
    {
        let found: Option<T> = self.run(text, binds, false).await?.take(0).map_err(unreadable)?;
        found.ok_or_else(|| StoreError::Corrupt("a statement gave nothing".to_owned()))
    }

    /// Executes a single statement that writes: it happens as a whole or not at all.
    pub(crate) async fn write(&self, text: &'static str, binds: Variables) -> Result<(), Failure> {
        self.run(text, binds, true).await.map(drop)
    }

    /// Defines a table without a schema. The name holds lowercase letters and `_` only.
    pub(crate) async fn define(&self, name: &str) -> Result<(), StoreError> {
        let text = format!("DEFINE TABLE IF NOT EXISTS {name} SCHEMALESS");
        loop {
            match self.run(text.clone(), Variables::new(), true).await {
                Ok(_) => return Ok(()),
                // Another process defines a table at the same time.
                Err(Failure::Lost) => tokio::task::yield_now().await,
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Executes a statement on the engine's own threads. What a read of a folder gives is durable.
    async fn run(
        &self,
        text: impl Into<Cow<'static, str>>,
        binds: Variables,
        writes: bool,
    ) -> Result<IndexedResults, Failure> {
        let text = text.into();
        let (database, number, mut alive) = match self.opened().as_ref() {
            None => return Err(Failure::Closed),
            Some(Open { link: None, .. }) => return Err(Failure::Away),
            Some(Open { link: Some(link), .. }) => (Arc::clone(&link.database), link.number, link.alive()),
        };
        let is_remote = self.target.address().is_some();
        let statement = async move {
            let asked = async { database.query(text).bind(binds).await?.check() };
            tokio::select! {
                answer = asked => answer.map_err(|error| Failure::of(error, is_remote)),
                _ = alive.changed() => Err(Failure::Cut(Error::internal("the connection was given up".to_owned()))),
            }
        };
        #[cfg(test)]
        let statement = {
            let (faults, fault) = (Arc::clone(&self.faults), if writes { self.faults.next() } else { None });
            async move { faults.around(fault, statement).await }
        };
        let disk = self.target.is_folder().then(|| Arc::clone(&self.disk));
        let query = async move {
            match disk {
                None => statement.await,
                Some(disk) if writes => write(&disk, statement).await,
                Some(disk) => {
                    disk.check()?;
                    let answer = statement.await?;
                    disk.durable().await?;
                    Ok(answer)
                }
            }
        };
        let failure = match timeout(ANSWERING, self.handle.spawn(query)).await {
            Ok(Ok(Ok(result))) => return Ok(result),
            Ok(Ok(Err(failure))) => failure,
            Err(_) => Failure::Silent,
            // It panicked, or the runtime went away under it.
            Ok(Err(error)) => Failure::Unclear(Error::internal(error.to_string())),
        };
        match &failure {
            Failure::Cut(_) | Failure::Silent | Failure::Away => self.lose(number, &failure),
            Failure::Lost
            | Failure::Behind
            | Failure::Closed
            | Failure::Unwritable
            | Failure::Unclear(_)
            | Failure::Failed(_)
            | Failure::Broke(_) => {}
        }
        Err(failure)
    }

    /// Whether somebody accepts connections where the server should be.
    async fn is_listened_to(&self) -> bool {
        let Some((_, place)) = self.target.address().and_then(|address| address.split_once("://")) else { return true };
        matches!(timeout(PROMPT, TcpStream::connect(place)).await, Ok(Ok(_)))
    }

    /// Gives up a link that no longer works, and begins to look for another one. A database in this process has none that
    /// could break.
    fn lose(&self, number: u64, why: &Failure) {
        let Some(address) = self.target.address() else { return };
        let mut open = self.opened();
        let Some(open) = open.as_mut() else { return };
        if let Some(link) = open.link.take_if(|link| link.number == number) {
            tracing::warn!(address, ?why, "the connection to the database broke");
            link.cut();
            self.reach.send_replace(Reach::Away);
            self.handle.spawn(look_for(self.me.clone(), self.reach.subscribe()));
        }
    }

    /// Ends it once what is under way is done, or after this time. Later calls are refused.
    pub(crate) async fn close_within(&self, time: Duration) {
        if let Some(closed) = self.begin_close(time) {
            // It fails when the closing thread could not be started: then there is nothing to wait for.
            let _ = closed.await;
        }
    }

    fn begin_close(&self, time: Duration) -> Option<oneshot::Receiver<()>> {
        let Open { link, runtime } = self.opened().take()?;
        self.reach.send_replace(Reach::Closed);
        let runtime = Arc::new(Mutex::new(Some(runtime?)));
        let (done, closed) = oneshot::channel();
        let taken = Arc::clone(&runtime);
        // The engine gives up the folder in a task on the runtime: ending the runtime under it would keep the folder
        // locked for as long as this process lives. And a runtime must not be ended in async code.
        let closing = thread::Builder::new().name("chat-store-close".to_owned()).spawn(move || {
            let rest = link.map(Link::leave);
            let until = Instant::now() + time;
            let Some(runtime) = taken.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
            while runtime.metrics().num_alive_tasks() > 0 && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            runtime.shutdown_background();
            drop(rest);
            let _ = done.send(());
        });
        if let Err(error) = closing {
            tracing::error!(%error, "the store could not be closed in order");
            if let Some(runtime) = runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
                runtime.shutdown_background();
            }
        }
        Some(closed)
    }

    fn opened(&self) -> MutexGuard<'_, Option<Open>> {
        // Nothing panics while it is held, and if it did, what is in it would still be whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.begin_close(CLOSING));
    }
}

/// Whether another process uses the folder and the deadline has not passed. Each attempt starts anew, because that process may leave an
/// unfinished compaction.
fn is_worth_waiting<T>(outcome: &Result<T, ConnectError>, until: Instant) -> bool {
    matches!(outcome, Err(ConnectError::Locked { .. } | ConnectError::Unsettled { .. })) && Instant::now() < until
}

/// Executes a statement that writes to a folder, in its turn.
async fn write<T>(disk: &Arc<Disk>, statement: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let write = disk.begin().await?;
    let answer = statement.await;
    match &answer {
        // The statement was refused before its commit, or changed nothing.
        Ok(_)
        | Err(
            Failure::Lost
            | Failure::Behind
            | Failure::Closed
            | Failure::Away
            | Failure::Unwritable
            | Failure::Failed(_),
        ) => write.end(),
        Err(failure @ (Failure::Broke(_) | Failure::Unclear(_) | Failure::Cut(_) | Failure::Silent)) => {
            tracing::error!(?failure, "a write to the database failed");
            // Not ended, so the disk counts as failed.
            drop(write);
        }
    }
    answer
}

/// Asks a server from time to time whether it is there. The client does not notice a connection on which nothing comes any
/// more, and lets statements wait for ever.
async fn watch(engine: Weak<Engine>, database: Weak<Database>, number: u64) {
    let (every, patience) = WATCH;
    let Some(mut reach) = engine.upgrade().map(|engine| engine.reach.subscribe()) else { return };
    loop {
        let changed = timeout(every, reach.changed()).await;
        let Some((engine, database)) = engine.upgrade().zip(database.upgrade()) else { return };
        if changed.is_ok() && *reach.borrow() != Reach::There {
            return;
        }
        let mut health = pin!(database.health().into_future());
        let answer = match timeout(PROMPT, &mut health).await {
            Ok(answer) => Some(answer),
            // It may be busy. Where nobody listens any more, that need not be waited for.
            Err(_) if engine.is_listened_to().await => timeout(patience, health).await.ok(),
            Err(_) => None,
        };
        let failure = match answer {
            Some(Ok(())) => continue,
            Some(Err(error)) => Failure::Cut(error),
            None => Failure::Silent,
        };
        engine.lose(number, &failure);
        return;
    }
}

/// Tries to reach the database until it is there, or the store is closed.
async fn look_for(engine: Weak<Engine>, mut reach: watch::Receiver<Reach>) {
    let (mut pause, longest) = PAUSES;
    loop {
        // Not all processes at the same moment: between half of the pause and all of it.
        let share = f64::from(u8::try_from(uuid::Uuid::now_v7().as_u128() % 128).unwrap_or_default()) / 255.0;
        let waiting =
            timeout(pause.mul_f64(1.0 - share), reach.wait_for(|reach| *reach == Reach::Closed)).await.is_err();
        let Some(engine) = engine.upgrade().filter(|_| waiting) else { return };
        let reached = tokio::select! {
            reached = engine.reach_it() => reached,
            _ = reach.wait_for(|reach| *reach == Reach::Closed) => return,
        };
        match reached {
            Ok(()) => return,
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the database is still away"),
        }
        pause = (pause * 2).min(longest);
    }
}

fn unreadable(error: Error) -> StoreError {
    StoreError::Corrupt(error.message().to_owned())
}

/// The binding of one name.
pub(crate) fn bind(name: &str, value: impl SurrealValue) -> Variables {
    let mut binds = Variables::new();
    binds.insert(name, value);
    binds
}
