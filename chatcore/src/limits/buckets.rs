//! Token buckets: how often something may happen for one key.
//!
//! A crate for rates charges each call, keeps each key, and refuses for as long as a clock was set back. Here a bucket can be looked at,
//! a token can be given back, the number of keys is bounded, and the time is an argument.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher as _, Hash},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::Rate;
use crate::error::{Error, Result};

/// Parts of the buckets that are locked separately.
const SHARDS: usize = 16;

/// Most buckets in one shard. Where there are more, the half that is closest to full counts as full.
const KEPT: usize = 3_000;

/// Buckets in one shard before stale buckets are looked for.
const FEW: usize = 64;

/// One bucket for each key. A bucket that is full takes no memory, at the latest when the number of buckets has doubled.
pub(crate) struct Buckets<K> {
    /// The rate and the buckets; `None` for no limit.
    limit: Option<Limit<K>>,
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// Tokens of a full bucket.
    pub(crate) limit: u32,
    /// Tokens that can be taken now.
    pub(crate) remaining: u32,
    /// When the bucket is full, in microseconds since the Unix epoch.
    pub(crate) full_at: i64,
}

/// The bucket does not hold as many tokens as are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// What the bucket holds.
    pub(crate) level: Level,
    /// Microseconds until the bucket holds the wanted tokens.
    wait: i64,
}

impl Shortage {
    /// Seconds until the bucket holds the wanted tokens; at least 1.
    pub(crate) fn retry_after(self) -> u64 {
        u64::try_from(self.wait).unwrap_or_default().div_ceil(1_000_000).max(1)
    }
}

impl From<Shortage> for Error {
    fn from(shortage: Shortage) -> Self {
        Self::RateLimited { retry_after: shortage.retry_after() }
    }
}

struct Limit<K> {
    /// Tokens of a full bucket.
    at_once: u32,
    /// Microseconds until one token comes back.
    every: i64,
    /// Microseconds until an empty bucket is full.
    fill: i64,
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K>>>,
}

/// When each bucket is full again, in microseconds since the Unix epoch.
struct Shard<K> {
    full_at: HashMap<K, i64>,
    /// With how many buckets the full ones are removed.
    sweep_at: usize,
}

