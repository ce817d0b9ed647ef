//! What the optional services use of the chat besides its use cases.

#[cfg(any(feature = "accounts", feature = "admin", feature = "bot", feature = "webhooks"))]
use std::sync::Arc;
#[cfg(feature = "accounts")]
use std::{sync::atomic::Ordering, time::Duration};

#[cfg(any(feature = "accounts", feature = "admin", feature = "bot", feature = "webhooks"))]
use super::Chat;
#[cfg(feature = "accounts")]
use crate::model::UserId;
#[cfg(any(feature = "accounts", feature = "admin", feature = "bot", feature = "webhooks"))]
use crate::store::ChatStore;

#[cfg(any(feature = "accounts", feature = "admin", feature = "bot", feature = "webhooks"))]
impl Chat {
    pub(crate) fn store(&self) -> &Arc<dyn ChatStore> {
        &self.inner.store
    }

    /// Remembers a login that [`end_login`](Self::end_login) ends for at least so long: its refresh token lives no longer.
    #[cfg(feature = "accounts")]
    pub(crate) fn remember_logins(&self, lifetime: Duration) {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
        // Beyond a thousand years a time has no room for it.
        self.inner.login_seconds.fetch_max(seconds.min(1_000 * 365 * 86_400), Ordering::Relaxed);
    }

    /// After a commit that wrote a profile: this process reads it again.
    #[cfg(feature = "accounts")]
    pub(crate) fn profile_changed(&self, user: &UserId) {
        self.inner.profiles.forget(user);
    }
}
