//! The limiter of the uses of the chat.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Bucket, RateLimits,
    buckets::{Buckets, Level, Tokens},
};
use crate::model::UserId;

/// The user or the address whose uses are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payer<'a> {
    /// A user.
    User(&'a UserId),
    /// The network address of an unknown caller.
    Address(IpAddr),
}

/// The origin of a request: the network address of the client, in the form in which uses per address are counted.
///
/// The form is an IPv4 address, or the first 64 bits of an IPv6 address, since a network gives a single host 2⁶⁴ IPv6 addresses (RFC 6177).
/// An IPv4 address that is written as an IPv6 address (RFC 4291, section 2.5.5.2) counts as the IPv4 address. Requests from an address that
/// is not known, such as those over a Unix socket, are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Origin(Option<IpAddr>);

impl Origin {
    /// An address that is not known.
    pub const UNKNOWN: Self = Self(None);

    pub(crate) fn payer(self) -> Option<Payer<'static>> {
        self.0.map(Payer::Address)
    }
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }))
    }
}

impl From<Option<IpAddr>> for Origin {
    fn from(address: Option<IpAddr>) -> Self {
        address.map_or(Self::UNKNOWN, Self::from)
    }
}

/// The cost of a use in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The bucket.
    pub bucket: Bucket,
    /// The number of uses to take from the bucket; 1 or more.
    pub uses: u32,
}

/// The remaining allowance of a caller for one kind of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The kind of use; `None` for a limit that is not one of [`RateLimits`], such as that on wrong passwords.
    pub bucket: Option<Bucket>,
    /// The uses that are allowed at once, after a pause long enough.
    pub limit: u32,
    /// The uses that are allowed now.
    pub remaining: u32,
    /// The time at which [`limit`](Self::limit) uses are allowed again without a use meanwhile.
    pub reset: DateTime<Utc>,
}

impl Allowance {
    pub(crate) fn of(bucket: Option<Bucket>, Level { limit, remaining, full_at }: Level) -> Self {
        let reset = DateTime::from_timestamp_micros(full_at).unwrap_or(DateTime::<Utc>::MAX_UTC);
        Self { bucket, limit, remaining, reset }
    }

    /// Whether this allowance has a smaller remaining part than the other allowance.
    #[must_use]
    pub fn is_closer_to_its_end(&self, other: &Self) -> bool {
        let left = |one: &Self, other: &Self| u64::from(one.remaining) * u64::from(other.limit);
        left(self, other) < left(other, self)
    }
}

/// The verdict of a [`Limiter`] on a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The use is allowed, and was counted.
    Allowed {
        /// The remaining allowance in the bucket of the use that is closest to its limit; `None` where no bucket of the use has a limit.
        left: Option<Allowance>,
    },
    /// The use is refused, and was not counted.
    Refused {
        /// The remaining allowance in the exhausted bucket.
        left: Allowance,
        /// Seconds until the use is allowed without another use meanwhile; 1 or more.
        retry_after: u64,
    },
}

