//! Metrics for Prometheus: to everybody at a listener of their own, and to administrators at the server's own one.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use chatcore::{
    Chat,
    metrics::{ALL, DISK_FREE, DISK_LEAST, Gauge, READY, UPTIME, describe},
};
use chatcore_poem::{ChatFrontend, MountError, ServeOptions, serve};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use poem::{EndpointExt as _, Response, Route, endpoint::make, get};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

use crate::{
    bus::Bus,
    config::{Config, Failure},
    disk,
};

const PATH: &str = "/metrics";

/// How often the values of histograms are put into their buckets. They take memory until then.
const UPKEEP: Duration = Duration::from_secs(5);

/// How long the database may take to answer. A scrape waits for it.
const WITHIN: Duration = Duration::from_secs(2);

/// How long an answer holds, so that nobody can keep the database busy with it.
const HOLDS: Duration = Duration::from_millis(500);

/// Connections that are open at once at the listener of the metrics.
const CONNECTIONS: usize = 32;

/// Begins to record. What is made before records nothing.
///
/// # Errors
/// A process can begin once.
pub(crate) fn install() -> Result<PrometheusHandle, Failure> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL.iter().filter(|metric| !metric.buckets.is_empty()) {
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), metric.buckets)?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    describe();
    Ok(handle)
}

/// The listener of the metrics, where the settings ask for one.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) async fn bind(config: &Config) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = config.metrics_listen else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => {
            Err(format!("cannot listen on {address}: {error}; choose another place with --metrics-listen").into())
        }
    }
}

/// Writes the metrics out.
#[derive(Clone)]
pub(crate) struct Exporter(Arc<Inner>);

struct Inner {
    handle: PrometheusHandle,
    chat: Chat,
    started: Instant,
    /// Where the database is, if it is in a folder of this machine.
    folder: Option<PathBuf>,
    bus: Bus,
    stopping: CancellationToken,
    last: Mutex<Option<(Instant, String)>>,
    ready: Gauge,
    uptime: Gauge,
    disk_free: Gauge,
}

impl Exporter {
    /// Writes out what the recorder of this handle has heard. Once `stopping` is cancelled, the server is not ready any more, and neither is it
    /// without a bus that it requires.
    pub(crate) fn new(
        handle: PrometheusHandle,
        chat: Chat,
        config: &Config,
        bus: Bus,
        stopping: CancellationToken,
    ) -> Self {
        let folder = config.database.is_none().then(|| config.data.join("db"));
        if folder.is_some() {
            // Exact up to 2⁵³.
            DISK_LEAST.handle().set(disk::LEAST as f64);
        }
        let (ready, uptime, disk_free) = (READY.handle(), UPTIME.handle(), DISK_FREE.handle());
        let (started, last) = (Instant::now(), Mutex::default());
        Self(Arc::new(Inner { handle, chat, started, folder, bus, stopping, last, ready, uptime, disk_free }))
    }

    /// Puts values of histograms into their buckets, for as long as the runtime runs.
    pub(crate) fn keep_up(&self) {
        let handle = self.0.handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                handle.run_upkeep();
            }
        });
    }

    /// The metrics in the exposition format, as they are now.
    async fn render(&self) -> String {
        let inner = &*self.0;
        // Those who ask meanwhile wait for the same answer.
        let mut last = inner.last.lock().await;
        if let Some((_, text)) = last.as_ref().filter(|(at, _)| at.elapsed() < HOLDS) {
            return text.clone();
        }
        let has_room = inner.folder.as_deref().is_none_or(|folder| {
            if let Ok(free) = disk::free(folder) {
                inner.disk_free.set(free as f64);
            }
            disk::has_room(folder).is_ok()
        });
        let is_up = inner.chat.ready(WITHIN).await.is_ok();
        let is_ready = is_up && has_room && !inner.bus.is_missing() && !inner.stopping.is_cancelled();
        inner.ready.set(if is_ready { 1.0 } else { 0.0 });
        inner.uptime.set(inner.started.elapsed().as_secs_f64());
        let text = inner.handle.render();
        *last = Some((Instant::now(), text.clone()));
        text
    }

    fn endpoint(&self) -> impl poem::Endpoint<Output = Response> + 'static {
        let exporter = self.clone();
        make(move |_| {
            let exporter = exporter.clone();
            async move {
                // A task of its own: a client that goes away must not make the next one ask the database again.
                let rendered = tokio::spawn(async move { exporter.render().await }).await;
                let response = Response::builder().content_type("text/plain; version=0.0.4; charset=utf-8");
                let response = response.header("Cache-Control", "no-store");
                Ok::<_, poem::Error>(response.body(rendered.unwrap_or_default()))
            }
        })
        .map_to_response()
    }

    /// Adds the metrics to the app, for administrators.
    ///
    /// # Errors
    /// The app has the path.
    pub(crate) fn mount(&self, app: Route, frontend: &ChatFrontend) -> Result<Route, MountError> {
        app.try_at(PATH, frontend.for_administrators("metrics", self.endpoint()))
    }

    /// Serves the metrics to everybody who can reach the listener, until `stop` is cancelled.
    pub(crate) fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        match listener.local_addr() {
            Ok(address) => tracing::info!(%address, "metrics for everybody who can reach this address"),
            Err(error) => tracing::warn!(%error, "the address of the metrics is not known"),
        }
        let app = Route::new().at(PATH, get(self.endpoint()));
        let options = ServeOptions {
            connections: CONNECTIONS,
            connections_per_address: CONNECTIONS,
            counts_connections: false,
            ..ServeOptions::default()
        };
        tokio::spawn(async move {
            if let Err(error) = serve(listener, app, options, stop.cancelled_owned()).await {
                tracing::error!(%error, "the metrics are not served any more");
            }
        });
    }
}
