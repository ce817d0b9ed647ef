//! Uses are counted here: each use case before it reads or writes anything, and each request that reaches none.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

#[cfg(feature = "metrics")]
use crate::metrics::LIMITER_REFUSALS;
use crate::{
    chat::Chat,
    error::{Error, Result},
    identity::Principal,
    limits::{
        Allowance, Bucket, Cost, Limiter, Limits, Origin, Payer, ProcessLimiter, Use, Uses, Verdict, buckets::Shortage,
    },
    model::UserId,
};

tokio::task_local! {
    /// The request that this task carries out.
    static REQUEST: Request;
}

/// What is known of a request while it is carried out.
#[derive(Clone, Default)]
struct Request(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// The caller, once the caller is known.
    user: Option<UserId>,
    /// From where the request comes.
    origin: Origin,
    /// Whether the address was charged because the caller is not known.
    has_paid: bool,
    /// The requests that were paid for before their use cases begin.
    prepaid: u32,
    /// Whether a use was refused.
    is_refused: bool,
    /// What is left in the bucket that refused, or else in the one that is closest to its end.
    left: Option<Allowance>,
}

impl Seen {
    fn note(&mut self, left: Allowance, is_refused: bool) {
        let counts = match &self.left {
            None => true,
            Some(_) if self.is_refused => false,
            Some(before) => is_refused || before.bucket == left.bucket || left.is_closer_to_its_end(before),
        };
        if counts {
            (self.left, self.is_refused) = (Some(left), is_refused);
        }
    }
}

impl Request {
    /// Does something with what is known of the request of this task, where the task carries one out.
    fn seen<T>(with: impl FnOnce(&mut Seen) -> T) -> Option<T> {
        REQUEST.try_with(|request| request.with(with)).ok()
    }