/// Counts uses, and refuses uses beyond the limits.
///
/// # Contract
/// **All or nothing.** [`take`](Self::take) takes all costs, or refuses and takes none. Concurrent calls do not exceed a limit.
///
/// **A use that costs more than a bucket can hold** is allowed when the bucket is full, and empties it.
///
/// **The time is an argument**, and the limiter reads no other clock. The time may jump back; a caller then waits at most as long as an
/// empty bucket takes to refill.
///
/// **Every use waits for the limiter**, before any read or write. So the limiter is fast, and bounds its own wait. If a service behind the
/// limiter is unavailable, the limiter allows or refuses the use, as the host prefers.
///
/// **The memory is bounded**, for any number of users and addresses.
///
/// Dropping the future of `take` leaves the use counted or not counted.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Takes the costs of a use.
    async fn take(&self, payer: Payer<'_>, costs: &[Cost], now: DateTime<Utc>) -> Verdict;

    /// The remaining allowance for one kind of use; `None` for no limit. Takes nothing.
    async fn left(&self, payer: Payer<'_>, bucket: Bucket, now: DateTime<Utc>) -> Option<Allowance>;
}

#[async_trait]
impl<L: Limiter + ?Sized> Limiter for Arc<L> {
    async fn take(&self, payer: Payer<'_>, costs: &[Cost], now: DateTime<Utc>) -> Verdict {
        (**self).take(payer, costs, now).await
    }

    async fn left(&self, payer: Payer<'_>, bucket: Bucket, now: DateTime<Utc>) -> Option<Allowance> {
        (**self).left(payer, bucket, now).await
    }
}

/// A limiter that counts within the process, by token buckets with the rates of [`RateLimits`]. The limiter keeps at most 48,000 users and
/// as many addresses. Beyond that, the users and addresses with the fewest uses count as unused.
pub struct ProcessLimiter {
    users: Buckets<UserId, KINDS>,
    addresses: Buckets<IpAddr, KINDS>,
}

const KINDS: usize = Bucket::ALL.len();

impl std::fmt::Debug for ProcessLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessLimiter").finish_non_exhaustive()
    }
}

impl ProcessLimiter {
    /// A limiter with these rates.
    #[must_use]
    pub fn new(rates: &RateLimits) -> Self {
        let mut each = [None; KINDS];
        for (rate, bucket) in each.iter_mut().zip(Bucket::ALL) {
            *rate = rates.of(*bucket);
        }
        Self { users: Buckets::with(each), addresses: Buckets::with(each) }
    }

    /// Whether there is no limit at all.
    pub(crate) fn is_off(&self) -> bool {
        self.users.has_no_limit()
    }

    /// Takes what a use costs, without a future. Says what is left of an allowed use only `with_left`, which costs as much as the taking.
    pub(crate) fn take_now(
        &self,
        payer: Payer<'_>,
        costs: impl Iterator<Item = Cost> + Clone,
        now: DateTime<Utc>,
        with_left: bool,
    ) -> Verdict {
        match payer {
            Payer::User(user) => take_from(&self.users, user, costs, now, with_left),
            Payer::Address(address) => take_from(&self.addresses, &address, costs, now, with_left),
        }
    }
}

fn take_from<K: Hash>(
    buckets: &Buckets<K, KINDS>,
    key: &K,
    costs: impl Iterator<Item = Cost> + Clone,
    now: DateTime<Utc>,
    with_left: bool,
) -> Verdict {
    let tokens = costs.clone().map(|Cost { bucket, uses }| Tokens { of: bucket.index(), number: uses });
    let after = match buckets.take_all(key, tokens, now) {
        Ok(after) => after,
        Err((of, shortage)) => {
            let left = Allowance::of(Bucket::ALL.get(of).copied(), shortage.level);
            return Verdict::Refused { left, retry_after: shortage.retry_after() };
        }
    };
    let Some(after) = after.filter(|_| with_left) else { return Verdict::Allowed { left: None } };
    let each = costs.filter_map(|Cost { bucket, .. }| {
        Some(Allowance::of(Some(bucket), buckets.level_after(&after, bucket.index(), now)?))
    });
    Verdict::Allowed { left: each.reduce(|left, other| if other.is_closer_to_its_end(&left) { other } else { left }) }
}

#[async_trait]
impl Limiter for ProcessLimiter {
    async fn take(&self, payer: Payer<'_>, costs: &[Cost], now: DateTime<Utc>) -> Verdict {
        self.take_now(payer, costs.iter().copied(), now, true)
    }

    async fn left(&self, payer: Payer<'_>, bucket: Bucket, now: DateTime<Utc>) -> Option<Allowance> {
        let level = match payer {
            Payer::User(user) => self.users.level(user, bucket.index(), now),
            Payer::Address(address) => self.addresses.level(&address, bucket.index(), now),
        };
        Some(Allowance::of(Some(bucket), level?))
    }
}
