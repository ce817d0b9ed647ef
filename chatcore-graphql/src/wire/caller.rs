//! Who calls, as the transports see it.

use std::fmt;

use async_graphql::Data;
use chrono::{DateTime, Utc};

/// Somebody whose token was accepted.
///
/// It lives as long as their connection, so what the closure owns (a place among the open sockets, say) is given back with it.
pub struct Caller {
    data: Box<dyn Fn() -> Data + Send + Sync>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl Caller {
    /// Somebody for whom `data` makes the data of each operation: what the schema finds in its context. It is called once for
    /// each operation, and each time must give what belongs to that operation alone (data loaders, say) anew.
    pub fn new(data: impl Fn() -> Data + Send + Sync + 'static) -> Self {
        Self { data: Box::new(data), expires_at: None }
    }

    /// Says when their token ends: then their sockets and event streams end too.
    #[must_use]
    pub fn expires_at(self, expires_at: Option<DateTime<Utc>>) -> Self {
        Self { expires_at, ..self }
    }

    pub(crate) fn data(&self) -> Data {
        (self.data)()
    }

    /// How long their token is good for.
    pub(crate) fn left(&self) -> Option<std::time::Duration> {
        self.expires_at.map(|end| (end - Utc::now()).to_std().unwrap_or_default())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
