//! What is exported, and what becomes of it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::{
    Key, Value,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

/// An exporter that gives requests the form that OpenTelemetry has for them, and tells of a collector that is away once.
#[derive(Debug)]
pub(crate) struct Exporter {
    inner: opentelemetry_otlp::SpanExporter,
    is_away: AtomicBool,
}

impl Exporter {
    pub(crate) fn new(inner: opentelemetry_otlp::SpanExporter) -> Self {
        Self { inner, is_away: AtomicBool::new(false) }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let batch = batch.into_iter().map(request).collect();
        match self.inner.export(batch).await {
            Ok(()) => {
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!("the collector of spans is there again");
                }
            }
            Err(error) => {
                if !self.is_away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the collector of spans does not take them; spans are lost until it does");
                }
            }
        }
        // The SDK would write a line for each batch.
        Ok(())
    }

    fn shutdown_with_timeout(&mut self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&mut self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The span of a request as one of a server, with the name of its operation.
fn request(mut span: SpanData) -> SpanData {
    if span.name != "request" {
        return span;
    }
    span.span_kind = SpanKind::Server;
    let value = |name: &'static str| {
        let attribute = span.attributes.iter().find(|attribute| attribute.key == Key::from_static_str(name));
        attribute.map(|attribute| &attribute.value)
    };
    let is_failure = matches!(value("status"), Some(Value::I64(500..)));
    let name = value("operation").map(|operation| operation.as_str().into_owned());
    if is_failure {
        span.status = Status::error("");
    }
    if let Some(name) = name {
        span.name = name.into();
    }
    span
}
