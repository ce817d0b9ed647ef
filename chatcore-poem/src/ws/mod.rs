//! The WebSocket.

mod frame;
mod open;
mod socket;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chatcore::{Error, Result, model::UserId};
use tokio::time::timeout;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

pub(crate) use open::WsEndpoint;

/// How long the sockets may take to close at the end.
const CLOSING_TIME: Duration = Duration::from_secs(4);

/// The open sockets: counted, and told when the server ends.
#[derive(Clone, Default)]
pub(crate) struct Sockets {
    tracker: TaskTracker,
    unknown: TaskTracker,
    stopping: CancellationToken,
    per_user: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Sockets {
    pub(crate) fn open(&self) -> usize {
        self.tracker.len()
    }

    pub(crate) async fn close(&self) {
        self.stopping.cancel();
        self.tracker.close();
        if timeout(CLOSING_TIME, self.tracker.wait()).await.is_err() {
            tracing::warn!(open = self.tracker.len(), "sockets were cut at the end");
        }
    }

    /// Room for one more socket.
    fn take(&self, limit: usize) -> Result<TaskTrackerToken> {
        if self.stopping.is_cancelled() {
            return Err(Error::Unavailable);
        }
        // Taken before it is counted, so that of many at once none slips past the limit.
        let token = self.tracker.token();
        if self.tracker.len() > limit { Err(Error::TooManyConnections) } else { Ok(token) }
    }

    /// Room for one more socket of somebody who has not said who they are.
    fn take_unknown(&self, limit: usize) -> Result<TaskTrackerToken> {
        let token = self.unknown.token();
        if self.unknown.len() > limit { Err(Error::TooManyConnections) } else { Ok(token) }
    }

    /// Room for one more socket of this user.
    fn take_for(&self, user: &UserId, limit: usize) -> Result<UserSlot> {
        let mut counts = self.per_user.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(user.clone()).or_default();
        if *count >= limit {
            return Err(Error::TooManyConnections);
        }
        *count += 1;
        Ok(UserSlot { user: user.clone(), per_user: Arc::clone(&self.per_user) })
    }
}

/// A user's open socket; given back when dropped.
struct UserSlot {
    user: UserId,
    per_user: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Drop for UserSlot {
    fn drop(&mut self) {
        let mut counts = self.per_user.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}
