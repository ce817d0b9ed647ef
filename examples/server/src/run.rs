//! Serving.

use std::{panic, sync::Arc, thread, time::Duration};

use chatcore::{Administration, Chat, JwtAuthenticator, Limits};
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, Services, WireOptions, schema_with};
use chatcore_poem::{
    ChatFrontend, Compression, Health, MountOptions, Options, Origins, ServeOptions, Sockets, StartPage, TrustedProxies,
};
use chatcore_surreal::{Credentials, SurrealOptions, SurrealStore};
use poem::{EndpointExt as _, Route};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    accounts,
    admin::tokens::AdminTokens,
    backup, bus,
    config::{Config, Failure, Period, sample},
    descriptors, disk, environment, exposure, issuers, lists,
    logging::Export,
    metrics::{self, Exporter},
    output::Output,
    running, secret,
    signals::Signals,
    tls, webhooks,
};

/// How long the database may take to close.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// Serves until it is told to stop. `told` is what the settings' sources have to be told of.
pub(crate) fn run(config: &Config, told: &[String], stderr: &Output) -> Result<(), Failure> {
    let export = Export::begin()?;
    log(config, told, stderr, &export)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(start(config));
    // Nothing that is still open may hold the end up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// What is logged.
pub(crate) fn log_filter(config: &Config) -> Result<EnvFilter, Failure> {
    // The filter takes a word that is no level as the name of a part, so a mistyped level would switch everything off.
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte));
    let words = config.log.split(',').filter(|_| !config.log.contains('['));
    if let Some(word) = words.filter(is_word).find(|word| word.parse::<LevelFilter>().is_err()) {
        let levels = "error, warn, info, debug, trace, off";
        return Err(
            format!("--log is not valid: `{word}` is no level ({levels}); a part has one like {word}=debug").into()
        );
    }
    let filter = EnvFilter::try_new(&config.log).map_err(|error| format!("--log is not valid: {error}"))?;
    // It would write messages out, and with them the tokens in them.
    Ok(filter.add_directive("tungstenite=warn".parse()?))
}

/// Begins to log.
pub(crate) fn log(config: &Config, told: &[String], stderr: &Output, export: &Export) -> Result<(), Failure> {
    export.log(log_filter(config)?, config.log_format, stderr);
    // The standard hook writes to stderr directly, and waits there where nobody reads it.
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        tracing::error!(thread = thread.name(), "{panic}");
    }));
    for line in told {
        tracing::warn!("{line}");
    }
    Ok(())
}

async fn start(config: &Config) -> Result<(), Failure> {
    let signals = Signals::listen(config.tls_cert.is_some())?;
    tokio::select! {
        outcome = serve(config, &signals) => outcome,
        () = signals.at_once.cancelled() => Err("a second signal has ended the server at once".into()),
    }
}

