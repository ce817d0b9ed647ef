//! Changes that wait to be committed.

use std::time::Instant;

#[cfg(feature = "metrics")]
use chatcore::metrics::{Gauge, Raised};
use chatcore::{
    StoreError,
    model::SessionId,
    store::{Change, Committed, Key},
};
use tokio::sync::oneshot;
use tracing::Span;

/// A change that waits.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) change: Change,
    pub(super) reply: oneshot::Sender<Result<Committed, StoreError>>,
    /// Since when others have been faster.
    pub(super) lost: Option<Instant>,
    /// The span of the caller, where there is one.
    caller: Span,
    /// Until a batch takes it.
    #[cfg(feature = "metrics")]
    pub(super) waiting: Option<Raised>,
}

impl Job {
    pub(crate) fn new(change: Change, reply: oneshot::Sender<Result<Committed, StoreError>>) -> Self {
        // A look at the current span costs more than a look whether there are spans.
        let caller = if tracing::enabled!(tracing::Level::DEBUG) { Span::current() } else { Span::none() };
        Self {
            change,
            reply,
            lost: None,
            caller,
            #[cfg(feature = "metrics")]
            waiting: None,
        }
    }

    /// The change begins to wait for a batch.
    #[cfg(feature = "metrics")]
    pub(crate) fn waits(&mut self, queue: &Gauge) {
        self.waiting = Some(Raised::by_one(queue));
    }

    /// The changes that are tried together when a batch goes apart.
    pub(super) fn group(&self) -> Group {
        let first = || self.change.writes.first().map(|write| write.key.clone());
        self.change.session().map_or_else(|| Group::Records(first()), Group::Session)
    }

    pub(super) fn end(self, outcome: Result<Committed, StoreError>) {
        // It fails where the caller went away.
        let _ = self.reply.send(outcome);
    }
}

/// Changes that can conflict with each other. For a change of shared records alone, the first record names the group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Session(SessionId),
    Records(Option<Key>),
}

/// The span of a batch, which follows from the changes in it: it serves all of them, so it is no part of one.
pub(super) fn span(lost: &[Job], jobs: &[Job]) -> Span {
    let changes = lost.len() + jobs.len();
    let span = tracing::debug_span!(parent: None, "store.group_commit", changes, again = lost.len());
    if !span.is_disabled() {
        for job in lost.iter().chain(jobs) {
            span.follows_from(&job.caller);
        }
    }
    span
}
