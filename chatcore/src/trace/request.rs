//! The span of a request.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tracing::{Instrument as _, Span, field::Empty};

use super::{TraceContext, export};
use crate::{identity::Principal, model::UserId};

/// The span of a request, with the line of the log that tells how the request ended. Clones are about the same request.
///
/// A frontend begins it, says what becomes known of the request, carries the request out [`within`](Self::within) it, and
/// [`ends`](Self::end) it once. What is said twice counts as it was said first.
#[derive(Debug, Clone)]
pub struct RequestSpan(Arc<Inner>);

/// The spans of the requests over one connection: frames, and operations. Each has the id and the caller's trace of the request that opened the
/// connection, and a span of its own, so that no span lasts as long as the connection.
#[derive(Debug, Clone)]
pub struct ConnectionSpans {
    id: Arc<str>,
    parent: Option<TraceContext>,
}

impl ConnectionSpans {
    /// The span of a request of this caller.
    #[must_use]
    pub fn begin(&self, transport: &'static str, principal: Option<&Principal>) -> RequestSpan {
        let span = RequestSpan::begin(Arc::clone(&self.id), None, self.parent.clone());
        span.transport(transport);
        if let Some(principal) = principal {
            span.caller(principal);
        }
        span
    }
}

#[derive(Debug)]
struct Inner {
    span: Span,
    id: Arc<str>,
    /// The place of this span, where spans are exported, or else of the caller's span.
    trace: Option<TraceContext>,
    /// The span of the caller.
    parent: Option<TraceContext>,
    began: Instant,
    transport: OnceLock<&'static str>,
    method: Option<String>,
    operation: OnceLock<String>,
    user: OnceLock<UserId>,
    code: OnceLock<String>,
    is_routine: AtomicBool,
}

impl RequestSpan {
    /// The span of a request with this id, which the client gets as well. `method` is the one of HTTP, where there is one.
    #[must_use]
    pub fn begin(id: impl Into<Arc<str>>, method: Option<&str>, parent: Option<TraceContext>) -> Self {
        let (id, began) = (id.into(), Instant::now());
        // A host that has spans of its own says itself of which trace they are.
        let is_within = !Span::current().is_none();
        let span = tracing::info_span!(
            "request",
            request_id = &*id,
            trace_id = Empty,
            method,
            transport = Empty,
            operation = Empty,
            user = Empty,
            status = Empty,
            code = Empty,
            elapsed_us = Empty,
        );
        let trace = export::adopt(&span, parent.as_ref().filter(|_| !is_within)).or_else(|| parent.clone());
        if let Some(trace) = trace.as_ref().filter(|_| !span.is_disabled()) {
            span.record("trace_id", trace.trace_id());
        }
        let inner = Inner {
            span,
            id,
            trace,
            parent,
            began,
            transport: OnceLock::new(),
            method: method.map(str::to_owned),
            operation: OnceLock::new(),
            user: OnceLock::new(),
            code: OnceLock::new(),
            is_routine: AtomicBool::new(false),
        };
        Self(Arc::new(inner))
    }

    /// What the requests over a connection have in common that this request opens.
    #[must_use]
    pub fn connection(&self) -> ConnectionSpans {
        ConnectionSpans { id: Arc::clone(&self.0.id), parent: self.0.parent.clone() }
    }

    /// The id of the request.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// How the request came: `http`, `events`, `websocket`, `graphql`, `graphql-ws`, `graphql-sse`.
    pub fn transport(&self, transport: &'static str) {
        if self.0.transport.set(transport).is_ok() {
            self.0.span.record("transport", transport);
        }
    }

    /// What the request asks for, by the name that the frontend has for it. Never a text of the client, such as a path.
    pub fn operation(&self, operation: &str) {
        if self.0.operation.set(operation.to_owned()).is_ok() {
            self.0.span.record("operation", operation);
        }
    }

    /// Who calls.
    pub fn caller(&self, principal: &Principal) {
        let user = &principal.user_id;
        // The ids of a host may be addresses.
        if !user.as_str().contains('@') && self.0.user.set(user.clone()).is_ok() {
            self.0.span.record("user", user.as_str());
        }
    }

    /// The code of the error with which the request failed.
    pub fn failed(&self, code: &str) {
        if self.0.code.set(code.to_owned()).is_ok() {
            self.0.span.record("code", code);
        }
    }

    /// Marks a request that somebody sends all the time, such as a health check: its line is at the level `debug`.
    pub fn routine(&self) {
        self.0.is_routine.store(true, Ordering::Relaxed);
    }

    /// Carries the request out.
    pub async fn within<T>(&self, request: impl Future<Output = T>) -> T {
        TraceContext::within(self.0.trace.clone(), request.instrument(self.0.span.clone())).await
    }

    /// Does a part of the request, such as a poll of its stream.
    pub fn poll<T>(&self, part: impl FnOnce() -> T) -> T {
        self.0.span.in_scope(part)
    }

    /// Ends the request with a status of HTTP, and writes its line: at the level `warn` for a status from 500 on, `debug` for a
    /// [`routine`](Self::routine) request, and else `info`.
    pub fn end(&self, status: u16) {
        let Inner { span, .. } = &*self.0;
        self.transport("http");
        let elapsed_us = self.elapsed_us();
        match (self.0.is_routine.load(Ordering::Relaxed), status >= 500) {
            (true, _) => tracing::debug!(parent: span, status, elapsed_us, "request"),
            (false, false) => tracing::info!(parent: span, status, elapsed_us, "request"),
            // The filter may let the line through and not the span.
            (false, true) if span.is_disabled() => {
                let (method, operation) = (self.0.method.as_deref(), self.0.operation.get());
                let (request_id, code) = (&*self.0.id, self.0.code.get());
                tracing::warn!(request_id, method, operation, status, code, elapsed_us, "request failed");
            }
            (false, true) => tracing::warn!(parent: span, status, elapsed_us, "request failed"),
        }
        span.record("status", status);
        span.record("elapsed_us", elapsed_us);
    }

    /// Ends a request over a connection that is open already. Its line is at the level `debug`, since there can be thousands in a second.
    pub fn end_part(&self) {
        let elapsed_us = self.elapsed_us();
        tracing::debug!(parent: &self.0.span, elapsed_us, "request");
        self.0.span.record("elapsed_us", elapsed_us);
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