async fn serve(config: &Config, Signals { stopping, reload, .. }: &Signals) -> Result<(), Failure> {
    // Before anything is opened or made.
    let options = options(config)?;
    let serving = ServeOptions { tls: tls::followed(config, Arc::clone(reload))?, ..serving(config)? };
    let database_options = database_options(config)?;
    let issuers = issuers::issuers(config)?;
    let bus = bus::Options::of(&config.bus())?;
    let mailer = accounts::mailer(config)?;
    let webhooks = webhooks::options(config)?;
    let lists = lists::policy(config)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}; choose another place with --listen", config.listen))?;
    let metrics_listener = metrics::bind(config).await?;
    // Before anything is made that records.
    let recorded = metrics::install()?;
    let secret = secret::load_or_make(config)?;
    if let Some(warning) = secret.warning {
        tracing::warn!("{warning}");
    }
    let authenticator = issuers.or(authenticator(config, &secret.bytes)?);
    let authenticator = Arc::new(AdminTokens::new(&secret.bytes, authenticator)?);
    let opened = tokio::select! {
        // A start can take long, as where the last end was not in order.
        () = stopping.cancelled() => return Ok(()),
        opened = async { Ok::<_, Failure>((bus.open().await?, open(config, database_options).await?)) } => opened,
    };
    let (bus, store) = opened?;
    let store = Arc::new(store);
    if let Err(refused) = backup::refuse_part(&store).await {
        store.close().await;
        return Err(refused);
    }

    let limits = Limits {
        message_chars: config.message_chars,
        adds_per_inviter: config.adds_per_inviter.0,
        adds_per_invited: config.adds_per_invited.0,
        adds_per_pair: config.adds_per_pair.0,
        rates: config.rates(),
        ..Limits::default()
    };
    let mut chat = bus.carries(Chat::builder(Arc::clone(&store)).limits(limits));
    if let Some(lists) = lists {
        chat = chat.message_policy(lists);
    }
    let chat = chat.build();
    // Messages that were scheduled before a restart are due whether or not a user comes.
    chat.start_background_tasks();
    // One registry, so that a user's connections are counted together and end together, whichever frontend they are of.
    let sockets = Sockets::new(options);
    let admin = Administration::new(chat.clone());
    admin.protect(crate::admin::tokens::user()?);
    let frontend = ChatFrontend::with_sockets(chat.clone(), Arc::clone(&authenticator), sockets.clone());
    let health = bus.watched(health(config)).ending(stopping.clone());
    let mut frontend = frontend.with_admin(admin.clone()).with_health(health);
    let schema_options = SchemaOptions {
        introspection: config.introspection,
        // They tell of the schema, too.
        suggestions: config.introspection,
        ..SchemaOptions::default()
    };
    let accounts = accounts::build(config, &chat, &secret.bytes, mailer)?;
    let mut page = StartPage { title: "chat-server".to_owned(), accounts: accounts.is_some(), ..StartPage::default() };
    if let Some(accounts) = &accounts {
        frontend = frontend.with_accounts(accounts.clone());
        accounts::resume_erasures(accounts.clone());
    }
    let exporter = Exporter::new(recorded, chat.clone(), config, bus, stopping.clone());
    let webhooks = webhooks::start(&chat, webhooks)?;
    let (webhooks, deliveries) = webhooks.unzip();
    if let Some(webhooks) = &webhooks {
        frontend = frontend.with_webhooks(webhooks.clone());
    }
    let services = Services { accounts, admin: Some(admin.clone()), webhooks };
    let schema = schema_with(chat.clone(), services, schema_options);
    let wire = WireOptions { graphiql: config.graphiql, ..WireOptions::default() };
    let graphql = GraphqlFrontend::new(schema, authenticator, sockets, wire);
    let app = frontend.mount_with(Route::new(), &MountOptions::default())?;
    let app = exporter.mount(app, &frontend)?;
    if config.graphiql {
        page = page.link("GraphQL: the schema, to try out", "graphql");
    }
    page = page.link("README: how to use the server", concat!(env!("CARGO_PKG_REPOSITORY"), "#readme"));
    let app = app.at("/", frontend.start_page(&page));
    let app = graphql.mount_at(app, "/graphql")?.with(frontend.problems()).with(Compression);

    exporter.keep_up();
    let ended = CancellationToken::new();
    if let Some(listener) = metrics_listener {
        exporter.serve(listener, ended.clone());
    }
    let broken = stop_when_broken(&store, stopping);
    let address = listener.local_addr()?;
    let scheme = if serving.tls.is_some() { "https" } else { "http" };
    let _note = running::Note::leave(config, address);
    // The one line on stdout, for people and for programs that start this one. Whoever does not read it is served all the same.
    Output::stdout().say(&format!("listening on {scheme}://{address}"));
    tracing::info!(%address, "listening");
    let drained = async {
        drained(config.drain_delay.0, stopping, &broken).await;
        ended.cancel();
    };
    frontend.serve(listener, app, serving, drained).await?;
    // Otherwise the next server waits until their lease is over.
    if let Some(deliveries) = deliveries
        && tokio::time::timeout(CLOSING_TIME, deliveries.stop()).await.is_err()
    {
        tracing::warn!("an attempt to deliver a webhook was broken off; it is made again");
    }
    // Otherwise the parts of messages of the last second would be lost.
    if tokio::time::timeout(CLOSING_TIME, chat.flush_streams()).await.is_err() {
        tracing::warn!("the parts of messages of the last second could not be written");
    }
    // Otherwise the statistics of the last seconds would be lost.
    if !matches!(tokio::time::timeout(CLOSING_TIME, admin.flush()).await, Ok(Ok(()))) {
        tracing::warn!("the statistics of the last seconds could not be written");
    }
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

