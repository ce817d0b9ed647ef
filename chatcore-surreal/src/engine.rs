//! The open database: its threads, its statements, and its end.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chatcore::StoreError;
use surrealdb::{
    IndexedResults, Surreal,
    engine::any::{self, Any},
    types::{Error, SurrealValue, Variables},
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    connect::{ConnectError, SurrealOptions, Target, is_locked},
    failure::Failure,
    schema,
};

/// The database parses and plans recursively: a debug build needs more than the usual two megabytes.
const STACK: usize = 16 << 20;
/// How long a statement may take before its caller is told that no answer came.
const ANSWERING: Duration = Duration::from_secs(30);
/// How long a close waits for what is under way.
const CLOSING: Duration = Duration::from_secs(10);

type Database = Arc<Surreal<Any>>;

/// A database on a runtime of its own.
///
/// Queries run on the task that polls them, so each is a task of that runtime: its threads have deep stacks, and a caller
/// that goes away does not stop a statement halfway.
#[derive(Debug)]
pub(crate) struct Engine {
    handle: Handle,
    target: Target,
    open: Mutex<Option<Open>>,
    shared: AtomicBool,
    #[cfg(test)]
    pub(crate) faults: Mutex<std::collections::VecDeque<Fault>>,
}

#[derive(Debug)]
struct Open {
    // Dropped before the runtime, which must still run the engine's own shutdown.
    database: Option<Database>,
    runtime: Option<Runtime>,
}

/// What goes wrong with the next write, in tests.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done, and fails all the same.
    AfterDone,
    /// It is not done.
    NotDone,
    /// It is not done, and nobody can tell.
    Unclear,
}

impl Engine {
    /// Opens a database and brings its schema up to date.
    pub(crate) async fn open(target: Target, options: &SurrealOptions) -> Result<Arc<Self>, ConnectError> {
        target.prepare()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("chat-store")
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map_err(ConnectError::Threads)?;
        let handle = runtime.handle().clone();
        // Made before the first await: whoever drops this future must not drop a bare runtime, which panics there.
        let engine = Self {
            handle: handle.clone(),
            target: target.clone(),
            open: Mutex::new(Some(Open { database: None, runtime: Some(runtime) })),
            shared: AtomicBool::new(false),
            #[cfg(test)]
            faults: Mutex::default(),
        };
        let opening = handle.spawn(connect(target, options.clone()));
        let database = opening.await.map_err(|error| ConnectError::Backend(Box::new(error)))??;
        if let Some(open) = engine.opened().as_mut() {
            open.database = Some(Arc::new(database));
        }
        Ok(Arc::new(engine))
    }

    /// Whether a row that can be read has also been made durable.
    pub(crate) fn visible_is_durable(&self) -> bool {
        self.target.visible_is_durable()
    }

    /// Whether others write to the same database. The engines that there are belong to one process.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// From now on others do.
    pub(crate) fn share(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }

    /// Runs something on the engine's threads.
    pub(crate) fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(task)
    }

    /// The rows that a single statement gives.
    pub(crate) async fn rows<T>(&self, text: &'static str, binds: Variables) -> Result<Vec<T>, StoreError>
    where
        T: SurrealValue + Send + 'static,
    {
        self.run(text, binds).await?.take(0).map_err(unreadable)
    }

    /// The one value that a single statement gives.
    pub(crate) async fn value<T>(&self, text: &'static str, binds: Variables) -> Result<T, StoreError>
    where
        T: SurrealValue + Send + 'static,
    {
        let found: Option<T> = self.run(text, binds).await?.take(0).map_err(unreadable)?;
        found.ok_or_else(|| StoreError::Corrupt("a statement gave nothing".to_owned()))
    }

    /// Executes a single statement: it happens as a whole or not at all.
    pub(crate) async fn write(&self, text: &'static str, binds: Variables) -> Result<(), Failure> {
        #[cfg(test)]
        let fault = self.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        #[cfg(test)]
        match fault {
            Some(Fault::AfterDone) => {
                self.run(text, binds).await?;
                return Err(Failure::Failed(Error::internal("injected".to_owned())));
            }
            Some(Fault::NotDone) => return Err(Failure::Failed(Error::internal("injected".to_owned()))),
            Some(Fault::Unclear) => return Err(Failure::Unclear(Error::internal("injected".to_owned()))),
            None => {}
        }
        self.run(text, binds).await.map(drop)
    }

    async fn run(&self, text: &'static str, binds: Variables) -> Result<IndexedResults, Failure> {
        let Some(database) = self.opened().as_ref().and_then(|open| open.database.clone()) else {
            return Err(Failure::Closed);
        };
        let query = async move { database.query(text).bind(binds).await?.check() };
        match timeout(ANSWERING, self.handle.spawn(query)).await {
            Ok(Ok(result)) => result.map_err(Failure::from),
            Err(_) => Err(Failure::Silent),
            // It panicked, or the runtime went away under it.
            Ok(Err(error)) => Err(Failure::Unclear(Error::internal(error.to_string()))),
        }
    }

    /// Ends it once what is under way is done. Whoever comes later is refused.
    pub(crate) async fn close(&self) {
        if let Some(closed) = self.begin_close() {
            // It fails when the closing thread could not be started: then there is nothing to wait for.
            let _ = closed.await;
        }
    }

    fn begin_close(&self) -> Option<oneshot::Receiver<()>> {
        let Open { database, runtime } = self.opened().take()?;
        drop(database);
        let runtime = runtime?;
        let (done, closed) = oneshot::channel();
        // The engine gives up the folder in a task on the runtime: ending the runtime under it would keep the folder
        // locked for as long as this process lives. And a runtime must not be ended in async code.
        let closing = thread::Builder::new().name("chat-store-close".to_owned()).spawn(move || {
            let until = Instant::now() + CLOSING;
            while runtime.metrics().num_alive_tasks() > 0 && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            runtime.shutdown_background();
            let _ = done.send(());
        });
        if let Err(error) = closing {
            tracing::error!(%error, "the store could not be closed in order");
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
        drop(self.begin_close());
    }
}

async fn connect(target: Target, options: SurrealOptions) -> Result<Surreal<Any>, ConnectError> {
    let until = Instant::now() + options.lock_patience;
    let database = loop {
        match any::connect(target.url()).await {
            Ok(database) => break database,
            Err(error) if is_locked(&error) && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(target.refused(error)),
        }
    };
    database.use_ns(&options.namespace).use_db(&options.database).await?;
    schema::update(&database).await?;
    Ok(database)
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
