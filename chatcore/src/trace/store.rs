//! The spans of the store.

use std::{pin::Pin, sync::Arc};

use tracing::{
    Instrument as _, Span,
    field::{Empty, display},
};

use crate::{
    model::Event,
    store::{
        Change, ChatStore, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts,
        StoreError,
    },
};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store whose calls have spans. Without them, a call is the call of the store itself.
pub(crate) struct TracedStore {
    pub(crate) store: Arc<dyn ChatStore>,
    /// Adds to each change of a log what the webhooks of the server need. Here, since every change of the chat comes by.
    #[cfg(feature = "webhooks")]
    pub(crate) marker: crate::webhooks::Marker,
}

/// A call within its span. Written by hand, since `async_trait` would box each future once more.
fn within<'a, T: 'a>(span: Span, call: Answer<'a, T>) -> Answer<'a, T> {
    if span.is_disabled() {
        return call;
    }
    Box::pin(async move {
        let outcome = call.instrument(span.clone()).await;
        if let Err(error) = &outcome {
            span.record("failed", name(error));
        }
        outcome
    })
}

const fn name(error: &StoreError) -> &'static str {
    match error {
        StoreError::Stale => "stale",
        StoreError::Conflict { .. } => "conflict",
        StoreError::OutcomeUnknown => "outcome_unknown",
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Corrupt(_) => "corrupt",
        StoreError::Backend(_) => "backend",
    }
}

impl ChatStore for TracedStore {
    fn commit<'a, 'f>(&'a self, change: Change) -> Answer<'f, Committed>
    where
        'a: 'f,
        Self: 'f,
    {
        #[cfg(feature = "webhooks")]
        let change = self.marker.mark(change);
        let (session, writes) = (change.session().map(display), change.writes.len());
        let events = change.append.as_ref().map_or(0, |append| append.events.len());
        within(tracing::debug_span!("store.commit", session, events, writes, failed = Empty), self.store.commit(change))
    }

    fn facts<'a, 'b, 'c, 'f>(
        &'a self,
        queries: &'b [FactsQuery<'c>],
        freshness: Freshness,
    ) -> Answer<'f, Vec<SessionFacts>>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        Self: 'f,
    {
        let span = tracing::debug_span!("store.facts", queries = queries.len(), ?freshness, failed = Empty);
        within(span, self.store.facts(queries, freshness))
    }

    fn log<'a, 'b, 'f>(&'a self, ranges: &'b [LogRange]) -> Answer<'f, Vec<Vec<Arc<Event>>>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        within(tracing::debug_span!("store.log", ranges = ranges.len(), failed = Empty), self.store.log(ranges))
    }

    fn records<'a, 'b, 'f>(&'a self, keys: &'b [Key]) -> Answer<'f, Vec<Option<Record>>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        within(tracing::debug_span!("store.records", keys = keys.len(), failed = Empty), self.store.records(keys))
    }

    fn scan<'a, 'b, 'f>(&'a self, scans: &'b [Scan]) -> Answer<'f, Vec<Vec<(Key, Record)>>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        within(tracing::debug_span!("store.scan", scans = scans.len(), failed = Empty), self.store.scan(scans))
    }

    fn count<'a, 'b, 'f>(&'a self, prefixes: &'b [Prefix]) -> Answer<'f, Vec<u64>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        within(
            tracing::debug_span!("store.count", prefixes = prefixes.len(), failed = Empty),
            self.store.count(prefixes),
        )
    }
}
