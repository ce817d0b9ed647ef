//! Serving.

use std::{
    future::Future,
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use chatcore::{Chat, JwtAuthenticator, Limits};
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, WireOptions, schema};
use chatcore_poem::{ChatFrontend, MountOptions, Options, Origins, ServeOptions, Sockets};
use chatcore_surreal::{Credentials, SurrealOptions, SurrealStore};
use poem::{EndpointExt as _, Route};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Config, Failure, LogFormat},
    secret,
};

/// How long the database may take to close.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// Serves until it is told to stop.
pub(crate) fn run(config: &Config) -> Result<(), Failure> {
    log(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(start(config));
    // Nothing that is still open may hold the end up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

fn log(config: &Config) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| format!("--log is not valid: {error}"))?;
    // It would write messages out, and with them the tokens in them.
    let filter = filter.add_directive("tungstenite=warn".parse()?);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}

async fn start(config: &Config) -> Result<(), Failure> {
    // Before anything is opened or made.
    let options = options(config)?;
    let authenticator = Arc::new(JwtAuthenticator::hs256(&secret::load(config)?)?);
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}; choose another place with --listen", config.listen))?;
    let database = config
        .database
        .clone()
        .unwrap_or_else(|| format!("surrealkv://{}?sync=every", config.data.join("db").display()));
    tracing::info!(database, "opening the database");
    let store = Arc::new(SurrealStore::connect_with(&database, database_options(config)?).await?);

    let limits = Limits { message_chars: config.message_chars, ..Limits::default() };
    let chat = Chat::builder(Arc::clone(&store)).limits(limits).build();
    // One registry, so that a user's connections are counted together and end together, whichever frontend they are of.
    let sockets = Sockets::new(options);
    let frontend = ChatFrontend::with_sockets(chat.clone(), Arc::clone(&authenticator), sockets.clone());
    let schema = schema(
        chat,
        SchemaOptions {
            introspection: config.introspection,
            // They tell of the schema, too.
            suggestions: config.introspection,
            ..SchemaOptions::default()
        },
    );
    let wire = WireOptions { graphiql: config.graphiql, ..WireOptions::default() };
    let graphql = GraphqlFrontend::new(schema, authenticator, sockets, wire);
    let app = frontend.mount_with(Route::new(), &MountOptions::default())?;
    let app = graphql.mount_at(app, "/graphql")?.with(frontend.problems());

    let stopping = stop_on_signal()?;
    let broken = stop_when_broken(&store, &stopping);
    // The one line on stdout, for people and for programs that start this one.
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    frontend.serve(listener, app, ServeOptions::default(), stopping.cancelled_owned()).await?;
    // What was acknowledged is on disk already, so a database that is slow to close holds nothing up.
    if tokio::time::timeout(CLOSING_TIME, store.close()).await.is_err() {
        tracing::warn!("the database was not closed in time; the next start takes care of it");
    }
    if broken.is_cancelled() {
        return Err(
            "the database could not write, so the server has stopped; what was acknowledged is kept. See to its \
            disk, and start the server again"
                .into(),
        );
    }
    tracing::info!("stopped");
    Ok(())
}

/// The environment variable with the password of the database's user.
const PASSWORD: &str = "CHAT_DATABASE_PASSWORD";

fn database_options(config: &Config) -> Result<SurrealOptions, Failure> {
    let mut options = SurrealOptions::default();
    if let Some(namespace) = &config.database_namespace {
        options.namespace.clone_from(namespace);
    }
    if let Some(name) = &config.database_name {
        options.database.clone_from(name);
    }
    if let Some(username) = config.database_user.clone() {
        let password =
            std::env::var(PASSWORD).map_err(|_| format!("--database-user needs {PASSWORD} in the environment"))?;
        options.credentials = Some(Credentials { username, password });
    }
    Ok(options)
}

fn options(config: &Config) -> Result<Options, Failure> {
    let origins = Origins::listed(&config.allowed_origins).map_err(|error| format!("--allowed-origins: {error}"))?;
    Ok(Options {
        origins,
        body_bytes: config.body_bytes,
        frame_bytes: config.body_bytes,
        sockets_per_user: config.sockets_per_user,
        ..Options::default()
    })
}

/// Stops when the database can write no more; the token says whether that was so. Only a start puts it in order.
fn stop_when_broken(store: &SurrealStore, stopping: &CancellationToken) -> CancellationToken {
    let (breaking, broken) = (store.broken(), CancellationToken::new());
    let (told, stopping) = (broken.clone(), stopping.clone());
    tokio::spawn(async move {
        breaking.await;
        told.cancel();
        stopping.cancel();
    });
    broken
}

/// Cancelled when Ctrl-C or SIGTERM comes.
fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let stopping = CancellationToken::new();
    let told = signal()?;
    let token = stopping.clone();
    tokio::spawn(async move {
        told.await;
        tracing::info!("stopping");
        token.cancel();
    });
    Ok(stopping)
}

#[cfg(unix)]
fn signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
