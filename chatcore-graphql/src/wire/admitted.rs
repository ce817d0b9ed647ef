//! Who calls, as the transports see it.

use std::{any::Any, fmt};

use async_graphql::Data;
use chatcore::{Chat, Principal, Result, chat::PaidRequest};
use chrono::{DateTime, Utc};

use crate::Caller;

/// Somebody whose token was accepted: `Admitted::from(principal)` for the schema of this crate.
pub struct Admitted {
    data: Box<dyn Fn() -> Data + Send + Sync>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// The chat that counts the operations of their sockets, and in whose name.
    counted_by: Option<(Chat, Principal)>,
    _kept: Option<Box<dyn Any + Send + Sync>>,
}

impl Admitted {
    /// Somebody for whom `data` makes the data of each operation: what the schema finds in its context. It is called once for
    /// each operation, and each time must give what belongs to that operation alone (data loaders, say) anew.
    pub fn new(data: impl Fn() -> Data + Send + Sync + 'static) -> Self {
        Self { data: Box::new(data), expires_at: None, counted_by: None, _kept: None }
    }

    /// Says when their token ends: then their sockets and event streams end too.
    #[must_use]
    pub fn expires_at(self, expires_at: Option<DateTime<Utc>>) -> Self {
        Self { expires_at, ..self }
    }

    /// Keeps something for as long as their connection lasts: a place among the open sockets, say.
    #[must_use]
    pub fn keeping(self, kept: impl Any + Send + Sync) -> Self {
        Self { _kept: Some(Box::new(kept)), ..self }
    }

    /// Counts each operation that comes over their socket, by [`Chat::begin_frame`], and refuses those that are too many.
    #[must_use]
    pub fn counted_by(self, chat: Chat, principal: Principal) -> Self {
        Self { counted_by: Some((chat, principal)), ..self }
    }

    /// Counts an operation.
    pub(crate) async fn begin(&self) -> Result<Option<PaidRequest>> {
        match &self.counted_by {
            Some((chat, principal)) => chat.begin_frame(principal).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn data(&self) -> Data {
        (self.data)()
    }

    /// How long their token is good for.
    pub(crate) fn left(&self) -> Option<std::time::Duration> {
        self.expires_at.map(|end| (end - Utc::now()).to_std().unwrap_or_default())
    }
}

impl From<Principal> for Admitted {
    fn from(principal: Principal) -> Self {
        let expires_at = principal.expires_at;
        let data = move || {
            let mut data = Data::default();
            data.insert(Caller(principal.clone()));
            data
        };
        Self::new(data).expires_at(expires_at)
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
