//! The way to the database: within this process, or over a connection that can break.

use std::{sync::Arc, time::Duration};

use surrealdb::{
    Surreal,
    engine::any::{self, Any},
    opt::{Config, auth},
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::watch,
    time::timeout,
};

use crate::{
    connect::{ConnectError, Credentials, SurrealOptions, Target},
    schema, tls,
};

/// The database parses and plans recursively: a debug build needs more than the usual two megabytes.
const STACK: usize = 16 << 20;
/// How long a connection to a server may take to be made.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long it may take to bring the schema of a server's database up to date.
const UPGRADING: Duration = Duration::from_secs(600);

/// How often the engine writes, on its own account, that this process is alive; three seconds by default. A database in this
/// process has no other process to tell, and each such write can be the one that breaks it, without anybody being told.
const ALONE: Duration = Duration::from_secs(24 * 3600);

/// The client of a database.
pub(crate) type Database = Surreal<Any>;

/// A database that was reached.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) database: Arc<Database>,
    /// Which of the engine's links this is.
    pub(crate) number: u64,
    /// The schema version that the database had.
    pub(crate) found: i64,
    /// The client's own tasks reconnect for ever, and send what waited once they are connected. Ending their runtime is what
    /// ends them. `None` where there are none.
    connection: Option<Runtime>,
    /// Ends with the link. Without it, a caller would wait for an answer that never comes.
    alive: watch::Sender<()>,
}

/// What is done with the schema of a database that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// It is brought up to date.
    Updated,
    /// Nothing: the database stays as it is.
    Kept,
}

impl Schema {
    async fn apply(self, database: Arc<Database>) -> Result<(Arc<Database>, i64), ConnectError> {
        let found = match self {
            Self::Updated => schema::update(&database).await?,
            Self::Kept => 0,
        };
        Ok((database, found))
    }
}

/// What is left of a link that was let go of, until what is under way on it has ended.
#[derive(Debug)]
pub(crate) struct Rest {
    _connection: Connection,
    _alive: watch::Sender<()>,
}

impl Link {
    /// Reaches the database, and brings its schema up to date where that is wanted.
    pub(crate) async fn make(
        target: &Target,
        options: &SurrealOptions,
        handle: &Handle,
        number: u64,
        schema: Schema,
    ) -> Result<Self, ConnectError> {
        let (target, options) = (target.clone(), options.clone());
        let Some(address) = target.address().map(str::to_owned) else {
            let opening = async move { schema.apply(open(target, options).await?).await };
            let opened = handle.spawn(opening).await;
            let (database, found) = opened.map_err(|error| ConnectError::Backend(Box::new(error)))??;
            return Ok(Self { database, number, found, connection: None, alive: watch::Sender::new(()) });
        };
        // Made into a link before the first await: a bare runtime must not be dropped there.
        let runtime = runtime("chat-store-link", 1)?;
        let opening = runtime.spawn(async move {
            let opened = timeout(CONNECTING, open(target, options)).await?;
            timeout(UPGRADING, async { schema.apply(opened?).await }).await
        });
        let connection = Connection(Some(runtime));
        let (database, found) = match opening.await {
            Ok(Ok(opened)) => opened?,
            Ok(Err(_)) => return Err(ConnectError::Unreachable { address, source: "no answer in time".into() }),
            Err(error) => return Err(ConnectError::Backend(Box::new(error))),
        };
        Ok(Self { database, number, found, connection: connection.take(), alive: watch::Sender::new(()) })
    }

    /// Ends, with an error, when the link is given up.
    pub(crate) fn alive(&self) -> watch::Receiver<()> {
        self.alive.subscribe()
    }

    /// Lets go of the database; what is left is to be dropped once that has taken note.
    pub(crate) fn leave(self) -> Rest {
        Rest { _connection: Connection(self.connection), _alive: self.alive }
    }

    /// Ends the connection. What is under way on it fails.
    pub(crate) fn cut(self) {
        drop(Connection(self.connection));
    }
}

/// A connection's runtime, which ends with it.
#[derive(Debug)]
struct Connection(Option<Runtime>);

impl Connection {
    fn take(mut self) -> Option<Runtime> {
        self.0.take()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn runtime(name: &str, threads: usize) -> Result<Runtime, ConnectError> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads.max(1)).thread_name(name).thread_stack_size(STACK).enable_all();
    builder.build().map_err(ConnectError::Threads)
}

async fn open(target: Target, options: SurrealOptions) -> Result<Arc<Database>, ConnectError> {
    let config = Config::new()
        .node_membership_refresh_interval(ALONE)
        .node_membership_check_interval(ALONE)
        .node_membership_cleanup_interval(ALONE);
    let config = if target.is_secure() { config.rustls(tls::client(options.authorities.as_deref())?) } else { config };
    let database = any::connect((target.url(), config)).await.map_err(|error| target.refused(error))?;
    let SurrealOptions { namespace, database: name, credentials, .. } = options;
    if let (Some(address), Some(Credentials { username, password })) = (target.address(), credentials) {
        let user = auth::Database { namespace: namespace.clone(), database: name.clone(), username, password };
        let refused =
            |error| ConnectError::SignIn { address: address.to_owned(), source: Box::<surrealdb::Error>::new(error) };
        database.signin(user).await.map_err(refused)?;
    }
    database.use_ns(namespace).use_db(name).await?;
    Ok(Arc::new(database))
}
