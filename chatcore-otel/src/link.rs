//! Spans of other programs as parents of the spans here, and the other way round.

use std::num::{NonZeroU64, NonZeroU128};

use chatcore::trace::{SpanExport, TraceContext};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub(crate) struct Link;

impl SpanExport for Link {
    fn adopt(&self, span: &Span, parent: Option<&TraceContext>) -> Option<TraceContext> {
        if let Some(parent) = parent {
            let flags = if parent.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
            // A state that cannot be read is left out, as the standard asks.
            let state = parent.state().and_then(|state| state.parse().ok()).unwrap_or_default();
            let (trace, caller) = (TraceId::from(parent.trace.get()), SpanId::from(parent.span.get()));
            let context = SpanContext::new(trace, caller, flags, true, state);
            // It fails for a span that is not recorded.
            let _ = span.set_parent(Context::new().with_remote_span_context(context));
        }
        self.place(span)
    }

    fn place(&self, span: &Span) -> Option<TraceContext> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context();
        let context = context.span().span_context().clone();
        let trace = NonZeroU128::new(u128::from_be_bytes(context.trace_id().to_bytes()))?;
        let own = NonZeroU64::new(u64::from_be_bytes(context.span_id().to_bytes()))?;
        Some(TraceContext::new(trace, own, context.is_sampled()).with_state(&context.trace_state().header()))
    }
}
