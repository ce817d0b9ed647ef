//! The connections that last.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chatcore::{Error, Limits, Result, model::UserId};
use tokio::time::timeout;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::Options;

/// How long they may take to close at the end.
const CLOSING_TIME: Duration = Duration::from_secs(4);

/// The registry of a server's WebSockets and event streams: counted, and told when the server ends. It is a handle: clones
/// share it, and frontends that were given clones of one count against the same limits.
#[derive(Clone)]
pub struct Sockets(Arc<Shared>);

struct Shared {
    options: Options,
    /// The most bytes that a request needs, as the frontends' chats say; 0 where none has said so.
    needed: AtomicUsize,
    open: TaskTracker,
    unknown: TaskTracker,
    stopping: CancellationToken,
    per_user: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("options", self.options()).field("open", &self.open()).finish_non_exhaustive()
    }
}

impl Sockets {
    /// A registry, with what its frontends allow.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Shared {
            options,
            needed: AtomicUsize::new(0),
            open: TaskTracker::new(),
            unknown: TaskTracker::new(),
            stopping: CancellationToken::new(),
            per_user: Arc::default(),
        }))
    }

    /// What all frontends that share it allow.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Takes the limits of the chat that a frontend serves, from which sizes follow that the options leave open. Of several
    /// chats, the one with the longest requests counts.
    pub fn fit(&self, limits: &Limits) {
        self.0.needed.fetch_max(limits.request_bytes(), Ordering::Relaxed);
    }

    /// Largest body of a request, in bytes: [`Options::body_bytes`], or what follows from the chat's limits.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.or_needed(self.options().body_bytes)
    }

    /// Largest message that a WebSocket takes, in bytes: [`Options::frame_bytes`], or what follows from the chat's limits.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.or_needed(self.options().frame_bytes)
    }

    fn or_needed(&self, chosen: usize) -> usize {
        match (chosen, self.0.needed.load(Ordering::Relaxed)) {
            (0, 0) => Limits::default().request_bytes(),
            (0, needed) => needed,
            (chosen, _) => chosen,
        }
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.len()
    }

    /// Room for one more connection, of [`Options::sockets`].
    ///
    /// # Errors
    /// [`TooManyConnections`](Error::TooManyConnections), and [`Unavailable`](Error::Unavailable) once the end has begun.
    pub fn take(&self) -> Result<Place> {
        if self.0.stopping.is_cancelled() {
            return Err(Error::Unavailable);
        }
        place(&self.0.open, self.options().sockets)
    }

    /// Room for one more connection of somebody who has not said who they are, of [`Options::unknown_sockets`]. It is
    /// taken beside the other, and dropped once they have.
    ///
    /// # Errors
    /// [`TooManyConnections`](Error::TooManyConnections).
    pub fn take_unknown(&self) -> Result<Place> {
        place(&self.0.unknown, self.options().unknown_sockets)
    }

    /// Room for one more connection of this user, of [`Options::sockets_per_user`]; taken beside the first.
    ///
    /// # Errors
    /// [`TooManyConnections`](Error::TooManyConnections).
    pub fn take_for(&self, user: &UserId) -> Result<UserPlace> {
        let per_user = &self.0.per_user;
        let mut counts = per_user.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(user).copied().unwrap_or(0);
        if count >= self.options().sockets_per_user {
            return Err(Error::TooManyConnections);
        }
        counts.insert(user.clone(), count + 1);
        Ok(UserPlace { user: user.clone(), per_user: Arc::clone(per_user) })
    }

    /// Done when the server ends: a WebSocket then closes with 1001, a stream just ends.
    pub async fn stopping(&self) {
        self.0.stopping.cancelled().await;
    }

    /// Lets no more in, tells all that are open, and waits until they are closed, for at most four seconds.
    pub async fn close(&self) {
        self.0.stopping.cancel();
        self.0.open.close();
        if timeout(CLOSING_TIME, self.0.open.wait()).await.is_err() {
            tracing::warn!(open = self.open(), "sockets were cut at the end");
        }
    }
}

fn place(tracker: &TaskTracker, limit: usize) -> Result<Place> {
    // Taken before it is counted, so that of many at once none slips past the limit.
    let place = Place { _token: tracker.token() };
    if tracker.len() > limit { Err(Error::TooManyConnections) } else { Ok(place) }
}

/// An open connection; given back when dropped.
#[derive(Debug)]
pub struct Place {
    _token: TaskTrackerToken,
}

/// An open connection of a user; given back when dropped.
#[derive(Debug)]
pub struct UserPlace {
    user: UserId,
    per_user: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Drop for UserPlace {
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
