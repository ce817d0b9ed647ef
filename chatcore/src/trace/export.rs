//! The connection to whatever exports spans.

use std::sync::OnceLock;

use tracing::Span;

use super::TraceContext;

static EXPORT: OnceLock<Box<dyn SpanExport>> = OnceLock::new();

/// Whatever exports the spans of this process, beside its layer of `tracing`: the spans of callers are no spans of this process, so `tracing`
/// does not know them.
pub trait SpanExport: Send + Sync + 'static {
    /// Makes the span of a caller the parent of a span of this process, before anything else happens to that span. Without a caller the span
    /// begins a trace. Gives the place of the span itself; `None` where the span is not exported.
    fn adopt(&self, span: &Span, parent: Option<&TraceContext>) -> Option<TraceContext>;

    /// The place of a span; `None` where the span is not exported.
    fn place(&self, span: &Span) -> Option<TraceContext>;
}

/// Connects all requests of this process to an exporter, from now on. Gives the exporter back where there is one already.
///
/// # Errors
/// The exporter that is too many.
pub fn export_spans(export: Box<dyn SpanExport>) -> Result<(), Box<dyn SpanExport>> {
    EXPORT.set(export)
}

pub(super) fn adopt(span: &Span, parent: Option<&TraceContext>) -> Option<TraceContext> {
    EXPORT.get()?.adopt(span, parent)
}

pub(super) fn place(span: &Span) -> Option<TraceContext> {
    EXPORT.get()?.place(span)
}