pub(crate) async fn open(config: &Config, options: SurrealOptions) -> Result<SurrealStore, Failure> {
    Ok(match &config.database {
        Some(database) => {
            tracing::info!(database = sample::without_password(database), "opening the database");
            SurrealStore::connect_with(database, options).await?
        }
        None => {
            // Not as a connection string, in which a `?` would begin parameters.
            let folder = config.data.join("db");
            tracing::info!(folder = %folder.display(), "opening the database");
            // The store says why a folder cannot be used.
            let _ = exposure::create_folder(&folder);
            SurrealStore::open(&folder, options).await?
        }
    })
}

/// Checks tokens as the settings want it.
pub(crate) fn authenticator(config: &Config, secret: &[u8]) -> Result<JwtAuthenticator, Failure> {
    let mut authenticator = JwtAuthenticator::hs256(secret)?;
    if let Some(audience) = &config.audience {
        authenticator = authenticator.audience(audience);
    }
    if let Some(issuer) = &config.issuer {
        authenticator = authenticator.issuer(issuer);
    }
    Ok(authenticator)
}

pub(crate) fn database_options(config: &Config) -> Result<SurrealOptions, Failure> {
    let mut options = SurrealOptions { authorities: config.database_ca.clone(), ..SurrealOptions::default() };
    if let Some(namespace) = &config.database_namespace {
        options.namespace.clone_from(namespace);
    }
    if let Some(name) = &config.database_name {
        options.database.clone_from(name);
    }
    const PASSWORD: &str = environment::PASSWORD;
    options.credentials = match (config.database_user.clone(), environment::value(PASSWORD)?) {
        (Some(username), Some(password)) => Some(Credentials { username, password }),
        (None, None) => None,
        (Some(_), None) => return Err(format!("--database-user needs {PASSWORD} in the environment").into()),
        (None, Some(_)) => return Err(format!("{PASSWORD} is set without --database-user, so it has no use").into()),
    };
    Ok(options)
}

/// Whether the server can serve: its store, and where the database is in the data folder, the disk.
fn health(config: &Config) -> Health {
    if config.database.is_some() {
        return Health::default();
    }
    let folder = config.data.join("db");
    Health::default().check(move || disk::has_room(&folder))
}

pub(crate) fn serving(config: &Config) -> Result<ServeOptions, Failure> {
    let trusted_proxies =
        TrustedProxies::listed(&config.trusted_proxies).map_err(|error| format!("--trusted-proxies: {error}"))?;
    let (mut connections, mut connections_per_address) = (config.connections, config.connections_per_address);
    if let Some(most) = descriptors::connections().filter(|most| *most < connections) {
        connections = most.max(1);
        // No address may have them all.
        connections_per_address = connections_per_address.min((connections / 4 * 3).max(1));
        tracing::info!(
            connections,
            connections_per_address,
            "the limit of descriptors (ulimit -n) allows fewer connections than --connections"
        );
    }
    Ok(ServeOptions {
        connections,
        connections_per_address,
        trusted_proxies,
        proxy_protocol: config.proxy_protocol,
        idle_time: config.idle_timeout.0,
        ..ServeOptions::default()
    })
}

pub(crate) fn options(config: &Config) -> Result<Options, Failure> {
    let origins = Origins::listed(&config.allowed_origins).map_err(|error| format!("--allowed-origins: {error}"))?;
    Ok(Options {
        origins,
        body_bytes: config.body_bytes,
        frame_bytes: config.body_bytes,
        sockets: config.sockets,
        sockets_per_user: config.sockets_per_user,
        requests_per_user: config.requests_per_user,
        unknown_sockets_per_address: config.unknown_sockets_per_address,
        hsts: config.hsts.map(|Period(time)| time),
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

/// Done when the server is to take no more: a while after the signal to end, or at once where nothing can be written.
async fn drained(delay: Duration, stopping: &CancellationToken, broken: &CancellationToken) {
    stopping.cancelled().await;
    if !delay.is_zero() {
        tracing::info!(?delay, "not ready any more");
        let _ = tokio::time::timeout(delay, broken.cancelled()).await;
    }
}
