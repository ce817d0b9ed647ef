//! Token buckets: how often something may happen for one key.
//!
//! A crate for rates charges each call, keeps each key, and refuses for as long as a clock was set back. Here a bucket can be looked at,
//! a token can be given back, the number of keys is bounded, and the time is an argument.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState},
    marker::PhantomData,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::Rate;

/// Parts of the buckets that are locked separately.
const SHARDS: usize = 16;

/// Most keys in one shard. Where there are more, the half whose buckets are full soonest counts as full.
const KEPT: usize = 3_000;

/// Keys in one shard before those with full buckets are looked for.
const FEW: usize = 64;

/// When a bucket is full that was never used.
const FULL: i64 = i64::MIN;

/// `N` buckets for each key. A key whose buckets are full takes no memory, at the latest when the number of keys has doubled.
///
/// A key is kept as its hash by a random function. Of 48,000 keys, two have the same hash, and so the same buckets, with a probability of
/// one in 10¹⁰. In return, a look at the buckets of a key hashes the key once and copies no text.
pub(crate) struct Buckets<K, const N: usize = 1> {
    /// The rate of each bucket; `None` for no limit.
    limits: [Option<Limit>; N],
    hasher: RandomState,
    shards: [Mutex<Shard<N>>; SHARDS],
    #[cfg(feature = "metrics")]
    refusals: Option<crate::metrics::Counter>,
    keys: PhantomData<fn(&K)>,
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

/// Tokens that are taken from one of the buckets of a key. Zero counts as one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens {
    /// Which bucket.
    pub(crate) of: usize,
    pub(crate) number: u32,
}

/// When the buckets of a key are full after tokens were taken.
pub(crate) struct After<const N: usize>([i64; N]);

#[derive(Clone, Copy)]
struct Limit {
    /// Tokens of a full bucket.
    at_once: u32,
    /// Microseconds until one token comes back.
    every: i64,
    /// Microseconds until an empty bucket is full.
    fill: i64,
}

/// Takes a hash for its own hash.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// When each bucket of a key is full again, in microseconds since the Unix epoch, by the hash of the key.
struct Shard<const N: usize> {
    full_at: HashMap<u64, [i64; N], BuildHasherDefault<Hashed>>,
    /// With how many keys those with full buckets are removed.
    sweep_at: usize,
}

/// When all of a key's buckets are full.
fn all_full<const N: usize>(full_at: &[i64; N]) -> i64 {
    full_at.iter().copied().max().unwrap_or(FULL)
}

