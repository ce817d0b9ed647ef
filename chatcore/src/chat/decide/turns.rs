//! The turns of a change that is decided on facts and records: read, decide, plan, commit, and once more after a lost race.

use std::iter;

use super::govern::Known;
use crate::chat::{Chat, read::directory::relists};
use crate::{
    error::{Error, Result},
    model::SessionId,
    store::{Change, Committed, Freshness, StoreError},
};

impl Chat {
    /// The turns of a change, each with the freshness of the facts that it is decided on: cached facts first, then fresh ones.
    pub(in crate::chat) fn turns(&self) -> impl Iterator<Item = Freshness> + Send + use<> {
        let turns = usize::try_from(self.inner.limits.commit_attempts).unwrap_or(usize::MAX);
        iter::once(Freshness::Cached).chain(iter::repeat(Freshness::Fresh)).take(turns)
    }

    /// Commits a change; `None` where its facts are stale or one of its expectations does not hold, so that the next turn begins.
    ///
    /// A change with an expectation whose failure is an answer (a client id that is used) commits by itself.
    pub(in crate::chat) async fn try_commit(&self, change: Change) -> Result<Option<Committed>> {
        match self.inner.store.commit(change).await {
            Ok(committed) => Ok(Some(committed)),
            Err(StoreError::Stale | StoreError::Conflict { found: _ }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same for a change that may put its session into the public list or take it out.
    pub(in crate::chat) async fn try_commit_listed(&self, known: &Known, change: Change) -> Result<Option<Committed>> {
        let relists = relists(known.session().ok(), &change.writes);
        let committed = self.try_commit(change).await;
        if relists {
            self.inner.listings.changed();
        }
        committed
    }
}

/// The error of a change that lost the race in each of its turns.
pub(in crate::chat) fn behind(session: SessionId, change: &'static str) -> Error {
    tracing::warn!(%session, change, "a change stayed behind others");
    Error::Unavailable
}
