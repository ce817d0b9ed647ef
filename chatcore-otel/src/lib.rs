//! Exports the spans of a chat to a collector of OpenTelemetry, by OTLP over HTTP with Protocol Buffers.
//!
//! ```no_run
//! use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};
//!
//! let export = chatcore_otel::Export::from_environment()?;
//! tracing_subscriber::registry().with(export.as_ref().map(chatcore_otel::Export::layer)).init();
//! // The server runs here.
//! if let Some(export) = export {
//!     export.shut_down(std::time::Duration::from_secs(2));
//! }
//! # Ok::<_, chatcore_otel::ExportError>(())
//! ```
//!
//! The environment says what is exported, in the variables of the OpenTelemetry specification:
//!
//! | variable | what |
//! |---|---|
//! | `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | the collector, such as `http://127.0.0.1:4318`; without one nothing is exported |
//! | `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`, `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` | for its requests; the timeout is in milliseconds, 10,000 by default |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | of this process |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | which traces; by default those that the caller recorded, and all that begin here |
//! | `OTEL_BSP_…` | batches and queues |
//! | `OTEL_SDK_DISABLED=true` | nothing is exported |
//!
//! A collector that is away costs the spans that do not fit into the queue, and one line in the log. No request waits for the collector.

mod client;
mod exporter;
mod link;

use std::{env, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracerProvider, Tracer},
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use client::Client;
use exporter::Exporter;
use link::Link;

/// The name of the service where the environment has none.
const SERVICE: &str = "chat-server";

/// The variables that name a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// The export of a process. It goes on until it is shut down.
#[derive(Debug)]
pub struct Export {
    provider: SdkTracerProvider,
}

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The environment names no collector that could be reached.
    #[error("the export of spans cannot be set up as the environment says")]
    Settings(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The client for HTTP could not be made.
    #[error("there is no client for the collector")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Export {
    /// The export as the environment says; `None` where it names no collector.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn from_environment() -> Result<Option<Self>, ExportError> {
        let value = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let is_disabled = value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_disabled || ENDPOINTS.iter().all(|name| value(name).is_none()) {
            return Ok(None);
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Client::new()?)
            .build()
            .map_err(ExportError::Settings)?;
        let resource = Resource::builder();
        let is_named = value("OTEL_SERVICE_NAME").is_some()
            || value("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
        let resource = if is_named { resource } else { resource.with_service_name(SERVICE) };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(Exporter::new(exporter))
            .build();
        Ok(Some(Self { provider }))
    }

    /// The layer that records the spans of the chat. With it, requests take the spans of their callers as parents, and requests to others name
    /// the spans here.
    ///
    /// Only the spans of this project are recorded, at the level `debug`, whatever else is logged.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        // A process has one export: another one would find its layer.
        let _ = chatcore::trace::export_spans(Box::new(Link));
        let layer: OpenTelemetryLayer<S, Tracer> =
            tracing_opentelemetry::layer().with_tracer(self.provider.tracer("chatcore"));
        layer
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(Targets::new().with_target("chatcore", LevelFilter::DEBUG))
    }

    /// Exports what was recorded, for at most this long, and ends the export. It blocks; call it where no task waits.
    pub fn shut_down(self, within: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::warn!(%error, "the last spans may not be exported");
        }
    }
}
