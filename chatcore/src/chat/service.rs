//! What the optional services use of the chat besides its use cases.

use std::sync::Arc;

use super::Chat;
use crate::{model::UserId, store::ChatStore};

impl Chat {
    pub(crate) fn store(&self) -> &Arc<dyn ChatStore> {
        &self.inner.store
    }

    /// After a commit that wrote a profile: this process reads it again.
    #[cfg(feature = "accounts")]
    pub(crate) fn profile_changed(&self, user: &UserId) {
        self.inner.profiles.forget(user);
    }
}
