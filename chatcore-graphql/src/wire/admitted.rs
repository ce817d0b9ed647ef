//! The authenticated caller, for the transports.

use std::{any::Any, fmt, future::poll_fn, sync::Arc, task::Poll};

use async_graphql::{Data, Executor};
use chatcore::{
    Chat, Clock, Error, Principal, Result,
    chat::PaidRequest,
    trace::{ConnectionSpans, RequestSpan},
};
use chrono::{DateTime, Utc};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, pending},
};
use tokio::time::sleep;

use crate::{Caller, ChatSchema};

/// A caller with an accepted token: `Admitted::from(principal)` for the schema of this crate.
pub struct Admitted {
    data: Box<dyn Fn() -> Data + Send + Sync>,
    expires_at: Option<DateTime<Utc>>,
    clock: Option<Arc<dyn Clock>>,
    /// The chat that knows when their login ends.
    watcher: Option<(Chat, Principal)>,
    /// The chat that counts the messages of their sockets, and in whose name.
    counted_by: Option<(Chat, Principal)>,
    /// The spans of the operations over their connection.
    spans: Option<ConnectionSpans>,
    _kept: Option<Box<dyn Any + Send + Sync>>,
}

impl Admitted {
    /// A caller whose `data` creates the data of each operation, for the context of the schema. The transport calls `data` once for each
    /// operation. Each call must create fresh data for state of one operation, such as data loaders.
    pub fn new(data: impl Fn() -> Data + Send + Sync + 'static) -> Self {
        let (expires_at, clock, watcher, counted_by, spans, _kept) = (None, None, None, None, None, None);
        Self { data: Box::new(data), expires_at, clock, watcher, counted_by, spans, _kept }
    }

    /// Sets the expiry of the caller's token. At that time the caller's sockets and event streams end.
    #[must_use]
    pub fn expires_at(self, expires_at: Option<DateTime<Utc>>) -> Self {
        Self { expires_at, ..self }
    }

    /// Sets the clock for the expiry of the token. The default is the chat's clock for a [`ChatSchema`], and the machine's clock for other
    /// executors.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Ends the caller's sockets when the login ends, or when the account is banned or deleted. Event streams of this crate's schema end by
    /// themselves.
    #[must_use]
    pub fn watched_by(self, chat: &Chat, principal: &Principal) -> Self {
        Self { watcher: Some((chat.clone(), principal.clone())), ..self }
    }

    /// Keeps a value for the lifetime of the connection, for example a place among the open sockets.
    #[must_use]
    pub fn keeping(self, kept: impl Any + Send + Sync) -> Self {
        Self { _kept: Some(Box::new(kept)), ..self }
    }

    /// Counts each message of the caller's socket by [`Chat::begin_frame`], and refuses messages beyond the limit.
    #[must_use]
    pub fn counted_by(self, chat: Chat, principal: Principal) -> Self {
        Self { counted_by: Some((chat, principal)), ..self }
    }

    /// Gives each operation over the caller's socket its own span, to which the schema of this crate adds details.
    #[must_use]
    pub fn traced(self, spans: ConnectionSpans) -> Self {
        Self { spans: Some(spans), ..self }
    }

    /// The span of an operation over their socket.
    pub(crate) fn span(&self) -> Option<RequestSpan> {
        let caller = self.counted_by.as_ref().map(|(_, principal)| principal);
        self.spans.as_ref().map(|spans| spans.begin("graphql-ws", caller))
    }

    /// Counts a message.
    pub(crate) async fn begin(&self) -> Result<Option<PaidRequest>> {
        match &self.counted_by {
            Some((chat, principal)) => chat.begin_frame(principal).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn data(&self) -> Data {
        (self.data)()
    }

    /// Waits until their login ends, and says why.
    pub(crate) async fn login_ended(&self) -> Error {
        match &self.watcher {
            Some((chat, principal)) => chat.login_ended(principal).await,
            None => pending().await,
        }
    }

    /// When their token ends.
    pub(crate) fn expiry<E: Executor>(&self, executor: &E) -> Option<Expiry> {
        let of_chat = || (executor as &dyn Any).downcast_ref().map(|schema: &ChatSchema| schema.chat().clock());
        let at = self.expires_at?;
        Some(Expiry { at, clock: self.clock.clone().or_else(of_chat) })
    }
}

/// The end of a token.
#[derive(Clone)]
pub(crate) struct Expiry {
    at: DateTime<Utc>,
    /// `None` for the machine's clock, which the runtime's timer follows.
    clock: Option<Arc<dyn Clock>>,
}

impl Expiry {
    /// Done at the end; never where there is none.
    pub(crate) fn reached(end: Option<Self>) -> BoxFuture<'static, ()> {
        match end {
            Some(Self { at, clock: Some(clock) }) => async move { clock.reaches(at).await }.boxed(),
            Some(Self { at, clock: None }) => sleep((at - Utc::now()).to_std().unwrap_or_default()).boxed(),
            None => pending().boxed(),
        }
    }

    /// The same for a stream that is polled at the end anyway.
    pub(crate) fn seen(end: Option<Self>) -> BoxFuture<'static, ()> {
        let Some(Self { at, clock }) = end else { return pending().boxed() };
        let now = move || clock.as_ref().map_or_else(Utc::now, |clock| clock.now());
        poll_fn(move |_| if at <= now() { Poll::Ready(()) } else { Poll::Pending }).boxed()
    }

    /// The same for the sweep of all sockets.
    #[cfg(feature = "poem")]
    pub(crate) fn swept(self) -> chatcore_http::Expiry {
        let machine = || Arc::new(chatcore::SystemClock) as Arc<dyn Clock>;
        chatcore_http::Expiry::new(self.at, self.clock.unwrap_or_else(machine))
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