    fn with<T>(&self, with: impl FnOnce(&mut Seen) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Counts uses.
pub(in crate::chat) struct Meter {
    /// `None` where there are no limits.
    limiter: Option<Counter>,
    /// In the order of [`Bucket::ALL`].
    #[cfg(feature = "metrics")]
    refusals: Vec<crate::metrics::Counter>,
}

enum Counter {
    /// Called without a future of its own, since it is on the way of every use.
    Process(Box<ProcessLimiter>),
    Own(Arc<dyn Limiter>),
}

impl Meter {
    /// The host's own limiter, or else one with the rates of the limits.
    pub(in crate::chat) fn new(own: Option<Arc<dyn Limiter>>, limits: &Limits) -> Self {
        let by_rates = || {
            let limiter = ProcessLimiter::new(&limits.rates);
            (!limiter.is_off()).then_some(Counter::Process(Box::new(limiter)))
        };
        Self {
            limiter: own.map(Counter::Own).or_else(by_rates),
            #[cfg(feature = "metrics")]
            refusals: Bucket::ALL.iter().map(|bucket| LIMITER_REFUSALS.with([bucket.name()])).collect(),
        }
    }

    /// Counts a use.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where it is one too many.
    pub(in crate::chat) async fn charge(&self, payer: Payer<'_>, uses: Uses, now: DateTime<Utc>) -> Result<()> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let prepaid = Request::seen(|seen| if uses.is_request() { std::mem::take(&mut seen.prepaid) } else { 0 });
        let costs = uses.costs(prepaid.unwrap_or(0));
        let verdict = match limiter {
            // Without a request there is no answer that could tell what is left.
            Counter::Process(limiter) => limiter.take_now(payer, costs, now, prepaid.is_some()),
            Counter::Own(limiter) => {
                let costs: Vec<Cost> = costs.collect();
                if costs.is_empty() {
                    return Ok(());
                }
                limiter.take(payer, &costs, now).await
            }
        };
        match verdict {
            Verdict::Allowed { left: None } => Ok(()),
            Verdict::Allowed { left: Some(left) } => {
                Request::seen(|seen| seen.note(left, false));
                Ok(())
            }
            Verdict::Refused { left, retry_after } => {
                #[cfg(feature = "metrics")]
                if let Some(refusals) = left.bucket.and_then(|bucket| self.refusals.get(bucket.index())) {
                    refusals.increment(1);
                }
                Request::seen(|seen| seen.note(left, true));
                Err(Error::RateLimited { retry_after })
            }
        }
    }

    /// What is left of one kind of use; `None` where it has no limit.
    async fn left(&self, payer: Payer<'_>, bucket: Bucket, now: DateTime<Utc>) -> Option<Allowance> {
        match self.limiter.as_ref()? {
            Counter::Process(limiter) => limiter.left(payer, bucket, now).await,
            Counter::Own(limiter) => limiter.left(payer, bucket, now).await,
        }
    }
}

/// The error of a limit that is not one of the rates. The answer to the request tells what is left of it.
pub(crate) fn refused(shortage: Shortage) -> Error {
    Request::seen(|seen| seen.note(Allowance::of(None, shortage.level), true));
    Error::RateLimited { retry_after: shortage.retry_after() }
}

/// The outcome of a request.
#[derive(Debug)]
pub struct Metered<T> {
    /// The result of the request; [`RateLimited`](Error::RateLimited) for a request without a use case and a known caller, beyond the limit
    /// of its address.
    pub output: Result<T>,
    /// The remaining allowance of the caller after the request: of the bucket that refused a use, else of the used bucket that is closest
    /// to its limit, else of the general bucket. `None` for a caller without a limit.
    pub left: Option<Allowance>,
}

impl Chat {
    /// Runs a client's request for a frontend, and returns the remaining allowance of the caller. The request calls [`admit`](Self::admit)
    /// as soon as the caller is known.
    ///
    /// With `counts_strangers`, a request that ends before a call of `admit` counts against its address.
    ///
    /// Uses in other tasks of the request count, but are not in the returned allowance.
    pub async fn metered<T>(
        &self,
        origin: Origin,
        counts_strangers: bool,
        request: impl Future<Output = T>,
    ) -> Metered<T> {
        let seen = Request::default();
        seen.with(|seen| seen.origin = origin);
        let output = REQUEST.scope(seen.clone(), request).await;
        let (meter, now) = (&self.inner.meter, self.inner.clock.now());
        let (user, has_paid) = seen.with(|seen| (seen.user.clone(), seen.has_paid));
        let (payer, general) = match (&user, origin.payer()) {
            (Some(user), _) => (Some(Payer::User(user)), Bucket::Requests),
            (None, address) => (address, Bucket::Unknown),
        };
        let mut output = Ok(output);
        if let (Some(payer), true) = (payer, counts_strangers && user.is_none() && !has_paid) {
            let charged = REQUEST.scope(seen.clone(), meter.charge(payer, Use::UnknownCaller.into(), now)).await;
            output = charged.and(output);
        }
        let left = match (seen.with(|seen| seen.left), payer) {
            (None, Some(payer)) => meter.left(payer, general, now).await,
            (left, _) => left,
        };
        Metered { output, left }
    }

    /// Admits or refuses the caller of a request, by the authentication of the frontend. Every frontend calls this function before the
    /// frontend reads the rest of a request, or at the first message of a socket.
    ///
    /// A caller without a valid token counts against the address. Within [`metered`](Self::metered), this function counts the request of a
    /// known caller, so that a request beyond the limit is refused before a read of its body. The first use case of the request is not
    /// counted again.
    ///
    /// # Errors
    /// The error of the authentication; [`AuthRequired`](Error::AuthRequired) without a caller; [`TokenInvalid`](Error::TokenInvalid) for a
    /// token of a login that is known to have ended; [`RateLimited`](Error::RateLimited) in place of these errors, and for a known caller,
    /// for a request beyond the limit.
    pub async fn admit(&self, origin: Origin, caller: Result<Option<Principal>>) -> Result<Principal> {
        let refusal = match caller {
            Ok(Some(principal)) => {
                let user = principal.user_id.clone();
                if Request::seen(|seen| seen.user = Some(user)).is_none() {
                    return Ok(principal);
                }
                match self.charge(&principal, Use::Request.into(), self.inner.clock.now()).await {
                    Ok(()) => {
                        Request::seen(|seen| seen.prepaid = 1);
                        return Ok(principal);
                    }
                    // Counts against the address, as other tokens that are not valid.
                    Err(Error::TokenInvalid) => Request::seen(|seen| seen.user = None),
                    Err(error) => return Err(error),
                };
                Error::TokenInvalid
            }
            Ok(None) => Error::AuthRequired,
            Err(error) => error,
        };
        if refusal.code().status() == 401 {
            self.prepay(origin, Use::UnknownCaller).await?;
        }
        Err(refusal)
    }

    /// Admits a request for a picture, which needs no token. Such a request counts among the pictures of its address, and not among the
    /// requests without a valid token. [`Accounts::avatar`](crate::Accounts::avatar) within the request is not counted again.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) beyond the limit.
    #[cfg(feature = "avatars")]
    pub async fn admit_picture(&self, origin: Origin) -> Result<()> {
        self.prepay(origin, Use::Picture).await
    }

    /// Counts a request against its address, before its first use case.
    async fn prepay(&self, origin: Origin, what: Use) -> Result<()> {
        let Some(payer) = origin.payer() else { return Ok(()) };
        Request::seen(|seen| seen.has_paid = true);
        self.inner.meter.charge(payer, what.into(), self.inner.clock.now()).await?;
        Request::seen(|seen| seen.prepaid = 1);
        Ok(())
    }

    /// The beginning of a use case that needs no token. Within the request of a known caller, the caller pays; otherwise the address does.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) beyond the limit.
    pub(crate) async fn enter_open(&self, origin: Origin) -> Result<()> {
        self.enter_open_as(origin, Use::UnknownCaller).await
    }

    /// The same, counted as `what` where the address pays.
    ///
    /// # Errors
    /// As [`enter_open`](Self::enter_open).
    pub(crate) async fn enter_open_as(&self, origin: Origin, what: Use) -> Result<()> {
        let (meter, now) = (&self.inner.meter, self.inner.clock.now());
        let (user, origin) = Request::seen(|seen| (seen.user.clone(), seen.origin)).unwrap_or((None, origin));
        match (&user, origin.payer()) {
            (Some(user), _) => meter.charge(Payer::User(user), Use::Request.into(), now).await,
            (None, Some(address)) => {
                Request::seen(|seen| seen.has_paid = true);
                meter.charge(address, what.into(), now).await
            }
            (None, None) => Ok(()),
        }
    }

    /// Counts a message of an incoming webhook. The author pays, and so does the creator, for all webhooks that the creator has. Nothing of
    /// the request counts against its address.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) beyond the limit.
    pub(in crate::chat) async fn charge_webhook(&self, author: &UserId, creator: &UserId) -> Result<()> {
        Request::seen(|seen| seen.has_paid = true);
        let (meter, now) = (&self.inner.meter, self.inner.clock.now());
        meter.charge(Payer::User(author), Use::Hook.into(), now).await?;
        meter.charge(Payer::User(creator), Use::HookOfUser.into(), now).await
    }

    /// Counts an account that is made.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) beyond the limit from this address.
    #[cfg(feature = "accounts")]
    pub(crate) async fn charge_registration(&self, origin: Origin) -> Result<()> {
        let Some(payer) = origin.payer() else { return Ok(()) };
        self.inner.meter.charge(payer, Use::Registration.into(), self.inner.clock.now()).await
    }

    /// Counts a message of a user over a WebSocket: a frame of `/ws`, or a message of GraphQL. The first use case that runs within the
    /// request is not counted again.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) beyond the limit; [`TokenInvalid`](Error::TokenInvalid) for a token of a login that is known to
    /// have ended.
    pub async fn begin_frame(&self, principal: &Principal) -> Result<PaidRequest> {
        if self.inner.meter.limiter.is_none() {
            return Ok(PaidRequest(None));
        }
        self.charge(principal, Use::Frame.into(), self.inner.clock.now()).await?;
        let request = Request::default();
        request.with(|seen| (seen.user, seen.prepaid) = (Some(principal.user_id.clone()), 1));
        Ok(PaidRequest(Some(request)))
    }
}

/// A request that was counted at its start, so that its first use case is not counted again.
#[derive(Clone)]
pub struct PaidRequest(Option<Request>);

impl fmt::Debug for PaidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaidRequest").finish_non_exhaustive()
    }
}

impl PaidRequest {
    /// The current request of the task within [`Chat::metered`], for work after the start of the answer.
    #[must_use]
    pub fn current() -> Self {
        Self(REQUEST.try_with(Request::clone).ok())
    }

    /// Runs the request.
    pub async fn run<T>(self, request: impl Future<Output = T>) -> T {
        match self.0 {
            Some(paid) => REQUEST.scope(paid, request).await,
            None => request.await,
        }
    }

    /// Polls a stream of the request.
    pub fn poll<T>(&self, poll: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(paid) => REQUEST.sync_scope(paid.clone(), poll),
            None => poll(),
        }
    }
}
