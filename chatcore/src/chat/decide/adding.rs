//! How many users may be added to sessions: limits against a caller who fills other people's lists.
//!
//! An allowance is used by success only, so that refused adds use nothing up, for anybody.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};

use super::metering::refused;
use crate::{
    error::Result,
    limits::{Limits, buckets::Buckets},
    model::UserId,
};

/// What is left for whom.
pub(in crate::chat) struct Allowances {
    inviters: Buckets<UserId>,
    invited: Buckets<UserId>,
    /// By inviter and invited user.
    pairs: Buckets<(UserId, UserId)>,
}

impl Allowances {
    pub(in crate::chat) fn new(limits: &Limits) -> Self {
        Self {
            inviters: Buckets::new(limits.adds_per_inviter).named("adds"),
            invited: Buckets::new(limits.adds_per_invited).named("adds"),
            pairs: Buckets::new(limits.adds_per_pair).named("adds"),
        }
    }

    /// Whether the inviter may add anybody now.
    ///
    /// # Errors
    /// [`RateLimited`](crate::Error::RateLimited) where not.
    pub(in crate::chat) fn look(&self, inviter: &UserId, now: DateTime<Utc>) -> Result<()> {
        self.inviters.look(inviter, now).map_err(refused)
    }

    /// Charges the inviter for having asked about somebody unknown.
    ///
    /// # Errors
    /// [`RateLimited`](crate::Error::RateLimited) where nothing is left.
    pub(in crate::chat) fn charge_inviter(&self, inviter: &UserId, now: DateTime<Utc>) -> Result<()> {
        self.inviters.take(inviter, now).map_err(refused)
    }

    /// An add that has not been charged yet.
    pub(in crate::chat) fn add<'a>(&'a self, inviter: &UserId, invited: &UserId) -> Add<'a> {
        Add { allowances: self, pair: (inviter.clone(), invited.clone()), is_charged: AtomicBool::new(false) }
    }
}

/// One add, which is charged once however often it is decided.
pub(in crate::chat) struct Add<'a> {
    allowances: &'a Allowances,
    /// The inviter and the invited user.
    pair: (UserId, UserId),
    is_charged: AtomicBool,
}

impl Add<'_> {
    /// Charges it, unless it was charged before.
    ///
    /// # Errors
    /// [`RateLimited`](crate::Error::RateLimited) where an allowance is used up; then none was used.
    pub(in crate::chat) fn charge(&self, now: DateTime<Utc>) -> Result<()> {
        if self.is_charged.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Allowances { inviters, invited, pairs } = self.allowances;
        let (inviter, user) = &self.pair;
        inviters.take(inviter, now).map_err(refused)?;
        pairs.take(&self.pair, now).inspect_err(|_| inviters.give_back(inviter)).map_err(refused)?;
        let taken = invited.take(user, now).inspect_err(|_| {
            pairs.give_back(&self.pair);
            inviters.give_back(inviter);
        });
        taken.map_err(refused)?;
        self.is_charged.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what it was charged, where it did not happen.
    pub(in crate::chat) fn give_back(self) {
        let Self { allowances: Allowances { inviters, invited, pairs }, pair, is_charged } = self;
        if is_charged.into_inner() {
            inviters.give_back(&pair.0);
            invited.give_back(&pair.1);
            pairs.give_back(&pair);
        }
    }
}
