//! Token buckets: how often something may happen for one key.
//!
//! A crate for rates charges whoever asks. Here only success is charged: a bucket can be looked at, and a token given back.

use std::{hash::Hash, time::Duration};

use chrono::{DateTime, Utc};
use moka::{ops::compute::Op, policy::EvictionPolicy, sync::Cache};

use crate::{
    error::{Error, Result},
    limits::Rate,
};

/// Buckets that are not full, at most. Where there are more, the bucket that was used least recently counts as full.
const KEPT: u64 = 50_000;

/// Longest time for which a bucket is kept after its last use.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// One bucket for each key. A bucket that is full takes no memory.
pub(crate) struct Buckets<K> {
    /// The rate and the buckets; `None` for no limit.
    limit: Option<Limit<K>>,
}

struct Limit<K> {
    /// Microseconds until one token comes back.
    every: i64,
    /// Microseconds until an empty bucket is full.
    fill: i64,
    /// When each bucket is full again, in microseconds since the Unix epoch.
    full_at: Cache<K, i64>,
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The refusal, for somebody who has to wait for so long.
fn refusal(wait: i64) -> Error {
    let seconds = u64::try_from(wait).unwrap_or_default().div_ceil(1_000_000);
    Error::RateLimited { retry_after: seconds.max(1) }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Limit<K> {
    /// When the bucket is full again after a token was taken from it.
    fn taken(&self, full_at: Option<i64>, now: DateTime<Utc>) -> Result<i64> {
        let now = now.timestamp_micros();
        // The clock may jump back: then a bucket is empty at worst, and does not owe tokens.
        let full_at = full_at.unwrap_or(now).clamp(now, now.saturating_add(self.fill));
        let taken = full_at.saturating_add(self.every);
        match taken.saturating_sub(now).saturating_sub(self.fill) {
            ..=0 => Ok(taken),
            wait => Err(refusal(wait)),
        }
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Buckets<K> {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        let limit = rate.map(|Rate { at_once, every }| {
            let fill = every.saturating_mul(at_once);
            let full_at = Cache::builder()
                .max_capacity(KEPT)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(fill.min(LONGEST))
                .build();
            Limit { every: micros(every), fill: micros(fill), full_at }
        });
        Self { limit }
    }

    /// Whether there is a token.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where there is none.
    pub(crate) fn look(&self, key: &K, now: DateTime<Utc>) -> Result<()> {
        match &self.limit {
            Some(limit) => limit.taken(limit.full_at.get(key), now).map(drop),
            None => Ok(()),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where there is none.
    pub(crate) fn take(&self, key: &K, now: DateTime<Utc>) -> Result<()> {
        let Some(limit) = &self.limit else { return Ok(()) };
        let take =
            |bucket: Option<moka::Entry<K, i64>>| limit.taken(bucket.map(moka::Entry::into_value), now).map(Op::Put);
        limit.full_at.entry_by_ref(key).and_try_compute_with(take).map(drop)
    }

    /// Gives a token back.
    pub(crate) fn give_back(&self, key: &K) {
        let Some(limit) = &self.limit else { return };
        let give = |bucket: Option<moka::Entry<K, i64>>| match bucket {
            Some(bucket) => Op::Put(bucket.into_value().saturating_sub(limit.every)),
            None => Op::Nop,
        };
        limit.full_at.entry_by_ref(key).and_compute_with(give);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn buckets(at_once: u32, every: Duration) -> Buckets<u8> {
        Buckets::new(Some(Rate { at_once, every }))
    }

    const TEN_SECONDS: Duration = Duration::from_secs(10);

    #[track_caller]
    fn waits(result: Result<()>) -> u64 {
        match result {
            Err(Error::RateLimited { retry_after }) => retry_after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_what_comes_back() {
        let buckets = buckets(3, TEN_SECONDS);
        for second in 0..3 {
            buckets.look(&1, at(second)).unwrap();
            buckets.take(&1, at(second)).unwrap();
        }
        // The first token came back at 10.
        assert_eq!((waits(buckets.take(&1, at(3))), waits(buckets.look(&1, at(9)))), (7, 1));
        buckets.take(&2, at(3)).unwrap();
        buckets.look(&1, at(10)).unwrap();
        buckets.take(&1, at(10)).unwrap();
        assert_eq!(waits(buckets.take(&1, at(10))), 10);
        // A pause fills it, and no more than that.
        for _ in 0..3 {
            buckets.take(&1, at(1_000)).unwrap();
        }
        assert_eq!(waits(buckets.take(&1, at(1_000))), 10);
    }

    #[test]
    fn a_token_that_is_given_back_can_be_taken_again() {
        let buckets = buckets(1, TEN_SECONDS);
        buckets.give_back(&1);
        for _ in 0..3 {
            buckets.take(&1, at(0)).unwrap();
            assert_eq!(waits(buckets.take(&1, at(0))), 10);
            buckets.give_back(&1);
        }
        // A full bucket holds no more than before.
        buckets.give_back(&1);
        buckets.take(&1, at(0)).unwrap();
        assert_eq!(waits(buckets.take(&1, at(0))), 10);
    }

    #[test]
    fn a_clock_that_jumps_back_takes_no_more_than_what_was_there() {
        let buckets = buckets(2, TEN_SECONDS);
        buckets.take(&1, at(1_000_000)).unwrap();
        assert_eq!(waits(buckets.take(&1, at(0))), 10);
        buckets.take(&2, at(0)).unwrap();
        buckets.take(&2, at(1_000_000)).unwrap();
    }

    #[test]
    fn rates_may_be_extreme() {
        let none: Buckets<u8> = Buckets::new(None);
        let unlimited = buckets(1, Duration::ZERO);
        for _ in 0..100 {
            none.take(&1, at(0)).unwrap();
            unlimited.take(&1, at(0)).unwrap();
        }
        assert_eq!(waits(buckets(0, TEN_SECONDS).take(&1, at(0))), 10);
        let once = buckets(u32::MAX, Duration::MAX);
        once.take(&1, at(0)).unwrap();
        waits(buckets(0, Duration::MAX).take(&1, at(0)));
    }
}