impl<const N: usize> Shard<N> {
    /// Makes room for one more key.
    fn make_room(&mut self, now: i64) {
        if self.full_at.len() < self.sweep_at {
            return;
        }
        self.full_at.retain(|_, full_at| all_full(full_at) > now);
        if self.full_at.len() >= KEPT {
            let mut times: Vec<i64> = self.full_at.values().map(all_full).collect();
            let (_, median, _) = times.select_nth_unstable(KEPT / 2);
            let median = *median;
            self.full_at.retain(|_, full_at| all_full(full_at) > median);
        }
        self.sweep_at = self.full_at.len().saturating_mul(2).clamp(FEW, KEPT);
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Limit {
    fn new(Rate { at_once, every }: Rate) -> Self {
        Self { at_once, every: micros(every), fill: micros(every.saturating_mul(at_once)) }
    }

    /// When a bucket is full, from when it was to be full by what is kept.
    fn full_at(&self, kept: i64, now: i64) -> i64 {
        // A bucket that would take longer than from empty to full was kept before the clock jumped back: it counts as full.
        if kept <= now.saturating_add(self.fill) { kept.max(now) } else { now }
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

impl<K: Hash, const N: usize> Buckets<K, N> {
    /// Buckets with these rates; `None` for no limit.
    pub(crate) fn with(rates: [Option<Rate>; N]) -> Self {
        let shard = |_| Mutex::new(Shard { full_at: HashMap::default(), sweep_at: FEW });
        Self {
            limits: rates.map(|rate| rate.map(Limit::new)),
            hasher: RandomState::new(),
            shards: std::array::from_fn(shard),
            #[cfg(feature = "metrics")]
            refusals: None,
            keys: PhantomData,
        }
    }

    /// Whether no bucket has a limit.
    pub(crate) fn has_no_limit(&self) -> bool {
        self.limits.iter().all(Option::is_none)
    }

    fn limit(&self, of: usize) -> Option<&Limit> {
        self.limits.get(of)?.as_ref()
    }

    /// The hash of a key, and the shard that has its buckets.
    fn shard(&self, key: &K) -> Option<(u64, MutexGuard<'_, Shard<N>>)> {
        let hash = self.hasher.hash_one(key);
        // The map within a shard uses the lowest bits and the highest ones.
        let shard = self.shards.get((hash >> 32) as usize % SHARDS)?;
        Some((hash, shard.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What a bucket holds; `None` where it has no limit.
    pub(crate) fn level(&self, key: &K, of: usize, now: DateTime<Utc>) -> Option<Level> {
        let (limit, now) = (self.limit(of)?, now.timestamp_micros());
        Some(limit.level(limit.full_at(self.kept_of(key, of), now), now))
    }

    fn kept_of(&self, key: &K, of: usize) -> i64 {
        let kept = self.shard(key).and_then(|(hash, shard)| shard.full_at.get(&hash)?.get(of).copied());
        kept.unwrap_or(FULL)
    }

    /// Takes all of these tokens; `None` where none of their buckets has a limit.
    ///
    /// # Errors
    /// The bucket that has too few, with [`Shortage`]; then none was taken from any.
    pub(crate) fn take_all(
        &self,
        key: &K,
        tokens: impl Iterator<Item = Tokens>,
        now: DateTime<Utc>,
    ) -> Result<Option<After<N>>, (usize, Shortage)> {
        let mut limited = tokens.filter_map(|tokens| Some((self.limit(tokens.of)?, tokens))).peekable();
        if limited.peek().is_none() {
            return Ok(None);
        }
        let now = now.timestamp_micros();
        let Some((hash, mut shard)) = self.shard(key) else { return Ok(None) };
        let kept = shard.full_at.get_mut(&hash);
        let mut after = kept.as_deref().copied().unwrap_or([FULL; N]);
        for (limit, Tokens { of, number }) in limited {
            if let Some(full_at) = after.get_mut(of) {
                *full_at = limit.taken(limit.full_at(*full_at, now), number, now).map_err(|shortage| (of, shortage))?;
            }
        }
        if let Some(kept) = kept {
            *kept = after;
        } else {
            shard.make_room(now);
            shard.full_at.insert(hash, after);
        }
        Ok(Some(After(after)))
    }

    /// What a bucket holds after tokens were taken; `None` where it has no limit.
    pub(crate) fn level_after(&self, After(after): &After<N>, of: usize, now: DateTime<Utc>) -> Option<Level> {
        let (limit, now) = (self.limit(of)?, now.timestamp_micros());
        Some(limit.level(limit.full_at(*after.get(of)?, now), now))
    }

    /// How many keys take memory.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().full_at.len()).sum()
    }
}

/// The one bucket of each key.
const ONE: usize = 0;

impl<K: Hash> Buckets<K> {
    /// Buckets with this rate, one for each key; `None` for no limit.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self::with([rate])
    }

    /// The same buckets, whose refusals are measured under this name.
    pub(crate) fn named(self, name: &'static str) -> Self {
        #[cfg(feature = "metrics")]
        return Self { refusals: Some(crate::metrics::LIMITER_REFUSALS.with([name])), ..self };
        #[cfg(not(feature = "metrics"))]
        {
            let _ = name;
            self
        }
    }

    fn measured<T>(&self, taken: Result<T, Shortage>) -> Result<T, Shortage> {
        #[cfg(feature = "metrics")]
        if let (Err(_), Some(refusals)) = (&taken, &self.refusals) {
            refusals.increment(1);
        }
        taken
    }

    /// Whether there is a token.
    ///
    /// # Errors
    /// [`Shortage`] where there is none.
    pub(crate) fn look(&self, key: &K, now: DateTime<Utc>) -> Result<(), Shortage> {
        let Some(limit) = self.limit(ONE) else { return Ok(()) };
        let now = now.timestamp_micros();
        self.measured(limit.taken(limit.full_at(self.kept_of(key, ONE), now), 1, now).map(drop))
    }

    /// Takes a token.
    ///
    /// # Errors
    /// [`Shortage`] where there is none.
    pub(crate) fn take(&self, key: &K, now: DateTime<Utc>) -> Result<(), Shortage> {
        let one = std::iter::once(Tokens { of: ONE, number: 1 });
        self.measured(self.take_all(key, one, now).map(drop).map_err(|(_, shortage)| shortage))
    }

    /// Gives a token back.
    pub(crate) fn give_back(&self, key: &K) {
        let Some(limit) = self.limit(ONE) else { return };
        let Some((hash, mut shard)) = self.shard(key) else { return };
        if let Some([full_at]) = shard.full_at.get_mut(&hash) {
            *full_at = full_at.saturating_sub(limit.every);
        }
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
    fn waits(result: Result<(), Shortage>) -> u64 {
        result.unwrap_err().retry_after()
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

    /// Two buckets for each key: five tokens, and two.
    fn pairs() -> Buckets<u8, 2> {
        Buckets::with([Some(Rate::new(5, TEN_SECONDS)), Some(Rate::new(2, TEN_SECONDS))])
    }

    fn take(buckets: &Buckets<u8, 2>, numbers: [u32; 2], time: i64) -> Result<[Level; 2], (usize, Shortage)> {
        let tokens = numbers.into_iter().enumerate().map(|(of, number)| Tokens { of, number });
        let after = buckets.take_all(&1, tokens.filter(|tokens| tokens.number > 0), at(time))?.unwrap();
        Ok([0, 1].map(|of| buckets.level_after(&after, of, at(time)).unwrap()))
    }

    fn remaining(buckets: &Buckets<u8, 2>, time: i64) -> [u32; 2] {
        [0, 1].map(|of| buckets.level(&1, of, at(time)).unwrap().remaining)
    }

    #[test]
    fn several_tokens_are_taken_together_or_not_at_all() {
        let buckets = pairs();
        let [level, other] = take(&buckets, [3, 0], 0).unwrap();
        assert_eq!((level.limit, level.remaining, level.full_at), (5, 2, 30_000_000));
        assert_eq!((other.limit, other.remaining), (2, 2));
        let (of, shortage) = take(&buckets, [3, 0], 0).unwrap_err();
        assert_eq!((of, shortage.level.remaining, shortage.retry_after()), (0, 2, 10));
        assert_eq!(take(&buckets, [1, 2], 0).unwrap().map(|level| level.remaining), [1, 0]);
        // What the second bucket refuses, the first one keeps.
        let (of, shortage) = take(&buckets, [1, 1], 0).unwrap_err();
        assert_eq!((of, shortage.retry_after()), (1, 10));
        assert_eq!(remaining(&buckets, 0), [1, 0]);
    }

    #[test]
    fn what_no_bucket_can_hold_needs_a_full_one_and_empties_it() {
        let buckets = pairs();
        assert_eq!(take(&buckets, [1_000, 0], 0).unwrap()[0].remaining, 0);
        assert_eq!(take(&buckets, [1_000, 0], 49).unwrap_err().1.retry_after(), 1);
        take(&buckets, [1_000, 0], 50).unwrap();
    }

    #[test]
    fn buckets_of_different_rates_jump_back_each_by_itself() {
        let buckets = Buckets::<u8, 2>::with([Some(Rate::new(5, TEN_SECONDS)), None]);
        assert!(buckets.take_all(&1, std::iter::once(Tokens { of: 1, number: 9 }), at(0)).unwrap().is_none());
        assert_eq!(buckets.kept(), 0);
        let tokens = [Tokens { of: 0, number: 5 }, Tokens { of: 1, number: 9 }];
        buckets.take_all(&1, tokens.into_iter(), at(1_000_000)).unwrap().unwrap();
        assert_eq!(buckets.level(&1, 0, at(0)).unwrap().remaining, 5);
        assert!(buckets.level(&1, 1, at(0)).is_none());
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
