//! The rates of the uses of the chat: the buckets, their rates, and the presets.

use std::{fmt, str::FromStr, time::Duration};

use super::Rate;

macro_rules! buckets {
    ($($(#[$doc:meta])* $bucket:ident = $field:ident;)*) => {
        /// The kinds of uses. Each user, or each address, has a bucket for each kind.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Bucket { $($(#[$doc])* $bucket,)* }

        impl Bucket {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$bucket),*];

            /// Its place in [`ALL`](Self::ALL).
            pub(crate) const fn index(self) -> usize {
                self as usize
            }

            /// The name of the field of [`RateLimits`] that sets the rate.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$bucket => stringify!($field)),* }
            }
        }

        /// The rate of each kind of use. `None` is no limit.
        ///
        /// The rates are of token buckets: `Rate::new(60, 1 s)` allows 60 uses at once and 60 a minute in the long run. Each process counts
        /// for itself, so `n` processes allow `n` times as much. A [`Limiter`](super::Limiter) of the host can count for all processes.
        ///
        /// The limits on wrong passwords and on mails are not included, since these limits protect accounts and not the server:
        /// `AccountSettings` of the feature `accounts` has these limits, which stay active when all rates are [`off`](Self::off).
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct RateLimits { $($(#[$doc])* pub $field: Option<Rate>,)* }

        impl RateLimits {
            /// No limits. The limits on wrong passwords stay active.
            #[must_use]
            pub const fn off() -> Self {
                Self { $($field: None,)* }
            }

            /// The rate of a kind of use.
            #[must_use]
            pub const fn of(&self, bucket: Bucket) -> Option<Rate> {
                match bucket { $(Bucket::$bucket => self.$field),* }
            }

            /// Sets the rate of a kind of use.
            pub const fn set(&mut self, bucket: Bucket, rate: Option<Rate>) {
                match bucket { $(Bucket::$bucket => self.$field = rate),* }
            }
        }
    };
}

buckets! {
    /// All uses of one user. A use case with several entries counts once for each entry.
    Requests = requests;
    /// Messages that one user sends or edits.
    Messages = messages;
    /// Signals of one user that are not stored, such as typing.
    Signals = signals;
    /// Parts of streamed messages of one user. A part that no request carries takes nothing from the requests.
    Parts = parts;
    /// Messages of one user over WebSockets: frames of `/ws`, and operations of GraphQL.
    Frames = frames;
    /// Searches of one user, and invites that the user looks up by a code.
    Searches = searches;
    /// Files that one user uploads, such as pictures of the user.
    Uploads = uploads;
    /// Reports that one user makes.
    Reports = reports;
    /// Messages that one incoming webhook posts. These messages take nothing from another bucket, except that of all
    /// webhooks of the creator.
    Hooks = hooks;
    /// Messages that all incoming webhooks of one creator post. These messages take nothing from the requests of the creator.
    UserHooks = user_hooks;
    /// Accounts that are registered from one network address.
    Registrations = registrations;
    /// Pictures that one network address requests. Pictures take nothing from the bucket below, so that a page with many pictures leaves
    /// the address its requests.
    Pictures = pictures;
    /// Requests from one network address without a valid token. Such a request counts once for each use case.
    Unknown = unknown;
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// So many at once, and as many in this time in the long run.
const fn within(time: Duration, number: u32) -> Option<Rate> {
    match time.checked_div(number) {
        Some(every) => Some(Rate::new(number, every)),
        None => None,
    }
}

impl RateLimits {
    /// The names of the presets.
    pub const PRESETS: &'static [&'static str] = &["default", "messaging-admin", "chatrooms", "off"];

    /// The preset of this name: `default`, `messaging-admin` and `chatrooms` (the numbers of these two specifications), or `off`.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "default" => Some(Self::default()),
            "messaging-admin" => Some(Self::messaging_admin()),
            "chatrooms" => Some(Self::chatrooms()),
            "off" => Some(Self::off()),
            _ => None,
        }
    }

    /// The numbers of the messaging specification with administration ("Rate Limiting"): 100 requests an hour, 60 WebSocket messages a
    /// minute, 10 uploads an hour. The 5 logins in 15 minutes of that specification are the default of the accounts. Other rates have their
    /// defaults.
    #[must_use]
    pub fn messaging_admin() -> Self {
        Self { requests: within(HOUR, 100), frames: within(MINUTE, 60), ..Self::default() }
    }

    /// The numbers of the chat room specification ("Rate Limiting"): 60 requests a minute, 10 uploads an hour. The 5 connections of each
    /// user are a setting of the frontends. Other rates have their defaults.
    #[must_use]
    pub fn chatrooms() -> Self {
        Self { requests: within(MINUTE, 60), ..Self::default() }
    }
}

impl Default for RateLimits {
    /// 600 requests at once and 20 a second, for each user, and for each address of callers without a valid token; as many pictures
    /// for each address; 60 searches a minute; 500 parts of streamed messages at once and 100 a second; 10 uploads an hour; 10 registrations an hour;
    /// 60 reports an hour; 60 messages a minute of each incoming webhook, and 600 of all webhooks of one creator, as of the webhooks of one
    /// session. Messages, signals and frames have no limit beside that of requests.
    fn default() -> Self {
        let requests = Some(Rate::new(600, Duration::from_millis(50)));
        Self {
            requests,
            parts: Some(Rate::new(500, Duration::from_millis(10))),
            searches: within(MINUTE, 60),
            uploads: within(HOUR, 10),
            registrations: within(HOUR, 10),
            reports: within(HOUR, 60),
            hooks: within(MINUTE, 60),
            user_hooks: within(MINUTE, 600),
            pictures: requests,
            unknown: requests,
            ..Self::off()
        }
    }
}

/// No preset has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPreset;

impl fmt::Display for UnknownPreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the presets are {}", RateLimits::PRESETS.join(", "))
    }
}

impl std::error::Error for UnknownPreset {}

impl FromStr for RateLimits {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::preset(name).ok_or(UnknownPreset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_the_numbers_of_their_specifications() {
        let rate = |at_once, every| Some(Rate::new(at_once, Duration::from_secs(every)));
        let RateLimits { requests, frames, uploads, .. } = RateLimits::preset("messaging-admin").unwrap();
        assert_eq!([requests, frames, uploads], [rate(100, 36), rate(60, 1), rate(10, 360)]);
        let RateLimits { requests, uploads, .. } = RateLimits::preset("chatrooms").unwrap();
        assert_eq!([requests, uploads], [rate(60, 1), rate(10, 360)]);
        assert_eq!(RateLimits::default().requests, Some(Rate::new(600, Duration::from_millis(50))));
        for (index, bucket) in Bucket::ALL.iter().enumerate() {
            assert_eq!(bucket.index(), index);
            assert_eq!(RateLimits::preset("off").unwrap().of(*bucket), None);
        }
        for name in RateLimits::PRESETS {
            assert!(name.parse::<RateLimits>().is_ok(), "{name}");
        }
        assert_eq!("Off".parse::<RateLimits>(), Err(UnknownPreset));
    }
}