impl<K: Eq + Hash> Shard<K> {
    /// Makes room for one more bucket.
    fn make_room(&mut self, now: i64) {
        if self.full_at.len() < self.sweep_at {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= KEPT {
            let mut times: Vec<i64> = self.full_at.values().copied().collect();
            let (_, median, _) = times.select_nth_unstable(KEPT / 2);
            let median = *median;
            self.full_at.retain(|_, full_at| *full_at > median);
        }
        self.sweep_at = self.full_at.len().saturating_mul(2).clamp(FEW, KEPT);
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl<K: Clone + Eq + Hash> Limit<K> {
    fn new(Rate { at_once, every }: Rate) -> Self {
        let shard = || Mutex::new(Shard { full_at: HashMap::new(), sweep_at: FEW });
        Self {
            at_once,
            every: micros(every),
            fill: micros(every.saturating_mul(at_once)),
            hasher: RandomState::new(),
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
        }
    }

    fn shard(&self, key: &K) -> Option<MutexGuard<'_, Shard<K>>> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).ok()?;
        Some(self.shards.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When a bucket is full, from when it was to be full by what is kept.
    fn full_at(&self, kept: Option<i64>, now: i64) -> i64 {
        // A bucket that would take longer than from empty to full was kept before the clock jumped back: it counts as full.
        kept.filter(|kept| *kept <= now.saturating_add(self.fill)).unwrap_or(now).max(now)
    }

    fn level(&self, full_at: i64, now: i64) -> Level {
        let missing = full_at.saturating_sub(now);
        let remaining = match self.every {
            0 => self.at_once,
            every => u32::try_from(self.fill.saturating_sub(missing) / every).unwrap_or(self.at_once),
        };
        Level { limit: self.at_once, remaining, full_at }
    }

    /// When the bucket is full again after so many tokens were taken from it. More tokens than a bucket can hold count as a full bucket.
    fn taken(&self, full_at: i64, tokens: u32, now: i64) -> Result<i64, Shortage> {
        let taken = full_at.saturating_add(self.every.saturating_mul(tokens.min(self.at_once).max(1).into()));
        match taken.saturating_sub(now).saturating_sub(self.fill) {
            ..=0 => Ok(taken),
            wait => Err(Shortage { level: self.level(full_at, now), wait }),
        }
    }
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// Buckets with this rate; `None` for no limit.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { limit: rate.map(Limit::new) }
    }

    /// What the bucket holds; `None` where there is no limit.
    pub(crate) fn level(&self, key: &K, now: DateTime<Utc>) -> Option<Level> {
        let (limit, now) = (self.limit.as_ref()?, now.timestamp_micros());
        let kept = limit.shard(key).and_then(|shard| shard.full_at.get(key).copied());
        Some(limit.level(limit.full_at(kept, now), now))
    }

    /// Takes tokens, and says what is left; `None` where there is no limit.
    ///
    /// # Errors
    /// [`Shortage`] where there are not as many; then none was taken.
    pub(crate) fn take_all(&self, key: &K, tokens: u32, now: DateTime<Utc>) -> Result<Option<Level>, Shortage> {
        let Some(limit) = &self.limit else { return Ok(None) };
        let Some(mut shard) = limit.shard(key) else { return Ok(None) };
        let now = now.timestamp_micros();
        if let Some(kept) = shard.full_at.get_mut(key) {
            *kept = limit.taken(limit.full_at(Some(*kept), now), tokens, now)?;
            return Ok(Some(limit.level(*kept, now)));
        }
        let taken = limit.taken(now, tokens, now)?;
        shard.make_room(now);
        shard.full_at.insert(key.clone(), taken);
        Ok(Some(limit.level(taken, now)))
    }

    /// Gives tokens back.
    pub(crate) fn give_all_back(&self, key: &K, tokens: u32) {
        let Some(limit) = &self.limit else { return };
        let Some(mut shard) = limit.shard(key) else { return };
        if let Some(full_at) = shard.full_at.get_mut(key) {
            let tokens = tokens.min(limit.at_once).max(1);
            *full_at = full_at.saturating_sub(limit.every.saturating_mul(tokens.into()));
        }
    }

    /// Whether there is a token.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where there is none.
    pub(crate) fn look(&self, key: &K, now: DateTime<Utc>) -> Result<()> {
        let Some(limit) = &self.limit else { return Ok(()) };
        let now = now.timestamp_micros();
        let kept = limit.shard(key).and_then(|shard| shard.full_at.get(key).copied());
        Ok(limit.taken(limit.full_at(kept, now), 1, now).map(drop)?)
    }

    /// Takes a token.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where there is none.
    pub(crate) fn take(&self, key: &K, now: DateTime<Utc>) -> Result<()> {
        Ok(self.take_all(key, 1, now).map(drop)?)
    }

    /// Gives a token back.
    pub(crate) fn give_back(&self, key: &K) {
        self.give_all_back(key, 1);
    }

    /// How many buckets take memory.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.limit.iter().flat_map(|limit| &limit.shards).map(|shard| shard.lock().unwrap().full_at.len()).sum()
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
    fn a_clock_that_jumps_back_leaves_nobody_waiting() {
        let buckets = buckets(2, TEN_SECONDS);
        for time in [1_000_000, 0] {
            for _ in 0..2 {
                buckets.take(&1, at(time)).unwrap();
            }
            assert_eq!(waits(buckets.take(&1, at(time))), 10);
        }
        // A short jump costs what would have come back meanwhile.
        buckets.take(&2, at(5)).unwrap();
        assert_eq!(waits(buckets.take(&2, at(0))), 5);
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

    #[test]
    fn several_tokens_are_taken_together_or_not_at_all() {
        let buckets = buckets(5, TEN_SECONDS);
        let level = buckets.take_all(&1, 3, at(0)).unwrap().unwrap();
        assert_eq!((level.limit, level.remaining, level.full_at), (5, 2, 30_000_000));
        let shortage = buckets.take_all(&1, 3, at(0)).unwrap_err();
        assert_eq!((shortage.level.remaining, shortage.retry_after()), (2, 10));
        assert_eq!(buckets.level(&1, at(0)).unwrap().remaining, 2);
        buckets.give_all_back(&1, 3);
        assert_eq!(buckets.level(&1, at(0)).unwrap().remaining, 5);
        // What no bucket can hold needs a full one, and empties it.
        assert_eq!(buckets.take_all(&1, 1_000, at(0)).unwrap().unwrap().remaining, 0);
        assert_eq!(buckets.take_all(&1, 1_000, at(49)).unwrap_err().retry_after(), 1);
        buckets.take_all(&1, 1_000, at(50)).unwrap();
    }

    #[test]
    fn buckets_that_are_full_again_take_no_memory() {
        let buckets: Buckets<u32> = Buckets::new(Some(Rate { at_once: 3, every: TEN_SECONDS }));
        for key in 0..100_000 {
            buckets.take(&key, at(i64::from(key))).unwrap();
        }
        assert!(buckets.kept() <= 2 * SHARDS * FEW, "{}", buckets.kept());
    }

    #[test]
    fn the_emptiest_buckets_are_kept_and_their_number_is_bounded() {
        let buckets: Buckets<u32> = Buckets::new(Some(Rate { at_once: 3, every: TEN_SECONDS }));
        for _ in 0..3 {
            buckets.take(&0, at(0)).unwrap();
        }
        for key in 1..200_000 {
            buckets.take(&key, at(0)).unwrap();
        }
        assert!(buckets.kept() <= SHARDS * KEPT, "{}", buckets.kept());
        assert_eq!(waits(buckets.take(&0, at(0))), 10);
    }
}
