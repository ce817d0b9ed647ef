//! What the host's directory tells of users who were not seen yet.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use moka::sync::Cache;
use tokio::time::timeout;

use crate::{
    error::{Error, Result},
    identity::{DirectoryUser, Principal, UserDirectory},
    limits::Limits,
    model::UserId,
};

/// Answers kept in memory.
const KEPT: u64 = 10_000;

/// How long a directory that failed is not asked for names again.
const REST: Duration = Duration::from_secs(10);

/// The host's directory, and its latest answers.
#[derive(Clone)]
pub(in crate::chat) struct Directory {
    directory: Option<Arc<dyn UserDirectory>>,
    timeout: Duration,
    known: Cache<UserId, Option<Arc<DirectoryUser>>>,
    /// Has its one entry while the directory rests.
    failed: Cache<(), ()>,
}

impl Directory {
    pub(in crate::chat) fn new(directory: Option<Arc<dyn UserDirectory>>, limits: &Limits) -> Self {
        let known = Cache::builder().max_capacity(KEPT).time_to_live(limits.directory_age).build();
        let failed = Cache::builder().max_capacity(1).time_to_live(REST).build();
        Self { directory, timeout: limits.directory_timeout, known, failed }
    }

    /// A user whom the directory knows.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) where the directory does not answer.
    pub(in crate::chat) async fn one(&self, user: &UserId) -> Result<Option<Arc<DirectoryUser>>> {
        let Some(directory) = &self.directory else { return Ok(None) };
        if let Some(known) = self.known.get(user) {
            return Ok(known);
        }
        self.ask(&**directory, std::slice::from_ref(user)).await?;
        Ok(self.known.get(user).flatten())
    }

    /// What the directory knows of users who are to be shown; nothing where it does not answer.
    pub(in crate::chat) async fn names(&self, users: &[UserId]) -> Vec<Option<Arc<DirectoryUser>>> {
        let Some(directory) = &self.directory else { return vec![None; users.len()] };
        let missing: Vec<UserId> = users.iter().filter(|user| !self.known.contains_key(*user)).cloned().collect();
        if !missing.is_empty() && !self.failed.contains_key(&()) && self.ask(&**directory, &missing).await.is_err() {
            self.failed.insert((), ());
        }
        users.iter().map(|user| self.known.get(user).flatten()).collect()
    }

    async fn ask(&self, directory: &dyn UserDirectory, users: &[UserId]) -> Result<()> {
        let asking = AssertUnwindSafe(async { directory.find(users).await }).catch_unwind();
        match timeout(self.timeout, asking).await {
            Ok(Ok(Ok(found))) if found.len() == users.len() => {
                for (user, found) in users.iter().zip(found) {
                    self.known.insert(user.clone(), found.map(Arc::new));
                }
                return Ok(());
            }
            Ok(Ok(Ok(_))) => tracing::error!("the directory gave another number of answers than it was asked for"),
            Ok(Ok(Err(error))) => tracing::warn!(error, "the directory failed"),
            Ok(Err(_)) => tracing::error!("the directory panicked"),
            Err(_) => tracing::warn!("the directory took too long"),
        }
        Err(Error::Unavailable)
    }
}

/// A principal that says what the directory says, for the user's first profile. What the user's own tokens say later is newer.
pub(in crate::chat) fn principal(user: &UserId, found: &DirectoryUser) -> Principal {
    let DirectoryUser { username, name, email, picture } = found.clone();
    Principal { username, name, email, picture, ..Principal::new(user.clone()) }
}
