//! Whether the chat can serve.

use std::time::Duration;

use uuid::Uuid;

use super::Chat;
use crate::{
    error::{Error, Result},
    model::SessionId,
    store::{Directory, Newest, TypedKey as _},
};

impl Chat {
    /// Reads one record of the store. A host calls this function before the host routes users to a process.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) when the store fails, or does not answer within this time.
    pub async fn ready(&self, within: Duration) -> Result<()> {
        let keys = [Directory { session: Newest(SessionId(Uuid::nil())) }.key()];
        let found = match tokio::time::timeout(within, self.inner.store.records(&keys)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store cannot be read");
                Err(Error::Unavailable)
            }
            Err(_) => {
                tracing::warn!(?within, "the store does not answer");
                Err(Error::Unavailable)
            }
        };
        #[cfg(feature = "metrics")]
        self.inner.store_up.set(if found.is_ok() { 1.0 } else { 0.0 });
        found
    }
}
