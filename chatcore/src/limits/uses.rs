//! What each use case costs.

use super::{Bucket, Cost};

/// Declares the kinds of use cases, with the buckets from which each takes one use for each of its entries.
macro_rules! uses {
    ($($(#[$doc:meta])* $name:ident = $($bucket:ident),*;)*) => {
        /// As what a use case is counted. Each use case says so when it begins, so a new use case does not compile without it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Use { $($(#[$doc])* $name,)* }

        impl Use {
            /// The buckets from which it takes.
            const fn buckets(self) -> &'static [Bucket] {
                match self { $(Self::$name => &[$(Bucket::$bucket),*],)* }
            }
        }
    };
}

uses! {
    /// A request like most.
    Request = Requests;
    /// A message is sent or edited.
    Message = Requests, Messages;
    /// A signal that is not stored.
    Signal = Requests, Signals;
    /// A part of a streamed message.
    Part = Parts;
    /// What comes over a WebSocket, whether a use case follows or not.
    Frame = Frames, Requests;
    /// Users or sessions are searched.
    Search = Requests, Searches;
    /// An invite is looked up by its code.
    Code = Requests, Searches;
    /// Something is reported.
    Report = Requests, Reports;
    /// An incoming webhook posts a message.
    Hook = Hooks;
    /// An incoming webhook of a user posts a message.
    HookOfUser = UserHooks;
    /// A file is uploaded.
    #[cfg_attr(not(feature = "avatars"), allow(dead_code, reason = "users upload pictures"))]
    Upload = Requests, Uploads;
    /// An account is made, beside the request that makes it.
    #[cfg_attr(not(feature = "accounts"), allow(dead_code, reason = "accounts are registered"))]
    Registration = Registrations;
    /// A picture is shown to a caller who is not known.
    #[cfg_attr(not(feature = "avatars"), allow(dead_code, reason = "pictures are shown"))]
    Picture = Pictures;
    /// A request without a valid token.
    UnknownCaller = Unknown;
    /// What the host does itself is not counted.
    Free = ;
}

/// A use case with the number of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uses {
    what: Use,
    entries: u32,
}

impl Use {
    /// The use case with so many entries. With no entry it counts as with one.
    pub(crate) fn times(self, entries: usize) -> Uses {
        Uses { what: self, entries: u32::try_from(entries).unwrap_or(u32::MAX).max(1) }
    }
}

impl From<Use> for Uses {
    fn from(what: Use) -> Self {
        what.times(1)
    }
}

impl Uses {
    /// Whether the request may have paid for it before it begins.
    pub(crate) fn is_request(self) -> bool {
        self.what.buckets().iter().copied().any(is_general)
    }

    /// What it costs, without the requests that are paid for already.
    pub(crate) fn costs(self, paid: u32) -> impl Iterator<Item = Cost> + Clone {
        let cost = move |bucket: &Bucket| {
            let paid = if is_general(*bucket) { paid } else { 0 };
            Some(Cost { bucket: *bucket, uses: self.entries.saturating_sub(paid) }).filter(|cost| cost.uses > 0)
        };
        self.what.buckets().iter().filter_map(cost)
    }
}

/// Whether a request takes from it before its first use case, and the use case does not take again.
const fn is_general(bucket: Bucket) -> bool {
    matches!(bucket, Bucket::Requests | Bucket::Pictures | Bucket::Unknown)
}
